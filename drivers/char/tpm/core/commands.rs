// SPDX-License-Identifier: GPL-2.0

//! The TPM 2.0 commands of a measured launch (TPM 2.0 Library part 3).

use super::bytes::{Builder, Reader};
use super::digest::{Banks, Digest, Digests, HashAlg, Pcr, MAX_DIGEST};
use super::error::{TpmError, TpmRc};

/// Size in bytes of the largest command made here: PCR_Extend with all banks.
pub const MAX_COMMAND: usize = 640;

/// Size in bytes of the largest response accepted here.
pub const MAX_RESPONSE: usize = 512;

const TAG_NO_SESSIONS: u16 = 0x8001;
const TAG_SESSIONS: u16 = 0x8002;
/// How a TPM 1.2 answers, and a TPM 2.0 to a command that it takes for one of TPM 1.2.
const TAG_RSP_TPM12: u16 = 0x00c4;

const CC_GET_CAPABILITY: u32 = 0x17a;
const CC_PCR_READ: u32 = 0x17e;
const CC_PCR_EXTEND: u32 = 0x182;

const CAP_PCRS: u32 = 5;
const RS_PW: u32 = 0x4000_0009;

/// Size in bytes of tag, size and response code.
const HEADER: usize = 10;
/// Bytes of a PCR selection that covers PCR 0 to 23.
const SELECT_SIZE: u8 = 3;
/// Largest sizeofSelect that a TPM may report; PTP has 3, the library's own limit is 4.
const MAX_SELECT: u8 = 4;
/// Most entries of TPML_PCR_SELECTION (HASH_COUNT).
const MAX_SELECTIONS: u32 = 16;

/// How long a command may take before it is cancelled, in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Duration(u64);

impl Duration {
    /// Short commands. PTP 1.05 section 6.5.1.3 allows 750 ms for those used here, but a TPM may begin a
    /// self test that belongs to the first use of an algorithm, and giving up on one ends in a reset.
    pub const MEDIUM: Self = Self(2_000_000);

    /// This many microseconds.
    pub const fn from_us(us: u64) -> Self {
        Self(us)
    }

    /// In microseconds.
    pub const fn as_us(self) -> u64 {
        self.0
    }

    /// The duration of the command with this TPM_CC.
    const fn of(command: u32) -> Self {
        match command {
            CC_GET_CAPABILITY | CC_PCR_READ | CC_PCR_EXTEND => Self::MEDIUM,
            // What the PC Client profile allows for commands without a limit of their own.
            _ => Self(120_000_000),
        }
    }
}

/// Something that carries commands to a TPM: an open locality.
pub trait Transport {
    /// Sends `command`, waits at most `duration` for the response, puts it into `response` and returns
    /// its length. The response has at least a header, and exactly the length that its header says.
    ///
    /// # Errors
    ///
    /// Those of the transport: [`TpmError::Vanished`], [`TpmError::CommandTimeout`] and so on. The TPM
    /// is idle again if it answers at all.
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

/// Asks for the active PCR banks, in the TPM's order.
///
/// A bank is active if any PCR is allocated in it. The size of an algorithm that is not known here is
/// learned by reading a PCR of the bank.
///
/// # Errors
///
/// [`TpmError::Banks`] if there is none, more than fit, or the TPM's list is incomplete; else those of
/// the transport and of the response.
pub fn pcr_banks<T: Transport>(tpm: &mut T) -> Result<Banks, TpmError> {
    let _ = tpm;
    Err(TpmError::Absent)
}

/// Extends `pcr` in all banks with one command. There must be a digest for every active bank.
///
/// # Errors
///
/// [`TpmError::Rc`] if the TPM refuses, for example with [`TpmRc::LOCALITY`]; else those of the transport
/// and of the response.
pub fn pcr_extend<T: Transport>(tpm: &mut T, pcr: Pcr, digests: &Digests) -> Result<(), TpmError> {
    let _ = (tpm, pcr, digests);
    Err(TpmError::Absent)
}

/// Reads `pcr` in the bank of `alg`.
///
/// # Errors
///
/// [`TpmError::Banks`] if the bank is not active; else those of the transport and of the response.
pub fn pcr_read<T: Transport>(tpm: &mut T, pcr: Pcr, alg: HashAlg) -> Result<Digest, TpmError> {
    let _ = (tpm, pcr, alg);
    Err(TpmError::Absent)
}

/// Checks a response's tag and size against the tag of the command (`sessions`: 0x8002) and returns the
/// response code and the bytes behind it.
///
/// # Errors
///
/// [`TpmError::NotTpm2`], [`TpmError::ResponseTag`], [`TpmError::ResponseTruncated`],
/// [`TpmError::ResponseOversized`], [`TpmError::ResponseMalformed`].
pub fn decode_response(response: &[u8], sessions: bool) -> Result<(TpmRc, Reader<'_>), TpmError> {
    let _ = (response, sessions);
    Err(TpmError::Absent)
}

/// Decodes the parameters of the GetCapability response and calls `bank` with the TPM_ALG_ID of every
/// bank that has a PCR allocated, and one of those PCRs.
///
/// # Errors
///
/// [`TpmError::Banks`] if the list is incomplete or too long, [`TpmError::ResponseTruncated`],
/// [`TpmError::ResponseOversized`], [`TpmError::ResponseMalformed`]; what `bank` returns.
pub fn decode_banks(
    parameters: Reader<'_>,
    bank: impl FnMut(u16, Pcr) -> Result<(), TpmError>,
) -> Result<(), TpmError> {
    let _ = (parameters, bank);
    Err(TpmError::Absent)
}

/// Decodes the parameters of the PCR_Read response for one PCR in the bank with the TPM_ALG_ID `alg`, and
/// returns its value; `None` if the PCR is not allocated in that bank.
///
/// # Errors
///
/// [`TpmError::ResponseTruncated`], [`TpmError::ResponseOversized`], [`TpmError::ResponseMalformed`].
pub fn decode_pcr_read(
    parameters: Reader<'_>,
    pcr: Pcr,
    alg: u16,
) -> Result<Option<&[u8]>, TpmError> {
    let _ = (parameters, pcr, alg);
    Err(TpmError::Absent)
}
