// SPDX-License-Identifier: GPL-2.0

//! Changing the settings of the gate around EFI runtime services while the kernel runs.
//!
//! It goes one way, towards less safety, and to [`Mode::Off`], from where nothing leads back. So
//! what was on record at any time holds from then on, but for what was put on record since.

use super::gate::{Depth, Gate, Mode, Policy};

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
    /// These settings with what `request` changes: a mode, and perhaps a policy and a depth, as in
    /// the option. [`None`] if it is nothing of the kind.
    pub fn with(self, request: &[u8]) -> Option<Self> {
        let mut words = request.split(|&byte| byte == b',');
        let mode = Mode::from_name(words.next()?)?;
        let mut policy = None;
        let mut depth = None;
        for word in words {
            let again = match word {
                b"panic" => policy.replace(Policy::Panic).is_some(),
                b"disable" => policy.replace(Policy::Disable).is_some(),
                b"full" => depth.replace(Depth::Full).is_some(),
                b"fast" => depth.replace(Depth::Fast).is_some(),
                _ => return None,
            };
            if again {
                return None;
            }
        }
        Some(Self {
            mode,
            policy: policy.unwrap_or(self.policy),
            depth: depth.unwrap_or(self.depth),
        })
    }

    /// What it means to go from these settings to `wanted`.
    pub fn change_to(self, wanted: Self) -> Change {
        match (self.mode, wanted.mode) {
            // There is nothing left for the others to be about.
            (Mode::Off, Mode::Off) => Change::Nothing,
            (_, Mode::Off) => Change::Stop(Self {
                mode: Mode::Off,
                ..self
            }),
            (Mode::Off, _) => Change::Back,
            _ if wanted == self => Change::Nothing,
            _ if self.mode <= wanted.mode
                && self.policy as u8 <= wanted.policy as u8
                && self.depth as u8 <= wanted.depth as u8 =>
            {
                Change::Relax(wanted)
            }
            _ => Change::Back,
        }
    }

    /// The words that say everything there is to say: of [`Mode::Off`] only that.
    pub fn said(self) -> impl Iterator<Item = &'static str> {
        let count = match self.mode {
            Mode::Off => 1,
            _ => usize::MAX,
        };
        self.words_of().into_iter().take(count)
    }
}
