// SPDX-License-Identifier: GPL-2.0
//! The memory that the guest sees as the CRB's registers, shared with QEMU through a file.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU8, Ordering};

use memmap2::MmapRaw;

use super::registers::{BUFFER_SIZE, DATA_BUFFER, LOCALITIES, PAGE};
use crate::error::{Blame, Error, Result, Side};

/// Bytes of the window: a PCI base address register is a power of two. What follows the five
/// pages answers nothing and reads as all ones.
pub const SIZE: usize = 0x8000;

/// The window, mapped by this process.
#[derive(Debug)]
pub struct Window {
    map: MmapRaw,
}

impl Window {
    /// Makes the file anew and maps it.
    pub fn create(path: &Path) -> Result<Self> {
        let mut bytes = vec![0; LOCALITIES * PAGE];
        bytes.resize(SIZE, 0xff);
        std::fs::write(path, bytes).blame(Side::Host, path.display())?;
        Self::open(path)
    }

    /// Maps a file that is there.
    pub fn open(path: &Path) -> Result<Self> {
        let file: File = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .blame(Side::Host, path.display())?;
        let map = MmapRaw::map_raw(&file).blame(Side::Host, path.display())?;
        if map.len() != SIZE {
            let what = format!("{}: wrong size", path.display());
            return Err(Error::new(Side::Host, what));
        }
        Ok(Window { map })
    }

    fn word(&self, page: usize, offset: usize) -> &AtomicU32 {
        let at = page * PAGE + offset;
        assert!(at % 4 == 0 && at + 4 <= SIZE, "no register at {at:#x}");
        // SAFETY: the offset is aligned and inside the mapping, which is aligned to a page and
        // lives as long as `self`. This process reaches it by atomics only; the guest's accesses
        // come from another process.
        unsafe { AtomicU32::from_ptr(self.map.as_mut_ptr().add(at).cast()) }
    }

    fn byte(&self, page: usize, index: usize) -> &AtomicU8 {
        let at = page * PAGE + DATA_BUFFER + index;
        assert!(at < SIZE, "no buffer byte at {at:#x}");
        // SAFETY: as in `word`; a byte needs no alignment.
        unsafe { AtomicU8::from_ptr(self.map.as_mut_ptr().add(at)) }
    }

    /// Reads a register.
    pub fn load(&self, page: usize, offset: usize) -> u32 {
        self.word(page, offset).load(Ordering::Acquire)
    }

    /// Writes a register.
    pub fn store(&self, page: usize, offset: usize, value: u32) {
        self.word(page, offset).store(value, Ordering::Release);
    }

    /// Reads a register and leaves 0 in it.
    pub fn take(&self, page: usize, offset: usize) -> u32 {
        // Reading first spares the common case a write, and with it the cache line.
        match self.load(page, offset) {
            0 => 0,
            _ => self.word(page, offset).swap(0, Ordering::AcqRel),
        }
    }

    /// Clears bits of a register.
    pub fn clear(&self, page: usize, offset: usize, bits: u32) {
        self.word(page, offset).fetch_and(!bits, Ordering::AcqRel);
    }

    /// The first `length` bytes of a data buffer, as many as it has.
    pub fn read_buffer(&self, page: usize, length: usize) -> Vec<u8> {
        (0..length.min(BUFFER_SIZE))
            .map(|index| self.byte(page, index).load(Ordering::Relaxed))
            .collect()
    }

    /// Puts bytes into a data buffer, as many as it takes.
    pub fn write_buffer(&self, page: usize, bytes: &[u8]) {
        for (index, value) in bytes.iter().take(BUFFER_SIZE).enumerate() {
            self.byte(page, index).store(*value, Ordering::Relaxed);
        }
    }
}
