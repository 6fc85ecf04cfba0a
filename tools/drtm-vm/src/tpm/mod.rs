// SPDX-License-Identifier: GPL-2.0
//! The machine's TPM: a private swtpm, and the model between it and QEMU.

mod control;
mod data;
mod faults;
mod swtpm;
pub mod tis;

pub use control::Proxy;
pub use data::{Command, CommandRecord, OnRequest, OnResponse, TpmHook};
pub use faults::{Fault, FaultHook, Match, Trigger};
pub use swtpm::{Bank, Swtpm};
