// SPDX-License-Identifier: GPL-2.0
//! A machine model that drives stock QEMU and swtpm through a dynamic launch.
//!
//! QEMU lacks the launch instructions, the TPM's hash sequence and the rules that follow a launch.
//! This crate plays those parts from outside: a hardware breakpoint stands in for microcode, a
//! proxy before the TPM emulator for locality 4, and a watch over the CPUs for the rules. It also
//! brings the TPM interface that QEMU has for one locality only, the Command Response Buffer.
//!
//! [`Machine`] is one machine, [`Snapshot`] a machine frozen at its launch instruction from which
//! many cases start.

#![warn(missing_docs)]

pub mod acpi;
pub mod amd;
pub mod config;
pub mod console;
pub mod disk;
pub mod error;
pub mod gdb;
pub mod host;
pub mod machine;
pub mod outcome;
pub mod process;
pub mod qemu;
pub mod qmp;
pub mod qtest;
pub mod report;
pub mod snapshot;
pub mod tpm;
pub mod trace;
pub mod wait;

mod staging;

pub use config::{Config, Firmware};
pub use disk::Loader;
pub use error::{Error, Result, Side};
pub use machine::{Heard, Machine, Reached};
pub use outcome::Outcome;
pub use report::Report;
pub use snapshot::Snapshot;
pub use tpm::{Bank, Fault, TpmInterface, TpmVersion};
