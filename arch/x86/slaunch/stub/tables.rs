// SPDX-License-Identifier: GPL-2.0

//! Filling the memory of the launch: event log, SLRT, loader block.

use super::firmware_tpm::FirmwareTpm;
use super::image;
use super::memory::{copy, LaunchMemory, LOG_SIZE, SLB_SIZE, SLRT_SIZE};
use super::reason::{Reason, Refusal};
use super::slaunch::slb::{Slb, SlbParams};
use super::slaunch::slrt::{
    entity, AmdInfo, Architecture, Builder, DlInfo, DlLayout, LogInfo, PolicyEntry,
    BOOTLOADER_EFI_STUB,
};
use super::slaunch::{error::Error, mle};
use super::tpm::{EventLog, LogFormat, Pcr};

/// The decompressed kernel.
#[derive(Clone, Copy)]
pub(crate) struct Kernel {
    /// Physical address.
    pub(crate) base: usize,
    /// Bytes allocated for it, BSS included.
    pub(crate) size: usize,
}

/// What the kernel measures in any case, and into which PCR: code to one, configuration to the
/// other. Addresses and sizes are the kernel's own business, so they are not given.
const POLICY: [(u16, Pcr); 6] = [
    (entity::SLRT, Pcr::CONFIG),
    (entity::BOOT_PARAMS, Pcr::CONFIG),
    (entity::CMDLINE, Pcr::CONFIG),
    (entity::SETUP_DATA, Pcr::CONFIG),
    (entity::RAMDISK, Pcr::CODE),
    (entity::UEFI_MEMMAP, Pcr::CONFIG),
];

/// Writes the log's head, the table and the loader block.
///
/// # Errors
///
/// What is not as it must be.
pub(crate) fn fill(
    memory: &mut LaunchMemory,
    tpm: &FirmwareTpm,
    kernel: Kernel,
    image: &[u8],
) -> Result<(), Refusal> {
    let (header_offset, header) =
        mle::find(image).map_err(|error| Reason::MleHeader.with(error.code()))?;

    let log_base = memory.log_base();
    EventLog::format(memory.log(), log_base, &tpm.banks, tpm.log).map_err(|_| Reason::Tables)?;

    let info = DlInfo {
        layout: DlLayout::V16,
        dce_size: SLB_SIZE as u64,
        dce_base: memory.slb_base(),
        dlme_size: kernel.size as u64,
        dlme_base: kernel.base as u64,
        dlme_entry: u64::from(header.entry),
        dlme_header_offset: header_offset as u64,
        dlme_config_table: memory.boot_params_base(),
        bootloader: BOOTLOADER_EFI_STUB,
        context: 0,
        dl_launch: 0,
    };
    write_slrt(memory, &info, tpm.log).map_err(|error| Reason::Tables.with(error.code()))?;
    write_slb(memory).map_err(|error| Reason::Slb.with(error.code()))
}

fn write_slrt(memory: &mut LaunchMemory, info: &DlInfo, log: LogFormat) -> Result<(), Error> {
    let log = LogInfo {
        format: log.number(),
        size: LOG_SIZE as u32,
        addr: memory.log_base(),
    };
    let amd = AmdInfo {
        next: 0,
        kind: 0,
        len: 0,
        slrt_size: SLRT_SIZE as u64,
        slrt_base: memory.slrt_base(),
        boot_params: memory.boot_params_base(),
        psp_version: 0,
    };
    let policy = POLICY.map(|(entity_type, pcr)| PolicyEntry {
        pcr: pcr.index() as u16,
        entity_type,
        flags: 0,
        size: 0,
        entity: 0,
        label: [0; 32],
    });

    let mut table = Builder::new(memory.slrt(), Architecture::AmdSkinit)?;
    table.dl_info(info)?;
    table.log_info(&log)?;
    table.policy(&policy)?;
    table.amd(&amd)?;
    table.finish().map(|_| ())
}

/// Puts the loader block in place. What follows its image is zero already, but for the parameters.
fn write_slb(memory: &mut LaunchMemory) -> Result<(), Error> {
    let params = SlbParams {
        slrt: memory.slrt_base(),
    }
    .to_bytes();
    let image = image::slb();
    let slb = Slb::parse(image)?;
    let measured = image
        .get(..usize::from(slb.length))
        .ok_or(Error::SlbHeader)?;
    let window = memory.slb();
    copy(window, measured);
    let place = window.get_mut(usize::from(slb.info.params_offset)..);
    copy(place.ok_or(Error::SlbInfo)?, &params);
    Ok(())
}
