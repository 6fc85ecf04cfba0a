// SPDX-License-Identifier: GPL-2.0

//! The end of a launch that cannot go on.

use super::hash::Hasher;
use super::measure;
use super::memory::Memory;
use super::slaunch::error::Error;
use super::slaunch::region::Region;
use super::tpm::{
    pcr_banks, pcr_extend, Digests, EventLog, Locality, LogError, MultiHash, Pcr, TpmError,
    EV_CAP_VALUE,
};
use super::{cpu, Progress};
use core::sync::atomic::{AtomicBool, Ordering};

/// Label of the event of a cap.
const LABEL_CAP: &[u8] = b"Secure Launch failed";

/// Why the launch cannot go on, with what is recorded about it.
pub(crate) struct Failure {
    error: Error,
    tpm_rc: u32,
    detail: (u64, u64),
}

impl Failure {
    /// A failure without more to say.
    pub(crate) const fn new(error: Error) -> Self {
        Self {
            error,
            tpm_rc: 0,
            detail: (0, 0),
        }
    }

    /// The same, with two numbers that describe it: mostly an address and a size.
    pub(crate) const fn with(mut self, first: u64, second: u64) -> Self {
        self.detail = (first, second);
        self
    }

    /// Something is wrong with the event log.
    pub(crate) const fn from_log(error: LogError) -> Self {
        Self::new(match error {
            LogError::Full => Error::EventLogTooSmall,
            _ => Error::TpmBadLog,
        })
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(error)
    }
}

impl From<TpmError> for Failure {
    fn from(error: TpmError) -> Self {
        let mut failure = Self::new(match error {
            TpmError::Absent | TpmError::UnknownInterface => Error::TpmAbsent,
            TpmError::NotTpm2 => Error::TpmInit,
            TpmError::LocalityRefused | TpmError::LocalityLost | TpmError::NotReleased => {
                Error::TpmLocality
            }
            TpmError::ClockStopped
            | TpmError::NotReady
            | TpmError::BurstTimeout
            | TpmError::StatusTimeout
            | TpmError::CommandTimeout => Error::TpmTimeout,
            TpmError::Rc(_) => Error::TpmResponse,
            TpmError::Banks => Error::TpmAlgorithms,
            _ => Error::TpmBadResponse,
        });
        failure.tpm_rc = error.rc().map_or(0, |rc| rc.raw());
        failure.with(u64::from(error.code()), 0)
    }
}

/// Records the failure, makes the PCRs of the launch useless, and resets the machine.
pub(crate) fn stop(memory: &mut Memory, progress: &mut Progress, failure: Failure) -> ! {
    static STOPPING: AtomicBool = AtomicBool::new(false);

    // An exception on the way to the reset: only the reset is left, and the record of the first
    // failure.
    if STOPPING.swap(true, Ordering::Relaxed) {
        cpu::reset();
    }
    let (first, second) = failure.detail;
    progress.record.fail(failure.error, first, second);
    progress.record.tpm_rc = failure.tpm_rc;
    memory.write_record(&progress.record);

    let _ = cap(memory, progress, failure.error);
    memory.write_record(&progress.record);
    cpu::post(failure.error.post_code());
    cpu::reset()
}

/// Extends the code of the error into PCR 17 and 18, so that nothing sealed to a good launch can be
/// had until the next one. There is nothing to do about it if that does not work either.
fn cap(memory: &mut Memory, progress: &mut Progress, error: Error) -> Result<(), TpmError> {
    let mut device = measure::probe()?;
    let mut tpm = device.open(Locality::L2)?;
    let banks = pcr_banks(&mut tpm)?;
    let digests = Hasher::new().digest(&banks, &error.code().to_le_bytes());
    for pcr in [Pcr::CODE, Pcr::CONFIG] {
        pcr_extend(&mut tpm, pcr, &digests)?;
        // The log may be what is wrong. The cap counts without it too.
        if log_cap(memory, progress.log, pcr, &digests).is_ok() {
            progress.record.events = progress.record.events.saturating_add(1);
        }
    }
    tpm.close()
}

fn log_cap(
    memory: &mut Memory,
    log: Option<Region>,
    pcr: Pcr,
    digests: &Digests,
) -> Result<(), LogError> {
    let log = log.ok_or(LogError::TooSmall)?;
    let buffer = memory.slice_mut(log).map_err(|_| LogError::TooSmall)?;
    EventLog::attach(buffer, log.base())?.append(pcr, EV_CAP_VALUE, digests, LABEL_CAP)
}
