// SPDX-License-Identifier: GPL-2.0

//! The runtime table that the kernel goes by.
//!
//! It is read once, before the launch's first call, and never again: what firmware writes to its
//! own table later has no meaning. The kernel calls through a copy, whose pointers are the
//! functions' physical addresses.

use core::cell::UnsafeCell;
use kernel::{
    bindings,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// Words of EFI_RUNTIME_SERVICES (UEFI specification, section 4.5.1): a header of three and 14
/// pointers.
const WORDS: usize = 17;

const _: () = assert!(size_of::<bindings::efi_runtime_services_t>() == WORDS * size_of::<u64>());

/// The copy.
#[repr(transparent)]
struct Table(UnsafeCell<[u64; WORDS]>);

// SAFETY: Written once, while there is one processor, and only read afterwards.
unsafe impl Sync for Table {}

static TABLE: Table = Table(UnsafeCell::new([0; WORDS]));

/// Nothing was copied.
const NONE: u32 = 0;
/// There is a copy, and the kernel does not know it yet.
const KEPT: u32 = 1;
/// The kernel goes by it.
const IN_USE: u32 = 2;

static PROGRESS: Atomic<u32> = Atomic::new(NONE);

/// Copies the table, in place of firmware's SetVirtualAddressMap(): firmware's address space is
/// active, and there is one processor. False if there is a copy.
pub(super) fn keep() -> bool {
    if PROGRESS.load(Relaxed) != NONE {
        return false;
    }
    // SAFETY: Written while there is one processor.
    let from: *const [u64; WORDS] = unsafe { bindings::efi.runtime }.cast();
    // SAFETY: The kernel has just called through this table, and nobody else uses the copy yet.
    unsafe { *TABLE.0.get() = from.read_unaligned() };
    PROGRESS.store(KEPT, Relaxed);
    true
}

/// Whether the kernel goes by the copy.
pub(super) fn in_use() -> bool {
    PROGRESS.load(Relaxed) == IN_USE
}

/// The places of functions in the table.
pub(super) const SET_VIRTUAL_ADDRESS_MAP: usize = 4;
pub(super) const RESET_SYSTEM: usize = 10;

/// The address of a function of the table by its place, from 0.
pub(super) fn function(place: usize) -> Option<u64> {
    const HEADER: usize = 3;
    // SAFETY: It is not written to any more once there are calls.
    let table = unsafe { &*TABLE.0.get() };
    table.get(place.checked_add(HEADER)?).copied()
}

extern "C" {
    static mut efi_disable_ibt_for_runtime: bool;
}

/// Has the kernel go by the copy, before its first call after SetVirtualAddressMap(): with one
/// processor.
pub(super) fn adopt() {
    if PROGRESS.load(Relaxed) != KEPT {
        return;
    }
    // SAFETY: Nobody else uses these yet. Indirect branches stay restricted in the kernel when
    // firmware is not in it.
    unsafe {
        bindings::efi.runtime = TABLE.0.get().cast();
        efi_disable_ibt_for_runtime = false;
    }
    PROGRESS.store(IN_USE, Relaxed);
}
