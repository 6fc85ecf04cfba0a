// SPDX-License-Identifier: GPL-2.0

//! The memory of a launch: one piece below 4 GiB, of a type that the kernel takes for RAM.
//!
//! ```text
//! +0x00000  loader block (SLB): image, zeroes, launch parameters
//! +0x10000  event log
//! +0x20000  SLRT
//! +0x21000  boot_params, the copy that the kernel will be given
//! +0x22000  GDT for the moment of the launch
//! ```

use super::efi::{self, Placement};
use super::reason::{Reason, Refusal};
use core::mem::size_of;
use core::slice;

const PAGE: usize = 4096;
/// Size and alignment of the window that SKINIT protects (APM volume 2, 15.27.4).
pub(crate) const SLB_SIZE: usize = 0x10000;
/// The firmware's own launch events and ours are a few hundred bytes each.
pub(crate) const LOG_SIZE: usize = 0x10000;
/// The SLRT's page.
pub(crate) const SLRT_SIZE: usize = PAGE;
/// `struct boot_params`.
pub(crate) const BOOT_PARAMS_SIZE: usize = PAGE;

const LOG: usize = SLB_SIZE;
const SLRT: usize = LOG + LOG_SIZE;
const BOOT_PARAMS: usize = SLRT + SLRT_SIZE;
const GDT: usize = BOOT_PARAMS + BOOT_PARAMS_SIZE;
const TOTAL: usize = GDT + PAGE;

/// Not below 1 MiB, where the kernel wants its trampolines and the firmware keeps its past.
const LOWEST: usize = 0x10_0000;
/// Everything that the loader block and the 32-bit entry see lies below this.
pub(crate) const LIMIT: usize = 1 << 32;

/// Flat segments at the selectors that SKINIT uses: 8 code, 0x10 data; both 32 bits, 4 GiB.
const GDT_ENTRIES: [u64; 3] = [0, 0x00cf_9b00_0000_ffff, 0x00cf_9300_0000_ffff];

/// Offset of the last byte of the table.
const GDT_LIMIT: u16 = size_of::<[u64; GDT_ENTRIES.len()]>() as u16 - 1;

/// Operand of LGDT.
#[repr(C, packed)]
pub(crate) struct GdtPointer {
    limit: u16,
    base: u64,
}

/// The memory of a launch.
///
/// # Invariants
///
/// `base` is the address of `TOTAL` bytes of our own, aligned to 64 KiB and below 4 GiB.
#[derive(Clone, Copy)]
pub(crate) struct LaunchMemory {
    base: usize,
}

impl LaunchMemory {
    /// Allocates it, all zero.
    ///
    /// # Errors
    ///
    /// No room below 4 GiB.
    pub(crate) fn new() -> Result<Self, Refusal> {
        let place = Placement {
            align: SLB_SIZE,
            // As high as can be: low memory is what old devices need.
            seed: u32::MAX as usize,
            min: LOWEST,
            max: LIMIT - 1,
            memory_type: efi::LOADER_DATA,
        };
        let base = efi::allocate(TOTAL, &place).ok_or(Reason::Memory.with(TOTAL as u32))?;
        // SAFETY: just allocated, and mapped one to one by the firmware.
        unsafe { core::ptr::write_bytes(base as *mut u8, 0, TOTAL) };
        // INVARIANT: as allocated.
        Ok(Self { base })
    }

    /// Gives it back.
    ///
    /// # Safety
    ///
    /// Boot services run, and no slice of this memory is in use.
    pub(crate) unsafe fn release(self) {
        // SAFETY: allocated as such; the rest by the caller.
        unsafe { efi::free(TOTAL, self.base) };
    }

    /// Address of the loader block.
    pub(crate) const fn slb_base(&self) -> u64 {
        self.base as u64
    }

    /// Address of the event log.
    pub(crate) const fn log_base(&self) -> u64 {
        self.base.wrapping_add(LOG) as u64
    }

    /// Address of the SLRT.
    pub(crate) const fn slrt_base(&self) -> u64 {
        self.base.wrapping_add(SLRT) as u64
    }

    /// Address of the copy of boot_params.
    pub(crate) const fn boot_params_base(&self) -> u64 {
        self.base.wrapping_add(BOOT_PARAMS) as u64
    }

    fn part<const SIZE: usize>(&mut self, offset: usize) -> &mut [u8; SIZE] {
        const { assert!(SIZE <= TOTAL) };
        // SAFETY: the callers below name parts that lie in the memory and do not overlap, the
        // memory is initialised, and `self` is borrowed as long as the part.
        unsafe { &mut *((self.base.wrapping_add(offset)) as *mut [u8; SIZE]) }
    }

    /// The loader block.
    pub(crate) fn slb(&mut self) -> &mut [u8; SLB_SIZE] {
        self.part(0)
    }

    /// The event log.
    pub(crate) fn log(&mut self) -> &mut [u8; LOG_SIZE] {
        self.part(LOG)
    }

    /// The SLRT.
    pub(crate) fn slrt(&mut self) -> &mut [u8; SLRT_SIZE] {
        self.part(SLRT)
    }

    /// The copy of boot_params.
    pub(crate) fn boot_params(&mut self) -> &mut [u8; BOOT_PARAMS_SIZE] {
        self.part(BOOT_PARAMS)
    }

    /// Writes the GDT and returns the operand for LGDT.
    pub(crate) fn gdt(&mut self) -> *const GdtPointer {
        let table = self.base.wrapping_add(GDT) as *mut [u64; GDT_ENTRIES.len()];
        let pointer = table.wrapping_add(1).cast::<GdtPointer>();
        // SAFETY: both lie in the last page of this memory, which is 8-byte aligned.
        unsafe {
            table.write(GDT_ENTRIES);
            pointer.write(GdtPointer {
                limit: GDT_LIMIT,
                base: table as u64,
            });
        }
        pointer
    }
}

/// The memory at an address, for reading.
///
/// # Safety
///
/// `size` bytes at `addr` are mapped, initialised, and nobody writes them while the slice lives.
pub(crate) unsafe fn view<'a>(addr: usize, size: usize) -> &'a [u8] {
    // SAFETY: by the caller.
    unsafe { slice::from_raw_parts(addr as *const u8, size) }
}

/// Copies as much of `from` as `to` can take; to be used where the sizes are known to fit.
pub(crate) fn copy(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}
