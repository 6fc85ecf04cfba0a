// SPDX-License-Identifier: GPL-2.0

//! The E820 table: memory ranges with a type, in the zero page and in setup_data.
//!
//! Canonical form: the union of the ranges of each type, as few entries as possible, ordered by
//! type and then by address. The kernel merges entries in the same way
//! (`e820__update_table()`), so nothing that it goes by is lost.

use super::bytes::{u32_at, u64_at, Sink};
use super::error::Error;

/// Bytes of an entry: `addr u64@0, size u64@8, type u32@16`.
pub const ENTRY_SIZE: usize = 20;

/// Entries that a table in setup_data may have.
pub const MAX_EXTENDED: u32 = 512;

/// Type of usable memory.
pub const TYPE_RAM: u32 = 1;

/// An entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct E820Entry {
    /// Physical address.
    pub addr: u64,
    /// Bytes.
    pub size: u64,
    /// What is there.
    pub kind: u32,
}

impl E820Entry {
    /// Reads an entry.
    ///
    /// # Errors
    ///
    /// [`Error::E820Invalid`] if it wraps.
    pub fn parse(bytes: &[u8; ENTRY_SIZE]) -> Result<Self, Error> {
        let entry = Self {
            addr: u64_at(bytes, 0).ok_or(Error::E820Invalid)?,
            size: u64_at(bytes, 8).ok_or(Error::E820Invalid)?,
            kind: u32_at(bytes, 16).ok_or(Error::E820Invalid)?,
        };
        entry
            .addr
            .checked_add(entry.size)
            .ok_or(Error::E820Invalid)?;
        Ok(entry)
    }

    /// The entry as bytes.
    pub fn to_bytes(self) -> [u8; ENTRY_SIZE] {
        let mut bytes = [0; ENTRY_SIZE];
        let mut out = super::bytes::Writer::new(&mut bytes);
        out.u64(self.addr);
        out.u64(self.size);
        out.u32(self.kind);
        bytes
    }

    /// The address after the last byte.
    fn end(&self) -> u64 {
        self.addr.saturating_add(self.size)
    }

    /// Where the entry belongs in the canonical order.
    fn key(&self) -> (u32, u64) {
        (self.kind, self.addr)
    }
}

/// Finds the entry of the canonical form that follows `last`, or the first if that is `None`.
///
/// Looks through the whole table a few times and remembers nothing, so no buffer is needed.
fn next<G>(count: u32, get: &mut G, last: Option<&E820Entry>) -> Result<Option<E820Entry>, Error>
where
    G: FnMut(u32) -> Result<E820Entry, Error>,
{
    // Done are the lower types, and of the last one's type what ends where it ends or before.
    let done = |entry: &E820Entry| {
        last.is_some_and(|last| {
            entry.kind < last.kind || (entry.kind == last.kind && entry.end() <= last.end())
        })
    };
    let mut first: Option<E820Entry> = None;
    for index in 0..count {
        let entry = get(index)?;
        if entry.size == 0 || done(&entry) {
            continue;
        }
        if first.is_none_or(|first| entry.key() < first.key()) {
            first = Some(entry);
        }
    }
    let Some(mut merged) = first else {
        return Ok(None);
    };
    loop {
        let mut end = merged.end();
        for index in 0..count {
            let entry = get(index)?;
            if entry.kind == merged.kind && entry.addr >= merged.addr && entry.addr <= end {
                end = end.max(entry.end());
            }
        }
        if end == merged.end() {
            return Ok(Some(merged));
        }
        merged.size = end.saturating_sub(merged.addr);
    }
}

/// Gives the canonical form of a table of `count` entries, which `get` supplies, to `sink`, and
/// returns how many entries that form has. Takes time quadratic in `count`.
///
/// # Errors
///
/// What `get` reports.
pub fn canonical<G>(count: u32, mut get: G, sink: &mut impl Sink) -> Result<u32, Error>
where
    G: FnMut(u32) -> Result<E820Entry, Error>,
{
    let mut last = None;
    let mut merged: u32 = 0;
    while let Some(entry) = next(count, &mut get, last.as_ref())? {
        sink.put(&entry.to_bytes());
        merged = merged.saturating_add(1);
        last = Some(entry);
    }
    Ok(merged)
}
