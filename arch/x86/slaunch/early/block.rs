// SPDX-License-Identifier: GPL-2.0

//! The loader block that entered this image, and the launch record in it.

use super::memory::{read_array, Memory};
use super::slaunch::error::Error;
use super::slaunch::record::{self, LaunchRecord, Stage};
use super::slaunch::region::Region;
use super::slaunch::slb::{self, Slb};
use core::sync::atomic::{AtomicU64, Ordering};

/// Where the record is, for an exception; 0 as long as that is not known.
static RECORD: AtomicU64 = AtomicU64::new(0);

/// The loader block.
pub(crate) struct Block {
    /// What the record says; [`Block::write`] puts it into memory.
    pub(crate) record: LaunchRecord,
    at: u64,
    window: Option<Region>,
}

impl Block {
    /// Looks for the loader block at `address`, which is what the entry point was told.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with it. There is no place then to record it.
    pub(crate) fn find(memory: &mut Memory, image: Region, address: u64) -> Result<Self, Error> {
        let window = Region::new(address, slb::WINDOW)?
            .below_4g()?
            .apart_from(&[image])?;
        if address & (slb::WINDOW - 1) != 0 {
            return Err(Error::SlbHeader);
        }
        let info = Slb::parse(memory.show(window)?)?.info;
        let at = address.wrapping_add(u64::from(info.record_offset));
        let record = LaunchRecord::parse(&read_array(memory, at)?)?;
        RECORD.store(at, Ordering::Relaxed);
        Ok(Self {
            record,
            at,
            window: Some(window),
        })
    }

    /// The loader block as an exception finds it, if it was found before.
    pub(crate) fn again() -> Option<Self> {
        let at = RECORD.load(Ordering::Relaxed);
        if at == 0 {
            return None;
        }
        // SAFETY: `find` checked the address, which is mapped one to one; the exception handler is
        // the only context that goes on.
        let bytes = unsafe { (at as *const [u8; record::SIZE]).read_volatile() };
        let record = LaunchRecord::parse(&bytes).ok()?;
        Some(Self {
            record,
            at,
            window: None,
        })
    }

    /// Checks that the record is the one of a loader block that has just entered the kernel.
    ///
    /// # Errors
    ///
    /// [`Error::LaunchRecord`].
    pub(crate) fn expect_entered(&self) -> Result<Region, Error> {
        match self.window {
            Some(window) if self.record.stage == Stage::KernelEntered && self.record.code == 0 => {
                Ok(window)
            }
            _ => Err(Error::LaunchRecord),
        }
    }

    /// Writes the record.
    pub(crate) fn write(&self) {
        // SAFETY: `find` checked that the record is in the loader block, outside of this image and
        // of what the block's own code is; it is mapped one to one, and bytes have no alignment.
        unsafe { (self.at as *mut [u8; record::SIZE]).write_volatile(self.record.to_bytes()) };
    }

    /// Notes that the launch came as far as `stage`.
    pub(crate) fn reach(&mut self, stage: Stage) {
        self.record.stage = stage;
        self.write();
    }

    /// Physical address of the record.
    pub(crate) const fn record_address(&self) -> u64 {
        self.at
    }
}
