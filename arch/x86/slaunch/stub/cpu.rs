// SPDX-License-Identifier: GPL-2.0

//! The processor: what it can do, and bringing it and its siblings to where SKINIT wants them.
//!
//! References are to the AMD64 Architecture Programmer's Manual, volume 2, and its sections.

use super::reason::{Reason, Refusal};
use core::arch::asm;

/// `IA32_APIC_BASE` (16.3.1).
const MSR_APIC_BASE: u32 = 0x1b;
/// This is the boot processor.
const APIC_BASE_BSP: u64 = 1 << 8;
/// x2APIC mode: registers are MSRs.
const APIC_BASE_X2APIC: u64 = 1 << 10;
/// The local APIC is on.
const APIC_BASE_ENABLE: u64 = 1 << 11;
/// Page of the registers.
const APIC_BASE_ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// Interrupt command register: offset in the page, and as x2APIC MSR (16.5).
const APIC_ICR: u64 = 0x300;
const MSR_X2APIC_ICR: u32 = 0x830;
/// INIT, edge, asserted, to all but this processor.
const ICR_INIT_OTHERS: u32 = 3 << 18 | 1 << 14 | 5 << 8;
/// Not delivered yet.
const ICR_BUSY: u32 = 1 << 12;

const MSR_EFER: u32 = 0xc000_0080;
const EFER_SVME: u64 = 1 << 12;
/// `VM_CR` (15.30.1).
const MSR_VM_CR: u32 = 0xc001_0114;
const VM_CR_SVMDIS: u64 = 1 << 4;
/// `SEV_STATUS` (15.34.10).
const MSR_SEV_STATUS: u32 = 0xc001_0131;
const SEV_STATUS_GUEST: u64 = 7;

/// Rounds of a bounded wait for the APIC, and cycles that the others get to take their INIT in.
/// The manual speaks of up to 1000 cycles (15.27.8); this is a fraction of a millisecond.
const DELIVERY_ROUNDS: u32 = 1_000_000;
const SETTLE_CYCLES: u64 = 1_000_000;

struct Cpuid {
    eax: u32,
    ebx: u32,
    ecx: u32,
    edx: u32,
}

fn cpuid(leaf: u32) -> Cpuid {
    let (eax, ebx, ecx, edx);
    // SAFETY: CPUID exists on every 64-bit processor and only writes these registers. LLVM keeps
    // RBX for itself, so it is saved by hand.
    unsafe {
        asm!(
            "mov {saved}, rbx",
            "cpuid",
            "xchg {saved}, rbx",
            saved = out(reg) ebx,
            inout("eax") leaf => eax,
            inout("ecx") 0_u32 => ecx,
            out("edx") edx,
            options(nomem, nostack, preserves_flags),
        );
    }
    Cpuid {
        eax,
        ebx: low(ebx),
        ecx,
        edx,
    }
}

/// The low half.
const fn low(value: u64) -> u32 {
    (value & 0xffff_ffff) as u32
}

/// # Safety
///
/// The register exists on this processor.
unsafe fn rdmsr(register: u32) -> u64 {
    let (high, low): (u32, u32);
    // SAFETY: at ring 0; the register exists (caller).
    unsafe {
        asm!("rdmsr", in("ecx") register, out("edx") high, out("eax") low,
             options(nomem, nostack, preserves_flags));
    }
    u64::from(high) << 32 | u64::from(low)
}

/// # Safety
///
/// The register exists, takes the value, and the change does not break the code that runs.
unsafe fn wrmsr(register: u32, value: u64) {
    // SAFETY: by the caller.
    unsafe {
        asm!("wrmsr", in("ecx") register, in("edx") low(value >> 32), in("eax") low(value),
             options(nostack, preserves_flags));
    }
}

fn tsc() -> u64 {
    let (high, low): (u32, u32);
    // SAFETY: RDTSC exists on every 64-bit processor, and ring 0 may always use it.
    unsafe {
        asm!("rdtsc", out("edx") high, out("eax") low, options(nomem, nostack, preserves_flags));
    }
    u64::from(high) << 32 | u64::from(low)
}

fn apic_base() -> u64 {
    // SAFETY: architectural on 64-bit processors.
    unsafe { rdmsr(MSR_APIC_BASE) }
}

/// Checks that this processor can do SKINIT here and now (15.27.1).
///
/// # Errors
///
/// The first reason that it cannot.
pub(crate) fn check() -> Result<(), Refusal> {
    let vendor = cpuid(0);
    // The words of "AuthenticAMD" and "HygonGenuine" in EBX, EDX, ECX.
    let name = [vendor.ebx, vendor.edx, vendor.ecx];
    if name != [0x6874_7541, 0x6974_6e65, 0x444d_4163]
        && name != [0x6f67_7948, 0x6e65_476e, 0x656e_6975]
    {
        return Err(Reason::Vendor.into());
    }

    let highest = cpuid(0x8000_0000).eax;
    let features = cpuid(0x8000_0001).ecx;
    if highest < 0x8000_0001 || features & 1 << 2 == 0 {
        return Err(Reason::NoSvm.into());
    }
    if features & 1 << 12 == 0 {
        return Err(Reason::NoSkinit.into());
    }
    if highest >= 0x8000_001f && cpuid(0x8000_001f).eax & 1 << 1 != 0 {
        // SAFETY: the register comes with the SEV bit.
        let status = unsafe { rdmsr(MSR_SEV_STATUS) };
        if status & SEV_STATUS_GUEST != 0 {
            return Err(Reason::Guest.with(low(status)));
        }
    }
    // SAFETY: the register comes with SVM.
    let vm_cr = unsafe { rdmsr(MSR_VM_CR) };
    if vm_cr & VM_CR_SVMDIS != 0 {
        return Err(Reason::SvmDisabled.with(low(vm_cr)));
    }

    let apic = apic_base();
    if apic & APIC_BASE_BSP == 0 {
        return Err(Reason::NotBsp.with(low(apic)));
    }
    if apic & APIC_BASE_ENABLE == 0 {
        return Err(Reason::NoApic.with(low(apic)));
    }
    Ok(())
}

/// Sends every other processor to wait for SIPI (15.27.8), whatever loop the firmware has it in.
///
/// # Safety
///
/// The firmware and its processors are needed no more, [`check`] was passed, and memory is mapped
/// one to one.
pub(crate) unsafe fn stop_others() {
    let base = apic_base();
    if base & APIC_BASE_X2APIC != 0 {
        // SAFETY: x2APIC mode is on; the write waits for nothing and has no busy bit.
        unsafe { wrmsr(MSR_X2APIC_ICR, u64::from(ICR_INIT_OTHERS)) };
    } else {
        let icr = ((base & APIC_BASE_ADDRESS) | APIC_ICR) as *mut u32;
        // SAFETY: the APIC is on and its page mapped; the register is 32 bits wide.
        unsafe { icr.write_volatile(ICR_INIT_OTHERS) };
        for _ in 0..DELIVERY_ROUNDS {
            // SAFETY: as above.
            if unsafe { icr.read_volatile() } & ICR_BUSY == 0 {
                break;
            }
            core::hint::spin_loop();
        }
    }
    let start = tsc();
    while tsc().wrapping_sub(start) < SETTLE_CYCLES {
        core::hint::spin_loop();
    }
}

/// Masks interrupts and turns SVM on: the last steps before SKINIT.
///
/// # Safety
///
/// [`check`] was passed, and nobody waits for an interrupt any more.
pub(crate) unsafe fn prepare_self() {
    // SAFETY: SVM exists and is not disabled, so EFER takes the bit; the rest by the caller.
    unsafe {
        asm!("cli", options(nomem, nostack));
        wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
    }
}
