// SPDX-License-Identifier: GPL-2.0
//! A swtpm that only the model speaks to, for the model's own CRB.

use std::io::IoSlice;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::{Arc, Mutex};

use nix::sys::socket::{sendmsg, ControlMessage, MsgFlags, UnixAddr};

use super::control::{
    request, result, transact, Control, CMD_CANCEL_TPM_CMD, CMD_INIT, CMD_RESET_TPMESTABLISHED,
    CMD_SET_DATAFD, CMD_SET_LOCALITY,
};
use super::crb::Backend;
use super::data::{execute, lock, Answer, Shared};
use crate::error::{Blame, Error, Result, Side};

/// The control channel.
#[derive(Debug)]
pub(super) struct Direct(Mutex<UnixStream>);

impl Direct {
    /// Powers the TPM on. Volatile state in its directory, if there is any, is taken up.
    pub(super) fn power_on(swtpm: UnixStream) -> Result<Self> {
        let direct = Direct(Mutex::new(swtpm));
        direct.must(CMD_INIT, &0_u32.to_be_bytes())?;
        Ok(direct)
    }

    /// Opens the data channel.
    fn data(&self) -> Result<UnixStream> {
        let send = || {
            let (theirs, ours) = UnixStream::pair()?;
            let swtpm = lock(&self.0);
            sendmsg::<UnixAddr>(
                swtpm.as_raw_fd(),
                &[IoSlice::new(&request(CMD_SET_DATAFD, &[]))],
                &[ControlMessage::ScmRights(&[theirs.as_raw_fd() as RawFd])],
                MsgFlags::empty(),
                None,
            )?;
            Ok::<_, std::io::Error>((result(&swtpm)?, ours))
        };
        match send().blame(Side::Swtpm, "data channel")? {
            (0, ours) => Ok(ours),
            (code, _) => Err(Error::new(
                Side::Swtpm,
                format!("the data channel is refused with {code:#x}"),
            )),
        }
    }
}

impl Control for Direct {
    fn command(&self, command: u32, body: &[u8]) -> Result<u32> {
        transact(&lock(&self.0), &request(command, body))
            .blame(Side::Swtpm, format_args!("control command {command}"))
    }
}

/// Executes the commands of a CRB on a thread of its own, so that the device stays responsive.
#[derive(Debug)]
pub(super) struct Executor {
    control: Arc<Direct>,
    shared: Arc<Shared>,
    commands: Sender<Vec<u8>>,
    responses: Receiver<Vec<u8>>,
}

impl Executor {
    /// Starts the thread; it ends with the executor.
    pub(super) fn start(control: Arc<Direct>, shared: Arc<Shared>) -> Result<Self> {
        let mut swtpm = control.data()?;
        let (commands, work) = channel();
        let (done, responses) = channel();
        let state = Arc::clone(&shared);
        std::thread::spawn(move || {
            for command in work {
                let sent = match execute(command, &mut swtpm, &state) {
                    Answer::Bytes(response) => done.send(response).is_ok(),
                    Answer::Never => true,
                    Answer::Gone => false,
                };
                if !sent {
                    return;
                }
            }
        });
        Ok(Executor {
            control,
            shared,
            commands,
            responses,
        })
    }
}

/// Errors mean that swtpm is gone: then the TPM falls silent, and whoever watches over the process
/// says why.
impl Backend for Executor {
    fn submit(&mut self, locality: u8, command: Vec<u8>) {
        let last = self.shared.locality.load(Ordering::Relaxed);
        if last != locality && self.control.must(CMD_SET_LOCALITY, &[locality]).is_err() {
            return;
        }
        self.shared.locality.store(locality, Ordering::Relaxed);
        let _ = self.commands.send(command);
    }

    fn poll(&mut self) -> Option<Vec<u8>> {
        self.responses.try_recv().ok()
    }

    fn cancel(&mut self) {
        self.shared.cancelled.store(true, Ordering::Relaxed);
        let _ = self.control.command(CMD_CANCEL_TPM_CMD, &[]);
    }

    fn reset_establishment(&mut self, locality: u8) -> bool {
        let body = [locality, 0, 0, 0];
        self.control.must(CMD_RESET_TPMESTABLISHED, &body).is_ok()
    }
}
