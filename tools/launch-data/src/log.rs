// SPDX-License-Identifier: GPL-2.0

//! The event log as the checks see it, and its replay.

use std::fmt;

use anyhow::{ensure, Context, Result};
use tpm_core::{LogFormat, LogReader, EV_NO_ACTION};

use crate::digest::Alg;

/// One event; what it claims is not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub pcr: u32,
    pub event_type: u32,
    pub digests: Vec<(Alg, Vec<u8>)>,
    pub data: Vec<u8>,
}

impl Event {
    /// The event data as text.
    pub fn label(&self) -> String {
        self.data.escape_ascii().to_string()
    }

    /// The digest of one bank.
    pub fn digest(&self, alg: Alg) -> Result<&[u8]> {
        self.digests
            .iter()
            .find(|(a, _)| *a == alg)
            .map(|(_, digest)| &**digest)
            .with_context(|| format!("\"{}\" has no {} digest", self.label(), alg.name()))
    }
}

/// A parsed log.
#[derive(Clone, Debug)]
pub struct Log {
    pub format: LogFormat,
    pub banks: Vec<Alg>,
    pub events: Vec<Event>,
}

impl Log {
    /// Parses a log: crypto-agile, or the container of a TPM 1.2 log.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let reader =
            LogReader::whole(bytes).map_err(|e| anyhow::anyhow!("event log: header: {e:?}"))?;
        let banks = reader
            .banks()
            .iter()
            .map(|alg| Alg::from_id(alg.id()))
            .collect::<Result<_>>()?;
        let mut events = Vec::new();
        for event in reader.events() {
            let event =
                event.map_err(|e| anyhow::anyhow!("event log: event {}: {e:?}", events.len()))?;
            events.push(Event {
                pcr: event.pcr,
                event_type: event.event_type,
                digests: event
                    .digests
                    .iter()
                    .map(|(id, value)| Ok((Alg::from_id(id)?, value.to_vec())))
                    .collect::<Result<_>>()?,
                data: event.data.to_vec(),
            });
        }
        Ok(Self {
            format: reader.log_format(),
            banks,
            events,
        })
    }

    /// What a PCR that a launch reset to zero holds after all events.
    pub fn replay(&self, alg: Alg, pcr: u32) -> Result<Vec<u8>> {
        let mut value = vec![0; alg.size()];
        for event in &self.events {
            if event.pcr == pcr && event.event_type != EV_NO_ACTION {
                value = alg.extend(&value, event.digest(alg)?);
            }
        }
        Ok(value)
    }

    /// The events with this label.
    pub fn labelled<'a, 'l>(
        &'a self,
        label: &'l str,
    ) -> impl Iterator<Item = &'a Event> + use<'a, 'l> {
        self.events
            .iter()
            .filter(move |event| event.data == label.as_bytes())
    }

    /// The one event with this label.
    pub fn only(&self, label: &str) -> Result<&Event> {
        let mut all = self.labelled(label);
        let event = all
            .next()
            .with_context(|| format!("the log has no event \"{label}\""))?;
        ensure!(all.next().is_none(), "two events \"{label}\"");
        Ok(event)
    }

    /// The events that differ from those of `other`, by label; both logs must have the same shape.
    pub fn changed(&self, other: &Self) -> Result<Vec<String>> {
        let shape = |log: &Self| -> Vec<_> {
            let events = log.events.iter();
            events
                .map(|e| (e.pcr, e.event_type, e.data.clone()))
                .collect()
        };
        ensure!(shape(self) == shape(other), "the logs differ in shape");
        let pairs = self.events.iter().zip(&other.events);
        Ok(pairs
            .filter(|(a, b)| a != b)
            .map(|(a, _)| a.label())
            .collect())
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = match self.format {
            LogFormat::Tpm12 => "TPM 1.2",
            LogFormat::Agile => "crypto-agile",
        };
        let banks: Vec<_> = self.banks.iter().map(|alg| alg.name()).collect();
        writeln!(f, "{format} log, banks: {}", banks.join(", "))?;
        for (n, event) in self.events.iter().enumerate() {
            writeln!(
                f,
                "{n:3}  PCR {:2}  {:#05x}  {}",
                event.pcr,
                event.event_type,
                event.label()
            )?;
            for (alg, digest) in &event.digests {
                writeln!(f, "       {:7} {}", alg.name(), hex::encode(digest))?;
            }
        }
        Ok(())
    }
}
