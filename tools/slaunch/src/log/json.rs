// SPDX-License-Identifier: GPL-2.0

//! A log as JSON, written event by event.

use std::io::Write;

use anyhow::Result;
use tpm_core::Event;

use crate::bank;
use crate::out::is_text;

use super::names::type_name;
use super::show::{push_hex, Filter, Shower};
use super::walk::{explain, Header, Item, Sink, Summary};

/// A [`Shower`] of JSON.
pub(super) struct Json<'a> {
    out: &'a mut dyn Write,
    line: Vec<u8>,
    first: bool,
}

impl<'a> Json<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self {
            out,
            line: Vec::new(),
            first: true,
        }
    }

    /// Begins an element of the list.
    fn next(&mut self) {
        self.line.clear();
        self.line
            .extend_from_slice(if self.first { b"\n  " } else { b",\n  " });
        self.first = false;
    }

    fn put(&mut self) -> Result<()> {
        Ok(self.out.write_all(&self.line)?)
    }
}

/// A text as JSON has it. What comes here is ASCII without control characters.
pub(super) fn push_string(line: &mut Vec<u8>, text: &[u8]) {
    line.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            line.push(b'\\');
        }
        line.push(*byte);
    }
    line.push(b'"');
}

impl Sink for Json<'_> {
    fn begin(&mut self, header: &Header) -> Result<()> {
        let names: Vec<_> = header.banks.iter().map(|id| bank::name(*id)).collect();
        let damage = header.damage.map(explain);
        write!(
            self.out,
            "{{\n\"format\": \"{}\",\n\"bytes\": {},\n\"banks\": {},\n\"header_damage\": {},\n\"events\": [",
            header.format.name(),
            header.bytes,
            serde_json::to_string(&names)?,
            serde_json::to_string(&damage)?,
        )?;
        Ok(())
    }

    fn item(&mut self, item: Item<'_>) -> Result<()> {
        let Item::Damage(damage) = item else {
            return Ok(());
        };
        self.next();
        let line = &mut self.line;
        write!(
            line,
            "{{\"damaged\": \"{}\", \"offset\": {}, \"length\": {}, \"head\": \"",
            explain(damage.why),
            damage.offset,
            damage.length
        )?;
        push_hex(line, damage.head);
        line.extend_from_slice(b"\"}");
        self.put()
    }
}

impl Shower for Json<'_> {
    fn event(&mut self, number: usize, event: &Event<'_>, filter: &Filter) -> Result<()> {
        self.next();
        let line = &mut self.line;
        write!(
            line,
            "{{\"number\": {number}, \"offset\": {}, \"pcr\": {}, \"type\": {}, \"type_name\": ",
            event.offset, event.pcr, event.event_type
        )?;
        match type_name(event.event_type) {
            Some(name) => write!(line, "\"{name}\"")?,
            None => line.extend_from_slice(b"null"),
        }
        line.extend_from_slice(b", \"digests\": {");
        let mut comma = "";
        for (id, digest) in filter.digests(event) {
            write!(line, "{comma}\"{}\": \"", bank::name(id))?;
            push_hex(line, digest);
            line.push(b'"');
            comma = ", ";
        }
        line.extend_from_slice(b"}, \"data\": \"");
        push_hex(line, event.data);
        line.push(b'"');
        if is_text(event.data) {
            line.extend_from_slice(b", \"text\": ");
            push_string(line, event.data);
        }
        line.push(b'}');
        self.put()
    }

    fn end(&mut self, summary: &Summary) -> Result<()> {
        write!(
            self.out,
            "\n],\n\"event_count\": {},\n\"damages\": {},\n\"bytes_missing\": {},\n\"bytes_behind\": {}\n}}\n",
            summary.events, summary.damages, summary.missing, summary.behind
        )?;
        Ok(())
    }
}
