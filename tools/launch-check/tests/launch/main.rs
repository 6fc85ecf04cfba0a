// SPDX-License-Identifier: GPL-2.0

//! Launches in the machine model: good ones, changed ones, hostile ones.
//!
//! The kernel and the guest are those of `make kernel` and `make tools`, found
//! below `out/` at the top of the tree, or where SLAUNCH_OUT says.

mod boots;
mod common;
mod gate;
mod hostile;
mod inputs;
mod predict;
mod stability;
mod tables;
mod uki;
