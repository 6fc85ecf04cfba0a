// SPDX-License-Identifier: GPL-2.0

//! Page-table entries that protect memory of the kernel's, and those of firmware's address space.
//!
//! The entries are compared with a copy, which is quick. The kernel itself may change them without
//! giving up protection, as when a large page is split. So entries that differ are an occasion to
//! look at the protection itself, and it is that which counts.

use super::{
    super::{
        paging::{
            bit,
            five_levels,
            table,
            top,
            window,
            ENTRIES,
            LOW,
            WINDOW_ENTRIES, //
        },
        violation::{
            Deviation,
            Violation,
            What, //
        }, //
    },
    compare::{
        Vectors,
        STEP, //
    },
    compress::{
        self,
        PageDigest, //
    },
    cpu,
    entries::Entries, //
};
use kernel::{
    bindings,
    page::PAGE_SIZE,
    prelude::*,
    rbtree::RBTree, //
};

/// Memory that must be read-only, and must not be mapped elsewhere than it is.
#[derive(Clone, Copy)]
struct Range {
    name: &'static str,
    start: usize,
    end: usize,
    physical: u64,
}

/// What is kept of the page tables.
pub(crate) struct Tree {
    ranges: KVVec<Range>,
    entries: Entries,
    vectors: Vectors,
    /// The top of firmware's address space: entries of the lower half and of the window.
    tops: KVVec<u64>,
    /// Behind how many of the former, in steps of the comparison, there is nothing but zeros.
    low_used: usize,
    /// Firmware's tables below, physical, and the digests of their contents.
    tables: KVVec<(u64, PageDigest)>,
    /// Room for a table without the bits that the processor sets.
    scratch: KVVec<u64>,
    digested: bool,
    /// Entries differ from their copy and protect nonetheless: there is to be a new one.
    stale: bool,
}

// SAFETY: The pointers are to page tables of the kernel's, which any thread may read.
unsafe impl Send for Tree {}

const _: () = assert!(LOW % STEP == 0 && WINDOW_ENTRIES % STEP == 0);

/// Most of firmware's page tables that are made read-only: 2 MiB of them.
const TABLES: usize = 512;

/// Where the kernel's image is mapped.
const IMAGE: usize = 0xffff_ffff_8000_0000;

/// An entry on the way to a page, and what is known of the whole way.
struct Step {
    entry: *const u64,
    value: u64,
    level: usize,
}

/// Bytes that an entry of a level maps; 0 is the lowest.
fn span_of(level: usize) -> usize {
    PAGE_SIZE << (9 * level)
}

/// Goes down to the page at `address` and shows each entry on the way. Returns the last.
fn walk(address: usize, each: impl FnMut(&Step) -> Result) -> Result<Step> {
    walk_from((&raw const bindings::init_top_pgt).cast(), address, each)
}

/// The same from the top level of an address space.
fn walk_from(
    mut entries: *const u64,
    address: usize,
    mut each: impl FnMut(&Step) -> Result,
) -> Result<Step> {
    let mut level = if five_levels() { 4 } else { 3 };
    loop {
        let index = address >> (12 + 9 * level) & (ENTRIES - 1);
        let entry = entries.wrapping_add(index);
        // SAFETY: An entry of a table of the kernel's.
        let value = unsafe { entry.read_volatile() };
        let step = Step {
            entry,
            value,
            level,
        };
        each(&step)?;
        if value & bit::PRESENT == 0 || level == 0 || (level < 3 && value & bit::LARGE != 0) {
            return Ok(step);
        }
        entries = table(value);
        level = level.wrapping_sub(1);
    }
}

/// Whether the page of firmware at `address` is code: can be executed, but for the door, and not be
/// written.
pub(crate) fn is_code(address: usize) -> bool {
    walk_from(top(), address, |_| Ok(()))
        .is_ok_and(|leaf| leaf.value & (bit::PRESENT | bit::WRITE | bit::NX) == bit::PRESENT)
}

impl Range {
    /// Whether each of its pages is what it should be, and cannot be written; or where it is not,
    /// with the entry.
    fn check(&self) -> Result<(), (usize, u64)> {
        let mut at = self.start;
        while at < self.end {
            let mut writable = true;
            let last = walk(at, |step| {
                writable &= step.value & bit::WRITE != 0;
                Ok(())
            });
            let Ok(last) = last else { return Err((at, 0)) };
            let size = span_of(last.level);
            let offset = at & size.wrapping_sub(1);
            let mask = bit::ADDRESS & !u64::try_from(size.wrapping_sub(1)).unwrap_or(0);
            let physical = (last.value & mask).wrapping_add(u64::try_from(offset).unwrap_or(0));
            let wanted = u64::try_from(at.wrapping_sub(self.start)).unwrap_or(0);
            if last.value & bit::PRESENT == 0
                || writable
                || physical != self.physical.wrapping_add(wanted)
            {
                return Err((at.wrapping_sub(self.start), last.value));
            }
            at = at.wrapping_sub(offset).saturating_add(size);
        }
        Ok(())
    }
}

impl Tree {
    /// Takes stock, where the thread may sleep, once the kernel's memory is protected.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        let mut tree = Self {
            ranges: KVVec::new(),
            entries: Entries::EMPTY,
            vectors: Vectors::find(),
            tops: KVVec::new(),
            low_used: 0,
            tables: KVVec::new(),
            scratch: KVVec::from_elem(0, ENTRIES, GFP_KERNEL)?,
            digested: false,
            stale: false,
        };
        tree.protect_tables()?;
        for (name, (start, end)) in [
            ("page table of kernel text", super::memory::text()),
            (
                "page table of read-only data",
                super::memory::read_only_data(),
            ),
        ] {
            // SAFETY: A number that does not change.
            let phys_base = unsafe { bindings::phys_base };
            let physical = start.wrapping_sub(IMAGE).wrapping_add(phys_base);
            let physical = u64::try_from(physical).unwrap_or(0);
            tree.add(name, start, end, physical)?;
            let alias = table(physical).addr();
            tree.add(
                name,
                alias,
                alias.saturating_add(end.wrapping_sub(start)),
                physical,
            )?;
        }
        tree.add_idt()?;
        tree.copy_entries()?;
        tree.copy_tops()?;
        Ok(tree)
    }

    /// Adds the page of the IDT: where IDTR points, in the kernel's image, and in the direct map.
    fn add_idt(&mut self) -> Result {
        let base = cpu::idtr().base;
        let start = usize::try_from(base).unwrap_or(0);
        let leaf = walk(start, |_| Ok(()))?;
        let physical = leaf.value & bit::ADDRESS;
        // SAFETY: A number that does not change.
        let phys_base = unsafe { bindings::phys_base };
        let image = usize::try_from(physical)
            .unwrap_or(0)
            .wrapping_sub(phys_base)
            .wrapping_add(IMAGE);
        for start in [start, image, table(physical).addr()] {
            let end = start.saturating_add(PAGE_SIZE);
            self.add("page table of the IDT", start, end, physical)?;
        }
        Ok(())
    }

    /// Adds a range, if it is protected now.
    fn add(&mut self, name: &'static str, start: usize, end: usize, physical: u64) -> Result {
        let range = Range {
            name,
            start,
            end,
            physical,
        };
        match range.check() {
            Ok(()) => self.ranges.push(range, GFP_KERNEL)?,
            Err((at, entry)) => {
                pr_warn!("EFI: {name}: not protected at {at:#x} ({entry:#x}), not checked\n")
            }
        }
        Ok(())
    }

    /// Copies the entries that map the ranges, each once, in as few pieces as they lie in.
    fn copy_entries(&mut self) -> Result {
        // The upper entries are those of many pages. They are sorted on the way: the sorting of the
        // core library has a function that objtool does not know to be without a return.
        let mut found: RBTree<(usize, usize), ()> = RBTree::new();
        for (index, range) in self.ranges.iter().enumerate() {
            let mut at = range.start;
            while at < range.end {
                let last = walk(at, |step| {
                    let entry = (step.entry.addr(), index);
                    if found.get(&entry).is_none() {
                        found.try_create_and_insert(entry, (), GFP_KERNEL)?;
                    }
                    Ok(())
                })?;
                let size = span_of(last.level);
                at = (at & !size.wrapping_sub(1)).saturating_add(size);
            }
        }
        let mut all: KVVec<(usize, usize)> = KVVec::new();
        for entry in found.keys() {
            all.push(*entry, GFP_KERNEL)?;
        }
        self.entries = Entries::of(&all)?;
        self.stale = false;
        Ok(())
    }

    fn copy_tops(&mut self) -> Result {
        for (entries, count) in [(top(), LOW), (window(), WINDOW_ENTRIES)] {
            for index in 0..count {
                // SAFETY: An entry of a table of the kernel's.
                let entry = unsafe { entries.wrapping_add(index).read_volatile() };
                self.tops.push(entry, GFP_KERNEL)?;
            }
        }
        let mut low = self.tops.iter().take(LOW);
        let used = low
            .rposition(|&entry| entry != 0)
            .map_or(0, |last| last + 1);
        self.low_used = used.div_ceil(STEP);
        Ok(())
    }

    /// Finds firmware's tables and makes them read-only for everybody but the processor.
    fn protect_tables(&mut self) -> Result {
        let high = if five_levels() { 3 } else { 2 };
        for index in 0..LOW {
            let entry = top().wrapping_add(index);
            // SAFETY: An entry of a table of the kernel's.
            self.find_tables(unsafe { entry.read_volatile() }, high)?;
        }
        for index in 0..WINDOW_ENTRIES {
            let entry = window().wrapping_add(index);
            // SAFETY: As above.
            self.find_tables(unsafe { entry.read_volatile() }, 1)?;
        }
        let mut index = 0;
        while let Some(&(physical, _)) = self.tables.get(index) {
            let address = table(physical).addr();
            // SAFETY: A page table in the direct map, which the kernel does not change any more.
            let failed = unsafe { bindings::set_memory_ro(address, 1) } != 0;
            if !failed {
                let end = address.saturating_add(PAGE_SIZE);
                self.add("page table of EFI page tables", address, end, physical)?;
            }
            index = index.saturating_add(1);
        }
        Ok(())
    }

    /// Adds the table that an entry leads to, whose own level is `level`, and those below.
    fn find_tables(&mut self, entry: u64, level: usize) -> Result {
        if entry & bit::PRESENT == 0 || (level < 2 && entry & bit::LARGE != 0) {
            return Ok(());
        }
        if self.tables.len() >= TABLES {
            return Err(E2BIG);
        }
        let physical = entry & bit::ADDRESS;
        if self.tables.iter().any(|&(known, _)| known == physical) {
            return Ok(());
        }
        self.tables.push((physical, [0; 8]), GFP_KERNEL)?;
        if level > 0 {
            for index in 0..ENTRIES {
                // SAFETY: An entry of a table of the kernel's.
                let below = unsafe { table(physical).wrapping_add(index).read_volatile() };
                if below & bit::LARGE == 0 || level > 1 {
                    self.find_tables(below, level.wrapping_sub(1))?;
                }
            }
        }
        Ok(())
    }

    /// Takes stock again, if that is due, where the thread may sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; then it stays due.
    pub(crate) fn refresh(&mut self) -> Result {
        match self.stale {
            true => self.copy_entries(),
            false => Ok(()),
        }
    }

    /// Computes the digests of firmware's tables, once.
    ///
    /// # Safety
    ///
    /// The FPU may be used.
    pub(crate) unsafe fn begin(&mut self) {
        if self.digested {
            return;
        }
        for index in 0..self.tables.len() {
            // SAFETY: By the requirement of this function.
            let digest = unsafe { self.digest(index) };
            if let Some((_, slot)) = self.tables.get_mut(index) {
                *slot = digest;
            }
        }
        self.digested = true;
    }

    /// The digest of one of firmware's tables, without the bits that the processor sets.
    ///
    /// # Safety
    ///
    /// The FPU may be used.
    unsafe fn digest(&mut self, index: usize) -> PageDigest {
        let Some(&(physical, _)) = self.tables.get(index) else {
            return [0; 8];
        };
        let entries = table(physical);
        for (index, word) in self.scratch.iter_mut().enumerate() {
            // SAFETY: An entry of a table of the kernel's.
            *word = unsafe { entries.wrapping_add(index).read_volatile() }
                & !(bit::ACCESSED | bit::DIRTY);
        }
        // SAFETY: A page, and the FPU may be used by the requirement of this function.
        unsafe { compress::page(self.scratch.as_ptr().addr()) }
    }

    /// Finds what does not protect any more. `full`: the contents of firmware's tables too. Returns
    /// whether stock is to be taken again.
    ///
    /// # Safety
    ///
    /// The FPU may be used.
    pub(crate) unsafe fn compare(&mut self, full: bool, found: &mut Violation) -> bool {
        if !self.entries.are_same() {
            self.stale = true;
            let name = |range| self.ranges.get(range).map(|range: &Range| range.name);
            self.entries.find_written(name, found);
            self.check_ranges(found);
        }
        // SAFETY: By the requirement of this function.
        unsafe { self.compare_tops(found) };
        for index in 0..if full { self.tables.len() } else { 0 } {
            // SAFETY: By the requirement of this function.
            let now = unsafe { self.digest(index) };
            let Some(&(physical, was)) = self.tables.get(index) else {
                continue;
            };
            if now != was {
                found.add(Deviation::new(
                    What::Memory("EFI page table", physical),
                    compress::shown(&was),
                    compress::shown(&now),
                ));
            }
        }
        self.stale
    }

    /// Looks at protection itself: an entry may serve more than one range.
    #[cold]
    fn check_ranges(&self, found: &mut Violation) {
        for range in &self.ranges {
            if let Err((at, entry)) = range.check() {
                let at = u64::try_from(at).unwrap_or(u64::MAX);
                found.add(Deviation::new(
                    What::Memory(range.name, at),
                    range.physical,
                    entry,
                ));
            }
        }
    }

    /// The entries at the top, which are exactly what they were.
    ///
    /// # Safety
    ///
    /// The FPU may be used.
    unsafe fn compare_tops(&self, found: &mut Violation) {
        let (low, high) = self.tops.split_at(LOW.min(self.tops.len()));
        for (entries, was, used) in [
            (top(), low, self.low_used),
            (window(), high, WINDOW_ENTRIES / STEP),
        ] {
            let rest = (was.len() / STEP).saturating_sub(used);
            let zeros = entries.wrapping_add(used.wrapping_mul(STEP));
            // SAFETY: Entries of a table of the kernel's, and as many words; the FPU by the
            // requirement of this function.
            let same = unsafe {
                self.vectors.equal(entries, was.as_ptr(), used) && self.vectors.zero(zeros, rest)
            };
            if same {
                continue;
            }
            for (index, &was) in was.iter().enumerate() {
                let entry = entries.wrapping_add(index);
                // SAFETY: An entry of a table of the kernel's.
                let now = unsafe { entry.read_volatile() };
                if now != was {
                    // SAFETY: As above; this is what the kernel had there.
                    unsafe { entry.write_volatile(was) };
                    let at = u64::try_from(index).unwrap_or(u64::MAX);
                    found.add(Deviation::restored(
                        What::Memory("EFI page table", at),
                        was,
                        now,
                    ));
                }
            }
        }
    }
}
