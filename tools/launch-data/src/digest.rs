// SPDX-License-Identifier: GPL-2.0

//! Hash algorithms by their TPM names, on well-known crates.

use anyhow::{bail, Result};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

/// A bank's algorithm (TCG Algorithm Registry).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub enum Alg {
    Sha1 = 0x0004,
    Sha256 = 0x000b,
    Sha384 = 0x000c,
    Sha512 = 0x000d,
}

impl Alg {
    /// Every algorithm known here.
    pub const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// The algorithm with this TPM identifier.
    pub fn from_id(id: u16) -> Result<Self> {
        match Self::ALL.into_iter().find(|alg| *alg as u16 == id) {
            Some(alg) => Ok(alg),
            None => bail!("unknown hash algorithm {id:#06x}"),
        }
    }

    /// The name the tools use for the bank.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// Length of a digest in bytes.
    pub fn size(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Digest of `data`.
    pub fn hash(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(data).to_vec(),
            Self::Sha256 => Sha256::digest(data).to_vec(),
            Self::Sha384 => Sha384::digest(data).to_vec(),
            Self::Sha512 => Sha512::digest(data).to_vec(),
        }
    }

    /// What a PCR holds after `digest` has been extended into `old`.
    pub fn extend(self, old: &[u8], digest: &[u8]) -> Vec<u8> {
        self.hash(&[old, digest].concat())
    }
}
