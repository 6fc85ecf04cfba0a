// SPDX-License-Identifier: GPL-2.0

//! The memory of the firmware at run time.

use crate::mem;
use kernel::{
    bindings,
    fmt,
    prelude::*, //
};

/// The memory is mapped for the firmware at run time.
const RUNTIME: u64 = 1 << 63;

/// Bytes of a page of EFI.
const PAGE: u64 = 4096;

/// The physical address of memory of the firmware's that the kernel has at the virtual address
/// `address`.
pub(crate) fn physical(address: u64) -> Option<u64> {
    Regions::new()
        .filter(|region| region.attribute & RUNTIME != 0 && region.virt_addr != 0)
        .find_map(|region| {
            let offset = address.checked_sub(region.virt_addr)?;
            let inside = offset < region.num_pages.saturating_mul(PAGE);
            inside.then(|| region.phys_addr.checked_add(offset))?
        })
}

/// Writes a line for each region of the EFI memory map that the firmware uses at run time.
///
/// The digests are those of what is in memory now. The firmware was relocated since the launch if
/// the kernel has given it virtual addresses.
pub(crate) fn show(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for region in Regions::new() {
        if region.attribute & RUNTIME == 0 {
            continue;
        }
        match region.type_ {
            bindings::EFI_RUNTIME_SERVICES_CODE => f.write_str("code")?,
            bindings::EFI_RUNTIME_SERVICES_DATA => f.write_str("data")?,
            other => write!(f, "type_{other}")?,
        }
        let (base, pages, attribute) = (region.phys_addr, region.num_pages, region.attribute);
        write!(f, " {base:#x} {pages} {attribute:#x}")?;
        if region.type_ == bindings::EFI_RUNTIME_SERVICES_CODE {
            f.write_str(" ")?;
            show_digest(base, pages, f)?;
        }
        f.write_str("\n")?;
    }
    Ok(())
}

/// Writes the SHA-256 of what is in memory.
fn show_digest(base: u64, pages: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Ok(contents) = mem::read(base, pages.saturating_mul(PAGE)) else {
        return f.write_str("unreadable");
    };
    let mut digest = [0u8; 32];
    // SAFETY: The data has this length, and the digest that of SHA-256.
    unsafe { bindings::sha256(contents.as_ptr(), contents.len(), digest.as_mut_ptr()) };
    digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// The descriptors of the kernel's EFI memory map, which the firmware does not write to. None if
/// the kernel has no use for it, as without runtime services.
///
/// # Invariants
///
/// From `next` to `end` there are descriptors, `size` bytes from one to the next.
pub(crate) struct Regions {
    next: usize,
    end: usize,
    size: usize,
}

impl Regions {
    /// All of them.
    pub(crate) fn new() -> Self {
        // SAFETY: The map is changed only while the kernel boots, when there are no files yet.
        let map = unsafe { (&raw const bindings::efi.memmap).read() };
        // INVARIANT: That is what the map is.
        Self {
            next: map.map.addr(),
            end: map.map_end.addr(),
            size: map.desc_size,
        }
    }
}

impl Iterator for Regions {
    type Item = bindings::efi_memory_desc_t;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next.checked_add(self.size)?;
        if self.next == 0 || self.size < size_of::<Self::Item>() || next > self.end {
            return None;
        }
        let region: *const Self::Item = core::ptr::with_exposed_provenance(self.next);
        // INVARIANT: One less is left.
        self.next = next;
        // SAFETY: By the type invariant.
        Some(unsafe { region.read_unaligned() })
    }
}
