// SPDX-License-Identifier: GPL-2.0

//! Changing the settings of the gate around EFI runtime services while the kernel runs.
//!
//! It goes one way, towards less safety, and to [`Mode::Off`], from where nothing leads back. So
//! what was on record at any time holds from then on, but for what was put on record since.

use super::gate::{Gate, Mode};

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// What is there already.
    Nothing,
    /// No runtime services from now on.
    Stop(Gate),
    /// Less safety than there is.
    Relax(Gate),
    /// What there is no way to.
    Back,
}

impl Gate {
    /// These settings with what `request` changes: a mode, and perhaps more words, as in the
    /// option. [`None`] if it is nothing of the kind.
    pub fn with(self, request: &[u8]) -> Option<Self> {
        Self::words(request, |mode| self.in_mode(mode))
    }

    /// These settings in another mode, as far as it has them.
    fn in_mode(self, mode: Mode) -> Self {
        if mode == self.mode {
            return self;
        }
        let new = Self::new(mode);
        Self {
            policy: self.policy,
            depth: match mode {
                Mode::Isolate => new.depth,
                _ => self.depth,
            },
            ..new
        }
    }

    /// What it means to go from these settings to `wanted`.
    pub fn change_to(self, wanted: Self) -> Change {
        match (self.mode, wanted.mode) {
            // There is nothing left for the others to be about.
            (Mode::Off, Mode::Off) => Change::Nothing,
            (_, Mode::Off) => Change::Stop(self.in_mode(Mode::Off)),
            (Mode::Off, _) => Change::Back,
            _ if wanted == self => Change::Nothing,
            // No firmware is called natively in a kernel that once had it in user mode: neither was
            // it made ready for that, nor would what was said about it hold.
            (Mode::Isolate, Mode::Isolate) if self.svam == wanted.svam => {
                self.relaxed(wanted, self.smm <= wanted.smm)
            }
            (Mode::Isolate, _) => Change::Back,
            _ => self.relaxed(
                wanted,
                self.mode <= wanted.mode && self.depth <= wanted.depth,
            ),
        }
    }

    /// The way to `wanted`, where all but the policy is no safer if `relaxed`.
    fn relaxed(self, wanted: Self, relaxed: bool) -> Change {
        match relaxed && self.policy <= wanted.policy {
            true => Change::Relax(wanted),
            false => Change::Back,
        }
    }

    /// The words that say everything there is to say: of [`Mode::Off`] only that.
    pub fn said(self) -> impl Iterator<Item = &'static str> {
        let count = match self.mode {
            Mode::Off => 1,
            _ => usize::MAX,
        };
        self.words_of().take(count)
    }
}
