// SPDX-License-Identifier: GPL-2.0

//! The core's commands through the kernel's TPM layer, for code that shares the TPM with a driver.
//!
//! A crate root that wants this declares the file beside the core, as `mod tpm`:
//!
//! ```ignore
//! let chip = kernel::tpm::Chip::first().ok_or(ENODEV)?;
//! chip.at_locality(kernel::tpm::Locality::L2, |locked| {
//!     tpm::pcr_extend(&mut AtLocality(locked), pcr, &digests).map_err(to_errno)
//! })?;
//! ```

use super::tpm::{
    Duration,
    TpmError,
    TpmFamily,
    Transport, //
};
use kernel::{
    prelude::*,
    time::{
        delay::fsleep,
        Delta, //
    },
    tpm::LockedChip, //
};

/// A chip of the TPM layer, locked, at the locality that was asked for.
pub(crate) struct AtLocality<'l, 'c>(pub(crate) &'l mut LockedChip<'c>);

impl Transport for AtLocality<'_, '_> {
    fn family(&self) -> TpmFamily {
        if self.0.is_tpm2() {
            TpmFamily::Tpm20
        } else {
            TpmFamily::Tpm12
        }
    }

    /// The driver has its own idea of how long a command may take, and reports what went wrong.
    fn transmit(
        &mut self,
        command: &[u8],
        response: &mut [u8],
        _duration: Duration,
    ) -> Result<usize, TpmError> {
        self.0
            .transmit(command, response)
            .map_err(|error| match error {
                EINVAL | E2BIG => TpmError::CommandInvalid,
                EMSGSIZE => TpmError::ResponseOversized,
                EFAULT => TpmError::ResponseMalformed,
                ENODEV => TpmError::Vanished,
                ETIME => TpmError::CommandTimeout,
                _ => TpmError::TransferRejected,
            })
    }

    fn pause(&mut self, us: u64) -> Result<(), TpmError> {
        fsleep(Delta::from_micros(i64::try_from(us).unwrap_or(i64::MAX)));
        Ok(())
    }
}

/// The kernel's number for an error of the core.
pub(crate) fn to_errno(error: TpmError) -> Error {
    match error {
        TpmError::Absent | TpmError::Vanished => ENODEV,
        TpmError::LocalityRefused => EBUSY,
        TpmError::CommandInvalid => EINVAL,
        TpmError::NotReady
        | TpmError::BurstTimeout
        | TpmError::StatusTimeout
        | TpmError::CommandTimeout
        | TpmError::ClockStopped
        | TpmError::NotReleased => ETIME,
        TpmError::Canceled => ECANCELED,
        _ => EIO,
    }
}
