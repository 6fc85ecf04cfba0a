// SPDX-License-Identifier: GPL-2.0

//! How many PCR_Extends a second the TPM device does.
//!
//! With `extends=N` on the kernel command line init waits for a line on the
//! console, does N of them through `/dev/tpm0`, prints how long they took, and
//! so on until the line says `end`. The host, which paces this, can let
//! several machines take turns.

use std::fs::{File, OpenOptions};
use std::io::{stdin, Read, Write};
use std::time::Instant;

use anyhow::{bail, ensure, Context, Result};

use crate::tpm::DEVICE;

/// PCR 16 is for debugging: who extends it disturbs nobody.
const PCR: u32 = 16;
const TPM2_CC_PCR_EXTEND: u32 = 0x182;
const TPM2_ALG_SHA256: u16 = 0x000b;
const TPM2_RS_PW: u32 = 0x4000_0009;
const COMMAND: usize = 65;

/// One extend, of a digest that is all `byte` (TPM 2.0 Library Part 3, 22.2).
fn command(byte: u8) -> Vec<u8> {
    let mut command = vec![0x80, 0x02];
    for word in [COMMAND as u32, TPM2_CC_PCR_EXTEND, PCR, 9, TPM2_RS_PW] {
        command.extend_from_slice(&word.to_be_bytes());
    }
    // An empty nonce, no attributes, an empty password.
    command.extend_from_slice(&[0; 5]);
    command.extend_from_slice(&1u32.to_be_bytes());
    command.extend_from_slice(&TPM2_ALG_SHA256.to_be_bytes());
    command.extend_from_slice(&[byte; 32]);
    command
}

fn extend(device: &mut File, byte: u8) -> Result<()> {
    device.write_all(&command(byte)).context(DEVICE)?;
    let mut response = [0; 256];
    let n = device.read(&mut response).context(DEVICE)?;
    ensure!(n >= 10, "{DEVICE}: {n} bytes answered");
    match u32::from_be_bytes([response[6], response[7], response[8], response[9]]) {
        0 => Ok(()),
        rc => bail!("{DEVICE}: PCR_Extend failed with {rc:#x}"),
    }
}

/// Measures `count` extends at each line from the console.
pub(crate) fn run(count: &str) -> Result<()> {
    let count: u32 = count.parse().context("extends=")?;
    let mut device = OpenOptions::new()
        .read(true)
        .write(true)
        .open(DEVICE)
        .context(DEVICE)?;
    loop {
        println!("extends: ready");
        let mut line = String::new();
        let n = stdin().read_line(&mut line)?;
        if n == 0 || line.trim() == "end" {
            return Ok(());
        }
        let start = Instant::now();
        for i in 0..count {
            extend(&mut device, i as u8)?;
        }
        let us = start.elapsed().as_micros();
        println!("extends: {count} in {us} us");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_in_the_header_is_the_commands() {
        assert_eq!(command(7).len(), COMMAND);
    }
}
