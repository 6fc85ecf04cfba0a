// SPDX-License-Identifier: GPL-2.0

//! A TPM of the PC Client platform: what interface it has, and how it is found (PTP 1.05 section
//! 6).

mod crb;
mod fifo;
mod locality;
mod port;

pub use crb::{CrbBuffer, CrbLayout};
pub use locality::{Held, OpenLocality};

use super::commands::TpmFamily;
use super::error::TpmError;
use super::hw::{Clock, Mmio, Wait};
use super::regs::{DidVid, InterfaceType, Locality, LocalityRegs};
use port::Port;

/// The interface timeouts, in microseconds (PTP 1.05 table 17).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timeouts {
    /// TIMEOUT_A: a locality is granted, ACCESS becomes valid.
    pub a: u64,
    /// TIMEOUT_B: the TPM becomes ready for a command, or gives one up.
    pub b: u64,
    /// TIMEOUT_C: STS becomes valid; a CRB becomes ready, or idle.
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

/// How the TPM is spoken to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interface {
    /// A register that takes and gives the bytes one by one (TIS, PTP).
    Fifo,
    /// A command response buffer.
    Crb(CrbLayout),
}

/// A TPM, no locality open.
pub struct Tpm<M, C> {
    port: Port<M>,
    clock: C,
    timeouts: Timeouts,
    id: DidVid,
    family: Option<TpmFamily>,
}

impl<M: Mmio, C: Clock> Tpm<M, C> {
    /// Looks for a TPM in the register window. Changes nothing, and opens no locality.
    ///
    /// # Errors
    ///
    /// [`TpmError::Absent`], [`TpmError::UnknownInterface`]; [`TpmError::StatusTimeout`] if the
    /// registers do not become valid; [`TpmError::ClockStopped`].
    pub fn probe(mut io: M, clock: C) -> Result<Self, TpmError> {
        let mut regs = LocalityRegs::new(&mut io, Locality::L0);
        // The lowest byte of TPM_LOC_STATE if it is a CRB: bits 6:5 are zero.
        if regs.access().is_all_ones() {
            return Err(TpmError::Absent);
        }
        // Before any other register: those of a CRB lie elsewhere.
        let interface = match regs.interface_id().interface() {
            InterfaceType::Fifo | InterfaceType::Tis => Interface::Fifo,
            InterfaceType::Crb => Interface::Crb(CrbLayout::PTP),
            InterfaceType::Unknown => return Err(TpmError::UnknownInterface),
        };
        Self::new(io, clock, interface)
    }

    /// The CRB whose control area is where ACPI says (table TPM2), rather than in the register
    /// window.
    ///
    /// # Errors
    ///
    /// [`TpmError::StatusTimeout`] if the registers do not become valid,
    /// [`TpmError::ClockStopped`].
    pub fn with_crb(io: M, clock: C, layout: CrbLayout) -> Result<Self, TpmError> {
        Self::new(io, clock, Interface::Crb(layout))
    }

    fn new(mut io: M, clock: C, interface: Interface) -> Result<Self, TpmError> {
        let timeouts = Timeouts::DEFAULT;
        let mut regs = LocalityRegs::new(&mut io, Locality::L0);
        let id = match interface {
            Interface::Fifo => regs.did_vid(),
            Interface::Crb(layout) if layout.localities => regs.interface_vid_did(),
            // There is a control area behind `io`, and nothing else.
            Interface::Crb(_) => DidVid::NONE,
        };
        let valid = |regs: &mut LocalityRegs<'_, M>| match interface {
            Interface::Fifo => regs.access().is_valid(),
            Interface::Crb(layout) if layout.localities => regs.locality_state().is_valid(),
            Interface::Crb(_) => true,
        };
        if interface == Interface::Fifo && !id.is_present() {
            return Err(TpmError::Absent);
        }
        Wait::new(&clock, timeouts.a)
            .until(|| Ok(valid(&mut regs).then_some(())))?
            .ok_or(TpmError::StatusTimeout)?;
        let family = match interface {
            // It may not say, and says nothing before a locality is open.
            Interface::Fifo => None,
            // Came with TPM 2.0.
            Interface::Crb(_) => Some(TpmFamily::Tpm20),
        };
        Ok(Self {
            port: Port { io, interface },
            clock,
            timeouts,
            id,
            family,
        })
    }

    /// The interface.
    pub const fn interface(&self) -> Interface {
        self.port.interface
    }

    /// Vendor and device of the TPM; [`DidVid::NONE`] if it has no register for that.
    pub const fn did_vid(&self) -> DidVid {
        self.id
    }

    /// The TPM's generation; `None` as long as no locality was open.
    pub const fn family(&self) -> Option<TpmFamily> {
        self.family
    }

    /// The timeouts in use.
    pub const fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Takes other timeouts: those that a TPM 1.2 reports, or that a defective TPM needs.
    pub fn set_timeouts(&mut self, timeouts: Timeouts) {
        self.timeouts = timeouts;
    }

    /// The registers and the clock.
    pub fn parts(&mut self) -> (&mut M, &mut C) {
        (&mut self.port.io, &mut self.clock)
    }

    /// Gives the registers and the clock back.
    pub fn into_parts(self) -> (M, C) {
        (self.port.io, self.clock)
    }
}
