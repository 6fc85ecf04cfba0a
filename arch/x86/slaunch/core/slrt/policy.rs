// SPDX-License-Identifier: GPL-2.0

//! The policy entry as it is in the table. What is made of it: [`super::super::policy`].

use super::super::bytes::{array_at, u16_at, u64_at, Records, Writer};
use super::super::error::Error;
use super::POLICY_REVISION;

/// POLICY: `revision u16@12, nr_entries u16@14`, then entries of 56 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy<'a> {
    entries: &'a [u8],
}

/// An entry of the policy: `pcr u16@0, entity_type u16@2, flags u16@4, size u64@8, entity u64@16,
/// evt_info [u8; 32]@24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyEntry {
    /// The PCR to extend.
    pub pcr: u16,
    /// What is to be measured, one of [`super::entity`].
    pub entity_type: u16,
    /// [`super::FLAG_MEASURED`], [`super::FLAG_IMPLICIT_SIZE`].
    pub flags: u16,
    /// Bytes to be measured.
    pub size: u64,
    /// Physical address of them.
    pub entity: u64,
    /// The label, NUL padded, not necessarily terminated.
    pub label: [u8; 32],
}

impl PolicyEntry {
    /// Bytes of an entry.
    pub const SIZE: usize = 56;

    /// Reads an entry.
    pub fn parse(bytes: &[u8; Self::SIZE]) -> Self {
        // In bounds: the array is as long as the entry.
        let number = |offset| u16_at(bytes, offset).unwrap_or(0);
        Self {
            pcr: number(0),
            entity_type: number(2),
            flags: number(4),
            size: u64_at(bytes, 8).unwrap_or(0),
            entity: u64_at(bytes, 16).unwrap_or(0),
            label: array_at(bytes, 24).unwrap_or([0; 32]),
        }
    }

    pub(super) fn write(&self, out: &mut Writer<'_>) {
        out.u16(self.pcr);
        out.u16(self.entity_type);
        out.u16(self.flags);
        out.u16(0);
        out.u64(self.size);
        out.u64(self.entity);
        out.put(&self.label);
    }
}

impl<'a> Policy<'a> {
    /// Bytes before the entries.
    pub const HEAD_SIZE: usize = 16;

    /// Reads an entry of the table.
    ///
    /// # Errors
    ///
    /// [`Error::PolicyRevision`] if the revision is unknown, [`Error::SlrtEntry`] if the size does
    /// not fit the number of entries.
    pub fn parse(entry: &'a [u8]) -> Result<Self, Error> {
        let revision = u16_at(entry, 12).ok_or(Error::SlrtEntry)?;
        let count = usize::from(u16_at(entry, 14).ok_or(Error::SlrtEntry)?);
        let entries = entry.get(Self::HEAD_SIZE..).ok_or(Error::SlrtEntry)?;
        if revision != POLICY_REVISION {
            return Err(Error::PolicyRevision);
        }
        if count.checked_mul(PolicyEntry::SIZE) != Some(entries.len()) {
            return Err(Error::SlrtEntry);
        }
        Ok(Self { entries })
    }

    /// The entries, in order.
    pub fn entries(&self) -> impl Iterator<Item = PolicyEntry> + 'a {
        Records::new(self.entries).map(|entry| PolicyEntry::parse(&entry))
    }

    /// How many entries there are.
    pub const fn len(&self) -> usize {
        self.entries.len() / PolicyEntry::SIZE
    }

    /// True if there are none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn write_head(out: &mut Writer<'_>, count: u16) {
        out.u32(0);
        out.u16(POLICY_REVISION);
        out.u16(count);
    }
}
