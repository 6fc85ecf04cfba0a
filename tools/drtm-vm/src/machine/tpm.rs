// SPDX-License-Identifier: GPL-2.0
//! A machine's TPM: its start, its faults, and commands that the model sends itself.

use std::path::{Path, PathBuf};

use super::{Frozen, Machine};
use crate::config::Config;
use crate::error::{Blame, Error, Result, Side};
use crate::staging::{self, Overlay};
use crate::tpm::{
    access, Bank, CommandRecord, Fault, FaultHook, Match, Proxy, RegisterFault, Swtpm,
    TpmInterface, TpmVersion, Trigger,
};

/// The registers of the model's own TPM, in the directory of a machine or a snapshot.
pub(super) fn window(dir: &Path) -> PathBuf {
    dir.join("crb")
}

/// Makes a TPM in `dir`, or takes up a frozen one, and starts it.
pub(super) fn start(
    config: &Config,
    dir: &Path,
    frozen: Option<&Frozen<'_>>,
) -> Result<(Swtpm, Proxy)> {
    let version = config.tpm_version;
    match frozen {
        None => match &config.tpm_state {
            None => Swtpm::manufacture(dir, version, &config.banks)?,
            Some(home) => Swtpm::at_home(home, dir, version, &config.banks)?,
        },
        Some(frozen) if config.own_crb() => {
            Swtpm::copy_state(frozen.dir, dir)?;
            copy_window(frozen.dir, dir)?;
        }
        // The state comes with QEMU's.
        Some(_) => {}
    }
    let swtpm = Swtpm::start(dir, version)?;
    let proxy = if config.own_crb() {
        Proxy::with_crb(&window(dir), frozen.is_some(), &swtpm)?
    } else {
        Proxy::start(dir, &swtpm, version)?
    };
    Ok((swtpm, proxy))
}

fn copy_window(from: &Path, to: &Path) -> Result<()> {
    let from = window(from);
    std::fs::copy(&from, window(to)).blame(Side::Host, from.display())?;
    Ok(())
}

impl Machine {
    /// Keeps what is not part of QEMU's state in a snapshot's directory. No command may run.
    pub(crate) fn save_tpm(&mut self, dir: &Path) -> Result<()> {
        let Some(proxy) = self.proxy.as_ref().filter(|_| self.config.own_crb()) else {
            return Ok(());
        };
        proxy.store_volatile()?;
        Swtpm::copy_state(self.dir.path(), dir)?;
        copy_window(self.dir.path(), dir)
    }

    /// Stages a TPM fault from now on. The machine must be stopped, or use no register that the
    /// fault is about meanwhile.
    pub fn set_fault(&mut self, fault: &Fault) -> Result<()> {
        let (interface, version) = (self.config.tpm_interface, self.config.tpm_version);
        if let Some(why) = fault.refused(interface) {
            return Err(Error::new(Side::Host, why));
        }
        match fault {
            Fault::Absent => staging::remove_tpm(&mut self.qemu.qtest),
            Fault::LocalityHeld(locality) => {
                staging::hold_locality(&mut self.qemu.qtest, interface, *locality)
            }
            Fault::Registers(fault, which) => self.set_register_fault(*fault, *which),
            other => {
                self.trigger = Trigger::default();
                let hook = FaultHook::new(other, interface, version, self.trigger.clone())
                    .ok_or_else(|| Error::new(Side::Model, "fault without a place"))?;
                self.proxy()?.set_hook(Some(Box::new(hook)));
                Ok(())
            }
        }
    }

    fn set_register_fault(&mut self, fault: RegisterFault, which: Match) -> Result<()> {
        if self.config.tpm_interface == TpmInterface::Crb {
            return self.proxy()?.set_register_fault(Some((fault, which)));
        }
        // STS bits 26 and 27.
        let family = match self.config.tpm_version {
            TpmVersion::V1_2 => 0,
            TpmVersion::V2_0 => 1 << 26,
        };
        let (access, sts) = fault
            .tis(family)
            .ok_or_else(|| Error::new(Side::Model, "fault without a place"))?;
        self.proxy()?;
        self.overlay = Some(Overlay::lay(&mut self.qemu.qtest, access, sts)?);
        Ok(())
    }

    /// Ends a fault of the responses or the registers; the TPM is in whatever state it is.
    pub fn clear_fault(&mut self) -> Result<()> {
        let crb = self.config.own_crb();
        let proxy = self.proxy()?;
        proxy.set_hook(None);
        if crb {
            proxy.set_register_fault(None)?;
        }
        match self.overlay.take() {
            Some(overlay) => overlay.remove(&mut self.qemu.qtest),
            None => Ok(()),
        }
    }

    fn proxy(&self) -> Result<&Proxy> {
        let none = || Error::new(Side::Model, "the machine has no TPM");
        self.proxy.as_ref().ok_or_else(none)
    }

    /// Sends a command to the stopped machine's TPM, through its registers at `locality`.
    pub fn tpm_transact(&mut self, locality: u8, command: &[u8]) -> Result<Vec<u8>> {
        let interface = self.config.tpm_interface;
        access::transact(&mut self.qemu.qtest, interface, locality, command)
    }

    /// Reads a PCR of the stopped machine's TPM, through its registers at locality 0.
    pub fn read_pcr(&mut self, bank: Bank, index: u8) -> Result<Vec<u8>> {
        let (interface, version) = (self.config.tpm_interface, self.config.tpm_version);
        access::read_pcr(&mut self.qemu.qtest, interface, version, bank, index)
    }

    /// All TPM commands so far.
    pub fn tpm_commands(&self) -> Vec<CommandRecord> {
        self.proxy.as_ref().map(Proxy::records).unwrap_or_default()
    }
}
