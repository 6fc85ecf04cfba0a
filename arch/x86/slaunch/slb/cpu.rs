// SPDX-License-Identifier: GPL-2.0

//! Instructions.

use core::arch::asm;

extern "C" {
    /// head.S: every way to reset the machine, one after the other.
    fn slb_reset() -> !;
}

/// Shows `code` to whoever watches port 0x80 (POST codes).
pub(crate) fn post(code: u8) {
    // SAFETY: The port is for diagnosis: writing to it has no effect on memory.
    unsafe { asm!("out 0x80, al", in("al") code, options(nomem, nostack, preserves_flags)) };
}

/// Resets the machine.
pub(crate) fn reset() -> ! {
    // SAFETY: Needs nothing but a stack.
    unsafe { slb_reset() }
}

/// The time stamp counter.
pub(crate) fn tsc() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: Allowed, as CR4.TSD is clear and this is privileged code anyway.
    unsafe { asm!("rdtsc", out("eax") low, out("edx") high, options(nomem, nostack)) };
    u64::from(high) << 32 | u64::from(low)
}

/// Tells the processor that this is a wait.
pub(crate) fn pause() {
    // SAFETY: No effect.
    unsafe { asm!("pause", options(nomem, nostack, preserves_flags)) };
}
