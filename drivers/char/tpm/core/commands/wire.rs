// SPDX-License-Identifier: GPL-2.0

//! Building commands, sending them, and the header of the response: the same for both families.

use super::super::bytes::{Builder, Reader};
use super::super::digest::Pcr;
use super::super::error::{TpmError, TpmRc};
use super::{tpm12, tpm20, Duration, Transport};

/// Size in bytes of the largest command made here: PCR_Extend with all banks.
pub const MAX_COMMAND: usize = 640;

/// Size in bytes of the largest response accepted here.
pub const MAX_RESPONSE: usize = 512;

/// Size in bytes of tag, size and command or response code.
pub const HEADER: usize = 10;

/// How long to wait before a command is sent again that the TPM did not start, at first and at
/// most, in microseconds. The wait is doubled every time; together they are 2.5 s, longer than a
/// self test.
const RETRY_FIRST: u64 = 20_000;
const RETRY_LAST: u64 = 1_280_000;

/// What a command and its response begin with. Errors of a TPM 2.0 are [`Tag::NoSessions`] always.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tag {
    /// TPM 1.2, without authorisation: TPM_TAG_RQU_COMMAND and TPM_TAG_RSP_COMMAND.
    Tpm12,
    /// TPM 2.0, TPM_ST_NO_SESSIONS.
    NoSessions,
    /// TPM 2.0, TPM_ST_SESSIONS, with one session.
    Sessions,
}

impl Tag {
    const fn command(self) -> u16 {
        match self {
            Self::Tpm12 => 0x00c1,
            Self::NoSessions => 0x8001,
            Self::Sessions => 0x8002,
        }
    }

    const fn response(self) -> u16 {
        match self {
            Self::Tpm12 => 0x00c4,
            _ => self.command(),
        }
    }

    const fn error(self) -> Self {
        match self {
            Self::Tpm12 => Self::Tpm12,
            _ => Self::NoSessions,
        }
    }
}

/// A command being built: header first, the size comes with [`Command::run`].
pub(super) struct Command<'a> {
    pub(super) builder: Builder<'a>,
    code: u32,
    tag: Tag,
}

impl<'a> Command<'a> {
    /// The command with this TPM_CC, or ordinal.
    pub(super) fn new(buf: &'a mut [u8; MAX_COMMAND], code: u32, tag: Tag) -> Self {
        let mut builder = Builder::new(buf);
        builder.be16(tag.command()).be32(0).be32(code);
        Self { builder, code, tag }
    }

    /// Sends the command, as often as the TPM asks for that, and returns the parameters of the
    /// response.
    pub(super) fn run<'r, T: Transport>(
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
            let (rc, _) = decode_response(bytes, self.tag)?;
            // The self test is the one command that was executed when the TPM says that it tests
            // itself.
            let testing = rc == TpmRc::TESTING && self.code == tpm20::CC_SELF_TEST;
            if !rc.is_retry() || testing || delay > RETRY_LAST {
                break len;
            }
            if rc == TpmRc::NEEDS_SELFTEST {
                // Whether that worked shows when the command is sent again.
                let test = &tpm12::CONTINUE_SELF_TEST;
                tpm.transmit(test, response, Duration::LONG)?;
            }
            tpm.pause(delay)?;
            delay = delay.saturating_mul(2);
        };
        let bytes = response.get(..len).ok_or(TpmError::ResponseOversized)?;
        let (rc, parameters) = decode_response(bytes, self.tag)?;
        if rc == TpmRc::CANCELED {
            // Nobody but the transport cancels, and only for this reason.
            return Err(TpmError::CommandTimeout);
        }
        rc.ok()?;
        Ok(parameters)
    }

    /// The same for a command whose response has no parameters.
    pub(super) fn run_plain<T: Transport>(self, tpm: &mut T) -> Result<(), TpmError> {
        let mut response = [0; MAX_RESPONSE];
        end(&self.run(tpm, &mut response)?)
    }
}

/// The size that a response's header gives, and how much of it comes behind the header.
///
/// # Errors
///
/// [`TpmError::ResponseMalformed`] if that is not even a header.
pub fn response_size(header: &[u8; HEADER]) -> Result<(usize, usize), TpmError> {
    let mut fields = Reader::new(header);
    let size = fields.be16().and_then(|_tag| fields.be32());
    size.and_then(|size| usize::try_from(size).ok())
        .and_then(|size| Some((size, size.checked_sub(HEADER)?)))
        .ok_or(TpmError::ResponseMalformed)
}

/// The bit map that selects one PCR.
pub(super) fn select(pcr: Pcr) -> [u8; 3] {
    let bits = 1u32.wrapping_shl(pcr.index());
    let [a, b, c, _] = bits.to_le_bytes();
    [a, b, c]
}

/// Checks that there is nothing left.
pub(super) const fn end(parameters: &Reader<'_>) -> Result<(), TpmError> {
    match parameters.left() {
        0 => Ok(()),
        _ => Err(TpmError::ResponseOversized),
    }
}

/// Checks a response's tag and size against the tag of the command and returns the response code
/// and the parameters.
///
/// # Errors
///
/// [`TpmError::NotTpm2`] if the TPM refuses a command of TPM 2.0 as a TPM 1.2 does;
/// [`TpmError::ResponseTag`], [`TpmError::ResponseTruncated`], [`TpmError::ResponseOversized`],
/// [`TpmError::ResponseMalformed`].
pub fn decode_response(response: &[u8], tag: Tag) -> Result<(TpmRc, Reader<'_>), TpmError> {
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
    let success = rc == TpmRc::SUCCESS;
    let expected = if success { tag } else { tag.error() };
    if found != expected.response() {
        // A success would contradict itself: a TPM 1.2 does not know the command.
        let refused = found == Tag::Tpm12.response() && !success && reader.left() == 0;
        return Err(match refused {
            true => TpmError::NotTpm2,
            false => TpmError::ResponseTag,
        });
    }
    if !success {
        // An error is a header and nothing else, without sessions.
        return end(&reader).map(|()| (rc, reader));
    }
    if tag != Tag::Sessions {
        return Ok((rc, reader));
    }
    let len = usize::try_from(reader.be32().ok_or(CUT)?).map_err(|_| CUT)?;
    let parameters = Reader::new(reader.bytes(len).ok_or(CUT)?);
    // The one session: nonce, attributes, acknowledgment. A password has neither of the two
    // strings, and what the TPM says about it proves nothing; only the format is checked.
    let nonce = usize::from(reader.be16().ok_or(CUT)?);
    reader.bytes(nonce).ok_or(CUT)?;
    reader.u8().ok_or(CUT)?;
    let acknowledgment = usize::from(reader.be16().ok_or(CUT)?);
    reader.bytes(acknowledgment).ok_or(CUT)?;
    end(&reader).map(|()| (rc, parameters))
}
