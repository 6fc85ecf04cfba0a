// SPDX-License-Identifier: GPL-2.0

//! Hands files to the host over the second serial port.
//!
//! Each file is a line `SLFILE <name> <length>`, that many bytes, and a line
//! feed; `SLEND` closes the stream, so that the host knows it has everything.

use std::fs::{File, OpenOptions};
use std::io::Write;

use anyhow::{Context, Result};
use rustix::termios::{tcdrain, tcgetattr, tcsetattr, OptionalActions};

const PORT: &str = "/dev/ttyS1";

/// The open port, in raw mode.
pub(crate) struct Port(File);

impl Port {
    /// Opens the port and switches off all translation of bytes.
    pub(crate) fn open() -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(PORT)
            .with_context(|| format!("{PORT}: the host gave this guest no second serial port"))?;
        let mut mode = tcgetattr(&file)?;
        mode.make_raw();
        tcsetattr(&file, OptionalActions::Now, &mode)?;
        Ok(Self(file))
    }

    /// Sends one file.
    pub(crate) fn send(&mut self, name: &str, data: &[u8]) -> Result<()> {
        self.0
            .write_all(format!("SLFILE {name} {}\n", data.len()).as_bytes())
            .and_then(|()| self.0.write_all(data))
            .and_then(|()| self.0.write_all(b"\n"))
            .with_context(|| format!("{PORT}: sending {name}"))
    }

    /// Marks the end and waits until the last byte has left.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.0.write_all(b"SLEND\n")?;
        tcdrain(&self.0)?;
        Ok(())
    }
}
