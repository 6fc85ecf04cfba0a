// SPDX-License-Identifier: GPL-2.0

//! The processor's state, read and changed without asking anybody.
//!
//! Every function here may be called at privilege level 0 only, where this driver always is, and what a
//! change breaks is the caller's business: breaking things is what it is for.

use core::arch::asm;

macro_rules! register {
    ($($get:ident $set:ident $name:literal: $doc:literal;)*) => {
        $(
            #[doc = $doc]
            pub fn $get() -> u64 {
                let value;
                // SAFETY: Reads a register.
                unsafe { asm!(concat!("mov {}, ", $name), out(reg) value, options(nomem, nostack)) };
                value
            }

            #[doc = $doc]
            pub fn $set(value: u64) {
                // SAFETY: See the module's documentation.
                unsafe { asm!(concat!("mov ", $name, ", {}"), in(reg) value, options(nostack)) };
            }
        )*
    };
}

register! {
    cr0 set_cr0 "cr0": "Protection, paging, write protection.";
    cr3 set_cr3 "cr3": "Page tables.";
    cr4 set_cr4 "cr4": "Features.";
    cr8 set_cr8 "cr8": "Task priority.";
    dr0 set_dr0 "dr0": "Address of breakpoint 0.";
    dr7 set_dr7 "dr7": "Enabled breakpoints.";
}

/// A model-specific register.
pub fn rdmsr(index: u32) -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: Reads a register, or faults.
    unsafe {
        asm!("rdmsr", in("ecx") index, out("eax") low, out("edx") high, options(nomem, nostack))
    };
    u64::from(high) << 32 | u64::from(low)
}

/// Writes a model-specific register.
pub fn wrmsr(index: u32, value: u64) {
    let (low, high) = (value as u32, (value >> 32) as u32);
    // SAFETY: See the module's documentation.
    unsafe { asm!("wrmsr", in("ecx") index, in("eax") low, in("edx") high, options(nostack)) };
}

/// Extended control register 0.
pub fn xgetbv() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: Reads a register.
    unsafe {
        asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") high, options(nomem, nostack))
    };
    u64::from(high) << 32 | u64::from(low)
}

/// Writes extended control register 0.
pub fn xsetbv(value: u64) {
    let (low, high) = (value as u32, (value >> 32) as u32);
    // SAFETY: See the module's documentation.
    unsafe { asm!("xsetbv", in("ecx") 0, in("eax") low, in("edx") high, options(nostack)) };
}

/// Where a descriptor table is.
#[derive(Clone, Copy, Default)]
#[repr(C, packed)]
pub struct Table {
    pub limit: u16,
    pub base: u64,
}

/// The global descriptor table.
pub fn gdt() -> Table {
    let mut table = Table::default();
    // SAFETY: Writes ten bytes into the variable.
    unsafe { asm!("sgdt [{}]", in(reg) &raw mut table, options(nostack)) };
    table
}

/// Loads another global descriptor table.
pub fn set_gdt(table: &Table) {
    // SAFETY: See the module's documentation.
    unsafe { asm!("lgdt [{}]", in(reg) table, options(nostack)) };
}

/// The interrupt descriptor table.
pub fn idt() -> Table {
    let mut table = Table::default();
    // SAFETY: Writes ten bytes into the variable.
    unsafe { asm!("sidt [{}]", in(reg) &raw mut table, options(nostack)) };
    table
}

/// Loads another interrupt descriptor table.
pub fn set_idt(table: &Table) {
    // SAFETY: See the module's documentation.
    unsafe { asm!("lidt [{}]", in(reg) table, options(nostack)) };
}

/// The selector of the task state segment.
pub fn tr() -> u16 {
    let value: u16;
    // SAFETY: Reads a register.
    unsafe { asm!("str {:x}", out(reg) value, options(nomem, nostack)) };
    value
}

/// The code segment's selector, which has the privilege level.
pub fn cs() -> u16 {
    let value: u16;
    // SAFETY: Reads a register.
    unsafe { asm!("mov {:x}, cs", out(reg) value, options(nomem, nostack)) };
    value
}

/// The data segment's selector.
pub fn ds() -> u16 {
    let value: u16;
    // SAFETY: Reads a register.
    unsafe { asm!("mov {:x}, ds", out(reg) value, options(nomem, nostack)) };
    value
}

/// Loads the data segment.
pub fn set_ds(value: u16) {
    // SAFETY: See the module's documentation.
    unsafe { asm!("mov ds, {:x}", in(reg) value, options(nostack)) };
}

/// Does `work` with write protection off and without interruption.
pub fn unprotected(work: impl FnOnce()) {
    const WP: u64 = 1 << 16;
    let flags: u64;
    // SAFETY: Saves the flags and masks interrupts.
    unsafe { asm!("pushfq", "pop {}", "cli", out(reg) flags) };
    let before = cr0();
    set_cr0(before & !WP);
    work();
    set_cr0(before);
    // SAFETY: The flags are those from above.
    unsafe { asm!("push {}", "popfq", in(reg) flags) };
}
