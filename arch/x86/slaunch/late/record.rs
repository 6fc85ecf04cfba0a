// SPDX-License-Identifier: GPL-2.0

//! The launch record, as text.

use super::{
    mem,
    slaunch::record::{
        LaunchRecord,
        Stage,
        SIZE, //
    }, //
};
use kernel::{
    fmt,
    prelude::*, //
};

/// The launch record, or nothing if it could not be read.
pub(crate) struct Record(Option<LaunchRecord>);

impl Record {
    /// Reads the record at the physical address `record`.
    pub(crate) fn load(record: u64) -> Self {
        Self(Self::read(record).ok())
    }

    fn read(record: u64) -> Result<LaunchRecord> {
        let bytes = mem::read(record, u64::try_from(SIZE)?)?;
        let bytes = <&[u8; SIZE]>::try_from(bytes.as_slice()).map_err(|_| EINVAL)?;
        LaunchRecord::parse(bytes).map_err(|_| EINVAL)
    }

    /// Writes the record as lines of text.
    pub(crate) fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(record) = &self.0 else {
            return writeln!(f, "stage: unknown");
        };
        let stage = match record.stage {
            Stage::Slb => "loader block",
            Stage::KernelEntered => "kernel entered",
            Stage::Early => "early kernel",
            Stage::Complete => "complete",
        };
        writeln!(f, "stage: {stage}")?;
        if record.code == 0 {
            return writeln!(f, "error: none");
        }
        writeln!(
            f,
            "error: {:#x} tpm {:#x} detail {:#x} {:#x}",
            record.code, record.tpm_rc, record.detail0, record.detail1
        )
    }
}
