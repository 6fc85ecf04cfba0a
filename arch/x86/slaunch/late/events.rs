// SPDX-License-Identifier: GPL-2.0

//! Events of the running kernel: extended through the TPM's driver at locality 2, then logged.

use super::{
    at_locality::{
        to_errno,
        AtLocality, //
    },
    efi,
    hash,
    log::EventLog,
    slaunch::handoff::Launch,
    tpm::{
        pcr_banks,
        pcr_extend,
        Pcr,
        TpmError,
        Transport,
        EV_SLAUNCH, //
    }, //
};
use kernel::{
    prelude::*,
    sync::{
        Arc,
        SetOnce, //
    },
    tpm::{
        Chip,
        Locality, //
    }, //
};

/// Event data of the event that the TPM's driver works.
const HANDED_OVER: &[u8] = b"TPM handed over to its driver";

/// The log of the launch; none without a launch, or if the log was damaged.
static LOG: SetOnce<Arc<EventLog>> = SetOnce::new();

/// Whether the TPM's driver has taken over, once that was tried.
static HANDED: SetOnce<Result<(), Error>> = SetOnce::new();

/// The log that events are appended to from now on.
pub(crate) fn use_log(log: Arc<EventLog>) {
    LOG.populate(log);
}

/// How the hand-over to the TPM's driver went; [`None`] as long as it was not tried.
pub(crate) fn handed_over() -> Option<Result> {
    HANDED.copy()
}

/// Extends `pcr` with the digests of `data` and logs that. The data is the event's.
///
/// The TPM is locked until both is done: the log has the events in the order of the extends.
///
/// # Errors
///
/// `ENODEV` if the TPM has no driver; `EINVAL` if its banks are not those of the log, `ENOSPC` if
/// the log is full: nothing is extended then; those of [`Chip::at_locality`] and [`to_errno`].
pub(crate) fn record(kind: u32, pcr: Pcr, data: &[u8]) -> Result {
    let chip = Chip::first().ok_or(ENODEV)?;
    let log = LOG.as_ref();
    chip.at_locality(Locality::L2, |chip| {
        let mut tpm = AtLocality(chip);
        let banks = pcr_banks(&mut tpm).map_err(refused)?;
        if let Some(log) = log {
            log.expect(tpm.family(), &banks, data.len())?;
        }
        let digests = hash::digests(&banks, data);
        pcr_extend(&mut tpm, pcr, &digests).map_err(refused)?;
        match log {
            Some(log) => log.append(pcr, kind, &digests, data),
            None => Ok(()),
        }
    })
}

/// Reports an error of the TPM.
fn refused(error: TpmError) -> Error {
    pr_err!("TPM: error {}\n", error.code());
    to_errno(error)
}

/// The first event after the launch: the TPM that measured it is in the hands of its driver.
///
/// A kernel without that event in its log goes on all the same. What it has measured before stays
/// true, and whoever expects the event misses it in the log and in the PCR.
pub(crate) fn hand_over(launch: &Launch) {
    let result = match LOG.as_ref() {
        Some(_) => record(EV_SLAUNCH, Pcr::CONFIG, HANDED_OVER),
        None => Err(EINVAL),
    };
    match result {
        Ok(()) => pr_info!("TPM handed over after {} events\n", launch.events),
        Err(error) => pr_err!("the TPM was not handed over: {error:?}\n"),
    }
    HANDED.populate(result);
    // What has come up meanwhile.
    efi::violation::settle();
}
