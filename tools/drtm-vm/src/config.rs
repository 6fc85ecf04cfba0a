// SPDX-License-Identifier: GPL-2.0
//! What machine to build.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::disk::Loader;
use crate::error::{Error, Result, Side};
use crate::tpm::{Bank, TpmInterface, TpmVersion};

/// Firmware of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Firmware {
    /// UEFI from two pflash images; the variables are copied.
    Ovmf {
        /// Code image.
        code: PathBuf,
        /// Template of the variable store.
        vars: PathBuf,
        /// The image keeps its variables by system management mode, which the machine has then.
        smm: bool,
    },
    /// QEMU's built-in BIOS, for test payloads (multiboot ELF).
    SeaBios,
}

impl Default for Firmware {
    fn default() -> Self {
        Firmware::Ovmf {
            code: "/usr/share/OVMF/OVMF_CODE_4M.fd".into(),
            vars: "/usr/share/OVMF/OVMF_VARS_4M.fd".into(),
            smm: false,
        }
    }
}

impl Firmware {
    /// The build of UEFI that keeps its variables by system management mode.
    pub fn smm() -> Self {
        Firmware::Ovmf {
            code: "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd".into(),
            vars: "/usr/share/OVMF/OVMF_VARS_4M.fd".into(),
            smm: true,
        }
    }

    /// Whether the machine has system management mode.
    pub fn has_smm(&self) -> bool {
        matches!(self, Firmware::Ovmf { smm: true, .. })
    }
}

/// A machine and what it boots.
#[derive(Debug, Clone, Serialize)]
pub struct Config {
    /// Firmware.
    pub firmware: Firmware,
    /// Boot from a disk with this loader on it; without one QEMU hands the kernel to the firmware.
    pub loader: Option<Loader>,
    /// Kernel image, or a multiboot ELF with SeaBIOS.
    pub kernel: PathBuf,
    /// Initial RAM disk.
    pub initrd: Option<PathBuf>,
    /// Kernel command line.
    pub append: String,
    /// CPUs.
    pub cpus: usize,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Active PCR banks of a TPM 2.0. A TPM 1.2 has SHA-1, whatever this says.
    pub banks: Vec<Bank>,
    /// Whether there is a TPM at all.
    pub tpm: bool,
    /// Where the TPM lives on after the machine: made there by the first machine, taken up by the next.
    /// Without it each machine has a new one.
    pub tpm_state: Option<PathBuf>,
    /// The TPM's register interface.
    pub tpm_interface: TpmInterface,
    /// The TPM's family.
    pub tpm_version: TpmVersion,
    /// QEMU CPU model with features.
    pub cpu: String,
    /// CPUs run at the same time, each in a thread of the host; else they take turns in one, which is faster where
    /// several machines share few processors. At the same time some kernels that patched themselves died of
    /// "Oops: int3": one CPU seems to have kept a translation of what another one was changing.
    pub parallel: bool,
    /// Count instructions: one takes `2^n` ns of guest time. One host thread for all CPUs.
    pub icount: Option<u8>,
    /// Offset of `startup_64` in the kernel's image, for a milestone where the launch ends and the
    /// boot goes on as any other.
    pub startup: Option<u64>,
    /// More QEMU arguments.
    pub extra: Vec<String>,
    /// Treat what silicon leaves undefined or unchecked in SKINIT as ill-formed.
    pub strict: bool,
    /// Directory for the results.
    pub out: Option<PathBuf>,
    /// Print the console while the guest runs.
    #[serde(skip)]
    pub echo: bool,
    /// Time for the whole run.
    #[serde(skip)]
    pub limit: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            firmware: Firmware::default(),
            loader: None,
            kernel: PathBuf::new(),
            initrd: None,
            append: String::new(),
            cpus: 2,
            memory_mib: 512,
            banks: vec![Bank::Sha256],
            tpm: true,
            tpm_state: None,
            tpm_interface: TpmInterface::default(),
            tpm_version: TpmVersion::default(),
            // With the two about the TSC Linux does not check it against other clocks: that check waits with
            // interrupts off, and where another processor is slow to answer it may wait for ever.
            cpu: "max,+skinit,+invtsc,+tsc-adjust,x-force-features=on".into(),
            parallel: false,
            icount: None,
            startup: None,
            extra: Vec::new(),
            strict: true,
            out: None,
            echo: false,
            limit: Duration::from_secs(180),
        }
    }
}

impl Config {
    /// The machine as it is built: a TPM 1.2 has one bank. An error for what cannot be built.
    pub(crate) fn settled(&self) -> Result<Self> {
        let refuse = |what: &str| Err(Error::new(Side::Host, what));
        if self.cpus == 0 || self.cpus > 64 {
            return refuse("1 to 64 CPUs are supported");
        }
        let mut config = self.clone();
        if config.tpm_version == TpmVersion::V1_2 {
            if config.tpm_interface != TpmInterface::Tis {
                return refuse(
                    "a TPM 1.2 has no Command Response Buffer: the interface must be tis",
                );
            }
            config.banks = vec![Bank::Sha1];
        }
        Ok(config)
    }

    /// Whether the TPM's registers are the model's own.
    pub(crate) fn own_crb(&self) -> bool {
        self.tpm && self.tpm_interface == TpmInterface::Crb
    }

    /// Where q35 ends the memory below 4 GiB.
    pub fn low_memory_end(&self) -> u64 {
        let bytes = self.memory_mib << 20;
        if bytes >= 0xb000_0000 {
            0x8000_0000
        } else {
            bytes
        }
    }
}
