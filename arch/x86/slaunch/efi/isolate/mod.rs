// SPDX-License-Identifier: GPL-2.0

//! The mode `isolate`: firmware runs in user mode, in a task of its own.
//!
//! [`task`] makes that task and lets it run. All it has is [`space`]: the firmware's own memory, a
//! stack, an area for arguments, and a page to return to. [`table`] stands in for the firmware's
//! runtime table. Instructions that user mode does not have end in [`trap`], with [`machine`]
//! behind it; `core/isolate` says what becomes of them.
//!
//! One call: the thread that makes calls for others puts the arguments into the area and wakes the
//! task, which waits in the trap that was the end of the call before. The task returns to user
//! mode, where firmware runs until it returns to a page with a `HLT`: the next trap. There is no
//! system call and no signal. Everything else that enters the kernel ends the task.

use super::{
    backend::{
        Backend,
        Turn, //
    },
    door::{
        Call,
        ABORTED,
        INVALID_PARAMETER,
        NOT_READY,
        OUT_OF_RESOURCES,
        SUCCESS,
        UNSUPPORTED, //
    },
    gate::{
        Mode,
        Svam, //
    },
    isolate::{
        abort::Abort,
        marshal::{
            Caller,
            MarshalError,
            Prepared, //
        }, //
    },
    memmap,
    regions,
    service::{
        time_limit,
        Service, //
    },
    violation::{
        self,
        Deviation,
        Violation,
        What, //
    }, //
};
use core::cell::UnsafeCell;
use kernel::{
    bindings,
    fmt,
    prelude::*,
    sync::atomic::{
        AtomicFlag,
        Relaxed, //
    }, //
};

mod capsule;
mod denied;
mod machine;
pub(crate) mod prm;
mod quirk;
mod show;
mod space;
mod table;
mod task;
#[cfg(CONFIG_SECURE_LAUNCH_KUNIT_TEST)]
mod tests;
mod trap;

pub(crate) use self::show::{
    show_mapped,
    show_traps, //
};

use self::{
    capsule::Blocks,
    space::Space,
    task::Ended, //
};

/// What there is of the task.
enum State {
    /// No call was made yet.
    New,
    /// It waits for calls.
    Ready(Space),
    /// It could not be made, or has ended.
    Gone,
}

/// For whoever has the turn.
struct Shared(UnsafeCell<State>);

// SAFETY: Used by whoever has the turn.
unsafe impl Sync for Shared {}

static STATE: Shared = Shared(UnsafeCell::new(State::New));

/// The backend.
pub(crate) struct Isolate;

impl Backend for Isolate {
    fn prepare(&self, _sleeps: bool) {
        table::adopt();
    }

    fn refuse(&self, call: &Call, service: Service) -> Option<u64> {
        match service {
            // The kernel would have firmware know its virtual addresses, at a time when there are
            // no tasks.
            Service::SetVirtualAddressMap => match table::keep() {
                true => Some(SUCCESS),
                false => Some(UNSUPPORTED),
            },
            _ if !memmap::may_sleep() => Some(NOT_READY),
            Service::PrmHandler if prm::is_allowed(call) => None,
            Service::PrmHandler | Service::Other => {
                static SAID: AtomicFlag = AtomicFlag::new(false);
                if !SAID.xchg(true, Relaxed) {
                    pr_warn!("no {} in user mode\n", service.name());
                }
                Some(UNSUPPORTED)
            }
            _ => None,
        }
    }

    /// This sleeps.
    fn call(&self, call: &Call, service: Service) -> u64 {
        // SAFETY: This has the turn.
        let state = unsafe { &mut *STATE.0.get() };
        if let State::New = state {
            *state = start();
        }
        serve(state, call, service)
    }
}

/// Makes the task, and has firmware relocate itself there if it is to.
fn start() -> State {
    let off = |why: &dyn fmt::Display| {
        pr_err!("EFI runtime services are off: {why}\n");
        super::stop();
        State::Gone
    };
    let svam = match super::settings().svam {
        Svam::Auto => quirk::svam(),
        svam => svam,
    };
    let space = match Space::start(svam) {
        Ok(space) => space,
        Err(why) => return off(&why),
    };
    watch_restart();
    let mut state = State::Ready(space);
    if svam == Svam::Identity {
        let service = Service::SetVirtualAddressMap;
        let Ok(map) = space::identity_map() else {
            return off(&"no memory");
        };
        let call = Call {
            function: table::function(table::SET_VIRTUAL_ADDRESS_MAP).unwrap_or(0),
            args: map.args(),
        };
        super::count::count_call(service);
        let status = serve(&mut state, &call, service);
        let State::Ready(space) = &state else {
            return State::Gone;
        };
        if status != SUCCESS || space.protect_code().is_err() {
            task::kill();
            return off(&"the firmware could not be relocated");
        }
    }
    state
}

/// Makes a call, if there is a task for it.
fn serve(state: &mut State, call: &Call, service: Service) -> u64 {
    let State::Ready(space) = state else {
        return UNSUPPORTED;
    };
    let end = match make(space, call, service) {
        Ok(status) => return status,
        Err(end) => end,
    };
    let gone = core::mem::replace(state, State::Gone);
    // A task that does not end may still use its memory.
    if !task::has_ended() {
        core::mem::forget(gone);
    }
    let mut found = Violation::new(service);
    found.add(Deviation::new(What::Abort(end.abort), end.at, 0));
    violation::raise(found);
    ABORTED
}

/// The system is about to restart, all that makes calls still works, and there is a capsule that
/// firmware is to find after a reset of this kind.
#[no_mangle]
extern "C" fn slaunch_efi_reset(kind: c_int) {
    if super::stopped() || super::settings().mode != Mode::Isolate {
        return;
    }
    let Some(_turn) = Turn::take() else {
        return pr_err!("EFI: a call is under way, no reset by the firmware\n");
    };
    let service = Service::ResetSystem;
    super::count::count_call(service);
    let call = Call {
        function: table::function(table::RESET_SYSTEM).unwrap_or(0),
        args: [u64::try_from(kind).unwrap_or(0), SUCCESS, 0, 0, 0, 0],
    };
    // SAFETY: This has the turn.
    let status = serve(unsafe { &mut *STATE.0.get() }, &call, service);
    pr_err!("EFI: the firmware did not reset the machine: {status:#x}\n");
    violation::settle();
}

/// Has [`slaunch_efi_reset`] called when it is time, if it can be.
fn watch_restart() {
    extern "C" {
        fn slaunch_efi_watch_restart() -> c_int;
    }
    // SAFETY: Called once, where it may sleep.
    if unsafe { slaunch_efi_watch_restart() } != 0 {
        pr_warn!("EFI: no reset by the firmware for capsules\n");
    }
}

/// How a call was given up, and where firmware was.
struct GivenUp {
    abort: Abort,
    at: u64,
}

/// Makes a call.
fn make(space: &mut Space, call: &Call, service: Service) -> Result<u64, GivenUp> {
    let function = match service {
        // The kernel knows it by the virtual address that it thinks firmware has.
        Service::PrmHandler => regions::physical(call.function).unwrap_or(call.function),
        _ => call.function,
    };
    if !space.is_function(function) {
        return Err(GivenUp {
            abort: Abort::Function(function),
            at: 0,
        });
    }
    let mut caller = Kernel;
    let prepared = Prepared::new(service, &call.args, &caller, space.area(), space::AREA);
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(MarshalError::TooLarge) => return Ok(OUT_OF_RESOURCES),
        Err(MarshalError::Unsupported) => return Ok(UNSUPPORTED),
        Err(MarshalError::Invalid) => return Ok(INVALID_PARAMETER),
    };
    let blocks = match service {
        Service::UpdateCapsule => match Blocks::map(space, &call.args) {
            Ok(blocks) => Some(blocks),
            Err(_) => return Ok(OUT_OF_RESOURCES),
        },
        _ => None,
    };
    let entry = space.enter(function, &prepared.args);
    let end = task::run(service, entry, time_limit(service.writes()));
    let unmapped = blocks.map_or(Ok(()), |blocks| blocks.unmap(space));
    let given_up = |abort, at| GivenUp { abort, at };
    let status = match end {
        Ended::Returned(status) => status,
        Ended::Aborted(abort, at) => return Err(given_up(abort, at)),
    };
    let checked = match unmapped {
        Ok(()) => prepared.finish(status, space.area(), &mut caller),
        Err(_) => Err(Abort::Ended),
    };
    match checked {
        Ok(()) => Ok(status),
        Err(abort) => {
            task::kill();
            Err(given_up(abort, 0))
        }
    }
}

/// Memory of the kernel, where callers have what they pass.
struct Kernel;

impl Caller for Kernel {
    fn read(&self, address: u64, to: &mut [u8]) {
        let from: *const u8 =
            core::ptr::with_exposed_provenance(usize::try_from(address).unwrap_or(0));
        // SAFETY: It is the kernel's own call: its arguments point to as much as the service takes.
        unsafe { core::ptr::copy_nonoverlapping(from, to.as_mut_ptr(), to.len()) };
    }

    fn write(&mut self, address: u64, from: &[u8]) {
        let to: *mut u8 =
            core::ptr::with_exposed_provenance_mut(usize::try_from(address).unwrap_or(0));
        // SAFETY: Likewise, and this is an output of the service.
        unsafe { core::ptr::copy_nonoverlapping(from.as_ptr(), to, from.len()) };
    }

    fn physical(&self, address: u64) -> Option<u64> {
        regions::physical(address)
    }

    fn extent(&self, address: u64) -> usize {
        let start: *const c_void =
            core::ptr::with_exposed_provenance(usize::try_from(address).unwrap_or(0));
        // SAFETY: What is asked about was allocated, and is still in use.
        unsafe { bindings::ksize(start) }
    }
}
