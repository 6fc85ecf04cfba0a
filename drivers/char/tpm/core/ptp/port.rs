// SPDX-License-Identifier: GPL-2.0

//! The registers of a TPM, with what the two interfaces do differently about localities.

use super::super::error::TpmError;
use super::super::hw::Mmio;
use super::super::regs::{ControlArea, Locality, LocalityRegs};
use super::{CrbLayout, Interface};

/// The registers.
pub(super) struct Port<M> {
    pub(super) io: M,
    pub(super) interface: Interface,
}

impl<M: Mmio> Port<M> {
    /// The page of `locality`.
    pub(super) fn regs(&mut self, locality: Locality) -> LocalityRegs<'_, M> {
        LocalityRegs::new(&mut self.io, locality)
    }

    /// The control area of a CRB, as `locality` sees it.
    pub(super) fn control(&mut self, layout: CrbLayout, locality: Locality) -> ControlArea<'_, M> {
        let base = match layout.control {
            Some(base) => base,
            None => self.regs(locality).control_area(),
        };
        ControlArea::new(&mut self.io, base)
    }

    /// Whether there are registers for localities.
    pub(super) const fn has_localities(&self) -> bool {
        match self.interface {
            Interface::Fifo => true,
            Interface::Crb(layout) => layout.localities,
        }
    }

    /// Whether `locality` has the TPM.
    ///
    /// # Errors
    ///
    /// [`TpmError::Vanished`]; [`TpmError::LocalityRefused`] if there is no such locality.
    pub(super) fn is_active(&mut self, locality: Locality) -> Result<bool, TpmError> {
        match self.interface {
            Interface::Fifo => {
                let access = self.regs(locality).access();
                if access.is_all_ones() {
                    return Err(TpmError::Vanished);
                }
                Ok(access.is_active())
            }
            Interface::Crb(layout) if layout.localities => {
                let state = self.regs(locality).locality_state();
                if state.is_all_ones() {
                    return Err(TpmError::Vanished);
                }
                Ok(state.active() == Some(locality))
            }
            // Without these registers there is locality 0, for whoever comes.
            Interface::Crb(_) if locality == Locality::L0 => Ok(true),
            Interface::Crb(_) => Err(TpmError::LocalityRefused),
        }
    }

    /// The locality that is active.
    pub(super) fn holder(&mut self) -> Option<Locality> {
        match self.interface {
            Interface::Fifo => Locality::ALL
                .into_iter()
                .find(|locality| self.regs(*locality).access().is_active()),
            Interface::Crb(_) => self.regs(Locality::L0).locality_state().active(),
        }
    }

    /// Asks for the TPM, in the name of `locality`.
    pub(super) fn request(&mut self, locality: Locality) {
        let interface = self.interface;
        let mut regs = self.regs(locality);
        match interface {
            Interface::Fifo => {
                if regs.access().was_seized() {
                    regs.clear_been_seized();
                }
                regs.request_use();
            }
            // Acknowledges a seizure as well.
            Interface::Crb(_) => regs.request_locality(),
        }
    }

    /// Takes the TPM from a lower locality.
    pub(super) fn seize(&mut self, locality: Locality) {
        match self.interface {
            Interface::Fifo => self.regs(locality).seize(),
            Interface::Crb(_) => self.regs(locality).seize_locality(),
        }
    }

    /// Gives the TPM back, or withdraws a request.
    pub(super) fn relinquish(&mut self, locality: Locality) {
        match self.interface {
            Interface::Fifo => self.regs(locality).relinquish(),
            Interface::Crb(layout) if layout.localities => {
                self.regs(locality).relinquish_locality();
            }
            Interface::Crb(_) => {}
        }
    }

    /// Why a register of `locality`, which had the TPM, reads as all ones.
    pub(super) fn lost(&mut self, locality: Locality) -> TpmError {
        match self.is_active(locality) {
            Err(error) => error,
            // Nobody else has it, yet the registers are dead.
            Ok(true) => TpmError::Vanished,
            Ok(false) => TpmError::LocalityLost,
        }
    }
}
