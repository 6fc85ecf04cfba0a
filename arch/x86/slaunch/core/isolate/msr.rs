// SPDX-License-Identifier: GPL-2.0

//! The model-specific registers that firmware in user mode may read.
//!
//! What says how the kernel runs is answered with a constant: what an ordinary 64-bit system has.
//! No register may be written to.

/// What becomes of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Msr {
    /// The register is read: it says what the processor is, and what user mode may know.
    Read,
    /// The answer is this number.
    Constant(u64),
    /// Firmware may not read it.
    Denied,
}

/// What becomes of a read of the MSR `number`.
pub const fn read(number: u32) -> Msr {
    match number {
        // IA32_TIME_STAMP_COUNTER, IA32_PLATFORM_ID, IA32_BIOS_SIGN_ID, MSR_PLATFORM_INFO.
        0x10 | 0x17 | 0x8b | 0xce => Msr::Read,
        // IA32_APIC_BASE: where it always is, on, of the first processor.
        0x1b => Msr::Constant(0xfee0_0900),
        // IA32_EFER: LMA, LME, NXE, SCE.
        0xc000_0080 => Msr::Constant(0xd01),
        _ => Msr::Denied,
    }
}
