// SPDX-License-Identifier: GPL-2.0

//! A TPM behind a file or a socket that takes one command for each write and gives one response for
//! each read: the kernel's device files, and swtpm.

extern crate std;

use std::format;
use std::io::{Error, Read, Result, Write};
use std::thread;

use super::{Duration, TpmError, TpmFamily, Transport};

/// The channel as the core's transport. Who is behind it sees to localities, to timeouts and to a
/// TPM that is busy.
pub struct Device<C> {
    channel: C,
    /// The family of the TPM.
    pub family: TpmFamily,
    /// What the last exchange failed with: the core has no words for it.
    failure: Option<Error>,
}

impl<C: Read + Write> Device<C> {
    /// A TPM of this family behind `channel`.
    pub fn new(channel: C, family: TpmFamily) -> Self {
        Self {
            channel,
            family,
            failure: None,
        }
    }

    fn exchange(&mut self, command: &[u8], response: &mut [u8]) -> Result<usize> {
        self.channel.write_all(command)?;
        self.channel.read(response)
    }

    /// An error of the core, or what the channel has said before it.
    pub fn explain(&mut self, error: TpmError) -> Error {
        self.failure
            .take()
            .unwrap_or_else(|| Error::other(format!("{error:x?}")))
    }
}

impl<C: Read + Write> Transport for Device<C> {
    fn family(&self) -> TpmFamily {
        self.family
    }

    fn transmit(
        &mut self,
        command: &[u8],
        response: &mut [u8],
        _duration: Duration,
    ) -> core::result::Result<usize, TpmError> {
        self.exchange(command, response).map_err(|failure| {
            self.failure = Some(failure);
            TpmError::Vanished
        })
    }

    fn pause(&mut self, us: u64) -> core::result::Result<(), TpmError> {
        thread::sleep(std::time::Duration::from_micros(us));
        Ok(())
    }
}
