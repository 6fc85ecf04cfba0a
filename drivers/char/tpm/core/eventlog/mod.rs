// SPDX-License-Identifier: GPL-2.0

//! The event log: writer and reader, for two formats.
//!
//! TPM 2.0 has the TCG crypto-agile log (PFP 1.05 section 10), TPM 1.2 the log of Intel TXT (TXT
//! Software Development Guide, appendix G).
//!
//! The log lies in memory that others may have written, so a reader believes nothing that it has
//! not checked, and a writer checks all of a log before it adds to it.
//!
//! The first record of an agile log is in the format of TPM 1.2 and describes the rest: the banks
//! with their digest sizes, and 20 bytes of vendor information, the same that Intel TXT keeps in
//! its heap (extended data element 8): `phys u64, container u32, first u32, next u32`. `next`, the
//! offset of the byte behind the last event, is where the next event goes; every writer keeps it.
//!
//! | first record          | offset | value                                            |
//! |-----------------------|--------|--------------------------------------------------|
//! | pcr, type             | 0, 4   | 0, 3 (EV_NO_ACTION)                              |
//! | digest                | 8      | 20 zero bytes                                    |
//! | size of the rest      | 28     | 49 + 4n                                          |
//! | signature             | 32     | "Spec ID Event03", NUL                           |
//! | class, version, uintn | 48     | u32 0, u8 0, 2, 0, 2                             |
//! | n, {alg, size} u16    | 56     | the n banks                                      |
//! | vendor info size      | 60+4n  | u8 20                                            |
//! | vendor info           | 61+4n  | see above; `first` is 0, the start of the buffer |
//!
//! Every further record: `pcr u32, type u32, n u32, n * {alg u16, digest}, size u32, data`.
//!
//! The log of TPM 1.2 begins with a header of 48 bytes instead, `next` at the same distance from
//! its end:
//!
//! | header                     | offset | value                               |
//! |----------------------------|--------|-------------------------------------|
//! | signature                  | 0      | "TXT Event Container", NUL          |
//! | reserved                   | 20     | 12 bytes                            |
//! | version, version of events | 32     | u8 1, 0, 1, 0                       |
//! | container, first, next     | 36     | u32 each, as above; `first` is 48   |
//!
//! Its records: `pcr u32, type u32, SHA-1 digest, size u32, data`.

mod container;
mod error;
mod header;
mod reader;
mod writer;

pub use error::LogError;
pub use header::{LogHeader, VendorInfo};
pub use reader::{DigestIter, Event, EventDigests, Events, LogReader};
pub use writer::EventLog;

use super::commands::TpmFamily;

/// What a log looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// The container of Intel TXT for TPM 1.2: SHA-1 only.
    Tpm12,
    /// The TCG crypto-agile log: any banks.
    Agile,
}

impl LogFormat {
    /// The format of the log of a TPM of this family.
    pub const fn of(family: TpmFamily) -> Self {
        match family {
            TpmFamily::Tpm12 => Self::Tpm12,
            TpmFamily::Tpm20 => Self::Agile,
        }
    }

    /// Its number in a launch table (SLRT).
    pub const fn number(self) -> u16 {
        match self {
            Self::Tpm12 => 1,
            Self::Agile => 2,
        }
    }

    /// What [`VendorInfo::first`] must be.
    const fn first(self) -> u32 {
        match self {
            Self::Tpm12 => container::FIRST,
            Self::Agile => 0,
        }
    }
}

/// Event type of records that are not extended, such as the first.
pub const EV_NO_ACTION: u32 = 0x003;
/// Event type of a cap: the PCR was extended with a value that closes it.
pub const EV_CAP_VALUE: u32 = 0x4ff;
/// Event type of what a secure launch measures.
pub const EV_SLAUNCH: u32 = 0x502;
/// Event type of the marker before the first measurement of the kernel.
pub const EV_SLAUNCH_START: u32 = 0x503;
/// Event type of the marker behind the last measurement of the kernel.
pub const EV_SLAUNCH_END: u32 = 0x504;
