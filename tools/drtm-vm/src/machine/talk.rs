// SPDX-License-Identifier: GPL-2.0
//! A conversation with the guest over its serial ports.

use std::time::Duration;

use super::progress::{unexpected, Event};
use super::Machine;
use crate::console::{guest_files, plain};
use crate::error::Result;
use crate::outcome::Outcome;
use crate::wait::Deadline;

/// What came of waiting for a line.
#[derive(Debug)]
pub enum Heard {
    /// The rest of the line, after the text that was waited for.
    Line(String),
    /// The run ended before.
    Ended(Outcome),
}

impl Machine {
    /// Lets the guest run until it has printed a line that has `text` in it, whole and after
    /// `from`. `from` is moved past that line; start with 0. A guest that does not print it within
    /// `limit` has ended by [`Outcome::Hang`].
    pub fn wait_line(&mut self, from: &mut usize, text: &str, limit: Duration) -> Heard {
        let mut line = String::new();
        let heard = self.run_until(limit, |machine| {
            let new = machine.qemu.console.since(*from);
            for piece in new.split_inclusive(|byte| *byte == b'\n') {
                if !piece.ends_with(b"\n") {
                    break;
                }
                *from += piece.len();
                if let Some((_, rest)) = plain(piece).split_once(text) {
                    line = rest.trim_end().to_owned();
                    return true;
                }
            }
            false
        });
        match heard {
            Ok(()) => Heard::Line(line),
            Err(outcome) => Heard::Ended(outcome),
        }
    }

    /// Lets the guest run until it has handed over all its files, which are in [`Machine::files`]
    /// then. For a guest whose way to the power-off does not matter; the outcome is an error.
    pub fn wait_files(&mut self, limit: Duration) -> std::result::Result<(), Outcome> {
        const END: &[u8] = b"\nSLEND\n";
        self.run_until(limit, |machine| {
            let bytes = machine.qemu.files.bytes();
            bytes.windows(END.len()).any(|window| window == END)
        })?;
        self.files = guest_files(&self.qemu.files.bytes());
        Ok(())
    }

    fn run_until(
        &mut self,
        limit: Duration,
        mut done: impl FnMut(&Machine) -> bool,
    ) -> std::result::Result<(), Outcome> {
        let outcome = match self.try_until(limit, &mut done) {
            Ok(None) => return Ok(()),
            Ok(Some(outcome)) => outcome,
            Err(error) => self.blame(error),
        };
        self.conclude(&outcome);
        Err(outcome)
    }

    fn try_until(
        &mut self,
        limit: Duration,
        done: &mut dyn FnMut(&Machine) -> bool,
    ) -> Result<Option<Outcome>> {
        let deadline = Deadline::after(limit);
        if !self.qemu.gdb.running() {
            self.qemu.gdb.resume()?;
        }
        while !done(self) {
            match self.turn(deadline)? {
                Event::Ended(outcome) => return Ok(Some(outcome)),
                Event::Stopped(stop) if self.watch.is_some() => {
                    self.observe(stop)?;
                    self.qemu.gdb.resume()?;
                }
                Event::Stopped(stop) => return Err(unexpected(stop)),
                Event::Nothing => {}
            }
        }
        Ok(None)
    }

    /// Types a line into the guest's console.
    pub fn type_line(&mut self, text: &str) -> Result<()> {
        self.qemu.console.send(format!("{text}\n").as_bytes())
    }
}
