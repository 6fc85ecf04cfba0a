// SPDX-License-Identifier: GPL-2.0

//! Secure Launch before the launch: the part that runs in the EFI stub.
//!
//! Nothing here is trusted afterwards, and nothing here measures. It finds out whether a launch is
//! possible, lays out in memory what the launch needs, and executes SKINIT. If the user did not ask
//! for a launch, every entry point returns at once.
//!
//! The C side calls, in this order: [`slaunch_parse_option`] (any number of times),
//! [`slaunch_prepare`], [`slaunch_place_kernel`], [`slaunch_ready`], and after
//! `ExitBootServices()` [`slaunch_launch`].

#[path = "../../../../drivers/char/tpm/core/mmio.rs"]
mod mmio;
#[path = "../core/mod.rs"]
mod slaunch;
#[path = "../../../../drivers/char/tpm/core/mod.rs"]
mod tpm;

mod cpu;
mod efi;
mod firmware_tpm;
mod image;
mod memory;
mod options;
mod reason;
mod state;
mod tables;

use core::ffi::c_char;
use efi::{Status, SystemTable};
use state::{KernelRequest, State};

/// Longest value of the option that is looked at, in bytes.
const OPTION_MAX: usize = 64;

/// Takes the value of `slaunch=`; null for the bare word.
///
/// # Safety
///
/// `value` is null or a string with its NUL. No other function of this interface runs.
#[no_mangle]
pub unsafe extern "C" fn slaunch_parse_option(value: *const c_char) {
    let mut text = [0; OPTION_MAX];
    let mut length = 0;
    if !value.is_null() {
        for to in &mut text {
            // SAFETY: the string goes on until its NUL, which has not been read yet.
            *to = unsafe { value.cast::<u8>().add(length).read() };
            if *to == 0 {
                break;
            }
            length = length.wrapping_add(1);
        }
    }
    // SAFETY: by the caller.
    let state = unsafe { State::get() };
    state.parse_option(text.get(..length).unwrap_or(&text));
}

/// Checks the machine and takes the memory of the launch.
///
/// Returns an error where a launch is required and impossible.
///
/// # Safety
///
/// Boot services run, and `system` is the system table; `native` tells whether it is 64-bit. No
/// other function of this interface runs.
#[no_mangle]
pub unsafe extern "C" fn slaunch_prepare(system: *const SystemTable, native: bool) -> Status {
    // SAFETY: by the caller; the system table stays until the end of boot services.
    unsafe { State::get().prepare(&*system, native) }
}

/// Allocates the place of the kernel for a launch: below 4 GiB, anywhere by `seed`. Resets
/// `virt_addr` to `base`, the address that the image is linked for, so that it is not relocated:
/// its digest is to depend on the file alone. (KASLR_FLAG stays as it is: the kernel goes on to
/// randomise the areas of its memory, and where it lies physically.)
///
/// Returns `EFI_NOT_READY` where there is no launch, and the place is the caller's to choose.
///
/// # Safety
///
/// Boot services run; `addr` and `virt_addr` point to variables of the caller. No other function of
/// this interface runs.
#[no_mangle]
pub unsafe extern "C" fn slaunch_place_kernel(
    size: usize,
    align: usize,
    seed: usize,
    base: usize,
    addr: *mut usize,
    virt_addr: *mut usize,
) -> Status {
    let request = KernelRequest {
        size,
        align,
        seed,
        base,
    };
    // SAFETY: by the caller.
    let (state, addr, virt_addr) = unsafe { (State::get(), &mut *addr, &mut *virt_addr) };
    state.place_kernel(&request, addr, virt_addr)
}

/// Writes everything that the launch needs. The last call before `ExitBootServices()`; waits for a
/// key if the user wants that.
///
/// Returns an error where a launch is required and impossible.
///
/// # Safety
///
/// Boot services run, the decompressed kernel is in its place, and `boot_params` points to a
/// `struct boot_params`. No other function of this interface runs.
#[no_mangle]
pub unsafe extern "C" fn slaunch_ready(boot_params: *const u8) -> Status {
    // SAFETY: by the caller.
    unsafe { State::get().ready(boot_params) }
}

/// Launches, and does not return, if everything is ready; else returns at once.
///
/// # Safety
///
/// Boot services have been left, nothing of the firmware is needed any more, and `boot_params`
/// points to the finished `struct boot_params`. No other function of this interface runs.
#[no_mangle]
pub unsafe extern "C" fn slaunch_launch(boot_params: *const u8) {
    // SAFETY: by the caller.
    unsafe { State::get().launch(boot_params) }
}
