// SPDX-License-Identifier: GPL-2.0

//! The launch table: one copy, checked, and the memory that it says belongs to the launch.

use super::failure::Failure;
use super::memory::{fetch, read_array, Memory};
use super::slaunch::error::Error;
use super::slaunch::policy::Plan;
use super::slaunch::region::Region;
use super::slaunch::slrt::{self, Architecture, DlLayout, Header, Table};

/// What kernels are aligned to: startup_64 maps the image by pages of 2 MiB.
const KERNEL_ALIGNMENT: u64 = 2 << 20;

/// The memory of the launch. No two regions overlap, all are below 4 GiB.
#[derive(Clone, Copy)]
pub(crate) struct Own {
    /// What is reserved for the kernel image, all of that included.
    pub(crate) kernel: Region,
    /// The window of the loader block.
    pub(crate) block: Region,
    /// The buffer of the launch table.
    pub(crate) table: Region,
    /// The buffer of the event log.
    pub(crate) log: Region,
}

impl Own {
    /// All of it.
    pub(crate) const fn all(&self) -> [Region; 4] {
        [self.kernel, self.block, self.table, self.log]
    }
}

/// The launch table and what follows from it.
pub(crate) struct Checked<'a> {
    /// The table, in memory of ours.
    pub(crate) table: Table<'a>,
    /// What is measured how.
    pub(crate) plan: Plan<'a>,
    /// The memory of the launch.
    pub(crate) own: Own,
    /// The format of the event log, one of `slrt::LOG_*`.
    pub(crate) log_format: u16,
}

/// Copies the launch table at `address` into `copy`, which is at least as large as a table can be,
/// and returns its region.
pub(crate) fn copy(
    memory: &mut Memory,
    address: u64,
    others: &[Region],
    copy: &mut [u8; slrt::MAX_TABLE_SIZE],
) -> Result<Region, Failure> {
    let locate = |size| {
        Region::new(address, size)
            .and_then(Region::below_4g)
            .and_then(|region| region.apart_from(others))
            .map_err(|error| Failure::new(error).with(address, size))
    };
    // The header, to learn the size. What counts is the copy, which is checked as a whole.
    locate(slrt::HEADER_SIZE as u64)?;
    let header = Header::parse(&read_array(memory, address)?)?;
    let region = locate(u64::from(header.max_size))?;
    fetch(memory, region, copy)?;
    Ok(region)
}

/// Checks the copy of the launch table, and against each other the regions that it gives.
///
/// `image` is what this image occupies, zeroed memory included.
pub(crate) fn check<'a>(
    bytes: &'a [u8; slrt::MAX_TABLE_SIZE],
    region: Region,
    block: Region,
    image: Region,
    boot_params: u64,
) -> Result<Checked<'a>, Failure> {
    let table = Table::parse(bytes)?;
    table.expect(Architecture::AmdSkinit)?;

    let dl = table.dl_info()?;
    if dl.layout != DlLayout::V16 || dl.dce()? != block {
        return Err(Failure::new(Error::SlrtEntry).with(dl.dce_base, dl.dce_size));
    }
    let kernel = dl
        .dlme()
        .and_then(Region::below_4g)
        .map_err(|error| Failure::new(error).with(dl.dlme_base, dl.dlme_size))?;
    if kernel.base() != image.base()
        || !kernel.contains(&image)
        || kernel.base() & (KERNEL_ALIGNMENT - 1) != 0
    {
        return Err(Failure::at(Error::MleBounds, &kernel));
    }
    kernel
        .apart_from(&[block, region])
        .map_err(|_| Failure::at(Error::MleOverlap, &kernel))?;
    // What the loader block passed on is what the table says.
    if dl.dlme_config_table != boot_params {
        return Err(Failure::new(Error::SlrtEntry).with(dl.dlme_config_table, boot_params));
    }

    // Addresses are not measured, so those that are there must be the real ones.
    let amd = table.amd()?;
    let differs = |claim: u64, real: u64| claim != 0 && claim != real;
    if differs(amd.slrt_base, region.base()) || differs(amd.boot_params, boot_params) {
        return Err(Failure::new(Error::SlrtEntry).with(amd.slrt_base, amd.boot_params));
    }

    let info = table.log_info()?;
    let fail = |error| Failure::new(error).with(info.addr, u64::from(info.size));
    let log = info.region().and_then(Region::below_4g).map_err(fail)?;
    log.apart_from(&[kernel, block, region])
        .map_err(|_| fail(Error::EventLogOverlap))?;

    Ok(Checked {
        plan: Plan::new(table.policy())?,
        table,
        own: Own {
            kernel,
            block,
            table: region,
            log,
        },
        log_format: info.format,
    })
}
