// SPDX-License-Identifier: GPL-2.0

//! The launch record: how far a launch came, and what stopped it.
//!
//! AMD has no error register that survives a reset, so the loader block and the early kernel keep
//! this in the loader block's window. Nothing trusts it; it is there to be read by people.

use super::bytes::{u16_at, u32_at, u64_at, Writer};
use super::error::Error;

/// `"SLRC"`, the magic of the record.
pub const MAGIC: u32 = 0x4352_4c53;

/// The version of the record.
pub const VERSION: u16 = 1;

/// Bytes of the record.
pub const SIZE: usize = SIZE_FIELD as usize;

const SIZE_FIELD: u16 = 64;

/// How far a launch came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Stage {
    /// The loader block runs.
    Slb = 1,
    /// The kernel was entered by the loader block.
    KernelEntered = 2,
    /// The early kernel runs.
    Early = 3,
    /// Everything was measured; the kernel proper goes on.
    Complete = 4,
}

impl Stage {
    /// The stage with this number.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Slb),
            2 => Some(Self::KernelEntered),
            3 => Some(Self::Early),
            4 => Some(Self::Complete),
            _ => None,
        }
    }
}

/// The launch record.
///
/// `magic u32@0, version u16@4, size u16@6, stage u32@8, code u32@12, tpm_rc u32@16,
/// events u32@20, detail0 u64@24, detail1 u64@32`, zero up to 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaunchRecord {
    /// How far the launch came.
    pub stage: Stage,
    /// The error's code, [`Error::code`]; 0 if there was none.
    pub code: u32,
    /// The TPM's last response code that was not success; 0 if there was none.
    pub tpm_rc: u32,
    /// Events appended to the log so far.
    pub events: u32,
    /// More about the error, for example the address of what is wrong.
    pub detail0: u64,
    /// More about the error, for example a size.
    pub detail1: u64,
}

impl LaunchRecord {
    /// The record of a launch that has come to `stage` without an error.
    pub const fn new(stage: Stage) -> Self {
        Self {
            stage,
            code: 0,
            tpm_rc: 0,
            events: 0,
            detail0: 0,
            detail1: 0,
        }
    }

    /// Puts an error into the record.
    pub fn fail(&mut self, error: Error, detail0: u64, detail1: u64) {
        self.code = error.code();
        self.detail0 = detail0;
        self.detail1 = detail1;
    }

    /// Reads a record.
    ///
    /// # Errors
    ///
    /// [`Error::LaunchRecord`] if magic, version, size or stage are wrong.
    pub fn parse(bytes: &[u8; SIZE]) -> Result<Self, Error> {
        let u32_of = |offset| u32_at(bytes, offset).ok_or(Error::LaunchRecord);
        let u64_of = |offset| u64_at(bytes, offset).ok_or(Error::LaunchRecord);
        if u32_of(0)? != MAGIC
            || u16_at(bytes, 4) != Some(VERSION)
            || u16_at(bytes, 6) != Some(SIZE_FIELD)
        {
            return Err(Error::LaunchRecord);
        }
        Ok(Self {
            stage: Stage::from_number(u32_of(8)?).ok_or(Error::LaunchRecord)?,
            code: u32_of(12)?,
            tpm_rc: u32_of(16)?,
            events: u32_of(20)?,
            detail0: u64_of(24)?,
            detail1: u64_of(32)?,
        })
    }

    /// The record as bytes.
    pub fn to_bytes(self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        let mut out = Writer::new(&mut bytes);
        out.u32(MAGIC);
        out.u16(VERSION);
        out.u16(SIZE_FIELD);
        out.u32(self.stage as u32);
        out.u32(self.code);
        out.u32(self.tpm_rc);
        out.u32(self.events);
        out.u64(self.detail0);
        out.u64(self.detail1);
        bytes
    }
}
