// SPDX-License-Identifier: GPL-2.0

//! The commands of a measured launch, for both families of TPMs.
//!
//! Every function asks the transport for the family and sends what that family understands. What is
//! the same for both lies in `wire`: headers, tags, response codes, sending again.

mod duration;
mod properties;
mod tpm12;
mod tpm20;
mod wire;

use super::digest::{Banks, Digest, Digests, HashAlg, Pcr};
use super::error::{TpmError, TpmRc};

pub use duration::Duration;
pub use properties::Properties;
pub use tpm12::{
    decode_digest, decode_times, decode_version, tpm12_durations, tpm12_timeouts, Durations,
};
pub use tpm20::{decode_banks, decode_pcr_read, decode_properties, decode_test_result};
pub use wire::{decode_response, response_size, Tag, HEADER, MAX_COMMAND, MAX_RESPONSE};

/// The TPM's generation: which commands it understands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TpmFamily {
    /// TPM 1.2: one bank, SHA-1.
    Tpm12,
    /// TPM 2.0.
    Tpm20,
}

/// Something that carries commands to a TPM: an open locality.
pub trait Transport {
    /// The TPM's generation. [`identify`] finds it out, and is the only one that does not ask.
    fn family(&self) -> TpmFamily;

    /// Sends `command`, waits at most `duration` for the response, puts it into `response` and
    /// returns its length. The response has at least a header, and exactly the length that its
    /// header says.
    ///
    /// # Errors
    ///
    /// Those of the transport: [`TpmError::Vanished`], [`TpmError::CommandTimeout`] and so on. The
    /// TPM is idle again if it answers at all.
    fn transmit(
        &mut self,
        command: &[u8],
        response: &mut [u8],
        duration: Duration,
    ) -> Result<usize, TpmError>;

    /// Waits this many microseconds.
    ///
    /// # Errors
    ///
    /// [`TpmError::ClockStopped`].
    fn pause(&mut self, us: u64) -> Result<(), TpmError>;
}

/// What a TPM begins with after a reset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StartupType {
    /// Everything that is not persistent has its default value.
    Clear,
    /// The state that was saved before the reset (a suspend to memory).
    State,
}

/// Finds out the family of a TPM whose interface does not tell it, by the answer to a GetCapability
/// of TPM 2.0: a TPM 1.2 refuses it, with a tag of its own. Does not ask [`Transport::family`].
///
/// # Errors
///
/// Those of the transport and of the response.
pub fn identify<T: Transport>(tpm: &mut T) -> Result<TpmFamily, TpmError> {
    tpm20::identify(tpm)
}

/// Starts the TPM after a reset. That it was started already is no error.
///
/// # Errors
///
/// [`TpmError::Rc`] if the TPM refuses, for example because no state was saved; else those of the
/// transport and of the response.
pub fn startup<T: Transport>(tpm: &mut T, kind: StartupType) -> Result<(), TpmError> {
    let result = match tpm.family() {
        TpmFamily::Tpm12 => tpm12::startup(tpm, kind),
        TpmFamily::Tpm20 => tpm20::startup(tpm, kind),
    };
    match result {
        Err(TpmError::Rc(TpmRc::INITIALIZE | TpmRc::INVALID_POSTINIT)) => Ok(()),
        result => result,
    }
}

/// Has the TPM do its full self test, and waits for the result. A TPM 2.0 may go on testing behind
/// its answer; then it is asked for the result for a minute.
///
/// # Errors
///
/// [`TpmError::Rc`] if the test fails; else those of the transport and of the response.
pub fn self_test<T: Transport>(tpm: &mut T) -> Result<(), TpmError> {
    match tpm.family() {
        TpmFamily::Tpm12 => tpm12::self_test(tpm),
        TpmFamily::Tpm20 => tpm20::self_test(tpm),
    }
}

/// Asks for manufacturer and versions.
///
/// # Errors
///
/// Those of the transport and of the response.
pub fn properties<T: Transport>(tpm: &mut T) -> Result<Properties, TpmError> {
    match tpm.family() {
        TpmFamily::Tpm12 => tpm12::properties(tpm),
        TpmFamily::Tpm20 => tpm20::properties(tpm),
    }
}

/// Asks for the active PCR banks, in the TPM's order. A TPM 1.2 has the one of SHA-1, and is not
/// asked.
///
/// A bank is active if any PCR is allocated in it. The size of an algorithm that is not known here
/// is learned by reading a PCR of the bank.
///
/// # Errors
///
/// [`TpmError::Banks`] if there is none, more than fit, or the TPM's list is incomplete; else those
/// of the transport and of the response.
pub fn pcr_banks<T: Transport>(tpm: &mut T) -> Result<Banks, TpmError> {
    match tpm.family() {
        TpmFamily::Tpm12 => tpm12::pcr_banks(),
        TpmFamily::Tpm20 => tpm20::pcr_banks(tpm),
    }
}

/// Extends `pcr` in all banks with one command. There must be a digest for every active bank.
///
/// # Errors
///
/// [`TpmError::CommandInvalid`] if there is no digest, or, for a TPM 1.2, another than one of
/// SHA-1; [`TpmError::Rc`] if the TPM refuses, for example with [`TpmRc::LOCALITY`] or
/// [`TpmRc::BAD_LOCALITY`]; else those of the transport and of the response.
pub fn pcr_extend<T: Transport>(tpm: &mut T, pcr: Pcr, digests: &Digests) -> Result<(), TpmError> {
    match tpm.family() {
        TpmFamily::Tpm12 => tpm12::pcr_extend(tpm, pcr, digests),
        TpmFamily::Tpm20 => tpm20::pcr_extend(tpm, pcr, digests),
    }
}

/// Reads `pcr` in the bank of `alg`.
///
/// # Errors
///
/// [`TpmError::Banks`] if the bank is not active; else those of the transport and of the response.
pub fn pcr_read<T: Transport>(tpm: &mut T, pcr: Pcr, alg: HashAlg) -> Result<Digest, TpmError> {
    match tpm.family() {
        TpmFamily::Tpm12 => tpm12::pcr_read(tpm, pcr, alg),
        TpmFamily::Tpm20 => tpm20::pcr_read(tpm, pcr, alg),
    }
}

/// Resets `pcr` in all banks to zero, if it can be reset and the locality may: 16 and 23 at most
/// localities, 20 to 22 at locality 2 (PTP 1.05 section 4.6).
///
/// # Errors
///
/// [`TpmError::Rc`] if the TPM refuses; else those of the transport and of the response.
pub fn pcr_reset<T: Transport>(tpm: &mut T, pcr: Pcr) -> Result<(), TpmError> {
    match tpm.family() {
        TpmFamily::Tpm12 => tpm12::pcr_reset(tpm, pcr),
        TpmFamily::Tpm20 => tpm20::pcr_reset(tpm, pcr),
    }
}
