// SPDX-License-Identifier: GPL-2.0

//! Secure Launch in the kernel proper.
//!
//! What was measured before the kernel started is done with when this code runs. What is left:
//!
//! - [`reserve`] keeps the memory of the launch from being used for anything else, first of all;
//! - [`cpu`] ends the state in which `SKINIT` leaves each processor, and brings up the application
//!   processors in the one way that this state allows;
//! - [`publish`] checks the event log and shows it, with the outcome of the launch, in securityfs;
//! - [`events`] records what the running kernel has to add, first that the TPM has a driver.
//!
//! Without a launch only `/sys/kernel/security/slaunch/state` is there, and says why.

use kernel::prelude::*;

#[path = "../../../../drivers/char/tpm/at_locality.rs"]
mod at_locality;
#[path = "../core/mod.rs"]
mod slaunch;
#[path = "../../../../drivers/char/tpm/core/mod.rs"]
mod tpm;

#[path = "../efi/mod.rs"]
mod efi;

mod cpu;
mod events;
mod hash;
mod launch;
mod log;
mod mem;
mod option;
mod publish;
mod record;
mod reserve;
mod state;
mod status;
#[cfg(CONFIG_SECURE_LAUNCH_STRESS)]
mod stress;

module! {
    type: publish::SecureLaunch,
    name: "slaunch",
    authors: ["The Secure Launch developers"],
    description: "Secure Launch (DRTM): event log and state",
    license: "GPL",
}

// A module has one function to be called, too early for this: the TPM's driver is no older.
core::arch::global_asm!(
    r#"
    .section ".initcall7.init", "a"
    .long slaunch_hand_over - .
    .previous
    "#
);

/// Called once, when all drivers that are part of the kernel have been initialized.
#[no_mangle]
#[link_section = ".init.text"]
extern "C" fn slaunch_hand_over() -> c_int {
    if let Ok(Some(launch)) = launch::get() {
        events::hand_over(&launch);
    }
    0
}
