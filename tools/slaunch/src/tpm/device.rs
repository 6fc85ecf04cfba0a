// SPDX-License-Identifier: GPL-2.0

//! PCR values from the TPM itself, by the commands of the core.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{anyhow, Context, Result};
use tpm_core::{identify, pcr_banks, pcr_read, Pcr, TpmError, TpmFamily};

use super::pcrs::Pcrs;

/// What a TPM is reached through.
trait Channel: Read + Write {}
impl<C: Read + Write> Channel for C {}

/// A TPM device file, or the socket of swtpm.
pub struct Device {
    name: String,
    tpm: tpm_core::Device<Box<dyn Channel>>,
}

impl Device {
    /// Opens the device and asks for the TPM's family.
    ///
    /// # Errors
    ///
    /// It cannot be opened, or does not answer like a TPM.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let is_socket = fs::metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
        let channel: io::Result<Box<dyn Channel>> = if is_socket {
            UnixStream::connect(path).map(|stream| Box::new(stream) as Box<dyn Channel>)
        } else {
            let file = File::options().read(true).write(true).open(path);
            file.map(|file| Box::new(file) as Box<dyn Channel>)
        };
        let mut device = Self {
            tpm: tpm_core::Device::new(channel.with_context(|| name.clone())?, TpmFamily::Tpm20),
            name,
        };
        let family = identify(&mut device.tpm);
        device.tpm.family = family.map_err(|e| device.explain("family", e))?;
        Ok(device)
    }

    /// An error of the core, with what the device said.
    fn explain(&mut self, what: &str, error: TpmError) -> anyhow::Error {
        anyhow!("{}: {what}: {}", self.name, self.tpm.explain(error))
    }

    /// Reads every PCR of every active bank.
    ///
    /// # Errors
    ///
    /// Those of the device.
    pub fn read_all(&mut self) -> Result<Pcrs> {
        let banks = pcr_banks(&mut self.tpm).map_err(|e| self.explain("banks", e))?;
        let mut pcrs = Pcrs::default();
        for alg in banks.iter() {
            for pcr in (0..24).filter_map(Pcr::new) {
                let value = pcr_read(&mut self.tpm, pcr, alg);
                let value = value.map_err(|e| self.explain("PCR values", e))?;
                pcrs.insert(alg.id(), pcr.index(), value.as_bytes().to_vec());
            }
        }
        Ok(pcrs)
    }
}
