// SPDX-License-Identifier: GPL-2.0

//! What a launch measures and logs, for programs that check, predict or show it. Independent of the code that
//! did the launch.

mod boot_stub;
pub mod bzimage;
pub mod digest;
pub mod gate;
pub mod log;
#[cfg(any(test, feature = "sample"))]
pub mod sample;
pub mod uki;
