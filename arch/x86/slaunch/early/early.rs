// SPDX-License-Identifier: GPL-2.0

//! The kernel between a dynamic launch and startup_64.
//!
//! The loader block has measured this image and entered it (entry.S). Everything else that the
//! kernel is going to use was put into memory by code from before the launch, which nobody has to
//! trust any more. So it is checked here, copied where it could change, measured into PCR 17 (code)
//! and 18 (configuration), and only then used:
//!
//! 1. [`block`]: the loader block and its launch record;
//! 2. [`table`]: the launch table (SLRT), and from it the memory of the launch and the event log;
//! 3. [`inputs`]: boot parameters, memory map, command line, setup_data, initrd;
//! 4. [`measure`]: everything, in every active bank of the TPM;
//! 5. the handoff to late/, and on to startup_64 with copies of boot parameters and command line.
//!
//! Each step gets what the one before has returned, so none can be left out. Whatever goes wrong
//! ends in [`failure::stop`]: recorded, the PCRs capped, the machine reset. There is no way back
//! and no way round.
//!
//! No services of the kernel are available, nothing is relocated, one processor runs, interrupts
//! are off. DMA is not this code's business: what a device may reach is up to the loader block.

#[path = "../hash/mod.rs"]
mod hash;
#[path = "../../../../drivers/char/tpm/core/mmio.rs"]
mod mmio;
#[path = "../core/mod.rs"]
mod slaunch;
#[path = "../../../../drivers/char/tpm/core/mod.rs"]
mod tpm;

mod block;
mod cpu;
mod failure;
mod inputs;
mod measure;
mod memory;
mod registers;
mod storage;
mod table;

use block::Block;
use failure::Failure;
use inputs::Inputs;
use memory::Memory;
use slaunch::bootparams;
use slaunch::error::Error;
use slaunch::handoff::{Handoff, Launch, VENDOR_AMD};
use slaunch::record::Stage;
use slaunch::region::Region;
use storage::{Gift, Work};

/// What entry.S calls [`slaunch_early`] with; it knows the layout.
#[repr(C)]
pub struct EntryState {
    /// Where this image begins.
    text: u64,
    /// Where its zeroed memory ends.
    end: u64,
    /// Where the boot parameters are said to be.
    boot_params: u64,
    /// Where the launch table is said to be.
    slrt: u64,
    /// Where the loader block is said to be.
    block: u64,
    /// The page directory of the window, see [`Memory::new`].
    window: u64,
    /// What the kernel proper (late/) learns about the launch.
    handoff: &'static mut Handoff,
}

const _: () = assert!(size_of::<EntryState>() == 56);
// What entry.S sets aside.
const _: () = assert!(size_of::<Handoff>() == 96 && align_of::<Handoff>() == 8);

/// Checks and measures everything, and returns the physical address of the kernel's boot
/// parameters. Does not return if anything is wrong.
///
/// # Safety
///
/// Called once, by entry.S, in its address space, with nobody else running.
#[no_mangle]
pub unsafe extern "C" fn slaunch_early(entry: &mut EntryState) -> u64 {
    // SAFETY: entry.S maps the first 4 GiB one to one, and the window by this page directory.
    let mut memory = unsafe { Memory::new(entry.window) };
    // SAFETY: This function is called once.
    let (work, gift) = unsafe { storage::take() };

    let found = Region::from_bounds(entry.text, entry.end)
        .and_then(|image| Ok((image, Block::find(&mut memory, image, entry.block)?)));
    let Ok((image, mut block)) = found else {
        // There is nowhere to record it.
        cpu::post(Error::LaunchRecord.post_code());
        cpu::reset();
    };

    let mut log = None;
    let launched = launch(entry, image, &mut memory, &mut block, &mut log, work, gift);
    if let Err(failure) = launched {
        failure::stop(&memory, &mut block, log, failure);
    }
    (&raw const gift.params) as u64
}

/// The launch. `log` is set as soon as there is an event log.
fn launch(
    entry: &mut EntryState,
    image: Region,
    memory: &mut Memory,
    block: &mut Block,
    log: &mut Option<Region>,
    work: &mut Work,
    gift: &mut Gift,
) -> Result<(), Failure> {
    let window = block.expect_entered()?;
    block.reach(Stage::Early);

    let others = [image, window];
    let region = table::copy(memory, entry.slrt, &others, &mut work.table)?;
    let checked = table::check(&work.table, region, window, image, entry.boot_params)?;

    let events = measure::attach(memory, &checked)?;
    *log = Some(checked.own.log);

    let origin = inputs::copy_params(memory, &checked.own, entry.boot_params, &mut gift.params)?;
    let line = (&raw const gift.line) as u64;
    let inputs = Inputs::check(
        memory,
        &checked,
        &gift.params,
        origin,
        &mut gift.line,
        &mut work.map,
    )?;

    measure::measure(memory, block, &checked, &inputs, events)?;

    // From here on the copy of the boot parameters is the kernel's.
    let (initrd, gate) = (inputs.initrd, inputs.gate);
    bootparams::set_cmdline_address(&mut gift.params, line);
    if initrd.is_none() {
        bootparams::refuse_other_initrd(&mut gift.params);
    }
    *entry.handoff = Handoff::new(&Launch {
        vendor: VENDOR_AMD,
        gate,
        events: block.record.events,
        slrt: checked.own.table,
        log: checked.own.log,
        slb: checked.own.block,
        dlme: checked.own.kernel,
        record: block.record_address(),
    });
    block.reach(Stage::Complete);
    Ok(())
}

/// An exception: there is none that could be handled.
///
/// # Safety
///
/// Called by entry.S only, on whose behalf the conditions of [`slaunch_early`] still hold. `offset`
/// is the distance of the instruction from the start of the image.
#[no_mangle]
pub unsafe extern "C" fn slaunch_early_exception(vector: u64, error_code: u64, offset: u64) -> ! {
    if let Some(mut block) = Block::again() {
        let number = vector | error_code.wrapping_shl(32);
        let failure = Failure::new(Error::Exception).with(number, offset);
        // SAFETY: What `slaunch_early` had is never used again. The window is not needed any more.
        let memory = unsafe { Memory::new(0) };
        failure::stop(&memory, &mut block, None, failure);
    }
    cpu::post(Error::Exception.post_code());
    cpu::reset()
}
