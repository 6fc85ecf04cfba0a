// SPDX-License-Identifier: GPL-2.0

//! The TPM core: PC Client registers, FIFO transport, TPM 2.0 commands, event log.
//!
//! Pure logic over `core`: no allocation, no unsafe code, no globals, no formatting in any code path,
//! and no reachable panic. The hardware and the clock are behind [`Mmio`] and [`Clock`], so the same
//! source files serve the loader block, the early kernel, the driver and the host's tools and tests.
//!
//! A measurement is four steps:
//!
//! 1. [`Tis::probe`] finds the TPM, [`Tis::open`] claims a locality. The guard it returns is the only
//!    thing that can send a command, and gives the locality back when it goes away.
//! 2. [`pcr_banks`] asks the TPM for its active banks.
//! 3. A [`MultiHash`] computes one digest for each bank in a single pass, [`pcr_extend`] extends all of
//!    them with one command.
//! 4. [`EventLog::append`] records the event.
//!
//! References: TCG PC Client Platform TPM Profile (PTP) 1.05, TPM 2.0 Library parts 2 and 3, TCG PC
//! Client Platform Firmware Profile (PFP) 1.05 section 10 for the log.

// These files are the public interface of a host crate and a private module of freestanding objects
// that use parts of it.
#![allow(unreachable_pub, dead_code, unused_imports)]

mod bytes;
mod commands;
mod digest;
mod error;
mod eventlog;
mod hw;
mod regs;
mod tis;

pub use bytes::{Builder, Reader};
pub use commands::{
    decode_banks, decode_pcr_read, decode_response, pcr_banks, pcr_extend, pcr_read, Duration,
    Transport, MAX_COMMAND, MAX_RESPONSE,
};
pub use digest::{Banks, Digest, Digests, HashAlg, MultiHash, Pcr, MAX_BANKS, MAX_DIGEST};
pub use error::{TpmError, TpmRc};
pub use eventlog::{
    DigestIter, Event, EventDigests, EventLog, Events, LogError, LogHeader, LogReader, VendorInfo,
    EV_CAP_VALUE, EV_NO_ACTION, EV_SLAUNCH, EV_SLAUNCH_END, EV_SLAUNCH_START,
};
pub use hw::{Clock, Mmio};
pub use regs::{
    Access, DidVid, InterfaceId, InterfaceType, IntfCaps, Locality, LocalityRegs, Status,
    TpmFamily, TPM_BASE, TPM_SIZE,
};
pub use tis::{OpenLocality, Timeouts, Tis};
