// SPDX-License-Identifier: GPL-2.0

//! What the loader and the driver share: the names of things, and the end of everything.

#![no_std]

use core::panic::PanicInfo;

use uefi_raw::{guid, Guid};

/// Vendor of the variables that the driver listens to.
pub const TEST_VENDOR: Guid = guid!("5e3a1f60-7c1d-4b52-9a55-51a4c6e0f00d");

/// Nothing here may panic; should it still, the processor says where.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        // SAFETY: Raises an exception and does nothing else.
        unsafe { core::arch::asm!("ud2") };
    }
}
