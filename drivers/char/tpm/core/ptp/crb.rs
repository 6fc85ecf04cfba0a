// SPDX-License-Identifier: GPL-2.0

//! The command response buffer: one command and its response (PTP 1.05 section 6.4.3).
//!
//! The TPM is Idle until it is asked to be ready, takes a command in a buffer, clears the start bit
//! when the response is there, and goes to sleep again before the next command and before the
//! locality is given back.

use super::super::commands::{response_size, Duration, HEADER};
use super::super::error::TpmError;
use super::super::hw::{Clock, Mmio};
use super::super::regs::{
    Buffer, ControlArea, ControlStatus, Locality, DATA_BUFFER, PAGE_SIZE, TPM_BASE, TPM_SIZE,
};
use super::port::Port;
use super::OpenLocality;

/// A buffer, as an offset behind [`Mmio`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CrbBuffer {
    /// Offset of the first byte, a multiple of 4.
    pub offset: u32,
    /// Bytes. Words are accessed, so it may be read up to the next multiple of 4.
    pub size: u32,
}

/// What a CRB has, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CrbLayout {
    /// There are the locality registers at the start of each page. Without them there is locality 0
    /// only.
    pub localities: bool,
    /// The TPM has an idle state, and is to be asked before each command.
    pub idles: bool,
    /// Offset of the one control area; `None`: each page has its own.
    pub control: Option<u32>,
    /// Command and response buffer; `None`: the registers say, and both lie in the window.
    pub buffers: Option<(CrbBuffer, CrbBuffer)>,
}

impl CrbLayout {
    /// As in the PC Client profile.
    pub const PTP: Self = Self {
        localities: true,
        idles: true,
        control: None,
        buffers: None,
    };
}

impl CrbBuffer {
    /// The buffer that a TPM describes, if all of it is behind the registers of one page of the
    /// window, and it can hold a header. With localities that page is the `own` one, whichever the
    /// TPM names: writes to another go nowhere, and an old command would be executed.
    fn in_window(buffer: Buffer, own: Option<Locality>) -> Result<Self, TpmError> {
        const BAD: TpmError = TpmError::BufferBounds;

        let offset = buffer.phys.checked_sub(TPM_BASE).ok_or(BAD)?;
        let offset = u32::try_from(offset).map_err(|_| BAD)?;
        let in_page = offset & (PAGE_SIZE - 1);
        let end = in_page.checked_add(buffer.size).ok_or(BAD)?;
        if offset >= TPM_SIZE || in_page < DATA_BUFFER || end > PAGE_SIZE || offset & 3 != 0 {
            return Err(BAD);
        }
        let buffer = Self {
            offset: own.map_or(offset, |own| own.base() | in_page),
            size: buffer.size,
        };
        buffer.holds(HEADER).then_some(buffer).ok_or(BAD)
    }

    /// Whether `len` bytes fit.
    fn holds(self, len: usize) -> bool {
        u32::try_from(len).is_ok_and(|len| len <= self.size)
    }

    /// Writes `bytes`, which fit.
    fn write<M: Mmio>(self, io: &mut M, bytes: &[u8]) {
        let mut offset = self.offset;
        for piece in bytes.chunks(4) {
            if let Some(word) = piece.first_chunk() {
                io.write32(offset, u32::from_le_bytes(*word));
            } else {
                for byte in piece {
                    io.write8(offset, *byte);
                    offset = offset.wrapping_add(1);
                }
            }
            offset = offset.wrapping_add(4);
        }
    }
}

/// Reads a buffer from its start, each word once.
struct Words {
    offset: u32,
    word: u32,
    left: u8,
}

impl Words {
    const fn new(buffer: CrbBuffer) -> Self {
        Self {
            offset: buffer.offset,
            word: 0,
            left: 0,
        }
    }

    /// Fills `bytes` with what comes next. The caller checks that the buffer has it.
    fn read<M: Mmio>(&mut self, io: &mut M, bytes: &mut [u8]) {
        for byte in bytes {
            if self.left == 0 {
                self.word = io.read32(self.offset);
                self.offset = self.offset.wrapping_add(4);
                self.left = 4;
            }
            let [first, ..] = self.word.to_le_bytes();
            *byte = first;
            self.word >>= 8;
            self.left = self.left.wrapping_sub(1);
        }
    }
}

impl<M: Mmio, C: Clock> OpenLocality<'_, M, C> {
    /// Sends `command` and reads the response; see [`super::super::Transport::transmit`].
    pub(super) fn crb_transmit(
        &mut self,
        layout: CrbLayout,
        command: &[u8],
        response: &mut [u8],
        duration: Duration,
    ) -> Result<usize, TpmError> {
        let status = self.check_status(layout)?;
        self.settle(layout, status)?;
        if layout.idles {
            self.make_command_ready(layout)?;
        }
        self.check_status(layout)?;
        // Not before: some TPMs forget these registers while they are idle.
        let (to, from) = match self.buffers(layout) {
            Ok(buffers) => buffers,
            // All ones are no buffer either.
            Err(error) => return Err(self.check_held(layout).err().unwrap_or(error)),
        };
        if !to.holds(command.len()) {
            return Err(TpmError::CommandInvalid);
        }
        let io = &mut self.tpm.port.io;
        if from.offset != to.offset {
            // The last response must not pass for the next one.
            from.write(io, &[0; 8]);
        }
        to.write(io, command);
        let mut control = self.control(layout);
        // A request to cancel that is left over would hit this command.
        control.set_cancel(false);
        control.set_start();
        if !self.tpm.port.io.invoke() {
            let _ = self.cancel_command(layout);
            return Err(TpmError::TransferRejected);
        }
        let locality = self.locality;
        let done = |port: &mut Port<M>| has_stopped(port, layout, locality);
        if !self.tpm.executed(duration, done)? && !self.cancel_command(layout)? {
            return Err(self.tpm.gave_up());
        }
        let result = self.read_buffer(from, response);
        // What was read is the response if the TPM was ours to the end.
        self.check_held(layout)?;
        result
    }

    /// Leaves the TPM so that the next one who has it can begin. One that is gone, or does not
    /// listen, is no reason to keep it.
    pub(super) fn crb_release(&mut self, layout: CrbLayout) {
        // Or this would hit a command of the one who took the TPM.
        if self.tpm.port.is_active(self.locality) == Ok(true) {
            let status = self.control(layout).status();
            let _ = self.settle(layout, status);
        }
    }

    fn control(&mut self, layout: CrbLayout) -> ControlArea<'_, M> {
        self.tpm.port.control(layout, self.locality)
    }

    /// Command and response buffer.
    fn buffers(&mut self, layout: CrbLayout) -> Result<(CrbBuffer, CrbBuffer), TpmError> {
        let buffers = match layout.buffers {
            Some(buffers) => buffers,
            None => {
                let own = layout.localities.then_some(self.locality);
                let mut control = self.control(layout);
                (
                    CrbBuffer::in_window(control.command_buffer(), own)?,
                    CrbBuffer::in_window(control.response_buffer(), own)?,
                )
            }
        };
        match buffers.1.holds(HEADER) {
            true => Ok(buffers),
            false => Err(TpmError::BufferBounds),
        }
    }

    /// Ends what was before: a command that still runs, a response. To Idle, if there is such a
    /// state: not every TPM goes from Completion to Ready without.
    fn settle(&mut self, layout: CrbLayout, status: ControlStatus) -> Result<(), TpmError> {
        if status.is_all_ones() {
            return Err(self.lost());
        }
        if layout.idles && status.is_idle() {
            return Ok(());
        }
        let locality = self.locality;
        let stopped = has_stopped(&mut self.tpm.port, layout, locality)?;
        if !stopped && !self.cancel_command(layout)? {
            return Err(TpmError::NotReady);
        }
        if layout.idles {
            self.control(layout).set_go_idle();
            self.await_request(layout, false)?;
        }
        Ok(())
    }

    /// From Idle to Ready.
    fn make_command_ready(&mut self, layout: CrbLayout) -> Result<(), TpmError> {
        self.control(layout).set_command_ready();
        self.await_request(layout, true)
    }

    /// Waits until the TPM has granted a request, and is `awake` then. (That it sleeps, not every
    /// TPM tells.)
    fn await_request(&mut self, layout: CrbLayout, awake: bool) -> Result<(), TpmError> {
        let locality = self.locality;
        let limit = self.tpm.timeouts.c;
        self.poll(limit, |port| {
            let request = port.control(layout, locality).request();
            if request.is_all_ones() {
                return Err(port.lost(locality));
            }
            if !request.is_done() || !awake {
                return Ok(request.is_done().then_some(()));
            }
            let status = port.control(layout, locality).status();
            if status.is_all_ones() {
                return Err(port.lost(locality));
            }
            Ok((!status.is_idle()).then_some(()))
        })?
        .ok_or(TpmError::NotReady)
    }

    /// Asks the TPM to give up the command that it executes; false if it does not listen. There is
    /// a response else: TPM_RC_CANCELED, or the result of a command that had just finished.
    fn cancel_command(&mut self, layout: CrbLayout) -> Result<bool, TpmError> {
        self.control(layout).set_cancel(true);
        // Where the platform starts commands, it cancels them too. It may refuse; the wait decides.
        let _ = self.tpm.port.io.invoke();
        let locality = self.locality;
        let limit = self.tpm.timeouts.b;
        let stopped = self.poll(limit, |port| {
            Ok(has_stopped(port, layout, locality)?.then_some(()))
        })?;
        self.control(layout).set_cancel(false);
        Ok(stopped.is_some())
    }

    /// An error if the TPM has failed for good, or is not ours any more.
    fn check_status(&mut self, layout: CrbLayout) -> Result<ControlStatus, TpmError> {
        let status = self.control(layout).status();
        if status.is_all_ones() {
            return Err(self.lost());
        }
        if status.is_fatal() {
            return Err(TpmError::Failed);
        }
        Ok(status)
    }

    /// The same, where the control area may be one for all localities.
    fn check_held(&mut self, layout: CrbLayout) -> Result<(), TpmError> {
        if !self.tpm.port.is_active(self.locality)? {
            return Err(TpmError::LocalityLost);
        }
        self.check_status(layout).map(|_| ())
    }

    /// Copies the response out of the buffer, header first; each byte is read once.
    fn read_buffer(&mut self, from: CrbBuffer, response: &mut [u8]) -> Result<usize, TpmError> {
        let (header, body) = response
            .split_first_chunk_mut::<HEADER>()
            .ok_or(TpmError::CommandInvalid)?;
        let mut words = Words::new(from);
        words.read(&mut self.tpm.port.io, header);
        let (size, left) = response_size(header)?;
        if !from.holds(size) {
            return Err(TpmError::ResponseOversized);
        }
        let body = body.get_mut(..left).ok_or(TpmError::ResponseOversized)?;
        words.read(&mut self.tpm.port.io, body);
        Ok(size)
    }
}

/// Whether no command runs.
fn has_stopped<M: Mmio>(
    port: &mut Port<M>,
    layout: CrbLayout,
    locality: Locality,
) -> Result<bool, TpmError> {
    match port.control(layout, locality).start() {
        u32::MAX => Err(port.lost(locality)),
        start => Ok(start & 1 == 0),
    }
}
