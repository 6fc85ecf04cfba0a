// SPDX-License-Identifier: GPL-2.0
//! A user of the TIS's registers (TCG PC Client Platform TPM Profile, FIFO interface): the model
//! itself, by qtest.

use super::access::LIMIT;
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

/// Localities that are active, by their access registers.
pub fn active_localities(qtest: &mut Qtest) -> Result<Vec<u8>> {
    let mut active = Vec::new();
    for locality in 0..4_u8 {
        let access = qtest.readb(BASE + u64::from(locality) * 0x1000)?;
        if access != 0xff && access & ACCESS_ACTIVE != 0 {
            active.push(locality);
        }
    }
    Ok(active)
}
