// SPDX-License-Identifier: GPL-2.0

//! PCR values from the TPM itself, by the commands of the core.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

use anyhow::{Context, Result};
use tpm_core::{identify, pcr_banks, pcr_read, Duration, Pcr, TpmError, TpmFamily, Transport};

use super::pcrs::Pcrs;

/// What a TPM is reached through.
trait Channel: Read + Write {}
impl<C: Read + Write> Channel for C {}

/// A TPM device file, or the socket of swtpm.
pub struct Device {
    name: String,
    channel: Box<dyn Channel>,
    family: TpmFamily,
    /// What the last exchange failed with: the core has no words for it.
    failure: Option<io::Error>,
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
            channel: channel.with_context(|| name.clone())?,
            name,
            family: TpmFamily::Tpm20,
            failure: None,
        };
        device.family = identify(&mut device).map_err(|e| device.explain("family", e))?;
        Ok(device)
    }

    fn exchange(&mut self, command: &[u8], response: &mut [u8]) -> io::Result<usize> {
        // A write is one command, a read its response.
        self.channel.write_all(command)?;
        self.channel.read(response)
    }

    /// An error of the core, with what the device said.
    fn explain(&mut self, what: &str, error: TpmError) -> anyhow::Error {
        match self.failure.take() {
            Some(failure) => anyhow::anyhow!("{}: {what}: {failure}", self.name),
            None => anyhow::anyhow!("{}: {what}: {error:x?}", self.name),
        }
    }

    /// Reads every PCR of every active bank.
    ///
    /// # Errors
    ///
    /// Those of the device.
    pub fn read_all(&mut self) -> Result<Pcrs> {
        let banks = pcr_banks(self).map_err(|e| self.explain("banks", e))?;
        let mut pcrs = Pcrs::default();
        for alg in banks.iter() {
            for pcr in (0..24).filter_map(Pcr::new) {
                let value = pcr_read(self, pcr, alg);
                let value = value.map_err(|e| self.explain("PCR values", e))?;
                pcrs.insert(alg.id(), pcr.index(), value.as_bytes().to_vec());
            }
        }
        Ok(pcrs)
    }
}

impl Transport for Device {
    fn family(&self) -> TpmFamily {
        self.family
    }

    fn transmit(
        &mut self,
        command: &[u8],
        response: &mut [u8],
        _duration: Duration,
    ) -> Result<usize, TpmError> {
        self.exchange(command, response).map_err(|failure| {
            self.failure = Some(failure);
            TpmError::Vanished
        })
    }

    fn pause(&mut self, us: u64) -> Result<(), TpmError> {
        thread::sleep(std::time::Duration::from_micros(us));
        Ok(())
    }
}
