// SPDX-License-Identifier: GPL-2.0

//! The command line options `slaunch=` and `slaunch_efi=`.
//!
//! The EFI stub acts on the first, the early kernel on the second, whose settings come with the
//! hand-over. Here it is only noted that a launch was asked for. That there is somebody for them
//! keeps the kernel from passing the options on to init as unknown.

use kernel::{
    prelude::*,
    str::as_char_ptr_in_const_context,
    sync::atomic::{
        AtomicFlag,
        Relaxed, //
    }, //
};

static REQUESTED: AtomicFlag = AtomicFlag::new(false);

/// Whether the command line asks for a launch.
pub(crate) fn requested() -> bool {
    REQUESTED.load(Relaxed)
}

/// Takes the value of `slaunch=`.
///
/// # Safety
///
/// `value` must be NULL or a C string.
#[link_section = ".init.text"]
unsafe extern "C" fn parse(value: *mut c_char) -> c_int {
    // SAFETY: A C string, by the requirement of this function.
    let off = value.is_null() || unsafe { CStr::from_char_ptr(value) } == c"off";
    REQUESTED.store(!off, Relaxed);
    // The option is known.
    1
}

/// Takes the value of `slaunch_efi=`, of which nothing is left to be done.
#[link_section = ".init.text"]
extern "C" fn known(_value: *mut c_char) -> c_int {
    1
}

/// `struct obs_kernel_param` of `include/linux/init.h`, an entry of the table of options. There is
/// no binding for it, since modules cannot use it.
#[repr(C)]
struct Param {
    name: *const c_char,
    setup: unsafe extern "C" fn(*mut c_char) -> c_int,
    early: c_int,
}

// SAFETY: Never written to.
unsafe impl Sync for Param {}

#[link_section = ".init.setup"]
#[used(compiler)]
static PARAM: Param = Param {
    name: as_char_ptr_in_const_context(c"slaunch="),
    setup: parse,
    early: 0,
};

#[link_section = ".init.setup"]
#[used(compiler)]
static EFI_PARAM: Param = Param {
    name: as_char_ptr_in_const_context(c"slaunch_efi="),
    setup: known,
    early: 0,
};
