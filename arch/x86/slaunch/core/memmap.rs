// SPDX-License-Identifier: GPL-2.0

//! The EFI memory map.
//!
//! UEFI specification, section 7.2.3. The canonical form keeps what firmware fixes and drops what
//! depends on who allocated what this time:
//!
//! * memory that is free once the kernel runs (loader, boot services, conventional; not runtime,
//!   not specific-purpose) becomes type 7, with only those attributes that the kernel goes by
//!   (WB, NV, MORE_RELIABLE, CPU_CRYPTO, HOT_PLUGGABLE); adjacent and overlapping ranges with the
//!   same attributes are merged; these come first, ordered by attributes and address;
//! * everything else (runtime services, reserved, ACPI, MMIO, unusable, persistent, unaccepted,
//!   vendor types) follows as it is, ordered by address, type, attributes and size.
//!
//! Each range is `type u32, attributes u64, base u64, pages u64`.
//!
//! Where the firmware is trusted after the launch, each range of code or data of its runtime
//! services is an event of its own as well: `type u32, attributes u64, pages u64`, and for code
//! what is there. The address is left out: that is in the map's event.

use super::bytes::{u32_at, u64_at, Sink};
use super::error::Error;
use super::physmem::PhysMem;
use super::region::{Region, PAGE_SIZE};

/// Bytes of a descriptor that are defined; firmware may make it longer.
pub const DESCRIPTOR_SIZE: usize = MIN_DESCRIPTOR_SIZE as usize;

const MIN_DESCRIPTOR_SIZE: u32 = 40;

/// The version of the descriptor.
pub const DESCRIPTOR_VERSION: u32 = 1;

/// The longest descriptor that is accepted.
pub const MAX_DESCRIPTOR_SIZE: u32 = 1024;

/// The room that a map should be given: more descriptors than machines have.
pub const MAX_DESCRIPTORS: usize = 512;

/// Values of [`Descriptor::kind`].
pub mod kind {
    /// Code of boot loaders, and the kernel image.
    pub const LOADER_CODE: u32 = 1;
    /// Data of boot loaders.
    pub const LOADER_DATA: u32 = 2;
    /// Code of firmware, until boot services end.
    pub const BOOT_SERVICES_CODE: u32 = 3;
    /// Data of firmware, until boot services end.
    pub const BOOT_SERVICES_DATA: u32 = 4;
    /// Code of runtime services.
    pub const RUNTIME_SERVICES_CODE: u32 = 5;
    /// Data of runtime services.
    pub const RUNTIME_SERVICES_DATA: u32 = 6;
    /// Free memory.
    pub const CONVENTIONAL: u32 = 7;
    /// ACPI tables.
    pub const ACPI_RECLAIM: u32 = 9;
}

/// Attribute: the range is used by runtime services.
pub const ATTRIBUTE_RUNTIME: u64 = 1 << 63;

/// Attribute: the memory is for a special purpose.
pub const ATTRIBUTE_SPECIFIC_PURPOSE: u64 = 1 << 18;

/// The attributes of free memory that the kernel goes by: WB, NV, MORE_RELIABLE, CPU_CRYPTO,
/// HOT_PLUGGABLE.
const RAM_ATTRIBUTES: u64 = (1 << 3) | (1 << 15) | (1 << 16) | (1 << 19) | (1 << 20);

/// A descriptor: `type u32@0, physical_start u64@8, virtual_start u64@16, pages u64@24,
/// attribute u64@32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Descriptor {
    /// Physical address of the first page.
    pub base: u64,
    /// What is there, one of [`kind`].
    pub kind: u32,
    /// Attributes.
    pub attributes: u64,
    /// Number of 4 KiB pages.
    pub pages: u64,
}

impl Descriptor {
    /// A descriptor of nothing, to fill an array with.
    pub const EMPTY: Self = Self {
        base: 0,
        kind: 0,
        attributes: 0,
        pages: 0,
    };

    /// Reads a descriptor.
    ///
    /// # Errors
    ///
    /// [`Error::MemoryMapInvalid`] if its address is not that of a page, or if it wraps.
    pub fn parse(bytes: &[u8; DESCRIPTOR_SIZE]) -> Result<Self, Error> {
        let number = |offset| u64_at(bytes, offset).ok_or(Error::MemoryMapInvalid);
        let descriptor = Self {
            base: number(8)?,
            kind: u32_at(bytes, 0).ok_or(Error::MemoryMapInvalid)?,
            attributes: number(32)?,
            pages: number(24)?,
        };
        let end = descriptor
            .pages
            .checked_mul(PAGE_SIZE)
            .and_then(|size| descriptor.base.checked_add(size));
        if descriptor.base % PAGE_SIZE != 0 || end.is_none() {
            return Err(Error::MemoryMapInvalid);
        }
        Ok(descriptor)
    }

    /// The address after the last byte.
    pub const fn end(&self) -> u64 {
        self.base
            .saturating_add(self.pages.saturating_mul(PAGE_SIZE))
    }

    /// True for memory that is free for use once the kernel runs.
    pub const fn is_ram(&self) -> bool {
        let free = matches!(
            self.kind,
            kind::LOADER_CODE
                | kind::LOADER_DATA
                | kind::BOOT_SERVICES_CODE
                | kind::BOOT_SERVICES_DATA
                | kind::CONVENTIONAL
        );
        free && self.attributes & (ATTRIBUTE_RUNTIME | ATTRIBUTE_SPECIFIC_PURPOSE) == 0
    }

    /// True for code and data that runtime services use once the kernel runs.
    pub const fn is_runtime(&self) -> bool {
        let kinds = matches!(
            self.kind,
            kind::RUNTIME_SERVICES_CODE | kind::RUNTIME_SERVICES_DATA
        );
        kinds && self.attributes & ATTRIBUTE_RUNTIME != 0
    }

    /// What it describes.
    ///
    /// # Errors
    ///
    /// Those of [`Region::new`].
    pub const fn region(&self) -> Result<Region, Error> {
        Region::from_bounds(self.base, self.end())
    }

    /// Gives what the event of a range of runtime services begins with to `sink`; for code, what is
    /// there follows.
    pub fn put_runtime(&self, sink: &mut impl Sink) {
        sink.put(&self.kind.to_le_bytes());
        sink.put(&self.attributes.to_le_bytes());
        sink.put(&self.pages.to_le_bytes());
    }

    /// The attributes that the canonical form has for free memory.
    const fn ram_attributes(&self) -> u64 {
        self.attributes & RAM_ATTRIBUTES
    }

    fn put(&self, sink: &mut impl Sink) {
        sink.put(&self.kind.to_le_bytes());
        sink.put(&self.attributes.to_le_bytes());
        sink.put(&self.base.to_le_bytes());
        sink.put(&self.pages.to_le_bytes());
    }
}

/// A memory map, copied, checked, and sorted by address.
///
/// # Invariants
///
/// The first `used` slots are sorted, not empty, page aligned, and do not wrap.
#[derive(Debug)]
pub struct MemMap<'a> {
    slots: &'a mut [Descriptor],
    used: usize,
}

impl<'a> MemMap<'a> {
    /// A map without descriptors, with room for as many as `slots` has.
    pub fn new(slots: &'a mut [Descriptor]) -> Self {
        Self { slots, used: 0 }
    }

    /// Reads the map in `region`, whose descriptors are `desc_size` bytes apart. Reads each
    /// descriptor once.
    ///
    /// # Errors
    ///
    /// [`Error::MemoryMapInvalid`] if version or size of the descriptors are out of range, the
    /// size of the map is not a multiple of it, or a descriptor is invalid;
    /// [`Error::MemoryMapTooLarge`] if there are more descriptors than slots; what `memory`
    /// reports.
    pub fn read<M: PhysMem>(
        slots: &'a mut [Descriptor],
        memory: &mut M,
        region: Region,
        desc_size: u32,
        desc_version: u32,
    ) -> Result<Self, Error> {
        let mut map = Self::new(slots);
        let step = u64::from(desc_size);
        let sizes = MIN_DESCRIPTOR_SIZE..=MAX_DESCRIPTOR_SIZE;
        if desc_version != DESCRIPTOR_VERSION || !sizes.contains(&desc_size) {
            return Err(Error::MemoryMapInvalid);
        }
        let mut at = region.base();
        while at < region.end() {
            if region.end().saturating_sub(at) < step {
                return Err(Error::MemoryMapInvalid);
            }
            let mut bytes = [0; DESCRIPTOR_SIZE];
            memory.read(at, &mut bytes)?;
            map.push(Descriptor::parse(&bytes)?)?;
            at = at.saturating_add(step);
        }
        Ok(map)
    }

    /// Adds a descriptor, at its place. One without pages is left out, as the kernel does.
    ///
    /// # Errors
    ///
    /// [`Error::MemoryMapTooLarge`] if there is no slot left, [`Error::MemoryMapInvalid`] if it
    /// is not aligned or wraps.
    pub fn push(&mut self, descriptor: Descriptor) -> Result<(), Error> {
        let size = descriptor.pages.checked_mul(PAGE_SIZE);
        let end = size.and_then(|size| descriptor.base.checked_add(size));
        if descriptor.base % PAGE_SIZE != 0 || end.is_none() {
            return Err(Error::MemoryMapInvalid);
        }
        if descriptor.pages == 0 {
            return Ok(());
        }
        let used = self.used.checked_add(1).ok_or(Error::MemoryMapTooLarge)?;
        let slots = self.slots.get_mut(..used).ok_or(Error::MemoryMapTooLarge)?;
        // Insert from the back: maps are mostly sorted already, so this mostly ends at once.
        let mut slots = slots.iter_mut().rev();
        if let Some(mut hole) = slots.next() {
            for slot in slots {
                if *slot <= descriptor {
                    break;
                }
                *hole = *slot;
                hole = slot;
            }
            *hole = descriptor;
        }
        self.used = used;
        Ok(())
    }

    /// The descriptors, sorted by address.
    pub fn descriptors(&self) -> &[Descriptor] {
        self.slots.get(..self.used).unwrap_or(&[])
    }

    /// The ranges of code and data of runtime services, by address.
    pub fn runtime(&self) -> impl Iterator<Item = &Descriptor> {
        self.descriptors()
            .iter()
            .filter(|descriptor| descriptor.is_runtime())
    }

    /// Checks that a range of code or data of runtime services may be read: that nothing else in
    /// the map says anything about it, and that it is apart from the launch's own memory.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRam`], [`Error::RegionOverlap`].
    pub fn check_runtime(&self, range: &Descriptor, launch: &[Region]) -> Result<Region, Error> {
        let region = range.region()?.apart_from(launch)?;
        let meets = |other: &&Descriptor| other.base < region.end() && region.base() < other.end();
        let mut met = self.descriptors().iter().filter(meets);
        match (met.next(), met.next()) {
            (Some(only), None) if only == range && range.is_runtime() => Ok(region),
            _ => Err(Error::OutOfRam),
        }
    }

    /// True if all of `region` is memory that is free for use once the kernel runs, and no
    /// descriptor says otherwise about any of it.
    pub fn is_ram(&self, region: &Region) -> bool {
        self.is_all(region, Descriptor::is_ram)
    }

    /// Like [`MemMap::is_ram`], and allows memory with ACPI tables too. The EFI stub allocates the
    /// memory map itself there.
    pub fn is_ram_or_acpi(&self, region: &Region) -> bool {
        self.is_all(region, |descriptor| {
            let acpi = descriptor.kind == kind::ACPI_RECLAIM
                && descriptor.attributes & ATTRIBUTE_RUNTIME == 0;
            acpi || descriptor.is_ram()
        })
    }

    fn is_all(&self, region: &Region, allowed: impl Fn(&Descriptor) -> bool) -> bool {
        // Sorted by base, so what is covered grows from the left without looking back.
        let mut covered = region.base();
        for descriptor in self.descriptors() {
            if descriptor.end() <= region.base() || descriptor.base >= region.end() {
                continue;
            }
            if !allowed(descriptor) {
                return false;
            }
            if descriptor.base <= covered {
                covered = covered.max(descriptor.end());
            }
        }
        covered >= region.end()
    }

    /// Gives the canonical form to `sink`; see the module's description.
    pub fn canonical(&self, sink: &mut impl Sink) {
        let mut last = None;
        while let Some(attributes) = self.next_attributes(last) {
            self.put_ram(attributes, sink);
            last = Some(attributes);
        }
        for descriptor in self.descriptors() {
            if !descriptor.is_ram() {
                descriptor.put(sink);
            }
        }
    }

    /// The smallest attributes of free memory above `last`.
    fn next_attributes(&self, last: Option<u64>) -> Option<u64> {
        self.descriptors()
            .iter()
            .filter(|descriptor| descriptor.is_ram())
            .map(Descriptor::ram_attributes)
            .filter(|attributes| last.is_none_or(|last| *attributes > last))
            .min()
    }

    /// Puts the free memory with these attributes, merged.
    fn put_ram(&self, attributes: u64, sink: &mut impl Sink) {
        let same = self
            .descriptors()
            .iter()
            .filter(|descriptor| descriptor.is_ram() && descriptor.ram_attributes() == attributes);
        let mut open: Option<(u64, u64)> = None;
        for descriptor in same {
            open = match open {
                Some((base, end)) if descriptor.base <= end => {
                    Some((base, end.max(descriptor.end())))
                }
                Some(range) => {
                    put_range(range, attributes, sink);
                    Some((descriptor.base, descriptor.end()))
                }
                None => Some((descriptor.base, descriptor.end())),
            };
        }
        if let Some(range) = open {
            put_range(range, attributes, sink);
        }
    }
}

fn put_range((base, end): (u64, u64), attributes: u64, sink: &mut impl Sink) {
    let merged = Descriptor {
        base,
        kind: kind::CONVENTIONAL,
        attributes,
        pages: end.saturating_sub(base) / PAGE_SIZE,
    };
    merged.put(sink);
}
