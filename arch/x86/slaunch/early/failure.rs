// SPDX-License-Identifier: GPL-2.0

//! The end of a launch that cannot go on.

use super::block::Block;
use super::cpu;
use super::hash::Hasher;
use super::measure;
use super::memory::Memory;
use super::slaunch::error::Error;
use super::slaunch::region::Region;
use super::tpm::{
    pcr_banks, pcr_extend, Digests, EventLog, LogError, MultiHash, Pcr, TpmError, EV_CAP_VALUE,
};
use core::sync::atomic::{AtomicBool, Ordering};

/// Label of the event of a cap.
const LABEL_CAP: &[u8] = b"Secure Launch failed";

/// Why the launch cannot go on, with what is recorded about it.
#[derive(Clone, Copy)]
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

    /// What it is.
    pub(crate) const fn error(&self) -> Error {
        self.error
    }

    /// Something is wrong with `region`.
    pub(crate) const fn at(error: Error, region: &Region) -> Self {
        Self::new(error).with(region.base(), region.size())
    }

    /// Something is wrong with the event log.
    pub(crate) const fn from_log(error: LogError) -> Self {
        Self::new(match error {
            LogError::Full | LogError::TooSmall => Error::EventLogTooSmall,
            _ => Error::TpmBadLog,
        })
        .with(error.code() as u64, 0)
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
///
/// `log` is the event log, if it was found to be one. Nobody else may still have it.
pub(crate) fn stop(memory: &Memory, block: &mut Block, log: Option<Region>, failure: Failure) -> ! {
    static STOPPING: AtomicBool = AtomicBool::new(false);

    // An exception on the way to the reset: only the reset is left, and the record of the first
    // failure.
    if STOPPING.swap(true, Ordering::Relaxed) {
        cpu::reset();
    }
    let (first, second) = failure.detail;
    block.record.fail(failure.error, first, second);
    block.record.tpm_rc = failure.tpm_rc;
    block.write();

    // There is nothing to do about it if that does not work either.
    if cap(memory, block, log, failure.error).is_ok() {
        block.write();
    }
    cpu::post(failure.error.post_code());
    cpu::reset()
}

/// Extends the code of the error into PCR 17 and 18, so that nothing sealed to a good launch can be
/// had until the next one.
fn cap(
    memory: &Memory,
    block: &mut Block,
    log: Option<Region>,
    error: Error,
) -> Result<(), Failure> {
    let mut device = measure::probe()?;
    let mut tpm = measure::open(&mut device)?;
    let banks = pcr_banks(&mut tpm)?;
    let digests = Hasher::new().digest(&banks, &error.code().to_le_bytes());
    for pcr in [Pcr::CODE, Pcr::CONFIG] {
        pcr_extend(&mut tpm, pcr, &digests)?;
        // What the log does not take is no reason to leave the other PCR open.
        if log.is_some_and(|log| append_cap(memory, log, pcr, &digests).is_ok()) {
            block.record.events = block.record.events.saturating_add(1);
        }
    }
    Ok(tpm.close()?)
}

fn append_cap(memory: &Memory, log: Region, pcr: Pcr, digests: &Digests) -> Result<(), Failure> {
    // SAFETY: The region was checked before it was claimed for the first time, and who had it then
    // has given up.
    let buffer = unsafe { memory.claim(log) }?;
    EventLog::attach(buffer, log.base())
        .and_then(|mut log| log.append(pcr, EV_CAP_VALUE, digests, LABEL_CAP))
        .map_err(Failure::from_log)
}
