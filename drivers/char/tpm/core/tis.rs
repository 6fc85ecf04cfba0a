// SPDX-License-Identifier: GPL-2.0

//! The FIFO interface: probing, localities, transmission (PTP 1.05 section 6.5).

use super::commands::{Duration, Transport};
use super::error::TpmError;
use super::hw::{Clock, Mmio};
use super::regs::{DidVid, Locality, TpmFamily};

/// The interface timeouts, in microseconds (PTP 1.05 table 17).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timeouts {
    /// TIMEOUT_A: a locality is granted, ACCESS becomes valid.
    pub a: u64,
    /// TIMEOUT_B: the TPM becomes ready for a command, or gives one up.
    pub b: u64,
    /// TIMEOUT_C: STS becomes valid.
    pub c: u64,
    /// TIMEOUT_D: the burst count is not zero.
    pub d: u64,
}

impl Timeouts {
    /// The defaults of the specification: 750 ms, 2 s, 200 ms, 30 ms.
    pub const DEFAULT: Self = Self {
        a: 750_000,
        b: 2_000_000,
        c: 200_000,
        d: 30_000,
    };
}

/// A TPM with a FIFO interface, no locality open.
pub struct Tis<M, C> {
    io: M,
    clock: C,
    timeouts: Timeouts,
    id: DidVid,
}

impl<M: Mmio, C: Clock> Tis<M, C> {
    /// Looks for a TPM with a FIFO interface. Changes nothing, and opens no locality.
    ///
    /// # Errors
    ///
    /// [`TpmError::Absent`], [`TpmError::CrbUnsupported`], [`TpmError::UnknownInterface`];
    /// [`TpmError::StatusTimeout`] if ACCESS does not become valid; [`TpmError::ClockStopped`].
    pub fn probe(io: M, clock: C) -> Result<Self, TpmError> {
        let _ = (io, clock);
        Err(TpmError::Absent)
    }

    /// Vendor and device of the TPM.
    pub const fn did_vid(&self) -> DidVid {
        self.id
    }

    /// Gives the registers and the clock back.
    pub fn into_parts(self) -> (M, C) {
        (self.io, self.clock)
    }

    /// Claims the TPM for `locality`.
    ///
    /// A locality that is active is asked to let go. If it does not within timeout A, and is lower, the
    /// TPM is seized from it; an equal or higher one is never disturbed, and the request is withdrawn.
    ///
    /// # Errors
    ///
    /// [`TpmError::LocalityRefused`], [`TpmError::Vanished`], [`TpmError::ClockStopped`].
    pub fn open(&mut self, locality: Locality) -> Result<OpenLocality<'_, M, C>, TpmError> {
        Ok(OpenLocality {
            tis: self,
            locality,
            family: TpmFamily::Unknown,
        })
    }
}

/// The TPM, held by one locality.
///
/// Commands can be sent through this guard only. The locality is given back when it is closed, or
/// dropped, whatever happened before.
pub struct OpenLocality<'a, M: Mmio, C: Clock> {
    tis: &'a mut Tis<M, C>,
    locality: Locality,
    family: TpmFamily,
}

impl<M: Mmio, C: Clock> OpenLocality<'_, M, C> {
    /// The locality.
    pub const fn locality(&self) -> Locality {
        self.locality
    }

    /// The TPM's generation as the interface tells. A TPM that tells nothing is found out by its answer
    /// to the first command ([`TpmError::NotTpm2`]).
    pub const fn family(&self) -> TpmFamily {
        self.family
    }

    /// Gives the TPM back and waits until it is free. Dropping the guard does the same, silently.
    ///
    /// # Errors
    ///
    /// [`TpmError::NotReleased`] if the locality stays active, [`TpmError::Vanished`],
    /// [`TpmError::ClockStopped`].
    pub fn close(self) -> Result<(), TpmError> {
        Ok(())
    }
}

impl<M: Mmio, C: Clock> Transport for OpenLocality<'_, M, C> {
    fn transmit(
        &mut self,
        command: &[u8],
        response: &mut [u8],
        duration: Duration,
    ) -> Result<usize, TpmError> {
        let _ = (command, response, duration);
        Err(TpmError::Absent)
    }

    fn pause(&mut self, us: u64) -> Result<(), TpmError> {
        let _ = us;
        Err(TpmError::Absent)
    }
}
