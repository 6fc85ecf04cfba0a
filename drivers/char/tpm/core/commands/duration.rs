// SPDX-License-Identifier: GPL-2.0

//! How long commands may take.

use super::{tpm12, tpm20};

/// How long a command may take before it is cancelled, in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Duration(u64);

impl Duration {
    /// Short commands, for which TPM 1.2 has 2 s until it says otherwise. PTP 1.05 section 6.5.1.3
    /// allows 750 ms for those used here, but a TPM may begin a self test that belongs to the first
    /// use of an algorithm, and giving up on one ends in a reset.
    pub const MEDIUM: Self = Self(2_000_000);

    /// What TPM 1.2 calls long: its full self test.
    pub const LONG: Self = Self(60_000_000);

    /// What the PC Client profile allows for commands without a limit of their own.
    pub const DEFAULT: Self = Self(120_000_000);

    /// This many microseconds.
    pub const fn from_us(us: u64) -> Self {
        Self(us)
    }

    /// In microseconds.
    pub const fn as_us(self) -> u64 {
        self.0
    }

    /// The duration of the command with this TPM_CC, or TPM 1.2 ordinal: no number is both.
    pub(super) const fn of(command: u32) -> Self {
        match command {
            tpm20::CC_PCR_EXTEND
            | tpm20::CC_PCR_READ
            | tpm20::CC_PCR_RESET
            | tpm20::CC_GET_CAPABILITY
            | tpm20::CC_GET_TEST_RESULT
            | tpm20::CC_STARTUP => Self::MEDIUM,
            // Main part 2, section 17: all of them are short.
            tpm12::ORD_EXTEND
            | tpm12::ORD_PCR_READ
            | tpm12::ORD_PCR_RESET
            | tpm12::ORD_GET_CAPABILITY
            | tpm12::ORD_STARTUP => Self::MEDIUM,
            tpm12::ORD_SELF_TEST_FULL | tpm12::ORD_CONTINUE_SELF_TEST => Self::LONG,
            _ => Self::DEFAULT,
        }
    }
}
