// SPDX-License-Identifier: GPL-2.0

//! PCRs, banks, digests, and the trait of what computes them.

use super::bytes;
use super::error::TpmError;

/// Most PCR banks that one TPM may have active. The TPM library allows more algorithms than any TPM
/// has.
pub const MAX_BANKS: usize = 8;

/// Size in bytes of the largest digest (SHA-512).
pub const MAX_DIGEST: usize = 64;

/// A platform configuration register, 0 to 23.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pcr(u8);

impl Pcr {
    /// Of a dynamic launch: the code (loader block, kernel, initrd).
    pub const CODE: Self = Self(17);
    /// Of a dynamic launch: the configuration (command line, boot parameters, memory map, ...).
    pub const CONFIG: Self = Self(18);

    /// The register with this number, if the platform has it.
    pub fn new(index: u32) -> Option<Self> {
        match u8::try_from(index) {
            Ok(index) if index < 24 => Some(Self(index)),
            _ => None,
        }
    }

    /// The number of the register.
    pub const fn index(self) -> u32 {
        // Lossless: `u32::from` is not const.
        self.0 as u32
    }
}

/// A hash algorithm: its TPM_ALG_ID and the size of its digests.
///
/// Algorithms without a name here are kept as they are; the TPM or the log says how large they are.
///
/// # Invariants
///
/// `0 < size <= MAX_DIGEST`, and `size` is the right one if the algorithm is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HashAlg {
    id: u16,
    size: u8,
}

impl HashAlg {
    /// SHA-1.
    pub const SHA1: Self = Self { id: 0x04, size: 20 };
    /// SHA-256.
    pub const SHA256: Self = Self { id: 0x0b, size: 32 };
    /// SHA-384.
    pub const SHA384: Self = Self { id: 0x0c, size: 48 };
    /// SHA-512.
    pub const SHA512: Self = Self { id: 0x0d, size: 64 };
    /// SM3, 256 bits.
    pub const SM3_256: Self = Self { id: 0x12, size: 32 };
    /// SHA3-256.
    pub const SHA3_256: Self = Self { id: 0x27, size: 32 };
    /// SHA3-384.
    pub const SHA3_384: Self = Self { id: 0x28, size: 48 };
    /// SHA3-512.
    pub const SHA3_512: Self = Self { id: 0x29, size: 64 };

    /// Fills slots that are not in use, and is never handed out: all zeros, so that arrays of it
    /// are made by one memset.
    const UNUSED: Self = Self { id: 0, size: 0 };

    /// The algorithm with this TPM_ALG_ID if its digest size is known here (TCG Algorithm
    /// Registry).
    pub const fn known(id: u16) -> Option<Self> {
        match id {
            0x04 => Some(Self::SHA1),
            0x0b => Some(Self::SHA256),
            0x0c => Some(Self::SHA384),
            0x0d => Some(Self::SHA512),
            0x12 => Some(Self::SM3_256),
            0x27 => Some(Self::SHA3_256),
            0x28 => Some(Self::SHA3_384),
            0x29 => Some(Self::SHA3_512),
            _ => None,
        }
    }

    /// The algorithm with this TPM_ALG_ID, of which somebody says that its digests have `size`
    /// bytes. `None` if that is wrong (a known algorithm of another size) or cannot be (0, above
    /// [`MAX_DIGEST`], TPM_ALG_ERROR or TPM_ALG_NULL).
    pub fn new(id: u16, size: usize) -> Option<Self> {
        if id == 0x00 || id == 0x10 || size == 0 || size > MAX_DIGEST {
            return None;
        }
        let size = u8::try_from(size).ok()?;
        match Self::known(id) {
            Some(alg) if alg.size != size => None,
            _ => Some(Self { id, size }),
        }
    }

    /// The TPM_ALG_ID.
    pub const fn id(self) -> u16 {
        self.id
    }

    /// Size of a digest, in bytes.
    pub const fn size(self) -> usize {
        // Lossless: `usize::from` is not const.
        self.size as usize
    }

    /// Whether every [`MultiHash`] must be able to compute it: SHA-1, SHA-256, SHA-384, SHA-512.
    pub const fn is_computable(self) -> bool {
        matches!(self.id, 0x04 | 0x0b | 0x0c | 0x0d)
    }
}

/// The active PCR banks of a TPM, in the TPM's order, each once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Banks {
    algs: [HashAlg; MAX_BANKS],
    len: usize,
}

impl Banks {
    /// No banks.
    pub const fn new() -> Self {
        Self {
            algs: [HashAlg::UNUSED; MAX_BANKS],
            len: 0,
        }
    }

    /// Adds a bank.
    ///
    /// # Errors
    ///
    /// [`TpmError::Banks`] if it is there already or there are [`MAX_BANKS`].
    pub fn push(&mut self, alg: HashAlg) -> Result<(), TpmError> {
        if self.find(alg.id()).is_some() {
            return Err(TpmError::Banks);
        }
        *self.algs.get_mut(self.len).ok_or(TpmError::Banks)? = alg;
        self.len = self.len.saturating_add(1);
        Ok(())
    }

    /// Number of banks.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The banks, in order.
    pub fn iter(&self) -> impl Iterator<Item = HashAlg> + '_ {
        self.as_slice().iter().copied()
    }

    /// The banks, in order.
    pub fn as_slice(&self) -> &[HashAlg] {
        self.algs.get(..self.len).unwrap_or(&self.algs)
    }

    /// The bank with this TPM_ALG_ID.
    #[inline(never)] // Used in many places; the loader block must stay small.
    pub fn find(&self, id: u16) -> Option<HashAlg> {
        self.iter().find(|alg| alg.id() == id)
    }
}

impl Default for Banks {
    fn default() -> Self {
        Self::new()
    }
}

/// One digest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Digest {
    alg: HashAlg,
    value: [u8; MAX_DIGEST],
}

impl Digest {
    /// A digest of `alg` with this value, or `None` if the length is not that of the algorithm.
    pub fn new(alg: HashAlg, value: &[u8]) -> Option<Self> {
        let mut digest = Self::zero(alg);
        if value.len() != alg.size() {
            return None;
        }
        bytes::copy(&mut digest.value, value);
        Some(digest)
    }

    /// All zeros.
    pub const fn zero(alg: HashAlg) -> Self {
        Self {
            alg,
            value: [0; MAX_DIGEST],
        }
    }

    /// The value that closes a bank that cannot be measured into: 01 00 00 ...
    pub const fn cap(alg: HashAlg) -> Self {
        let mut digest = Self::zero(alg);
        digest.value[0] = 1;
        digest
    }

    /// The algorithm.
    pub const fn alg(&self) -> HashAlg {
        self.alg
    }

    /// The value, [`HashAlg::size`] bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.value.get(..self.alg.size()).unwrap_or(&self.value)
    }
}

/// One digest for each bank, in the order of the banks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Digests {
    values: [Digest; MAX_BANKS],
    len: usize,
}

impl Digests {
    const EMPTY: Self = Self {
        values: [Digest::zero(HashAlg::UNUSED); MAX_BANKS],
        len: 0,
    };

    /// The cap value in every bank; [`Digests::set`] then fills in those that can be computed, so
    /// that a bank nobody thought of is never left open.
    #[inline(never)] // As above.
    pub fn capped(banks: &Banks) -> Self {
        let mut digests = Self::EMPTY;
        digests.len = banks.len();
        for (digest, alg) in digests.values.iter_mut().zip(banks.iter()) {
            digest.alg = alg;
            digest.value[0] = 1;
        }
        digests
    }

    /// Sets the digest of the bank with the algorithm `alg`. Does nothing, and returns false, if
    /// there is no such bank or the length of `value` is wrong.
    #[inline(never)] // As above.
    pub fn set(&mut self, alg: HashAlg, value: &[u8]) -> bool {
        let len = self.len;
        for slot in self.values.get_mut(..len).unwrap_or(&mut []) {
            if slot.alg == alg && value.len() == alg.size() {
                *slot = Digest::zero(alg);
                bytes::copy(&mut slot.value, value);
                return true;
            }
        }
        false
    }

    /// Number of digests.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The digests, in the order of the banks.
    pub fn iter(&self) -> impl Iterator<Item = &Digest> + '_ {
        self.as_slice().iter()
    }

    /// The digests, in the order of the banks.
    pub fn as_slice(&self) -> &[Digest] {
        self.values.get(..self.len).unwrap_or(&self.values)
    }

    /// The digest of the bank with this TPM_ALG_ID.
    pub fn find(&self, id: u16) -> Option<&Digest> {
        self.iter().find(|digest| digest.alg.id() == id)
    }
}

/// Hashes a stream for all banks at once, reading the data a single time.
pub trait MultiHash {
    /// Starts anew, for these banks.
    fn begin(&mut self, banks: &Banks);

    /// Adds data.
    fn update(&mut self, data: &[u8]);

    /// Ends the stream. Banks that cannot be computed get the cap value ([`Digest::cap`]).
    fn finish(&mut self) -> Digests;

    /// All of the above for data that lies in one piece.
    fn digest(&mut self, banks: &Banks, data: &[u8]) -> Digests {
        self.begin(banks);
        self.update(data);
        self.finish()
    }
}
