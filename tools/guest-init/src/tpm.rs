// SPDX-License-Identifier: GPL-2.0

//! PCR values through the kernel's TPM device.
//!
//! The commands are those of the TPM core, so a TPM 1.2 is read as well as a
//! TPM 2.0. The values still come from the TPM alone: the host compares them
//! with the log and the files, and a command that read something else would
//! show there.

use std::collections::BTreeMap;
use std::fs::{self, File};

use anyhow::{anyhow, bail, Context, Result};
use tpm_core::{pcr_banks, pcr_read, Digest, HashAlg, Pcr, TpmError, TpmFamily};

/// The TPM itself, without the resource manager.
pub(crate) const DEVICE: &str = "/dev/tpm0";
const FAMILY: &str = "/sys/class/tpm/tpm0/tpm_version_major";
const PCRS: u32 = 24;

/// Values by bank name ("sha256") and PCR number ("17"), in hexadecimal.
pub(crate) type Pcrs = BTreeMap<String, BTreeMap<String, String>>;

fn bank_name(alg: u16) -> String {
    match alg {
        0x0004 => "sha1".into(),
        0x000b => "sha256".into(),
        0x000c => "sha384".into(),
        0x000d => "sha512".into(),
        0x0012 => "sm3_256".into(),
        other => format!("{other:#06x}"),
    }
}

type Device = tpm_core::Device<File>;

fn open() -> Result<Device> {
    let family = match fs::read_to_string(FAMILY).context(FAMILY)?.trim() {
        "1" => TpmFamily::Tpm12,
        "2" => TpmFamily::Tpm20,
        other => bail!("{FAMILY} reads {other:?}"),
    };
    let file = File::options().read(true).write(true).open(DEVICE);
    Ok(Device::new(file.context(DEVICE)?, family))
}

/// An error of the core, with what the device said.
fn explain(device: &mut Device, what: &str, error: TpmError) -> anyhow::Error {
    anyhow!("{DEVICE}: {what}: {}", device.explain(error))
}

fn read(device: &mut Device, pcr: Pcr, alg: HashAlg) -> Result<Digest> {
    pcr_read(device, pcr, alg).map_err(|e| {
        let what = format!("PCR {} in bank {}", pcr.index(), bank_name(alg.id()));
        explain(device, &what, e)
    })
}

/// Reads every PCR of every active bank.
pub(crate) fn read_all() -> Result<Pcrs> {
    let mut device = open()?;
    let banks = pcr_banks(&mut device).map_err(|e| explain(&mut device, "banks", e))?;
    let mut all = Pcrs::new();
    for alg in banks.iter() {
        let bank = all.entry(bank_name(alg.id())).or_default();
        for pcr in (0..PCRS).filter_map(Pcr::new) {
            let value = read(&mut device, pcr, alg)?;
            let text = value.as_bytes().iter().map(|b| format!("{b:02x}"));
            bank.insert(pcr.index().to_string(), text.collect());
        }
    }
    Ok(all)
}
