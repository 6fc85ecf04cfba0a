// SPDX-License-Identifier: GPL-2.0
//! The control channel of swtpm (swtpm_ioctls(3)): numbers are big endian, every answer begins
//! with a result.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::error::{Blame, Error, Result, Side};

pub(super) const CMD_INIT: u32 = 2;
pub(super) const CMD_SET_LOCALITY: u32 = 5;
const CMD_HASH_START: u32 = 6;
const CMD_HASH_DATA: u32 = 7;
const CMD_HASH_END: u32 = 8;
pub(super) const CMD_CANCEL_TPM_CMD: u32 = 9;
pub(super) const CMD_STORE_VOLATILE: u32 = 10;
pub(super) const CMD_RESET_TPMESTABLISHED: u32 = 11;
pub(super) const CMD_SET_DATAFD: u32 = 16;

/// Data bytes that one CMD_HASH_DATA carries at most.
const HASH_CHUNK: usize = 4096;
/// Time allowed for the TPM to answer one control command.
pub(super) const ANSWER: Duration = Duration::from_secs(20);

/// A way to send swtpm control commands whose answer is a result only.
pub(super) trait Control: std::fmt::Debug + Send + Sync {
    /// Sends one and returns its result.
    fn command(&self, command: u32, body: &[u8]) -> Result<u32>;

    /// Sends one that must succeed.
    fn must(&self, command: u32, body: &[u8]) -> Result<()> {
        match self.command(command, body)? {
            0 => Ok(()),
            code => Err(Error::new(
                Side::Swtpm,
                format!("control command {command} failed with {code:#x}"),
            )),
        }
    }
}

/// The bytes of a control command.
pub(super) fn request(command: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = command.to_be_bytes().to_vec();
    bytes.extend_from_slice(body);
    bytes
}

/// Sends a control command and waits for its result.
pub(super) fn transact(mut swtpm: &UnixStream, request: &[u8]) -> std::io::Result<u32> {
    swtpm.write_all(request)?;
    result(swtpm)
}

/// Waits for the result of a control command.
pub(super) fn result(mut swtpm: &UnixStream) -> std::io::Result<u32> {
    swtpm.set_read_timeout(Some(ANSWER))?;
    let mut code = [0_u8; 4];
    let result = swtpm.read_exact(&mut code);
    swtpm.set_read_timeout(None)?;
    result.map(|()| u32::from_be_bytes(code))
}

/// The locality-4 hash sequence of a launch.
pub(super) fn hash_sequence(control: &dyn Control, data: &[u8]) -> Result<()> {
    control.must(CMD_HASH_START, &[])?;
    for chunk in data.chunks(HASH_CHUNK) {
        let length = u32::try_from(chunk.len()).blame(Side::Model, "hash chunk")?;
        let mut body = length.to_be_bytes().to_vec();
        body.extend_from_slice(chunk);
        control.must(CMD_HASH_DATA, &body)?;
    }
    control.must(CMD_HASH_END, &[])
}
