// SPDX-License-Identifier: GPL-2.0
//! The data channel between QEMU and swtpm: whole TPM commands and responses pass through here,
//! are recorded, and may be altered by a hook.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::kind::TpmVersion;
use crate::wait::Deadline;

/// Bytes of a TPM command or response header: tag u16, size u32, code u32, all big endian.
const HEADER: usize = 10;
/// Larger messages than this are refused; swtpm's own buffer is 4 KiB.
const MESSAGE_MAX: usize = 64 * 1024;

/// One command on its way to the TPM.
#[derive(Debug, Clone)]
pub struct Command {
    /// Command code.
    pub code: u32,
    /// Locality QEMU announced for it.
    pub locality: u8,
    /// The whole command, header included.
    pub bytes: Vec<u8>,
}

/// What a hook does with a command.
#[derive(Debug, PartialEq, Eq)]
pub enum OnRequest {
    /// Pass it on.
    Forward,
    /// Do not ask the TPM; this is the response.
    Answer(Vec<u8>),
    /// Never answer: the TPM stays busy with it.
    Hang,
}

/// What a hook does with a response.
#[derive(Debug, PartialEq, Eq)]
pub enum OnResponse {
    /// Deliver these bytes now.
    Send(Vec<u8>),
    /// Deliver these bytes later.
    After(Duration, Vec<u8>),
    /// Never deliver anything.
    Hang,
}

/// A hand on the TPM's answers.
pub trait TpmHook: Send {
    /// Called for each command before the TPM sees it.
    fn request(&mut self, command: &Command) -> OnRequest {
        let _ = command;
        OnRequest::Forward
    }

    /// Called for each response of the TPM.
    fn response(&mut self, command: &Command, response: Vec<u8>) -> OnResponse {
        let _ = command;
        OnResponse::Send(response)
    }
}

/// One command that passed, for reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CommandRecord {
    /// Milliseconds since the proxy was started.
    pub at_ms: u64,
    /// Locality.
    pub locality: u8,
    /// Command code.
    pub code: u32,
    /// Bytes of the command.
    pub size: usize,
    /// Response code the guest saw; absent when there was no answer.
    pub rc: Option<u32>,
    /// The model made or changed the answer.
    pub altered: bool,
}

/// State that all threads of a proxy share.
pub struct Shared {
    pub(super) hook: Mutex<Option<Box<dyn TpmHook>>>,
    pub(super) records: Mutex<Vec<CommandRecord>>,
    pub(super) locality: AtomicU8,
    pub(super) swtpm_gone: AtomicBool,
    pub(super) cancelled: AtomicBool,
    pub(super) version: TpmVersion,
    pub(super) started: Instant,
}

impl Shared {
    /// State of a TPM that has not seen a command.
    pub(super) fn new(version: TpmVersion) -> Self {
        Shared {
            hook: Mutex::new(None),
            records: Mutex::new(Vec::new()),
            locality: Default::default(),
            swtpm_gone: Default::default(),
            cancelled: Default::default(),
            version,
            started: Instant::now(),
        }
    }

    /// Waits for `delay`, or until the command is cancelled; whether it was.
    fn cancelled_within(&self, delay: Duration) -> bool {
        let deadline = Deadline::after(delay);
        while !self.cancelled.load(Ordering::Relaxed) {
            if deadline.over() {
                return false;
            }
            std::thread::sleep(deadline.left().min(Duration::from_millis(1)));
        }
        true
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// A lock that stays usable after a panic elsewhere; the data are plain values.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes(field.try_into().ok()?))
}

/// Response code of a response; `None` if it is shorter than a header.
fn response_code(bytes: &[u8]) -> Option<u32> {
    word(bytes, 6)
}

/// Reads one message whose header gives its size.
fn read_message(stream: &mut UnixStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0_u8; HEADER];
    stream.read_exact(&mut bytes)?;
    let size = word(&bytes, 2).map_or(0, |size| size as usize);
    if !(HEADER..=MESSAGE_MAX).contains(&size) {
        return Err(std::io::Error::other("message with an impossible size"));
    }
    bytes.resize(size, 0);
    stream.read_exact(&mut bytes[HEADER..])?;
    Ok(bytes)
}

/// What came of a command.
pub(super) enum Answer {
    /// This response, for the guest.
    Bytes(Vec<u8>),
    /// None, ever.
    Never,
    /// The TPM is gone.
    Gone,
}

/// Has one command executed, with the hook's hand in it, and records it.
pub(super) fn execute(bytes: Vec<u8>, swtpm: &mut UnixStream, shared: &Shared) -> Answer {
    let command = Command {
        code: word(&bytes, 6).unwrap_or_default(),
        locality: shared.locality.load(Ordering::Relaxed),
        bytes,
    };
    let mut record = CommandRecord {
        at_ms: u64::try_from(shared.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        locality: command.locality,
        code: command.code,
        size: command.bytes.len(),
        rc: None,
        altered: false,
    };
    let decision = match lock(&shared.hook).as_mut() {
        Some(hook) => hook.request(&command),
        None => OnRequest::Forward,
    };
    let answer = match decision {
        OnRequest::Forward => {
            let sent = swtpm.write_all(&command.bytes);
            let Ok(response) = sent.and_then(|()| read_message(swtpm)) else {
                shared.swtpm_gone.store(true, Ordering::Relaxed);
                return Answer::Gone;
            };
            let genuine = response.clone();
            let after = match lock(&shared.hook).as_mut() {
                Some(hook) => hook.response(&command, response),
                None => OnResponse::Send(response),
            };
            match after {
                OnResponse::Send(bytes) => {
                    record.altered = bytes != genuine;
                    Some(bytes)
                }
                OnResponse::After(delay, bytes) => {
                    record.altered = true;
                    Some(match shared.cancelled_within(delay) {
                        true => shared.version.response(shared.version.cancelled()),
                        false => bytes,
                    })
                }
                OnResponse::Hang => None,
            }
        }
        OnRequest::Answer(bytes) => {
            record.altered = true;
            Some(bytes)
        }
        OnRequest::Hang => None,
    };
    // At the end: the request to cancel a command comes another way and may be here before the command.
    shared.cancelled.store(false, Ordering::Relaxed);
    record.altered |= answer.is_none();
    record.rc = answer.as_deref().and_then(response_code);
    lock(&shared.records).push(record);
    answer.map_or(Answer::Never, Answer::Bytes)
}

/// Serves one data channel of QEMU's until either side closes it.
pub(super) fn serve(mut qemu: UnixStream, mut swtpm: UnixStream, shared: Arc<Shared>) {
    while let Ok(bytes) = read_message(&mut qemu) {
        match execute(bytes, &mut swtpm, &shared) {
            Answer::Bytes(bytes) if qemu.write_all(&bytes).is_ok() => {}
            Answer::Never => {}
            Answer::Bytes(_) | Answer::Gone => return,
        }
    }
}
