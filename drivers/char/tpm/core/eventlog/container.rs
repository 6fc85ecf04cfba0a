// SPDX-License-Identifier: GPL-2.0

//! The header of a TPM 1.2 log: the container of Intel TXT.

use super::super::bytes::{Builder, Reader};
use super::super::digest::{Banks, HashAlg};
use super::header::{LogHeader, VendorInfo};
use super::{LogError, LogFormat};

const SIGNATURE: [u8; 20] = *b"TXT Event Container\0";

/// Bytes of the header.
pub(super) const HEADER: usize = 48;
/// Offset of the first event: right behind the header.
pub(super) const FIRST: u32 = 48;

/// Major and minor version of the container, and of its events.
const VERSIONS: [u8; 4] = [1, 0, 1, 0];

/// Checks the header if `log` begins with the signature of one; `None` if it does not.
pub(super) fn parse(log: &[u8]) -> Option<Result<LogHeader, LogError>> {
    let mut reader = Reader::new(log);
    if reader.array()? != SIGNATURE {
        return None;
    }
    Some(parse_fields(reader))
}

fn parse_fields(mut reader: Reader<'_>) -> Result<LogHeader, LogError> {
    const CUT: LogError = LogError::TooSmall;

    let _reserved = reader.array::<12>().ok_or(CUT)?;
    let versions = reader.array().ok_or(CUT)?;
    let vendor = VendorInfo {
        phys: 0,
        container: reader.le32().ok_or(CUT)?,
        first: reader.le32().ok_or(CUT)?,
        next: reader.le32().ok_or(CUT)?,
    };
    if versions != VERSIONS {
        return Err(LogError::Version);
    }
    let mut banks = Banks::new();
    banks.push(HashAlg::SHA1).map_err(|_| LogError::Banks)?;
    Ok(LogHeader {
        format: LogFormat::Tpm12,
        platform_class: 0,
        banks,
        vendor: Some(vendor),
        size: HEADER,
    })
}

/// Writes the header. The caller checks that it fits.
pub(super) fn write(out: &mut Builder<'_>, vendor: &VendorInfo) {
    out.bytes(&SIGNATURE).bytes(&[0; 12]).bytes(&VERSIONS);
    out.le32(vendor.container)
        .le32(vendor.first)
        .le32(vendor.next);
}
