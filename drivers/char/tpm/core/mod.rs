// SPDX-License-Identifier: GPL-2.0

//! The TPM core: PC Client registers, FIFO and CRB transport, commands of TPM 2.0 and TPM 1.2,
//! event log.
//!
//! Pure logic over `core`: no allocation, no unsafe code, no globals, no formatting in any code
//! path, and no reachable panic. The hardware and the clock are behind [`Mmio`] and [`Clock`], so
//! the same source files serve the loader block, the early kernel, the driver and the host's tools
//! and tests.
//!
//! A measurement is four steps:
//!
//! 1. [`Tpm::probe`] finds the TPM, [`Tpm::open`] claims a locality. The guard it returns is the
//!    only thing that can send a command, and gives the locality back when it goes away.
//! 2. [`pcr_banks`] asks the TPM for its active banks. A TPM 1.2 has one, of SHA-1.
//! 3. A [`MultiHash`] computes one digest for each bank in a single pass, [`pcr_extend`] extends
//!    all of them with one command.
//! 4. [`EventLog::append`] records the event.
//!
//! References: TCG PC Client Platform TPM Profile (PTP) 1.05, TPM 2.0 Library parts 2 and 3, TPM
//! Main (1.2) parts 2 and 3, TCG PC Client Platform Firmware Profile (PFP) 1.05 section 10 for the
//! log.

// These files are the public interface of a host crate and a private module of freestanding objects
// that use parts of it.
#![allow(unreachable_pub, dead_code, unused_imports)]

mod bytes;
mod commands;
mod digest;
mod error;
mod eventlog;
mod hw;
mod ptp;
mod regs;

pub use bytes::{Builder, Reader};
pub use commands::{
    decode_banks, decode_digest, decode_pcr_read, decode_properties, decode_response,
    decode_test_result, decode_times, decode_version, identify, pcr_banks, pcr_extend, pcr_read,
    pcr_reset, properties, self_test, startup, tpm12_durations, tpm12_timeouts, Duration,
    Durations, Properties, StartupType, Tag, TpmFamily, Transport, MAX_COMMAND, MAX_RESPONSE,
};
pub use digest::{Banks, Digest, Digests, HashAlg, MultiHash, Pcr, MAX_BANKS, MAX_DIGEST};
pub use error::{TpmError, TpmRc};
pub use eventlog::{
    DigestIter, Event, EventDigests, EventLog, Events, LogError, LogFormat, LogHeader, LogReader,
    VendorInfo, EV_CAP_VALUE, EV_NO_ACTION, EV_SLAUNCH, EV_SLAUNCH_END, EV_SLAUNCH_START,
};
pub use hw::{Clock, Mmio};
pub use ptp::{CrbBuffer, CrbLayout, Held, Interface, OpenLocality, Timeouts, Tpm};
pub use regs::{
    Access, Buffer, ControlArea, DidVid, InterfaceId, InterfaceType, Interrupts, IntfCaps,
    Locality, LocalityRegs, LocalityState, Status, CONTROL_AREA_SIZE, TPM_BASE, TPM_SIZE,
};
