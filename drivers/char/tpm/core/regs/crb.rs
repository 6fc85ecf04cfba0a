// SPDX-License-Identifier: GPL-2.0

//! The registers of the command response buffer (PTP 1.05 section 6.4.2).

use super::super::hw::Mmio;
use super::{Locality, LocalityRegs};

// Offsets in a locality's page, in bytes (PTP 1.05 table 11).
const LOC_STATE: u32 = 0x00;
const LOC_CTRL: u32 = 0x08;
const LOC_STS: u32 = 0x0c;
/// Where the control area begins; ACPI may say that it lies elsewhere.
const CONTROL_AREA: u32 = 0x40;
/// Where the registers end and the buffer begins: that of commands and responses, and at locality 4
/// that of the hash sequence.
pub(in super::super) const DATA_BUFFER: u32 = 0x80;

// Offsets in the control area, in bytes.
const REQ: u32 = 0x00;
const STS: u32 = 0x04;
const CANCEL: u32 = 0x08;
const START: u32 = 0x0c;
const COMMAND_SIZE: u32 = 0x18;
const COMMAND_LADDR: u32 = 0x1c;
const COMMAND_HADDR: u32 = 0x20;
const RESPONSE_SIZE: u32 = 0x24;
const RESPONSE_LADDR: u32 = 0x28;
const RESPONSE_HADDR: u32 = 0x2c;

/// Bytes of the control area.
pub const CONTROL_AREA_SIZE: u32 = 0x30;

// TPM_LOC_CTRL_x; all write-only.
const REQUEST_ACCESS: u32 = 1 << 0;
const RELINQUISH: u32 = 1 << 1;
const SEIZE: u32 = 1 << 2;
/// TPM_LOC_STS_x: the TPM was taken from this locality.
const BEEN_SEIZED: u32 = 1 << 1;

/// TPM_LOC_STATE_x: which locality has the TPM. The same in every page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LocalityState(u32);

impl LocalityState {
    const VALID: u32 = 1 << 7;
    const ASSIGNED: u32 = 1 << 1;
    const ESTABLISHMENT: u32 = 1 << 0;

    /// Nobody answers: bits 31:8 of a TPM are zero.
    pub const fn is_all_ones(self) -> bool {
        self.0 == u32::MAX
    }

    /// The other bits mean something.
    pub const fn is_valid(self) -> bool {
        !self.is_all_ones() && self.0 & Self::VALID != 0
    }

    /// The locality that has the TPM.
    pub const fn active(self) -> Option<Locality> {
        if !self.is_valid() || self.0 & Self::ASSIGNED == 0 {
            return None;
        }
        match (self.0 >> 2) & 7 {
            0 => Some(Locality::L0),
            1 => Some(Locality::L1),
            2 => Some(Locality::L2),
            3 => Some(Locality::L3),
            4 => Some(Locality::L4),
            _ => None,
        }
    }

    /// A dynamic launch has happened since the flag was last reset (the bit is inverted, as in
    /// TPM_ACCESS: the end of a hash sequence clears it).
    pub const fn is_established(self) -> bool {
        self.is_valid() && self.0 & Self::ESTABLISHMENT == 0
    }
}

/// TPM_CRB_CTRL_REQ_x: a request is a bit that the TPM clears when it has granted it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ControlRequest(u32);

impl ControlRequest {
    const COMMAND_READY: u32 = 1 << 0;
    const GO_IDLE: u32 = 1 << 1;

    /// Nobody answers, or the locality is not active.
    pub const fn is_all_ones(self) -> bool {
        self.0 == u32::MAX
    }

    /// No request is open.
    pub const fn is_done(self) -> bool {
        self.0 & (Self::COMMAND_READY | Self::GO_IDLE) == 0
    }
}

/// TPM_CRB_CTRL_STS_x.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ControlStatus(u32);

impl ControlStatus {
    const ERROR: u32 = 1 << 0;
    const IDLE: u32 = 1 << 1;

    /// Nobody answers, or the locality is not active.
    pub const fn is_all_ones(self) -> bool {
        self.0 == u32::MAX
    }

    /// The TPM has failed for good (tpmSts).
    pub const fn is_fatal(self) -> bool {
        self.0 & Self::ERROR != 0
    }

    /// The TPM sleeps (tpmIdle).
    pub const fn is_idle(self) -> bool {
        self.0 & Self::IDLE != 0
    }
}

/// A buffer as the control area describes it. The TPM's word, not checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Buffer {
    /// Physical address.
    pub phys: u64,
    /// Bytes.
    pub size: u32,
}

impl<M: Mmio> LocalityRegs<'_, M> {
    /// Where the control area of this page is, in the window.
    pub(in super::super) const fn control_area(&self) -> u32 {
        self.at(CONTROL_AREA)
    }

    /// Reads TPM_LOC_STATE.
    pub fn locality_state(&mut self) -> LocalityState {
        LocalityState(self.io.read32(self.at(LOC_STATE)))
    }

    /// Whether the TPM was taken from this locality since it had it last.
    pub fn locality_seized(&mut self) -> bool {
        let status = self.io.read32(self.at(LOC_STS));
        status != u32::MAX && status & BEEN_SEIZED != 0
    }

    /// Asks for the TPM; it is granted when no other locality has it.
    pub fn request_locality(&mut self) {
        self.io.write32(self.at(LOC_CTRL), REQUEST_ACCESS);
    }

    /// Gives the TPM back, or withdraws a request.
    pub fn relinquish_locality(&mut self) {
        self.io.write32(self.at(LOC_CTRL), RELINQUISH);
    }

    /// Takes the TPM from a lower locality.
    pub fn seize_locality(&mut self) {
        self.io.write32(self.at(LOC_CTRL), SEIZE);
    }

    /// Writes a word of the hash sequence into the buffer of locality 4.
    pub fn write_data_buffer(&mut self, word: u32) {
        self.io.write32(self.at(DATA_BUFFER), word);
    }
}

/// The control area, wherever it is.
pub struct ControlArea<'a, M> {
    io: &'a mut M,
    base: u32,
}

impl<'a, M: Mmio> ControlArea<'a, M> {
    /// The control area at the offset `base` behind `io`.
    pub fn new(io: &'a mut M, base: u32) -> Self {
        Self { io, base }
    }

    const fn at(&self, offset: u32) -> u32 {
        // No wrap in practice: a base is an offset of a window, or one that the caller made up.
        self.base.wrapping_add(offset)
    }

    /// Reads TPM_CRB_CTRL_REQ.
    pub fn request(&mut self) -> ControlRequest {
        ControlRequest(self.io.read32(self.at(REQ)))
    }

    /// Asks to be ready for a command.
    pub fn set_command_ready(&mut self) {
        self.io.write32(self.at(REQ), ControlRequest::COMMAND_READY);
    }

    /// Lets the TPM sleep.
    pub fn set_go_idle(&mut self) {
        self.io.write32(self.at(REQ), ControlRequest::GO_IDLE);
    }

    /// Reads TPM_CRB_CTRL_STS.
    pub fn status(&mut self) -> ControlStatus {
        ControlStatus(self.io.read32(self.at(STS)))
    }

    /// Asks the TPM to give up the command that it executes, or withdraws that.
    pub fn set_cancel(&mut self, cancel: bool) {
        self.io.write32(self.at(CANCEL), u32::from(cancel));
    }

    /// Executes the command in the buffer.
    pub fn set_start(&mut self) {
        self.io.write32(self.at(START), 1);
    }

    /// Reads TPM_CRB_CTRL_START: not zero as long as the command runs.
    pub fn start(&mut self) -> u32 {
        self.io.read32(self.at(START))
    }

    /// Where commands are written.
    pub fn command_buffer(&mut self) -> Buffer {
        Buffer {
            phys: self.address(COMMAND_LADDR, COMMAND_HADDR),
            size: self.io.read32(self.at(COMMAND_SIZE)),
        }
    }

    /// Where responses are read.
    pub fn response_buffer(&mut self) -> Buffer {
        Buffer {
            phys: self.address(RESPONSE_LADDR, RESPONSE_HADDR),
            size: self.io.read32(self.at(RESPONSE_SIZE)),
        }
    }

    fn address(&mut self, low: u32, high: u32) -> u64 {
        let low = u64::from(self.io.read32(self.at(low)));
        let high = u64::from(self.io.read32(self.at(high)));
        low | high.wrapping_shl(32)
    }
}
