// SPDX-License-Identifier: GPL-2.0

//! The limit to how long a call may take.
//!
//! A call has its processor for itself, with interrupts off. So a timer on another processor looks
//! after it. It is started when a call begins and it is not running yet, looks once a second for as
//! long as calls are made, and asks a processor that is late to give up by an NMI. It is a
//! high-resolution timer: those do not depend on the processor that counts jiffies, which may be
//! the one that is late. With a single processor there is nobody to look.

use super::{
    super::service::{
        time_limit,
        Service, //
    },
    recover, //
};
use core::{
    cell::UnsafeCell,
    mem::MaybeUninit, //
};
use kernel::{
    bindings,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// How often the timer looks, in ms. A call may take so much longer.
const LOOK_MS: u32 = 1000;

/// The same in ns.
const LOOK: i64 = 1_000_000_000;

/// Memory for the kernel's structures.
struct Memory<T>(UnsafeCell<MaybeUninit<T>>);

// SAFETY: The kernel's functions for them have their own locks.
unsafe impl<T> Sync for Memory<T> {}

impl<T> Memory<T> {
    const fn new() -> Self {
        Self(UnsafeCell::new(MaybeUninit::zeroed()))
    }

    fn get(&self) -> *mut T {
        self.0.get().cast()
    }
}

static TIMER: Memory<bindings::hrtimer> = Memory::new();

/// The request to start the timer.
static START: Memory<bindings::call_single_data_t> = Memory::new();

/// Whether both are initialised, and how many processors there were when that was last of interest.
static READY: Atomic<u32> = Atomic::new(NEW);

/// Nothing is initialised.
const NEW: u32 = 0;
/// Somebody is at it.
const PREPARING: u32 = 1;
/// There was no other processor.
const ALONE: u32 = 2;
/// There may be another.
const READY_TO_LOOK: u32 = 3;

/// The processor that the timer runs on, plus one; 0 if it does not.
static SET: Atomic<u32> = Atomic::new(0);

/// The call that is under way, if there is a processor in it: its number, whether it writes to
/// flash, and the processor that executes it plus one. All in one word, as the timer may look at
/// any time.
static CALL: Atomic<u64> = Atomic::new(0);

/// The call that the timer has seen when it last looked, and how often it has seen it before.
static SEEN: Atomic<u64> = Atomic::new(0);
static LOOKS: Atomic<u32> = Atomic::new(0);

/// The parts of [`CALL`].
const PROCESSOR: u64 = 0x7fff_ffff;
const WRITES: u64 = 0x8000_0000;
const NUMBER: u64 = 1 << 32;

extern "C" {
    fn slaunch_other_cpu(cpu: c_uint) -> c_uint;
    fn slaunch_watch();
}

/// Prepares everything, once, where the thread may sleep.
pub(crate) fn prepare() {
    if READY.cmpxchg(NEW, PREPARING, Relaxed).is_err() {
        return;
    }
    let monotonic = c_int::try_from(bindings::CLOCK_MONOTONIC).unwrap_or(1);
    // SAFETY: Both are static, and this is done once. The handlers are there for good.
    unsafe {
        bindings::hrtimer_setup(TIMER.get(), Some(look), monotonic, PINNED);
        (*START.get()).func = Some(start);
        slaunch_watch();
    }
    READY.store(READY_TO_LOOK, Relaxed);
}

/// From now on, on this processor, and in interrupt context.
const PINNED: bindings::hrtimer_mode = bindings::hrtimer_mode_HRTIMER_MODE_REL_PINNED_HARD;

/// Has another processor than `cpu`, the present one, start the timer.
#[cold]
fn set(cpu: u32) {
    // SAFETY: Any number may be given.
    let other = unsafe { slaunch_other_cpu(cpu) };
    let Ok(number) = c_int::try_from(other) else {
        return;
    };
    if other >= bindings::NR_CPUS {
        READY.store(ALONE, Relaxed);
        return;
    }
    READY.store(READY_TO_LOOK, Relaxed);
    // SAFETY: Initialised. The other processor is online and stays so for as long as this one is
    // not preempted. A request that is still under way is an error that does not matter: the timer
    // will run.
    if unsafe { bindings::smp_call_function_single_async(number, START.get()) } == 0 {
        SET.store(other.saturating_add(1), Relaxed);
    }
}

/// Starts the timer on the present processor, wherever it ran before.
extern "C" fn start(_info: *mut c_void) {
    // SAFETY: Initialised, and this is an interrupt. A timer that runs elsewhere is moved here.
    unsafe { bindings::hrtimer_start_range_ns(TIMER.get(), LOOK, 0, PINNED) };
}

/// The watch over the present call, for as long as it is kept.
pub(crate) struct Watch {
    number: u64,
    limit: u32,
}

/// How long a call may take in ms, by its word in [`CALL`].
fn limit(call: u64) -> u32 {
    time_limit(call & WRITES != 0)
}

impl Watch {
    /// Begins a call of `service` on this processor, `cpu`.
    pub(crate) fn new(service: Service, cpu: u32) -> Self {
        let writes = match service.writes() {
            true => WRITES,
            false => 0,
        };
        let number = (CALL.load(Relaxed) & !(NUMBER - 1)).wrapping_add(NUMBER);
        CALL.store(number | writes | u64::from(cpu.saturating_add(1)), Relaxed);
        // A processor that was alone asks only now and then whether it still is.
        let wanted = match READY.load(Relaxed) {
            READY_TO_LOOK => true,
            ALONE => number / NUMBER % 16 == 0,
            _ => false,
        };
        if wanted {
            let on = SET.load(Relaxed);
            if on == 0 || on == cpu.saturating_add(1) {
                set(cpu);
            }
        }
        Self {
            number,
            limit: limit(writes),
        }
    }

    /// The limit in ms.
    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        CALL.store(self.number, Relaxed);
    }
}

/// The timer.
extern "C" fn look(_timer: *mut bindings::hrtimer) -> bindings::hrtimer_restart {
    let call = CALL.load(Relaxed);
    let processor = u32::try_from(call & PROCESSOR).unwrap_or(0);
    let Some(cpu) = processor.checked_sub(1) else {
        SET.store(0, Relaxed);
        return bindings::hrtimer_restart::HRTIMER_NORESTART;
    };
    let looks = match SEEN.xchg(call, Relaxed) == call {
        true => LOOKS.load(Relaxed).saturating_add(1),
        false => 0,
    };
    LOOKS.store(looks, Relaxed);
    if looks.saturating_mul(LOOK_MS) >= limit(call) && cpu != recover::this_cpu() {
        recover::interrupt(cpu);
    }
    // SAFETY: The timer has just run; reads a clock.
    unsafe { bindings::hrtimer_forward(TIMER.get(), bindings::ktime_get(), LOOK) };
    bindings::hrtimer_restart::HRTIMER_RESTART
}
