// SPDX-License-Identifier: GPL-2.0

//! What the program tells by its exit code.

use std::process::ExitCode;

/// The answer to what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was done, or the answer is yes.
    Yes,
    /// The answer is no: not launched, not equal, refused.
    No,
}

impl Answer {
    /// "Yes" if `good`.
    pub const fn of(good: bool) -> Self {
        if good {
            Self::Yes
        } else {
            Self::No
        }
    }
}

/// Exit code for an input that cannot be read, or is not what it should be.
pub const INPUT: u8 = 3;

/// What each exit code means, for the man page. 2 is what the argument parser exits with.
pub const CODES: &[(u8, &str)] = &[
    (0, "done, or the answer is yes"),
    (
        1,
        "the answer is no: not launched, PCRs and log differ, quote refused",
    ),
    (2, "the command line was not understood"),
    (3, "an input could not be read, or is not what it should be"),
];

/// The same for `--help`.
pub const HELP: &str = "Exit codes:
  0  done, or the answer is yes
  1  the answer is no: not launched, PCRs and log differ, quote refused
  2  the command line was not understood
  3  an input could not be read, or is not what it should be";

impl From<Answer> for ExitCode {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Yes => Self::SUCCESS,
            Answer::No => Self::from(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_and_manual_agree() {
        let mut lines = HELP.lines().skip(1);
        for (code, meaning) in CODES {
            assert_eq!(lines.next(), Some(&*format!("  {code}  {meaning}")));
        }
        assert_eq!(lines.next(), None);
    }
}
