// SPDX-License-Identifier: GPL-2.0

//! The door: where `__efi_call()` leads after a launch. The assembler is in `entry.S`.

use super::{
    backend,
    memmap, //
};
use core::mem::offset_of;

/// EFI_SUCCESS.
pub(crate) const SUCCESS: u64 = 0;

/// EFI_INVALID_PARAMETER: what a caller gets for arguments that cannot be.
pub(crate) const INVALID_PARAMETER: u64 = ERROR | 2;

/// EFI_ABORTED: what a caller gets for a call of firmware in user mode that ended in a violation.
pub(crate) const ABORTED: u64 = ERROR | 21;

/// EFI_DEVICE_ERROR: what a caller gets for a call that ended in a violation.
pub(crate) const DEVICE_ERROR: u64 = ERROR | 7;

/// EFI_UNSUPPORTED: what a caller gets where there are no runtime services.
pub(crate) const UNSUPPORTED: u64 = ERROR | 3;

/// EFI_NOT_READY: what a caller gets while another call is under way.
pub(crate) const NOT_READY: u64 = ERROR | 6;

/// EFI_OUT_OF_RESOURCES: what a caller gets for more data than can be passed on.
pub(crate) const OUT_OF_RESOURCES: u64 = ERROR | 9;

/// The bit that tells errors (UEFI specification, appendix D).
const ERROR: u64 = 1 << 63;

/// A call of firmware as the kernel makes it.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Call {
    /// Address of the function.
    pub(crate) function: u64,
    /// Its arguments; there is no telling which of them it has.
    pub(crate) args: [u64; 6],
}

const _: () = assert!(offset_of!(Call, args) == 8 && size_of::<Call>() == 0x38);

extern "C" {
    /// Calls firmware on this stack.
    fn slaunch_efi_native(call: *const Call) -> u64;
}

/// Calls firmware as it is called without a launch.
pub(crate) fn native(call: &Call) -> u64 {
    // SAFETY: This is what the kernel wanted to call, with the arguments it wanted to pass, and the
    // caller of `__efi_call()` has prepared address space and FPU for it.
    unsafe { slaunch_efi_native(call) }
}

/// All calls of firmware after a launch.
#[no_mangle]
extern "C" fn slaunch_efi_call(call: &Call) -> u64 {
    backend::call(call, memmap::service_of(call.function))
}

/// Calls `GetTime()` around the door, for tests: where it is closed this ends in a page fault, and
/// so does the thread.
#[cfg(CONFIG_SECURE_LAUNCH_STRESS)]
pub(crate) fn around() {
    extern "C" {
        fn arch_efi_call_virt_setup();
        fn arch_efi_call_virt_teardown();
    }
    let mut time = [0u64; 4];
    // SAFETY: What the kernel does for a call of a service that fills 16 bytes, but that it does it
    // without the lock: tests make no other call meanwhile.
    unsafe {
        arch_efi_call_virt_setup();
        let function = memmap::runtime_table().next().unwrap_or(0);
        let time = u64::try_from(time.as_mut_ptr().expose_provenance()).unwrap_or(0);
        native(&Call {
            function,
            args: [time, 0, 0, 0, 0, 0],
        });
        arch_efi_call_virt_teardown();
    }
}
