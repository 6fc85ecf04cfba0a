// SPDX-License-Identifier: GPL-2.0

//! Reading a whole table.

use super::super::bytes::{slice_at, u16_at, u32_at};
use super::super::error::Error;
use super::{
    tag, AmdInfo, Architecture, DlInfo, DlLayout, IntelInfo, LogInfo, Policy, UefiConfig,
    ENTRY_HEADER_SIZE, HEADER_SIZE, MAGIC, MAX_TABLE_SIZE, REVISION,
};

/// The table's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The kind of launch the table is for.
    pub architecture: Architecture,
    /// Bytes of the table that are used, header and end entry included.
    pub size: u32,
    /// Bytes of the buffer that the table is in.
    pub max_size: u32,
}

impl Header {
    /// Reads and checks the header, to learn how much more to read.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSlrt`] if magic, revision or architecture are unknown, or if the sizes are
    /// out of order: a header and an end entry at least, `size` at most `max_size`, and that at
    /// most [`MAX_TABLE_SIZE`].
    pub fn parse(bytes: &[u8; HEADER_SIZE]) -> Result<Self, Error> {
        let number = |offset| u32_at(bytes, offset).ok_or(Error::InvalidSlrt);
        if number(0)? != MAGIC || u16_at(bytes, 4) != Some(REVISION) {
            return Err(Error::InvalidSlrt);
        }
        let header = Self {
            architecture: Architecture::from_number(u16_at(bytes, 6).unwrap_or(0))?,
            size: number(8)?,
            max_size: number(12)?,
        };
        let fits = |least: usize, size: u32, most: usize| {
            usize::try_from(size).is_ok_and(|size| least <= size && size <= most)
        };
        if !fits(HEADER_SIZE + ENTRY_HEADER_SIZE, header.size, MAX_TABLE_SIZE)
            || header.size > header.max_size
            || !fits(0, header.max_size, MAX_TABLE_SIZE)
        {
            return Err(Error::InvalidSlrt);
        }
        Ok(header)
    }
}

/// A table whose structure was checked as a whole.
///
/// # Invariants
///
/// All entries lie one behind the other inside the table, the last one is the end entry, those
/// that may occur once do, and those that are known have their layout.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    header: Header,
    // Entries with many fields are kept as bytes, and read again by who needs them.
    dl_info: Option<&'a [u8]>,
    log_info: Option<&'a [u8]>,
    policy: Option<Policy<'a>>,
    intel: Option<IntelInfo<'a>>,
    amd: Option<&'a [u8]>,
    uefi_config: Option<UefiConfig<'a>>,
}

/// Stores `value`, unless there is one already.
fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), Error> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::SlrtDuplicate),
    }
}

impl<'a> Table<'a> {
    /// Reads the table that `bytes` begins with. `bytes` should be a private copy: nobody else
    /// may change it afterwards.
    ///
    /// Entries with unknown tags are skipped, whatever they contain.
    ///
    /// # Errors
    ///
    /// Those of [`Header::parse`]; [`Error::InvalidSlrt`] if the table is longer than `bytes`;
    /// [`Error::SlrtEntry`] if an entry is smaller than its header, goes past the end of the
    /// table or has the wrong size for its tag; [`Error::SlrtDuplicate`] if one occurs twice;
    /// [`Error::SlrtNoEnd`] if the end entry is missing or anything follows it; and those of the
    /// entries.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let header = bytes.first_chunk().ok_or(Error::InvalidSlrt)?;
        let header = Header::parse(header)?;
        let size = usize::try_from(header.size).map_err(|_| Error::InvalidSlrt)?;
        let bytes = bytes.get(..size).ok_or(Error::InvalidSlrt)?;

        let mut table = Self {
            header,
            dl_info: None,
            log_info: None,
            policy: None,
            intel: None,
            amd: None,
            uefi_config: None,
        };
        let mut at = HEADER_SIZE;
        loop {
            let (tag, entry) = entry_at(bytes, at)?;
            at = at.checked_add(entry.len()).ok_or(Error::SlrtEntry)?;
            if tag == tag::END {
                if entry.len() != ENTRY_HEADER_SIZE {
                    return Err(Error::SlrtEntry);
                }
                if at != size {
                    return Err(Error::SlrtNoEnd);
                }
                return Ok(table);
            }
            table.take(tag, entry)?;
        }
    }

    fn take(&mut self, tag: u32, entry: &'a [u8]) -> Result<(), Error> {
        match tag {
            tag::DL_INFO => DlLayout::of(entry).and_then(|_| once(&mut self.dl_info, entry)),
            tag::LOG_INFO => LogInfo::parse(entry).and_then(|_| once(&mut self.log_info, entry)),
            tag::POLICY => once(&mut self.policy, Policy::parse(entry)?),
            tag::INTEL_INFO => once(&mut self.intel, IntelInfo::parse(entry)?),
            tag::AMD_INFO => AmdInfo::parse(entry).and_then(|_| once(&mut self.amd, entry)),
            tag::UEFI_CONFIG => once(&mut self.uefi_config, UefiConfig::parse(entry)?),
            _ => Ok(()),
        }
    }

    /// The header.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Checks that the table is for this kind of launch.
    ///
    /// # Errors
    ///
    /// [`Error::Architecture`].
    pub fn expect(&self, architecture: Architecture) -> Result<(), Error> {
        if self.header.architecture != architecture {
            return Err(Error::Architecture);
        }
        Ok(())
    }

    /// The memory of the launch.
    ///
    /// # Errors
    ///
    /// [`Error::SlrtMissingEntry`] if the table has no such entry.
    pub fn dl_info(&self) -> Result<DlInfo, Error> {
        DlInfo::parse(self.dl_info.ok_or(Error::SlrtMissingEntry)?)
    }

    /// The event log.
    ///
    /// # Errors
    ///
    /// [`Error::SlrtMissingEntry`] if the table has no such entry.
    pub fn log_info(&self) -> Result<LogInfo, Error> {
        LogInfo::parse(self.log_info.ok_or(Error::SlrtMissingEntry)?)
    }

    /// What is particular to AMD.
    ///
    /// # Errors
    ///
    /// [`Error::SlrtMissingEntry`] if the table has no such entry.
    pub fn amd(&self) -> Result<AmdInfo, Error> {
        AmdInfo::parse(self.amd.ok_or(Error::SlrtMissingEntry)?)
    }

    /// What is particular to Intel.
    ///
    /// # Errors
    ///
    /// [`Error::SlrtMissingEntry`] if the table has no such entry.
    pub fn intel(&self) -> Result<&IntelInfo<'a>, Error> {
        self.intel.as_ref().ok_or(Error::SlrtMissingEntry)
    }

    /// The launch policy, which a table may do without.
    pub const fn policy(&self) -> Option<&Policy<'a>> {
        self.policy.as_ref()
    }

    /// UEFI configuration to measure, which a table may do without.
    pub const fn uefi_config(&self) -> Option<&UefiConfig<'a>> {
        self.uefi_config.as_ref()
    }
}

/// The tag and the bytes of the entry at `at`.
fn entry_at(bytes: &[u8], at: usize) -> Result<(u32, &[u8]), Error> {
    let left = bytes.get(at..).ok_or(Error::SlrtEntry)?;
    if left.is_empty() {
        return Err(Error::SlrtNoEnd);
    }
    let tag = u32_at(left, 0).ok_or(Error::SlrtEntry)?;
    let size = u32_at(left, 4).ok_or(Error::SlrtEntry)?;
    let size = usize::try_from(size).map_err(|_| Error::SlrtEntry)?;
    if size < ENTRY_HEADER_SIZE {
        return Err(Error::SlrtEntry);
    }
    let entry = slice_at(left, 0, size).ok_or(Error::SlrtEntry)?;
    Ok((tag, entry))
}
