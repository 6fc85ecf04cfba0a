// SPDX-License-Identifier: GPL-2.0

//! The seam to the hardware: registers, clock, and bounded waiting.

use super::error::TpmError;

/// Access to the TPM's registers.
///
/// `offset` counts bytes from the base of the TPM's register window (0xFED40000,
/// [`super::TPM_BASE`]), and is always below [`super::TPM_SIZE`] and aligned to the width of the
/// access. Every call is one bus access of exactly that width: several registers have read side
/// effects.
pub trait Mmio {
    /// Reads the byte at `offset`.
    fn read8(&mut self, offset: u32) -> u8;
    /// Reads the 32-bit word at `offset`.
    fn read32(&mut self, offset: u32) -> u32;
    /// Writes the byte at `offset`.
    fn write8(&mut self, offset: u32, value: u8);
    /// Writes the 32-bit word at `offset`.
    fn write32(&mut self, offset: u32, value: u32);

    /// Tells the platform that a CRB was given a command, where it wants to be told (the ACPI start
    /// method); false if it refuses.
    fn invoke(&mut self) -> bool {
        true
    }
}

impl<T: Mmio> Mmio for &mut T {
    fn read8(&mut self, offset: u32) -> u8 {
        T::read8(self, offset)
    }
    fn read32(&mut self, offset: u32) -> u32 {
        T::read32(self, offset)
    }
    fn write8(&mut self, offset: u32, value: u8) {
        T::write8(self, offset, value);
    }
    fn write32(&mut self, offset: u32, value: u32) {
        T::write32(self, offset, value);
    }
    fn invoke(&mut self) -> bool {
        T::invoke(self)
    }
}

/// A monotonic clock.
pub trait Clock {
    /// Microseconds since some fixed moment.
    ///
    /// Must never go back. It may run slow (a TSC whose rate is not known is divided by the highest
    /// rate that exists), which lengthens waits; it must not run fast, which would cut them short.
    fn elapsed_us(&self) -> u64;

    /// Called once in every round of a wait that has lasted `waited_us` microseconds so far: a
    /// pause instruction, or a sleep that is short against that.
    fn relax(&self, waited_us: u64);

    /// Whether nobody waits for the response any more, so that a command that runs is to be
    /// cancelled.
    fn given_up(&self) -> bool {
        false
    }
}

impl<T: Clock> Clock for &T {
    fn elapsed_us(&self) -> u64 {
        T::elapsed_us(self)
    }
    fn relax(&self, waited_us: u64) {
        T::relax(self, waited_us);
    }
    fn given_up(&self) -> bool {
        T::given_up(self)
    }
}

/// Rounds of one wait in which the clock may stand still before it counts as stopped. They take at
/// least 40 ms (a pause instruction each), with a register read rather seconds; no clock is as
/// coarse as that.
const MAX_STALLED_ROUNDS: u32 = 1 << 22;

/// One bounded wait.
pub(super) struct Wait<'a, C> {
    clock: &'a C,
    start: u64,
    last: u64,
    limit_us: u64,
    stalled: u32,
    begun: bool,
}

impl<'a, C: Clock> Wait<'a, C> {
    /// Begins a wait of at most `limit_us` microseconds.
    #[inline(never)] // There are many kinds of waits, and the loader block must stay small.
    pub(super) fn new(clock: &'a C, limit_us: u64) -> Self {
        let start = clock.elapsed_us();
        Self {
            clock,
            start,
            last: start,
            limit_us,
            stalled: 0,
            begun: false,
        }
    }

    /// Polls until `done` answers something.
    ///
    /// The time is sampled before the condition, so a caller that was held up between two rounds
    /// (by SMM, by the hypervisor) still looks once more after its time is over. Returns `Ok(None)`
    /// when the time is over.
    ///
    /// # Errors
    ///
    /// [`TpmError::ClockStopped`] when the clock does not advance; what `done` returns.
    pub(super) fn until<T>(
        &mut self,
        mut done: impl FnMut() -> Result<Option<T>, TpmError>,
    ) -> Result<Option<T>, TpmError> {
        loop {
            let over = self.next()?;
            if let Some(value) = done()? {
                return Ok(Some(value));
            }
            if over {
                return Ok(None);
            }
        }
    }

    /// Begins the next round; true if it is the last one.
    #[inline(never)] // As above.
    fn next(&mut self) -> Result<bool, TpmError> {
        if self.begun {
            self.clock.relax(self.last.wrapping_sub(self.start));
        }
        self.begun = true;
        let now = self.clock.elapsed_us();
        if now == self.last {
            self.stalled = self.stalled.saturating_add(1);
            if self.stalled > MAX_STALLED_ROUNDS {
                return Err(TpmError::ClockStopped);
            }
        } else {
            self.last = now;
            self.stalled = 0;
        }
        Ok(now.wrapping_sub(self.start) >= self.limit_us)
    }
}
