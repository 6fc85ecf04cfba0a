// SPDX-License-Identifier: GPL-2.0

//! What goes on while the host gives other commands: commands in threads of their own, and load.

use std::fs::{self, OpenOptions};
use std::hint::black_box;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rustix::io::Errno;
use rustix::thread::{set_thread_uid, Uid};

/// The threads of this conversation.
#[derive(Default)]
pub(crate) struct Background {
    commands: Vec<JoinHandle<String>>,
    /// How far each thread of the load is.
    progress: Vec<Arc<AtomicU64>>,
}

/// Makes this thread another user's, for good.
pub(crate) fn become_user(uid: &str) -> io::Result<()> {
    let uid = uid.parse().map_err(|_| Errno::INVAL)?;
    Ok(set_thread_uid(Uid::from_raw(uid))?)
}

/// A step of a thread that has no use for anything but its processor.
fn compute(_thread: usize) -> io::Result<()> {
    black_box((0..1_000_000_u64).fold(0, |sum, n| black_box(sum ^ n)));
    Ok(())
}

/// A step of a thread that has files written, read and removed.
fn traffic(thread: usize) -> io::Result<()> {
    let path = format!("/load-{thread}");
    let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
    file.write_all(&[0x5a; 0x10000])?;
    black_box(fs::read(&path)?);
    black_box(fs::read_to_string("/proc/self/maps")?);
    fs::remove_file(path)
}

impl Background {
    /// Begins a command.
    pub(crate) fn start(&mut self, command: impl FnOnce() -> String + Send + 'static) {
        self.commands.push(thread::spawn(command));
    }

    /// What the commands said, in the order in which they were begun; waits for that.
    pub(crate) fn join(&mut self) -> io::Result<String> {
        let said = self.commands.drain(..).map(JoinHandle::join);
        let said: Result<Vec<_>, _> = said.collect();
        Ok(said.map_err(|_| Errno::IO)?.join(" / "))
    }

    /// Begins so many threads, which do not end: one half computes, the other has files.
    pub(crate) fn load(&mut self, threads: &str) -> io::Result<()> {
        let threads = threads.parse().map_err(|_| Errno::INVAL)?;
        for thread in 0..threads {
            let step = if thread % 2 == 0 { compute } else { traffic };
            let progress = Arc::new(AtomicU64::new(0));
            self.progress.push(progress.clone());
            thread::spawn(move || {
                while step(thread).is_ok() {
                    progress.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Ok(())
    }

    /// How many steps each has done.
    pub(crate) fn progress(&self) -> String {
        let steps = self.progress.iter().map(|p| p.load(Ordering::Relaxed));
        let steps: Vec<_> = steps.map(|steps| steps.to_string()).collect();
        steps.join(" ")
    }
}
