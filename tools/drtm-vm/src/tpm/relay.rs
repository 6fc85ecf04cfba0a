// SPDX-License-Identifier: GPL-2.0
//! The control channel between QEMU and swtpm: passed through byte for byte with its descriptors,
//! except that the data channel is led through the model, and that the model adds commands of its
//! own.

use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use nix::cmsg_space;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::socket::{recvmsg, sendmsg, ControlMessage, ControlMessageOwned, MsgFlags, UnixAddr};

use super::control::{request, transact, Control, ANSWER, CMD_CANCEL_TPM_CMD, CMD_SET_LOCALITY};
use super::data::{serve, Shared};
use crate::error::{Blame, Error, Result, Side};

struct Injection {
    request: Vec<u8>,
    answer: Sender<std::io::Result<u32>>,
}

/// The model between QEMU and one swtpm.
#[derive(Debug)]
pub struct Relay {
    path: PathBuf,
    inject: Sender<Injection>,
    wake: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Listens in `dir` for QEMU; `swtpm` is the control channel.
    pub fn start(dir: &Path, swtpm: UnixStream, shared: &Arc<Shared>) -> Result<Self> {
        let path = dir.join("qemu.ctrl");
        let listener = UnixListener::bind(&path).blame(Side::Host, path.display())?;
        let (wake, woken) = UnixStream::pair().blame(Side::Host, "socketpair")?;
        let (inject, injections) = channel();
        let running = Running {
            listener,
            swtpm,
            woken,
            injections,
            shared: Arc::clone(shared),
        };
        let thread = std::thread::spawn(move || running.run());
        Ok(Relay {
            path,
            inject,
            wake,
            thread: Some(thread),
        })
    }

    /// The socket QEMU's tpm-emulator backend connects to.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Control for Relay {
    fn command(&self, command: u32, body: &[u8]) -> Result<u32> {
        let lost = || Error::new(Side::Swtpm, "the control channel is closed");
        let request = request(command, body);
        let (answer, result) = channel();
        self.inject
            .send(Injection { request, answer })
            .map_err(|_| lost())?;
        (&self.wake).write_all(&[1]).map_err(|_| lost())?;
        result
            .recv_timeout(ANSWER + Duration::from_secs(1))
            .map_err(|_| lost())?
            .blame(Side::Swtpm, format_args!("control command {command}"))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // End of file on the wake socket ends the thread.
        let _ = self.wake.shutdown(std::net::Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread's side.
struct Running {
    listener: UnixListener,
    swtpm: UnixStream,
    woken: UnixStream,
    injections: Receiver<Injection>,
    shared: Arc<Shared>,
}

fn readable(fds: &[&dyn AsFd]) -> std::io::Result<Vec<bool>> {
    let mut polled: Vec<PollFd<'_>> = fds
        .iter()
        .map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN))
        .collect();
    loop {
        match poll(&mut polled, PollTimeout::NONE) {
            Ok(_) => break,
            Err(nix::errno::Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(polled
        .iter()
        .map(|fd| fd.revents().is_some_and(|events| !events.is_empty()))
        .collect())
}

impl Running {
    fn run(mut self) {
        let Ok(ready) = readable(&[&self.listener, &self.woken]) else {
            return;
        };
        if !ready[0] {
            return;
        }
        let Ok((mut qemu, _)) = self.listener.accept() else {
            return;
        };
        while let Ok(ready) = readable(&[&qemu, &self.swtpm, &self.woken]) {
            let mut alive = true;
            if ready[1] {
                alive = self.relay_response(&mut qemu).unwrap_or(false);
                if !alive {
                    self.shared.swtpm_gone.store(true, Ordering::Relaxed);
                }
            }
            if alive && ready[2] {
                alive = self.injected().unwrap_or(false);
            }
            if alive && ready[0] {
                alive = self.relay_request(&qemu).unwrap_or(false);
            }
            if !alive {
                return;
            }
        }
    }

    /// Passes a piece of a response on; false at end of file.
    fn relay_response(&mut self, qemu: &mut UnixStream) -> std::io::Result<bool> {
        let mut bytes = [0_u8; 16 * 1024];
        let count = self.swtpm.read(&mut bytes)?;
        qemu.write_all(&bytes[..count])?;
        Ok(count != 0)
    }

    /// Sends the model's own command. QEMU's control commands are synchronous and the machine is
    /// stopped when the model injects one, so no other answer can be on its way.
    fn injected(&mut self) -> std::io::Result<bool> {
        let mut token = [0_u8];
        if self.woken.read(&mut token)? == 0 {
            return Ok(false);
        }
        let Ok(injection) = self.injections.try_recv() else {
            return Ok(true);
        };
        let _ = injection
            .answer
            .send(transact(&self.swtpm, &injection.request));
        Ok(true)
    }

    /// Passes a piece of a request on; a data descriptor is replaced by one of the model's.
    fn relay_request(&mut self, qemu: &UnixStream) -> std::io::Result<bool> {
        let mut bytes = [0_u8; 16 * 1024];
        let mut space = cmsg_space!([RawFd; 4]);
        let (count, received) = {
            let mut iov = [IoSliceMut::new(&mut bytes)];
            let message = recvmsg::<UnixAddr>(
                qemu.as_raw_fd(),
                &mut iov,
                Some(&mut space),
                MsgFlags::MSG_CMSG_CLOEXEC,
            )?;
            let mut received = Vec::new();
            for control in message.cmsgs()? {
                if let ControlMessageOwned::ScmRights(fds) = control {
                    for fd in fds {
                        // SAFETY: the kernel has just installed this descriptor for us; nobody
                        // else knows or owns it.
                        received.push(unsafe { OwnedFd::from_raw_fd(fd) });
                    }
                }
            }
            (message.bytes, received)
        };
        let bytes = &bytes[..count];
        if let Some((command, body)) = bytes.split_first_chunk() {
            match (u32::from_be_bytes(*command), body) {
                // QEMU pads the locality to the size of the answer.
                (CMD_SET_LOCALITY, [locality, ..]) => {
                    self.shared.locality.store(*locality, Ordering::Relaxed);
                }
                (CMD_CANCEL_TPM_CMD, _) => self.shared.cancelled.store(true, Ordering::Relaxed),
                _ => {}
            }
        }
        let mut ours = Vec::new();
        for fd in received {
            let (to_swtpm, mine) = UnixStream::pair()?;
            let shared = Arc::clone(&self.shared);
            let qemu_end = UnixStream::from(fd);
            std::thread::spawn(move || serve(qemu_end, mine, shared));
            ours.push(to_swtpm);
        }
        if ours.is_empty() {
            self.swtpm.write_all(bytes)?;
        } else {
            let raw: Vec<RawFd> = ours.iter().map(AsRawFd::as_raw_fd).collect();
            let rights = [ControlMessage::ScmRights(&raw)];
            sendmsg::<UnixAddr>(
                self.swtpm.as_raw_fd(),
                &[IoSlice::new(bytes)],
                &rights,
                MsgFlags::empty(),
                None,
            )?;
        }
        Ok(count != 0)
    }
}
