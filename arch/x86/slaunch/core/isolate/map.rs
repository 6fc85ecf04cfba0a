// SPDX-License-Identifier: GPL-2.0

//! What is mapped for firmware in user mode.
//!
//! Only what the memory map has for run time, at its physical address. The memory map is
//! firmware's, so it does not decide alone: registers of the processor and the chipset that lead to
//! more power than user mode has are left out whatever it says, and so is what the kernel names,
//! and what two descriptors speak about.
//!
//! Nothing is writable and executable at the same time. What of its code firmware writes to is said
//! by the memory attributes table (UEFI specification, section 4.6.4). Where that says nothing
//! about code, the code is executable. Firmware that keeps its data there then ends with its first
//! write: that is seen and on record, while memory that may be both would take from the table what
//! it is for. Memory that is neither code nor data (reserved, NVS) is taken for data, and registers
//! are not cached.

use super::super::bytes::{array_at, slice_at, u32_at};
use super::super::memmap::{kind, Descriptor, MemMap, ATTRIBUTE_RUNTIME, DESCRIPTOR_SIZE};
use super::super::region::{Region, PAGE_SIZE};

/// EfiReservedMemoryType.
const RESERVED: u32 = 0;

/// EfiACPIMemoryNVS.
const ACPI_NVS: u32 = 10;

/// EfiMemoryMappedIO.
const MMIO: u32 = 11;

/// Attribute: may be cached with write-back.
const ATTRIBUTE_WB: u64 = 1 << 3;

/// Attribute: not to be executed.
const ATTRIBUTE_XP: u64 = 1 << 14;

/// Attribute: not to be written to.
const ATTRIBUTE_RO: u64 = 1 << 17;

/// Most pages, all in all: 1 GiB.
const MOST_PAGES: u64 = 1 << 18;

/// What no firmware gets, by first address and the one behind the last.
///
/// On a machine without one of these there is nothing at these addresses that firmware could need.
const NEVER: [(u64, u64); 6] = [
    // The page of NULL.
    (0, 0x1000),
    // I/O APICs.
    (0xfec0_0000, 0xfed0_0000),
    // HPET.
    (0xfed0_0000, 0xfed0_1000),
    // TXT, then the TPM behind it.
    (0xfed2_0000, 0xfed4_5000),
    // IOMMUs of Intel's chipsets.
    (0xfed9_0000, 0xfed9_8000),
    // Local APICs, and what is written to for an interrupt.
    (0xfee0_0000, 0xfef0_0000),
];

/// What may be done with a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading.
    Read,
    /// Reading and writing.
    ReadWrite,
    /// Reading and executing.
    ReadExecute,
}

/// How a range is cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// Write-back: memory.
    WriteBack,
    /// Not at all: registers and flash.
    Uncached,
}

/// A range, mapped at its physical address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Physical address, and virtual.
    pub start: u64,
    /// Number of pages.
    pub pages: u64,
    /// What may be done with it.
    pub access: Access,
    /// How it is cached.
    pub cache: Cache,
    /// It is of a region of code. In the course of `SetVirtualAddressMap()` firmware relocates its
    /// code, so all of it has to be writable too then.
    pub code: bool,
}

impl Mapping {
    /// Nothing, to fill an array with.
    pub const EMPTY: Self = Self {
        start: 0,
        pages: 0,
        access: Access::Read,
        cache: Cache::WriteBack,
        code: false,
    };

    /// The address after the last byte.
    pub const fn end(&self) -> u64 {
        self.start
            .saturating_add(self.pages.saturating_mul(PAGE_SIZE))
    }

    fn contains(&self, address: u64) -> bool {
        self.start <= address && address < self.end()
    }
}

/// Why nothing can be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// There are more ranges than slots.
    TooMany,
    /// There is more memory than any firmware needs.
    TooLarge,
    /// No code is left that could be called.
    NoCode,
    /// The memory attributes table is malformed.
    Attributes,
}

impl MapError {
    /// In words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::TooMany => "the firmware's memory map has too many ranges for run time",
            Self::TooLarge => "the firmware claims too much memory for run time",
            Self::NoCode => "the firmware has no code for run time",
            Self::Attributes => "the firmware's memory attributes table is malformed",
        }
    }
}

/// What is to be mapped.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// The ranges, by address, apart from each other.
    pub mappings: &'a [Mapping],
    /// Pages that firmware wants to have at run time and does not get.
    pub denied: u64,
}

impl Plan<'_> {
    /// Whether there is code at `address`, so that it may be called.
    pub fn is_code(&self, address: u64) -> bool {
        let at = |mapping: &&Mapping| mapping.contains(address);
        self.mappings
            .iter()
            .find(at)
            .is_some_and(|mapping| mapping.access == Access::ReadExecute)
    }

    /// Whether nothing is mapped in the `size` bytes at `address`.
    pub fn is_free(&self, address: u64, size: u64) -> bool {
        let end = address.saturating_add(size);
        self.mappings
            .iter()
            .all(|mapping| mapping.end() <= address || end <= mapping.start)
    }
}

/// Reads the memory attributes table: `version u32, descriptors u32, descriptor size u32, flags
/// u32`, and descriptors like those of the memory map.
///
/// # Errors
///
/// [`MapError::Attributes`] if it is none or has more descriptors than slots.
pub fn attributes<'a>(table: &[u8], slots: &'a mut [Descriptor]) -> Result<MemMap<'a>, MapError> {
    read_attributes(table, slots).ok_or(MapError::Attributes)
}

fn read_attributes<'a>(table: &[u8], slots: &'a mut [Descriptor]) -> Option<MemMap<'a>> {
    const HEADER: usize = 16;
    let version = u32_at(table, 0)?;
    let count = usize::try_from(u32_at(table, 4)?).ok()?;
    let size = usize::try_from(u32_at(table, 8)?).ok()?;
    if !(1..=2).contains(&version) || size < DESCRIPTOR_SIZE || count > slots.len() {
        return None;
    }
    let mut map = MemMap::new(slots);
    let mut at = HEADER;
    for _ in 0..count {
        let bytes: [u8; DESCRIPTOR_SIZE] = array_at(slice_at(table, at, size)?, 0)?;
        map.push(Descriptor::parse(&bytes).ok()?).ok()?;
        at = at.checked_add(size)?;
    }
    Some(map)
}

/// Says what is to be mapped: what `map` has for run time, without `denied`, which is physical
/// memory, and without what is above `limit`. `attributes` is the memory attributes table as
/// [`attributes`] reads it.
///
/// # Errors
///
/// Those of [`MapError`].
pub fn plan<'a>(
    map: &MemMap<'_>,
    attributes: Option<&MemMap<'_>>,
    denied: &[Region],
    limit: u64,
    slots: &'a mut [Mapping],
) -> Result<Plan<'a>, MapError> {
    let mut planner = Planner {
        map: map.descriptors(),
        attributes: attributes.map_or(&[], MemMap::descriptors),
        denied,
        limit,
        slots,
        used: 0,
        pages: 0,
        denied_pages: 0,
    };
    for descriptor in planner.map {
        if descriptor.attributes & ATTRIBUTE_RUNTIME != 0 {
            planner.add(descriptor)?;
        }
    }
    let plan = Plan {
        denied: planner.denied_pages,
        mappings: planner.slots.get(..planner.used).unwrap_or(&[]),
    };
    let code = |mapping: &Mapping| mapping.access == Access::ReadExecute;
    match plan.mappings.iter().any(code) {
        true => Ok(plan),
        false => Err(MapError::NoCode),
    }
}

/// A plan in the making.
struct Planner<'m, 'a> {
    map: &'m [Descriptor],
    attributes: &'m [Descriptor],
    denied: &'m [Region],
    limit: u64,
    slots: &'a mut [Mapping],
    used: usize,
    pages: u64,
    denied_pages: u64,
}

impl Planner<'_, '_> {
    /// Adds what firmware gets of the range that `descriptor` has.
    fn add(&mut self, descriptor: &Descriptor) -> Result<(), MapError> {
        let end = match descriptor.kind {
            kind::RUNTIME_SERVICES_CODE | kind::RUNTIME_SERVICES_DATA => descriptor.end(),
            RESERVED | ACPI_NVS | MMIO => descriptor.end(),
            // Memory of the kernel's, or none at all.
            _ => descriptor.base,
        };
        // A limit within a page counts from its beginning.
        let end = end.min(self.limit & !(PAGE_SIZE - 1));
        let mut at = descriptor.base;
        let mut given: u64 = 0;
        while at < end {
            let (hole, behind) = self.next_hole(descriptor, at);
            let stop = hole.min(end);
            if at < stop {
                self.pieces(descriptor, at, stop)?;
                given = given.saturating_add(pages_of(at, stop));
            }
            // Behind `at` in any case, since a hole has at least a page.
            at = behind.max(stop);
        }
        let denied = descriptor.pages.saturating_sub(given);
        self.denied_pages = self.denied_pages.saturating_add(denied);
        Ok(())
    }

    /// The first part of `descriptor` from `at` on that firmware does not get: first address,
    /// address after the last. Beyond all addresses if there is none.
    fn next_hole(&self, descriptor: &Descriptor, at: u64) -> (u64, u64) {
        let mut first = (u64::MAX, u64::MAX);
        let mut take = |start: u64, end: u64| {
            let start = start & !(PAGE_SIZE - 1);
            let end = end.checked_next_multiple_of(PAGE_SIZE).unwrap_or(u64::MAX);
            if start < end && at < end && start < first.0 {
                first = (start, end);
            }
        };
        for (start, end) in NEVER {
            take(start, end);
        }
        for region in self.denied {
            take(region.base(), region.end());
        }
        for other in self.map {
            if !core::ptr::eq(other, descriptor) {
                take(other.base, other.end());
            }
        }
        first
    }

    /// Adds the range from `at` to `stop`, in as many pieces as the memory attributes table makes
    /// of it.
    fn pieces(&mut self, descriptor: &Descriptor, at: u64, stop: u64) -> Result<(), MapError> {
        let mut at = at;
        while at < stop {
            let mut end = stop;
            let mut bits = 0;
            for entry in self.attributes {
                if entry.base <= at && at < entry.end() {
                    bits |= entry.attributes;
                    end = end.min(entry.end());
                } else if at < entry.base {
                    // They are sorted: all that follow begin there or later.
                    end = end.min(entry.base);
                    break;
                }
            }
            self.push(Mapping {
                start: at,
                pages: pages_of(at, end),
                access: access_of(descriptor.kind, bits),
                cache: match (descriptor.kind, descriptor.attributes & ATTRIBUTE_WB) {
                    (MMIO, _) | (_, 0) => Cache::Uncached,
                    _ => Cache::WriteBack,
                },
                code: descriptor.kind == kind::RUNTIME_SERVICES_CODE,
            })?;
            at = end;
        }
        Ok(())
    }

    /// Adds a mapping, to the last one if that is the same kind and ends where this one begins.
    fn push(&mut self, new: Mapping) -> Result<(), MapError> {
        self.pages = self.pages.saturating_add(new.pages);
        if self.pages > MOST_PAGES {
            return Err(MapError::TooLarge);
        }
        let last = self.used.checked_sub(1);
        if let Some(last) = last.and_then(|last| self.slots.get_mut(last)) {
            let same = Mapping {
                start: last.start,
                pages: last.pages,
                ..new
            };
            if *last == same && last.end() == new.start {
                last.pages = last.pages.saturating_add(new.pages);
                return Ok(());
            }
        }
        let slot = self.slots.get_mut(self.used).ok_or(MapError::TooMany)?;
        *slot = new;
        self.used = self.used.saturating_add(1);
        Ok(())
    }
}

const fn pages_of(start: u64, end: u64) -> u64 {
    end.saturating_sub(start) / PAGE_SIZE
}

/// What may be done with memory of this kind where the memory attributes table has these
/// attributes.
const fn access_of(descriptor_kind: u32, attributes: u64) -> Access {
    let read_only = attributes & ATTRIBUTE_RO != 0;
    let no_execute = attributes & ATTRIBUTE_XP != 0;
    match (descriptor_kind, read_only, no_execute) {
        (kind::RUNTIME_SERVICES_CODE, _, false) => Access::ReadExecute,
        (MMIO, _, _) | (_, false, _) => Access::ReadWrite,
        (_, true, _) => Access::Read,
    }
}
