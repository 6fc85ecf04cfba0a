// SPDX-License-Identifier: GPL-2.0
//! Errors that say which side of the machine failed.

use std::fmt;

use serde::Serialize;

/// The part of a modelled machine that an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The software under test: stub, loader block or kernel.
    Guest,
    /// The QEMU process or one of its sockets.
    Qemu,
    /// The TPM emulator.
    Swtpm,
    /// This program: a wrong assumption or an unsupported situation.
    Model,
    /// The machine the model runs on: files, missing programs, limits.
    Host,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Guest => "guest",
            Side::Qemu => "QEMU",
            Side::Swtpm => "swtpm",
            Side::Model => "model",
            Side::Host => "host",
        })
    }
}

/// A failure, with the side it is blamed on.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{side}: {what}")]
pub struct Error {
    /// Which side failed.
    pub side: Side,
    /// What happened, one line.
    pub what: String,
}

impl Error {
    /// An error of `side`.
    pub fn new(side: Side, what: impl Into<String>) -> Self {
        Error {
            side,
            what: what.into(),
        }
    }
}

/// Result with the crate's error.
pub type Result<T> = std::result::Result<T, Error>;

/// Attaches a side and a context to any error.
pub trait Blame<T> {
    /// Turns the error into one of `side`, prefixed with `context`.
    fn blame(self, side: Side, context: impl fmt::Display) -> Result<T>;
}

impl<T, E: fmt::Display> Blame<T> for std::result::Result<T, E> {
    fn blame(self, side: Side, context: impl fmt::Display) -> Result<T> {
        self.map_err(|e| Error::new(side, format!("{context}: {e}")))
    }
}
