// SPDX-License-Identifier: GPL-2.0

//! PCR values: from the TPM, from sysfs, or from a file.

mod device;
mod pcrs;
mod sysfs;

use std::path::Path;

use anyhow::{Context, Result};

use crate::input::{self, Root};

pub use device::Device;
pub use pcrs::Pcrs;

/// Where the values come from.
#[derive(Debug, Default)]
pub struct Source<'a> {
    /// A file with values.
    pub file: Option<&'a Path>,
    /// A TPM device, or the socket of swtpm.
    pub device: Option<&'a Path>,
}

/// Device files, and the one of a resource manager first.
const DEVICES: [&str; 2] = ["/dev/tpmrm0", "/dev/tpm0"];

impl Source<'_> {
    /// The values; none if nothing was named and the machine (or the copy of its files) has none.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    pub fn read(&self, root: &Root) -> Result<Option<Pcrs>> {
        if let Some(file) = self.file {
            let text = input::read(file, input::SMALL)?;
            let pcrs = Pcrs::parse(&text).with_context(|| file.display().to_string())?;
            return Ok(Some(pcrs));
        }
        if let Some(device) = self.device {
            return Device::open(device)?.read_all().map(Some);
        }
        // The files of sysfs need no privileges. They are there for a TPM 2.0 only.
        if let Some(pcrs) = sysfs::read(root)? {
            return Ok(Some(pcrs));
        }
        if root.is_machine() {
            let mut failure = None;
            for device in DEVICES.map(Path::new) {
                if !device.exists() {
                    continue;
                }
                match Device::open(device).and_then(|mut device| device.read_all()) {
                    Ok(pcrs) => return Ok(Some(pcrs)),
                    Err(error) => failure = failure.or(Some(error)),
                }
            }
            if let Some(error) = failure {
                return Err(error);
            }
        }
        Ok(None)
    }
}
