// SPDX-License-Identifier: GPL-2.0

//! The first record of a log.

use super::super::bytes::{Builder, Reader};
use super::super::digest::{Banks, HashAlg, MAX_BANKS};
use super::{container, LogError, LogFormat, EV_NO_ACTION};

/// Bytes of a TPM 1.2 record before its data: PCR, type, SHA-1, size.
const RECORD: usize = 32;
/// Bytes of the data before the list of banks.
const FIXED: usize = 28;
/// Bytes of one bank in the list.
const BANK: usize = 4;
/// Bytes of the vendor information.
const VENDOR: u8 = 20;

const SIGNATURE: [u8; 16] = *b"Spec ID Event03\0";

/// Where a log lies and ends: the vendor information that a launch keeps in the first record, or
/// the same from the header of a TPM 1.2 log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VendorInfo {
    /// Physical address of the log; 0 in a TPM 1.2 log, which does not tell.
    pub phys: u64,
    /// Size of the buffer, in bytes.
    pub container: u32,
    /// Offset of the first record.
    pub first: u32,
    /// Offset behind the last event.
    pub next: u32,
}

impl VendorInfo {
    /// Offset of `next` from the end of the first record or header, in bytes.
    pub(super) const NEXT_FROM_END: usize = 4;

    fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != usize::from(VENDOR) {
            return None;
        }
        let mut reader = Reader::new(bytes);
        Some(Self {
            phys: reader.le64()?,
            container: reader.le32()?,
            first: reader.le32()?,
            next: reader.le32()?,
        })
    }
}

/// The first record of a log, or the header of a TPM 1.2 log, checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogHeader {
    /// What the events look like.
    pub format: LogFormat,
    /// 0 for a client, 1 for a server. A TPM 1.2 log does not tell.
    pub platform_class: u32,
    /// The banks, with the sizes of their digests.
    pub banks: Banks,
    /// The vendor information, if it has the size of ours. Its content is not checked.
    pub vendor: Option<VendorInfo>,
    /// Size of the whole first record or header, in bytes: the events follow.
    pub size: usize,
}

impl LogHeader {
    /// Checks the record or header that `log` begins with.
    pub(super) fn parse(log: &[u8]) -> Result<Self, LogError> {
        if let Some(header) = container::parse(log) {
            return header;
        }
        let mut reader = Reader::new(log);
        let pcr = reader.le32().ok_or(LogError::TooSmall)?;
        let event_type = reader.le32().ok_or(LogError::TooSmall)?;
        let digest = reader.array::<20>().ok_or(LogError::TooSmall)?;
        let size = reader.le32().ok_or(LogError::TooSmall)?;
        if pcr != 0 || event_type != EV_NO_ACTION || digest.iter().any(|byte| *byte != 0) {
            return Err(LogError::NotAgile);
        }
        let size = usize::try_from(size).map_err(|_| LogError::TooSmall)?;
        let data = reader.bytes(size).ok_or(LogError::TooSmall)?;
        let size = RECORD.checked_add(size).ok_or(LogError::TooSmall)?;
        Self::parse_data(data, size)
    }

    fn parse_data(data: &[u8], size: usize) -> Result<Self, LogError> {
        const CUT: LogError = LogError::NotAgile;

        let mut reader = Reader::new(data);
        if reader.array().ok_or(CUT)? != SIGNATURE {
            return Err(LogError::NotAgile);
        }
        let platform_class = reader.le32().ok_or(CUT)?;
        let [minor, major, _errata, uintn] = reader.array().ok_or(CUT)?;
        if (major, minor) != (2, 0) || !matches!(uintn, 1 | 2) {
            return Err(LogError::Version);
        }
        let count = reader.le32().ok_or(CUT)?;
        match usize::try_from(count) {
            Ok(1..=MAX_BANKS) => {}
            _ => return Err(LogError::Banks),
        }
        let mut banks = Banks::new();
        for _ in 0..count {
            let id = reader.le16().ok_or(CUT)?;
            let size = usize::from(reader.le16().ok_or(CUT)?);
            let alg = HashAlg::new(id, size).ok_or(LogError::Banks)?;
            banks.push(alg).map_err(|_| LogError::Banks)?;
        }
        let len = usize::from(reader.u8().ok_or(CUT)?);
        let vendor = VendorInfo::parse(reader.bytes(len).ok_or(CUT)?);
        if reader.left() != 0 {
            return Err(LogError::NotAgile);
        }
        Ok(Self {
            format: LogFormat::Agile,
            platform_class,
            banks,
            vendor,
            size,
        })
    }

    /// Size in bytes of the first record for these banks, with our vendor information; or of the
    /// header.
    pub(super) fn size_for(banks: &Banks, format: LogFormat) -> usize {
        if format == LogFormat::Tpm12 {
            return container::HEADER;
        }
        // At most MAX_BANKS banks: no overflow.
        let list = banks.len().wrapping_mul(BANK);
        let tail = 1usize.wrapping_add(usize::from(VENDOR));
        RECORD
            .wrapping_add(FIXED)
            .wrapping_add(list)
            .wrapping_add(tail)
    }

    /// Writes a first record, or the header. The caller checks that it fits.
    pub(super) fn write(
        out: &mut Builder<'_>,
        banks: &Banks,
        format: LogFormat,
        vendor: &VendorInfo,
    ) {
        if format == LogFormat::Tpm12 {
            return container::write(out, vendor);
        }
        let data = Self::size_for(banks, format).wrapping_sub(RECORD);
        match (u32::try_from(data), u32::try_from(banks.len())) {
            (Ok(data), Ok(count)) => {
                out.le32(0).le32(EV_NO_ACTION).bytes(&[0; 20]).le32(data);
                // Class: client. Version 2.0, errata 0, UINTN of 64 bits.
                out.bytes(&SIGNATURE).le32(0).bytes(&[0, 2, 0, 2]);
                out.le32(count);
            }
            _ => {
                out.invalidate();
            }
        }
        for alg in banks.iter() {
            match u16::try_from(alg.size()) {
                Ok(size) => out.le16(alg.id()).le16(size),
                Err(_) => out.invalidate(),
            };
        }
        out.u8(VENDOR).le64(vendor.phys).le32(vendor.container);
        out.le32(vendor.first).le32(vendor.next);
    }
}
