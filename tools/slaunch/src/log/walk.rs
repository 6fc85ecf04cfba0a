// SPDX-License-Identifier: GPL-2.0

//! Going through a log that may be damaged: nothing stops it, and what cannot be read is told.
//!
//! The parser of the core ends at the first damaged record, since it cannot know where the next one begins.
//! Here the next one is looked for: the first place behind the damage at which there is a record of a known
//! type for a PCR that exists. That is a guess, and only good to be shown.

use std::borrow::Cow;

use anyhow::Result;
use tpm_core::{Event, LogError, LogFormat, LogReader, VendorInfo};

use crate::bank;

use super::names::type_name;

/// How often to look for a record behind damage; each time takes a copy of the rest.
const MOST_DAMAGES: usize = 64;
/// How far to look into a record when looking for one.
const WINDOW: usize = 1 << 16;
/// Bytes of damage that are shown.
const HEAD: usize = 32;
/// What a log of a TPM 1.2 begins with.
const CONTAINER: &[u8] = b"TXT Event Container";

/// What a log looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format(pub LogFormat);

impl Format {
    /// In words.
    pub const fn name(self) -> &'static str {
        match self.0 {
            LogFormat::Tpm12 => "TPM 1.2",
            LogFormat::Agile => "crypto-agile",
        }
    }
}

/// What is known before the first event.
#[derive(Clone, Debug)]
pub struct Header {
    /// What the events look like.
    pub format: Format,
    /// The banks, as TPM_ALG_ID; none if the header is damaged.
    pub banks: Vec<u16>,
    /// Bytes of the log.
    pub bytes: usize,
    /// Where the log lies and ends, if it tells.
    pub vendor: Option<VendorInfo>,
    /// What is wrong with the header.
    pub damage: Option<LogError>,
}

/// A piece of the log that holds no event that can be read.
#[derive(Clone, Copy, Debug)]
pub struct Damage<'a> {
    /// Offset of the first byte.
    pub offset: usize,
    /// Number of bytes.
    pub length: usize,
    /// What is wrong with the record there.
    pub why: LogError,
    /// The first bytes.
    pub head: &'a [u8],
}

/// What is found in a log.
#[derive(Clone, Copy, Debug)]
pub enum Item<'a> {
    /// An event, with its number.
    Event(usize, Event<'a>),
    /// Something else.
    Damage(Damage<'a>),
}

/// What was found in a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Number of events.
    pub events: usize,
    /// Number of events before the first damage: what can be relied upon to be in place.
    pub before_damage: usize,
    /// Number of damaged pieces.
    pub damages: usize,
    /// Bytes behind the end of the log that are not zero.
    pub behind: usize,
    /// Bytes that the log says it has and the file has not.
    pub missing: usize,
}

/// Takes what is found.
pub trait Sink {
    /// Before anything else.
    ///
    /// # Errors
    ///
    /// It cannot go on; so does the walk.
    fn begin(&mut self, header: &Header) -> Result<()>;
    /// The next in the order of the log.
    ///
    /// # Errors
    ///
    /// It cannot go on; so does the walk.
    fn item(&mut self, item: Item<'_>) -> Result<()>;
}

/// What is wrong, in words.
pub const fn explain(error: LogError) -> &'static str {
    match error {
        LogError::TooSmall => "the file ends within the header",
        LogError::NotAgile => "the header is not that of an event log",
        LogError::Version => "the header has an unknown version",
        LogError::Banks => "the header's list of banks is impossible",
        LogError::NoVendorInfo => "the header does not say where the log ends",
        LogError::Container => "the header describes another buffer",
        LogError::AppendPoint => "the log says that it ends where it cannot end",
        LogError::Truncated => "the record reaches beyond the end of the log",
        LogError::DigestCount => "the record has an impossible number of digests",
        LogError::UnknownAlgorithm => {
            "the record has a digest of a bank that the header does not list"
        }
        LogError::Full => "the log is full",
    }
}

/// A first record with every bank that is known here, for events whose own is damaged.
fn stand_in(format: LogFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    if format == LogFormat::Tpm12 {
        bytes.extend(CONTAINER);
        bytes.resize(32, 0);
        bytes.extend([1, 0, 1, 0]);
        bytes.resize(48, 0);
        return bytes;
    }
    let mut data = b"Spec ID Event03\0\0\0\0\0\x00\x02\x00\x02\x08\0\0\0".to_vec();
    for (id, size) in bank::known() {
        data.extend(id.to_le_bytes());
        data.extend(u16::try_from(size).unwrap_or(0).to_le_bytes());
    }
    data.push(0);
    bytes.extend([0, 0, 0, 0, 3, 0, 0, 0]);
    bytes.resize(28, 0);
    bytes.extend(u32::try_from(data.len()).unwrap_or(0).to_le_bytes());
    bytes.extend(data);
    bytes
}

/// Where the log in `bytes` ends, if it tells, and the bytes that are missing.
pub(super) fn end(reader: &LogReader<'_>, bytes: &[u8]) -> (usize, usize) {
    let header = reader.header();
    let next = header
        .vendor
        .and_then(|vendor| usize::try_from(vendor.next).ok());
    match next {
        Some(next) if next >= header.size && next <= bytes.len() => (next, 0),
        Some(next) if next > bytes.len() => (bytes.len(), next.saturating_sub(bytes.len())),
        _ => (bytes.len(), 0),
    }
}

/// Bytes of the record.
fn record_len(event: &Event<'_>, format: LogFormat) -> usize {
    let digests: usize = match format {
        LogFormat::Tpm12 => 20,
        LogFormat::Agile => event
            .digests
            .iter()
            .map(|(_, value)| value.len().saturating_add(2))
            .sum::<usize>()
            .saturating_add(4),
    };
    event.data.len().saturating_add(digests).saturating_add(12)
}

/// What there is to know before the walk.
struct Start<'a> {
    header: Header,
    /// A header that tells which banks there are.
    head: Cow<'a, [u8]>,
    /// Up to where there are events.
    log: &'a [u8],
    summary: Summary,
}

impl<'a> Start<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        match LogReader::whole(bytes) {
            Ok(reader) => {
                let (end, missing) = end(&reader, bytes);
                let log = bytes.get(..end).unwrap_or(bytes);
                let rest = bytes.get(end..).unwrap_or(&[]);
                Self {
                    header: Header {
                        format: Format(reader.log_format()),
                        banks: reader.banks().iter().map(|alg| alg.id()).collect(),
                        bytes: log.len(),
                        vendor: reader.header().vendor,
                        damage: None,
                    },
                    head: bytes.get(..reader.header().size).unwrap_or(bytes).into(),
                    log,
                    summary: Summary {
                        missing,
                        behind: rest.iter().filter(|byte| **byte != 0).count(),
                        ..Summary::default()
                    },
                }
            }
            Err(error) => {
                let format = if bytes.starts_with(CONTAINER) {
                    LogFormat::Tpm12
                } else {
                    LogFormat::Agile
                };
                Self {
                    header: Header {
                        format: Format(format),
                        banks: Vec::new(),
                        bytes: bytes.len(),
                        vendor: None,
                        damage: Some(error),
                    },
                    head: stand_in(format).into(),
                    log: bytes,
                    summary: Summary::default(),
                }
            }
        }
    }
}

/// What the log in `bytes` says before its first event.
pub fn header(bytes: &[u8]) -> Header {
    Start::new(bytes).header
}

/// Goes through the log in `bytes`, and gives all that is in it to `sink`.
///
/// # Errors
///
/// Those of the sink; none of the log.
pub fn walk(bytes: &[u8], sink: &mut dyn Sink) -> Result<Summary> {
    let start = Start::new(bytes);
    sink.begin(&start.header)?;
    let mut walker = Walker {
        format: start.header.format.0,
        head: &start.head,
        log: start.log,
        sink,
        summary: start.summary,
    };
    match start.header.damage {
        None => walker.events(start.head.len())?,
        Some(error) => walker.damaged(error)?,
    }
    Ok(walker.summary)
}

/// The walk behind the header.
struct Walker<'a> {
    format: LogFormat,
    /// A header that tells which banks there are.
    head: &'a [u8],
    log: &'a [u8],
    sink: &'a mut dyn Sink,
    summary: Summary,
}

impl Walker<'_> {
    /// The events from `at` on.
    fn events(&mut self, mut at: usize) -> Result<()> {
        loop {
            let rest = self.log.get(at..).unwrap_or(&[]);
            let own = self.log.get(..at) == Some(self.head);
            let buffer: Cow<'_, [u8]> = if own {
                self.log.into()
            } else {
                [self.head, rest].concat().into()
            };
            let Ok(reader) = LogReader::whole(&buffer) else {
                return Ok(());
            };
            let mut failure = None;
            for event in reader.events() {
                match event {
                    Ok(mut event) => {
                        event.offset = at;
                        at = at.saturating_add(record_len(&event, self.format));
                        self.sink.item(Item::Event(self.summary.events, event))?;
                        self.summary.events = self.summary.events.saturating_add(1);
                    }
                    Err(error) => failure = Some(error),
                }
            }
            if self.summary.damages == 0 {
                self.summary.before_damage = self.summary.events;
            }
            match failure {
                None => return Ok(()),
                Some(error) => match self.damage(at, at.saturating_add(1), error)? {
                    Some(next) => at = next,
                    None => return Ok(()),
                },
            }
        }
    }

    /// What follows a damaged header.
    fn damaged(&mut self, why: LogError) -> Result<()> {
        match self.damage(0, 0, why)? {
            Some(next) => self.events(next),
            None => Ok(()),
        }
    }

    /// Tells of damage at `at`, and where it ends, if there is a record at `from` or behind it.
    fn damage(&mut self, at: usize, from: usize, why: LogError) -> Result<Option<usize>> {
        let found = match self.summary.damages {
            MOST_DAMAGES.. => None,
            _ => self.find(from),
        };
        let end = found.unwrap_or(self.log.len());
        let damaged = self.log.get(at..end).unwrap_or(&[]);
        self.sink.item(Item::Damage(Damage {
            offset: at,
            length: damaged.len(),
            why,
            head: damaged.get(..HEAD).unwrap_or(damaged),
        }))?;
        self.summary.damages = self.summary.damages.saturating_add(1);
        Ok(found)
    }

    /// The next place at `from` or behind it that looks like a record.
    fn find(&self, from: usize) -> Option<usize> {
        let (end, mut tries) = (self.log.len(), 4096usize);
        for at in from..end {
            let rest = self.log.get(at..)?;
            let (pcr, rest) = rest.split_first_chunk()?;
            let (event_type, _) = rest.split_first_chunk()?;
            if u32::from_le_bytes(*pcr) >= 24 || !likely(u32::from_le_bytes(*event_type)) {
                continue;
            }
            let window = at.saturating_add(WINDOW).min(end);
            let copy = [self.head, self.log.get(at..window)?].concat();
            let reader = LogReader::whole(&copy).ok()?;
            if let Some(Ok(_)) = reader.events().next() {
                return Some(at);
            }
            tries = tries.checked_sub(1)?;
        }
        None
    }
}

/// Types that tell a record from other data: zero and small numbers are everywhere.
fn likely(event_type: u32) -> bool {
    event_type >= 0x400 && type_name(event_type).is_some()
}
