// SPDX-License-Identifier: GPL-2.0

//! Making a log, and adding to one.

use super::super::bytes::{self, Builder};
use super::super::commands::TpmFamily;
use super::super::digest::{Banks, Digests, HashAlg, Pcr};
use super::error::LogError;
use super::header::{LogHeader, VendorInfo};
use super::reader::LogReader;
use super::LogFormat;

impl LogFormat {
    /// Bytes of an event without its digests and data: PCR, type, size; agile: count.
    const fn fixed(self) -> usize {
        match self {
            Self::Tpm12 => 12,
            Self::Agile => 16,
        }
    }

    /// Bytes before a digest: none; agile: a TPM_ALG_ID.
    const fn before_digest(self) -> usize {
        match self {
            Self::Tpm12 => 0,
            Self::Agile => 2,
        }
    }
}

/// A log that can be appended to.
///
/// # Invariants
///
/// `buf` begins with a valid first record of `header` bytes that lists `banks` and ends with our
/// vendor information, or, if `format` says so, with the header of a TPM 1.2 log, and `banks` is
/// SHA-1; `next` is the append point, `header <= next <= buf.len()`.
pub struct EventLog<'a> {
    buf: &'a mut [u8],
    format: LogFormat,
    banks: Banks,
    header: usize,
    next: usize,
}

impl<'a> EventLog<'a> {
    /// Makes an empty log for `banks` that takes all of `buf`, at the physical address `phys`. The
    /// rest of the buffer is zeroed.
    ///
    /// # Errors
    ///
    /// [`LogError::TooSmall`]; [`LogError::Banks`] if there is none, or, in the format of TPM 1.2,
    /// another than SHA-1; [`LogError::Container`] if the buffer is larger than 4 GiB.
    pub fn format(
        buf: &'a mut [u8],
        phys: u64,
        banks: &Banks,
        format: LogFormat,
    ) -> Result<Self, LogError> {
        let possible = match format {
            LogFormat::Tpm12 => banks.as_slice() == [HashAlg::SHA1],
            LogFormat::Agile => !banks.is_empty(),
        };
        if !possible {
            return Err(LogError::Banks);
        }
        let size = LogHeader::size_for(banks, format);
        let vendor = VendorInfo {
            phys,
            container: u32::try_from(buf.len()).map_err(|_| LogError::Container)?,
            first: format.first(),
            next: u32::try_from(size).map_err(|_| LogError::TooSmall)?,
        };
        if size > buf.len() {
            return Err(LogError::TooSmall);
        }
        buf.fill(0);
        let mut record = Builder::new(buf);
        LogHeader::write(&mut record, banks, format, &vendor);
        let next = record.finish().ok_or(LogError::TooSmall)?;
        // INVARIANT: the record was just written, with `next` behind it.
        Ok(Self {
            buf,
            format,
            banks: *banks,
            header: next,
            next,
        })
    }

    /// Takes over a log of either format that somebody else made. All of it is checked: the first
    /// record or header, that it describes just this buffer at `phys` (a TPM 1.2 log does not tell
    /// its address), and every event, each with a digest for every bank, up to the append point.
    ///
    /// # Errors
    ///
    /// Any [`LogError`] but [`LogError::Full`].
    pub fn attach(buf: &'a mut [u8], phys: u64) -> Result<Self, LogError> {
        let reader = LogReader::new(buf)?;
        let vendor = reader.header().vendor.ok_or(LogError::NoVendorInfo)?;
        let format = reader.log_format();
        if format == LogFormat::Agile && vendor.phys != phys {
            return Err(LogError::Container);
        }
        if u32::try_from(buf.len()) != Ok(vendor.container) {
            return Err(LogError::Container);
        }
        for event in reader.events() {
            if event?.digests.count() != reader.banks().len() {
                return Err(LogError::DigestCount);
            }
        }
        let (banks, header, next) = (*reader.banks(), reader.header().size, reader.used());
        // INVARIANT: the reader has checked all of it.
        Ok(Self {
            buf,
            format,
            banks,
            header,
            next,
        })
    }

    /// Adds an event, with one digest for each bank of the log.
    ///
    /// # Errors
    ///
    /// [`LogError::Full`]; [`LogError::DigestCount`] or [`LogError::UnknownAlgorithm`] if the
    /// digests are not those of the log's banks. Nothing is written then.
    pub fn append(
        &mut self,
        pcr: Pcr,
        event_type: u32,
        digests: &Digests,
        data: &[u8],
    ) -> Result<(), LogError> {
        if digests.len() != self.banks.len() {
            return Err(LogError::DigestCount);
        }
        for alg in self.banks.iter() {
            match digests.find(alg.id()) {
                Some(digest) if digest.alg() == alg => {}
                _ => return Err(LogError::UnknownAlgorithm),
            }
        }
        let end = self.end_with(data.len()).ok_or(LogError::Full)?;
        let next = u32::try_from(end).map_err(|_| LogError::Full)?;
        let len = u32::try_from(data.len()).map_err(|_| LogError::Full)?;
        let count = u32::try_from(digests.len()).map_err(|_| LogError::DigestCount)?;
        let room = self.buf.get_mut(self.next..end).ok_or(LogError::Full)?;

        let mut event = Builder::new(room);
        let agile = self.format == LogFormat::Agile;
        event.le32(pcr.index()).le32(event_type);
        if agile {
            event.le32(count);
        }
        for digest in self.banks.iter().filter_map(|alg| digests.find(alg.id())) {
            if agile {
                event.le16(digest.alg().id());
            }
            event.bytes(digest.as_bytes());
        }
        event.le32(len).bytes(data);
        // Cannot fail: `room` is as large as what was added up above. Nothing is part of the log
        // before the append point moves.
        event.finish().ok_or(LogError::Full)?;
        self.set_next(next)?;
        // INVARIANT: `end` is within `buf`.
        self.next = end;
        Ok(())
    }

    /// Whether an event with that many bytes of data fits.
    pub fn has_room(&self, data: usize) -> bool {
        self.end_with(data).is_some_and(|end| end <= self.buf.len())
    }

    /// Where an event with that many bytes of data would end.
    fn end_with(&self, data: usize) -> Option<usize> {
        let mut end = self.next.checked_add(self.format.fixed())?;
        for alg in self.banks.iter() {
            let more = self.format.before_digest().wrapping_add(alg.size());
            end = end.checked_add(more)?;
        }
        end.checked_add(data)
    }

    fn set_next(&mut self, next: u32) -> Result<(), LogError> {
        let at = self.header.saturating_sub(VendorInfo::NEXT_FROM_END);
        let field = self.buf.get_mut(at..self.header).ok_or(LogError::Full)?;
        bytes::copy(field, &next.to_le_bytes());
        Ok(())
    }

    /// What the log looks like.
    pub const fn log_format(&self) -> LogFormat {
        self.format
    }

    /// Checks that the log is one for a TPM of this family with these active banks: then no bank
    /// can be left out of an event.
    ///
    /// # Errors
    ///
    /// [`LogError::Version`] if its format is that of the other family, [`LogError::Banks`].
    pub fn expect(&self, family: TpmFamily, active: &Banks) -> Result<(), LogError> {
        if self.format != LogFormat::of(family) {
            return Err(LogError::Version);
        }
        let same = |alg: HashAlg| self.banks.find(alg.id()) == Some(alg);
        if active.len() != self.banks.len() || !active.iter().all(same) {
            return Err(LogError::Banks);
        }
        Ok(())
    }

    /// The banks of the log.
    pub const fn banks(&self) -> &Banks {
        &self.banks
    }

    /// Offset behind the last event, in bytes.
    pub const fn used(&self) -> usize {
        self.next
    }

    /// Size of the buffer, in bytes.
    pub const fn capacity(&self) -> usize {
        self.buf.len()
    }
}
