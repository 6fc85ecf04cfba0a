// SPDX-License-Identifier: GPL-2.0

//! The limit to how long a call may take.
//!
//! A call has its processor for itself, with interrupts off. So a timer on another processor looks after it.
//! It is started when a call begins and it is not running yet, looks once a second for as long as calls are
//! made, and asks a processor that is late to give up by an NMI. It is a high-resolution timer: those
//! do not depend on the processor that counts jiffies, which may be the one that is late. With a single processor
//! there is nobody to look.

use super::{
    super::service::Service,
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

/// How long a call may take that writes to flash, in ms: less than what the caller waits.
const SLOW: u32 = 100_000;

/// How long any other may take, in ms.
const QUICK: u32 = 10_000;

/// How often the timer looks, in ns.
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

/// 2 once both are initialised.
static READY: Atomic<u32> = Atomic::new(0);

/// The processor that the timer runs on, plus one; 0 if it does not.
static SET: Atomic<u32> = Atomic::new(0);

/// The processor that executes a call, plus one; 0 if none does.
static BUSY: Atomic<u32> = Atomic::new(0);

/// When its call is late, in ns since boot.
static DEADLINE: Atomic<i64> = Atomic::new(0);

extern "C" {
    fn slaunch_other_cpu(cpu: c_uint) -> c_uint;
    fn slaunch_watch();
}

/// Prepares everything, once, where the thread may sleep.
pub(crate) fn prepare() {
    if READY.cmpxchg(0, 1, Relaxed).is_err() {
        return;
    }
    let monotonic = c_int::try_from(bindings::CLOCK_MONOTONIC).unwrap_or(1);
    // SAFETY: Both are static, and this is done once. The handlers are there for good.
    unsafe {
        bindings::hrtimer_setup(TIMER.get(), Some(look), monotonic, PINNED);
        (*START.get()).func = Some(start);
        slaunch_watch();
    }
    READY.store(2, Relaxed);
}

/// From now on, on this processor, and in interrupt context.
const PINNED: bindings::hrtimer_mode = bindings::hrtimer_mode_HRTIMER_MODE_REL_PINNED_HARD;

fn now() -> i64 {
    // SAFETY: Reads a clock.
    unsafe { bindings::ktime_get() }
}

/// Has another processor than `cpu`, the present one, start the timer.
fn set(cpu: u32) {
    // SAFETY: Any number may be given.
    let other = unsafe { slaunch_other_cpu(cpu) };
    let Ok(number) = c_int::try_from(other) else {
        return;
    };
    if other >= bindings::NR_CPUS {
        return;
    }
    // SAFETY: Initialised. The other processor is online and stays so for as long as this one is not preempted. A
    // request that is still under way is an error that does not matter: the timer will run.
    if unsafe { bindings::smp_call_function_single_async(number, START.get()) } == 0 {
        SET.store(other.saturating_add(1), Relaxed);
    }
}

/// Starts the timer on the present processor, wherever it ran before.
unsafe extern "C" fn start(_info: *mut c_void) {
    // SAFETY: Initialised, and this is an interrupt. A timer that runs elsewhere is moved here.
    unsafe { bindings::hrtimer_start_range_ns(TIMER.get(), LOOK, 0, PINNED) };
}

/// The limit for the present call, for as long as it is kept.
pub(crate) struct Watch(u32);

impl Watch {
    /// Begins a call of `service` on this processor.
    pub(crate) fn new(service: Service) -> Self {
        let cpu = recover::this_cpu();
        let limit = match service {
            Service::SetVariable | Service::UpdateCapsule | Service::SetVirtualAddressMap => SLOW,
            _ => QUICK,
        };
        if READY.load(Relaxed) == 2 {
            let ns = i64::from(limit).saturating_mul(1_000_000);
            DEADLINE.store(now().saturating_add(ns), Relaxed);
            BUSY.store(cpu.saturating_add(1), Relaxed);
            let on = SET.load(Relaxed);
            if on == 0 || on == cpu.saturating_add(1) {
                set(cpu);
            }
        }
        Self(limit)
    }

    /// The limit in ms.
    pub(crate) fn limit(&self) -> u32 {
        self.0
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        BUSY.store(0, Relaxed);
    }
}

/// The timer.
unsafe extern "C" fn look(timer: *mut bindings::hrtimer) -> bindings::hrtimer_restart {
    let Some(cpu) = BUSY.load(Relaxed).checked_sub(1) else {
        SET.store(0, Relaxed);
        return bindings::hrtimer_restart::HRTIMER_NORESTART;
    };
    let time = now();
    if time >= DEADLINE.load(Relaxed) && cpu != recover::this_cpu() {
        recover::interrupt(cpu);
    }
    // SAFETY: This is the timer, which has just run.
    unsafe { bindings::hrtimer_forward(timer, time, LOOK) };
    bindings::hrtimer_restart::HRTIMER_RESTART
}
