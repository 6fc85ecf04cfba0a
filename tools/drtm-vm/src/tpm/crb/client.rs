// SPDX-License-Identifier: GPL-2.0
//! A user of the CRB's registers: the model itself, by qtest.

use std::time::Duration;

use super::registers as reg;
use crate::error::{Error, Result, Side};
use crate::qtest::Qtest;
use crate::wait::Deadline;

/// The registers of one locality.
#[derive(Debug)]
pub struct Client<'a> {
    qtest: &'a mut Qtest,
    locality: u8,
    limit: Duration,
}

impl<'a> Client<'a> {
    /// The page of `locality`; nothing is waited for longer than `limit`.
    pub fn new(qtest: &'a mut Qtest, locality: u8, limit: Duration) -> Self {
        Client {
            qtest,
            locality,
            limit,
        }
    }

    fn address(&self, offset: usize) -> u64 {
        u64::from(reg::BASE) + (usize::from(self.locality) * reg::PAGE + offset) as u64
    }

    /// Reads a register.
    pub fn read(&mut self, offset: usize) -> Result<u32> {
        let address = self.address(offset);
        self.qtest.readl(address)
    }

    /// Writes a register.
    pub fn write(&mut self, offset: usize, value: u32) -> Result<()> {
        let address = self.address(offset);
        self.qtest.writel(address, value)
    }

    fn wait(&mut self, offset: usize, mask: u32, wanted: u32) -> Result<()> {
        let deadline = Deadline::after(self.limit);
        loop {
            let value = self.read(offset)?;
            if value != u32::MAX && value & mask == wanted {
                return Ok(());
            }
            if deadline.over() {
                let what = format!(
                    "TPM register {:#x} stays at {value:#x}, {wanted:#x} of {mask:#x} awaited",
                    self.address(offset)
                );
                return Err(Error::new(Side::Swtpm, what));
            }
        }
    }

    /// Becomes the active locality.
    pub fn request(&mut self) -> Result<()> {
        self.write(reg::LOC_CTRL, reg::CTRL_REQUEST)?;
        self.wait(reg::LOC_STS, reg::STS_GRANTED, reg::STS_GRANTED)?;
        let state = reg::STATE_VALID | reg::STATE_ASSIGNED;
        self.wait(reg::LOC_STATE, state, state)
    }

    /// Takes the TPM away from lower localities.
    pub fn seize(&mut self) -> Result<()> {
        self.write(reg::LOC_CTRL, reg::CTRL_SEIZE)?;
        self.wait(reg::LOC_STS, reg::STS_GRANTED, reg::STS_GRANTED)
    }

    /// Gives the locality up.
    pub fn relinquish(&mut self) -> Result<()> {
        self.write(reg::LOC_CTRL, reg::CTRL_RELINQUISH)?;
        self.wait(reg::LOC_STS, reg::STS_GRANTED, 0)
    }

    /// Sends a command at the active locality and takes the response.
    pub fn execute(&mut self, command: &[u8]) -> Result<Vec<u8>> {
        self.write(reg::CTRL_REQ, reg::REQ_READY)?;
        self.wait(reg::CTRL_REQ, reg::REQ_READY, 0)?;
        let buffer = self.address(reg::DATA_BUFFER);
        self.qtest.write(buffer, command)?;
        self.write(reg::CTRL_START, 1)?;
        self.wait(reg::CTRL_START, 1, 0)?;
        let header = self.qtest.read(buffer, 10)?;
        let size = u32::from_be_bytes([header[2], header[3], header[4], header[5]]) as usize;
        if !(10..=reg::BUFFER_SIZE).contains(&size) {
            let what = format!("the response says that it has {size} bytes");
            return Err(Error::new(Side::Swtpm, what));
        }
        let response = self.qtest.read(buffer, size)?;
        self.write(reg::CTRL_REQ, reg::REQ_IDLE)?;
        self.wait(reg::CTRL_REQ, reg::REQ_IDLE, 0)?;
        Ok(response)
    }
}
