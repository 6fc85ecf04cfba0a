// SPDX-License-Identifier: GPL-2.0

//! The core of `arch/x86/slaunch/core`, built for the host from the same files.
#![no_std]
#![forbid(unsafe_code)]

#[path = "../../../arch/x86/slaunch/core/mod.rs"]
mod core_src;
pub use core_src::*;

#[cfg(test)]
extern crate std;

#[cfg(test)]
mod efi;
