// SPDX-License-Identifier: GPL-2.0

//! Checks of a dynamic launch that are independent of the code that did it.

pub mod bzimage;
pub mod digest;
pub mod gate;
pub mod initramfs;
pub mod log;
pub mod verdict;
