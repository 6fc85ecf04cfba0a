// SPDX-License-Identifier: GPL-2.0

//! The FIFO interface: one command and its response (PTP 1.05 section 6.5.3).
//!
//! The TPM goes through the states Idle, Ready, Reception (of a command), Execution and Completion. One
//! call of `transmit` takes it from any of them to Ready, around the circle, and back to Ready or Idle.

use super::super::bytes::Reader;
use super::super::commands::{Duration, Transport};
use super::super::error::TpmError;
use super::super::hw::{Clock, Mmio, Wait};
use super::super::regs::{LocalityRegs, Status, TpmFamily};
use super::OpenLocality;

/// Size in bytes of the header of commands and responses.
const HEADER: usize = 10;

/// How often a damaged response is asked for again.
const RESPONSE_RETRIES: u32 = 2;

/// Reads STS; an error if it cannot be this locality's.
fn status_of<M: Mmio>(regs: &mut LocalityRegs<'_, M>) -> Result<Status, TpmError> {
    let status = regs.status();
    if !status.is_all_ones() {
        Ok(status)
    } else if regs.access().is_all_ones() {
        Err(TpmError::Vanished)
    } else {
        Err(TpmError::LocalityLost)
    }
}

impl<M: Mmio, C: Clock> Transport for OpenLocality<'_, M, C> {
    fn transmit(
        &mut self,
        command: &[u8],
        response: &mut [u8],
        duration: Duration,
    ) -> Result<usize, TpmError> {
        if command.len() < HEADER || response.len() < HEADER {
            return Err(TpmError::CommandInvalid);
        }
        let result = self.exchange(command, response, duration);
        // Ends a response that was read, and aborts anything that went wrong.
        self.regs().set_command_ready();
        if result.is_err() && result != Err(TpmError::NotReady) {
            // So that the next user finds the TPM idle. The error at hand says more than one from here.
            let limit = self.tis.timeouts.b;
            let _ = self.poll_status(limit, |status| status.is_command_ready());
        }
        result
    }

    fn pause(&mut self, us: u64) -> Result<(), TpmError> {
        Wait::new(&self.tis.clock, us)
            .until(|| Ok(None::<()>))
            .map(|_| ())
    }
}

impl<M: Mmio, C: Clock> OpenLocality<'_, M, C> {
    pub(super) fn status(&mut self) -> Result<Status, TpmError> {
        status_of(&mut self.regs())
    }

    /// Waits until `wanted` holds of STS; `None` if it does not within `limit_us`.
    fn poll_status(
        &mut self,
        limit_us: u64,
        wanted: impl Fn(Status) -> bool,
    ) -> Result<Option<Status>, TpmError> {
        self.poll(limit_us, |regs| {
            let status = status_of(regs)?;
            Ok(wanted(status).then_some(status))
        })
    }

    fn exchange(
        &mut self,
        command: &[u8],
        response: &mut [u8],
        duration: Duration,
    ) -> Result<usize, TpmError> {
        self.make_ready()?;
        self.send(command)?;
        self.regs().go();
        let available = |status: Status| status.is_data_available();
        if self.poll_status(duration.as_us(), available)?.is_none() {
            self.cancel()?;
        }
        self.receive(response)
    }

    /// To the state Ready.
    fn make_ready(&mut self) -> Result<(), TpmError> {
        let status = self.status()?;
        if status.is_command_ready() {
            return Ok(());
        }
        if status.is_data_available() {
            // A response that nobody read. Ending it leads to Idle in some TPMs, to Ready in others.
            self.regs().set_command_ready();
        }
        self.regs().set_command_ready();
        let limit = self.tis.timeouts.b;
        self.poll_status(limit, |status| status.is_command_ready())?
            .map(|_| ())
            .ok_or(TpmError::NotReady)
    }

    /// Writes the command. The TPM must want more until the last byte, and no more behind it.
    fn send(&mut self, command: &[u8]) -> Result<(), TpmError> {
        let (last, mut rest) = command.split_last().ok_or(TpmError::CommandInvalid)?;
        while !rest.is_empty() {
            let burst = self.burst()?;
            let (now, later) = rest.split_at_checked(burst).unwrap_or((rest, &[]));
            let mut regs = self.regs();
            for byte in now {
                regs.write_fifo(*byte);
            }
            rest = later;
        }
        if !self.valid_status()?.expects_data() {
            return Err(TpmError::TransferRejected);
        }
        self.burst()?;
        self.regs().write_fifo(*last);
        if self.valid_status()?.expects_data() {
            return Err(TpmError::TransferRejected);
        }
        Ok(())
    }

    /// The command takes too long. A TPM 2.0 can be asked to give up: then it responds, with
    /// TPM_RC_CANCELED or, if it had just finished, with its result. Any other way of stopping it loses
    /// the response.
    fn cancel(&mut self) -> Result<(), TpmError> {
        if self.family == TpmFamily::Tpm20 {
            self.regs().cancel_command();
            let limit = self.tis.timeouts.b;
            let available = |status: Status| status.is_data_available();
            if self.poll_status(limit, available)?.is_some() {
                return Ok(());
            }
        }
        Err(TpmError::CommandTimeout)
    }

    /// Reads the response, again if it came over damaged.
    fn receive(&mut self, response: &mut [u8]) -> Result<usize, TpmError> {
        let mut retries = RESPONSE_RETRIES;
        loop {
            let result = self.read_response(response);
            match result {
                Err(
                    TpmError::ResponseTruncated
                    | TpmError::ResponseOversized
                    | TpmError::ResponseMalformed,
                ) if retries > 0 => {
                    retries = retries.saturating_sub(1);
                    self.regs().response_retry();
                }
                _ => return result,
            }
        }
    }

    fn read_response(&mut self, response: &mut [u8]) -> Result<usize, TpmError> {
        let (header, body) = response
            .split_first_chunk_mut::<HEADER>()
            .ok_or(TpmError::CommandInvalid)?;
        self.read(header)?;
        let mut fields = Reader::new(header);
        let size = fields.be16().and_then(|_tag| fields.be32());
        let size = size.and_then(|size| usize::try_from(size).ok());
        let size = size.ok_or(TpmError::ResponseMalformed)?;
        let left = size
            .checked_sub(HEADER)
            .ok_or(TpmError::ResponseMalformed)?;
        let body = body.get_mut(..left).ok_or(TpmError::ResponseOversized)?;
        self.read(body)?;
        if self.valid_status()?.is_data_available() {
            return Err(TpmError::ResponseOversized);
        }
        Ok(size)
    }

    /// Fills `part` from the FIFO.
    ///
    /// The burst count may be larger than what is left of the response, and a FIFO that is empty reads as
    /// ones. So the last byte goes alone: if there is data before it and none behind it, nothing was lost.
    fn read(&mut self, part: &mut [u8]) -> Result<(), TpmError> {
        let mut rest = part;
        while !rest.is_empty() {
            let limit = self.tis.timeouts.c;
            self.poll_status(limit, |status| status.is_data_available())?
                .ok_or(TpmError::ResponseTruncated)?;
            let most = rest.len().saturating_sub(1).max(1);
            let burst = self.burst()?.min(most);
            let (now, later) = rest
                .split_at_mut_checked(burst)
                .ok_or(TpmError::BurstTimeout)?;
            let mut regs = self.regs();
            for byte in now {
                *byte = regs.read_fifo();
            }
            rest = later;
        }
        Ok(())
    }

    /// STS, once it is valid.
    fn valid_status(&mut self) -> Result<Status, TpmError> {
        let limit = self.tis.timeouts.c;
        self.poll_status(limit, |status| status.is_valid())?
            .ok_or(TpmError::StatusTimeout)
    }

    /// How many bytes can go through the FIFO at once; not 0.
    fn burst(&mut self) -> Result<usize, TpmError> {
        let limit = self.tis.timeouts.d;
        self.poll_status(limit, |status| status.burst_count() > 0)?
            .map(|status| usize::from(status.burst_count()))
            .ok_or(TpmError::BurstTimeout)
    }
}
