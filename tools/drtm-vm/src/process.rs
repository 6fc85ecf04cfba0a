// SPDX-License-Identifier: GPL-2.0
//! Child processes that cannot outlive the model.
//!
//! Every child is the leader of a process group of its own, is killed with that group when its
//! handle is dropped, and is killed by the kernel when the model dies without dropping it.

use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{channel, Sender};
use std::sync::{Mutex, OnceLock};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{killpg, Signal};
use nix::unistd::{getppid, Pid};

use crate::error::{Blame, Error, Result, Side};

type Request = (Command, Sender<std::io::Result<Child>>);

/// Spawns from one thread that lives as long as the process: the parent-death signal is sent when
/// the *thread* that spawned the child ends.
fn spawn_from_lasting_thread(command: Command) -> std::io::Result<Child> {
    static SPAWNER: OnceLock<Mutex<Sender<Request>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, requests) = channel::<Request>();
        std::thread::spawn(move || {
            for (mut command, answer) in requests {
                // The requester may have given up; then the child is dropped and must not stay.
                if let Err(unsent) = answer.send(command.spawn()) {
                    if let Ok(mut child) = unsent.0 {
                        let _ = child.kill();
                        let _ = child.wait();
                    }
                }
            }
        });
        Mutex::new(sender)
    });
    let (sender, answer) = channel();
    let lost = || std::io::Error::other("the spawner thread is gone");
    spawner
        .lock()
        .map_err(|_| lost())?
        .send((command, sender))
        .map_err(|_| lost())?;
    answer.recv().map_err(|_| lost())?
}

/// A child process and its group.
#[derive(Debug)]
pub struct Process {
    child: Child,
    side: Side,
    name: &'static str,
    errors: PathBuf,
}

impl Process {
    /// Starts `command` in a new process group with its standard output and error in the file
    /// `errors`. `side` and `name` are used in error messages.
    pub fn spawn(
        mut command: Command,
        side: Side,
        name: &'static str,
        errors: &Path,
    ) -> Result<Self> {
        let log = File::create(errors).blame(Side::Host, errors.display())?;
        let also = log.try_clone().blame(Side::Host, errors.display())?;
        command.stdin(Stdio::null()).stdout(also).stderr(log);
        command.process_group(0);
        let parent = Pid::this();
        // SAFETY: between fork and exec only prctl(2), getppid(2) are called, both
        // async-signal-safe, and no memory is allocated.
        unsafe {
            command.pre_exec(move || {
                set_pdeathsig(Signal::SIGKILL)?;
                // The parent may have died before the signal was armed.
                if getppid() != parent {
                    return Err(std::io::Error::from_raw_os_error(nix::libc::ESRCH));
                }
                Ok(())
            });
        }
        let child = spawn_from_lasting_thread(command)
            .blame(Side::Host, format_args!("cannot start {name}"))?;
        Ok(Process {
            child,
            side,
            name,
            errors: errors.to_owned(),
        })
    }

    /// The exit status, if the process has ended.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// An error that blames this process, with the end of what it printed.
    pub fn failure(&mut self, what: &str) -> Error {
        let status = match self.exited() {
            Some(status) => format!("{} ended ({status})", self.name),
            None => format!("{} still runs", self.name),
        };
        let tail = self.last_words();
        Error::new(self.side, format!("{what}; {status}{tail}"))
    }

    fn last_words(&self) -> String {
        let mut text = String::new();
        let read = File::open(&self.errors).and_then(|mut f| f.read_to_string(&mut text));
        if read.is_err() || text.trim().is_empty() {
            return String::new();
        }
        let lines: Vec<&str> = text.trim().lines().collect();
        let from = lines.len().saturating_sub(5);
        format!("; it said: {}", lines[from..].join(" | "))
    }

    /// Kills the whole group and reaps the leader.
    pub fn kill(&mut self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // An error means that the group has already gone.
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
