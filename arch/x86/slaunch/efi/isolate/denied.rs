// SPDX-License-Identifier: GPL-2.0

//! Physical memory that firmware in user mode does not get, whatever its memory map says: interrupt
//! controllers, timers, IOMMUs, TPM and TXT, PCI configuration space, registers of PCI devices, and
//! the kernel's RAM.
//!
//! What is not at a fixed place is where ACPI's tables say. They are the firmware's too, but the
//! kernel goes by them: where they are wrong there is nothing that the kernel uses. BARs are where
//! the kernel has them when firmware is first called, which is after it has looked for devices.

use crate::slaunch::{
    bytes::{
        slice_at,
        u16_at,
        u32_at,
        u64_at,
        u8_at, //
    },
    region::Region, //
};
use kernel::{
    bindings,
    page::PAGE_SIZE,
    prelude::*, //
};

/// What is at the same place in every machine: the local APIC, the I/O APIC, the HPET, Intel TXT,
/// the TPM.
const FIXED: [(u64, u64); 5] = [
    (0xfee0_0000, 0x10_0000),
    (0xfec0_0000, 0x1000),
    (0xfed0_0000, 0x1000),
    (0xfed2_0000, 0x2_0000),
    (0xfed4_0000, 0x5000),
];

/// Most tables with the same signature that are looked at.
const TABLES: u32 = 16;

/// Longest table that is looked at, in bytes.
const LONGEST: usize = 1 << 20;

/// All of it but memory.
pub(super) fn regions() -> Result<KVec<Region>> {
    let mut regions = Regions(KVec::new());
    for (base, size) in FIXED {
        regions.add(base, size)?;
    }
    each(c"APIC", |table| interrupts(table, &mut regions))?;
    each(c"HPET", |table| regions.add_some(u64_at(table, 44), 0x1000))?;
    each(c"TPM2", |table| regions.add_some(u64_at(table, 40), 0x1000))?;
    each(c"MCFG", |table| configuration(table, &mut regions))?;
    each(c"DMAR", |table| intel_iommu(table, &mut regions))?;
    each(c"IVRS", |table| amd_iommu(table, &mut regions))?;
    devices(&mut regions)?;
    Ok(regions.0)
}

/// Registers of a device: `struct slaunch_efi_bar`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Bar {
    start: u64,
    size: u64,
}

extern "C" {
    fn slaunch_efi_bars(to: *mut Bar, room: usize) -> usize;
}

/// Registers of PCI devices.
fn devices(regions: &mut Regions) -> Result {
    const MOST: usize = 1024;
    let mut bars = KVVec::from_elem(Bar::default(), MOST, GFP_KERNEL)?;
    // SAFETY: There is room for so many.
    let count = unsafe { slaunch_efi_bars(bars.as_mut_ptr(), MOST) };
    let bars = bars.get(..count).ok_or(E2BIG)?;
    bars.iter()
        .try_for_each(|bar| regions.add(bar.start, bar.size))
}

/// Regions in the making.
struct Regions(KVec<Region>);

impl Regions {
    /// Adds all pages of a region, unless it is none.
    fn add(&mut self, base: u64, size: u64) -> Result {
        let mask = PAGE_SIZE as u64 - 1; // CAST: A small number.
        let end = base.saturating_add(size).saturating_add(mask) & !mask;
        if let Ok(region) = Region::from_bounds(base & !mask, end) {
            self.0.push(region, GFP_KERNEL)?;
        }
        Ok(())
    }

    /// Adds a region whose address is in a table, if it is.
    fn add_some(&mut self, base: Option<u64>, size: u64) -> Result {
        match base {
            None | Some(0) => Ok(()),
            Some(base) => self.add(base, size),
        }
    }
}

/// Looks at all tables with a signature.
fn each(signature: &CStr, mut look: impl FnMut(&[u8]) -> Result) -> Result {
    for instance in 1..=TABLES {
        let mut table = core::ptr::null_mut();
        // SAFETY: The signature has four characters, which are only read.
        let status = unsafe {
            bindings::acpi_get_table(
                signature.as_char_ptr().cast_mut().cast(),
                instance,
                &mut table,
            )
        };
        if status != 0 || table.is_null() {
            break;
        }
        // SAFETY: A table that is mapped has a header.
        let length = unsafe { (&raw const (*table).length).read_unaligned() };
        let result = match usize::try_from(length) {
            Ok(length) if length <= LONGEST => {
                // SAFETY: The whole table is mapped.
                look(unsafe { core::slice::from_raw_parts(table.cast(), length) })
            }
            _ => Err(EINVAL),
        };
        // SAFETY: Got above.
        unsafe { bindings::acpi_put_table(table) };
        result?;
    }
    Ok(())
}

/// Looks at the entries of a table that begin at `at`, each with its type and length as `head`
/// reads them.
fn entries<'a>(
    table: &'a [u8],
    mut at: usize,
    head: fn(&'a [u8]) -> Option<(u16, u16)>,
    mut look: impl FnMut(u16, &'a [u8]) -> Result,
) -> Result {
    while let Some((kind, length)) = table.get(at..).and_then(head) {
        let length = usize::from(length);
        let Some(entry) = slice_at(table, at, length) else {
            break;
        };
        if length == 0 {
            break;
        }
        look(kind, entry)?;
        at = at.saturating_add(length);
    }
    Ok(())
}

/// Multiple APIC description table (ACPI specification, section 5.2.12).
fn interrupts(table: &[u8], regions: &mut Regions) -> Result {
    const IO_APIC: u16 = 1;
    const LOCAL_APIC_OVERRIDE: u16 = 5;
    regions.add_some(u32_at(table, 36).map(u64::from), 0x1000)?;
    let head = |bytes| Some((u8_at(bytes, 0)?.into(), u8_at(bytes, 1)?.into()));
    entries(table, 44, head, |kind, entry| match kind {
        IO_APIC => regions.add_some(u32_at(entry, 4).map(u64::from), 0x1000),
        LOCAL_APIC_OVERRIDE => regions.add_some(u64_at(entry, 4), 0x1000),
        _ => Ok(()),
    })
}

/// PCI's memory-mapped configuration space (PCI Firmware specification, section 4.1.2).
fn configuration(table: &[u8], regions: &mut Regions) -> Result {
    const ENTRY: usize = 16;
    for entry in table.get(44..).unwrap_or(&[]).chunks_exact(ENTRY) {
        let first = u64::from(u8_at(entry, 10).unwrap_or(0));
        let last = u64::from(u8_at(entry, 11).unwrap_or(u8::MAX));
        let base = u64_at(entry, 0).map(|base| base.saturating_add(first << 20));
        regions.add_some(base, (last + 1).saturating_sub(first) << 20)?;
    }
    Ok(())
}

fn type_and_length(bytes: &[u8]) -> Option<(u16, u16)> {
    Some((u16_at(bytes, 0)?, u16_at(bytes, 2)?))
}

/// DMA remapping units (Intel VT-d specification, section 8.3).
fn intel_iommu(table: &[u8], regions: &mut Regions) -> Result {
    const UNIT: u16 = 0;
    entries(table, 48, type_and_length, |kind, entry| match kind {
        UNIT => {
            let size = u8_at(entry, 5).unwrap_or(0) & 0xf;
            regions.add_some(u64_at(entry, 8), 0x1000 << size)
        }
        _ => Ok(()),
    })
}

/// I/O virtualization hardware definitions (AMD I/O virtualization specification, section 5.2.2).
fn amd_iommu(table: &[u8], regions: &mut Regions) -> Result {
    let head = |bytes| Some((u8_at(bytes, 0)?.into(), u16_at(bytes, 2)?));
    entries(table, 48, head, |kind, entry| match kind {
        0x10 | 0x11 | 0x40 => regions.add_some(u64_at(entry, 8), 0x8_0000),
        _ => Ok(()),
    })
}

/// Whether some of it is memory that the kernel uses.
pub(super) fn is_ram(start: u64, pages: u64) -> bool {
    match usize::try_from(pages.saturating_mul(PAGE_SIZE as u64)) {
        Ok(size) => ram(start, size) != bindings::REGION_DISJOINT,
        Err(_) => true,
    }
}

/// Whether all of it is.
pub(super) fn is_all_ram(start: u64, size: usize) -> bool {
    ram(start, size) == bindings::REGION_INTERSECTS
}

fn ram(start: u64, size: usize) -> u32 {
    // CAST: `usize` is larger.
    const NONE: c_ulong = bindings::IORES_DESC_NONE as c_ulong;
    let flags = bindings::IORESOURCE_MEM | bindings::IORESOURCE_SYSRAM;
    // SAFETY: It may always be called.
    let found = unsafe { bindings::region_intersects(start, size, flags as c_ulong, NONE) };
    // Neither is what is no answer.
    u32::try_from(found).unwrap_or(bindings::REGION_MIXED)
}
