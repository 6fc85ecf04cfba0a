// SPDX-License-Identifier: GPL-2.0

//! What the early kernel tells the kernel proper.
//!
//! The structure lies in the image's initialised data, so that clearing the BSS between the two
//! leaves it alone. A kernel that was not launched finds it as it was linked: all zero.

use super::error::Error;
use super::gate::Gate;
use super::region::Region;

/// `"SLHO"`, the magic of a filled structure.
pub const MAGIC: u32 = 0x4f48_4c53;

/// The version of the structure.
pub const VERSION: u16 = 1;

/// [`Handoff::vendor`] of an Intel TXT launch.
pub const VENDOR_INTEL: u16 = 1;

/// [`Handoff::vendor`] of an AMD SKINIT launch.
pub const VENDOR_AMD: u16 = 2;

/// [`Handoff::complete`] of a launch that measured everything. Written last, and no value that
/// memory has by chance.
pub const COMPLETE: u64 = 0x4554_454c_504d_4f43;

/// A base and a size, as they are in the structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct RawRegion {
    /// Physical address.
    pub base: u64,
    /// Bytes.
    pub size: u64,
}

impl RawRegion {
    /// No region.
    pub const NONE: Self = Self { base: 0, size: 0 };

    /// The checked region.
    ///
    /// # Errors
    ///
    /// Those of [`Region::new`].
    pub const fn region(&self) -> Result<Region, Error> {
        Region::new(self.base, self.size)
    }
}

impl From<Region> for RawRegion {
    fn from(region: Region) -> Self {
        Self {
            base: region.base(),
            size: region.size(),
        }
    }
}

/// What the early kernel leaves for the kernel proper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Handoff {
    /// [`MAGIC`], or 0 if there was no launch.
    pub magic: u32,
    /// [`VERSION`].
    pub version: u16,
    /// [`VENDOR_INTEL`] or [`VENDOR_AMD`].
    pub vendor: u16,
    /// The settings of the gate around EFI runtime services, as [`Gate::to_bits`] has them.
    pub gate: u32,
    /// Events the log held when the launch was complete.
    pub events: u32,
    /// The launch table, `max_size` bytes of it.
    pub slrt: RawRegion,
    /// The event log's buffer.
    pub log: RawRegion,
    /// The loader block's 64 KiB window.
    pub slb: RawRegion,
    /// The memory reserved for the kernel image.
    pub dlme: RawRegion,
    /// Physical address of the launch record, inside the loader block.
    pub record: u64,
    /// [`COMPLETE`] once everything was measured.
    pub complete: u64,
}

// The structure is shared by two separately compiled crates.
const _: () = assert!(size_of::<Handoff>() == 96);
const _: () = assert!(core::mem::offset_of!(Handoff, slrt) == 16);
const _: () = assert!(core::mem::offset_of!(Handoff, record) == 80);

/// A structure whose parts were checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launch {
    /// [`VENDOR_INTEL`] or [`VENDOR_AMD`].
    pub vendor: u16,
    /// The settings of the gate around EFI runtime services.
    pub gate: Gate,
    /// Events the log held when the launch was complete.
    pub events: u32,
    /// The launch table.
    pub slrt: Region,
    /// The event log's buffer.
    pub log: Region,
    /// The loader block's window.
    pub slb: Region,
    /// The memory reserved for the kernel image.
    pub dlme: Region,
    /// Physical address of the launch record.
    pub record: u64,
}

impl Handoff {
    /// As linked: no launch.
    pub const EMPTY: Self = Self {
        magic: 0,
        version: 0,
        vendor: 0,
        gate: 0,
        events: 0,
        slrt: RawRegion::NONE,
        log: RawRegion::NONE,
        slb: RawRegion::NONE,
        dlme: RawRegion::NONE,
        record: 0,
        complete: 0,
    };

    /// A filled structure.
    pub fn new(launch: &Launch) -> Self {
        Self {
            magic: MAGIC,
            version: VERSION,
            vendor: launch.vendor,
            gate: launch.gate.to_bits(),
            events: launch.events,
            slrt: launch.slrt.into(),
            log: launch.log.into(),
            slb: launch.slb.into(),
            dlme: launch.dlme.into(),
            record: launch.record,
            complete: COMPLETE,
        }
    }

    /// Checks the structure: `None` if there was no launch.
    ///
    /// # Errors
    ///
    /// [`Error::Handoff`] if there was one and the structure is not complete, the settings of the
    /// gate are none, the regions are empty, wrap, or overlap, or the record is not in the loader
    /// block.
    pub fn validate(&self) -> Result<Option<Launch>, Error> {
        if self.magic == 0 && self.complete == 0 {
            return Ok(None);
        }
        if self.magic != MAGIC
            || self.version != VERSION
            || !matches!(self.vendor, VENDOR_INTEL | VENDOR_AMD)
            || self.complete != COMPLETE
        {
            return Err(Error::Handoff);
        }
        let gate = Gate::from_bits(self.gate).ok_or(Error::Handoff)?;
        let checked = |raw: &RawRegion| raw.region().map_err(|_| Error::Handoff);
        let launch = Launch {
            vendor: self.vendor,
            gate,
            events: self.events,
            slrt: checked(&self.slrt)?,
            log: checked(&self.log)?,
            slb: checked(&self.slb)?,
            dlme: checked(&self.dlme)?,
            record: self.record,
        };
        if launch.slrt.overlaps(&launch.log)
            || launch.slrt.overlaps(&launch.slb)
            || launch.slrt.overlaps(&launch.dlme)
            || launch.log.overlaps(&launch.slb)
            || launch.log.overlaps(&launch.dlme)
            || launch.slb.overlaps(&launch.dlme)
            || !launch.slb.contains_address(launch.record)
        {
            return Err(Error::Handoff);
        }
        Ok(Some(launch))
    }
}
