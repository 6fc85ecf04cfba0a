// SPDX-License-Identifier: GPL-2.0

//! The commands of TPM 1.2 (TPM Main part 3), all of them without authorisation.

use super::super::bytes::Reader;
use super::super::digest::{Banks, Digest, Digests, HashAlg, Pcr};
use super::super::error::TpmError;
use super::super::Timeouts;
use super::properties::Properties;
use super::wire::{end, select, Command, Tag, MAX_COMMAND, MAX_RESPONSE};
use super::{Duration, StartupType, TpmFamily, Transport};

pub(super) const ORD_EXTEND: u32 = 0x14;
pub(super) const ORD_PCR_READ: u32 = 0x15;
pub(super) const ORD_SELF_TEST_FULL: u32 = 0x50;
pub(super) const ORD_CONTINUE_SELF_TEST: u32 = 0x53;
pub(super) const ORD_GET_CAPABILITY: u32 = 0x65;
pub(super) const ORD_STARTUP: u32 = 0x99;
pub(super) const ORD_PCR_RESET: u32 = 0xc8;

const CAP_PROPERTY: u32 = 0x05;
const CAP_VERSION_VAL: u32 = 0x1a;
const CAP_PROP_TIS_TIMEOUT: u32 = 0x115;
const CAP_PROP_DURATION: u32 = 0x120;

/// TPM_TAG_CAP_VERSION_INFO.
const TAG_VERSION_INFO: u16 = 0x0030;

/// Bytes of the bit map in a TPM_PCR_SELECTION that covers PCR 0 to 23.
const SELECT_SIZE: u16 = 3;

/// TPM_ContinueSelfTest, all of it.
pub(super) const CONTINUE_SELF_TEST: [u8; 10] = [0x00, 0xc1, 0, 0, 0, 10, 0, 0, 0, 0x53];

/// Some TPMs tell times in milliseconds instead of microseconds. No TPM has a timeout A, or a short
/// duration, below these many microseconds.
const LEAST_TIMEOUT: u32 = 1000;
const LEAST_DURATION: u32 = 10_000;

/// How long the three classes of commands may take on one TPM (Main part 2, section 17).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Durations {
    /// Most commands, all that a launch sends among them.
    pub short: Duration,
    /// Commands with a key.
    pub medium: Duration,
    /// Commands that make a key, and self tests.
    pub long: Duration,
}

/// The one bank of a TPM 1.2.
pub(super) fn pcr_banks() -> Result<Banks, TpmError> {
    let mut banks = Banks::new();
    banks.push(HashAlg::SHA1)?;
    Ok(banks)
}

pub(super) fn pcr_extend<T: Transport>(
    tpm: &mut T,
    pcr: Pcr,
    digests: &Digests,
) -> Result<(), TpmError> {
    let [digest] = digests.as_slice() else {
        return Err(TpmError::CommandInvalid);
    };
    if digest.alg() != HashAlg::SHA1 {
        return Err(TpmError::CommandInvalid);
    }
    // The response has the new value of the PCR: nobody asked for it, but it must be there.
    pcr_value(tpm, ORD_EXTEND, pcr, digest.as_bytes()).map(|_| ())
}

pub(super) fn pcr_read<T: Transport>(
    tpm: &mut T,
    pcr: Pcr,
    alg: HashAlg,
) -> Result<Digest, TpmError> {
    if alg != HashAlg::SHA1 {
        return Err(TpmError::Banks);
    }
    pcr_value(tpm, ORD_PCR_READ, pcr, &[])
}

/// A command of a PCR number and more, that returns the value of the PCR.
fn pcr_value<T: Transport>(
    tpm: &mut T,
    ordinal: u32,
    pcr: Pcr,
    more: &[u8],
) -> Result<Digest, TpmError> {
    let mut buf = [0; MAX_COMMAND];
    let mut response = [0; MAX_RESPONSE];
    let mut command = Command::new(&mut buf, ordinal, Tag::Tpm12);
    command.builder.be32(pcr.index()).bytes(more);
    decode_digest(command.run(tpm, &mut response)?)
}

pub(super) fn pcr_reset<T: Transport>(tpm: &mut T, pcr: Pcr) -> Result<(), TpmError> {
    let mut buf = [0; MAX_COMMAND];
    let mut command = Command::new(&mut buf, ORD_PCR_RESET, Tag::Tpm12);
    command.builder.be16(SELECT_SIZE).bytes(&select(pcr));
    command.run_plain(tpm)
}

pub(super) fn startup<T: Transport>(tpm: &mut T, kind: StartupType) -> Result<(), TpmError> {
    let mut buf = [0; MAX_COMMAND];
    let mut command = Command::new(&mut buf, ORD_STARTUP, Tag::Tpm12);
    command.builder.be16(match kind {
        StartupType::Clear => 1,
        StartupType::State => 2,
    });
    command.run_plain(tpm)
}

pub(super) fn self_test<T: Transport>(tpm: &mut T) -> Result<(), TpmError> {
    let mut buf = [0; MAX_COMMAND];
    Command::new(&mut buf, ORD_SELF_TEST_FULL, Tag::Tpm12).run_plain(tpm)
}

/// TPM_GetCapability: the bytes of the capability.
fn capability<'r, T: Transport>(
    tpm: &mut T,
    response: &'r mut [u8; MAX_RESPONSE],
    area: u32,
    property: Option<u32>,
) -> Result<Reader<'r>, TpmError> {
    let mut buf = [0; MAX_COMMAND];
    let mut command = Command::new(&mut buf, ORD_GET_CAPABILITY, Tag::Tpm12);
    command.builder.be32(area);
    match property {
        Some(property) => command.builder.be32(4).be32(property),
        None => command.builder.be32(0),
    };
    decode_capability(command.run(tpm, response)?)
}

pub(super) fn properties<T: Transport>(tpm: &mut T) -> Result<Properties, TpmError> {
    let mut response = [0; MAX_RESPONSE];
    decode_version(capability(tpm, &mut response, CAP_VERSION_VAL, None)?)
}

/// Asks a TPM 1.2 for the timeouts of its interface (TIS 1.3 section 9).
///
/// They are never shorter than the defaults: to wait too long for a TPM does no harm.
///
/// # Errors
///
/// Those of the transport and of the response. Not every TPM knows; the defaults serve those.
pub fn tpm12_timeouts<T: Transport>(tpm: &mut T) -> Result<Timeouts, TpmError> {
    let [a, b, c, d] = times(tpm, CAP_PROP_TIS_TIMEOUT, LEAST_TIMEOUT)?;
    let defaults = Timeouts::DEFAULT;
    Ok(Timeouts {
        a: a.max(defaults.a),
        b: b.max(defaults.b),
        c: c.max(defaults.c),
        d: d.max(defaults.d),
    })
}

/// Asks a TPM 1.2 how long its commands may take.
///
/// # Errors
///
/// As for [`tpm12_timeouts`].
pub fn tpm12_durations<T: Transport>(tpm: &mut T) -> Result<Durations, TpmError> {
    let [short, medium, long] = times(tpm, CAP_PROP_DURATION, LEAST_DURATION)?;
    Ok(Durations {
        short: Duration::from_us(short),
        medium: Duration::from_us(medium),
        long: Duration::from_us(long),
    })
}

/// `N` times in microseconds, the first of which is not less than `least` in truth.
fn times<T: Transport, const N: usize>(
    tpm: &mut T,
    property: u32,
    least: u32,
) -> Result<[u64; N], TpmError> {
    let mut response = [0; MAX_RESPONSE];
    let capability = capability(tpm, &mut response, CAP_PROPERTY, Some(property))?;
    decode_times(capability, least)
}

/// Decodes the parameters of the Extend and PCRRead responses: the value of the PCR.
///
/// # Errors
///
/// [`TpmError::ResponseTruncated`], [`TpmError::ResponseOversized`].
pub fn decode_digest(mut parameters: Reader<'_>) -> Result<Digest, TpmError> {
    let value = parameters.bytes(HashAlg::SHA1.size());
    let value = value.and_then(|value| Digest::new(HashAlg::SHA1, value));
    let value = value.ok_or(TpmError::ResponseTruncated)?;
    end(&parameters).map(|()| value)
}

/// Decodes the parameters of the GetCapability response: bytes whose meaning depends on the
/// question.
fn decode_capability(mut parameters: Reader<'_>) -> Result<Reader<'_>, TpmError> {
    const CUT: TpmError = TpmError::ResponseTruncated;

    let size = parameters.be32().ok_or(CUT)?;
    let size = usize::try_from(size).map_err(|_| CUT)?;
    let bytes = parameters.bytes(size).ok_or(CUT)?;
    end(&parameters).map(|()| Reader::new(bytes))
}

/// Decodes TPM_CAP_VERSION_INFO.
///
/// # Errors
///
/// [`TpmError::ResponseMalformed`] if it is another structure, or of a TPM that is not a TPM 1.2;
/// [`TpmError::ResponseTruncated`], [`TpmError::ResponseOversized`].
pub fn decode_version(mut info: Reader<'_>) -> Result<Properties, TpmError> {
    const CUT: TpmError = TpmError::ResponseTruncated;

    let tag = info.be16().ok_or(CUT)?;
    let version = info.array::<2>().ok_or(CUT)?;
    if tag != TAG_VERSION_INFO || version != [1, 2] {
        return Err(TpmError::ResponseMalformed);
    }
    let mut properties = Properties::new(TpmFamily::Tpm12);
    properties.spec_family = *b"1.2\0";
    properties.firmware[0] = u32::from(info.be16().ok_or(CUT)?);
    properties.spec_level = u32::from(info.be16().ok_or(CUT)?);
    properties.spec_revision = u32::from(info.u8().ok_or(CUT)?);
    properties.manufacturer = info.array().ok_or(CUT)?;
    let specific = usize::from(info.be16().ok_or(CUT)?);
    info.bytes(specific).ok_or(CUT)?;
    end(&info).map(|()| properties)
}

/// Decodes `N` times in microseconds. If the first is below `least`, they are in milliseconds.
///
/// # Errors
///
/// [`TpmError::ResponseMalformed`] if the first is zero; [`TpmError::ResponseTruncated`],
/// [`TpmError::ResponseOversized`].
pub fn decode_times<const N: usize>(
    mut capability: Reader<'_>,
    least: u32,
) -> Result<[u64; N], TpmError> {
    let mut times = [0; N];
    let mut unit = 1;
    for (n, to) in times.iter_mut().enumerate() {
        let time = capability.be32().ok_or(TpmError::ResponseTruncated)?;
        if n == 0 && time == 0 {
            return Err(TpmError::ResponseMalformed);
        }
        if n == 0 && time < least {
            unit = 1000;
        }
        // No overflow: 32 bits times 1000.
        *to = u64::from(time).saturating_mul(unit);
    }
    end(&capability).map(|()| times)
}
