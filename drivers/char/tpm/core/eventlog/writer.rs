// SPDX-License-Identifier: GPL-2.0

//! Making a log, and adding to one.

use super::super::bytes::{self, Builder};
use super::super::digest::{Banks, Digests, Pcr};
use super::error::LogError;
use super::header::{LogHeader, VendorInfo};
use super::reader::LogReader;

/// Bytes of an event without its digests and data: PCR, type, count, size.
const FIXED: usize = 16;
/// Bytes of a TPM_ALG_ID.
const ALG_ID: usize = 2;

/// A log that can be appended to.
///
/// # Invariants
///
/// `buf` begins with a valid first record of `header` bytes that lists `banks` and ends with our vendor
/// information; `next` is its append point, `header <= next <= buf.len()`.
pub struct EventLog<'a> {
    buf: &'a mut [u8],
    banks: Banks,
    header: usize,
    next: usize,
}

impl<'a> EventLog<'a> {
    /// Makes an empty log for `banks` that takes all of `buf`, at the physical address `phys`. The rest
    /// of the buffer is zeroed.
    ///
    /// # Errors
    ///
    /// [`LogError::TooSmall`]; [`LogError::Banks`] if there is none; [`LogError::Container`] if the
    /// buffer is larger than 4 GiB.
    pub fn format(buf: &'a mut [u8], phys: u64, banks: &Banks) -> Result<Self, LogError> {
        if banks.is_empty() {
            return Err(LogError::Banks);
        }
        let size = LogHeader::size_for(banks);
        let vendor = VendorInfo {
            phys,
            container: u32::try_from(buf.len()).map_err(|_| LogError::Container)?,
            first: 0,
            next: u32::try_from(size).map_err(|_| LogError::TooSmall)?,
        };
        if size > buf.len() {
            return Err(LogError::TooSmall);
        }
        buf.fill(0);
        let mut record = Builder::new(buf);
        LogHeader::write(&mut record, banks, &vendor);
        let next = record.finish().ok_or(LogError::TooSmall)?;
        // INVARIANT: the record was just written, with `next` behind it.
        Ok(Self {
            buf,
            banks: *banks,
            header: next,
            next,
        })
    }

    /// Takes over a log that somebody else made. All of it is checked: the first record, that its vendor
    /// information describes just this buffer at `phys`, and every event, each with a digest for every
    /// bank, up to the append point.
    ///
    /// # Errors
    ///
    /// Any [`LogError`] but [`LogError::Full`].
    pub fn attach(buf: &'a mut [u8], phys: u64) -> Result<Self, LogError> {
        let reader = LogReader::new(buf)?;
        let vendor = reader.header().vendor.ok_or(LogError::NoVendorInfo)?;
        if vendor.phys != phys || u32::try_from(buf.len()) != Ok(vendor.container) {
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
            banks,
            header,
            next,
        })
    }

    /// Adds an event, with one digest for each bank of the log.
    ///
    /// # Errors
    ///
    /// [`LogError::Full`]; [`LogError::DigestCount`] or [`LogError::UnknownAlgorithm`] if the digests are
    /// not those of the log's banks. Nothing is written then.
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
        let mut size = FIXED.checked_add(data.len()).ok_or(LogError::Full)?;
        for alg in self.banks.iter() {
            match digests.find(alg.id()) {
                Some(digest) if digest.alg() == alg => {}
                _ => return Err(LogError::UnknownAlgorithm),
            }
            let more = ALG_ID.wrapping_add(alg.size());
            size = size.checked_add(more).ok_or(LogError::Full)?;
        }
        let end = self.next.checked_add(size).ok_or(LogError::Full)?;
        let next = u32::try_from(end).map_err(|_| LogError::Full)?;
        let len = u32::try_from(data.len()).map_err(|_| LogError::Full)?;
        let count = u32::try_from(digests.len()).map_err(|_| LogError::DigestCount)?;
        let room = self.buf.get_mut(self.next..end).ok_or(LogError::Full)?;

        let mut event = Builder::new(room);
        event.le32(pcr.index()).le32(event_type).le32(count);
        for digest in self.banks.iter().filter_map(|alg| digests.find(alg.id())) {
            event.le16(digest.alg().id()).bytes(digest.as_bytes());
        }
        event.le32(len).bytes(data);
        // Cannot fail: `room` is as large as what was added up above. Nothing is part of the log before
        // the append point moves.
        event.finish().ok_or(LogError::Full)?;
        self.set_next(next)?;
        // INVARIANT: `end` is within `buf`.
        self.next = end;
        Ok(())
    }

    fn set_next(&mut self, next: u32) -> Result<(), LogError> {
        let at = self.header.saturating_sub(VendorInfo::NEXT_FROM_END);
        let field = self.buf.get_mut(at..self.header).ok_or(LogError::Full)?;
        bytes::copy(field, &next.to_le_bytes());
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
