// SPDX-License-Identifier: GPL-2.0

//! Getting the processor back from firmware that faults or does not return.
//!
//! Exceptions in firmware code, and a watchdog on another processor by way of an NMI, let the call
//! continue behind the place where firmware should have returned to.

use super::frame;
use core::cell::UnsafeCell;
use kernel::{
    bindings,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// Why a call ended otherwise than by a return.
#[derive(Clone, Copy)]
pub(crate) enum Cut {
    /// By an exception: vector, address of the instruction, address that was accessed.
    Fault(u32, u64, u64),
    /// By the watchdog: address of the instruction.
    TimeLimit(u64),
}

/// The vector of [`Cut::TimeLimit`].
const WATCHDOG: u64 = 1 << 32;

/// A word that only the processor that executes the call accesses, in that call and in what
/// interrupts it.
struct Local(UnsafeCell<u64>);

// SAFETY: Accessed by the processor that executes the call only, a word at a time.
unsafe impl Sync for Local {}

impl Local {
    const fn new() -> Self {
        Self(UnsafeCell::new(0))
    }

    fn load(&self) -> u64 {
        // SAFETY: See above.
        unsafe { self.0.get().read_volatile() }
    }

    fn store(&self, value: u64) {
        // SAFETY: See above.
        unsafe { self.0.get().write_volatile(value) };
    }
}

/// Vector plus one, 0 if nothing has happened.
static VECTOR: Local = Local::new();
static INSTRUCTION: Local = Local::new();
static ADDRESS: Local = Local::new();

/// Takes note of the way that the last call ended, and forgets it.
pub(crate) fn take() -> Option<Cut> {
    let vector = VECTOR.load().checked_sub(1)?;
    VECTOR.store(0);
    match vector {
        WATCHDOG => Some(Cut::TimeLimit(INSTRUCTION.load())),
        vector => Some(Cut::Fault(
            u32::try_from(vector).unwrap_or(u32::MAX),
            INSTRUCTION.load(),
            ADDRESS.load(),
        )),
    }
}

extern "C" {
    /// Where a call goes on that was cut.
    static slaunch_efi_recover: [u8; 0];
}

/// Flags that have no place in the kernel's code: TF, IF, DF, IOPL, NT, RF, AC.
const FLAGS: usize = 0x57700;

/// Lets an interrupted call of firmware go on where it should have returned to. False if what was
/// interrupted is something else.
fn cut(regs: &mut bindings::pt_regs, vector: u64, address: u64) -> bool {
    if !frame::is_armed() {
        return false;
    }
    // SAFETY: Compares an address.
    if unsafe { bindings::core_kernel_text(regs.ip) } != 0 {
        return false;
    }
    INSTRUCTION.store(word(regs.ip));
    ADDRESS.store(address);
    VECTOR.store(vector.saturating_add(1));
    frame::disarm();
    regs.ip = (&raw const slaunch_efi_recover).addr();
    regs.sp = frame::kernel_rsp();
    regs.flags &= !FLAGS;
    true
}

fn word(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// An exception in the kernel: whether it was in firmware, whose call is over then.
#[no_mangle]
extern "C" fn __slaunch_efi_fault(
    regs: &mut bindings::pt_regs,
    vector: c_int,
    address: c_ulong,
) -> bool {
    cut(regs, u64::try_from(vector).unwrap_or(0), word(address))
}

/// Processor plus one whose call has taken too long.
static LATE: Atomic<u32> = Atomic::new(0);

/// An NMI: whether it is the watchdog's.
#[no_mangle]
extern "C" fn slaunch_efi_nmi(_kind: c_uint, regs: &mut bindings::pt_regs) -> c_int {
    let mine = this_cpu().wrapping_add(1);
    if LATE.cmpxchg(mine, 0, Relaxed).is_err() {
        return 0;
    }
    let was = [regs.ip, regs.flags, regs.sp];
    if cut(regs, WATCHDOG, 0) {
        // The entry code returns by another copy of the registers, which lies above these
        // (entry_64.S, "iret" frame); with FRED there is none.
        let frame = (&raw mut *regs).wrapping_add(1).cast::<[usize; 5]>();
        // SAFETY: An NMI that interrupts ring 0 has a stack of its own, on which at least two
        // frames follow.
        let frame = unsafe { &mut *frame };
        let [ip, _, flags, sp, _] = frame;
        if [*ip, *flags, *sp] == was {
            [*ip, *flags, *sp] = [regs.ip, regs.flags, regs.sp];
        }
    }
    1
}

/// The number of this processor.
pub(crate) fn this_cpu() -> u32 {
    // SAFETY: Reads a number.
    unsafe { bindings::raw_smp_processor_id() }
}

/// Asks the processor `cpu` to give up its call.
pub(crate) fn interrupt(cpu: u32) {
    extern "C" {
        fn slaunch_send_nmi(cpu: c_uint);
    }
    LATE.store(cpu.wrapping_add(1), Relaxed);
    // SAFETY: The processor is online: it executes a call.
    unsafe { slaunch_send_nmi(cpu) };
}
