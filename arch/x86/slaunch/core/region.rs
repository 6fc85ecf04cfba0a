// SPDX-License-Identifier: GPL-2.0

//! A range of physical memory, checked before any pointer is made of it.

use super::error::Error;

/// The first address that 32 bits cannot express.
pub const FOUR_GIB: u64 = 1 << 32;

/// Bytes in a page, the unit of the EFI memory map.
pub const PAGE_SIZE: u64 = 4096;

/// Where a region lies with respect to 4 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// All of it is below.
    Below4G,
    /// All of it is at or above.
    Above4G,
    /// It begins below and ends above.
    Straddles4G,
}

/// A range of physical memory: never empty, never beyond the end of the address space.
///
/// # Invariants
///
/// `size > 0`, and `base + size` fits in 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    base: u64,
    size: u64,
}

impl Region {
    /// Makes a region of `size` bytes at `base`.
    ///
    /// # Errors
    ///
    /// [`Error::RegionEmpty`] if `size` is zero, [`Error::IntegerOverflow`] if the end wraps.
    #[inline]
    pub const fn new(base: u64, size: u64) -> Result<Self, Error> {
        if size == 0 {
            return Err(Error::RegionEmpty);
        }
        if base.checked_add(size).is_none() {
            return Err(Error::IntegerOverflow);
        }
        Ok(Self { base, size })
    }

    /// Makes a region of the bytes from `base` up to, but without, `end`.
    ///
    /// # Errors
    ///
    /// [`Error::RegionEmpty`] if that is none.
    #[inline]
    pub const fn from_bounds(base: u64, end: u64) -> Result<Self, Error> {
        Self::new(base, end.saturating_sub(base))
    }

    /// The address of the first byte.
    #[inline]
    pub const fn base(&self) -> u64 {
        self.base
    }

    /// The number of bytes.
    #[inline]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The address after the last byte.
    #[inline]
    pub const fn end(&self) -> u64 {
        // Cannot wrap by the type's invariant.
        self.base.wrapping_add(self.size)
    }

    /// True if the two have a byte in common.
    #[inline]
    pub const fn overlaps(&self, other: &Region) -> bool {
        self.base < other.end() && other.base < self.end()
    }

    /// True if every byte of `other` is in this region.
    #[inline]
    pub const fn contains(&self, other: &Region) -> bool {
        self.base <= other.base && other.end() <= self.end()
    }

    /// True if the byte at `address` is in this region.
    #[inline]
    pub const fn contains_address(&self, address: u64) -> bool {
        self.base <= address && address < self.end()
    }

    /// The part of this region from `offset` on, `size` bytes long.
    ///
    /// # Errors
    ///
    /// [`Error::RegionEmpty`] if `size` is zero, [`Error::IntegerOverflow`] if the part would not
    /// lie in this region.
    #[inline]
    pub const fn part(&self, offset: u64, size: u64) -> Result<Region, Error> {
        match self.base.checked_add(offset) {
            Some(base) => match Region::new(base, size) {
                Ok(part) if self.contains(&part) => Ok(part),
                Ok(_) => Err(Error::IntegerOverflow),
                Err(error) => Err(error),
            },
            None => Err(Error::IntegerOverflow),
        }
    }

    /// Where the region lies with respect to 4 GiB. A region that ends at 4 GiB exactly is below.
    #[inline]
    pub const fn class(&self) -> Class {
        if self.end() <= FOUR_GIB {
            Class::Below4G
        } else if self.base >= FOUR_GIB {
            Class::Above4G
        } else {
            Class::Straddles4G
        }
    }

    /// The region itself, if all of it lies below 4 GiB.
    ///
    /// # Errors
    ///
    /// [`Error::RegionAbove4Gb`] or [`Error::RegionStraddle4Gb`].
    #[inline]
    pub const fn below_4g(self) -> Result<Self, Error> {
        match self.class() {
            Class::Below4G => Ok(self),
            Class::Above4G => Err(Error::RegionAbove4Gb),
            Class::Straddles4G => Err(Error::RegionStraddle4Gb),
        }
    }

    /// The region itself, if it does not straddle 4 GiB.
    ///
    /// # Errors
    ///
    /// [`Error::RegionStraddle4Gb`].
    #[inline]
    pub const fn one_side(self) -> Result<Self, Error> {
        match self.class() {
            Class::Straddles4G => Err(Error::RegionStraddle4Gb),
            Class::Below4G | Class::Above4G => Ok(self),
        }
    }

    /// The region itself, if it has no byte in common with any of `others`.
    ///
    /// # Errors
    ///
    /// [`Error::RegionOverlap`].
    #[inline]
    pub fn apart_from(self, others: &[Region]) -> Result<Self, Error> {
        if others.iter().any(|other| self.overlaps(other)) {
            return Err(Error::RegionOverlap);
        }
        Ok(self)
    }
}
