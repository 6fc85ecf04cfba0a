// SPDX-License-Identifier: GPL-2.0

//! Checks of a dynamic launch that are independent of the code that did it.

pub mod initramfs;
pub mod verdict;

pub use launch_data::{bzimage, digest, gate, log};
