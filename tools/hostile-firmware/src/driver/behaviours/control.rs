// SPDX-License-Identifier: GPL-2.0

//! Control registers.

use core::cell::UnsafeCell;

use super::{evidence, msr, Call};
use crate::cpu;
use crate::memory;

/// A page for tables of one's own.
#[repr(C, align(4096))]
pub struct Page(UnsafeCell<[u64; 512]>);

// SAFETY: Firmware is called by one processor at a time.
unsafe impl Sync for Page {}

impl Page {
    pub const fn new() -> Self {
        Self(UnsafeCell::new([0; 512]))
    }

    pub fn address(&self) -> u64 {
        self.0.get() as u64
    }

    /// Fills it with what lies at `from`.
    pub fn copy(&self, from: u64, bytes: usize) {
        // SAFETY: Both are mapped, and no more is copied than the page has.
        unsafe {
            core::ptr::copy_nonoverlapping(
                from as *const u8,
                self.0.get().cast::<u8>(),
                bytes.min(4096),
            );
        }
    }
}

static TABLE: Page = Page::new();

/// Read-only memory can be written.
pub fn cr0_wp(_: &mut Call) {
    let before = cpu::cr0();
    cpu::set_cr0(before & !(1 << 16));
    evidence(before, cpu::cr0(), 0);
}

/// A feature of CR4 is switched over.
pub fn cr4(bit: u32) {
    let before = cpu::cr4();
    cpu::set_cr4(before ^ 1 << bit);
    evidence(before, cpu::cr4(), 0);
}

/// Other interrupts are held off than were, though none that there are.
pub fn cr8(_: &mut Call) {
    let before = cpu::cr8();
    cpu::set_cr8(before ^ 1);
    evidence(before, cpu::cr8(), 0);
}

/// Part of the processor's state is not saved any more.
pub fn xcr0(_: &mut Call) {
    const PKRU: u64 = 1 << 9;
    let before = cpu::xgetbv();
    cpu::xsetbv(if before & PKRU != 0 {
        before & !PKRU
    } else {
        3
    });
    evidence(before, cpu::xgetbv(), 0);
}

/// The top of the page tables is a copy.
pub fn cr3_copy(_: &mut Call) {
    let before = cpu::cr3();
    let (Some(base), Some(copy)) = (memory::direct_map(), memory::physical(TABLE.address())) else {
        return;
    };
    TABLE.copy(base + (before & !0xfff), 4096);
    cpu::set_cr3(copy | before & 0xfff);
    evidence(before, cpu::cr3(), 0);
}

/// The registers that the kernel has, in the order in which the tests read them.
pub fn read() -> [u64; 12] {
    [
        cpu::cr0(),
        cpu::cr3(),
        cpu::cr4(),
        cpu::cr8(),
        cpu::dr7(),
        cpu::rdmsr(msr::EFER),
        cpu::rdmsr(msr::LSTAR),
        cpu::rdmsr(msr::STAR),
        cpu::rdmsr(msr::PAT),
        cpu::rdmsr(msr::GS_BASE),
        cpu::xgetbv(),
        memory::direct_map().unwrap_or(0),
    ]
}
