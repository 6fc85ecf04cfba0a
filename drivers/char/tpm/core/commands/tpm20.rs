// SPDX-License-Identifier: GPL-2.0

//! The commands of TPM 2.0 (TPM 2.0 Library part 3).

use super::super::bytes::Reader;
use super::super::digest::{Banks, Digest, Digests, HashAlg, Pcr, MAX_DIGEST};
use super::super::error::{TpmError, TpmRc};
use super::properties::Properties;
use super::wire::{end, select, Command, Tag, MAX_COMMAND, MAX_RESPONSE};
use super::{StartupType, TpmFamily, Transport};

pub(super) const CC_PCR_RESET: u32 = 0x13d;
pub(super) const CC_SELF_TEST: u32 = 0x143;
pub(super) const CC_STARTUP: u32 = 0x144;
pub(super) const CC_GET_CAPABILITY: u32 = 0x17a;
pub(super) const CC_GET_TEST_RESULT: u32 = 0x17c;
pub(super) const CC_PCR_READ: u32 = 0x17e;
pub(super) const CC_PCR_EXTEND: u32 = 0x182;

const CAP_PCRS: u32 = 5;
const CAP_TPM_PROPERTIES: u32 = 6;

const PT_FAMILY_INDICATOR: u32 = 0x100;
const PT_LEVEL: u32 = 0x101;
const PT_REVISION: u32 = 0x102;
const PT_MANUFACTURER: u32 = 0x105;
const PT_FIRMWARE_VERSION_1: u32 = 0x10b;
const PT_FIRMWARE_VERSION_2: u32 = 0x10c;
/// From the first to the last of these.
const PROPERTIES: u32 = 13;

/// The authorisation by the empty password: size, TPM_RS_PW, no nonce, no attributes, no password.
const PASSWORD: [u8; 13] = [0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0];

/// Bytes of a PCR selection that covers PCR 0 to 23.
const SELECT_SIZE: u8 = 3;
/// Largest sizeofSelect that a TPM may report; PTP has 3, the library's own limit is 4.
const MAX_SELECT: u8 = 4;
/// Most entries of TPML_PCR_SELECTION (HASH_COUNT).
const MAX_SELECTIONS: u32 = 16;

/// How long to wait before the result of a self test is asked for again, in microseconds, and how
/// often: for a minute.
const TEST_PAUSE: u64 = 50_000;
const TEST_ROUNDS: u32 = 1200;

/// Adds the handle of a PCR, authorised by the empty password.
fn authorised_pcr(command: &mut Command<'_>, pcr: Pcr) {
    command.builder.be32(pcr.index()).bytes(&PASSWORD);
}

/// The lowest PCR that a bit map selects.
fn selected(map: &[u8]) -> Option<Pcr> {
    let mut bits = [0; 4];
    for (to, from) in bits.iter_mut().zip(map) {
        *to = *from;
    }
    Pcr::new(u32::from_le_bytes(bits).trailing_zeros())
}

/// TPM2_GetCapability: `count` properties from `first` on.
fn capability<'r, T: Transport>(
    tpm: &mut T,
    response: &'r mut [u8; MAX_RESPONSE],
    capability: u32,
    first: u32,
    count: u32,
) -> Result<Reader<'r>, TpmError> {
    let mut buf = [0; MAX_COMMAND];
    let mut command = Command::new(&mut buf, CC_GET_CAPABILITY, Tag::NoSessions);
    command.builder.be32(capability).be32(first).be32(count);
    command.run(tpm, response)
}

/// Finds out the family of a TPM: see [`super::identify`].
pub(super) fn identify<T: Transport>(tpm: &mut T) -> Result<TpmFamily, TpmError> {
    let mut response = [0; MAX_RESPONSE];
    match capability(
        tpm,
        &mut response,
        CAP_TPM_PROPERTIES,
        PT_FAMILY_INDICATOR,
        1,
    ) {
        // A TPM 2.0 that was not started, or is out of order, answers like one still.
        Ok(_) | Err(TpmError::Rc(_)) => Ok(TpmFamily::Tpm20),
        Err(TpmError::NotTpm2) => Ok(TpmFamily::Tpm12),
        Err(error) => Err(error),
    }
}

pub(super) fn startup<T: Transport>(tpm: &mut T, kind: StartupType) -> Result<(), TpmError> {
    let mut buf = [0; MAX_COMMAND];
    let mut command = Command::new(&mut buf, CC_STARTUP, Tag::NoSessions);
    command.builder.be16(match kind {
        StartupType::Clear => 0,
        StartupType::State => 1,
    });
    command.run_plain(tpm)
}

pub(super) fn self_test<T: Transport>(tpm: &mut T) -> Result<(), TpmError> {
    let mut buf = [0; MAX_COMMAND];
    let mut command = Command::new(&mut buf, CC_SELF_TEST, Tag::NoSessions);
    // All tests, not just those that were not done yet.
    command.builder.u8(1);
    match command.run_plain(tpm) {
        Err(TpmError::Rc(TpmRc::TESTING)) => {}
        done => return done,
    }
    // The TPM went on with the tests behind the response.
    for _ in 0..TEST_ROUNDS {
        match test_result(tpm)? {
            TpmRc::TESTING => tpm.pause(TEST_PAUSE)?,
            result => return result.ok(),
        }
    }
    TpmRc::TESTING.ok()
}

/// How the last self test ended, or that it has not.
fn test_result<T: Transport>(tpm: &mut T) -> Result<TpmRc, TpmError> {
    let mut buf = [0; MAX_COMMAND];
    let mut response = [0; MAX_RESPONSE];
    let command = Command::new(&mut buf, CC_GET_TEST_RESULT, Tag::NoSessions);
    decode_test_result(command.run(tpm, &mut response)?)
}

pub(super) fn pcr_banks<T: Transport>(tpm: &mut T) -> Result<Banks, TpmError> {
    let mut response = [0; MAX_RESPONSE];
    // PCRs come in one piece whatever is asked for.
    let parameters = capability(tpm, &mut response, CAP_PCRS, 0, 1)?;
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
#[inline(never)] // Its buffers are not needed together with the caller's.
fn ask_size<T: Transport>(tpm: &mut T, pcr: Pcr, id: u16) -> Result<HashAlg, TpmError> {
    let mut response = [0; MAX_RESPONSE];
    let value = read(tpm, &mut response, pcr, id)?;
    value
        .and_then(|value| HashAlg::new(id, value.len()))
        .ok_or(TpmError::Banks)
}

pub(super) fn pcr_extend<T: Transport>(
    tpm: &mut T,
    pcr: Pcr,
    digests: &Digests,
) -> Result<(), TpmError> {
    let mut buf = [0; MAX_COMMAND];
    let mut command = Command::new(&mut buf, CC_PCR_EXTEND, Tag::Sessions);
    authorised_pcr(&mut command, pcr);
    match u32::try_from(digests.len()) {
        Ok(count) if count > 0 => command.builder.be32(count),
        _ => command.builder.invalidate(),
    };
    for digest in digests.iter() {
        command.builder.be16(digest.alg().id());
        command.builder.bytes(digest.as_bytes());
    }
    command.run_plain(tpm)
}

pub(super) fn pcr_read<T: Transport>(
    tpm: &mut T,
    pcr: Pcr,
    alg: HashAlg,
) -> Result<Digest, TpmError> {
    let mut response = [0; MAX_RESPONSE];
    match read(tpm, &mut response, pcr, alg.id())? {
        Some(value) => Digest::new(alg, value).ok_or(TpmError::ResponseMalformed),
        None => Err(TpmError::Banks),
    }
}

/// TPM2_PCR_Read of one PCR in one bank.
fn read<'r, T: Transport>(
    tpm: &mut T,
    response: &'r mut [u8; MAX_RESPONSE],
    pcr: Pcr,
    alg: u16,
) -> Result<Option<&'r [u8]>, TpmError> {
    let mut buf = [0; MAX_COMMAND];
    let mut command = Command::new(&mut buf, CC_PCR_READ, Tag::NoSessions);
    // TPML_PCR_SELECTION with one entry.
    command.builder.be32(1).be16(alg).u8(SELECT_SIZE);
    command.builder.bytes(&select(pcr));
    decode_pcr_read(command.run(tpm, response)?, pcr, alg)
}

pub(super) fn pcr_reset<T: Transport>(tpm: &mut T, pcr: Pcr) -> Result<(), TpmError> {
    let mut buf = [0; MAX_COMMAND];
    let mut command = Command::new(&mut buf, CC_PCR_RESET, Tag::Sessions);
    authorised_pcr(&mut command, pcr);
    command.run_plain(tpm)
}

pub(super) fn properties<T: Transport>(tpm: &mut T) -> Result<Properties, TpmError> {
    let mut response = [0; MAX_RESPONSE];
    let first = PT_FAMILY_INDICATOR;
    decode_properties(capability(
        tpm,
        &mut response,
        CAP_TPM_PROPERTIES,
        first,
        PROPERTIES,
    )?)
}

/// Decodes what a GetCapability response begins with: whether there is more, and the number of
/// entries.
fn decode_capability(
    parameters: &mut Reader<'_>,
    capability: u32,
) -> Result<(bool, u32), TpmError> {
    const CUT: TpmError = TpmError::ResponseTruncated;

    let more = parameters.u8().ok_or(CUT)?;
    if parameters.be32().ok_or(CUT)? != capability {
        return Err(TpmError::ResponseMalformed);
    }
    Ok((more != 0, parameters.be32().ok_or(CUT)?))
}

/// Decodes the parameters of the GetCapability response to the first 13 properties.
///
/// # Errors
///
/// [`TpmError::ResponseMalformed`] if there are more, one that was not asked for, one that is out
/// of order, or one is missing that every TPM has; [`TpmError::ResponseTruncated`],
/// [`TpmError::ResponseOversized`].
pub fn decode_properties(mut parameters: Reader<'_>) -> Result<Properties, TpmError> {
    const CUT: TpmError = TpmError::ResponseTruncated;
    const BAD: TpmError = TpmError::ResponseMalformed;

    let (_, count) = decode_capability(&mut parameters, CAP_TPM_PROPERTIES)?;
    if count > PROPERTIES {
        return Err(BAD);
    }
    let mut properties = Properties::new(TpmFamily::Tpm20);
    let mut next = PT_FAMILY_INDICATOR;
    let mut needed = 0u8;
    for _ in 0..count {
        let property = parameters.be32().ok_or(CUT)?;
        let value = parameters.be32().ok_or(CUT)?;
        if property < next || property > PT_FIRMWARE_VERSION_2 {
            return Err(BAD);
        }
        next = property.saturating_add(1);
        match property {
            PT_FAMILY_INDICATOR => properties.spec_family = value.to_be_bytes(),
            PT_LEVEL => properties.spec_level = value,
            PT_REVISION => properties.spec_revision = value,
            PT_MANUFACTURER => properties.manufacturer = value.to_be_bytes(),
            PT_FIRMWARE_VERSION_1 => properties.firmware[0] = value,
            PT_FIRMWARE_VERSION_2 => properties.firmware[1] = value,
            _ => continue,
        }
        needed = needed.saturating_add(1);
    }
    end(&parameters)?;
    // All six that are kept.
    match needed {
        6 => Ok(properties),
        _ => Err(BAD),
    }
}

/// Decodes the parameters of the GetTestResult response: the result of the last self test.
///
/// # Errors
///
/// [`TpmError::ResponseTruncated`], [`TpmError::ResponseOversized`].
pub fn decode_test_result(mut parameters: Reader<'_>) -> Result<TpmRc, TpmError> {
    const CUT: TpmError = TpmError::ResponseTruncated;

    // What the manufacturer says about it is theirs.
    let size = usize::from(parameters.be16().ok_or(CUT)?);
    parameters.bytes(size).ok_or(CUT)?;
    let result = TpmRc::new(parameters.be32().ok_or(CUT)?);
    end(&parameters).map(|()| result)
}

/// Decodes the parameters of the GetCapability response and calls `bank` with the TPM_ALG_ID of
/// every bank that has a PCR allocated, and one of those PCRs.
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

    let (more, count) = decode_capability(&mut parameters, CAP_PCRS)?;
    if more || count > MAX_SELECTIONS {
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
    end(&parameters)
}

/// Decodes the parameters of the PCR_Read response for one PCR in the bank with the TPM_ALG_ID
/// `alg`, and returns its value; `None` if the PCR is not allocated in that bank.
///
/// # Errors
///
/// [`TpmError::ResponseTruncated`], [`TpmError::ResponseOversized`],
/// [`TpmError::ResponseMalformed`].
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
    end(&parameters).map(|()| value)
}
