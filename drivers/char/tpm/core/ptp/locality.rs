// SPDX-License-Identifier: GPL-2.0

//! Localities: who may speak to the TPM, and giving that back on every path (PTP 1.05 sections
//! 6.4.2.3 and 6.5.2.2).

use super::super::commands::{self, Duration, TpmFamily, Transport, HEADER};
use super::super::error::TpmError;
use super::super::hw::{Clock, Mmio, Wait};
use super::super::regs::Locality;
use super::port::Port;
use super::{Interface, Tpm};

impl<M: Mmio, C: Clock> Tpm<M, C> {
    /// Claims the TPM for `locality`, and finds out its family if that is not known yet: a TPM
    /// whose interface does not tell is sent a command.
    ///
    /// A locality that is active is asked to let go. If it does not within timeout A, and is lower,
    /// the TPM is seized from it; an equal or higher one is never disturbed, and the request is
    /// withdrawn.
    ///
    /// # Errors
    ///
    /// [`TpmError::LocalityRefused`], [`TpmError::Vanished`], [`TpmError::ClockStopped`]; those of
    /// [`commands::identify`].
    pub fn open(&mut self, locality: Locality) -> Result<OpenLocality<'_, M, C>, TpmError> {
        if let Err(error) = self.claim(locality) {
            // Or the TPM would be granted when nobody waits for it any more.
            self.port.relinquish(locality);
            return Err(error);
        }
        let known = self.family;
        let mut open = OpenLocality {
            tpm: self,
            locality,
        };
        if known.is_none() {
            let family = if open.fifo_status()?.tells_tpm20() {
                TpmFamily::Tpm20
            } else {
                commands::identify(&mut open)?
            };
            open.tpm.family = Some(family);
        }
        Ok(open)
    }

    /// Goes on with a locality that [`OpenLocality::keep`] left open.
    pub fn resume(&mut self, held: Held) -> OpenLocality<'_, M, C> {
        OpenLocality {
            tpm: self,
            locality: held.locality,
        }
    }

    fn claim(&mut self, locality: Locality) -> Result<(), TpmError> {
        if self.port.is_active(locality)? {
            // Left open by who ran before at this locality.
            return Ok(());
        }
        self.port.request(locality);
        if self.granted(locality)? {
            return Ok(());
        }
        if self.port.holder().is_some_and(|holder| holder < locality) {
            self.port.seize(locality);
            if self.granted(locality)? {
                return Ok(());
            }
        }
        Err(TpmError::LocalityRefused)
    }

    /// Waits until `locality` is active, at most for timeout A.
    fn granted(&mut self, locality: Locality) -> Result<bool, TpmError> {
        let limit = self.timeouts.a;
        let granted = self.poll(limit, |port| Ok(port.is_active(locality)?.then_some(())))?;
        Ok(granted.is_some())
    }

    /// Looks at the registers until `done` answers something, at most for `limit_us`.
    pub(super) fn poll<T>(
        &mut self,
        limit_us: u64,
        mut done: impl FnMut(&mut Port<M>) -> Result<Option<T>, TpmError>,
    ) -> Result<Option<T>, TpmError> {
        let port = &mut self.port;
        Wait::new(&self.clock, limit_us).until(|| done(port))
    }

    /// Waits until a command was executed; false if it takes too long, or nobody waits for it any
    /// more.
    pub(super) fn executed(
        &mut self,
        duration: Duration,
        mut done: impl FnMut(&mut Port<M>) -> Result<bool, TpmError>,
    ) -> Result<bool, TpmError> {
        let (port, clock) = (&mut self.port, &self.clock);
        let executed = Wait::new(clock, duration.as_us()).until(|| {
            let executed = done(port)?;
            Ok((executed || clock.given_up()).then_some(executed))
        })?;
        Ok(executed.unwrap_or(false))
    }

    /// Why a command was cancelled.
    pub(super) fn gave_up(&self) -> TpmError {
        if self.clock.given_up() {
            TpmError::Canceled
        } else {
            TpmError::CommandTimeout
        }
    }
}

/// The TPM, held by one locality.
///
/// Commands can be sent through this guard only. The locality is given back when it is closed, or
/// dropped, whatever happened before.
pub struct OpenLocality<'a, M: Mmio, C: Clock> {
    pub(super) tpm: &'a mut Tpm<M, C>,
    pub(super) locality: Locality,
}

/// A locality that was left open without a guard; [`Tpm::resume`] takes it up again.
#[derive(PartialEq, Eq, Debug)]
#[must_use = "the TPM is held until the locality is resumed and closed"]
pub struct Held {
    locality: Locality,
}

impl Held {
    /// The locality.
    pub const fn locality(&self) -> Locality {
        self.locality
    }
}

impl<M: Mmio, C: Clock> OpenLocality<'_, M, C> {
    /// The locality.
    pub const fn locality(&self) -> Locality {
        self.locality
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

    /// Leaves the locality open, for a caller who cannot keep the guard.
    pub fn keep(self) -> Held {
        let locality = self.locality;
        // The one thing it would do is to give the locality back.
        core::mem::forget(self);
        Held { locality }
    }

    fn release(&mut self) -> Result<(), TpmError> {
        if let Interface::Crb(layout) = self.tpm.port.interface {
            self.crb_release(layout);
        }
        let locality = self.locality;
        let limit = self.tpm.timeouts.a;
        self.tpm.port.relinquish(locality);
        if !self.tpm.port.has_localities() {
            return Ok(());
        }
        self.tpm
            .poll(limit, |port| Ok((!port.is_active(locality)?).then_some(())))?
            .ok_or(TpmError::NotReleased)
    }

    pub(super) fn poll<T>(
        &mut self,
        limit_us: u64,
        done: impl FnMut(&mut Port<M>) -> Result<Option<T>, TpmError>,
    ) -> Result<Option<T>, TpmError> {
        self.tpm.poll(limit_us, done)
    }

    /// Why a register of this locality reads as all ones.
    pub(super) fn lost(&mut self) -> TpmError {
        self.tpm.port.lost(self.locality)
    }
}

impl<M: Mmio, C: Clock> Drop for OpenLocality<'_, M, C> {
    fn drop(&mut self) {
        // There is nobody to tell; the next one to open a locality will find out.
        let _ = self.release();
    }
}

impl<M: Mmio, C: Clock> Transport for OpenLocality<'_, M, C> {
    fn family(&self) -> TpmFamily {
        // Unknown only while it is being found out, with a command that either family answers.
        self.tpm.family.unwrap_or(TpmFamily::Tpm20)
    }

    fn transmit(
        &mut self,
        command: &[u8],
        response: &mut [u8],
        duration: Duration,
    ) -> Result<usize, TpmError> {
        if command.len() < HEADER || response.len() < HEADER {
            return Err(TpmError::CommandInvalid);
        }
        match self.tpm.port.interface {
            Interface::Fifo => self.fifo_transmit(command, response, duration),
            Interface::Crb(layout) => self.crb_transmit(layout, command, response, duration),
        }
    }

    fn pause(&mut self, us: u64) -> Result<(), TpmError> {
        Wait::new(&self.tpm.clock, us)
            .until(|| Ok(None::<()>))
            .map(|_| ())
    }
}
