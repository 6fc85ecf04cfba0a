// SPDX-License-Identifier: GPL-2.0

//! Physical memory: the one place where an address becomes a slice.

use super::layout::Layout;
use super::slaunch::error::Error;
use super::slaunch::record::LaunchRecord;
use super::slaunch::region::Region;
use super::slaunch::slb::PARAMS_SIZE;
use core::slice;

/// The first 4 GiB, mapped one to one, and this block in it.
pub(crate) struct Memory {
    layout: Layout,
}

impl Memory {
    /// The memory of this machine.
    ///
    /// # Safety
    ///
    /// The first 4 GiB are mapped one to one and can be read and written, `layout` says where this
    /// image lies, and no other value of this type is in use.
    pub(crate) const unsafe fn new(layout: Layout) -> Self {
        Self { layout }
    }

    /// Where this block is.
    pub(crate) const fn layout(&self) -> Layout {
        self.layout
    }

    /// This block as the processor measured it.
    pub(crate) fn own_image(&self) -> Result<&[u8], Error> {
        let region = self.layout.measured()?;
        // SAFETY: The measured part of this image: mapped, and never written.
        unsafe { Self::slice_at(region) }
    }

    /// The bytes of `region`, which must lie below 4 GiB and outside this block.
    pub(crate) fn slice(&self, region: Region) -> Result<&[u8], Error> {
        let region = self.foreign(region)?;
        // SAFETY: Mapped, since it is below 4 GiB, and outside of all that Rust knows here (code,
        // statics and stack are in this block). Borrowed from `self`, so not written by us
        // meanwhile.
        unsafe { Self::slice_at(region) }
    }

    /// The same to write to.
    pub(crate) fn slice_mut(&mut self, region: Region) -> Result<&mut [u8], Error> {
        let region = self.foreign(region)?;
        let size = usize::try_from(region.size()).map_err(|_| Error::Unmapped)?;
        // SAFETY: As in `slice`, and borrowed exclusively.
        Ok(unsafe { slice::from_raw_parts_mut(region.base() as *mut u8, size) })
    }

    /// A copy of the parameters.
    pub(crate) fn params(&self) -> [u8; PARAMS_SIZE] {
        // SAFETY: The linker script sets these bytes aside in this image.
        unsafe { self.layout.params().read_volatile() }
    }

    /// Writes the launch record.
    pub(crate) fn write_record(&mut self, record: &LaunchRecord) {
        // SAFETY: As in `params`; nothing else in Rust points there.
        unsafe { self.layout.record().write_volatile(record.to_bytes()) };
    }

    /// `region` if it may be turned into a slice.
    fn foreign(&self, region: Region) -> Result<Region, Error> {
        let window = self.layout.window()?;
        // Address 0 is no reference.
        if region.base() == 0 {
            return Err(Error::Unmapped);
        }
        region.below_4g()?.apart_from(&[window])
    }

    /// # Safety
    ///
    /// The region is mapped and not written while the slice exists.
    unsafe fn slice_at<'a>(region: Region) -> Result<&'a [u8], Error> {
        let size = usize::try_from(region.size()).map_err(|_| Error::Unmapped)?;
        // SAFETY: The caller's promise; the size is below 4 GiB, the address is not 0.
        Ok(unsafe { slice::from_raw_parts(region.base() as *const u8, size) })
    }
}
