// SPDX-License-Identifier: GPL-2.0

//! Where the TPM's registers are, and a clock.

use super::cpu;
use super::tpm::{Clock, TPM_BASE};

/// From a physical address in the gigabyte below 4 GiB to its uncached mapping (head.S).
const UNCACHED: u64 = 1 << 30;

/// Address of the TPM's register window.
pub(crate) const TPM_WINDOW: usize = (TPM_BASE + UNCACHED) as usize;

/// The time stamp counter as a clock.
pub(crate) struct TscClock;

impl TscClock {
    /// Ticks that count as a microsecond, as a power of two: the counter is taken to run at 8192
    /// MHz. It runs slower everywhere, so the clock is slow: waits get longer, never too short.
    const SHIFT: u32 = 13;
}

impl Clock for TscClock {
    fn elapsed_us(&self) -> u64 {
        cpu::tsc() >> Self::SHIFT
    }

    fn relax(&self, _waited_us: u64) {
        cpu::pause();
    }
}
