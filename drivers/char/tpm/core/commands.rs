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

/// How long to wait before a command is sent again that the TPM did not start, at first and at most, in
/// microseconds. The wait is doubled every time; together they are 2.5 s, longer than a self test.
const RETRY_FIRST: u64 = 20_000;
const RETRY_LAST: u64 = 1_280_000;

/// A command being built: header first, the size comes with [`Command::finish`].
struct Command<'a> {
    builder: Builder<'a>,
    code: u32,
    sessions: bool,
}

impl<'a> Command<'a> {
    fn new(buf: &'a mut [u8; MAX_COMMAND], code: u32, sessions: bool) -> Self {
        let mut builder = Builder::new(buf);
        let tag = tag(sessions);
        builder.be16(tag).be32(0).be32(code);
        Self {
            builder,
            code,
            sessions,
        }
    }

    /// The handle of a PCR, authorised by the empty password.
    fn authorised_pcr(&mut self, pcr: Pcr) {
        self.builder.be32(pcr.index());
        // Size of the authorisation, session, no nonce, no attributes, no password.
        self.builder.be32(9).be32(RS_PW).be16(0).u8(0).be16(0);
    }

    /// TPML_PCR_SELECTION of one PCR in one bank.
    fn selection(&mut self, pcr: Pcr, alg: u16) {
        self.builder.be32(1).be16(alg).u8(SELECT_SIZE);
        self.builder.bytes(&select(pcr));
    }

    /// Sends the command, as often as the TPM asks for that, and returns the parameters of the response.
    fn run<'r, T: Transport>(
        mut self,
        tpm: &mut T,
        response: &'r mut [u8; MAX_RESPONSE],
    ) -> Result<Reader<'r>, TpmError> {
        let command = self.builder.sized(2).ok_or(TpmError::CommandInvalid)?;
        let duration = Duration::of(self.code);
        let mut delay = RETRY_FIRST;
        let len = loop {
            let len = tpm.transmit(command, response, duration)?;
            let bytes = response.get(..len).ok_or(TpmError::ResponseOversized)?;
            let (rc, _) = decode_response(bytes, self.sessions)?;
            if !rc.is_retry() || delay > RETRY_LAST {
                break len;
            }
            tpm.pause(delay)?;
            delay = delay.saturating_mul(2);
        };
        let bytes = response.get(..len).ok_or(TpmError::ResponseOversized)?;
        let (rc, parameters) = decode_response(bytes, self.sessions)?;
        if rc == TpmRc::CANCELED {
            // Nobody but the transport cancels, and only for this reason.
            return Err(TpmError::CommandTimeout);
        }
        rc.ok()?;
        Ok(parameters)
    }
}

const fn tag(sessions: bool) -> u16 {
    if sessions {
        TAG_SESSIONS
    } else {
        TAG_NO_SESSIONS
    }
}

/// The bit map that selects one PCR.
fn select(pcr: Pcr) -> [u8; 3] {
    let bits = 1u32.wrapping_shl(pcr.index());
    let [a, b, c, _] = bits.to_le_bytes();
    [a, b, c]
}

/// The lowest PCR that a bit map selects.
fn selected(map: &[u8]) -> Option<Pcr> {
    let mut bits = [0; 4];
    for (to, from) in bits.iter_mut().zip(map) {
        *to = *from;
    }
    Pcr::new(u32::from_le_bytes(bits).trailing_zeros())
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
    let mut buf = [0; MAX_COMMAND];
    let mut response = [0; MAX_RESPONSE];
    let mut command = Command::new(&mut buf, CC_GET_CAPABILITY, false);
    // First property, and how many: PCRs come in one piece whatever is asked for.
    command.builder.be32(CAP_PCRS).be32(0).be32(1);
    let parameters = command.run(tpm, &mut response)?;
    let mut banks = Banks::new();
    decode_banks(parameters, |id, pcr| {
        let alg = match HashAlg::known(id) {
            Some(alg) => alg,
            None => ask_size(tpm, pcr, id)?,
        };
        banks.push(alg)
    })?;
    if banks.is_empty() {
        return Err(TpmError::Banks);
    }
    Ok(banks)
}

/// Learns the size of an algorithm's digests.
fn ask_size<T: Transport>(tpm: &mut T, pcr: Pcr, id: u16) -> Result<HashAlg, TpmError> {
    let mut buf = [0; MAX_COMMAND];
    let mut response = [0; MAX_RESPONSE];
    let mut command = Command::new(&mut buf, CC_PCR_READ, false);
    command.selection(pcr, id);
    let parameters = command.run(tpm, &mut response)?;
    let value = decode_pcr_read(parameters, pcr, id)?;
    value
        .and_then(|value| HashAlg::new(id, value.len()))
        .ok_or(TpmError::Banks)
}

/// Extends `pcr` in all banks with one command. There must be a digest for every active bank.
///
/// # Errors
///
/// [`TpmError::Rc`] if the TPM refuses, for example with [`TpmRc::LOCALITY`]; else those of the transport
/// and of the response.
pub fn pcr_extend<T: Transport>(tpm: &mut T, pcr: Pcr, digests: &Digests) -> Result<(), TpmError> {
    let mut buf = [0; MAX_COMMAND];
    let mut response = [0; MAX_RESPONSE];
    let mut command = Command::new(&mut buf, CC_PCR_EXTEND, true);
    command.authorised_pcr(pcr);
    match u32::try_from(digests.len()) {
        Ok(count) if count > 0 => command.builder.be32(count),
        _ => command.builder.invalidate(),
    };
    for digest in digests.iter() {
        command.builder.be16(digest.alg().id());
        command.builder.bytes(digest.as_bytes());
    }
    let parameters = command.run(tpm, &mut response)?;
    if parameters.left() != 0 {
        return Err(TpmError::ResponseOversized);
    }
    Ok(())
}

/// Reads `pcr` in the bank of `alg`.
///
/// # Errors
///
/// [`TpmError::Banks`] if the bank is not active; else those of the transport and of the response.
pub fn pcr_read<T: Transport>(tpm: &mut T, pcr: Pcr, alg: HashAlg) -> Result<Digest, TpmError> {
    let mut buf = [0; MAX_COMMAND];
    let mut response = [0; MAX_RESPONSE];
    let mut command = Command::new(&mut buf, CC_PCR_READ, false);
    command.selection(pcr, alg.id());
    let parameters = command.run(tpm, &mut response)?;
    match decode_pcr_read(parameters, pcr, alg.id())? {
        Some(value) => Digest::new(alg, value).ok_or(TpmError::ResponseMalformed),
        None => Err(TpmError::Banks),
    }
}

/// Checks a response's tag and size against the tag of the command (`sessions`: 0x8002) and returns the
/// response code and the parameters.
///
/// # Errors
///
/// [`TpmError::NotTpm2`], [`TpmError::ResponseTag`], [`TpmError::ResponseTruncated`],
/// [`TpmError::ResponseOversized`], [`TpmError::ResponseMalformed`].
pub fn decode_response(response: &[u8], sessions: bool) -> Result<(TpmRc, Reader<'_>), TpmError> {
    const CUT: TpmError = TpmError::ResponseTruncated;

    let mut reader = Reader::new(response);
    let found = reader.be16().ok_or(CUT)?;
    let size = reader.be32().ok_or(CUT)?;
    let rc = TpmRc::new(reader.be32().ok_or(CUT)?);
    match usize::try_from(size) {
        Ok(size) if size < HEADER => return Err(TpmError::ResponseMalformed),
        Ok(size) if size < response.len() => return Err(TpmError::ResponseOversized),
        Ok(size) if size == response.len() => {}
        _ => return Err(CUT),
    }
    if found == TAG_RSP_TPM12 {
        return Err(TpmError::NotTpm2);
    }
    if rc != TpmRc::SUCCESS {
        // An error is a header and nothing else, without sessions.
        return match (found, reader.left()) {
            (TAG_NO_SESSIONS, 0) => Ok((rc, reader)),
            (TAG_NO_SESSIONS, _) => Err(TpmError::ResponseOversized),
            _ => Err(TpmError::ResponseTag),
        };
    }
    if found != tag(sessions) {
        return Err(TpmError::ResponseTag);
    }
    if !sessions {
        return Ok((rc, reader));
    }
    let len = usize::try_from(reader.be32().ok_or(CUT)?).map_err(|_| CUT)?;
    let parameters = Reader::new(reader.bytes(len).ok_or(CUT)?);
    // The one session: nonce, attributes, acknowledgement. A password has neither of the two strings,
    // and what the TPM says about it proves nothing; only the format is checked.
    let nonce = usize::from(reader.be16().ok_or(CUT)?);
    reader.bytes(nonce).ok_or(CUT)?;
    reader.u8().ok_or(CUT)?;
    let acknowledgement = usize::from(reader.be16().ok_or(CUT)?);
    reader.bytes(acknowledgement).ok_or(CUT)?;
    if reader.left() != 0 {
        return Err(TpmError::ResponseOversized);
    }
    Ok((rc, parameters))
}

/// Decodes the parameters of the GetCapability response and calls `bank` with the TPM_ALG_ID of every
/// bank that has a PCR allocated, and one of those PCRs.
///
/// # Errors
///
/// [`TpmError::Banks`] if the list is incomplete or too long, [`TpmError::ResponseTruncated`],
/// [`TpmError::ResponseOversized`], [`TpmError::ResponseMalformed`]; what `bank` returns.
pub fn decode_banks(
    mut parameters: Reader<'_>,
    mut bank: impl FnMut(u16, Pcr) -> Result<(), TpmError>,
) -> Result<(), TpmError> {
    const CUT: TpmError = TpmError::ResponseTruncated;

    let more = parameters.u8().ok_or(CUT)?;
    if parameters.be32().ok_or(CUT)? != CAP_PCRS {
        return Err(TpmError::ResponseMalformed);
    }
    let count = parameters.be32().ok_or(CUT)?;
    if more != 0 || count > MAX_SELECTIONS {
        return Err(TpmError::Banks);
    }
    for _ in 0..count {
        let id = parameters.be16().ok_or(CUT)?;
        let size = parameters.u8().ok_or(CUT)?;
        if size > MAX_SELECT {
            return Err(TpmError::ResponseMalformed);
        }
        let map = parameters.bytes(usize::from(size)).ok_or(CUT)?;
        if let Some(pcr) = selected(map) {
            bank(id, pcr)?;
        }
    }
    if parameters.left() != 0 {
        return Err(TpmError::ResponseOversized);
    }
    Ok(())
}

/// Decodes the parameters of the PCR_Read response for one PCR in the bank with the TPM_ALG_ID `alg`, and
/// returns its value; `None` if the PCR is not allocated in that bank.
///
/// # Errors
///
/// [`TpmError::ResponseTruncated`], [`TpmError::ResponseOversized`], [`TpmError::ResponseMalformed`].
pub fn decode_pcr_read(
    mut parameters: Reader<'_>,
    pcr: Pcr,
    alg: u16,
) -> Result<Option<&[u8]>, TpmError> {
    const CUT: TpmError = TpmError::ResponseTruncated;
    const BAD: TpmError = TpmError::ResponseMalformed;

    let _update_counter = parameters.be32().ok_or(CUT)?;
    let selections = parameters.be32().ok_or(CUT)?;
    let id = parameters.be16().ok_or(CUT)?;
    let size = parameters.u8().ok_or(CUT)?;
    if selections != 1 || id != alg || size > MAX_SELECT {
        return Err(BAD);
    }
    let map = parameters.bytes(usize::from(size)).ok_or(CUT)?;
    let count = parameters.be32().ok_or(CUT)?;
    let value = match (count, selected(map)) {
        (0, None) => None,
        (1, Some(found)) if found == pcr => {
            let len = usize::from(parameters.be16().ok_or(CUT)?);
            if len > MAX_DIGEST {
                return Err(BAD);
            }
            Some(parameters.bytes(len).ok_or(CUT)?)
        }
        _ => return Err(BAD),
    };
    if parameters.left() != 0 {
        return Err(TpmError::ResponseOversized);
    }
    Ok(value)
}
