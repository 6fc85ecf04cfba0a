// SPDX-License-Identifier: GPL-2.0

//! The parts of the Secure Launch core that the kernel proper uses.

#[path = "../core/bytes.rs"]
pub(crate) mod bytes;
#[path = "../core/error.rs"]
pub(crate) mod error;
#[path = "../core/handoff.rs"]
pub(crate) mod handoff;
#[path = "../core/record.rs"]
pub(crate) mod record;
#[path = "../core/region.rs"]
pub(crate) mod region;
