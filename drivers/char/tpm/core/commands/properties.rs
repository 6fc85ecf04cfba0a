// SPDX-License-Identifier: GPL-2.0

//! What a TPM says about itself.

use super::TpmFamily;

/// Who made the TPM, and what it implements. For people and logs; nothing here is proven.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Properties {
    /// The family that the answer has the format of.
    pub family: TpmFamily,
    /// The family of the specification in ASCII, "2.0" or "1.2", with zeros behind it.
    pub spec_family: [u8; 4],
    /// The level of the specification.
    pub spec_level: u32,
    /// The revision of the specification, times 100; TPM 1.2: the errata level.
    pub spec_revision: u32,
    /// The manufacturer in ASCII, as in the TCG vendor id registry.
    pub manufacturer: [u8; 4],
    /// The version of the firmware, numbered by the manufacturer; the more significant half first.
    /// TPM 1.2 has 16 bits only, in the first half: major, minor.
    pub firmware: [u32; 2],
}

impl Properties {
    pub(super) const fn new(family: TpmFamily) -> Self {
        Self {
            family,
            spec_family: [0; 4],
            spec_level: 0,
            spec_revision: 0,
            manufacturer: [0; 4],
            firmware: [0; 2],
        }
    }
}
