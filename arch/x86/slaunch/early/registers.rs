// SPDX-License-Identifier: GPL-2.0

//! Where the TPM's registers are, and a clock, for the TPM core.

use super::cpu;
use super::tpm::{Clock, TPM_BASE};

/// Address of the TPM's register window: in the identity map, uncached (entry.S).
pub(crate) const TPM_WINDOW: usize = TPM_BASE as usize;

/// The time stamp counter, as if it ran at 8.192 GHz: no processor's is faster, so a wait is never
/// cut short, only longer by what the true rate is lower.
pub(crate) struct TscClock;

impl TscClock {
    /// Binary logarithm of the ticks that count as a microsecond.
    const SHIFT: u32 = 13;
}

impl Clock for TscClock {
    fn elapsed_us(&self) -> u64 {
        cpu::tsc() >> Self::SHIFT
    }

    fn relax(&self, _waited_us: u64) {
        core::hint::spin_loop();
    }
}
