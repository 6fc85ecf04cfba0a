// SPDX-License-Identifier: GPL-2.0

//! SHA-256 of whole pages with the fastest code that the kernel has for this processor.
//!
//! The kernel's functions for SHA-256 fall back to plain C here, since the FPU is in use: by the
//! call, whose FPU section this is. So the assembler below them is called directly. The digests are
//! compared within this kernel only, so there is no padding: a page is 64 blocks, always.

use super::msr::cpuid;
use kernel::{
    bindings,
    page::PAGE_SIZE,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// The digest of a page.
pub(crate) type PageDigest = [u32; 8];

/// The initial hash value (FIPS 180-4, section 5.3.3).
const INITIAL: PageDigest = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// Blocks in a page.
const BLOCKS: usize = PAGE_SIZE / 64;

extern "C" {
    fn sha256_ni_transform(state: *mut PageDigest, data: *const u8, blocks: usize);
    fn sha256_transform_rorx(state: *mut PageDigest, data: *const u8, blocks: usize);
    fn sha256_transform_ssse3(state: *mut PageDigest, data: *const u8, blocks: usize);
}

/// What of the following all processors of the machine have; 0 as long as that is not known.
static FEATURES: Atomic<u32> = Atomic::new(0);

const KNOWN: u32 = 1;
/// SHA extensions and SSE4.1
const SHA_NI: u32 = 1 << 1;
/// AVX2, with the state of its registers enabled
const AVX2: u32 = 1 << 2;
/// BMI2, which the code for AVX2 uses too
const BMI2: u32 = 1 << 3;
const SSSE3: u32 = 1 << 4;

fn find_features() -> u32 {
    let (_, _, ecx, _) = cpuid(1, 0);
    let (highest, ..) = cpuid(0, 0);
    let ebx = match highest {
        0..7 => 0,
        _ => cpuid(7, 0).1,
    };
    let mut found = KNOWN;
    if ebx >> 29 & 1 != 0 && ecx >> 19 & 1 != 0 {
        found |= SHA_NI;
    }
    // XMM and YMM state are in use by the kernel: CR4.OSXSAVE, AVX, and both bits of XCR0
    if ebx >> 5 & 1 != 0
        && ecx >> 27 & 3 == 3
        // SAFETY: CR4.OSXSAVE was just tested, by way of CPUID.
        && unsafe { super::cpu::xcr0() } & 6 == 6
    {
        found |= AVX2;
    }
    if ebx >> 8 & 1 != 0 {
        found |= BMI2;
    }
    if ecx >> 9 & 1 != 0 {
        found |= SSSE3;
    }
    FEATURES.store(found, Relaxed);
    found
}

fn features() -> u32 {
    match FEATURES.load(Relaxed) {
        0 => find_features(),
        known => known,
    }
}

/// Whether there are vectors of 256 bits.
pub(crate) fn has_avx2() -> bool {
    features() & AVX2 != 0
}

/// The digest of the page at `address`.
///
/// # Safety
///
/// The page can be read, and the FPU be used.
pub(crate) unsafe fn page(address: usize) -> PageDigest {
    let data = core::ptr::with_exposed_provenance::<u8>(address);
    let features = features();
    let mut state = INITIAL;
    // SAFETY: The processor has the instructions; the rest is the requirement of this function.
    unsafe {
        // Not by a function pointer: these functions may not be called so where calls are checked
        // (IBT).
        if features & SHA_NI != 0 {
            sha256_ni_transform(&mut state, data, BLOCKS);
        } else if features & (AVX2 | BMI2) == AVX2 | BMI2 {
            sha256_transform_rorx(&mut state, data, BLOCKS);
        } else if features & SSSE3 != 0 {
            sha256_transform_ssse3(&mut state, data, BLOCKS);
        } else {
            bindings::sha256(data, PAGE_SIZE, state.as_mut_ptr().cast());
        }
    }
    state
}

/// The first 64 bits of a digest, to be shown.
pub(crate) fn shown(digest: &PageDigest) -> u64 {
    let [a, b, ..] = *digest;
    u64::from(a) << 32 | u64::from(b)
}
