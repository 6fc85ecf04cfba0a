// SPDX-License-Identifier: GPL-2.0

//! Firmware's runtime services in user mode: what is mapped for them, how calls get there and back,
//! and what becomes of the instructions that user mode does not have.
//!
//! | module | what it decides |
//! | --- | --- |
//! | [`map`] | which memory is there, and what for |
//! | [`marshal`] | what goes into a call, and whether what comes out of it can be |
//! | [`insn`] | what an instruction that trapped asks for |
//! | [`emulate`] | what is done about it |
//! | [`ports`] | which I/O ports firmware has |
//! | [`msr`] | which model-specific registers it may read |
//! | [`prm`] | what a PRM handler is called with |
//! | [`abort`] | why a call was given up |
//!
//! All input but the gate's settings is firmware's or under its influence: the memory map, the
//! instructions, the registers, and what is in the buffers after a call. Whatever is not known to
//! be harmless ends in an [`abort::Abort`]; firmware is not called any more then.

pub mod abort;
mod area;
pub mod emulate;
pub mod insn;
pub mod map;
pub mod marshal;
pub mod msr;
pub mod ports;
pub mod prm;
