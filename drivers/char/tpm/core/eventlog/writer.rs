// SPDX-License-Identifier: GPL-2.0

//! Making a log, and adding to one.

use super::super::digest::{Banks, Digests, Pcr};
use super::error::LogError;

/// A log that can be appended to.
///
/// # Invariants
///
/// `buf` begins with a valid first record that lists `banks` and has our vendor information; `next` is
/// its append point, not beyond the end of `buf`.
pub struct EventLog<'a> {
    buf: &'a mut [u8],
    banks: Banks,
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
        let _ = (buf, phys, banks);
        Err(LogError::TooSmall)
    }

    /// Takes over a log that somebody else made. All of it is checked: the first record, that its vendor
    /// information describes just this buffer at `phys`, and every event, each with a digest for every
    /// bank, up to the append point.
    ///
    /// # Errors
    ///
    /// Any [`LogError`] but [`LogError::Full`].
    pub fn attach(buf: &'a mut [u8], phys: u64) -> Result<Self, LogError> {
        let _ = (buf, phys);
        Err(LogError::TooSmall)
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
        let _ = (pcr, event_type, digests, data);
        Err(LogError::Full)
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
