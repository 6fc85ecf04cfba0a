// SPDX-License-Identifier: GPL-2.0

//! Reading a log that nobody vouches for.

use super::super::bytes::Reader;
use super::super::digest::{Banks, HashAlg, MAX_BANKS};
use super::error::LogError;
use super::header::LogHeader;
use super::LogFormat;

/// A log whose first record or header was checked; the events are checked as they are read.
///
/// # Invariants
///
/// `header.size <= log.len()`.
#[derive(Clone, Copy, Debug)]
pub struct LogReader<'a> {
    header: LogHeader,
    log: &'a [u8],
}

impl<'a> LogReader<'a> {
    /// Opens a log of ours, of either format: one that tells where it ends. `buf` may be the whole
    /// buffer, or just its used part.
    ///
    /// # Errors
    ///
    /// Any [`LogError`] but [`LogError::Full`].
    pub fn new(buf: &'a [u8]) -> Result<Self, LogError> {
        let header = LogHeader::parse(buf)?;
        let vendor = header.vendor.ok_or(LogError::NoVendorInfo)?;
        let container = usize::try_from(vendor.container).map_err(|_| LogError::Container)?;
        if container < buf.len() || vendor.first != header.format.first() {
            return Err(LogError::Container);
        }
        let next = usize::try_from(vendor.next).map_err(|_| LogError::AppendPoint)?;
        if next < header.size {
            return Err(LogError::AppendPoint);
        }
        let log = buf.get(..next).ok_or(LogError::AppendPoint)?;
        // INVARIANT: `next` was compared with the size of the first record or header.
        Ok(Self { header, log })
    }

    /// Opens a log that ends with `log`, whatever it says itself: one whose length is known
    /// from elsewhere (the TXT heap, ACPI, the size of a file).
    ///
    /// # Errors
    ///
    /// Those of the first record or header.
    pub fn whole(log: &'a [u8]) -> Result<Self, LogError> {
        let header = LogHeader::parse(log)?;
        // INVARIANT: what was parsed is part of `log`.
        Ok(Self { header, log })
    }

    /// What the log looks like.
    pub const fn log_format(&self) -> LogFormat {
        self.header.format
    }

    /// The first record or header.
    pub const fn header(&self) -> &LogHeader {
        &self.header
    }

    /// The banks of the log.
    pub const fn banks(&self) -> &Banks {
        &self.header.banks
    }

    /// Size of the log from its first byte to the end of the last event, in bytes.
    pub const fn used(&self) -> usize {
        self.log.len()
    }

    /// The events behind the first record or header.
    pub fn events(&self) -> Events<'a> {
        Events {
            format: self.header.format,
            banks: self.header.banks,
            rest: self.log.get(self.header.size..).unwrap_or(&[]),
            end: self.log.len(),
        }
    }
}

/// Iterator over the events of a log. After an error there is nothing more.
#[derive(Clone, Debug)]
pub struct Events<'a> {
    format: LogFormat,
    banks: Banks,
    rest: &'a [u8],
    end: usize,
}

impl<'a> Events<'a> {
    fn parse(&mut self) -> Result<Event<'a>, LogError> {
        const CUT: LogError = LogError::Truncated;

        let offset = self.end.saturating_sub(self.rest.len());
        let mut reader = Reader::new(self.rest);
        let pcr = reader.le32().ok_or(CUT)?;
        let event_type = reader.le32().ok_or(CUT)?;
        let digests = match self.format {
            LogFormat::Tpm12 => EventDigests::parse_sha1(&mut reader, &self.banks)?,
            LogFormat::Agile => EventDigests::parse(&mut reader, &self.banks)?,
        };
        let size = usize::try_from(reader.le32().ok_or(CUT)?).map_err(|_| CUT)?;
        let data = reader.bytes(size).ok_or(CUT)?;
        self.rest = reader.rest();
        Ok(Event {
            offset,
            pcr,
            event_type,
            digests,
            data,
        })
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = Result<Event<'a>, LogError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let event = self.parse();
        if event.is_err() {
            // Where the next record begins is not known.
            self.rest = &[];
        }
        Some(event)
    }
}

/// One event. Its digests were counted and bounded; nothing says that they are true.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// Offset of the record in the log, in bytes.
    pub offset: usize,
    /// The PCR that was extended; not checked.
    pub pcr: u32,
    /// The event type.
    pub event_type: u32,
    /// The digests: of banks of the log, each at most once, at least one.
    pub digests: EventDigests<'a>,
    /// The event data.
    pub data: &'a [u8],
}

/// The digests of one event.
///
/// # Invariants
///
/// `raw` holds `count` digests, each a TPM_ALG_ID that `banks` lists and as many bytes as it says;
/// in the format of TPM 1.2 it is the one digest, of SHA-1, without a TPM_ALG_ID.
#[derive(Clone, Copy, Debug)]
pub struct EventDigests<'a> {
    format: LogFormat,
    banks: Banks,
    raw: &'a [u8],
    count: usize,
}

impl<'a> EventDigests<'a> {
    fn parse_sha1(reader: &mut Reader<'a>, banks: &Banks) -> Result<Self, LogError> {
        let raw = reader.bytes(HashAlg::SHA1.size());
        // INVARIANT: as long as a digest of SHA-1.
        Ok(Self {
            format: LogFormat::Tpm12,
            banks: *banks,
            raw: raw.ok_or(LogError::Truncated)?,
            count: 1,
        })
    }

    fn parse(reader: &mut Reader<'a>, banks: &Banks) -> Result<Self, LogError> {
        let count = reader.le32().ok_or(LogError::Truncated)?;
        let count = usize::try_from(count).map_err(|_| LogError::DigestCount)?;
        if count == 0 || count > banks.len() {
            return Err(LogError::DigestCount);
        }
        let mut raw = *reader;
        let mut seen = [false; MAX_BANKS];
        for _ in 0..count {
            let id = reader.le16().ok_or(LogError::Truncated)?;
            let alg = banks.find(id).ok_or(LogError::UnknownAlgorithm)?;
            for (seen, bank) in seen.iter_mut().zip(banks.iter()) {
                if bank == alg && core::mem::replace(seen, true) {
                    return Err(LogError::DigestCount);
                }
            }
            reader.bytes(alg.size()).ok_or(LogError::Truncated)?;
        }
        let len = raw.left().saturating_sub(reader.left());
        let raw = raw.bytes(len).ok_or(LogError::Truncated)?;
        // INVARIANT: `raw` is what the loop walked over.
        Ok(Self {
            format: LogFormat::Agile,
            banks: *banks,
            raw,
            count,
        })
    }

    /// Number of digests.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// The digest of the bank with this TPM_ALG_ID.
    pub fn find(&self, id: u16) -> Option<&'a [u8]> {
        self.iter()
            .find(|(alg, _)| *alg == id)
            .map(|(_, digest)| digest)
    }

    /// TPM_ALG_ID and value of each digest.
    pub fn iter(&self) -> DigestIter<'a> {
        DigestIter {
            format: self.format,
            banks: self.banks,
            rest: Reader::new(self.raw),
        }
    }
}

/// Iterator over the digests of one event: TPM_ALG_ID and value.
#[derive(Clone)]
pub struct DigestIter<'a> {
    format: LogFormat,
    banks: Banks,
    rest: Reader<'a>,
}

impl<'a> Iterator for DigestIter<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let id = match self.format {
            LogFormat::Tpm12 => HashAlg::SHA1.id(),
            LogFormat::Agile => self.rest.le16()?,
        };
        let size = self.banks.find(id)?.size();
        Some((id, self.rest.bytes(size)?))
    }
}
