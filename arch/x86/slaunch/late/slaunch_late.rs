// SPDX-License-Identifier: GPL-2.0

//! Secure Launch in the kernel proper.
//!
//! What was measured before the kernel started is done with when this code runs. What is left:
//!
//! - [`reserve`] keeps the memory of the launch from being used for anything else, first of all;
//! - [`cpu`] ends the state in which `SKINIT` leaves each processor, and brings up the application
//!   processors in the one way that this state allows;
//! - [`publish`] checks the event log and shows it, with the outcome of the launch, in securityfs.
//!
//! Without a launch only `/sys/kernel/security/slaunch/state` is there, and says why.

use kernel::prelude::*;

#[path = "../core/mod.rs"]
#[allow(dead_code, unreachable_pub)] // Each crate root uses a part of it.
mod slaunch;
#[path = "../../../../drivers/char/tpm/core/mod.rs"]
#[allow(dead_code)]
mod tpm;

mod cpu;
mod launch;
mod log;
mod mem;
mod option;
mod publish;
mod record;
mod reserve;
mod state;
mod status;

module! {
    type: publish::SecureLaunch,
    name: "slaunch",
    authors: ["The Secure Launch developers"],
    description: "Secure Launch (DRTM): event log and state",
    license: "GPL",
}
