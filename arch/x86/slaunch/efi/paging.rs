// SPDX-License-Identifier: GPL-2.0

//! The page tables through which firmware is reached, and the lock of the door.
//!
//! Firmware is mapped in an address space of its own, below a few entries of the upper page tables.
//! Outside of a call these entries say that nothing below them may be executed. So whoever would
//! call firmware around the door ends in a page fault.

use super::verify::cpu;
use kernel::{
    bindings,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// Bits of an entry, which are the same at each level.
pub(crate) mod bit {
    /// Present.
    pub(crate) const PRESENT: u64 = 1;
    /// Writable.
    pub(crate) const WRITE: u64 = 1 << 1;
    /// Was used.
    pub(crate) const ACCESSED: u64 = 1 << 5;
    /// Was written through.
    pub(crate) const DIRTY: u64 = 1 << 6;
    /// A large page, where there could be a table.
    pub(crate) const LARGE: u64 = 1 << 7;
    /// Not executable.
    pub(crate) const NX: u64 = 1 << 63;
    /// The physical address.
    pub(crate) const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
}

/// Entries of a table.
pub(crate) const ENTRIES: usize = 512;

/// Entries of the top level that map the lower half, where firmware lies at its physical addresses.
pub(crate) const LOW: usize = 256;

/// First entry of the level that maps 1 GiB each that maps firmware's own virtual addresses: 68 GiB
/// below the end; and their number.
const WINDOW: usize = 512 - 68;
pub(crate) const WINDOW_ENTRIES: usize = 64;

/// A table at a physical address, through the direct map.
pub(crate) fn table(physical: u64) -> *mut u64 {
    // SAFETY: A number that does not change.
    let base = unsafe { bindings::page_offset_base };
    core::ptr::with_exposed_provenance_mut(
        usize::try_from(physical & bit::ADDRESS)
            .unwrap_or(0)
            .wrapping_add(base),
    )
}

/// Whether there are five levels.
pub(crate) fn five_levels() -> bool {
    cpu::cr4() >> 12 & 1 != 0
}

/// The top level of firmware's address space; null if there is none.
pub(crate) fn top() -> *mut u64 {
    // SAFETY: Written before the first call.
    unsafe { bindings::efi_mm.__bindgen_anon_1.pgd.cast() }
}

/// The table whose [`WINDOW_ENTRIES`] map firmware's virtual addresses.
pub(crate) fn window() -> *mut u64 {
    let mut entries = top();
    for _ in 0..if five_levels() { 2 } else { 1 } {
        // SAFETY: A table of the kernel's, whose last entry leads to the next level.
        entries = table(unsafe { entries.wrapping_add(ENTRIES - 1).read_volatile() });
    }
    entries.wrapping_add(WINDOW)
}

/// The entries below which firmware lies.
static DOORS: [Atomic<usize>; 8] = [const { Atomic::new(0) }; 8];

/// Finds the entries. `stable`: once is enough.
pub(crate) fn find_doors(stable: bool) {
    static FOUND: Atomic<u32> = Atomic::new(0);
    if top().is_null() || (stable && FOUND.load(Relaxed) != 0) {
        return;
    }
    let mut doors = DOORS.iter();
    for index in 0..LOW + WINDOW_ENTRIES {
        let entry = match index.checked_sub(LOW) {
            None => top().wrapping_add(index),
            Some(index) => window().wrapping_add(index),
        };
        // SAFETY: An entry of a table of the kernel's.
        if unsafe { entry.read_volatile() } & bit::PRESENT == 0 {
            continue;
        }
        let Some(door) = Iterator::next(&mut doors) else {
            pr_warn!("EFI: more mappings of firmware than can be closed\n");
            break;
        };
        door.store(entry.addr(), Relaxed);
    }
    if stable {
        FOUND.store(1, Relaxed);
    }
}

/// Lets firmware be executed for as long as it is kept.
pub(crate) struct Open(());

/// Opens the door, on the processor that is about to call.
pub(crate) fn open() -> Open {
    change(|entry| entry & !bit::NX);
    Open(())
}

impl Drop for Open {
    fn drop(&mut self) {
        change(|entry| entry | bit::NX);
    }
}

/// Changes the entries, and forgets what the processor knows of them.
fn change(new: impl Fn(u64) -> u64) {
    for door in &DOORS {
        let entry = door.load(Relaxed);
        if entry == 0 {
            break;
        }
        let entry: *mut u64 = core::ptr::with_exposed_provenance_mut(entry);
        // SAFETY: An entry of firmware's own page tables, which only the call that is under way
        // uses. Whether what is below may be executed is all that changes.
        unsafe { entry.write_volatile(new(entry.read_volatile()) | bit::ACCESSED) };
    }
    // SAFETY: The same value, which discards the translations of this address space.
    unsafe { cpu::set_cr3(cpu::cr3()) };
}
