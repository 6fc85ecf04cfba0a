// SPDX-License-Identifier: GPL-2.0

//! Page-table entries and their copy.

use super::{
    super::{
        paging::bit,
        violation::{
            Deviation,
            Violation,
            What, //
        }, //
    },
    compare::{
        self,
        Run, //
    }, //
};
use kernel::prelude::*;

/// The entries, by how they lie, which is how they are compared.
pub(crate) struct Entries {
    /// Those that lie side by side.
    runs: KVVec<Run>,
    /// Their copies, of one run after the other.
    copy: KVVec<u64>,
    /// To which range each of them belongs.
    owners: KVVec<usize>,
    /// Those that lie alone.
    singles: KVVec<*const u64>,
    /// Their copies.
    single_copy: KVVec<u64>,
    /// To which range each belongs.
    single_owners: KVVec<usize>,
}

/// Bytes of an entry.
const ENTRY: usize = size_of::<u64>();

/// Reads an entry.
fn read(entry: *const u64) -> u64 {
    // SAFETY: Whoever gave it to `of()` says that it is one.
    unsafe { entry.read_volatile() }
}

impl Entries {
    /// None.
    pub(crate) const EMPTY: Self = Self {
        runs: KVVec::new(),
        copy: KVVec::new(),
        owners: KVVec::new(),
        singles: KVVec::new(),
        single_copy: KVVec::new(),
        single_owners: KVVec::new(),
    };

    /// Copies these entries: addresses of entries of the kernel's page tables in ascending order,
    /// with the ranges that they belong to.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn of(all: &[(usize, usize)]) -> Result<Self> {
        let mut entries = Self::EMPTY;
        let mut rest = all;
        while let Some((&first, others)) = rest.split_first() {
            let mut last = first.0;
            let more = others.iter().position(|&(next, _)| {
                // The same entry may serve more than one range.
                let beside = matches!(next.wrapping_sub(last), 0 | ENTRY);
                last = if beside { next } else { last };
                !beside
            });
            let (run, others) = rest.split_at(more.map_or(rest.len(), |more| more + 1));
            entries.push(run, last.wrapping_sub(first.0) / ENTRY + 1)?;
            rest = others;
        }
        Ok(entries)
    }

    /// Adds entries that lie side by side, `words` different ones.
    fn push(&mut self, run: &[(usize, usize)], words: usize) -> Result {
        let Some(&(first, _)) = run.first() else {
            return Ok(());
        };
        let (copy, owners) = match words {
            1 => (&mut self.single_copy, &mut self.single_owners),
            _ => (&mut self.copy, &mut self.owners),
        };
        let mut before = None;
        for &(entry, range) in run {
            if before.replace(entry) != Some(entry) {
                let entry = core::ptr::with_exposed_provenance(entry);
                copy.push(read(entry), GFP_KERNEL)?;
                // One of the ranges that it serves is enough.
                owners.push(range, GFP_KERNEL)?;
            }
        }
        let start = core::ptr::with_exposed_provenance(first);
        match words {
            1 => self.singles.push(start, GFP_KERNEL)?,
            _ => self.runs.push(Run { start, words }, GFP_KERNEL)?,
        }
        Ok(())
    }

    /// Whether all are what they were.
    pub(crate) fn are_same(&self) -> bool {
        // SAFETY: Entries of the kernel's page tables, and as many words of copies.
        unsafe {
            compare::all_equal(&self.runs, &self.copy)
                && compare::each_equal(&self.singles, &self.single_copy)
        }
    }

    /// Finds pages that were written: the processor says so in an entry that has not changed
    /// otherwise. `name` says what a range is called.
    #[cold]
    pub(crate) fn find_written(
        &self,
        name: impl Fn(usize) -> Option<&'static str>,
        found: &mut Violation,
    ) {
        let mut look = |word: usize, entry, was, range| {
            let now = read(entry);
            if (was ^ now) & !bit::ACCESSED == bit::DIRTY && now & bit::DIRTY != 0 {
                let at = u64::try_from(word).unwrap_or(u64::MAX);
                let name = name(range).unwrap_or("page table");
                found.add(Deviation::new(What::Memory(name, at), was, now));
            }
        };
        let mut copy = self.copy.iter().zip(&self.owners);
        for run in &self.runs {
            for (word, (&was, &range)) in copy.by_ref().take(run.words).enumerate() {
                look(word, run.start.wrapping_add(word), was, range);
            }
        }
        let singles = self.singles.iter().zip(&self.single_copy);
        for ((&entry, &was), &range) in singles.zip(&self.single_owners) {
            look(0, entry, was, range);
        }
    }
}
