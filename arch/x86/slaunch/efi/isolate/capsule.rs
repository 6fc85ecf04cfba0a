// SPDX-License-Identifier: GPL-2.0

//! The blocks of a capsule, which firmware reads at their physical addresses in the course of
//! UpdateCapsule().

use super::{
    super::{
        isolate::marshal::ARGS,
        paging, //
    },
    denied,
    space::Space, //
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};

/// Most pages that are mapped: a capsule of 64 MiB, and its list.
const MOST: usize = (64 << 20) / PAGE_SIZE + 256;

/// Bytes of a page.
const PAGE: u64 = PAGE_SIZE as u64; // CAST: A small number.

/// Bytes of a descriptor: length u64, address u64 (UEFI specification, section 8.5.3).
const DESCRIPTOR: u64 = 16;

/// What is mapped: addresses and sizes.
pub(super) struct Blocks(KVVec<(u64, usize)>);

impl Blocks {
    /// Maps the list that a call of UpdateCapsule() passes, and what is in it.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is not the list of a capsule in memory, or too long; those of mapping.
    /// Nothing is mapped then.
    pub(super) fn map(space: &Space, args: &[u64; ARGS]) -> Result<Self> {
        let [_, _, list, ..] = *args;
        let mut blocks = Self(KVVec::new());
        blocks.collect(list)?;
        for (index, &(start, size)) in blocks.0.iter().enumerate() {
            if let Err(error) = space.map(start, size) {
                blocks.0.truncate(index);
                blocks.unmap(space)?;
                return Err(error);
            }
        }
        Ok(blocks)
    }

    /// Unmaps them again.
    pub(super) fn unmap(self, space: &Space) -> Result {
        let mut result = Ok(());
        for &(start, size) in &self.0 {
            result = space.unmap(start, size).and(result);
        }
        result
    }

    /// Follows the list.
    fn collect(&mut self, list: u64) -> Result {
        let mut at = list;
        let mut pages = 0;
        self.add(at, DESCRIPTOR, &mut pages)?;
        loop {
            if at % DESCRIPTOR != 0 {
                return Err(EINVAL);
            }
            let [length, data] = read(at);
            match (length, data) {
                (0, 0) => return Ok(()),
                // The list goes on there.
                (0, next) => {
                    at = next;
                    self.add(at, DESCRIPTOR, &mut pages)?;
                    continue;
                }
                _ => self.add(data, length, &mut pages)?,
            }
            at = at.checked_add(DESCRIPTOR).ok_or(EINVAL)?;
            // Each page of the list ends with such a link.
            if at % PAGE == 0 {
                return Err(EINVAL);
            }
        }
    }

    /// Adds all pages of a block, which have to be the kernel's RAM.
    fn add(&mut self, start: u64, size: u64, pages: &mut usize) -> Result {
        let first = start & !(PAGE - 1);
        let end = start
            .checked_add(size)
            .ok_or(EINVAL)?
            .checked_next_multiple_of(PAGE)
            .ok_or(EINVAL)?;
        let size = usize::try_from(end.checked_sub(first).ok_or(EINVAL)?)?;
        *pages = pages.saturating_add(size / PAGE_SIZE);
        if size == 0 || *pages > MOST || !denied::is_all_ram(first, size) {
            return Err(EINVAL);
        }
        if let Some((last, length)) = self.0.last_mut() {
            if last.checked_add(u64::try_from(*length)?) == Some(first) {
                *length = length.saturating_add(size);
                return Ok(());
            }
        }
        self.0.push((first, size), GFP_KERNEL)?;
        Ok(())
    }
}

/// Reads a descriptor of the list, in RAM of the kernel's.
fn read(at: u64) -> [u64; 2] {
    let page = paging::table(at);
    let word = usize::try_from(at % PAGE / 8).unwrap_or(0);
    let read = |index| {
        // SAFETY: RAM, as was checked, and the two words are in the same page.
        unsafe { page.wrapping_add(index).read_volatile() }
    };
    [read(word), read(word.wrapping_add(1))]
}
