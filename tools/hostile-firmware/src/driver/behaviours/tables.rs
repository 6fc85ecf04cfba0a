// SPDX-License-Identifier: GPL-2.0

//! Descriptor tables, segments, debug registers.

use super::control::Page;
use super::{evidence, Call};
use crate::cpu::{self, Table};
use crate::memory::{patch, read};

static IDT: Page = Page::new();
static GDT: Page = Page::new();

/// Interrupts go through a table in firmware's memory, which is a copy.
pub fn other_idt(_: &mut Call) {
    let Table { limit, base } = cpu::idt();
    IDT.copy(base, usize::from(limit) + 1);
    cpu::set_idt(&Table {
        limit,
        base: IDT.address(),
    });
    let after = cpu::idt().base;
    evidence(base, after, 0);
}

/// Segments come from a table in firmware's memory, which is a copy.
pub fn other_gdt(_: &mut Call) {
    let Table { limit, base } = cpu::gdt();
    GDT.copy(base, usize::from(limit) + 1);
    cpu::set_gdt(&Table {
        limit,
        base: GDT.address(),
    });
    let after = cpu::gdt().base;
    evidence(base, after, 0);
}

/// An exception that processors do not raise goes elsewhere.
pub fn idt_entry(_: &mut Call) {
    const RESERVED: u64 = 31;
    let at = cpu::idt().base + RESERVED * 16;
    let (before, after) = patch(at, 0x10);
    evidence(before, after, at);
}

/// The segment of 32-bit kernel code, which nobody loads, is another one.
pub fn gdt_entry(_: &mut Call) {
    let at = cpu::gdt().base + 8;
    let (before, after) = patch(at, 0x01);
    evidence(before, after, at);
}

/// An interrupt stack that the kernel has no use for lies elsewhere.
pub fn tss_ist(_: &mut Call) {
    const IST7: u64 = 0x54;
    let descriptor = cpu::gdt().base + u64::from(cpu::tr());
    let (low, high) = (read(descriptor), read(descriptor + 8));
    let base = low >> 16 & 0x00ff_ffff | low >> 56 << 24 | high << 32;
    let (before, after) = patch(base + IST7, 0x10);
    evidence(before, after, base + IST7);
}

/// The data segment is that of user space.
pub fn data_segment(_: &mut Call) {
    const USER_DS: u16 = 0x2b;
    let before = cpu::ds();
    cpu::set_ds(USER_DS);
    evidence(before.into(), cpu::ds().into(), 0);
}

/// Where a breakpoint does no harm: nothing is there.
const NOWHERE: u64 = 0x7000_0000_0000;

/// A breakpoint is armed.
pub fn breakpoint(_: &mut Call) {
    let before = cpu::dr7();
    cpu::set_dr0(NOWHERE);
    cpu::set_dr7(before | 1 << 1);
    evidence(before, cpu::dr7(), cpu::dr0());
}

/// A breakpoint that is not armed lies elsewhere.
pub fn breakpoint_address(_: &mut Call) {
    let before = cpu::dr0();
    cpu::set_dr0(NOWHERE);
    evidence(before, cpu::dr0(), 0);
}
