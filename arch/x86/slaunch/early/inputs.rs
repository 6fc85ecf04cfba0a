// SPDX-License-Identifier: GPL-2.0

//! What the kernel is about to consume: boot parameters and all that they point to.
//!
//! The boot parameters and the command line are copied into this image, and the kernel gets the
//! copies. The rest stays where it is. All of it is checked here, before the TPM is touched, so
//! that a launch that must fail fails before it has measured anything.

use super::failure::Failure;
use super::memory::{allow, fetch, Guarded, Memory};
use super::slaunch::bootparams::{self, BootParams};
use super::slaunch::cmdline::{self, COMMAND_LINE_SIZE};
use super::slaunch::error::Error;
use super::slaunch::gate::{Gate, Mode};
use super::slaunch::memmap::{Descriptor, MemMap};
use super::slaunch::policy::Entity;
use super::slaunch::region::Region;
use super::slaunch::setupdata::Chain;
use super::table::{Checked, Own};

/// The mode of the gate around EFI runtime services if the command line does not say.
const DEFAULT_MODE: Mode = if cfg!(CONFIG_SECURE_LAUNCH_EFI_ISOLATE) {
    Mode::Isolate
} else if cfg!(CONFIG_SECURE_LAUNCH_EFI_VERIFY) {
    Mode::Verify
} else if cfg!(CONFIG_SECURE_LAUNCH_EFI_TRUST) {
    Mode::Trust
} else {
    Mode::Off
};

/// The inputs of the kernel, checked.
///
/// # Invariants
///
/// Every region is apart from the launch's own memory and in RAM; where the firmware is to be
/// trusted, its ranges in the map are apart from that memory and from each other.
pub(crate) struct Inputs<'a> {
    /// The boot parameters, as copied.
    pub(crate) params: BootParams<'a>,
    /// The command line, as copied, without its NUL.
    pub(crate) cmdline: &'a [u8],
    /// What the command line says about the gate around EFI runtime services.
    pub(crate) gate: Gate,
    /// The setup_data list.
    pub(crate) setup_data: Chain,
    /// The initrd, if there is one.
    pub(crate) initrd: Option<Region>,
    /// The EFI memory map, as copied.
    pub(crate) map: MemMap<'a>,
}

/// Copies the boot parameters at `address` into `page`, and returns where they were.
pub(crate) fn copy_params(
    memory: &mut Memory,
    own: &Own,
    address: u64,
    page: &mut [u8; bootparams::SIZE],
) -> Result<Region, Failure> {
    let size = bootparams::SIZE as u64;
    let region = Region::new(address, size)
        .and_then(Region::below_4g)
        .and_then(|region| region.apart_from(&own.all()))
        .map_err(|error| Failure::new(error).with(address, size))?;
    fetch(memory, region, page)?;
    Ok(region)
}

impl<'a> Inputs<'a> {
    /// Checks the copied boot parameters, which were at `origin`, and all that they point to.
    /// Copies the command line into `line` and the memory map into `slots`.
    pub(crate) fn check(
        memory: &mut Memory,
        checked: &Checked<'_>,
        page: &'a [u8; bootparams::SIZE],
        origin: Region,
        line: &'a mut [u8; COMMAND_LINE_SIZE],
        slots: &'a mut [Descriptor],
    ) -> Result<Self, Failure> {
        let own = checked.own.all();
        let fits = |entity, base, size| {
            let choice = checked.plan.choice(entity);
            choice
                .check(base, size)
                .map_err(|error| Failure::new(error).with(base, size))
        };
        let table_size = u64::from(checked.table.header().size);
        fits(Entity::Slrt, checked.own.table.base(), table_size)?;
        fits(Entity::BootParams, origin.base(), origin.size())?;

        let params = BootParams::parse(page).map_err(|error| Failure::at(error, &origin))?;
        let map = read_map(memory, &own, &params, slots)?;
        let at = params.efi()?.memmap;
        fits(Entity::EfiMemmap, at.base(), at.size())?;

        let mut guarded = Guarded::new(memory, &own, Some(&map));
        let at = params.cmdline_address();
        let length = cmdline::read(&mut guarded, at, line)
            .map_err(|error| Failure::new(error).with(at, COMMAND_LINE_SIZE as u64))?;
        fits(Entity::Cmdline, at, len(length))?;
        let cmdline = line.get(..length).unwrap_or(line);

        let head = params.setup_data();
        let setup_data = check_list(&mut guarded, &own, &map, head)?;
        fits(Entity::SetupData, head, 0)?;

        let initrd = params.initrd()?;
        if let Some(region) = initrd {
            fits(Entity::Initrd, region.base(), region.size())?;
            check_initrd(&own, &map, &region)?;
        }
        let gate = Gate::from_cmdline(cmdline, DEFAULT_MODE);
        if gate.mode == Mode::Trust {
            check_runtime(&guarded, &map)?;
        }
        for extra in checked.plan.extras() {
            extra
                .check(&map, &own)
                .map_err(|error| Failure::at(error, &extra.region))?;
        }
        Ok(Self {
            params,
            cmdline,
            gate,
            setup_data,
            initrd,
            map,
        })
    }
}

fn len(length: usize) -> u64 {
    // A command line has at most COMMAND_LINE_SIZE bytes.
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// Reads the memory map into `slots`. It decides about all the rest, and about itself too.
fn read_map<'a>(
    memory: &mut Memory,
    own: &[Region],
    params: &BootParams<'_>,
    slots: &'a mut [Descriptor],
) -> Result<MemMap<'a>, Failure> {
    let efi = params.efi()?;
    let fail = |error| Failure::at(error, &efi.memmap);
    let mut guarded = Guarded::new(memory, own, None);
    let map = MemMap::read(
        slots,
        &mut guarded,
        efi.memmap,
        efi.desc_size,
        efi.desc_version,
    )
    .map_err(fail)?;
    allow(own, Some(&map), &efi.memmap).map_err(fail)?;
    Ok(map)
}

/// Walks the setup_data list once, to its end.
fn check_list(
    memory: &mut Guarded<'_>,
    own: &[Region],
    map: &MemMap<'_>,
    head: u64,
) -> Result<Chain, Failure> {
    let mut last = (head, 0);
    Chain::check(memory, head, |region: &Region| {
        last = (region.base(), region.size());
        allow(own, Some(map), region)
    })
    .map_err(|error| Failure::new(error).with(last.0, last.1))
}

fn check_initrd(own: &[Region], map: &MemMap<'_>, region: &Region) -> Result<(), Failure> {
    region
        .apart_from(own)
        .map_err(|error| Failure::at(error, region))?;
    if !map.is_ram(region) {
        return Err(Failure::at(Error::InitrdTooBig, region));
    }
    Ok(())
}

/// Checks the ranges of runtime services, which the firmware says it has.
fn check_runtime(memory: &Guarded<'_>, map: &MemMap<'_>) -> Result<(), Failure> {
    for range in map.runtime() {
        memory.allow_runtime(range).map_err(|error| {
            Failure::new(error).with(range.base, range.end().saturating_sub(range.base))
        })?;
    }
    Ok(())
}
