// SPDX-License-Identifier: GPL-2.0

//! The first record of a log.

use super::super::digest::Banks;

/// The vendor information that a launch keeps in the first record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VendorInfo {
    /// Physical address of the log.
    pub phys: u64,
    /// Size of the buffer, in bytes.
    pub container: u32,
    /// Offset of the first record.
    pub first: u32,
    /// Offset behind the last event.
    pub next: u32,
}

/// The first record of a log, checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogHeader {
    /// 0 for a client, 1 for a server.
    pub platform_class: u32,
    /// The banks, with the sizes of their digests.
    pub banks: Banks,
    /// The vendor information, if it has the size of ours. Its content is not checked.
    pub vendor: Option<VendorInfo>,
    /// Size of the whole first record, in bytes.
    pub size: usize,
}
