// SPDX-License-Identifier: GPL-2.0

//! The part of a log that is good for more than showing it: all before the first damage.

use anyhow::{bail, Result};
use tpm_core::{Event, LogError, LogReader};

use super::walk::{end, explain};

/// A log whose events were read once, up to the first that is damaged.
#[derive(Clone, Copy, Debug)]
pub struct Readable<'a> {
    reader: LogReader<'a>,
    count: usize,
    damage: Option<LogError>,
    missing: usize,
}

impl<'a> Readable<'a> {
    /// Reads a log.
    ///
    /// # Errors
    ///
    /// Its header is damaged: nothing is known of the events.
    pub fn new(bytes: &'a [u8]) -> Result<Self> {
        let reader = match LogReader::whole(bytes) {
            Ok(reader) => reader,
            Err(error) => bail!("the log cannot be read: {}", explain(error)),
        };
        let (end, missing) = end(&reader, bytes);
        // The header was good a moment ago, and is not behind the end.
        let used = bytes.get(..end).unwrap_or(bytes);
        let reader = LogReader::whole(used).unwrap_or(reader);
        let mut count = 0usize;
        let mut damage = None;
        for event in reader.events() {
            match event {
                Ok(_) => count = count.saturating_add(1),
                Err(error) => damage = Some(error),
            }
        }
        Ok(Self {
            reader,
            count,
            damage,
            missing,
        })
    }

    /// What is wrong with the log behind the events.
    pub fn problem(&self) -> Option<String> {
        let number = self.count;
        match (self.damage, self.missing) {
            (Some(error), _) => Some(format!(
                "the log is damaged behind {number} events: {}",
                explain(error)
            )),
            (None, missing @ 1..) => Some(format!(
                "the log says that it goes on for {missing} bytes behind {number} events"
            )),
            (None, 0) => None,
        }
    }

    /// The banks, as TPM_ALG_ID.
    pub fn banks(&self) -> impl Iterator<Item = u16> + '_ {
        self.reader.banks().iter().map(|alg| alg.id())
    }

    /// Number of events.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// The events, in order.
    pub fn events(&self) -> impl Iterator<Item = Event<'a>> + use<'a> {
        self.reader.events().map_while(Result::ok)
    }
}
