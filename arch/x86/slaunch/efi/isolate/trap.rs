// SPDX-License-Identifier: GPL-2.0

//! General protection faults of firmware, in its task: the end of a call, or an instruction that
//! user mode does not have.

use super::{
    super::{
        isolate::{
            abort::Abort,
            emulate::{
                Action,
                Counts,
                Emulator,
                Platform, //
            },
            insn::{
                Decoded,
                Insn,
                Regs, //
            }, //
        },
        service::Service,
        settings, //
    },
    machine::Ports,
    space,
    task::Entry, //
};
use core::cell::UnsafeCell;
use kernel::{
    bindings,
    prelude::*, //
};

/// What has become of a call.
#[derive(Clone, Copy)]
pub(super) enum Outcome {
    /// Nothing yet, or the task has ended by itself.
    None,
    /// It has returned with this status.
    Returned(u64),
    /// It was given up at this address.
    Aborted(Abort, u64),
}

/// The call under way.
struct Call {
    emulator: Emulator,
    entry: Entry,
    outcome: Outcome,
}

/// The task's while it makes a call, and until then and afterwards of the thread that has calls
/// made.
struct Shared(UnsafeCell<Call>);

// SAFETY: There are completions between the two that have it in turn.
unsafe impl Sync for Shared {}

const NO_PLATFORM: Platform = Platform {
    pm_timer: 0,
    pm1_control: [0; 2],
    smi_command: 0,
    smi_kernel: [0; 5],
    century: 0,
};

static CALL: Shared = Shared(UnsafeCell::new(Call {
    emulator: Emulator::new(NO_PLATFORM, super::super::gate::Smm::Deny, space::RETURN),
    entry: Entry {
        ip: 0,
        sp: 0,
        args: [0; 4],
    },
    outcome: Outcome::None,
}));

extern "C" {
    fn slaunch_efi_next() -> bool;
    fn slaunch_efi_answer();
    fn slaunch_efi_go(regs: *mut bindings::pt_regs, ip: u64, sp: u64, args: *const u64);
    fn slaunch_efi_decode(regs: *mut bindings::pt_regs, to: *mut Decoded) -> bool;
}

/// Says what the machine is like, before there is a task.
pub(super) fn init(platform: Platform) {
    // SAFETY: There is no task yet, and the caller has the turn.
    let call = unsafe { &mut *CALL.0.get() };
    call.emulator = Emulator::new(platform, settings().smm, space::RETURN);
}

/// Prepares a call.
///
/// # Safety
///
/// The task waits for one, and the caller has the turn.
pub(super) unsafe fn begin(service: Service, entry: Entry) {
    // SAFETY: By the requirement of this function.
    let call = unsafe { &mut *CALL.0.get() };
    call.emulator.set_smm(settings().smm);
    call.emulator.begin(service);
    call.entry = entry;
    call.outcome = Outcome::None;
}

/// What has become of the call.
///
/// # Safety
///
/// The task waits for the next or is no more, and the caller has the turn.
pub(super) unsafe fn outcome() -> Outcome {
    // SAFETY: By the requirement of this function.
    unsafe { (*CALL.0.get()).outcome }
}

/// What was done for firmware since boot. What belongs to a call under way may be missing.
pub(super) fn counts() -> Counts {
    // SAFETY: Numbers that may change at any time, and of which none depends on another.
    unsafe { (&raw const (*CALL.0.get()).emulator.counts).read_volatile() }
}

/// The task is there, and waits for its first call. False if it is to end.
#[no_mangle]
extern "C" fn slaunch_efi_begin(regs: *mut bindings::pt_regs) -> bool {
    // SAFETY: These are the registers that the task goes to user mode with.
    unsafe { next(regs) }
}

/// Waits for a call, and goes there.
///
/// # Safety
///
/// This is the task, and `regs` are the registers that it goes to user mode with.
unsafe fn next(regs: *mut bindings::pt_regs) -> bool {
    // SAFETY: This is the task.
    if !unsafe { slaunch_efi_next() } {
        return false;
    }
    // SAFETY: There is a call under way.
    let entry = unsafe { (*CALL.0.get()).entry };
    // SAFETY: By the requirement of this function.
    unsafe { slaunch_efi_go(regs, entry.ip, entry.sp, entry.args.as_ptr()) };
    true
}

/// Firmware has raised a general protection fault. False if the task is to end.
#[no_mangle]
extern "C" fn slaunch_efi_trapped(regs: *mut bindings::pt_regs) -> bool {
    // SAFETY: This is the task, with a call under way.
    let call = unsafe { &mut *CALL.0.get() };
    // SAFETY: The registers of the task, which nobody else accesses.
    let saved = unsafe { &mut *regs };
    let at = saved.ip as u64; // CAST: As large on x86-64.
    call.outcome = match act(&mut call.emulator, saved) {
        Action::Resume => return true,
        Action::Done(status) => Outcome::Returned(status),
        Action::Abort(abort) => Outcome::Aborted(abort, at),
    };
    if let Outcome::Aborted(..) = call.outcome {
        return false;
    }
    // SAFETY: This is the task. From here on the call is the caller's.
    unsafe {
        slaunch_efi_answer();
        next(regs)
    }
}

/// What becomes of it.
fn act(emulator: &mut Emulator, saved: &mut bindings::pt_regs) -> Action {
    if saved.ip as u64 == space::RETURN {
        return Action::Done(saved.ax as u64);
    }
    let mut decoded = Decoded::default();
    // SAFETY: The registers of the task.
    if !unsafe { slaunch_efi_decode(saved, &mut decoded) } {
        return Action::Abort(Abort::Unreadable);
    }
    let mut regs = load(saved);
    let action = emulator.trap(&Insn::from(decoded), &mut regs, &mut Ports);
    if action == Action::Resume {
        store(&regs, saved);
    }
    action
}

/// The registers in the order of their numbers.
fn load(from: &bindings::pt_regs) -> Regs {
    Regs {
        general: [
            from.ax, from.cx, from.dx, from.bx, from.sp, from.bp, from.si, from.di, from.r8,
            from.r9, from.r10, from.r11, from.r12, from.r13, from.r14, from.r15,
        ]
        .map(|word| word as u64), // CAST: As large on x86-64.
        ip: from.ip as u64,
        flags: from.flags as u64,
    }
}

/// The registers that firmware goes on with.
fn store(from: &Regs, to: &mut bindings::pt_regs) {
    let [ax, cx, dx, bx, sp, bp, si, di, r8, r9, r10, r11, r12, r13, r14, r15] =
        from.general.map(|word| word as c_ulong); // CAST: As large on x86-64.
    to.ax = ax;
    to.cx = cx;
    to.dx = dx;
    to.bx = bx;
    to.sp = sp;
    to.bp = bp;
    to.si = si;
    to.di = di;
    to.r8 = r8;
    to.r9 = r9;
    to.r10 = r10;
    to.r11 = r11;
    to.r12 = r12;
    to.r13 = r13;
    to.r14 = r14;
    to.r15 = r15;
    to.ip = from.ip as c_ulong;
}
