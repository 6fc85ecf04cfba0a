// SPDX-License-Identifier: GPL-2.0

//! The event log of the launch.

use super::{
    mem,
    slaunch::handoff::Launch,
    tpm::{
        LogError,
        LogReader, //
    }, //
};
use kernel::{
    fs::file,
    prelude::*,
    securityfs,
    uaccess::UserSliceWriter, //
};

/// The used part of the event log, checked.
///
/// # Invariants
///
/// `bytes` is a whole log: [`LogReader::new`] accepts it, and its events can be read without error.
pub(crate) struct EventLog {
    bytes: KVVec<u8>,
    capacity: u64,
}

/// Why there is no event log.
#[derive(Clone, Copy)]
pub(crate) enum NoLog {
    /// It could not be read.
    Unreadable,
    /// It was read, and is not what the launch left.
    Damaged,
}

impl NoLog {
    /// In one word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Damaged => "damaged",
        }
    }
}

impl EventLog {
    /// Copies the log from its buffer and checks it.
    ///
    /// # Errors
    ///
    /// [`NoLog`] says what is wrong, and so does the kernel's log.
    pub(crate) fn load(launch: &Launch) -> Result<Self, NoLog> {
        let mut bytes = mem::read(launch.log.base(), launch.log.size()).map_err(|e| {
            pr_err!("cannot read the event log: {e:?}\n");
            NoLog::Unreadable
        })?;
        let (used, events) = Self::check(&bytes).map_err(|e| {
            pr_err!("the event log is damaged: error {}\n", e.code());
            NoLog::Damaged
        })?;
        if events < launch.events {
            pr_err!(
                "the event log has {events} events, not {} as at the launch\n",
                launch.events
            );
            return Err(NoLog::Damaged);
        }
        bytes.truncate(used);
        // INVARIANT: Just checked; what was cut off is behind the end of the log.
        Ok(Self {
            bytes,
            capacity: launch.log.size(),
        })
    }

    /// Checks a log and all its events. Returns the size of the used part in bytes, and the number of
    /// events.
    fn check(bytes: &[u8]) -> Result<(usize, u32), LogError> {
        let reader = LogReader::new(bytes)?;
        let mut events = 0u32;
        for event in reader.events() {
            let _ = event?;
            events = events.saturating_add(1);
        }
        Ok((reader.used(), events))
    }

    /// The log, to be read; there always is one by the type invariant.
    pub(crate) fn reader(&self) -> Option<LogReader<'_>> {
        LogReader::new(&self.bytes).ok()
    }

    /// Size of the used part, in bytes.
    pub(crate) fn used(&self) -> usize {
        self.bytes.len()
    }

    /// Size of the buffer that the log is in, in bytes.
    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }
}

#[vtable]
impl securityfs::Binary for EventLog {
    fn size(&self) -> u64 {
        u64::try_from(self.bytes.len()).unwrap_or(u64::MAX)
    }

    fn read(&self, writer: &mut UserSliceWriter, offset: &mut file::Offset) -> Result<usize> {
        writer.write_slice_file(&self.bytes, offset)
    }
}
