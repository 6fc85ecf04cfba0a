// SPDX-License-Identifier: GPL-2.0

//! The FIFO interface: one command and its response (PTP 1.05 section 6.5.3).
//!
//! The TPM goes through the states Idle, Ready, Reception (of a command), Execution and Completion.
//! One call of `fifo_transmit` takes it from any of them to Ready, around the circle, and back to
//! Ready or Idle.

use super::super::commands::{response_size, Duration, TpmFamily, HEADER};
use super::super::error::TpmError;
use super::super::hw::{Clock, Mmio};
use super::super::regs::{Locality, LocalityRegs, Status};
use super::port::Port;
use super::OpenLocality;

/// How often a damaged response is asked for again.
const RESPONSE_RETRIES: u32 = 2;

/// What STS is looked at for.
#[derive(Clone, Copy)]
enum Wanted {
    Ready,
    Data,
    Valid,
    Burst,
}

impl Wanted {
    const fn holds(self, status: Status) -> bool {
        match self {
            Self::Ready => status.is_command_ready(),
            Self::Data => status.is_data_available(),
            Self::Valid => status.is_valid(),
            Self::Burst => status.burst_count() > 0,
        }
    }
}

impl<M: Mmio, C: Clock> OpenLocality<'_, M, C> {
    /// Sends `command` and reads the response; see [`super::super::Transport::transmit`].
    pub(super) fn fifo_transmit(
        &mut self,
        command: &[u8],
        response: &mut [u8],
        duration: Duration,
    ) -> Result<usize, TpmError> {
        let result = self.exchange(command, response, duration);
        // Ends a response that was read, and aborts anything that went wrong.
        self.regs().set_command_ready();
        if result.is_err() && result != Err(TpmError::NotReady) {
            // So that the next user finds the TPM idle. The error at hand says more than one from
            // here.
            let limit = self.tpm.timeouts.b;
            let _ = self.poll_status(limit, Wanted::Ready);
        }
        result
    }

    /// Reads STS.
    pub(super) fn fifo_status(&mut self) -> Result<Status, TpmError> {
        status_of(&mut self.tpm.port, self.locality)
    }

    fn regs(&mut self) -> LocalityRegs<'_, M> {
        self.tpm.port.regs(self.locality)
    }

    /// Waits until `wanted` holds of STS; `None` if it does not within `limit_us`.
    #[inline(never)] // Used in many places; the loader block must stay small.
    fn poll_status(&mut self, limit_us: u64, wanted: Wanted) -> Result<Option<Status>, TpmError> {
        let locality = self.locality;
        self.poll(limit_us, |port| {
            let status = status_of(port, locality)?;
            Ok(wanted.holds(status).then_some(status))
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
        if !self.executed(duration)? {
            self.cancel()?;
        }
        self.receive(response)
    }

    /// Waits until the command has been executed; false if it takes too long, or nobody wants it
    /// any more.
    fn executed(&mut self, duration: Duration) -> Result<bool, TpmError> {
        let locality = self.locality;
        self.tpm.executed(duration, |port| {
            Ok(status_of(port, locality)?.is_data_available())
        })
    }

    /// To the state Ready.
    fn make_ready(&mut self) -> Result<(), TpmError> {
        let status = self.fifo_status()?;
        if status.is_command_ready() {
            return Ok(());
        }
        if status.is_data_available() {
            // A response that nobody read. Ending it leads to Idle in some TPMs, to Ready in
            // others.
            self.regs().set_command_ready();
        }
        self.regs().set_command_ready();
        let limit = self.tpm.timeouts.b;
        self.poll_status(limit, Wanted::Ready)?
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
    /// TPM_RC_CANCELED or, if it had just finished, with its result. Any other way of stopping it
    /// loses the response.
    fn cancel(&mut self) -> Result<(), TpmError> {
        if self.tpm.family == Some(TpmFamily::Tpm20) {
            self.regs().cancel_command();
            let limit = self.tpm.timeouts.b;
            if self.poll_status(limit, Wanted::Data)?.is_some() {
                return Ok(());
            }
        }
        Err(self.tpm.gave_up())
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
        let (size, left) = response_size(header)?;
        let body = body.get_mut(..left).ok_or(TpmError::ResponseOversized)?;
        self.read(body)?;
        if self.valid_status()?.is_data_available() {
            return Err(TpmError::ResponseOversized);
        }
        Ok(size)
    }

    /// Fills `part` from the FIFO.
    ///
    /// The burst count may be larger than what is left of the response, and a FIFO that is empty
    /// reads as ones. So the last byte goes alone: if there is data before it and none behind it,
    /// nothing was lost.
    fn read(&mut self, part: &mut [u8]) -> Result<(), TpmError> {
        let mut rest = part;
        while !rest.is_empty() {
            let limit = self.tpm.timeouts.c;
            self.poll_status(limit, Wanted::Data)?
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
        let limit = self.tpm.timeouts.c;
        self.poll_status(limit, Wanted::Valid)?
            .ok_or(TpmError::StatusTimeout)
    }

    /// How many bytes can go through the FIFO at once; not 0.
    fn burst(&mut self) -> Result<usize, TpmError> {
        let limit = self.tpm.timeouts.d;
        self.poll_status(limit, Wanted::Burst)?
            .map(|status| usize::from(status.burst_count()))
            .ok_or(TpmError::BurstTimeout)
    }
}

/// Reads STS; an error if it cannot be this locality's.
fn status_of<M: Mmio>(port: &mut Port<M>, locality: Locality) -> Result<Status, TpmError> {
    let status = port.regs(locality).status();
    if status.is_all_ones() {
        return Err(port.lost(locality));
    }
    Ok(status)
}
