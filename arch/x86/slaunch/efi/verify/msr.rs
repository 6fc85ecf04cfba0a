// SPDX-License-Identifier: GPL-2.0

//! Model-specific registers that firmware must leave alone.
//!
//! GS_BASE is not among them: the assembler of the door puts it right before any of this runs.

use super::{
    super::violation::{
        Deviation,
        Violation,
        What, //
    },
    compare,
    cpu, //
};

/// What a register is called, by its number.
///
/// Numbers and names are those of the processor manuals (AMD64 Architecture Programmer's Manual,
/// volume 2, appendix A; Intel 64 and IA-32 Architectures Software Developer's Manual, volume 4).
fn name(number: u32) -> What {
    let state = What::State;
    match number {
        0x1b => state("APIC_BASE"),
        0x3a => state("FEATURE_CONTROL"),
        0x3b => state("TSC_ADJUST"),
        0x48 => state("SPEC_CTRL"),
        0x174 => state("SYSENTER_CS"),
        0x175 => state("SYSENTER_ESP"),
        0x176 => state("SYSENTER_EIP"),
        0x1a0 => state("MISC_ENABLE"),
        0x1cc..=0x1d4 => What::Entry("FRED", number.wrapping_sub(0x1cc)),
        0x1d9 => state("DEBUGCTL"),
        MTRR_BASE..MTRR_END if number & 1 == 0 => What::Entry("MTRR_BASE", (number & 0x1f) >> 1),
        MTRR_BASE..MTRR_END => What::Entry("MTRR_MASK", (number & 0x1f) >> 1),
        0x250 => What::Entry("MTRR_FIX", 0),
        0x258 => What::Entry("MTRR_FIX", 1),
        0x259 => What::Entry("MTRR_FIX", 2),
        0x268..=0x26f => What::Entry("MTRR_FIX", number.wrapping_sub(0x268 - 3)),
        0x277 => state("PAT"),
        MTRR_DEF_TYPE => state("MTRR_DEF_TYPE"),
        0x6a0 => state("U_CET"),
        0x6a2 => state("S_CET"),
        0x6a4..=0x6a7 => What::Entry("PL_SSP", number.wrapping_sub(0x6a4)),
        0x6a8 => state("INT_SSP_TAB"),
        0x6e1 => state("PKRS"),
        0xda0 => state("XSS"),
        EFER => state("EFER"),
        0xc000_0081 => state("STAR"),
        0xc000_0082 => state("LSTAR"),
        0xc000_0083 => state("CSTAR"),
        0xc000_0084 => state("SFMASK"),
        0xc000_0100 => state("FS_BASE"),
        0xc000_0102 => state("KERNEL_GS_BASE"),
        0xc000_0103 => state("TSC_AUX"),
        0xc001_0010 => state("SYSCFG"),
        0xc001_0114 => state("VM_CR"),
        0xc001_0117 => state("VM_HSAVE_PA"),
        _ => What::Entry("MSR", number),
    }
}

/// EFER.
const EFER: u32 = 0xc000_0080;

/// First of the variable MTRRs, and behind the last that there can be.
const MTRR_BASE: u32 = 0x200;
const MTRR_END: u32 = 0x220;

/// Number of variable MTRRs, in the low byte.
const MTRR_CAP: u32 = 0xfe;

/// Default memory type.
const MTRR_DEF_TYPE: u32 = 0x2ff;

/// Registers of all vendors, but for the variable MTRRs.
const COMMON: &[u32] = &[
    EFER,
    0xc000_0081,
    0xc000_0082,
    0xc000_0083,
    0xc000_0084,
    0xc000_0100,
    0xc000_0102,
    0x174,
    0x175,
    0x176,
    0x277,
    MTRR_DEF_TYPE,
    0x250,
    0x258,
    0x259,
    0x268,
    0x269,
    0x26a,
    0x26b,
    0x26c,
    0x26d,
    0x26e,
    0x26f,
    0x1d9,
    0x1b,
];

/// Registers that CPUID announces: leaf, subleaf, which of EAX to EDX, bit, and their numbers.
const ANNOUNCED: &[(u32, u32, usize, u32, &[u32])] = &[
    (7, 0, 1, 1, &[0x3b]),
    // Shadow stacks or indirect branch tracking
    (
        7,
        0,
        2,
        7,
        &[0x6a0, 0x6a2, 0x6a4, 0x6a5, 0x6a6, 0x6a7, 0x6a8],
    ),
    (7, 0, 3, 20, &[0x6a0, 0x6a2]),
    (7, 0, 2, 31, &[0x6e1]),
    (7, 0, 3, 26, &[0x48]),
    (0x8000_0008, 0, 1, 14, &[0x48]),
    // FRED
    (
        7,
        1,
        0,
        17,
        &[
            0x1cc, 0x1cd, 0x1ce, 0x1cf, 0x1d0, 0x1d1, 0x1d2, 0x1d3, 0x1d4,
        ],
    ),
    (0xd, 1, 0, 3, &[0xda0]),
    (0x8000_0001, 0, 3, 27, &[0xc000_0103]),
];

/// Registers of Intel's processors.
const INTEL: &[u32] = &[0x3a, 0x1a0];

/// Registers of AMD's processors.
const AMD: &[u32] = &[0xc001_0010, 0xc001_0114, 0xc001_0117];

/// Most registers that are kept: all of the above.
const MOST: usize = 80;

/// Registers that are read in one turn of a loop. Where there are fewer left, the first is read
/// again.
const TURN: usize = 8;

/// Values of registers, in the order of their numbers.
type Values = [Value; MOST];

/// The lower and the upper half.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Value(u32, u32);

impl Value {
    fn get(self) -> u64 {
        u64::from(self.1) << 32 | u64::from(self.0)
    }
}

/// The registers that there are, and their values before and after a call.
///
/// # Invariants
///
/// There are registers of the first `count` numbers, and of all numbers as soon as `turns` is not
/// 0.
pub(crate) struct Msrs {
    numbers: [u32; MOST],
    before: Values,
    after: Values,
    count: usize,
    turns: usize,
}

impl Msrs {
    /// None yet.
    pub(crate) const NONE: Self = Self {
        numbers: [0; MOST],
        before: [Value(0, 0); MOST],
        after: [Value(0, 0); MOST],
        count: 0,
        turns: 0,
    };

    /// Finds out which registers there are, once.
    pub(crate) fn find(&mut self) {
        if self.count != 0 {
            return;
        }
        for &number in COMMON {
            self.add(number);
        }
        let pairs = cpu::rdmsr_safe(MTRR_CAP).unwrap_or(0) & 0xff;
        for number in (MTRR_BASE..MTRR_END).zip(0..pairs.saturating_mul(2)) {
            self.add(number.0);
        }
        for &(leaf, subleaf, register, bit, numbers) in ANNOUNCED {
            let (highest, ..) = cpuid(leaf & 0x8000_0000, 0);
            if highest < leaf {
                continue;
            }
            let (eax, ebx, ecx, edx) = cpuid(leaf, subleaf);
            let value = [eax, ebx, ecx, edx].get(register).copied().unwrap_or(0);
            if value >> bit & 1 != 0 {
                for &number in numbers {
                    self.add(number);
                }
            }
        }
        // "GenuineIntel", the last four letters of it
        let (_, _, vendor, _) = cpuid(0, 0);
        let own = match vendor {
            0x6c65_746e => INTEL,
            _ => AMD,
        };
        for &number in own {
            self.add(number);
        }
        let Some(&first) = self.numbers.first().filter(|_| self.count != 0) else {
            return;
        };
        for number in self.numbers.iter_mut().skip(self.count) {
            *number = first;
        }
        // INVARIANT: Behind the registers that there are is the first of them, over and over.
        self.turns = self.count.div_ceil(TURN);
    }

    /// Adds a register that can be read.
    fn add(&mut self, number: u32) {
        let known = self.numbers.iter().take(self.count).any(|&n| n == number);
        if known || cpu::rdmsr_safe(number).is_none() {
            return;
        }
        if let Some(slot) = self.numbers.get_mut(self.count) {
            *slot = number;
            // INVARIANT: It was just read.
            self.count = self.count.saturating_add(1);
        }
    }

    /// Reads all of them.
    pub(crate) fn read(&mut self) {
        // SAFETY: There are registers of all numbers, by the invariants.
        unsafe { read(&self.numbers, &mut self.before, self.turns) };
    }

    /// Puts back what has changed since, and says what that was.
    pub(crate) fn restore(&mut self, found: &mut Violation) {
        // SAFETY: As above.
        unsafe { read(&self.numbers, &mut self.after, self.turns) };
        let (before, after) = (self.before.as_ptr().cast(), self.after.as_ptr().cast());
        // SAFETY: Each value is a word.
        if !unsafe { compare::equal(before, after, self.count) } {
            self.put_back(found);
        }
    }

    #[cold]
    fn put_back(&self, found: &mut Violation) {
        let values = self.before.iter().zip(&self.after);
        for (&number, (before, after)) in self.numbers.iter().zip(values).take(self.count) {
            if before.get() != after.get() {
                put_back(number, before.get(), after.get(), found);
            }
        }
    }
}

/// Reads so many [`TURN`]s of registers.
///
/// # Safety
///
/// There are registers of these numbers.
#[inline(always)]
unsafe fn read(numbers: &[u32; MOST], values: &mut Values, turns: usize) {
    let (numbers, _) = numbers.as_chunks::<TURN>();
    let (values, _) = values.as_chunks_mut::<TURN>();
    let numbers = numbers.get(..turns).unwrap_or(&[]);
    for (numbers, values) in numbers.iter().zip(values) {
        for (number, value) in numbers.iter().zip(values) {
            // SAFETY: By the requirement of this function.
            let (low, high) = unsafe { cpu::rdmsr(*number) };
            *value = Value(low, high);
        }
    }
}

fn put_back(number: u32, value: u64, now: u64, found: &mut Violation) {
    // SAFETY: What the kernel had there.
    unsafe { cpu::wrmsr(number, value) };
    let restored = cpu::rdmsr_safe(number) == Some(value);
    found.add(Deviation {
        what: name(number),
        from: value,
        to: now,
        restored,
    });
}

/// CPUID.
pub(crate) fn cpuid(leaf: u32, subleaf: u32) -> (u32, u32, u32, u32) {
    let regs = core::arch::x86_64::__cpuid_count(leaf, subleaf);
    (regs.eax, regs.ebx, regs.ecx, regs.edx)
}
