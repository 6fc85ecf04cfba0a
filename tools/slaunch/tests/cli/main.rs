// SPDX-License-Identifier: GPL-2.0

//! The program, run on what launches in the machine model left, and on damaged forms of it.

mod common;
mod lab;
mod log;
mod manual;
mod pcrlock;
mod policy;
mod predict;
mod replay;
mod status;
mod swtpm;
mod verify;
