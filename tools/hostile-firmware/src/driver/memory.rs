// SPDX-License-Identifier: GPL-2.0

//! The kernel's memory, as code in its address space reaches it.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::cpu;

/// What the guest says about its kernel, by writing the variable `target`: these addresses, in this order.
#[derive(Clone, Copy)]
pub enum Target {
    /// The variable `page_offset_base`, which says where all of physical memory is mapped.
    PageOffsetBase,
    /// The text `linux_banner`, which is read-only.
    LinuxBanner,
    /// A variable that nobody looks at.
    Data,
}

/// How many there are.
pub const TARGETS: usize = 3;

static ADDRESSES: [AtomicU64; TARGETS] = [const { AtomicU64::new(0) }; TARGETS];

/// Remembers what the guest says.
pub fn remember(index: usize, address: u64) {
    if let Some(place) = ADDRESSES.get(index) {
        place.store(address, Ordering::Relaxed);
    }
}

/// An address, if the guest has given it.
pub fn target(target: Target) -> Option<u64> {
    match ADDRESSES[target as usize].load(Ordering::Relaxed) {
        0 => None,
        address => Some(address),
    }
}

/// Reads a word of memory that is mapped.
pub fn read(address: u64) -> u64 {
    // SAFETY: The caller knows that it is mapped.
    unsafe { (address as *const u64).read_unaligned() }
}

/// Writes a word of memory that is mapped, be it read-only.
pub fn write(address: u64, value: u64) {
    // SAFETY: The caller knows that it is mapped; to whom it belongs is of no concern here.
    cpu::unprotected(|| unsafe { (address as *mut u64).write_unaligned(value) });
}

/// Changes one bit pattern in a byte that is mapped, be it read-only; the byte before and after.
pub fn patch(address: u64, bits: u8) -> (u64, u64) {
    let at = address as *mut u8;
    // SAFETY: As above.
    let before = unsafe { at.read_volatile() };
    // SAFETY: As above.
    cpu::unprotected(|| unsafe { at.write_volatile(before ^ bits) });
    // SAFETY: As above.
    (before.into(), unsafe { at.read_volatile() }.into())
}

/// Address bits of a page-table entry.
const FRAME: u64 = 0x000f_ffff_ffff_f000;
/// The entry is in use.
const PRESENT: u64 = 1 << 0;
/// The entry maps a large page.
const LARGE: u64 = 1 << 7;
/// Five levels are in use (CR4).
const LA57: u64 = 1 << 12;

/// Where physical memory is mapped.
pub fn direct_map() -> Option<u64> {
    target(Target::PageOffsetBase).map(read)
}

/// The entry that maps `address`: where it can be written, and how many address bits it leaves to the page.
pub fn entry(address: u64) -> Option<(u64, u32)> {
    let base = direct_map()?;
    let mut table = cpu::cr3() & FRAME;
    let mut shift = if cpu::cr4() & LA57 != 0 { 48 } else { 39 };
    loop {
        let at = base + table + (address >> shift & 511) * 8;
        let value = read(at);
        if value & PRESENT == 0 {
            return None;
        }
        if shift == 12 || (value & LARGE != 0 && shift <= 30) {
            return Some((at, shift));
        }
        table = value & FRAME;
        shift -= 9;
    }
}

/// The physical address of one that is mapped.
pub fn physical(address: u64) -> Option<u64> {
    let (at, shift) = entry(address)?;
    let mask = (1u64 << shift) - 1;
    Some(read(at) & FRAME & !mask | address & mask)
}

/// The same memory by the kernel's map of all memory.
pub fn alias(address: u64) -> Option<u64> {
    Some(direct_map()? + physical(address)?)
}

/// Filler between functions at or after `from`, at least `count` bytes of it: nothing executes it.
pub fn filler(from: u64, count: usize) -> Option<u64> {
    const FAR: u64 = 0x8000;
    let mut run = 0;
    for at in from..from + FAR {
        // SAFETY: The caller starts in code that goes on for longer than this.
        let byte = unsafe { (at as *const u8).read_volatile() };
        run = if byte == 0xcc || byte == 0x90 {
            run + 1
        } else {
            0
        };
        if run == count {
            return Some(at);
        }
    }
    None
}
