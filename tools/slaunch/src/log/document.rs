// SPDX-License-Identifier: GPL-2.0

//! A log as a document, for JSON and YAML: written event by event while the log is walked through.

use std::cell::Cell;

use anyhow::{anyhow, Result};
use serde::ser::{Error as _, SerializeMap, SerializeSeq, Serializer};
use serde::Serialize;
use tpm_core::Event;

use crate::bank;
use crate::out::is_text;

use super::names::type_name;
use super::show::{push_hex, Filter};
use super::walk::{explain, header, walk, Damage, Header, Item, Sink, Summary};

/// The document.
pub(super) struct Document<'a> {
    pub(super) log: &'a [u8],
    pub(super) filter: &'a Filter,
}

/// Its list.
struct Events<'a> {
    document: &'a Document<'a>,
    /// What there is to say behind the list.
    summary: Cell<Summary>,
}

/// In hexadecimal.
struct Bytes<'a>(&'a [u8]);

struct Digests<'a>(&'a Event<'a>, &'a Filter);

/// An element of the list: an event.
#[derive(Serialize)]
struct Row<'a> {
    number: usize,
    offset: usize,
    pcr: u32,
    r#type: u32,
    type_name: Option<&'static str>,
    digests: Digests<'a>,
    data: Bytes<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

/// An element of the list: what could not be read.
#[derive(Serialize)]
struct Gap<'a> {
    damaged: &'static str,
    offset: usize,
    length: usize,
    head: Bytes<'a>,
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let header = header(self.log);
        let banks: Vec<_> = header.banks.iter().map(|id| bank::name(*id)).collect();
        let events = Events {
            document: self,
            summary: Cell::default(),
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("format", header.format.name())?;
        map.serialize_entry("bytes", &header.bytes)?;
        map.serialize_entry("banks", &banks)?;
        map.serialize_entry("header_damage", &header.damage.map(explain))?;
        map.serialize_entry("events", &events)?;
        let summary = events.summary.get();
        map.serialize_entry("event_count", &summary.events)?;
        map.serialize_entry("damages", &summary.damages)?;
        map.serialize_entry("bytes_missing", &summary.missing)?;
        map.serialize_entry("bytes_behind", &summary.behind)?;
        map.end()
    }
}

impl Serialize for Events<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = List {
            filter: self.document.filter,
            seq: serializer.serialize_seq(None)?,
            failure: None,
        };
        match walk(self.document.log, &mut list) {
            Ok(summary) => self.summary.set(summary),
            Err(error) => return Err(list.failure.unwrap_or_else(|| S::Error::custom(error))),
        }
        list.seq.end()
    }
}

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut digits = Vec::with_capacity(self.0.len().saturating_mul(2));
        push_hex(&mut digits, self.0);
        serializer.serialize_str(std::str::from_utf8(&digits).map_err(S::Error::custom)?)
    }
}

impl Serialize for Digests<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(event, filter) = self;
        let digests = filter.digests(event);
        serializer.collect_map(digests.map(|(id, digest)| (bank::name(id), Bytes(digest))))
    }
}

/// Puts what is found into the list.
struct List<'a, S: SerializeSeq> {
    filter: &'a Filter,
    seq: S,
    /// Why it cannot go on.
    failure: Option<S::Error>,
}

impl<S: SerializeSeq> List<'_, S> {
    fn put(&mut self, element: &impl Serialize) -> Result<()> {
        self.seq.serialize_element(element).map_err(|error| {
            self.failure = Some(error);
            anyhow!("the list could not be written")
        })
    }
}

impl<S: SerializeSeq> Sink for List<'_, S> {
    fn begin(&mut self, _: &Header) -> Result<()> {
        Ok(())
    }

    fn item(&mut self, item: Item<'_>) -> Result<()> {
        match item {
            Item::Event(_, event) if !self.filter.passes(&event) => Ok(()),
            Item::Event(number, event) => {
                let text = is_text(event.data).then_some(event.data);
                self.put(&Row {
                    number,
                    offset: event.offset,
                    pcr: event.pcr,
                    r#type: event.event_type,
                    type_name: type_name(event.event_type),
                    digests: Digests(&event, self.filter),
                    data: Bytes(event.data),
                    text: text.and_then(|text| std::str::from_utf8(text).ok()),
                })
            }
            Item::Damage(Damage {
                offset,
                length,
                why,
                head,
            }) => self.put(&Gap {
                damaged: explain(why),
                offset,
                length,
                head: Bytes(head),
            }),
        }
    }
}
