// SPDX-License-Identifier: GPL-2.0
//! The model between a machine and its swtpm.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::Duration;

use super::control::{hash_sequence, Control, CMD_STORE_VOLATILE};
use super::crb::Crb;
use super::data::{lock, CommandRecord, Shared, TpmHook};
use super::direct::{Direct, Executor};
use super::faults::{Match, RegisterFault};
use super::kind::TpmVersion;
use super::relay::Relay;
use super::swtpm::Swtpm;
use crate::error::{Error, Result, Side};
use crate::wait::{connect, Deadline};

#[derive(Debug)]
enum Link {
    /// QEMU has the TPM's registers.
    Relay(Relay),
    /// The model has them.
    Crb { crb: Crb, control: Arc<Direct> },
}

/// The model between QEMU, or its own CRB, and one swtpm.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    link: Link,
}

fn control(swtpm: &Swtpm) -> Result<std::os::unix::net::UnixStream> {
    let deadline = Deadline::after(Duration::from_secs(20));
    connect(swtpm.control(), Side::Swtpm, deadline)
}

impl Proxy {
    /// Listens in `dir` for QEMU and connects to `swtpm`.
    pub fn start(dir: &Path, swtpm: &Swtpm, version: TpmVersion) -> Result<Self> {
        let shared = Arc::new(Shared::new(version));
        let relay = Relay::start(dir, control(swtpm)?, &shared)?;
        Ok(Proxy {
            shared,
            link: Link::Relay(relay),
        })
    }

    /// Powers `swtpm` on and starts a CRB in front of it, whose registers are the file `window`:
    /// after a reset, or with `resume` in the state that file and TPM are in.
    pub fn with_crb(window: &Path, resume: bool, swtpm: &Swtpm) -> Result<Self> {
        let shared = Arc::new(Shared::new(TpmVersion::V2_0));
        let direct = Arc::new(Direct::power_on(control(swtpm)?)?);
        let executor = Executor::start(Arc::clone(&direct), Arc::clone(&shared))?;
        let crb = Crb::start(window, resume, executor)?;
        Ok(Proxy {
            shared,
            link: Link::Crb {
                crb,
                control: direct,
            },
        })
    }

    /// The socket QEMU's tpm-emulator backend connects to, if the TPM is QEMU's.
    pub fn path(&self) -> Option<&Path> {
        match &self.link {
            Link::Relay(relay) => Some(relay.path()),
            Link::Crb { .. } => None,
        }
    }

    fn control(&self) -> &dyn Control {
        match &self.link {
            Link::Relay(relay) => relay,
            Link::Crb { control, .. } => &**control,
        }
    }

    /// Installs or removes the hook on commands and responses.
    pub fn set_hook(&self, hook: Option<Box<dyn TpmHook>>) {
        *lock(&self.shared.hook) = hook;
    }

    /// Stages or removes a fault of the CRB's registers.
    pub fn set_register_fault(&self, fault: Option<(RegisterFault, Match)>) -> Result<()> {
        match &self.link {
            Link::Crb { crb, .. } => {
                crb.hand().set_fault(fault);
                Ok(())
            }
            Link::Relay(_) => Err(Error::new(Side::Model, "the registers are QEMU's")),
        }
    }

    /// All TPM commands so far.
    pub fn records(&self) -> Vec<CommandRecord> {
        lock(&self.shared.records).clone()
    }

    /// Whether swtpm closed one of its channels.
    pub fn swtpm_gone(&self) -> bool {
        self.shared.swtpm_gone.load(Ordering::Relaxed)
    }

    /// The locality-4 hash sequence of a launch: PCR 17 to 22 are reset and PCR 17 becomes
    /// H(0 | H(data)) in every active bank.
    pub fn hash_sequence(&self, data: &[u8]) -> Result<()> {
        hash_sequence(self.control(), data)?;
        if let Link::Crb { crb, .. } = &self.link {
            crb.hand().set_established(true);
        }
        Ok(())
    }

    /// Makes the TPM write its volatile state to its directory.
    pub fn store_volatile(&self) -> Result<()> {
        self.control().must(CMD_STORE_VOLATILE, &[])
    }
}
