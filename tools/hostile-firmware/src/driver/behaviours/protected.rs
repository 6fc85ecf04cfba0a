// SPDX-License-Identifier: GPL-2.0

//! Memory that nobody should change: text, read-only data, page tables, the firmware's own code.

use core::sync::atomic::AtomicU64;

use super::{evidence, msr, Call};
use crate::memory::{alias, entry, filler, patch, read, target, write, Target};
use crate::{cpu, hooks};

/// Entry of a page table: the page can be written.
const WRITABLE: u64 = 1 << 1;
/// Entry of a page table: the page cannot be executed.
const NO_EXECUTE: u64 = 1 << 63;

/// A byte of the kernel's text that nobody executes.
fn unused_text() -> Option<u64> {
    filler(cpu::rdmsr(msr::LSTAR), 4)
}

fn change(at: Option<u64>) {
    if let Some(at) = at {
        let (before, after) = patch(at, 0x01);
        evidence(before, after, at);
    }
}

/// Kernel text, where it is executed.
pub fn text(_: &mut Call) {
    change(unused_text());
}

/// Kernel text, by the map of all memory.
pub fn text_alias(_: &mut Call) {
    change(unused_text().and_then(alias));
}

/// Kernel text, put back before the return: nothing that a comparison could find.
pub fn text_and_back(_: &mut Call) {
    // The same place: changed, it is no filler any more.
    let at = unused_text();
    change(at);
    change(at);
}

/// Read-only data.
pub fn rodata(_: &mut Call) {
    change(target(Target::LinuxBanner));
}

/// A variable of the kernel's: nothing that a comparison could find.
pub fn data(_: &mut Call) {
    change(target(Target::Data));
}

/// Changes bits of the entry that maps `address`.
fn remap(address: Option<u64>, bits: u64) {
    if let Some((at, _)) = address.and_then(entry) {
        let before = read(at);
        write(at, before ^ bits);
        evidence(before, read(at), at);
    }
}

/// The entry of kernel text makes it writable.
pub fn entry_of_text(_: &mut Call) {
    remap(Some(cpu::rdmsr(msr::LSTAR)), WRITABLE);
}

/// The entry of kernel text in the map of all memory makes it writable.
pub fn entry_of_text_alias(_: &mut Call) {
    remap(alias(cpu::rdmsr(msr::LSTAR)), WRITABLE);
}

/// The entry of read-only data makes it writable.
pub fn entry_of_rodata(_: &mut Call) {
    remap(target(Target::LinuxBanner), WRITABLE);
}

/// The entry of the interrupt descriptor table makes it writable.
pub fn entry_of_idt(_: &mut Call) {
    let base = cpu::idt().base;
    remap(Some(base), WRITABLE);
}

/// The entry of this driver's data makes it executable, or not.
pub fn entry_of_own_data(_: &mut Call) {
    static DATA: AtomicU64 = AtomicU64::new(0);
    remap(Some(DATA.as_ptr() as u64), NO_EXECUTE);
}

/// The entry of this driver's code makes it writable, or not.
pub fn entry_of_own_code(_: &mut Call) {
    remap(Some(hooks::own_filler()), WRITABLE);
}

/// This driver's code.
pub fn own_code(_: &mut Call) {
    change(Some(hooks::own_filler()));
}

/// The firmware's code.
pub fn firmware_code(_: &mut Call) {
    change(Some(hooks::firmware_code()));
}
