// SPDX-License-Identifier: GPL-2.0

//! The FIFO interface: probing and localities (PTP 1.05 section 6.5).

mod transfer;

use super::error::TpmError;
use super::hw::{Clock, Mmio, Wait};
use super::regs::{DidVid, InterfaceType, Locality, LocalityRegs, TpmFamily};

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
    pub fn probe(mut io: M, clock: C) -> Result<Self, TpmError> {
        let timeouts = Timeouts::DEFAULT;
        let mut regs = LocalityRegs::new(&mut io, Locality::L0);
        if regs.access().is_all_ones() {
            return Err(TpmError::Absent);
        }
        // Before any other register: those of a CRB lie elsewhere.
        match regs.interface_id().interface() {
            InterfaceType::Fifo | InterfaceType::Tis => {}
            InterfaceType::Crb => return Err(TpmError::CrbUnsupported),
            InterfaceType::Unknown => return Err(TpmError::UnknownInterface),
        }
        let id = regs.did_vid();
        if !id.is_present() {
            return Err(TpmError::Absent);
        }
        Wait::new(&clock, timeouts.a)
            .until(|| Ok(regs.access().is_valid().then_some(())))?
            .ok_or(TpmError::StatusTimeout)?;
        Ok(Self {
            io,
            clock,
            timeouts,
            id,
        })
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
        if let Err(error) = self.claim(locality) {
            // Or the TPM would be granted when nobody waits for it any more.
            self.regs(locality).relinquish();
            return Err(error);
        }
        let mut open = OpenLocality {
            tis: self,
            locality,
            family: TpmFamily::Unknown,
        };
        open.family = open.status()?.family();
        Ok(open)
    }

    fn claim(&mut self, locality: Locality) -> Result<(), TpmError> {
        let access = self.regs(locality).access();
        if access.is_all_ones() {
            return Err(TpmError::Vanished);
        }
        if access.was_seized() {
            self.regs(locality).clear_been_seized();
        }
        if access.is_active() {
            // Left open by who ran before at this locality.
            return Ok(());
        }
        self.regs(locality).request_use();
        if self.granted(locality)? {
            return Ok(());
        }
        if self.holder().is_some_and(|holder| holder < locality) {
            self.regs(locality).seize();
            if self.granted(locality)? {
                return Ok(());
            }
        }
        Err(TpmError::LocalityRefused)
    }

    /// Waits until `locality` is active, at most for timeout A.
    fn granted(&mut self, locality: Locality) -> Result<bool, TpmError> {
        let granted = self.poll(locality, self.timeouts.a, |regs| {
            let access = regs.access();
            if access.is_all_ones() {
                return Err(TpmError::Vanished);
            }
            Ok(access.is_active().then_some(()))
        })?;
        Ok(granted.is_some())
    }

    /// The locality that is active.
    fn holder(&mut self) -> Option<Locality> {
        Locality::ALL
            .into_iter()
            .find(|locality| self.regs(*locality).access().is_active())
    }

    fn regs(&mut self, locality: Locality) -> LocalityRegs<'_, M> {
        LocalityRegs::new(&mut self.io, locality)
    }

    /// Looks at the registers of `locality` until `done` answers something, at most for `limit_us`.
    fn poll<T>(
        &mut self,
        locality: Locality,
        limit_us: u64,
        mut done: impl FnMut(&mut LocalityRegs<'_, M>) -> Result<Option<T>, TpmError>,
    ) -> Result<Option<T>, TpmError> {
        let mut regs = LocalityRegs::new(&mut self.io, locality);
        Wait::new(&self.clock, limit_us).until(|| done(&mut regs))
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
    pub fn close(mut self) -> Result<(), TpmError> {
        let result = self.release();
        // Released above; the guard owns nothing else.
        core::mem::forget(self);
        result
    }

    fn release(&mut self) -> Result<(), TpmError> {
        self.regs().relinquish();
        let limit = self.tis.timeouts.a;
        self.poll(limit, |regs| {
            let access = regs.access();
            if access.is_all_ones() {
                return Err(TpmError::Vanished);
            }
            Ok((!access.is_active()).then_some(()))
        })?
        .ok_or(TpmError::NotReleased)
    }

    fn regs(&mut self) -> LocalityRegs<'_, M> {
        self.tis.regs(self.locality)
    }

    fn poll<T>(
        &mut self,
        limit_us: u64,
        done: impl FnMut(&mut LocalityRegs<'_, M>) -> Result<Option<T>, TpmError>,
    ) -> Result<Option<T>, TpmError> {
        self.tis.poll(self.locality, limit_us, done)
    }
}

impl<M: Mmio, C: Clock> Drop for OpenLocality<'_, M, C> {
    fn drop(&mut self) {
        // There is nobody to tell; the next one to open a locality will find out.
        let _ = self.release();
    }
}
