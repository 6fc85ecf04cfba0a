// SPDX-License-Identifier: GPL-2.0

//! Reading a log that nobody vouches for.

use super::super::digest::Banks;
use super::error::LogError;
use super::header::LogHeader;

/// A log whose first record was checked; the events are checked as they are read.
#[derive(Clone, Copy)]
pub struct LogReader<'a> {
    header: LogHeader,
    log: &'a [u8],
}

impl<'a> LogReader<'a> {
    /// Opens a log of ours: one whose vendor information tells where it ends. `buf` may be the whole
    /// buffer, or just its used part.
    ///
    /// # Errors
    ///
    /// Any [`LogError`] but [`LogError::Full`].
    pub fn new(buf: &'a [u8]) -> Result<Self, LogError> {
        let _ = buf;
        Err(LogError::TooSmall)
    }

    /// Opens a log that ends with `log`, whatever its vendor information says: one whose length is known
    /// from elsewhere (the TXT heap, ACPI, the size of a file).
    ///
    /// # Errors
    ///
    /// Those of the first record.
    pub fn whole(log: &'a [u8]) -> Result<Self, LogError> {
        let _ = log;
        Err(LogError::TooSmall)
    }

    /// The first record.
    pub const fn header(&self) -> &LogHeader {
        &self.header
    }

    /// The banks of the log.
    pub const fn banks(&self) -> &Banks {
        &self.header.banks
    }

    /// Size of the log from its first record to the end of the last event, in bytes.
    pub const fn used(&self) -> usize {
        self.log.len()
    }

    /// The events behind the first record.
    pub fn events(&self) -> Events<'a> {
        Events {
            banks: self.header.banks,
            rest: self.log,
            offset: 0,
        }
    }
}

/// Iterator over the events of a log. After an error there is nothing more.
#[derive(Clone)]
pub struct Events<'a> {
    banks: Banks,
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Iterator for Events<'a> {
    type Item = Result<Event<'a>, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        None
    }
}

/// One event. Its digests were counted and bounded; nothing says that they are true.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    /// Offset of the record in the log, in bytes.
    pub offset: usize,
    /// The PCR that was extended; not checked.
    pub pcr: u32,
    /// The event type.
    pub event_type: u32,
    /// One digest for each bank.
    pub digests: EventDigests<'a>,
    /// The event data.
    pub data: &'a [u8],
}

/// The digests of one event.
#[derive(Clone, Copy)]
pub struct EventDigests<'a> {
    banks: Banks,
    raw: &'a [u8],
    count: usize,
}

impl<'a> EventDigests<'a> {
    /// Number of digests.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// The digest of the bank with this TPM_ALG_ID.
    pub fn find(&self, id: u16) -> Option<&'a [u8]> {
        self.iter().find(|(alg, _)| *alg == id).map(|(_, d)| d)
    }

    /// TPM_ALG_ID and value of each digest.
    pub fn iter(&self) -> DigestIter<'a> {
        DigestIter {
            banks: self.banks,
            rest: self.raw,
        }
    }
}

/// Iterator over the digests of one event: TPM_ALG_ID and value.
#[derive(Clone)]
pub struct DigestIter<'a> {
    banks: Banks,
    rest: &'a [u8],
}

impl<'a> Iterator for DigestIter<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        None
    }
}
