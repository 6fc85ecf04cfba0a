// SPDX-License-Identifier: GPL-2.0
//! How a run ended, and on which side it failed.

use serde::Serialize;

use crate::amd::record::LaunchRecord;
use crate::error::{Error, Side};

/// End of a run.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Outcome {
    /// The guest switched the machine off.
    PoweredOff,
    /// The guest reset the machine, or a CPU shut down.
    Reset {
        /// The launch record found in guest memory, if a launch took place and one is there.
        record: Option<LaunchRecord>,
    },
    /// Nothing ended the run in time.
    Hang {
        /// Seconds waited.
        seconds: u64,
        /// What the guest was doing, as far as it can be told.
        state: String,
        /// The launch record, as for a reset.
        record: Option<LaunchRecord>,
    },
    /// The launch instruction was executed in a way that silicon rejects.
    IllFormedLaunch {
        /// `#UD`, `#GP(0)`, or `rejected` where silicon leaves the result undefined.
        fault: &'static str,
        /// Why.
        what: String,
    },
    /// The guest broke a rule of the launch after the instruction.
    Violation {
        /// Which rule, and how.
        what: String,
    },
    /// The model itself failed.
    ModelError {
        /// Why.
        what: String,
    },
    /// The machine this runs on failed: files, programs, signals.
    HostError {
        /// Why.
        what: String,
    },
    /// QEMU ended or does not answer.
    QemuDied {
        /// Why.
        what: String,
    },
    /// The TPM emulator ended or does not answer.
    SwtpmDied {
        /// Why.
        what: String,
    },
}

impl Outcome {
    /// The side that failed; `None` when the guest ended the run by itself in an orderly way.
    pub fn failed_side(&self) -> Option<Side> {
        match self {
            Outcome::PoweredOff => None,
            Outcome::Reset { .. }
            | Outcome::Hang { .. }
            | Outcome::IllFormedLaunch { .. }
            | Outcome::Violation { .. } => Some(Side::Guest),
            Outcome::ModelError { .. } => Some(Side::Model),
            Outcome::HostError { .. } => Some(Side::Host),
            Outcome::QemuDied { .. } => Some(Side::Qemu),
            Outcome::SwtpmDied { .. } => Some(Side::Swtpm),
        }
    }

    /// One line for people.
    pub fn summary(&self) -> String {
        let text = match self {
            Outcome::PoweredOff => return "the guest powered off".into(),
            Outcome::Reset { record: None } => "the machine was reset, no launch record".into(),
            Outcome::Reset {
                record: Some(record),
            } => format!("the machine was reset; {}", record.summary()),
            Outcome::Hang { seconds, state, .. } => {
                format!("no end after {seconds} s; {state}")
            }
            Outcome::IllFormedLaunch { fault, what } => {
                format!("the guest's SKINIT is ill-formed ({fault}): {what}")
            }
            Outcome::Violation { what } => format!("launch violation: {what}"),
            Outcome::ModelError { what }
            | Outcome::HostError { what }
            | Outcome::QemuDied { what }
            | Outcome::SwtpmDied { what } => what.clone(),
        };
        match self.failed_side() {
            Some(side) => format!("{side}: {text}"),
            None => text,
        }
    }
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        let what = error.what;
        match error.side {
            Side::Guest => Outcome::Violation { what },
            Side::Qemu => Outcome::QemuDied { what },
            Side::Swtpm => Outcome::SwtpmDied { what },
            Side::Model => Outcome::ModelError { what },
            Side::Host => Outcome::HostError { what },
        }
    }
}
