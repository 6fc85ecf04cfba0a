// SPDX-License-Identifier: GPL-2.0

//! Writing a table.

use super::super::bytes::{set_at, Writer};
use super::super::error::Error;
use super::{
    tag, AmdInfo, Architecture, DlInfo, LogInfo, Policy, PolicyEntry, ENTRY_HEADER_SIZE,
    HEADER_SIZE, MAGIC, MAX_TABLE_SIZE, REVISION,
};

/// Writes a table into a caller's buffer, entry by entry.
#[derive(Debug)]
pub struct Builder<'a> {
    buffer: &'a mut [u8],
    architecture: Architecture,
    size: usize,
}

impl<'a> Builder<'a> {
    /// Zeroes `buffer` and begins a table in it, whose `max_size` is that of the buffer.
    ///
    /// # Errors
    ///
    /// [`Error::BufferTooSmall`] if not even an empty table fits, [`Error::InvalidSlrt`] if the
    /// buffer is larger than a reader accepts, [`MAX_TABLE_SIZE`].
    pub fn new(buffer: &'a mut [u8], architecture: Architecture) -> Result<Self, Error> {
        if buffer.len() > MAX_TABLE_SIZE {
            return Err(Error::InvalidSlrt);
        }
        if buffer.len() < HEADER_SIZE + ENTRY_HEADER_SIZE {
            return Err(Error::BufferTooSmall);
        }
        buffer.fill(0);
        Ok(Self {
            buffer,
            architecture,
            size: HEADER_SIZE,
        })
    }

    /// Appends an entry whose body `write` writes.
    fn append(&mut self, tag: u32, write: impl FnOnce(&mut Writer<'_>)) -> Result<(), Error> {
        let (header, body) = self
            .buffer
            .get_mut(self.size..)
            .and_then(|free| free.split_at_mut_checked(ENTRY_HEADER_SIZE))
            .ok_or(Error::BufferTooSmall)?;
        let mut out = Writer::new(body);
        write(&mut out);
        let size = out
            .finish()
            .and_then(|size| size.checked_add(ENTRY_HEADER_SIZE))
            .ok_or(Error::BufferTooSmall)?;
        let mut out = Writer::new(header);
        out.u32(tag);
        out.u32(u32::try_from(size).map_err(|_| Error::BufferTooSmall)?);
        self.size = self.size.checked_add(size).ok_or(Error::BufferTooSmall)?;
        Ok(())
    }

    /// Appends the memory of the launch.
    ///
    /// # Errors
    ///
    /// [`Error::BufferTooSmall`], as for all entries.
    pub fn dl_info(&mut self, info: &DlInfo) -> Result<(), Error> {
        self.append(tag::DL_INFO, |out| info.write_body(out))
    }

    /// Appends the event log.
    ///
    /// # Errors
    ///
    /// [`Error::BufferTooSmall`].
    pub fn log_info(&mut self, info: &LogInfo) -> Result<(), Error> {
        self.append(tag::LOG_INFO, |out| info.write_body(out))
    }

    /// Appends what is particular to AMD.
    ///
    /// # Errors
    ///
    /// [`Error::BufferTooSmall`].
    pub fn amd(&mut self, info: &AmdInfo) -> Result<(), Error> {
        self.append(tag::AMD_INFO, |out| info.write_body(out))
    }

    /// Appends the launch policy.
    ///
    /// # Errors
    ///
    /// [`Error::BufferTooSmall`].
    pub fn policy(&mut self, entries: &[PolicyEntry]) -> Result<(), Error> {
        let count = u16::try_from(entries.len()).map_err(|_| Error::BufferTooSmall)?;
        self.append(tag::POLICY, |out| {
            Policy::write_head(out, count);
            for entry in entries {
                entry.write(out);
            }
        })
    }

    /// Appends an entry of whatever kind.
    ///
    /// # Errors
    ///
    /// [`Error::BufferTooSmall`].
    pub fn raw(&mut self, tag: u32, body: &[u8]) -> Result<(), Error> {
        self.append(tag, |out| out.put(body))
    }

    /// Appends the end entry, writes the header, and returns the table's size in bytes.
    ///
    /// # Errors
    ///
    /// [`Error::BufferTooSmall`].
    pub fn finish(mut self) -> Result<usize, Error> {
        self.raw(tag::END, &[])?;
        let number = |size: usize| u32::try_from(size).map_err(|_| Error::BufferTooSmall);
        let (size, max_size) = (number(self.size)?, number(self.buffer.len())?);
        let mut header = [0; HEADER_SIZE];
        let mut out = Writer::new(&mut header);
        out.u32(MAGIC);
        out.u16(REVISION);
        out.u16(self.architecture as u16);
        out.u32(size);
        out.u32(max_size);
        set_at(self.buffer, 0, &header).ok_or(Error::BufferTooSmall)?;
        Ok(self.size)
    }
}
