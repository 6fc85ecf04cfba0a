// SPDX-License-Identifier: GPL-2.0

//! The command line option: `slaunch=off|on|require[,wait]`.

/// What the user wants.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// An ordinary boot. Nothing is allocated, and the TPM is not touched.
    Off,
    /// A launch where it is possible, else an ordinary boot.
    On,
    /// A launch, or no boot at all.
    Require,
}

/// The option, parsed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Options {
    /// Launch or not.
    pub(crate) mode: Mode,
    /// Print where the launch instruction is and wait for a key before it.
    pub(crate) wait: bool,
}

impl Options {
    /// The default: no launch.
    pub(crate) const OFF: Self = Self {
        mode: Mode::Off,
        wait: false,
    };

    /// Parses the part after `slaunch=`.
    ///
    /// Returns `None` for a word that is not known: a spelling mistake must not turn into half of
    /// what was asked for.
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let mut words = value.split(|&c| c == b',');
        let mode = match words.next()? {
            b"off" => Mode::Off,
            b"on" => Mode::On,
            b"require" => Mode::Require,
            _ => return None,
        };
        let mut wait = false;
        for word in words {
            match word {
                b"wait" => wait = true,
                _ => return None,
            }
        }
        Some(Self { mode, wait })
    }
}
