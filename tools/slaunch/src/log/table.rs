// SPDX-License-Identifier: GPL-2.0

//! A log as lines for people.
//!
//! Written line by line, not laid out as a whole: the columns that matter have a fixed width, and a log of a
//! hundred thousand events takes no more memory than one of ten.

use std::io::Write;

use anyhow::Result;
use tpm_core::Event;

use crate::bank;
use crate::out::{is_text, Paint};

use super::names::type_name;
use super::show::{push_hex, Filter};
use super::walk::{explain, Header, Item, Sink, Summary};

/// Bytes of data that are shown if they are text, and if not.
const MOST_TEXT: usize = 1024;
const MOST_BINARY: usize = 32;

/// A [`Sink`] that writes lines.
pub(super) struct Table<'a> {
    out: &'a mut dyn Write,
    paint: Paint,
    filter: &'a Filter,
    line: Vec<u8>,
}

impl<'a> Table<'a> {
    pub(super) fn new(out: &'a mut dyn Write, paint: Paint, filter: &'a Filter) -> Self {
        Self {
            out,
            paint,
            filter,
            line: Vec::new(),
        }
    }

    fn write(&mut self, text: &str) -> Result<()> {
        Ok(writeln!(self.out, "{text}")?)
    }

    fn event(&mut self, number: usize, event: &Event<'_>) -> Result<()> {
        let line = &mut self.line;
        line.clear();
        write!(line, "{number:4}  {:3}  ", event.pcr)?;
        match type_name(event.event_type) {
            Some(name) => write!(line, "{name:16}  ")?,
            None => write!(line, "{:<#16x}  ", event.event_type)?,
        }
        push_data(line, event.data);
        while line.last() == Some(&b' ') {
            line.pop();
        }
        line.push(b'\n');
        for (id, digest) in self.filter.digests(event) {
            write!(line, "             {:9} ", bank::name(id))?;
            push_hex(line, digest);
            line.push(b'\n');
        }
        self.out.write_all(line)?;
        Ok(())
    }

    /// Writes what there is to say behind the events.
    pub(super) fn end(&mut self, summary: &Summary) -> Result<()> {
        if summary.missing > 0 {
            let line = format!("the log says that it goes on for {} bytes", summary.missing);
            self.write(&self.paint.bad(line))?;
        }
        if summary.behind > 0 {
            let line = format!(
                "behind the end are {} bytes that are not zero",
                summary.behind
            );
            self.write(&self.paint.note(line))?;
        }
        if summary.damages > 0 {
            let line = format!(
                "{} events, of which {} come before the first damage",
                summary.events, summary.before_damage
            );
            self.write(&self.paint.note(line))?;
        }
        Ok(())
    }
}

/// Appends event data, as text where it is one.
fn push_data(line: &mut Vec<u8>, data: &[u8]) {
    if is_text(data) {
        let shown = data.get(..MOST_TEXT).unwrap_or(data);
        line.extend_from_slice(shown);
        if shown.len() < data.len() {
            let _ = write!(line, "... ({} bytes)", data.len());
        }
    } else if !data.is_empty() {
        let shown = data.get(..MOST_BINARY).unwrap_or(data);
        line.extend_from_slice(b"hex ");
        push_hex(line, shown);
        if shown.len() < data.len() {
            let _ = write!(line, "... ({} bytes)", data.len());
        }
    }
}

impl Sink for Table<'_> {
    fn begin(&mut self, header: &Header) -> Result<()> {
        let banks: Vec<_> = header.banks.iter().map(|id| bank::name(*id)).collect();
        let line = format!(
            "{} log, {} bytes, banks: {}",
            header.format.name(),
            header.bytes,
            banks.join(" ")
        );
        match header.damage {
            None => self.write(&self.paint.dim(line))?,
            Some(error) => {
                self.write(&self.paint.bad(format!("damaged log: {}", explain(error))))?
            }
        }
        self.write(&self.paint.head("   #  PCR  TYPE              EVENT"))
    }

    fn item(&mut self, item: Item<'_>) -> Result<()> {
        let damage = match item {
            Item::Event(_, event) if !self.filter.passes(&event) => return Ok(()),
            Item::Event(number, event) => return self.event(number, &event),
            Item::Damage(damage) => damage,
        };
        let line = format!(
            "damaged: {} bytes at offset {}: {}",
            damage.length,
            damage.offset,
            explain(damage.why)
        );
        self.write(&self.paint.bad(line))?;
        let mut head = b"                        hex ".to_vec();
        push_hex(&mut head, damage.head);
        if damage.head.len() < damage.length {
            head.extend_from_slice(b"...");
        }
        self.write(&self.paint.dim(String::from_utf8_lossy(&head)))
    }
}
