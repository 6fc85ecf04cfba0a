// SPDX-License-Identifier: GPL-2.0

//! The PC Client register model (PTP 1.05 section 6): one page of registers for each locality, laid
//! out by the interface that the TPM has.

mod crb;
mod fifo;

pub(super) use crb::DATA_BUFFER;
pub use crb::{
    Buffer, ControlArea, ControlRequest, ControlStatus, LocalityState, CONTROL_AREA_SIZE,
};
pub use fifo::{Access, Interrupts, IntfCaps, Status};

use super::hw::Mmio;

/// Physical address of the TPM's registers.
pub const TPM_BASE: u64 = 0xfed4_0000;

/// Size in bytes of the register window: five localities of one page.
pub const TPM_SIZE: u32 = 0x5000;

/// Size in bytes of the registers of one locality.
pub(super) const PAGE_SIZE: u32 = 0x1000;

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

// Offsets in a locality's page, in bytes, of what both interfaces have (PTP 1.05 section 6.4.2).
const INTERFACE_ID: u32 = 0x030;
const INTERFACE_VID_DID: u32 = 0x034;

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
    /// The register as it was read, to be shown.
    pub const fn raw(self) -> u32 {
        self.0
    }

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

/// Vendor and device: TPM_DID_VID_x (PTP 1.05 section 6.5.2.9), or the upper half of
/// TPM_INTERFACE_ID_x of a CRB.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DidVid(u32);

impl DidVid {
    /// Of a TPM that does not say.
    pub const NONE: Self = Self(0);

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

    /// A value that a TPM can have: bus errors read as all ones, unclaimed addresses sometimes as
    /// zero.
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

    /// Reads the lower half of TPM_INTERFACE_ID.
    pub fn interface_id(&mut self) -> InterfaceId {
        InterfaceId(self.io.read32(self.at(INTERFACE_ID)))
    }

    /// Reads the upper half of TPM_INTERFACE_ID, which a CRB has instead of TPM_DID_VID.
    pub fn interface_vid_did(&mut self) -> DidVid {
        DidVid(self.io.read32(self.at(INTERFACE_VID_DID)))
    }
}
