// SPDX-License-Identifier: GPL-2.0
//! Bounded waiting, and giving up early when the user asks for it.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::error::{Blame, Error, Result, Side};

static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Makes SIGINT, SIGTERM and SIGHUP end every wait of the model with an error, so that processes
/// are reaped and directories removed. For programs; a library user decides for itself.
pub fn end_on_signals() -> Result<()> {
    let flag = INTERRUPTED.get_or_init(Default::default);
    for signal in [nix::libc::SIGINT, nix::libc::SIGTERM, nix::libc::SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(flag))
            .blame(Side::Host, "cannot handle signals")?;
    }
    Ok(())
}

/// An error if the user has asked to stop.
pub fn check_interrupt() -> Result<()> {
    match INTERRUPTED.get() {
        Some(flag) if flag.load(Ordering::Relaxed) => {
            Err(Error::new(Side::Host, "interrupted by a signal"))
        }
        _ => Ok(()),
    }
}

/// A point in time after which waiting is over.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    end: Instant,
}

impl Deadline {
    /// `limit` from now.
    pub fn after(limit: Duration) -> Self {
        Deadline {
            end: Instant::now() + limit,
        }
    }

    /// Whether the time is over.
    pub fn over(&self) -> bool {
        Instant::now() >= self.end
    }

    /// Time left, never zero so that it can be used as a socket timeout.
    pub fn left(&self) -> Duration {
        self.end
            .saturating_duration_since(Instant::now())
            .max(Duration::from_millis(1))
    }
}

/// Connects to a socket that another process is about to create.
pub fn connect(path: &Path, side: Side, deadline: Deadline) -> Result<UnixStream> {
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => return Ok(stream),
            Err(_) if !deadline.over() => std::thread::sleep(Duration::from_millis(5)),
            Err(e) => {
                return Err(Error::new(
                    side,
                    format!("no socket at {}: {e}", path.display()),
                ))
            }
        }
        check_interrupt()?;
    }
}
