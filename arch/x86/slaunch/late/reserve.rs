// SPDX-License-Identifier: GPL-2.0

//! Reserving the memory of the launch.

use super::{
    cpu,
    efi,
    launch,
    slaunch::region::Region, //
};
use kernel::{
    bindings,
    prelude::*, //
};

/// Reserves the loader block, the launch table and the event log.
///
/// Called once by `setup_arch()`, before memory is given to the boot allocator: there is no heap,
/// and nothing else is mapped than the kernel. Does nothing if there was no launch. A launch whose
/// data cannot be kept ends in a panic: nobody could tell what was measured.
#[no_mangle]
#[link_section = ".init.text"]
pub(crate) extern "C" fn slaunch_reserve_memory() {
    let launch = match launch::get() {
        Ok(Some(launch)) => launch,
        Ok(None) => return,
        Err(_) => fail(c"slaunch: the launch left malformed data"),
    };
    for region in [launch.slb, launch.slrt, launch.log] {
        // SAFETY: The boot allocator takes any range at this time. This is init code.
        let ret = unsafe { reserve(region) };
        if ret != 0 {
            fail(c"slaunch: cannot reserve the memory of the launch");
        }
    }
    cpu::launched();
    efi::launched(launch.gate);
}

/// Withholds `region` from the boot allocator.
///
/// # Safety
///
/// Only for init code, as the section says.
#[link_section = ".init.text"]
unsafe fn reserve(region: Region) -> c_int {
    // SAFETY: Any range may be reserved; the caller is init code.
    unsafe { bindings::__memblock_reserve(region.base(), region.size(), bindings::NUMA_NO_NODE, 0) }
}

/// Stops the machine.
#[cold]
fn fail(message: &CStr) -> ! {
    // SAFETY: The message is a C string without conversions.
    unsafe { bindings::panic(message.as_char_ptr()) }
}
