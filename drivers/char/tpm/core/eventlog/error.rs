// SPDX-License-Identifier: GPL-2.0

//! What can be wrong with an event log.

/// Why a log was refused.
///
/// The discriminants ([`LogError::code`]) are stable: they end up in launch records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum LogError {
    /// The buffer does not even hold the first record, or header.
    TooSmall,
    /// Neither the header of a TPM 1.2 log, nor the first record of a crypto-agile log: wrong PCR,
    /// type, digest, size or signature.
    NotAgile,
    /// The first record, or the header, has a version that is not supported.
    Version,
    /// The list of banks is empty, too long, has one twice, or one with an impossible size; or it
    /// is not SHA-1 alone for a TPM 1.2 log.
    Banks,
    /// There is no vendor information that says where the log ends.
    NoVendorInfo,
    /// The vendor information does not describe this buffer.
    Container,
    /// The append point lies outside the log, or not behind its last event.
    AppendPoint,
    /// A record reaches beyond the end of the log.
    Truncated,
    /// A record has no digest, too many, one twice, or (where all are needed) too few.
    DigestCount,
    /// A record has a digest of an algorithm that the first record does not list.
    UnknownAlgorithm,
    /// An event does not fit into what is left of the buffer. Nothing was written.
    Full,
}

impl LogError {
    /// The stable number of this error; 0 is never used.
    pub const fn code(self) -> u8 {
        match self {
            Self::TooSmall => 1,
            Self::NotAgile => 2,
            Self::Version => 3,
            Self::Banks => 4,
            Self::NoVendorInfo => 5,
            Self::Container => 6,
            Self::AppendPoint => 7,
            Self::Truncated => 8,
            Self::DigestCount => 9,
            Self::UnknownAlgorithm => 10,
            Self::Full => 11,
        }
    }
}
