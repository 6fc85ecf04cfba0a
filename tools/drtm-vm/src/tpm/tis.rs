// SPDX-License-Identifier: GPL-2.0
//! A TPM command sent by the model itself, through the TPM's registers (TCG PC Client Platform TPM
//! Profile, TIS/FIFO interface), while the machine is stopped: to read PCRs without the guest.

use std::time::Duration;

use super::swtpm::Bank;
use crate::error::{Error, Result, Side};
use crate::qtest::Qtest;
use crate::wait::Deadline;

const BASE: u64 = 0xfed4_0000;
const ACCESS: u64 = 0x00;
const STS: u64 = 0x18;
const FIFO: u64 = 0x24;
const ACCESS_REQUEST: u8 = 0x02;
const ACCESS_ACTIVE: u8 = 0x20;
const STS_AVAILABLE: u8 = 0x10;
const STS_GO: u8 = 0x20;
const STS_READY: u8 = 0x40;
const STS_VALID: u8 = 0x80;
/// Time allowed for one command.
const LIMIT: Duration = Duration::from_secs(10);

fn wait(qtest: &mut Qtest, register: u64, bits: u8) -> Result<()> {
    let deadline = Deadline::after(LIMIT);
    loop {
        let value = qtest.readb(register)?;
        if value != 0xff && value & bits == bits {
            return Ok(());
        }
        if deadline.over() {
            return Err(Error::new(
                Side::Swtpm,
                format!("TPM register {register:#x} stays at {value:#x}, bits {bits:#x} missing"),
            ));
        }
    }
}

/// Sends `command` at `locality` and returns the response.
pub fn transact(qtest: &mut Qtest, locality: u8, command: &[u8]) -> Result<Vec<u8>> {
    let base = BASE + u64::from(locality) * 0x1000;
    qtest.writeb(base + ACCESS, ACCESS_REQUEST)?;
    wait(qtest, base + ACCESS, ACCESS_ACTIVE)?;
    qtest.writeb(base + STS, STS_READY)?;
    wait(qtest, base + STS, STS_READY)?;
    for byte in command {
        qtest.writeb(base + FIFO, *byte)?;
    }
    qtest.writeb(base + STS, STS_GO)?;
    wait(qtest, base + STS, STS_VALID | STS_AVAILABLE)?;
    let mut response = Vec::new();
    while qtest.readb(base + STS)? & STS_AVAILABLE != 0 {
        response.push(qtest.readb(base + FIFO)?);
        if response.len() > 4096 {
            return Err(Error::new(Side::Swtpm, "a response without end"));
        }
    }
    qtest.writeb(base + STS, STS_READY)?;
    // Writing the active bit gives the locality up.
    qtest.writeb(base + ACCESS, ACCESS_ACTIVE)?;
    Ok(response)
}

/// Reads one PCR with TPM2_PCR_Read.
pub fn read_pcr(qtest: &mut Qtest, bank: Bank, index: u8) -> Result<Vec<u8>> {
    let mut command = vec![0x80, 0x01, 0, 0, 0, 20, 0, 0, 0x01, 0x7e, 0, 0, 0, 1];
    command.extend_from_slice(&bank.algorithm().to_be_bytes());
    let mut select = [3, 0, 0, 0];
    if let Some(byte) = select.get_mut(1 + usize::from(index / 8)) {
        *byte = 1 << (index % 8);
    }
    command.extend_from_slice(&select);
    let response = transact(qtest, 0, &command)?;
    // Header 10, update counter 4, selection list 4 + 2 + 1 + 3, digest count 4, digest size 2.
    let size = bank.size();
    let good = response.get(6..10) == Some(&[0; 4]) && response.len() == 30 + size;
    match response.get(30..) {
        Some(digest) if good => Ok(digest.to_vec()),
        _ => Err(Error::new(
            Side::Swtpm,
            format!("PCR {index} of bank {bank} is not readable: {response:02x?}"),
        )),
    }
}
