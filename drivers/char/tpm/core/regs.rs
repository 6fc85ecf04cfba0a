// SPDX-License-Identifier: GPL-2.0

//! The PC Client register model (PTP 1.05 section 6.5): one page of registers for each locality.

use super::hw::Mmio;

/// Physical address of the TPM's registers.
pub const TPM_BASE: u64 = 0xfed4_0000;

/// Size in bytes of the register window: five localities of one page.
pub const TPM_SIZE: u32 = 0x5000;

/// Who speaks to the TPM. Higher localities may do more, and may take the TPM from lower ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Locality {
    /// Anybody: firmware, the kernel without a dynamic launch.
    L0,
    /// The operating system after a dynamic launch.
    L1,
    /// The measured environment of a dynamic launch.
    L2,
    /// Authenticated code modules.
    L3,
    /// The hardware that starts a dynamic launch.
    L4,
}

impl Locality {
    /// All localities, lowest first.
    pub const ALL: [Self; 5] = [Self::L0, Self::L1, Self::L2, Self::L3, Self::L4];

    /// Offset of the locality's registers in the window, in bytes.
    pub const fn base(self) -> u32 {
        match self {
            Self::L0 => 0x0000,
            Self::L1 => 0x1000,
            Self::L2 => 0x2000,
            Self::L3 => 0x3000,
            Self::L4 => 0x4000,
        }
    }
}

// Offsets in a locality's page, in bytes (PTP 1.05 table 18).
const ACCESS: u32 = 0x000;
const INTF_CAPS: u32 = 0x014;
const STS: u32 = 0x018;
const STS_TOP: u32 = 0x01b;
const HASH_END: u32 = 0x020;
const DATA_FIFO: u32 = 0x024;
const HASH_DATA: u32 = 0x024;
const HASH_START: u32 = 0x028;
const INTERFACE_ID: u32 = 0x030;
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

/// The TPM's generation, from TPM_STS_x bits 27:26.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TpmFamily {
    /// TPM 1.2, or an early TPM 2.0 that does not say.
    Tpm12,
    /// TPM 2.0.
    Tpm20,
    /// Reserved values.
    Unknown,
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

    /// Number of bytes that can be read or written without waiting; 0 if none, or if nobody answers.
    pub const fn burst_count(self) -> u16 {
        if self.is_all_ones() {
            return 0;
        }
        let [_, low, high, _] = self.0.to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// The TPM's generation.
    pub const fn family(self) -> TpmFamily {
        match (self.0 >> 26) & 3 {
            0 => TpmFamily::Tpm12,
            1 => TpmFamily::Tpm20,
            _ => TpmFamily::Unknown,
        }
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

/// How the TPM is spoken to, from TPM_INTERFACE_ID_x bits 3:0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InterfaceType {
    /// FIFO as in PTP.
    Fifo,
    /// FIFO as in TIS 1.3 or before; the other bits of the register mean nothing.
    Tis,
    /// Command response buffer.
    Crb,
    /// Reserved values.
    Unknown,
}

/// TPM_INTERFACE_ID_x (PTP 1.05 section 6.4.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InterfaceId(u32);

impl InterfaceId {
    /// The active interface.
    pub const fn interface(self) -> InterfaceType {
        match self.0 & 0xf {
            0x0 => InterfaceType::Fifo,
            0x1 => InterfaceType::Crb,
            0xf => InterfaceType::Tis,
            _ => InterfaceType::Unknown,
        }
    }
}

/// TPM_DID_VID_x: vendor and device (PTP 1.05 section 6.5.2.9).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DidVid(u32);

impl DidVid {
    /// Vendor, as in the TCG vendor id registry (often the PCI vendor id).
    pub const fn vendor(self) -> u16 {
        let [a, b, _, _] = self.0.to_le_bytes();
        u16::from_le_bytes([a, b])
    }

    /// Device, numbered by the vendor.
    pub const fn device(self) -> u16 {
        let [_, _, a, b] = self.0.to_le_bytes();
        u16::from_le_bytes([a, b])
    }

    /// A value that a TPM can have: bus errors read as all ones, unclaimed addresses sometimes as zero.
    pub const fn is_present(self) -> bool {
        self.0 != 0 && self.0 != 0xffff_ffff
    }
}

/// The registers of one locality.
pub struct LocalityRegs<'a, M> {
    io: &'a mut M,
    locality: Locality,
}

impl<'a, M: Mmio> LocalityRegs<'a, M> {
    /// The registers of `locality` behind `io`.
    pub fn new(io: &'a mut M, locality: Locality) -> Self {
        Self { io, locality }
    }

    // No carry: the page's base has its low 12 bits clear, offsets in the page fit in them.
    const fn at(&self, offset: u32) -> u32 {
        self.locality.base() | offset
    }

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

    /// Reads TPM_INTERFACE_ID.
    pub fn interface_id(&mut self) -> InterfaceId {
        InterfaceId(self.io.read32(self.at(INTERFACE_ID)))
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
