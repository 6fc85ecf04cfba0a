// SPDX-License-Identifier: GPL-2.0

//! The AMD Secure Loader Block: the code that `SKINIT` measures into PCR 17 and starts.
//!
//! It measures the kernel into the same PCR and enters it. Everything it is told (parameters,
//! launch table, event log) was written before the launch by software that is not trusted;
//! everything it is told is therefore checked, and nothing of it decides what is measured: the
//! bounds of the kernel and its entry point come from the kernel image's own header, which is part
//! of what is measured.
//!
//! The path is `head.S`, [`slb_main`], [`launch`], `head.S` again. An error, wherever it happens,
//! ends in
//! [`failure::stop`]: recorded, the PCRs capped, the machine reset.
//!
//! Only the 64 KiB of this block are protected from DMA (by the processor, since `SKINIT`). A
//! device that somebody programmed before the launch can still write to the kernel while and after
//! it is hashed.

#[path = "../hash/mod.rs"]
mod hash;
#[path = "../../../../drivers/char/tpm/core/mmio.rs"]
mod mmio;
#[path = "../core/mod.rs"]
mod slaunch;
#[path = "../../../../drivers/char/tpm/core/mod.rs"]
mod tpm;

mod cpu;
mod failure;
mod launch;
mod layout;
mod measure;
mod memory;
mod registers;

use failure::Failure;
use layout::Layout;
use memory::Memory;
use slaunch::error::Error;
use slaunch::record::{LaunchRecord, Stage};
use slaunch::region::Region;

/// What the kernel's entry point is called with; head.S knows the layout.
#[repr(C)]
pub struct Handover {
    /// Physical address of the 32-bit entry point.
    entry: u64,
    /// Physical address of the boot parameters.
    boot_params: u64,
    /// Physical address of the launch table.
    slrt: u64,
}

/// What is known of the launch so far, for the case that it fails.
struct Progress {
    /// What the record will say.
    record: LaunchRecord,
    /// The event log, as soon as it was found to be one.
    log: Option<Region>,
}

impl Progress {
    const fn new() -> Self {
        Self {
            record: LaunchRecord::new(Stage::Slb),
            log: None,
        }
    }
}

/// Measures the kernel, and fills in how to enter it. Does not return when the launch fails.
///
/// # Safety
///
/// Called once, by head.S, with `base` the address of the block, long mode as set up there, and
/// nobody else running.
#[no_mangle]
pub unsafe extern "C" fn slb_main(base: u64, handover: &mut Handover) {
    // SAFETY: head.S maps the first 4 GiB one to one and enables SSE, this block lies at `base`,
    // and this is the only value of its kind in use: exceptions do not come back here.
    let mut memory = unsafe { Memory::new(Layout::new(base)) };
    let mut progress = Progress::new();
    match launch::run(&mut memory, &mut progress) {
        Ok(entry) => *handover = entry,
        Err(failure) => failure::stop(&mut memory, &mut progress, failure),
    }
}

/// An exception in long mode: there is none that could be handled.
///
/// # Safety
///
/// Called by head.S only, on whose behalf the conditions of [`slb_main`] still hold.
#[no_mangle]
pub unsafe extern "C" fn slb_exception(base: u64, vector: u64, error_code: u64, rip: u64) -> ! {
    // SAFETY: As in `slb_main`; what that one had is never used again.
    let mut memory = unsafe { Memory::new(Layout::new(base)) };
    let number = vector | error_code.wrapping_shl(32);
    let failure = Failure::new(Error::Exception).with(number, rip);
    failure::stop(&mut memory, &mut Progress::new(), failure)
}
