// SPDX-License-Identifier: GPL-2.0

//! Physical memory: the one place where an address becomes a slice.
//!
//! entry.S maps the first 4 GiB one to one and leaves one page directory, the window, for what lies
//! above: [`Memory`] points it at the GiB that is wanted.

use super::cpu;
use super::slaunch::error::Error;
use super::slaunch::memmap::{Descriptor, MemMap};
use super::slaunch::physmem::PhysMem;
use super::slaunch::region::{Region, FOUR_GIB, PAGE_SIZE};

/// Bytes that the window shows: what one page directory maps.
const WINDOW_SIZE: u64 = 1 << 30;
/// Where the window is mapped: behind the identity map.
const WINDOW_BASE: u64 = FOUR_GIB;
/// Bytes of a page of the window.
const BIG_PAGE_SIZE: u64 = 1 << 21;
/// Entries of a page directory.
const ENTRIES: usize = 512;
/// Page directory entry: present, 2 MiB page, read-only, write-back.
const ENTRY_READ_ONLY: u64 = 0x81;

/// Access to physical memory. There is one.
pub(crate) struct Memory {
    window: *mut u64,
    /// What the window shows now; `None` before its first use.
    shown: Option<u64>,
    /// First address that the processor cannot form.
    end: u64,
}

impl Memory {
    /// Takes over the window.
    ///
    /// # Safety
    ///
    /// - `window` is the address of the page directory that maps [`WINDOW_BASE`], and nobody else
    ///   changes it from now on.
    /// - The first 4 GiB are mapped one to one.
    pub(crate) unsafe fn new(window: u64) -> Self {
        Self {
            window: window as *mut u64,
            shown: None,
            end: 1u64.wrapping_shl(cpu::address_bits()),
        }
    }

    /// Checks that `region` can be read at all.
    pub(crate) fn reaches(&self, region: &Region) -> Result<(), Error> {
        // No reference may be null, and nothing of ours is in the first page.
        if region.base() < PAGE_SIZE || region.end() > self.end {
            return Err(Error::Unmapped);
        }
        Ok(())
    }

    /// The first bytes of `region`, as many as can be shown at once: one at least.
    pub(crate) fn show(&mut self, region: Region) -> Result<&[u8], Error> {
        self.reaches(&region)?;
        let (address, room) = if region.base() < FOUR_GIB {
            (region.base(), FOUR_GIB.wrapping_sub(region.base()))
        } else {
            let offset = region.base() & (WINDOW_SIZE - 1);
            self.move_window(region.base().wrapping_sub(offset));
            (
                WINDOW_BASE.wrapping_add(offset),
                WINDOW_SIZE.wrapping_sub(offset),
            )
        };
        let size = usize::try_from(region.size().min(room)).map_err(|_| Error::Unmapped)?;
        // SAFETY:
        // - The range is mapped: it ends at the latest where the identity map or the window does.
        //   It is not null, and bytes have neither alignment nor invalid values.
        // - Nobody writes to it while the slice lives. What is claimed for writing is checked
        //   against all that is read, the borrow of `self` keeps the window where it is, and no
        //   other processor or context runs.
        Ok(unsafe { core::slice::from_raw_parts(address as *const u8, size) })
    }

    /// `region`, which must lie below 4 GiB, to write to.
    ///
    /// # Safety
    ///
    /// Nothing else uses the region as long as the slice lives: it overlaps neither this image nor
    /// anything that is read through `self`.
    pub(crate) unsafe fn claim<'a>(&self, region: Region) -> Result<&'a mut [u8], Error> {
        let region = region.below_4g()?;
        if region.base() < PAGE_SIZE {
            return Err(Error::Unmapped);
        }
        let size = usize::try_from(region.size()).map_err(|_| Error::Unmapped)?;
        // SAFETY: Mapped one to one and not null; the caller guarantees that it is ours alone.
        Ok(unsafe { core::slice::from_raw_parts_mut(region.base() as *mut u8, size) })
    }

    /// Points the window at the GiB that begins at `base`.
    fn move_window(&mut self, base: u64) {
        if self.shown == Some(base) {
            return;
        }
        let mut page = base;
        for index in 0..ENTRIES {
            // SAFETY: `new` got a whole page directory, and `index` is below its length.
            unsafe {
                self.window
                    .add(index)
                    .write_volatile(page | ENTRY_READ_ONLY)
            };
            page = page.wrapping_add(BIG_PAGE_SIZE);
        }
        cpu::flush_tlb();
        self.shown = Some(base);
    }
}

impl PhysMem for Memory {
    fn read(&mut self, address: u64, to: &mut [u8]) -> Result<(), Error> {
        if to.is_empty() {
            return Ok(());
        }
        let size = u64::try_from(to.len()).map_err(|_| Error::Unmapped)?;
        let mut rest = to.iter_mut();
        self.for_each(Region::new(address, size)?, |piece| {
            for (to, from) in rest.by_ref().take(piece.len()).zip(piece) {
                *to = *from;
            }
        })
    }

    fn for_each(&mut self, region: Region, mut take: impl FnMut(&[u8])) -> Result<(), Error> {
        let mut left = Some(region);
        while let Some(now) = left {
            let piece = self.show(now)?;
            take(piece);
            let done = u64::try_from(piece.len()).map_err(|_| Error::Unmapped)?;
            let next = now.base().wrapping_add(done);
            left = Region::from_bounds(next, region.end()).ok();
        }
        Ok(())
    }
}

/// Memory that refuses to read what a launch must not consume: its own memory, and whatever is not
/// RAM or, where that is asked for by name, of the firmware's runtime services.
pub(crate) struct Guarded<'a> {
    memory: &'a mut Memory,
    /// The launch's own memory.
    pub(crate) own: &'a [Region],
    /// The memory map, once it was read.
    map: Option<&'a MemMap<'a>>,
}

impl<'a> Guarded<'a> {
    /// Guards `memory`.
    pub(crate) fn new(
        memory: &'a mut Memory,
        own: &'a [Region],
        map: Option<&'a MemMap<'a>>,
    ) -> Self {
        Self { memory, own, map }
    }

    /// Checks that `region` may be read.
    ///
    /// # Errors
    ///
    /// [`Error::RegionOverlap`], [`Error::OutOfRam`].
    pub(crate) fn allow(&self, region: &Region) -> Result<(), Error> {
        allow(self.own, self.map, region)
    }

    /// Checks that a range of runtime services may be read, and can be.
    ///
    /// # Errors
    ///
    /// Those of [`MemMap::check_runtime`], [`Error::Unmapped`].
    pub(crate) fn allow_runtime(&self, range: &Descriptor) -> Result<Region, Error> {
        let map = self.map.ok_or(Error::OutOfRam)?;
        let region = map.check_runtime(range, self.own)?;
        self.memory.reaches(&region)?;
        Ok(region)
    }

    /// Gives all bytes of a range of runtime services to `take`.
    ///
    /// # Errors
    ///
    /// Those of [`Guarded::allow_runtime`].
    pub(crate) fn for_each_runtime(
        &mut self,
        range: &Descriptor,
        take: impl FnMut(&[u8]),
    ) -> Result<(), Error> {
        let region = self.allow_runtime(range)?;
        self.memory.for_each(region, take)
    }
}

/// See [`Guarded::allow`].
pub(crate) fn allow(
    own: &[Region],
    map: Option<&MemMap<'_>>,
    region: &Region,
) -> Result<(), Error> {
    region.apart_from(own)?;
    match map {
        Some(map) if !map.is_ram_or_acpi(region) => Err(Error::OutOfRam),
        _ => Ok(()),
    }
}

impl PhysMem for Guarded<'_> {
    fn read(&mut self, address: u64, to: &mut [u8]) -> Result<(), Error> {
        let size = u64::try_from(to.len()).map_err(|_| Error::Unmapped)?;
        if size != 0 {
            self.allow(&Region::new(address, size)?)?;
        }
        self.memory.read(address, to)
    }

    fn for_each(&mut self, region: Region, take: impl FnMut(&[u8])) -> Result<(), Error> {
        self.allow(&region)?;
        self.memory.for_each(region, take)
    }
}

/// Copies a structure of fixed size.
pub(crate) fn read_array<const N: usize>(
    memory: &mut impl PhysMem,
    address: u64,
) -> Result<[u8; N], Error> {
    let mut copy = [0; N];
    memory.read(address, &mut copy)?;
    Ok(copy)
}

/// Copies what `memory` has in `region` to the start of `to` and zeroes the rest.
pub(crate) fn fetch(memory: &mut impl PhysMem, region: Region, to: &mut [u8]) -> Result<(), Error> {
    to.fill(0);
    let size = usize::try_from(region.size()).map_err(|_| Error::BufferTooSmall)?;
    let to = to.get_mut(..size).ok_or(Error::BufferTooSmall)?;
    memory.read(region.base(), to)
}
