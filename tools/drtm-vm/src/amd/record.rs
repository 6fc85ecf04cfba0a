// SPDX-License-Identifier: GPL-2.0
//! The launch record that the loader block and the kernel keep in the SLB's window.

use serde::Serialize;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// `SLRC`
const MAGIC: u32 = 0x4352_4c53;
/// Bytes of a record.
pub const SIZE: usize = 64;

#[derive(FromBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Raw {
    magic: U32,
    version: U16,
    size: U16,
    stage: U32,
    code: U32,
    tpm_rc: U32,
    events: U32,
    detail: [U64; 2],
    reserved: [u8; 24],
}

/// A record as read from guest memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LaunchRecord {
    /// 1 loader block, 2 kernel entered, 3 early kernel, 4 launch complete.
    pub stage: u32,
    /// 0, or the error code (0xc0008xxx).
    pub code: u32,
    /// Response code of the TPM command that failed, if one did.
    pub tpm_rc: u32,
    /// Events appended to the log.
    pub events: u32,
    /// Details of the error, meaning depends on the code.
    pub detail: [u64; 2],
}

impl LaunchRecord {
    /// Parses a record; `None` if there is none or it is of another version.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (raw, _) = Raw::ref_from_prefix(bytes).ok()?;
        let known = raw.magic.get() == MAGIC
            && raw.version.get() == 1
            && usize::from(raw.size.get()) == SIZE;
        known.then(|| LaunchRecord {
            stage: raw.stage.get(),
            code: raw.code.get(),
            tpm_rc: raw.tpm_rc.get(),
            events: raw.events.get(),
            detail: [raw.detail[0].get(), raw.detail[1].get()],
        })
    }

    /// One line for people.
    pub fn summary(&self) -> String {
        let stage = match self.stage {
            1 => "loader block",
            2 => "kernel entered",
            3 => "early kernel",
            4 => "launch complete",
            _ => "unknown stage",
        };
        if self.code == 0 {
            return format!("launch record: {stage}, no error");
        }
        let mut text = format!("launch record: {stage}, error {:#010x}", self.code);
        if self.tpm_rc != 0 {
            text += &format!(", TPM response {:#x}", self.tpm_rc);
        }
        if self.detail != [0, 0] {
            text += &format!(", details {:#x} {:#x}", self.detail[0], self.detail[1]);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout() {
        let mut bytes = [0_u8; SIZE];
        bytes[..4].copy_from_slice(b"SLRC");
        bytes[4] = 1;
        bytes[6] = 64;
        bytes[8] = 3;
        bytes[12..16].copy_from_slice(&0xc000_8021_u32.to_le_bytes());
        bytes[24] = 7;
        let record = LaunchRecord::parse(&bytes).unwrap();
        assert_eq!((record.stage, record.code), (3, 0xc000_8021));
        assert_eq!(record.detail, [7, 0]);
        bytes[4] = 2;
        assert!(LaunchRecord::parse(&bytes).is_none());
        assert!(LaunchRecord::parse(&bytes[..63]).is_none());
    }
}
