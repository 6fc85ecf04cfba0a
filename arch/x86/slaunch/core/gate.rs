// SPDX-License-Identifier: GPL-2.0

//! The gate around EFI runtime services: its modes, and the option that chooses one.
//!
//! `slaunch_efi=MODE[,panic|disable][,full|fast]` on the kernel's command line. The early kernel
//! reads it, measures the result and hands it over; the kernel proper does not read it again.
//!
//! What counts is the command line that the boot loader gave, as it is measured. A line built into
//! the kernel or one from bootconfig is not looked at; the default for the former is the kernel's
//! configuration.

use super::bytes::Writer;

/// The name of the option, up to its value.
const OPTION: &[u8] = b"slaunch_efi";

/// What the text of the settings begins with.
const PREFIX: &[u8] = b"EFI gate: ";

/// Bytes of the longest text: the prefix, `verify,disable,full`, and a reserve.
const TEXT_SIZE: usize = 32;

/// What stands between the kernel and the firmware. The order is that of safety: the first is the
/// safest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Mode {
    /// Runtime services are not available.
    Off = 0,
    /// Native calls; the state of the system is compared after each.
    Verify = 2,
    /// Native calls; the runtime code was measured at the launch.
    Trust = 3,
}

/// What follows a violation once it is on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Policy {
    /// The kernel panics.
    Panic = 0,
    /// There are no runtime services any more; the caller gets an error.
    Disable = 1,
}

/// How much is compared after each call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Depth {
    /// Everything.
    Full = 0,
    /// Everything but the digests of text and read-only data, which are due every so many calls.
    Fast = 1,
}

impl Depth {
    /// The depth in [`Gate::to_bits`]; the greater one in bits that are no settings.
    pub const fn of_bits(bits: u32) -> Self {
        match bits & 0xff {
            1 => Self::Fast,
            _ => Self::Full,
        }
    }
}

/// The settings of the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The mode.
    pub mode: Mode,
    /// What follows a violation.
    pub policy: Policy,
    /// How much is compared.
    pub depth: Depth,
}

impl Mode {
    /// All modes, the safest first.
    pub const ALL: [Self; 3] = [Self::Off, Self::Verify, Self::Trust];

    /// The name, as in the option.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
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

impl Gate {
    /// The mode `mode`, with the safest of everything else.
    pub const fn new(mode: Mode) -> Self {
        Self {
            mode,
            policy: Policy::Panic,
            depth: Depth::Full,
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
        Self::words(value).unwrap_or(Self::new(Mode::Off))
    }

    fn words(value: &[u8]) -> Option<Self> {
        let mut words = value.split(|&byte| byte == b',');
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
            policy: policy.unwrap_or(Policy::Panic),
            depth: depth.unwrap_or(Depth::Full),
        })
    }

    /// As a number, for the hand-over; 0 is none.
    pub const fn to_bits(self) -> u32 {
        1 << 31 | (self.mode as u32) << 16 | (self.policy as u32) << 8 | self.depth as u32
    }

    /// From that number.
    pub const fn from_bits(bits: u32) -> Option<Self> {
        let [depth, policy, mode, known] = bits.to_le_bytes();
        if known != 0x80 {
            return None;
        }
        Some(Self {
            mode: match mode {
                0 => Mode::Off,
                2 => Mode::Verify,
                3 => Mode::Trust,
                _ => return None,
            },
            policy: match policy {
                0 => Policy::Panic,
                1 => Policy::Disable,
                _ => return None,
            },
            depth: match depth {
                0 => Depth::Full,
                1 => Depth::Fast,
                _ => return None,
            },
        })
    }

    /// The words of the option that stand for these settings, as they are measured.
    pub fn words_of(self) -> [&'static str; 3] {
        let policy = match self.policy {
            Policy::Panic => "panic",
            Policy::Disable => "disable",
        };
        let depth = match self.depth {
            Depth::Full => "full",
            Depth::Fast => "fast",
        };
        [self.mode.name(), policy, depth]
    }

    /// The settings as text, `EFI gate: verify,panic,full`: what is measured.
    pub fn text(self) -> Text {
        let mut bytes = [0; TEXT_SIZE];
        let mut writer = Writer::new(&mut bytes);
        writer.put(PREFIX);
        let [mode, policy, depth] = self.words_of();
        writer.put(mode.as_bytes());
        for word in [policy, depth] {
            writer.u8(b',');
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
