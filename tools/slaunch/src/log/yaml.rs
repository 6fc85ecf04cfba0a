// SPDX-License-Identifier: GPL-2.0

//! A log as YAML, written event by event: the names and values of the JSON.

use std::io::Write;

use anyhow::Result;
use tpm_core::Event;

use crate::bank;
use crate::out::is_text;

use super::json::push_string;
use super::names::type_name;
use super::show::{push_hex, Filter, Shower};
use super::walk::{explain, Header, Item, Sink, Summary};

/// A [`Shower`] of YAML.
pub(super) struct Yaml<'a> {
    out: &'a mut dyn Write,
    line: Vec<u8>,
    empty: bool,
}

impl<'a> Yaml<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self {
            out,
            line: Vec::new(),
            empty: true,
        }
    }

    fn next(&mut self) {
        self.line.clear();
        if std::mem::replace(&mut self.empty, false) {
            self.line.extend_from_slice(b"events:\n");
        }
    }

    fn put(&mut self) -> Result<()> {
        Ok(self.out.write_all(&self.line)?)
    }
}

impl Sink for Yaml<'_> {
    fn begin(&mut self, header: &Header) -> Result<()> {
        writeln!(self.out, "---")?;
        writeln!(self.out, "format: \"{}\"", header.format.name())?;
        writeln!(self.out, "bytes: {}", header.bytes)?;
        let names: Vec<_> = header.banks.iter().map(|id| bank::name(*id)).collect();
        writeln!(self.out, "banks: {}", serde_json::to_string(&names)?)?;
        match header.damage {
            Some(error) => writeln!(self.out, "header_damage: \"{}\"", explain(error))?,
            None => writeln!(self.out, "header_damage: null")?,
        }
        Ok(())
    }

    fn item(&mut self, item: Item<'_>) -> Result<()> {
        let Item::Damage(damage) = item else {
            return Ok(());
        };
        self.next();
        let line = &mut self.line;
        writeln!(line, "- damaged: \"{}\"", explain(damage.why))?;
        writeln!(line, "  offset: {}", damage.offset)?;
        writeln!(line, "  length: {}", damage.length)?;
        line.extend_from_slice(b"  head: \"");
        push_hex(line, damage.head);
        line.extend_from_slice(b"\"\n");
        self.put()
    }
}

impl Shower for Yaml<'_> {
    fn event(&mut self, number: usize, event: &Event<'_>, filter: &Filter) -> Result<()> {
        self.next();
        let line = &mut self.line;
        writeln!(line, "- number: {number}")?;
        writeln!(line, "  offset: {}", event.offset)?;
        writeln!(line, "  pcr: {}", event.pcr)?;
        writeln!(line, "  type: {}", event.event_type)?;
        match type_name(event.event_type) {
            Some(name) => writeln!(line, "  type_name: \"{name}\"")?,
            None => writeln!(line, "  type_name: null")?,
        }
        let mut digests = filter.digests(event).peekable();
        let none = digests.peek().is_none();
        writeln!(line, "  digests:{}", if none { " {}" } else { "" })?;
        for (id, digest) in digests {
            write!(line, "    \"{}\": \"", bank::name(id))?;
            push_hex(line, digest);
            line.extend_from_slice(b"\"\n");
        }
        line.extend_from_slice(b"  data: \"");
        push_hex(line, event.data);
        line.extend_from_slice(b"\"\n");
        if is_text(event.data) {
            line.extend_from_slice(b"  text: ");
            push_string(line, event.data);
            line.push(b'\n');
        }
        self.put()
    }

    fn end(&mut self, summary: &Summary) -> Result<()> {
        if self.empty {
            writeln!(self.out, "events: []")?;
        }
        writeln!(self.out, "event_count: {}", summary.events)?;
        writeln!(self.out, "damages: {}", summary.damages)?;
        writeln!(self.out, "bytes_missing: {}", summary.missing)?;
        writeln!(self.out, "bytes_behind: {}", summary.behind)?;
        Ok(())
    }
}
