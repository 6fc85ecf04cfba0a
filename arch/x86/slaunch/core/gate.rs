// SPDX-License-Identifier: GPL-2.0

//! The gate around EFI runtime services: its modes, and the option that chooses one.
//!
//! `slaunch_efi=MODE[,panic|disable][,full|fast]`, or `slaunch_efi=isolate[,panic|disable]
//! [,smm=allow|deny][,svam=auto|none|identity]` in one word, on the kernel's command line. The
//! early kernel reads it, measures the result and hands it over; the kernel proper does not read it
//! again.
//!
//! What counts is the command line that the boot loader gave, as it is measured. A line built into
//! the kernel or one from bootconfig is not looked at; the default for the former is the kernel's
//! configuration.

use super::bytes::Writer;

/// The name of the option, up to its value.
const OPTION: &[u8] = b"slaunch_efi";

/// What the text of the settings begins with.
const PREFIX: &[u8] = b"EFI gate: ";

/// Bytes of the longest text: the prefix, `isolate,disable,smm=allow,svam=identity`, and a reserve.
const TEXT_SIZE: usize = 64;

/// What stands between the kernel and the firmware, the safest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Mode {
    /// Runtime services are not available.
    Off = 0,
    /// Firmware runs in user mode, in an address space of its own.
    Isolate = 1,
    /// Native calls; the state of the system is compared after each.
    Verify = 2,
    /// Native calls; the runtime code was measured at the launch.
    Trust = 3,
}

/// What follows a violation once it is on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Policy {
    /// The kernel panics.
    Panic = 0,
    /// There are no runtime services any more; the caller gets an error.
    Disable = 1,
}

/// How much is compared after each call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Depth {
    /// Everything.
    Full = 0,
    /// Everything but the digests of text and read-only data, which are due every so many calls.
    Fast = 1,
}

/// Whether firmware that runs in user mode may have the processor enter system management mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Smm {
    /// It may not: there are no services that need it.
    Deny = 0,
    /// It may, as often as a call needs it.
    Allow = 1,
}

/// What firmware that runs in user mode is told about addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Svam {
    /// What the kernel knows to be right for the machine: [`Svam::None`] unless it knows better.
    Auto = 0,
    /// Nothing: it goes on with physical ones.
    None = 1,
    /// `SetVirtualAddressMap()`, in user mode too, with virtual addresses that are the physical
    /// ones.
    Identity = 2,
}

/// The settings of the gate. Those that a mode does not have are as in [`Gate::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The mode.
    pub mode: Mode,
    /// What follows a violation.
    pub policy: Policy,
    /// How much is compared. Not of [`Mode::Isolate`].
    pub depth: Depth,
    /// Whether system management mode may be entered. Only of [`Mode::Isolate`].
    pub smm: Smm,
    /// What firmware is told about addresses. Only of [`Mode::Isolate`].
    pub svam: Svam,
}

impl Mode {
    /// All modes, the safest first.
    pub const ALL: [Self; 4] = [Self::Off, Self::Isolate, Self::Verify, Self::Trust];

    /// The name, as in the option.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Isolate => "isolate",
            Self::Verify => "verify",
            Self::Trust => "trust",
        }
    }

    /// The mode with this name.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.name().as_bytes() == name)
    }
}

/// Takes `value` for a word that may be there once, and nowhere but where `allowed`.
fn once<T>(slot: &mut Option<T>, value: T, allowed: bool) -> Option<()> {
    match (slot.replace(value), allowed) {
        (None, true) => Some(()),
        _ => None,
    }
}

impl Gate {
    /// The mode `mode`, with the safest of everything else.
    ///
    /// Firmware in user mode could not have changed anything when it is found out: there the kernel
    /// goes on without it. It also may enter system management mode there. What runs in that mode
    /// is beyond any kernel in all modes of the gate but [`Mode::Off`], and where variables are
    /// kept by it there is no other way to them; that it was allowed is in the measurement.
    pub const fn new(mode: Mode) -> Self {
        Self {
            mode,
            policy: match mode {
                Mode::Isolate => Policy::Disable,
                _ => Policy::Panic,
            },
            depth: Depth::Full,
            smm: Smm::Allow,
            svam: Svam::Auto,
        }
    }

    /// The settings that the command line `line` asks for, or the mode `default` if it does not
    /// say.
    ///
    /// As for other options of the kernel the last one counts, `-` in the name is as good as `_`,
    /// and what follows a `--` is for init. Quotes have no meaning here: with one the value is not
    /// known, so the mode is [`Mode::Off`].
    pub fn from_cmdline(line: &[u8], default: Mode) -> Self {
        let mut gate = Self::new(default);
        for word in line.split(|&byte| is_space(byte)) {
            if word == b"--" {
                break;
            }
            if let Some(value) = value_of(word) {
                gate = Self::parse(value);
            }
        }
        gate
    }

    /// Reads the value of the option.
    ///
    /// A value with a word that is not known, with none, or with two about the same is
    /// [`Mode::Off`]: whoever wanted something has no less safety than asked for.
    pub fn parse(value: &[u8]) -> Self {
        Self::words(value, Self::new).unwrap_or(Self::new(Mode::Off))
    }

    /// Reads a mode and words about it. What they do not say is as in the settings that `other`
    /// gives for the mode. [`None`] if it is nothing of the kind.
    pub(super) fn words(value: &[u8], other: impl FnOnce(Mode) -> Self) -> Option<Self> {
        let mut words = value.split(|&byte| byte == b',');
        let mode = Mode::from_name(words.next()?)?;
        let isolate = mode == Mode::Isolate;
        let (mut policy, mut depth, mut smm, mut svam) = (None, None, None, None);
        for word in words {
            match word {
                b"panic" => once(&mut policy, Policy::Panic, true),
                b"disable" => once(&mut policy, Policy::Disable, true),
                b"full" => once(&mut depth, Depth::Full, !isolate),
                b"fast" => once(&mut depth, Depth::Fast, !isolate),
                b"smm=deny" => once(&mut smm, Smm::Deny, isolate),
                b"smm=allow" => once(&mut smm, Smm::Allow, isolate),
                b"svam=auto" => once(&mut svam, Svam::Auto, isolate),
                b"svam=none" => once(&mut svam, Svam::None, isolate),
                b"svam=identity" => once(&mut svam, Svam::Identity, isolate),
                _ => None,
            }?;
        }
        let other = other(mode);
        Some(Self {
            mode,
            policy: policy.unwrap_or(other.policy),
            depth: depth.unwrap_or(other.depth),
            smm: smm.unwrap_or(other.smm),
            svam: svam.unwrap_or(other.svam),
        })
    }

    /// As a number, for the hand-over; 0 is none.
    pub const fn to_bits(self) -> u32 {
        let low = match self.mode {
            Mode::Isolate => (self.svam as u32) << 1 | self.smm as u32,
            _ => self.depth as u32,
        };
        1 << 31 | (self.mode as u32) << 16 | (self.policy as u32) << 8 | low
    }

    /// From that number.
    pub const fn from_bits(bits: u32) -> Option<Self> {
        let [low, policy, mode, known] = bits.to_le_bytes();
        if known != 0x80 {
            return None;
        }
        let mut gate = Self::new(match mode {
            0 => Mode::Off,
            1 => Mode::Isolate,
            2 => Mode::Verify,
            3 => Mode::Trust,
            _ => return None,
        });
        gate.policy = match policy {
            0 => Policy::Panic,
            1 => Policy::Disable,
            _ => return None,
        };
        match (gate.mode, low) {
            (Mode::Isolate, _) => {
                gate.smm = match low & 1 {
                    0 => Smm::Deny,
                    _ => Smm::Allow,
                };
                gate.svam = match low >> 1 {
                    0 => Svam::Auto,
                    1 => Svam::None,
                    2 => Svam::Identity,
                    _ => return None,
                };
            }
            (_, 0) => gate.depth = Depth::Full,
            (_, 1) => gate.depth = Depth::Fast,
            _ => return None,
        }
        Some(gate)
    }

    /// The words of the option that stand for these settings, as they are measured.
    pub fn words_of(self) -> impl Iterator<Item = &'static str> {
        let policy = match self.policy {
            Policy::Panic => "panic",
            Policy::Disable => "disable",
        };
        let depth = match self.depth {
            Depth::Full => "full",
            Depth::Fast => "fast",
        };
        let smm = match self.smm {
            Smm::Deny => "smm=deny",
            Smm::Allow => "smm=allow",
        };
        let svam = match self.svam {
            Svam::Auto => "svam=auto",
            Svam::None => "svam=none",
            Svam::Identity => "svam=identity",
        };
        let (third, fourth) = match self.mode {
            Mode::Isolate => (smm, Some(svam)),
            _ => (depth, None),
        };
        let words = [Some(self.mode.name()), Some(policy), Some(third), fourth];
        // The core library's iterator over arrays by value has assertions, which freestanding code
        // must not reach in any configuration.
        (0..words.len()).filter_map(move |i| words.get(i).copied().flatten())
    }

    /// The settings as text, `EFI gate: verify,panic,full`: what is measured.
    pub fn text(self) -> Text {
        let mut bytes = [0; TEXT_SIZE];
        let mut writer = Writer::new(&mut bytes);
        writer.put(PREFIX);
        let mut first = true;
        for word in self.words_of() {
            if !first {
                writer.u8(b',');
            }
            first = false;
            writer.put(word.as_bytes());
        }
        let used = writer.finish().unwrap_or(0);
        Text { bytes, used }
    }
}

/// Settings as text.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    bytes: [u8; TEXT_SIZE],
    used: usize,
}

impl Text {
    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or(&self.bytes)
    }
}

/// What the kernel takes for space (`isspace()`).
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r' | 0xa0)
}

/// The value if `word` is the option. Without a value it is empty, which no mode is called.
fn value_of(word: &[u8]) -> Option<&[u8]> {
    // The kernel takes a quote off here; a value with one behind it is wrong, but it is ours.
    let word = word.strip_prefix(b"\"").unwrap_or(word);
    let (name, rest) = word.split_at_checked(OPTION.len())?;
    let same = |(&byte, &wanted): (&u8, &u8)| byte == wanted || (byte == b'-' && wanted == b'_');
    if !name.iter().zip(OPTION).all(same) {
        return None;
    }
    match rest.split_first() {
        None => Some(rest),
        Some((b'=', value)) => Some(value),
        Some(_) => None,
    }
}
