// SPDX-License-Identifier: GPL-2.0
//! The measured kernel: where the launch tables say it is, and the STGI instructions in it.

use serde::Serialize;

use super::slb::{u16_at, u32_at, u64_at};

/// Magic of the launch tables (TrenchBoot SLRT).
const SLRT_MAGIC: u32 = 0x4452_544d;
const TAG_DL_INFO: u32 = 1;
const TAG_END: u32 = 0xffff;
/// Bytes of the DL_INFO entry with a DLME header offset.
const DL_INFO_SIZE: u32 = 88;
/// `STGI`
const STGI: [u8; 3] = [0x0f, 0x01, 0xdc];
/// Where the kernel's image is mapped when virtual KASLR is off.
pub const KERNEL_VIRTUAL: u64 = 0xffff_ffff_8100_0000;
/// Images larger than this are not scanned.
const IMAGE_MAX: u64 = 512 << 20;

/// The measured kernel, as the launch tables describe it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Dlme {
    /// Physical load address.
    pub base: u64,
    /// Bytes reserved for it.
    pub size: u64,
    /// Entry point, offset from the base.
    pub entry: u64,
    /// Offset of its header.
    pub header: u64,
    /// Measured bytes, from its header.
    pub measured: Option<u32>,
}

/// Finds the DL_INFO entry in a copy of the launch tables.
pub fn parse_dl_info(table: &[u8]) -> Option<Dlme> {
    if u32_at(table, 0)? != SLRT_MAGIC {
        return None;
    }
    // Offset 4 is the revision; any revision whose DL_INFO has the known size will do here.
    u16_at(table, 4)?;
    let mut at = 16;
    loop {
        let tag = u32_at(table, at)?;
        let size = u32_at(table, at + 4)?;
        if tag == TAG_END || size < 8 {
            return None;
        }
        if tag == TAG_DL_INFO && size == DL_INFO_SIZE {
            return Some(Dlme {
                base: u64_at(table, at + 32)?,
                size: u64_at(table, at + 24)?,
                entry: u64_at(table, at + 40)?,
                header: u64_at(table, at + 48)?,
                measured: None,
            });
        }
        at = at.checked_add(usize::try_from(size).ok()?)?;
    }
}

/// Size of the measured part, from the MLE header at the head of `header`.
pub fn measured_size(header: &[u8]) -> Option<u32> {
    const UUID: [u32; 4] = [0x9082_ac5a, 0x74a7_476f, 0xa255_5c0f, 0x42b6_51cb];
    for (index, word) in UUID.into_iter().enumerate() {
        if u32_at(header, index * 4)? != word {
            return None;
        }
    }
    u32_at(header, 36)
}

impl Dlme {
    /// Bytes to look for STGI in.
    pub fn scan_size(&self) -> u64 {
        self.measured
            .map_or(self.size, u64::from)
            .min(self.size)
            .min(IMAGE_MAX)
    }
}

/// Offsets of all STGI instructions, and of data that looks like one, in `bytes`.
pub fn find_stgi(bytes: &[u8]) -> Vec<u64> {
    bytes
        .windows(STGI.len())
        .enumerate()
        .filter(|(_, window)| *window == STGI)
        .map(|(at, _)| at as u64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dl_info_is_found_behind_other_entries() {
        let mut table = vec![0_u8; 16];
        table[..4].copy_from_slice(&SLRT_MAGIC.to_le_bytes());
        let mut entry = |tag: u32, size: u32, fields: &[(usize, u64)]| {
            let at = table.len();
            table.resize(at + size as usize, 0);
            table[at..at + 4].copy_from_slice(&tag.to_le_bytes());
            table[at + 4..at + 8].copy_from_slice(&size.to_le_bytes());
            for (offset, value) in fields {
                let field = at + offset;
                table[field..field + 8].copy_from_slice(&value.to_le_bytes());
            }
        };
        entry(2, 24, &[]);
        entry(1, 88, &[(24, 0x200_0000), (32, 0x100_0000), (40, 0x200)]);
        entry(0xffff, 8, &[]);
        let dlme = parse_dl_info(&table).unwrap();
        assert_eq!(
            (dlme.base, dlme.size, dlme.entry),
            (0x100_0000, 0x200_0000, 0x200)
        );
        assert!(parse_dl_info(&table[..90]).is_none());
        table[16 + 4] = 0;
        assert!(parse_dl_info(&table).is_none());
    }

    #[test]
    fn stgi_is_found() {
        assert_eq!(find_stgi(&[0x90, 0x0f, 0x01, 0xdc, 0x0f, 0x01, 0xdd]), [1]);
    }
}
