// SPDX-License-Identifier: GPL-2.0

//! Hashing on the host, with the crates of RustCrypto.

use super::{Banks, Digests, HashAlg, MultiHash};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// A [`MultiHash`] for SHA-1, SHA-256, SHA-384 and SHA-512.
#[derive(Clone, Default)]
pub struct HostHash {
    banks: Banks,
    sha1: Option<Sha1>,
    sha256: Option<Sha256>,
    sha384: Option<Sha384>,
    sha512: Option<Sha512>,
}

impl HostHash {
    /// A hash for no banks; `begin` says which.
    pub fn new() -> Self {
        Self::default()
    }
}

/// A fresh state if the bank is wanted.
fn fresh<H: Default>(banks: &Banks, alg: HashAlg) -> Option<H> {
    banks.find(alg.id()).map(|_| H::default())
}

impl MultiHash for HostHash {
    fn begin(&mut self, banks: &Banks) {
        self.banks = *banks;
        self.sha1 = fresh(banks, HashAlg::SHA1);
        self.sha256 = fresh(banks, HashAlg::SHA256);
        self.sha384 = fresh(banks, HashAlg::SHA384);
        self.sha512 = fresh(banks, HashAlg::SHA512);
    }

    fn update(&mut self, data: &[u8]) {
        // In pieces, so that all algorithms work on data that is in the cache.
        for piece in data.chunks(4096) {
            if let Some(hash) = &mut self.sha1 {
                hash.update(piece);
            }
            if let Some(hash) = &mut self.sha256 {
                hash.update(piece);
            }
            if let Some(hash) = &mut self.sha384 {
                hash.update(piece);
            }
            if let Some(hash) = &mut self.sha512 {
                hash.update(piece);
            }
        }
    }

    fn finish(&mut self) -> Digests {
        let mut digests = Digests::capped(&self.banks);
        if let Some(hash) = self.sha1.take() {
            digests.set(HashAlg::SHA1, &hash.finalize());
        }
        if let Some(hash) = self.sha256.take() {
            digests.set(HashAlg::SHA256, &hash.finalize());
        }
        if let Some(hash) = self.sha384.take() {
            digests.set(HashAlg::SHA384, &hash.finalize());
        }
        if let Some(hash) = self.sha512.take() {
            digests.set(HashAlg::SHA512, &hash.finalize());
        }
        digests
    }
}
