// SPDX-License-Identifier: GPL-2.0
//! The Secure Loader Block as the processor sees it (APM vol. 2, 15.27.1), and the information
//! block of this project's loader in it.

use serde::Serialize;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

/// Size and alignment of the block's window.
pub const WINDOW: u64 = 0x1_0000;
/// `SLBR`: magic of the information block.
const INFO_MAGIC: u32 = 0x5242_4c53;
/// `SLBP`: magic of the parameters.
const PARAMS_MAGIC: u32 = 0x5042_4c53;

/// Little-endian field of `N` bytes.
pub(crate) fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    field(bytes, at).map(u16::from_le_bytes)
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    field(bytes, at).map(u32::from_le_bytes)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    field(bytes, at).map(u64::from_le_bytes)
}

/// A copy of a block's 64 KiB window.
#[derive(Debug, Clone)]
pub struct Slb {
    /// Physical address of the window.
    pub base: u64,
    /// Its bytes at the moment of the launch.
    pub bytes: Vec<u8>,
}

/// Facts about a block, for reports.
#[derive(Debug, Clone, Serialize)]
pub struct SlbReport {
    /// Physical address.
    pub base: u64,
    /// Bytes measured.
    pub length: u16,
    /// Entry point, offset from the base.
    pub entry: u16,
    /// Digest of the measured bytes in every algorithm, lower-case hex.
    pub digests: std::collections::BTreeMap<&'static str, String>,
}

impl Slb {
    /// Entry point, offset from the base.
    pub fn entry(&self) -> u16 {
        u16_at(&self.bytes, 0).unwrap_or_default()
    }

    /// Bytes measured.
    pub fn length(&self) -> u16 {
        u16_at(&self.bytes, 2).unwrap_or_default()
    }

    /// The measured bytes.
    pub fn measured(&self) -> &[u8] {
        self.bytes
            .get(..usize::from(self.length()))
            .unwrap_or(&self.bytes)
    }

    fn info_field(&self, at: usize) -> Option<usize> {
        let info = usize::from(u16_at(&self.bytes, 4)?);
        if u32_at(&self.bytes, info)? != INFO_MAGIC {
            return None;
        }
        u16_at(&self.bytes, info + at).map(usize::from)
    }

    /// Offset of the parameters from the base, if this is a loader of this project.
    pub fn params_offset(&self) -> Option<usize> {
        self.info_field(8)
    }

    /// Offset of the launch record from the base, if this is a loader of this project.
    pub fn record_offset(&self) -> Option<usize> {
        self.info_field(10)
    }

    /// Physical address of the launch tables, from the parameters.
    pub fn slrt(&self) -> Option<u64> {
        let at = self.params_offset()?;
        if u32_at(&self.bytes, at)? != PARAMS_MAGIC {
            return None;
        }
        u64_at(&self.bytes, at + 8)
    }

    /// What to report about this block.
    pub fn report(&self) -> SlbReport {
        let data = self.measured();
        let digests = [
            ("sha1", hex::encode(Sha1::digest(data))),
            ("sha256", hex::encode(Sha256::digest(data))),
            ("sha384", hex::encode(Sha384::digest(data))),
            ("sha512", hex::encode(Sha512::digest(data))),
        ];
        SlbReport {
            base: self.base,
            length: self.length(),
            entry: self.entry(),
            digests: digests.into(),
        }
    }
}
