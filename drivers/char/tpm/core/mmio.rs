// SPDX-License-Identifier: GPL-2.0

//! The register window as mapped memory, for code without a kernel around it. A crate root that
//! wants it declares this file beside the core, which is free of unsafe code itself.

use super::tpm::{Mmio, TPM_SIZE};

/// The TPM's register window.
///
/// # Invariants
///
/// `base` is where the window of `TPM_SIZE` bytes is mapped, uncached.
pub(crate) struct Window {
    base: usize,
}

impl Window {
    /// The window, mapped at `base`.
    ///
    /// # Safety
    ///
    /// It is mapped there, uncached and page aligned, as long as the result is used, and nobody
    /// else speaks to the TPM meanwhile.
    pub(crate) const unsafe fn new(base: usize) -> Self {
        // INVARIANT: By the caller.
        Self { base }
    }

    /// The register of type `T` at `offset`, or `None` if the window has no such register.
    fn register<T>(&self, offset: u32) -> Option<*mut T> {
        let offset = usize::try_from(offset).ok()?;
        let end = offset.checked_add(size_of::<T>())?;
        let inside = end <= usize::try_from(TPM_SIZE).ok()? && offset % align_of::<T>() == 0;
        // No carry: the window is far from the end of the address space.
        inside.then_some(self.base.wrapping_add(offset) as *mut T)
    }

    /// Reads a register. One outside the window reads as absent hardware does.
    fn read<T>(&self, offset: u32, absent: T) -> T {
        match self.register::<T>(offset) {
            // SAFETY: By the type invariant the register is mapped; it is aligned as the window is.
            Some(register) => unsafe { register.read_volatile() },
            None => absent,
        }
    }

    /// Writes a register. Nothing happens if it is outside the window.
    fn write<T>(&mut self, offset: u32, value: T) {
        if let Some(register) = self.register::<T>(offset) {
            // SAFETY: As in `read`; it is not memory.
            unsafe { register.write_volatile(value) };
        }
    }
}

impl Mmio for Window {
    fn read8(&mut self, offset: u32) -> u8 {
        self.read(offset, u8::MAX)
    }

    fn read32(&mut self, offset: u32) -> u32 {
        self.read(offset, u32::MAX)
    }

    fn write8(&mut self, offset: u32, value: u8) {
        self.write(offset, value);
    }

    fn write32(&mut self, offset: u32, value: u32) {
        self.write(offset, value);
    }
}
