// SPDX-License-Identifier: GPL-2.0

//! PCR values through the kernel's TPM device.
//!
//! The commands are built by hand from TPM 2.0 Library Part 3 (22.4, 30.2):
//! the guest's reading of the PCRs must not share code with the launch that
//! it checks.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{Read, Write};

use anyhow::{bail, ensure, Context, Result};

const DEVICE: &str = "/dev/tpm0";
const TPM2_CC_PCR_READ: u32 = 0x17e;
const TPM2_CC_GET_CAPABILITY: u32 = 0x17a;
const TPM2_CAP_PCRS: u32 = 5;
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

/// Takes big-endian numbers off the front of a response.
struct Response<'a>(&'a [u8]);

impl Response<'_> {
    fn take(&mut self, n: usize) -> Result<&[u8]> {
        ensure!(self.0.len() >= n, "response too short");
        let (head, rest) = self.0.split_at(n);
        self.0 = rest;
        Ok(head)
    }

    fn u8(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_be_bytes(self.take(2)?.try_into()?))
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_be_bytes(self.take(4)?.try_into()?))
    }
}

/// Sends a command without sessions and returns the response's parameters.
fn command(code: u32, parameters: &[u8]) -> Result<Vec<u8>> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(DEVICE)
        .context(DEVICE)?;
    let size = u32::try_from(10 + parameters.len())?;
    let mut request = vec![0x80, 0x01];
    request.extend_from_slice(&size.to_be_bytes());
    request.extend_from_slice(&code.to_be_bytes());
    request.extend_from_slice(parameters);
    file.write_all(&request).context(DEVICE)?;
    let mut response = vec![0; 4096];
    let n = file.read(&mut response).context(DEVICE)?;
    response.truncate(n);
    let mut header = Response(&response);
    header.u16()?;
    ensure!(
        header.u32()? as usize == n,
        "{DEVICE}: size of the response"
    );
    match header.u32()? {
        0 => Ok(response[10..].to_vec()),
        rc => bail!("{DEVICE}: command {code:#x} failed with {rc:#x}"),
    }
}

/// The banks with at least one PCR allocated.
fn banks() -> Result<Vec<u16>> {
    let mut parameters = Vec::new();
    for value in [TPM2_CAP_PCRS, 0, 1] {
        parameters.extend_from_slice(&value.to_be_bytes());
    }
    let data = command(TPM2_CC_GET_CAPABILITY, &parameters)?;
    let mut data = Response(&data);
    data.u8()?;
    ensure!(data.u32()? == TPM2_CAP_PCRS, "capability answered");
    let mut banks = Vec::new();
    for _ in 0..data.u32()? {
        let alg = data.u16()?;
        let n = usize::from(data.u8()?);
        if data.take(n)?.iter().any(|bits| *bits != 0) {
            banks.push(alg);
        }
    }
    Ok(banks)
}

fn read(alg: u16, pcr: u32) -> Result<String> {
    let mut parameters = 1u32.to_be_bytes().to_vec();
    parameters.extend_from_slice(&alg.to_be_bytes());
    let mut select = [0u8; 3];
    select[(pcr / 8) as usize] = 1 << (pcr % 8);
    parameters.push(3);
    parameters.extend_from_slice(&select);
    let data = command(TPM2_CC_PCR_READ, &parameters)?;
    let mut data = Response(&data);
    data.u32()?; // update counter
    for _ in 0..data.u32()? {
        data.u16()?;
        let n = usize::from(data.u8()?);
        data.take(n)?;
    }
    ensure!(data.u32()? == 1, "PCR {pcr} is not in bank {alg:#x}");
    let n = usize::from(data.u16()?);
    Ok(data.take(n)?.iter().map(|b| format!("{b:02x}")).collect())
}

/// Reads every PCR of every active bank.
pub(crate) fn read_all() -> Result<Pcrs> {
    let mut all = Pcrs::new();
    for alg in banks()? {
        let bank = all.entry(bank_name(alg)).or_default();
        for pcr in 0..PCRS {
            bank.insert(pcr.to_string(), read(alg, pcr)?);
        }
    }
    Ok(all)
}
