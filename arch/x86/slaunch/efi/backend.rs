// SPDX-License-Identifier: GPL-2.0

//! What stands behind the door, by mode.

use super::{
    count, //
    door::{
        native,
        Call,
        NOT_READY,
        UNSUPPORTED, //
    },
    gate::Mode,
    paging,
    sandbox::Isolate,
    service::Service,
    settings,
    stopped,
    verify::{
        booted,
        Verify, //
    },
};
use kernel::sync::atomic::{
    Acquire,
    AtomicFlag,
    Release, //
};

/// A way to have firmware do something.
///
/// A backend gets one call at a time.
pub(crate) trait Backend: Sync {
    /// In the thread of a call and before it, where the thread may still sleep if `sleeps`.
    fn prepare(&self, _sleeps: bool) {}

    /// The status of a call that firmware does not get; none if it gets it.
    fn refuse(&self, _call: &Call, _service: Service) -> Option<u64> {
        None
    }

    /// Has the call done and returns its EFI status.
    ///
    /// Neither sleeps nor is preempted; the address space is the firmware's, and the FPU may be
    /// used. In the mode `isolate` nothing of that is so.
    fn call(&self, call: &Call, service: Service) -> u64;

    /// After the call, if [`prepare`](Self::prepare) was called before it, and with the same
    /// `sleeps`.
    fn finish(&self, _sleeps: bool) {}
}

/// No runtime services.
struct Off;

impl Backend for Off {
    fn refuse(&self, _call: &Call, _service: Service) -> Option<u64> {
        Some(UNSUPPORTED)
    }

    fn call(&self, _call: &Call, _service: Service) -> u64 {
        UNSUPPORTED
    }
}

/// Firmware that was measured at the launch, and is trusted.
struct Trust;

impl Backend for Trust {
    fn call(&self, call: &Call, _service: Service) -> u64 {
        paging::find_doors(booted());
        let _open = paging::open();
        native(call)
    }
}

/// The backend of a mode.
pub(crate) fn of(mode: Mode) -> &'static dyn Backend {
    match mode {
        Mode::Off => &Off,
        Mode::Isolate => &Isolate,
        Mode::Verify => &Verify,
        Mode::Trust => &Trust,
    }
}

/// Whether a call is under way.
static BUSY: AtomicFlag = AtomicFlag::new(false);

/// The only call there is, for as long as it is kept.
pub(crate) struct Turn(());

impl Turn {
    /// Begins a call, or something that must not meet one, unless another is under way.
    pub(crate) fn take() -> Option<Self> {
        BUSY.cmpxchg(false, true, Acquire).ok().map(|_| Self(()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        BUSY.store(false, Release);
    }
}

/// Has the call done in the present mode.
pub(crate) fn call(call: &Call, service: Service) -> u64 {
    if stopped() {
        count::count_refused(service);
        return UNSUPPORTED;
    }
    // The kernel's own lock lets a caller go that has waited too long: firmware may still be at it.
    let Some(_turn) = Turn::take() else {
        count::count_refused(service);
        return NOT_READY;
    };
    let backend = of(settings().mode);
    if let Some(status) = backend.refuse(call, service) {
        count::count_refused(service);
        return status;
    }
    count::count_call(service);
    backend.call(call, service)
}
