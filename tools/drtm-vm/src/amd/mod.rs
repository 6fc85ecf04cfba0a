// SPDX-License-Identifier: GPL-2.0
//! The AMD part of the model: SKINIT, and what the processor watches over afterwards.

pub mod ap;
pub mod dlme;
pub mod microcode;
pub mod observe;
pub mod record;
pub mod skinit;
pub mod slb;
