// SPDX-License-Identifier: GPL-2.0

//! `slaunch`: shows, replays, predicts and judges launches.
//!
//! For the launched machine and for the one that judges it. Whatever it reads (logs, PCR values, quotes,
//! kernels) may come from an enemy: it is parsed with checked reads, and shown escaped.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod bank;
pub mod cli;
pub mod exit;
pub mod input;
pub mod log;
pub mod manual;
pub mod out;
pub mod policy;
pub mod predict;
pub mod replay;
pub mod run;
pub mod status;
pub mod tpm;
pub mod verify;
