// SPDX-License-Identifier: GPL-2.0

//! Access to physical memory, supplied by whoever runs the core.

#[cfg(feature = "host")]
use super::bytes;
use super::error::Error;
use super::region::Region;

/// Reads physical memory. In the early kernel that is the identity map, on the host a dump.
pub trait PhysMem {
    /// Fills `to` from the memory at `address`.
    ///
    /// # Errors
    ///
    /// [`Error::Unmapped`] if some byte of it cannot be read.
    fn read(&mut self, address: u64, to: &mut [u8]) -> Result<(), Error>;

    /// Gives all bytes of `region`, in order and in pieces of any size, to `take`.
    ///
    /// # Errors
    ///
    /// [`Error::Unmapped`] if some byte of it cannot be read.
    fn for_each(&mut self, region: Region, take: impl FnMut(&[u8])) -> Result<(), Error>;
}

/// A slice that stands for the memory from some address on: a dump, a test.
#[cfg(feature = "host")]
#[derive(Clone, Copy, Debug)]
pub struct SliceMem<'a> {
    base: u64,
    bytes: &'a [u8],
}

#[cfg(feature = "host")]
impl<'a> SliceMem<'a> {
    /// Memory that has `bytes` at `base` and nothing elsewhere.
    pub const fn new(base: u64, bytes: &'a [u8]) -> Self {
        Self { base, bytes }
    }

    fn slice(&self, address: u64, size: usize) -> Result<&'a [u8], Error> {
        address
            .checked_sub(self.base)
            .and_then(|offset| usize::try_from(offset).ok())
            .and_then(|offset| bytes::slice_at(self.bytes, offset, size))
            .ok_or(Error::Unmapped)
    }
}

#[cfg(feature = "host")]
impl PhysMem for SliceMem<'_> {
    fn read(&mut self, address: u64, to: &mut [u8]) -> Result<(), Error> {
        let from = self.slice(address, to.len())?;
        bytes::copy(to, from);
        Ok(())
    }

    fn for_each(&mut self, region: Region, mut take: impl FnMut(&[u8])) -> Result<(), Error> {
        let size = usize::try_from(region.size()).map_err(|_| Error::Unmapped)?;
        take(self.slice(region.base(), size)?);
        Ok(())
    }
}
