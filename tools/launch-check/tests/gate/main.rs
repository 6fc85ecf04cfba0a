// SPDX-License-Identifier: GPL-2.0

//! The EFI runtime-services gate: what it must let pass, and what it must not.
//!
//! The kernel, the guest and the firmware are those of `make kernel tools`, found below `out/` at the
//! top of the tree, or where SLAUNCH_OUT says.

// The other tests use more of these.
#[allow(dead_code)]
#[path = "../launch/common.rs"]
mod common;
#[allow(dead_code)]
#[path = "../guest/machine.rs"]
mod machine;

mod alarms;
mod before;
mod capsule;
mod cycles;
mod hostile;
mod isolate;
mod panic;
mod prm;
mod quirk;
mod several;
mod smm;
mod talk;
mod trace;
mod unkept;
mod vm;
