// SPDX-License-Identifier: GPL-2.0

//! The core of `drivers/char/tpm/core`, built for the host from the same files.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[path = "../../../drivers/char/tpm/core/mod.rs"]
mod core_src;
pub use core_src::*;

#[cfg(feature = "host")]
mod host;
#[cfg(feature = "host")]
pub use host::HostHash;

#[cfg(feature = "device")]
mod device;
#[cfg(feature = "device")]
pub use device::Device;
