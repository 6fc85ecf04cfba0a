// SPDX-License-Identifier: GPL-2.0
//! The machine's TPM: a private swtpm, and the model between it and QEMU.

pub mod access;
mod control;
pub mod crb;
mod data;
mod direct;
mod faults;
mod kind;
mod proxy;
mod relay;
mod swtpm;
pub mod tis;

pub use data::{Command, CommandRecord, OnRequest, OnResponse, TpmHook};
pub use faults::{Fault, FaultHook, Match, Register, RegisterFault, Step, Trigger};
pub use kind::{TpmInterface, TpmVersion};
pub use proxy::Proxy;
pub use swtpm::{Bank, Swtpm};
