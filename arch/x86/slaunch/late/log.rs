// SPDX-License-Identifier: GPL-2.0

//! The event log of the launch.

use super::{
    mem,
    slaunch::handoff::Launch,
    tpm::{
        Banks,
        Digests,
        EventLog as Writer,
        LogError,
        LogReader,
        Pcr,
        TpmFamily, //
    }, //
};
use kernel::{
    fs::file,
    new_mutex,
    prelude::*,
    securityfs,
    sync::Mutex,
    uaccess::UserSliceWriter, //
};

/// A copy of the event log, checked, that the kernel's own events are appended to.
#[pin_data]
pub(crate) struct EventLog {
    #[pin]
    buffer: Mutex<Buffer>,
    /// Physical address of the buffer that the log was copied from, as the log itself says.
    phys: u64,
}

/// # Invariants
///
/// `bytes` is a whole log with room behind it, of which `used` bytes are in use: [`LogReader::new`]
/// accepts it, and its events can be read without error.
struct Buffer {
    bytes: KVVec<u8>,
    used: usize,
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
    pub(crate) fn load(launch: &Launch) -> Result<impl PinInit<Self>, NoLog> {
        let bytes = mem::read(launch.log.base(), launch.log.size()).map_err(|e| {
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
        // INVARIANT: Just checked.
        let buffer = Buffer { bytes, used };
        let phys = launch.log.base();
        Ok(pin_init!(Self {
            buffer <- new_mutex!(buffer),
            phys,
        }))
    }

    /// Checks a log and all its events. Returns the size of the used part in bytes, and the number
    /// of events.
    fn check(bytes: &[u8]) -> Result<(usize, u32), LogError> {
        let reader = LogReader::new(bytes)?;
        let mut events = 0u32;
        for event in reader.events() {
            let _ = event?;
            events = events.saturating_add(1);
        }
        Ok((reader.used(), events))
    }

    /// Checks that this is a log for a TPM of this family with these active banks, and has room for
    /// an event with that many bytes of data.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is not such a log, `ENOSPC` if it is full.
    pub(crate) fn expect(&self, family: TpmFamily, banks: &Banks, data: usize) -> Result {
        let mut buffer = self.buffer.lock();
        let log = Writer::attach(&mut buffer.bytes, self.phys).map_err(|_| EINVAL)?;
        log.expect(family, banks).map_err(|_| EINVAL)?;
        match log.has_room(data) {
            true => Ok(()),
            false => Err(ENOSPC),
        }
    }

    /// Appends an event that was extended.
    ///
    /// # Errors
    ///
    /// `ENOSPC` if the log is full, `EINVAL` if it is not a log for these digests.
    pub(crate) fn append(&self, pcr: Pcr, kind: u32, digests: &Digests, data: &[u8]) -> Result {
        let mut guard = self.buffer.lock();
        let buffer = &mut *guard;
        let appended = Writer::attach(&mut buffer.bytes, self.phys).and_then(|mut log| {
            log.append(pcr, kind, digests, data)?;
            Ok(log.used())
        });
        match appended {
            // INVARIANT: The writer checks the log, and keeps it one.
            Ok(used) => buffer.used = used,
            Err(error) => {
                pr_err!("an event was not logged: error {}\n", error.code());
                return Err(match error {
                    LogError::Full => ENOSPC,
                    _ => EINVAL,
                });
            }
        }
        Ok(())
    }

    /// Calls `f` with the log as it is now, and the size of its buffer in bytes.
    pub(crate) fn with<R>(&self, f: impl FnOnce(LogReader<'_>, usize) -> R) -> Option<R> {
        let buffer = self.buffer.lock();
        let reader = LogReader::new(&buffer.bytes).ok()?;
        Some(f(reader, buffer.bytes.len()))
    }
}

#[vtable]
impl securityfs::Binary for EventLog {
    fn size(&self) -> u64 {
        u64::try_from(self.buffer.lock().used).unwrap_or(u64::MAX)
    }

    fn read(&self, writer: &mut UserSliceWriter, offset: &mut file::Offset) -> Result<usize> {
        let buffer = self.buffer.lock();
        let log = buffer.bytes.get(..buffer.used).ok_or(EINVAL)?;
        writer.write_slice_file(log, offset)
    }
}
