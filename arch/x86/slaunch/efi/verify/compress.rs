// SPDX-License-Identifier: GPL-2.0

//! SHA-256 of whole pages with the fastest code that the kernel has for this processor.
//!
//! The kernel's functions for SHA-256 fall back to plain C here, since the FPU is in use: by the call, whose
//! FPU section this is. So the assembler below them is called directly. The digests are compared within this
//! kernel only, so there is no padding: a page is 64 blocks, always.

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

type Compress = unsafe extern "C" fn(*mut PageDigest, *const u8, usize);

extern "C" {
    fn sha256_ni_transform(state: *mut PageDigest, data: *const u8, blocks: usize);
    fn sha256_transform_rorx(state: *mut PageDigest, data: *const u8, blocks: usize);
    fn sha256_transform_ssse3(state: *mut PageDigest, data: *const u8, blocks: usize);
}

/// Which function it is: 0 not chosen yet, else one of the following.
static CHOICE: Atomic<u32> = Atomic::new(0);

const SHA_NI: u32 = 1;
const AVX2: u32 = 2;
const SSSE3: u32 = 3;
const PLAIN: u32 = 4;

/// Chooses, by what all processors of the machine have.
fn choice() -> u32 {
    match CHOICE.load(Relaxed) {
        0 => {
            let (_, _, ecx, _) = cpuid(1, 0);
            let (highest, ..) = cpuid(0, 0);
            let ebx = match highest {
                0..7 => 0,
                _ => cpuid(7, 0).1,
            };
            // XMM and YMM state are in use by the kernel: CR4.OSXSAVE, AVX, and both bits of XCR0
            let avx = ecx >> 27 & 3 == 3
                // SAFETY: CR4.OSXSAVE was just tested, by way of CPUID.
                && unsafe { super::cpu::xcr0() } & 6 == 6;
            let chosen = if ebx >> 29 & 1 != 0 && ecx >> 19 & 1 != 0 {
                SHA_NI
            } else if avx && ebx >> 5 & 1 != 0 && ebx >> 8 & 1 != 0 {
                AVX2
            } else if ecx >> 9 & 1 != 0 {
                SSSE3
            } else {
                PLAIN
            };
            CHOICE.store(chosen, Relaxed);
            chosen
        }
        chosen => chosen,
    }
}

/// The digest of the page at `address`.
///
/// # Safety
///
/// The page can be read, and the FPU be used.
pub(crate) unsafe fn page(address: usize) -> PageDigest {
    let data = core::ptr::with_exposed_provenance::<u8>(address);
    let function: Compress = match choice() {
        SHA_NI => sha256_ni_transform,
        AVX2 => sha256_transform_rorx,
        SSSE3 => sha256_transform_ssse3,
        _ => {
            let mut digest = [0; 8];
            // SAFETY: A page to read, and 32 bytes to write.
            unsafe { bindings::sha256(data, PAGE_SIZE, digest.as_mut_ptr().cast()) };
            return digest;
        }
    };
    let mut state = INITIAL;
    // SAFETY: The processor has the instructions; the rest is the requirement of this function.
    unsafe { function(&mut state, data, BLOCKS) };
    state
}

/// The first 64 bits of a digest, to be shown.
pub(crate) fn shown(digest: &PageDigest) -> u64 {
    let [a, b, ..] = *digest;
    u64::from(a) << 32 | u64::from(b)
}
