// SPDX-License-Identifier: GPL-2.0

//! The TPM's registers and a clock, for the TPM core.

use super::cpu;
use super::tpm::{Clock, Mmio, TPM_BASE, TPM_SIZE};

/// The TPM's register window: in the identity map, uncached (entry.S).
pub(crate) struct Registers(());

impl Registers {
    /// The registers.
    ///
    /// # Safety
    ///
    /// The first 4 GiB are mapped one to one, and no other value of this type is in use.
    pub(crate) const unsafe fn new() -> Self {
        Self(())
    }

    /// The address of a register of `size` bytes; `None` if the window has no such register.
    fn address(offset: u32, size: u32) -> Option<u64> {
        let end = offset.checked_add(size)?;
        let aligned = offset & size.wrapping_sub(1) == 0;
        // No carry: the window is far from the end of the address space.
        (end <= TPM_SIZE && aligned).then_some(TPM_BASE.wrapping_add(u64::from(offset)))
    }
}

// A register outside the window reads as absent hardware does, and writing it does nothing.
impl Mmio for Registers {
    fn read8(&mut self, offset: u32) -> u8 {
        match Self::address(offset, 1) {
            // SAFETY: A register of the window, mapped; this is the only user.
            Some(address) => unsafe { (address as *const u8).read_volatile() },
            None => u8::MAX,
        }
    }

    fn read32(&mut self, offset: u32) -> u32 {
        match Self::address(offset, 4) {
            // SAFETY: As in `read8`, and aligned.
            Some(address) => unsafe { (address as *const u32).read_volatile() },
            None => u32::MAX,
        }
    }

    fn write8(&mut self, offset: u32, value: u8) {
        if let Some(address) = Self::address(offset, 1) {
            // SAFETY: As in `read8`; it is not memory.
            unsafe { (address as *mut u8).write_volatile(value) };
        }
    }

    fn write32(&mut self, offset: u32, value: u32) {
        if let Some(address) = Self::address(offset, 4) {
            // SAFETY: As in `read32`; it is not memory.
            unsafe { (address as *mut u32).write_volatile(value) };
        }
    }
}

/// The time stamp counter, as if it ran at 8.192 GHz: no processor's is faster, so a wait is never cut
/// short, only longer by what the true rate is lower.
pub(crate) struct TscClock;

impl TscClock {
    /// Binary logarithm of the ticks that count as a microsecond.
    const SHIFT: u32 = 13;
}

impl Clock for TscClock {
    fn elapsed_us(&self) -> u64 {
        cpu::tsc() >> Self::SHIFT
    }

    fn relax(&self) {
        core::hint::spin_loop();
    }
}
