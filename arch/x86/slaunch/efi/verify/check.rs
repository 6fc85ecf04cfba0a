// SPDX-License-Identifier: GPL-2.0

//! The digests that are checked on demand, without a call of firmware.

use super::{
    super::{
        gate::Mode,
        settings,
        stopped,
        violation, //
    },
    Backend,
    Service,
    Turn,
    Verify,
    EVERY,
    STATE, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// How often all digests were compared.
static CHECKS: Atomic<u64> = Atomic::new(0);

/// They were, once more.
pub(super) fn count() {
    CHECKS.add(1, Relaxed);
}

/// How often all digests were compared since the boot, with calls and without.
pub(crate) fn checks() -> u64 {
    CHECKS.load(Relaxed)
}

/// Firmware's address space on this processor and the FPU, for as long as it is kept.
struct Space {
    /// The address space to go back to.
    before: *mut c_void,
}

extern "C" {
    fn slaunch_efi_enter_space() -> *mut c_void;
    fn slaunch_efi_leave_space(before: *mut c_void);
}

impl Space {
    /// For whoever has the turn, in a thread that may sleep.
    fn enter() -> Self {
        Self {
            // SAFETY: The FPU is not in use: this is for a thread that was asked to do this. There
            // is no call, so the tables of that address space may be brought up to date.
            before: unsafe { slaunch_efi_enter_space() },
        }
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        // SAFETY: Entered by `enter()`, and the thread has not been preempted since.
        unsafe { slaunch_efi_leave_space(self.before) };
    }
}

/// Checks all digests now. May sleep.
///
/// # Errors
///
/// - `EOPNOTSUPP` if the mode has no digests;
/// - `ENODEV` if there are no runtime services any more;
/// - `EAGAIN` if the digests cannot be had yet;
/// - `EBUSY` if a call is under way that did not wait;
/// - `EIO` if something has changed, which is on record then.
pub(crate) fn check() -> Result {
    if settings().mode != Mode::Verify {
        return Err(EOPNOTSUPP);
    }
    if stopped() {
        return Err(ENODEV);
    }
    Verify.prepare(true);
    let result = digests();
    Verify.finish(true);
    violation::settle();
    result
}

fn digests() -> Result {
    let _turn = Turn::take().ok_or(EBUSY)?;
    // SAFETY: This has the turn.
    let (state, found) = unsafe { &mut *STATE.0.get() };
    if !state.complete {
        return Err(EAGAIN);
    }
    found.begin(Service::Check);
    let space = Space::enter();
    // SAFETY: The FPU may be used, and firmware's address space is active.
    unsafe {
        state.update();
        state.compare(found);
    }
    drop(space);
    state.due = EVERY - 1;
    if found.is_empty() {
        return Ok(());
    }
    violation::raise(*found);
    Err(EIO)
}
