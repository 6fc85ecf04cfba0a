// SPDX-License-Identifier: GPL-2.0

//! The launch: check what the loader says, measure the kernel, say how to enter it.

use super::failure::Failure;
use super::measure;
use super::memory::Memory;
use super::slaunch::bytes;
use super::slaunch::error::Error;
use super::slaunch::mle::MleHeader;
use super::slaunch::record::Stage;
use super::slaunch::region::Region;
use super::slaunch::slb::SlbParams;
use super::slaunch::slrt::{self, Architecture, DlInfo, DlLayout, Header, Table};
use super::{Handover, Progress};

/// Where kernels begin: everything below belongs to firmware and to the start of other processors.
const ONE_MIB: u64 = 1 << 20;

/// What kernels are aligned to (CONFIG_PHYSICAL_ALIGN is at most that in 64-bit kernels).
const KERNEL_ALIGNMENT: u64 = 2 << 20;

/// Bytes of the boot parameters.
const BOOT_PARAMS_SIZE: u64 = 4096;

/// What the launch table says of the memory it is about, checked as far as can be without reading
/// it.
pub(crate) struct Plan {
    /// Address of the launch table.
    slrt: u64,
    /// The memory that the kernel was loaded to.
    kernel: Region,
    /// Bytes from the start of the kernel to its header.
    header_offset: u64,
    /// The event log.
    pub(crate) log: Region,
    /// Its format, one of `slrt::LOG_*`.
    pub(crate) log_format: u16,
    /// The boot parameters.
    boot_params: Region,
}

/// The kernel image, as its own header describes it.
pub(crate) struct Kernel {
    /// What is measured: all of the image, but not what it will use as zeroed memory.
    pub(crate) image: Region,
    /// Physical address of the entry point, inside what is measured.
    entry: u64,
}

/// Does all there is to do before the kernel is entered.
pub(crate) fn run(memory: &mut Memory, progress: &mut Progress) -> Result<Handover, Failure> {
    let plan = plan(memory)?;
    let kernel = kernel(&plan, memory)?;
    measure::measure(&plan, &kernel, memory, progress)?;

    progress.record.stage = Stage::KernelEntered;
    memory.write_record(&progress.record);
    Ok(Handover {
        entry: kernel.entry,
        boot_params: plan.boot_params.base(),
        slrt: plan.slrt,
    })
}

/// Reads the launch table, and checks the regions it gives against each other.
///
/// Not inlined: the copy of the table would take the place on the stack that measuring needs.
#[inline(never)]
fn plan(memory: &Memory) -> Result<Plan, Failure> {
    let mut copy = [0; slrt::MAX_TABLE_SIZE];
    let slrt = copy_table(memory, &mut copy)?;
    let table = Table::parse(&copy)?;
    table.expect(Architecture::AmdSkinit)?;
    let dl = table.dl_info()?;
    let window = memory.layout().window()?;

    // The kernel takes the block's place from the table: it must be ours.
    if dl.layout != DlLayout::V16 || dl.dce()? != window {
        return Err(Failure::new(Error::SlrtEntry).with(dl.dce_base, dl.dce_size));
    }
    let kernel = kernel_region(&dl, &[window, slrt])?;

    let log_info = table.log_info()?;
    let fail = |error| Failure::new(error).with(log_info.addr, u64::from(log_info.size));
    let log = log_info.region().and_then(Region::below_4g).map_err(fail)?;
    log.apart_from(&[window, slrt, kernel])
        .map_err(|_| fail(Error::EventLogOverlap))?;

    // Measured by the early kernel, which must get what the table says and not a part of something
    // else.
    let boot_params = Region::new(dl.dlme_config_table, BOOT_PARAMS_SIZE)
        .and_then(Region::below_4g)
        .and_then(|region| region.apart_from(&[window, slrt, kernel, log]))
        .map_err(|e| Failure::new(e).with(dl.dlme_config_table, BOOT_PARAMS_SIZE))?;

    Ok(Plan {
        slrt: slrt.base(),
        kernel,
        header_offset: dl.dlme_header_offset,
        log,
        log_format: log_info.format,
        boot_params,
    })
}

/// Copies the launch table from where the parameters say it is, so that it cannot change any more,
/// and returns where that was.
fn copy_table(memory: &Memory, copy: &mut [u8; slrt::MAX_TABLE_SIZE]) -> Result<Region, Failure> {
    let at = SlbParams::parse(&memory.params())?.slrt;
    let fail = |error| Failure::new(error).with(at, 0);

    // The header, to learn the size. What counts is the copy, which is checked as a whole.
    let head = Region::new(at, slrt::HEADER_SIZE as u64).map_err(fail)?;
    let head = memory.slice(head).map_err(fail)?;
    let head = bytes::array_at(head, 0).ok_or(Error::InvalidSlrt)?;
    let header = Header::parse(&head).map_err(fail)?;

    let region = Region::new(at, u64::from(header.max_size)).map_err(fail)?;
    bytes::copy(copy, memory.slice(region).map_err(fail)?);
    Ok(region)
}

/// The memory that the kernel was loaded to.
fn kernel_region(dl: &DlInfo, others: &[Region]) -> Result<Region, Failure> {
    let fail = |error| Failure::new(error).with(dl.dlme_base, dl.dlme_size);
    let region = dl.dlme().and_then(Region::below_4g).map_err(fail)?;
    if region.base() < ONE_MIB || region.base() & (KERNEL_ALIGNMENT - 1) != 0 {
        return Err(fail(Error::MleBounds));
    }
    region
        .apart_from(others)
        .map_err(|_| fail(Error::MleOverlap))
}

/// Finds out from the image's header what to measure and where to enter.
fn kernel(plan: &Plan, memory: &Memory) -> Result<Kernel, Failure> {
    let fail = |error| Failure::new(error).with(plan.kernel.base(), plan.header_offset);
    let loaded = memory.slice(plan.kernel).map_err(fail)?;
    let offset = usize::try_from(plan.header_offset).map_err(|_| fail(Error::MleHeader))?;
    let header = MleHeader::parse_at(loaded, offset).map_err(fail)?;
    header.fits(plan.kernel.size()).map_err(fail)?;
    let image = plan
        .kernel
        .part(0, u64::from(header.mle_end))
        .map_err(fail)?;
    // One byte at least: the entry point is inside the image.
    let entry = image.part(u64::from(header.entry), 1).map_err(fail)?;
    Ok(Kernel {
        image,
        entry: entry.base(),
    })
}
