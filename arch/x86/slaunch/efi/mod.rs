// SPDX-License-Identifier: GPL-2.0

//! The gate around EFI runtime services.
//!
//! After a launch all calls of firmware pass the [`door`], behind which a [`backend`] has them done
//! as the mode says: not at all (`off`), in user mode ([`sandbox`]), as ever (`trust`), or with the
//! state of the system compared afterwards ([`verify`]). What is found goes to [`violation`]:
//! extend, log, act.

use super::slaunch::{
    gate::{
        self,
        Gate,
        Mode, //
    },
    isolate,
    service, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

mod backend;
mod change;
pub(crate) mod count;
mod deviation;
mod door;
pub(crate) mod files;
mod memmap;
mod paging;
mod queue;
mod regions;
#[path = "isolate/mod.rs"]
mod sandbox;
mod setting;
mod text;
mod verify;
pub(crate) mod violation;

#[cfg(CONFIG_SECURE_LAUNCH_STRESS)]
pub(crate) use self::{
    door::around,
    verify::passes, //
};

pub(crate) use self::setting::{
    depth,
    init_settings,
    set_settings,
    settings,
    show_settings,
    stop,
    stopped, //
};

extern "C" {
    fn slaunch_efi_close();
}

/// There was a launch: from now on all calls pass the door. Called once, while there is one
/// processor.
#[link_section = ".init.text"]
pub(crate) fn launched(gate: Gate) {
    init_settings(gate);
    // SAFETY: Static branches can be changed, and this is the first change of this one.
    unsafe { slaunch_efi_close() };
}

/// Whether there are no runtime services at all, which is to be known before they are set up.
#[no_mangle]
extern "C" fn slaunch_efi_off() -> bool {
    setting::is_set() && settings().mode == Mode::Off
}

/// The mode that the call under way was prepared in, and whether it may sleep, as [`mark`] has
/// them; 0 if none was.
static PREPARED: Atomic<u32> = Atomic::new(0);

fn mark(mode: Mode, sleeps: bool) -> u32 {
    1 | (mode as u32) << 2 | u32::from(sleeps) << 1
}

/// What [`mark`] was made of.
fn marked(value: u32) -> Option<(Mode, bool)> {
    let sleeps = value & 2 != 0;
    let mode = |mode: &Mode| mark(*mode, sleeps) == value;
    Some((Mode::ALL.into_iter().find(mode)?, sleeps))
}

/// Before a call, in its thread: address space and FPU are as ever. True if they stay so.
#[no_mangle]
extern "C" fn __slaunch_efi_enter() -> bool {
    let sleeps = memmap::may_sleep();
    let mode = settings().mode;
    backend::of(mode).prepare(sleeps);
    PREPARED.store(mark(mode, sleeps), Relaxed);
    mode == Mode::Isolate
}

/// After a call, in its thread. True if address space and FPU have stayed as ever; nothing else
/// follows then.
#[no_mangle]
extern "C" fn __slaunch_efi_apart() -> bool {
    let apart = matches!(marked(PREPARED.load(Relaxed)), Some((Mode::Isolate, _)));
    if apart {
        __slaunch_efi_leave();
    }
    apart
}

/// After a call, in its thread: address space and FPU are as ever again.
#[no_mangle]
extern "C" fn __slaunch_efi_leave() {
    if let Some((mode, sleeps)) = marked(PREPARED.xchg(0, Relaxed)) {
        backend::of(mode).finish(sleeps);
    }
    violation::settle();
}

/// Kernel text was patched, at run time.
#[no_mangle]
extern "C" fn __slaunch_text_poked(address: *const c_void, size: usize) {
    verify::poked(address.addr(), size);
}
