// SPDX-License-Identifier: GPL-2.0

//! Hashing for freestanding code: the kernel's own C and assembler behind [`MultiHash`].
//!
//! The crate root must have the TPM core as `tpm`, and link `hash.o` (see `Makefile.pi`).

use super::tpm::{Banks, Digests, HashAlg, MultiHash, MAX_DIGEST};

/// Bytes that one algorithm reads before the next one reads them: they stay in the L1 cache
/// meanwhile.
const CHUNK: usize = 16 * 1024;

/// `struct sha1_ctx` of include/crypto/sha1.h. sha1.c here asserts the size.
#[repr(C)]
struct Sha1([u64; 12]);

/// `struct sha256_ctx` of include/crypto/sha2.h. sha256.c here asserts the size.
#[repr(C)]
struct Sha256([u64; 13]);

/// `struct sha384_ctx` and `struct sha512_ctx` of include/crypto/sha2.h. sha512.c here asserts the
/// size.
#[repr(C)]
struct Sha512([u64; 26]);

// lib/crypto/{sha1,sha256,sha512}.c and cpu.c. The "init" functions write the whole state, "final"
// writes as many bytes as the digest has and zeroes the state.
extern "C" {
    fn sha1_init(ctx: *mut Sha1);
    fn sha1_update(ctx: *mut Sha1, data: *const u8, len: usize);
    fn sha1_final(ctx: *mut Sha1, out: *mut u8);
    fn sha256_init(ctx: *mut Sha256);
    fn __sha256_update(ctx: *mut Sha256, data: *const u8, len: usize);
    fn sha256_final(ctx: *mut Sha256, out: *mut u8);
    fn sha384_init(ctx: *mut Sha512);
    fn sha512_init(ctx: *mut Sha512);
    fn __sha512_update(ctx: *mut Sha512, data: *const u8, len: usize);
    fn sha384_final(ctx: *mut Sha512, out: *mut u8);
    fn sha512_final(ctx: *mut Sha512, out: *mut u8);

    fn slaunch_hash_detect();
    fn slaunch_hash_wipe();
}

/// Hashes with SHA-1, SHA-256, SHA-384 and SHA-512, of which only the wanted ones are computed.
pub(crate) struct Hasher {
    banks: Banks,
    sha1: Sha1,
    sha256: Sha256,
    sha384: Sha512,
    sha512: Sha512,
}

impl Hasher {
    /// Chooses the SHA extensions of the processor if it has them.
    ///
    /// # Safety
    ///
    /// SSE is enabled (CR4.OSFXSR set, CR0.EM and CR0.TS clear), and nothing needs the content of
    /// the XMM registers kept while this value, or another one made later, is used.
    pub(crate) unsafe fn with_sse() -> Self {
        // SAFETY: It executes CPUID and sets a flag. What follows from the flag is the caller's
        // promise.
        unsafe { slaunch_hash_detect() };
        Self::new()
    }

    /// Uses general registers only, unless [`Hasher::with_sse`] was called before.
    #[inline(never)] // A few memsets, from the two places that want one.
    pub(crate) const fn new() -> Self {
        Self {
            banks: Banks::new(),
            sha1: Sha1([0; 12]),
            sha256: Sha256([0; 13]),
            sha384: Sha512([0; 26]),
            sha512: Sha512([0; 26]),
        }
    }

    /// Wipes the XMM registers. [`MultiHash::finish`] zeroes the states.
    pub(crate) fn wipe_registers(&self) {
        // SAFETY: Writes registers only, and those only if `with_sse` was called.
        unsafe { slaunch_hash_wipe() };
    }

    fn has(&self, alg: HashAlg) -> bool {
        self.banks.find(alg.id()).is_some()
    }
}

impl MultiHash for Hasher {
    #[inline]
    fn begin(&mut self, banks: &Banks) {
        self.banks = *banks;
        // SAFETY: Each pointer is to a state of the right type and size.
        unsafe {
            sha1_init(&mut self.sha1);
            sha256_init(&mut self.sha256);
            sha384_init(&mut self.sha384);
            sha512_init(&mut self.sha512);
        }
    }

    #[inline]
    fn update(&mut self, data: &[u8]) {
        let (sha1, sha256) = (self.has(HashAlg::SHA1), self.has(HashAlg::SHA256));
        let (sha384, sha512) = (self.has(HashAlg::SHA384), self.has(HashAlg::SHA512));
        for chunk in data.chunks(CHUNK) {
            let (data, len) = (chunk.as_ptr(), chunk.len());
            // SAFETY: The states are valid (all bytes are, and `begin` initialised them), and `len`
            // bytes can be read at `data`.
            unsafe {
                if sha1 {
                    sha1_update(&mut self.sha1, data, len);
                }
                if sha256 {
                    __sha256_update(&mut self.sha256, data, len);
                }
                if sha384 {
                    __sha512_update(&mut self.sha384, data, len);
                }
                if sha512 {
                    __sha512_update(&mut self.sha512, data, len);
                }
            }
        }
    }

    #[inline]
    fn finish(&mut self) -> Digests {
        let mut digests = Digests::capped(&self.banks);
        // One buffer for all, as large as the largest digest.
        let mut out = [0u8; MAX_DIGEST];
        for alg in self.banks.iter() {
            let to = out.as_mut_ptr();
            // SAFETY: The states are valid, and no digest is larger than the output.
            unsafe {
                match alg {
                    HashAlg::SHA1 => sha1_final(&mut self.sha1, to),
                    HashAlg::SHA256 => sha256_final(&mut self.sha256, to),
                    HashAlg::SHA384 => sha384_final(&mut self.sha384, to),
                    HashAlg::SHA512 => sha512_final(&mut self.sha512, to),
                    _ => continue,
                }
            }
            digests.set(alg, out.get(..alg.size()).unwrap_or(&[]));
        }
        digests
    }
}
