// SPDX-License-Identifier: GPL-2.0

//! The registers of the FIFO interface (PTP 1.05 section 6.5.2, and TIS 1.3 before it).

use super::super::hw::Mmio;
use super::{DidVid, LocalityRegs};

// Offsets in a locality's page, in bytes (PTP 1.05 table 18).
const ACCESS: u32 = 0x000;
const INT_ENABLE: u32 = 0x008;
const INT_VECTOR: u32 = 0x00c;
const INT_STATUS: u32 = 0x010;
const INTF_CAPS: u32 = 0x014;
const STS: u32 = 0x018;
const STS_TOP: u32 = 0x01b;
const HASH_END: u32 = 0x020;
const DATA_FIFO: u32 = 0x024;
const HASH_DATA: u32 = 0x024;
const HASH_START: u32 = 0x028;
const DID_VID: u32 = 0xf00;

/// TPM_ACCESS_x: which locality has the TPM (PTP 1.05 section 6.5.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access(u8);

impl Access {
    const VALID: u8 = 1 << 7;
    const ACTIVE: u8 = 1 << 5;
    const BEEN_SEIZED: u8 = 1 << 4;
    const SEIZE: u8 = 1 << 3;
    const PENDING: u8 = 1 << 2;
    const REQUEST_USE: u8 = 1 << 1;
    const ESTABLISHMENT: u8 = 1 << 0;

    /// Nobody answers. A TPM cannot read like this: bit 6 is zero.
    pub const fn is_all_ones(self) -> bool {
        self.0 == 0xff
    }

    /// The other bits mean something.
    pub const fn is_valid(self) -> bool {
        !self.is_all_ones() && self.0 & Self::VALID != 0
    }

    /// This locality has the TPM.
    pub const fn is_active(self) -> bool {
        self.is_valid() && self.0 & Self::ACTIVE != 0
    }

    /// The TPM was taken from this locality by a higher one.
    pub const fn was_seized(self) -> bool {
        self.is_valid() && self.0 & Self::BEEN_SEIZED != 0
    }

    /// Another locality asks for the TPM.
    pub const fn is_wanted_by_other(self) -> bool {
        self.is_valid() && self.0 & Self::PENDING != 0
    }

    /// This locality asks for the TPM.
    pub const fn is_requested(self) -> bool {
        self.is_valid() && self.0 & Self::REQUEST_USE != 0
    }

    /// A dynamic launch has happened since the flag was last reset (the bit is inverted).
    pub const fn is_established(self) -> bool {
        self.is_valid() && self.0 & Self::ESTABLISHMENT == 0
    }
}

/// TPM_STS_x: progress of a command (PTP 1.05 section 6.5.2.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Status(u32);

impl Status {
    const VALID: u32 = 1 << 7;
    const COMMAND_READY: u32 = 1 << 6;
    const DATA_AVAIL: u32 = 1 << 4;
    const EXPECT: u32 = 1 << 3;
    const SELF_TEST_DONE: u32 = 1 << 2;

    // Write-only bits of the lowest byte.
    const W_COMMAND_READY: u8 = 1 << 6;
    const W_GO: u8 = 1 << 5;
    const W_RESPONSE_RETRY: u8 = 1 << 1;
    // Write-only bit of the topmost byte: bit 24 of the register.
    const W_COMMAND_CANCEL: u8 = 1 << 0;

    /// Nobody answers, or the locality is not active. Bits 31:28 of a TPM are zero.
    pub const fn is_all_ones(self) -> bool {
        self.0 == 0xffff_ffff
    }

    /// [`Status::is_data_available`] and [`Status::expects_data`] mean something.
    pub const fn is_valid(self) -> bool {
        !self.is_all_ones() && self.0 & Self::VALID != 0
    }

    /// A command can be written.
    pub const fn is_command_ready(self) -> bool {
        !self.is_all_ones() && self.0 & Self::COMMAND_READY != 0
    }

    /// There are response bytes to be read.
    pub const fn is_data_available(self) -> bool {
        self.is_valid() && self.0 & Self::DATA_AVAIL != 0
    }

    /// The command is not complete yet.
    pub const fn expects_data(self) -> bool {
        self.is_valid() && self.0 & Self::EXPECT != 0
    }

    /// The self test is complete.
    pub const fn is_self_test_done(self) -> bool {
        !self.is_all_ones() && self.0 & Self::SELF_TEST_DONE != 0
    }

    /// Number of bytes that can be read or written without waiting; 0 if none, or if nobody
    /// answers.
    pub const fn burst_count(self) -> u16 {
        if self.is_all_ones() {
            return 0;
        }
        let [_, low, high, _] = self.0.to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// The TPM says that it is a TPM 2.0 (bits 27:26). One that does not may still be: it has to be
    /// asked.
    pub const fn tells_tpm20(self) -> bool {
        !self.is_all_ones() && (self.0 >> 26) & 3 == 1
    }
}

/// TPM_INTF_CAPABILITY_x (PTP 1.05 section 6.5.2.7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IntfCaps(u32);

impl IntfCaps {
    /// The burst count never changes.
    pub const fn is_burst_static(self) -> bool {
        self.0 & (1 << 8) != 0
    }

    /// Version of the interface: 0 for TIS 1.21, 2 for TIS 1.3, 3 for PTP (TPM 2.0).
    pub const fn version(self) -> u32 {
        (self.0 >> 28) & 7
    }
}

/// TPM_INT_ENABLE_x and TPM_INT_STATUS_x (PTP 1.05 section 6.5.2.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interrupts(u32);

impl Interrupts {
    /// Response bytes are there.
    pub const DATA_AVAIL: Self = Self(1 << 0);
    /// STS became valid.
    pub const STS_VALID: Self = Self(1 << 1);
    /// A locality was granted.
    pub const LOCALITY_CHANGE: Self = Self(1 << 2);
    /// The TPM became ready for a command.
    pub const COMMAND_READY: Self = Self(1 << 7);
    /// None.
    pub const NONE: Self = Self(0);

    const REASONS: u32 = 0x87;
    const POLARITY: u32 = 3 << 3;
    const GLOBAL: u32 = 1 << 31;

    /// These and `other`.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those of these that the TPM supports.
    pub const fn supported(self, caps: IntfCaps) -> Self {
        // The capabilities have the same bits in the same places.
        Self(self.0 & (caps.0 & Self::REASONS | !Self::REASONS))
    }

    /// The reasons to interrupt among these, without how.
    pub const fn reasons(self) -> Self {
        Self(self.0 & Self::REASONS)
    }

    /// No reason to interrupt among these; also if nobody answers.
    pub const fn is_none(self) -> bool {
        self.0 == u32::MAX || self.0 & Self::REASONS == 0
    }

    /// As the value to enable them, with the polarity (0 to 3: high level, low level, rising edge,
    /// falling edge) that the firmware left in `firmware`.
    pub const fn armed(self, firmware: Self) -> Self {
        Self(self.0 & Self::REASONS | firmware.0 & Self::POLARITY | Self::GLOBAL)
    }
}

impl<M: Mmio> LocalityRegs<'_, M> {
    /// Reads TPM_ACCESS.
    pub fn access(&mut self) -> Access {
        Access(self.io.read8(self.at(ACCESS)))
    }

    /// Asks for the TPM; it is granted when no other locality has it.
    pub fn request_use(&mut self) {
        self.io.write8(self.at(ACCESS), Access::REQUEST_USE);
    }

    /// Takes the TPM from a lower locality.
    pub fn seize(&mut self) {
        self.io.write8(self.at(ACCESS), Access::SEIZE);
    }

    /// Gives the TPM back, or withdraws a request.
    pub fn relinquish(&mut self) {
        self.io.write8(self.at(ACCESS), Access::ACTIVE);
    }

    /// Acknowledges that the TPM was taken away.
    pub fn clear_been_seized(&mut self) {
        self.io.write8(self.at(ACCESS), Access::BEEN_SEIZED);
    }

    /// Reads TPM_STS, all four bytes in one access. All ones unless this locality is active.
    pub fn status(&mut self) -> Status {
        Status(self.io.read32(self.at(STS)))
    }

    /// Asks to be ready for a command; aborts one that runs, ends one whose response was read.
    pub fn set_command_ready(&mut self) {
        self.io.write8(self.at(STS), Status::W_COMMAND_READY);
    }

    /// Executes the command that was written.
    pub fn go(&mut self) {
        self.io.write8(self.at(STS), Status::W_GO);
    }

    /// Has the response sent again from its first byte.
    pub fn response_retry(&mut self) {
        self.io.write8(self.at(STS), Status::W_RESPONSE_RETRY);
    }

    /// Asks a TPM 2.0 to give up the command that it executes. There is a response still.
    pub fn cancel_command(&mut self) {
        self.io.write8(self.at(STS_TOP), Status::W_COMMAND_CANCEL);
    }

    /// Takes one byte of the response.
    pub fn read_fifo(&mut self) -> u8 {
        self.io.read8(self.at(DATA_FIFO))
    }

    /// Gives one byte of the command.
    pub fn write_fifo(&mut self, byte: u8) {
        self.io.write8(self.at(DATA_FIFO), byte);
    }

    /// Reads TPM_INTF_CAPABILITY.
    pub fn intf_caps(&mut self) -> IntfCaps {
        IntfCaps(self.io.read32(self.at(INTF_CAPS)))
    }

    /// Reads TPM_INT_VECTOR: the interrupt that the firmware chose, 0 if none.
    pub fn interrupt_vector(&mut self) -> u8 {
        self.io.read8(self.at(INT_VECTOR)) & 0xf
    }

    /// Writes TPM_INT_VECTOR; the register exists while the locality is active only.
    pub fn set_interrupt_vector(&mut self, vector: u8) {
        self.io.write8(self.at(INT_VECTOR), vector & 0xf);
    }

    /// Reads TPM_INT_ENABLE.
    pub fn interrupts_enabled(&mut self) -> Interrupts {
        Interrupts(self.io.read32(self.at(INT_ENABLE)))
    }

    /// Writes TPM_INT_ENABLE.
    pub fn enable_interrupts(&mut self, interrupts: Interrupts) {
        self.io.write32(self.at(INT_ENABLE), interrupts.0);
    }

    /// Reads TPM_INT_STATUS: what the TPM has interrupted for.
    pub fn interrupts_pending(&mut self) -> Interrupts {
        Interrupts(self.io.read32(self.at(INT_STATUS)))
    }

    /// Acknowledges interrupts.
    pub fn clear_interrupts(&mut self, interrupts: Interrupts) {
        self.io.write32(self.at(INT_STATUS), interrupts.0);
    }

    /// Reads TPM_DID_VID.
    pub fn did_vid(&mut self) -> DidVid {
        DidVid(self.io.read32(self.at(DID_VID)))
    }

    /// Locality 4 only: begins a dynamic launch measurement; resets the PCRs 17 to 22.
    pub fn hash_start(&mut self) {
        self.io.write8(self.at(HASH_START), 0);
    }

    /// Locality 4 only: one byte of what is measured.
    pub fn hash_data(&mut self, byte: u8) {
        self.io.write8(self.at(HASH_DATA), byte);
    }

    /// Locality 4 only: ends the measurement; extends PCR 17.
    pub fn hash_end(&mut self) {
        self.io.write8(self.at(HASH_END), 0);
    }
}
