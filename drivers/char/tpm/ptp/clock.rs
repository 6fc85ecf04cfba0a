// SPDX-License-Identifier: GPL-2.0

//! The core's clock: how the driver waits.

use super::hardware::Hardware;
use crate::tpm::Clock;
use kernel::{
    processor::cpu_relax,
    sync::Arc,
    time::{
        delay::fsleep,
        Delta,
        Instant,
        Monotonic, //
    },
};

/// How long a wait spins before it sleeps, in microseconds: most registers answer within that.
const SPIN_US: u64 = 20;

/// The longest sleep between two looks, in microseconds.
const LONGEST_SLEEP_US: u64 = 500;

/// From here on a wait relies on the interrupt, in microseconds. Few things take that long that do
/// not end with one.
const INTERRUPT_AFTER_US: u64 = 1_000;

/// How long to wait for an interrupt before looking all the same, in microseconds.
const INTERRUPT_WAIT_US: u64 = 20_000;

/// Time since the driver was bound.
pub(crate) struct KernelClock<'a> {
    hardware: Arc<Hardware<'a>>,
    start: Instant<Monotonic>,
}

impl<'a> KernelClock<'a> {
    pub(crate) fn new(hardware: Arc<Hardware<'a>>) -> Self {
        Self {
            hardware,
            start: Instant::now(),
        }
    }
}

impl Clock for KernelClock<'_> {
    fn elapsed_us(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros_ceil()).unwrap_or(0)
    }

    fn relax(&self, waited_us: u64) {
        let least = self.hardware.poll_us();
        if waited_us < SPIN_US && least == 0 {
            cpu_relax();
        } else if waited_us >= INTERRUPT_AFTER_US && self.hardware.irq.is_on() {
            self.hardware.irq.wait(INTERRUPT_WAIT_US);
        } else {
            // A sleep adds at most a quarter to what the wait took.
            let us = waited_us
                .wrapping_div(4)
                .clamp(SPIN_US, LONGEST_SLEEP_US)
                .max(least);
            fsleep(Delta::from_micros(i64::try_from(us).unwrap_or(i64::MAX)));
        }
    }
}
