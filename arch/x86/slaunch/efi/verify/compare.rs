// SPDX-License-Identifier: GPL-2.0

//! Comparing and copying words, in as few instructions as it takes, and without calls.
//!
//! Between firmware's return and the end of the checks this is most of what the gate does.

use core::arch::asm;

/// Whether two pieces of memory of `words` times 8 bytes are equal.
///
/// One instruction for each word, whatever the compiler makes of a loop.
///
/// # Safety
///
/// Both can be read.
#[inline(always)]
pub(crate) unsafe fn equal(a: *const u64, b: *const u64, words: usize) -> bool {
    let different: u8;
    // SAFETY: Reads as many words as the caller says. The direction flag is clear.
    unsafe {
        asm!("cmp rcx, rcx", "repe cmpsq", "setne {different}",
             different = out(reg_byte) different,
             inout("rsi") a => _, inout("rdi") b => _, inout("rcx") words => _,
             options(nostack, readonly));
    }
    different == 0
}

/// Words that a step of [`Vectors`] compares.
pub(crate) const STEP: usize = 64;

/// Whether there are vectors of 256 bits for comparing a lot.
///
/// Kept by those who compare: it does not change. The upper halves are cleared afterwards, since
/// the code for SHA-256 that may follow is slow with anything in them.
#[derive(Clone, Copy)]
pub(crate) struct Vectors(bool);

impl Vectors {
    /// Not for as long as it is not known.
    pub(crate) const NONE: Self = Self(false);

    /// Looks.
    pub(crate) fn find() -> Self {
        Self(super::compress::has_avx2())
    }

    /// Whether two pieces of memory of `steps` times [`STEP`] words are equal.
    ///
    /// # Safety
    ///
    /// Both can be read, and the FPU be used.
    #[inline(always)]
    pub(crate) unsafe fn equal(self, a: *const u64, b: *const u64, steps: usize) -> bool {
        if !self.0 || steps == 0 {
            // SAFETY: By the requirement of this function.
            return unsafe { equal(a, b, steps.wrapping_mul(STEP)) };
        }
        let different: u8;
        // SAFETY: Reads what the caller says. The vectors are the FPU's.
        unsafe {
            asm!("vpxor ymm2, ymm2, ymm2",
                 "2:",
                 ".set .Lslaunch_offset, 0",
                 ".rept 8",
                 "vmovdqu ymm0, [{a} + .Lslaunch_offset]",
                 "vmovdqu ymm1, [{a} + .Lslaunch_offset + 32]",
                 "vpxor ymm0, ymm0, [{b} + .Lslaunch_offset]",
                 "vpxor ymm1, ymm1, [{b} + .Lslaunch_offset + 32]",
                 "vpor ymm2, ymm2, ymm0",
                 "vpor ymm2, ymm2, ymm1",
                 ".set .Lslaunch_offset, .Lslaunch_offset + 64",
                 ".endr",
                 "add {a}, 512",
                 "add {b}, 512",
                 "dec {steps}",
                 "jnz 2b",
                 "vptest ymm2, ymm2",
                 "setne {different}",
                 "vzeroupper",
                 a = inout(reg) a => _, b = inout(reg) b => _, steps = inout(reg) steps => _,
                 different = out(reg_byte) different,
                 options(nostack, readonly));
        }
        different == 0
    }

    /// Whether `steps` times [`STEP`] words are 0.
    ///
    /// # Safety
    ///
    /// They can be read, and the FPU be used.
    #[inline(always)]
    pub(crate) unsafe fn zero(self, a: *const u64, steps: usize) -> bool {
        let different: u8;
        if !self.0 || steps == 0 {
            // SAFETY: By the requirement of this function. The direction flag is clear.
            unsafe {
                asm!("cmp rcx, rcx", "repe scasq", "setne {different}",
                     different = out(reg_byte) different, in("rax") 0,
                     inout("rdi") a => _, inout("rcx") steps.wrapping_mul(STEP) => _,
                     options(nostack, readonly));
            }
            return different == 0;
        }
        // SAFETY: Reads what the caller says. The vectors are the FPU's.
        unsafe {
            asm!("vpxor ymm0, ymm0, ymm0",
                 "2:",
                 ".set .Lslaunch_offset, 0",
                 ".rept 16",
                 "vpor ymm0, ymm0, [{a} + .Lslaunch_offset]",
                 ".set .Lslaunch_offset, .Lslaunch_offset + 32",
                 ".endr",
                 "add {a}, 512",
                 "dec {steps}",
                 "jnz 2b",
                 "vptest ymm0, ymm0",
                 "setne {different}",
                 "vzeroupper",
                 a = inout(reg) a => _, steps = inout(reg) steps => _,
                 different = out(reg_byte) different,
                 options(nostack, readonly));
        }
        different == 0
    }
}

/// Words that lie side by side.
#[repr(C)]
pub(crate) struct Run {
    /// The first.
    pub(crate) start: *const u64,
    /// How many there are: at least one.
    pub(crate) words: usize,
}

/// Whether the words of all `runs`, one after the other, are those of `copy`.
///
/// # Safety
///
/// They can be read, and `copy` has as many words.
#[inline(always)]
pub(crate) unsafe fn all_equal(runs: &[Run], copy: &[u64]) -> bool {
    let runs = runs.as_ptr_range();
    let different: u8;
    // SAFETY: Reads `runs` and what the caller says. The direction flag is clear.
    unsafe {
        asm!("cmp {run}, {end}",
             "je 3f",
             "2:",
             "mov rsi, [{run}]",
             "mov rcx, [{run} + 8]",
             "add {run}, 16",
             "repe cmpsq",
             "jne 3f",
             "cmp {run}, {end}",
             "jne 2b",
             "3:",
             "setne {different}",
             run = inout(reg) runs.start => _, end = in(reg) runs.end,
             different = out(reg_byte) different,
             out("rsi") _, inout("rdi") copy.as_ptr() => _, out("rcx") _,
             options(nostack, readonly));
    }
    different == 0
}

/// Whether each word of `words` is the one at the same place in `copy`.
///
/// # Safety
///
/// They can be read.
#[inline(always)]
pub(crate) unsafe fn each_equal(words: &[*const u64], copy: &[u64]) -> bool {
    const TURN: usize = 8;
    let (turns, words) = words.as_chunks::<TURN>();
    let (copies, copy) = copy.as_chunks::<TURN>();
    let mut changes = 0;
    for (words, copy) in turns.iter().zip(copies) {
        for (word, was) in words.iter().zip(copy) {
            // SAFETY: By the requirement of this function.
            changes |= unsafe { word.read_volatile() } ^ was;
        }
    }
    for (word, was) in words.iter().zip(copy) {
        // SAFETY: As above.
        changes |= unsafe { word.read_volatile() } ^ was;
    }
    changes == 0
}

/// Copies `words` times 8 bytes, one instruction for each.
///
/// # Safety
///
/// They can be read and written.
#[inline(always)]
pub(crate) unsafe fn copy(from: *const u64, to: *mut u64, words: usize) {
    // SAFETY: By the requirement of this function. The direction flag is clear.
    unsafe {
        asm!("rep movsq", inout("rsi") from => _, inout("rdi") to => _, inout("rcx") words => _,
             options(nostack, preserves_flags));
    }
}

/// Copies `bytes` bytes: a few.
///
/// # Safety
///
/// They can be read and written.
#[inline(always)]
pub(crate) unsafe fn copy_bytes(from: *const u8, to: *mut u8, bytes: usize) {
    // SAFETY: By the requirement of this function. The direction flag is clear.
    unsafe {
        asm!("rep movsb", inout("rsi") from => _, inout("rdi") to => _, inout("rcx") bytes => _,
             options(nostack, preserves_flags));
    }
}

/// Makes all of `bytes` `byte`, one instruction for each eight.
#[inline(always)]
pub(crate) fn fill(bytes: &mut [u8], byte: u8) {
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for place in rest {
        *place = byte;
    }
    // SAFETY: Writes what `words` refers to. The direction flag is clear.
    unsafe {
        asm!("rep stosq", in("rax") u64::from_ne_bytes([byte; 8]),
             inout("rdi") words.as_mut_ptr() => _, inout("rcx") words.len() => _,
             options(nostack, preserves_flags));
    }
}

/// Whether all of `bytes` are `byte`, one instruction for each.
#[inline(always)]
pub(crate) fn filled(bytes: &[u8], byte: u8) -> bool {
    let different: u8;
    // SAFETY: Reads what `bytes` refers to. The direction flag is clear.
    unsafe {
        asm!("cmp al, al", "repe scasb", "setne {different}",
             different = out(reg_byte) different,
             in("al") byte, inout("rdi") bytes.as_ptr() => _, inout("rcx") bytes.len() => _,
             options(nostack, readonly));
    }
    different == 0
}
