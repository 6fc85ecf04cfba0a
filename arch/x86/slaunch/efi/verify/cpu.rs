// SPDX-License-Identifier: GPL-2.0

//! Instructions that read and write the processor's state.
//!
//! The functions that write are unsafe: what they write must be what the kernel had there.

use core::{
    arch::asm,
    mem::MaybeUninit, //
};

/// A pseudo-descriptor, what `LGDT` and `SGDT` access. `limit` is the last of the first ten bytes.
#[derive(Clone, Copy)]
#[repr(C, packed)]
pub(crate) struct TableRegister {
    pub(crate) limit: u16,
    pub(crate) base: u64,
}

impl PartialEq for TableRegister {
    // What would be derived is a call of memcmp(), where none is wanted yet.
    fn eq(&self, other: &Self) -> bool {
        u64::from(self.limit ^ other.limit) | (self.base ^ other.base) == 0
    }
}

macro_rules! read {
    ($($(#[$meta:meta])* $name:ident: $ty:ty = $asm:literal;)*) => {$(
        $(#[$meta])*
        #[inline(always)]
        pub(crate) fn $name() -> $ty {
            let value: $ty;
            // SAFETY: Reads a register of ring 0, where this runs.
            unsafe { asm!($asm, out(reg) value, options(nomem, nostack, preserves_flags)) };
            value
        }
    )*};
}

macro_rules! write {
    ($($(#[$meta:meta])* $name:ident: $ty:ty = $asm:literal;)*) => {$(
        $(#[$meta])*
        ///
        /// # Safety
        ///
        /// As for the module.
        #[inline(always)]
        pub(crate) unsafe fn $name(value: $ty) {
            // SAFETY: By the requirement of this function.
            unsafe { asm!($asm, in(reg) value, options(nostack, preserves_flags)) };
        }
    )*};
}

read! {
    /// CR0.
    cr0: u64 = "mov {}, cr0";
    /// CR3.
    cr3: u64 = "mov {}, cr3";
    /// CR4.
    cr4: u64 = "mov {}, cr4";
    /// CR8.
    cr8: u64 = "mov {}, cr8";
    /// DR0.
    dr0: u64 = "mov {}, dr0";
    /// DR1.
    dr1: u64 = "mov {}, dr1";
    /// DR2.
    dr2: u64 = "mov {}, dr2";
    /// DR3.
    dr3: u64 = "mov {}, dr3";
    /// DR7.
    dr7: u64 = "mov {}, dr7";
    /// CS.
    cs: u16 = "mov {:x}, cs";
    /// DS.
    ds: u16 = "mov {:x}, ds";
    /// ES.
    es: u16 = "mov {:x}, es";
    /// FS.
    fs: u16 = "mov {:x}, fs";
    /// GS.
    gs: u16 = "mov {:x}, gs";
    /// SS.
    ss: u16 = "mov {:x}, ss";
    /// LDTR.
    ldtr: u16 = "sldt {:x}";
    /// TR.
    tr: u16 = "str {:x}";
}

write! {
    /// Writes CR0.
    set_cr0: u64 = "mov cr0, {}";
    /// Writes CR3.
    set_cr3: u64 = "mov cr3, {}";
    /// Writes CR4.
    set_cr4: u64 = "mov cr4, {}";
    /// Writes CR8.
    set_cr8: u64 = "mov cr8, {}";
    /// Writes DR0.
    set_dr0: u64 = "mov dr0, {}";
    /// Writes DR1.
    set_dr1: u64 = "mov dr1, {}";
    /// Writes DR2.
    set_dr2: u64 = "mov dr2, {}";
    /// Writes DR3.
    set_dr3: u64 = "mov dr3, {}";
    /// Writes DR7.
    set_dr7: u64 = "mov dr7, {}";
    /// Loads DS.
    set_ds: u16 = "mov ds, {:x}";
    /// Loads ES.
    set_es: u16 = "mov es, {:x}";
    /// Loads FS, and with it the FS base.
    set_fs: u16 = "mov fs, {:x}";
    /// Loads SS.
    set_ss: u16 = "mov ss, {:x}";
    /// Loads LDTR.
    set_ldtr: u16 = "lldt {:x}";
    /// Loads TR; its descriptor must not be busy, and writable.
    set_tr: u16 = "ltr {:x}";
}

/// Loads GS and keeps the GS base.
///
/// # Safety
///
/// As for the module; interrupts are off.
pub(crate) unsafe fn set_gs(value: u16) {
    // SAFETY: Between the two instructions that exchange the bases nothing uses the GS base. The
    // one that the load destroys is KERNEL_GS_BASE, which is put right with the other MSRs.
    unsafe { asm!("swapgs", "mov gs, {:x}", "swapgs", in(reg) value, options(nostack)) };
}

/// GDTR.
#[inline(always)]
pub(crate) fn gdtr() -> TableRegister {
    let mut value = MaybeUninit::uninit();
    // SAFETY: Writes the ten bytes it is given, which are all there are.
    unsafe {
        asm!("sgdt [{}]", in(reg) value.as_mut_ptr(), options(nostack, preserves_flags));
        value.assume_init()
    }
}

/// IDTR.
#[inline(always)]
pub(crate) fn idtr() -> TableRegister {
    let mut value = MaybeUninit::uninit();
    // SAFETY: Writes the ten bytes it is given, which are all there are.
    unsafe {
        asm!("sidt [{}]", in(reg) value.as_mut_ptr(), options(nostack, preserves_flags));
        value.assume_init()
    }
}

/// Writes GDTR.
///
/// # Safety
///
/// As for the module.
pub(crate) unsafe fn set_gdtr(value: &TableRegister) {
    // SAFETY: By the requirement of this function.
    unsafe { asm!("lgdt [{}]", in(reg) value, options(nostack, preserves_flags)) };
}

/// Writes IDTR.
///
/// # Safety
///
/// As for the module.
pub(crate) unsafe fn set_idtr(value: &TableRegister) {
    // SAFETY: By the requirement of this function.
    unsafe { asm!("lidt [{}]", in(reg) value, options(nostack, preserves_flags)) };
}

/// XCR0.
///
/// # Safety
///
/// CR4.OSXSAVE is set.
#[inline(always)]
pub(crate) unsafe fn xcr0() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: By the requirement of this function.
    unsafe {
        asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") high, options(nomem, nostack, preserves_flags))
    };
    u64::from(high) << 32 | u64::from(low)
}

/// Writes XCR0.
///
/// # Safety
///
/// As for the module; CR4.OSXSAVE is set.
pub(crate) unsafe fn set_xcr0(value: u64) {
    let (low, high) = halves(value);
    // SAFETY: By the requirement of this function.
    unsafe {
        asm!("xsetbv", in("ecx") 0, in("eax") low, in("edx") high, options(nostack, preserves_flags))
    };
}

/// Reads a model-specific register; its lower and upper half.
///
/// # Safety
///
/// There is one of this number.
#[inline(always)]
pub(crate) unsafe fn rdmsr(number: u32) -> (u32, u32) {
    let (low, high): (u32, u32);
    // SAFETY: By the requirement of this function.
    unsafe {
        asm!("rdmsr", in("ecx") number, out("eax") low, out("edx") high,
             options(nomem, nostack, preserves_flags))
    };
    (low, high)
}

/// Writes a model-specific register; what it does not take is not written.
///
/// # Safety
///
/// As for the module.
pub(crate) unsafe fn wrmsr(number: u32, value: u64) {
    let (low, high) = halves(value);
    let mut regs = [low, number, high, 0, 0, 0, 0, 0];
    // SAFETY: Eight registers: EAX, ECX, EDX, ... The rest is the requirement of this function.
    // Exceptions are caught.
    unsafe { kernel::bindings::wrmsr_safe_regs(regs.as_mut_ptr()) };
}

/// Reads a model-specific register that may not exist.
pub(crate) fn rdmsr_safe(number: u32) -> Option<u64> {
    let mut regs = [0, number, 0, 0, 0, 0, 0, 0];
    // SAFETY: Eight registers: EAX, ECX, EDX, ... Exceptions are caught.
    let failed = unsafe { kernel::bindings::rdmsr_safe_regs(regs.as_mut_ptr()) } != 0;
    let [low, _, high, ..] = regs;
    (!failed).then_some(u64::from(high) << 32 | u64::from(low))
}

/// The lower and the upper half.
fn halves(value: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    (
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, g, h]),
    )
}

/// The time-stamp counter.
pub(crate) fn tsc() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: Reads a counter.
    unsafe {
        asm!("rdtsc", out("eax") low, out("edx") high, options(nomem, nostack, preserves_flags))
    };
    u64::from(high) << 32 | u64::from(low)
}

/// Interrupts are off for as long as it is kept.
pub(crate) struct InterruptsOff(u64);

impl InterruptsOff {
    /// Turns interrupts off.
    pub(crate) fn new() -> Self {
        let flags: u64;
        // SAFETY: The flags are restored on drop.
        unsafe { asm!("pushfq", "pop {}", "cli", out(reg) flags) };
        Self(flags)
    }
}

impl Drop for InterruptsOff {
    fn drop(&mut self) {
        // SAFETY: What was in force before.
        unsafe { asm!("push {}", "popfq", in(reg) self.0) };
    }
}

/// Calls `write` with write protection of read-only pages off.
///
/// # Safety
///
/// `write` restores what the kernel had in such pages; interrupts are off.
pub(crate) unsafe fn unprotected(write: impl FnOnce()) {
    /// CR0.WP.
    const WP: u64 = 1 << 16;
    let value = cr0();
    // SAFETY: By the requirement of this function, and only for so long.
    unsafe { set_cr0(value & !WP) };
    write();
    // SAFETY: What was there.
    unsafe { set_cr0(value) };
}
