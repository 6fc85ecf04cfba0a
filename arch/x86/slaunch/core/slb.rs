// SPDX-License-Identifier: GPL-2.0

//! The AMD Secure Loader Block: 64 KiB that `SKINIT` measures and enters.
//!
//! The header is the processor's (AMD APM volume 2, section 15.27.1); the information block it
//! leads to, and the parameters that the stub writes behind the measured part, are ours.
//!
//! ```text
//! +0       u16 entry, u16 length, u16 offset of SlbInfo     measured: [0, length)
//! ...      code, constants, SlbInfo
//! +length  SlbParams, LaunchRecord, BSS, stack              not measured, zeroed by the stub
//! ```

use super::bytes::{u16_at, u32_at, u64_at, Writer};
use super::error::Error;
use super::record;
use super::region::Region;

/// Bytes of the window that the processor protects and that its stack pointer starts at the end of.
pub const WINDOW: u64 = 64 * 1024;

/// Bytes the whole block may use, its BSS and stack included.
pub const MAX_TOTAL: u32 = 48 * 1024;

/// Bytes of the header: the processor's two words and our third.
pub const HEADER_SIZE: usize = 6;

/// `"SLBR"`, the magic of [`SlbInfo`].
pub const INFO_MAGIC: u32 = 0x5242_4c53;

/// The version of [`SlbInfo`].
pub const INFO_VERSION: u16 = 1;

/// Bytes of [`SlbInfo`].
pub const INFO_SIZE: usize = INFO_SIZE_FIELD as usize;

const INFO_SIZE_FIELD: u16 = 16;

/// `"SLBP"`, the magic of [`SlbParams`].
pub const PARAMS_MAGIC: u32 = 0x5042_4c53;

/// Bytes of [`SlbParams`].
pub const PARAMS_SIZE: usize = PARAMS_SIZE_FIELD as usize;

const PARAMS_SIZE_FIELD: u32 = 16;

/// The information block: where the stub finds and puts things.
///
/// `magic u32@0, version u16@4, size u16@6, params_offset u16@8, record_offset u16@10,
/// total u32@12`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlbInfo {
    /// Bytes from the base to [`SlbParams`].
    pub params_offset: u16,
    /// Bytes from the base to the launch record.
    pub record_offset: u16,
    /// Bytes the block uses in all: measured part, parameters, record, BSS and stack.
    pub total: u32,
}

/// A loader block whose header and information block were checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slb {
    /// Bytes from the base to the first instruction.
    pub entry: u16,
    /// Bytes that the processor measures.
    pub length: u16,
    /// The information block.
    pub info: SlbInfo,
}

impl Slb {
    /// Checks the block in `image`, which begins with the header and holds at least the measured
    /// part.
    ///
    /// # Errors
    ///
    /// [`Error::SlbHeader`] if the header is not one: the entry or the information block outside
    /// the measured part, or the measured part outside `image`; [`Error::SlbInfo`] if the
    /// information block is not one, or what it gives overlaps or does not fit.
    pub fn parse(image: &[u8]) -> Result<Self, Error> {
        let entry = u16_at(image, 0).ok_or(Error::SlbHeader)?;
        let length = u16_at(image, 2).ok_or(Error::SlbHeader)?;
        let at = usize::from(u16_at(image, 4).ok_or(Error::SlbHeader)?);
        let measured = image.get(..usize::from(length)).ok_or(Error::SlbHeader)?;
        let info_end = at.checked_add(INFO_SIZE).ok_or(Error::SlbHeader)?;
        if usize::from(entry) < HEADER_SIZE
            || entry >= length
            || at < HEADER_SIZE
            || info_end > measured.len()
        {
            return Err(Error::SlbHeader);
        }

        let info = measured.get(at..).ok_or(Error::SlbHeader)?;
        let field = |offset| u16_at(info, offset).ok_or(Error::SlbInfo);
        if u32_at(info, 0) != Some(INFO_MAGIC)
            || field(4)? != INFO_VERSION
            || field(6)? != INFO_SIZE_FIELD
        {
            return Err(Error::SlbInfo);
        }
        let info = SlbInfo {
            params_offset: field(8)?,
            record_offset: field(10)?,
            total: u32_at(info, 12).ok_or(Error::SlbInfo)?,
        };
        info.check(length)?;
        Ok(Self {
            entry,
            length,
            info,
        })
    }
}

impl SlbInfo {
    /// Parameters and record must lie behind the measured part, inside the total, and apart.
    fn check(&self, length: u16) -> Result<(), Error> {
        let part = |offset: u16, size: usize| {
            let size = u64::try_from(size).map_err(|_| Error::SlbInfo)?;
            Region::new(u64::from(offset), size).map_err(|_| Error::SlbInfo)
        };
        let total = Region::new(0, u64::from(self.total)).map_err(|_| Error::SlbInfo)?;
        let measured = part(0, usize::from(length))?;
        let params = part(self.params_offset, PARAMS_SIZE)?;
        let record = part(self.record_offset, record::SIZE)?;
        if self.total > MAX_TOTAL
            || !total.contains(&measured)
            || !total.contains(&params)
            || !total.contains(&record)
            || params.overlaps(&measured)
            || record.overlaps(&measured)
            || params.overlaps(&record)
        {
            return Err(Error::SlbInfo);
        }
        Ok(())
    }

    /// The information block as the bytes that [`Slb::parse`] expects.
    pub fn to_bytes(self) -> [u8; INFO_SIZE] {
        let mut bytes = [0; INFO_SIZE];
        let mut out = Writer::new(&mut bytes);
        out.u32(INFO_MAGIC);
        out.u16(INFO_VERSION);
        out.u16(INFO_SIZE_FIELD);
        out.u16(self.params_offset);
        out.u16(self.record_offset);
        out.u32(self.total);
        bytes
    }
}

/// What the stub tells the loader block. Not measured, hence nothing but the address of the
/// launch table, which is validated and measured later.
///
/// `magic u32@0, size u32@4, slrt u64@8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlbParams {
    /// Physical address of the launch table, below 4 GiB.
    pub slrt: u64,
}

impl SlbParams {
    /// Reads and checks parameters.
    ///
    /// # Errors
    ///
    /// [`Error::SlbParams`] if magic or size are wrong, [`Error::RegionAbove4Gb`] if the address
    /// is not below 4 GiB.
    pub fn parse(bytes: &[u8; PARAMS_SIZE]) -> Result<Self, Error> {
        if u32_at(bytes, 0) != Some(PARAMS_MAGIC) || u32_at(bytes, 4) != Some(PARAMS_SIZE_FIELD) {
            return Err(Error::SlbParams);
        }
        let slrt = u64_at(bytes, 8).ok_or(Error::SlbParams)?;
        if u32::try_from(slrt).is_err() {
            return Err(Error::RegionAbove4Gb);
        }
        Ok(Self { slrt })
    }

    /// The parameters as bytes.
    pub fn to_bytes(self) -> [u8; PARAMS_SIZE] {
        let mut bytes = [0; PARAMS_SIZE];
        let mut out = Writer::new(&mut bytes);
        out.u32(PARAMS_MAGIC);
        out.u32(PARAMS_SIZE_FIELD);
        out.u64(self.slrt);
        bytes
    }
}
