// SPDX-License-Identifier: GPL-2.0

//! Measuring: TPM, hashes and event log.

use super::failure::Failure;
use super::hash::Hasher;
use super::launch::{Kernel, Plan};
use super::memory::Memory;
use super::registers::{Registers, TscClock};
use super::tpm::{
    pcr_banks, pcr_extend, Banks, Digests, EventLog, Locality, LogError, MultiHash, Pcr, Tis,
    TpmError, EV_SLAUNCH,
};
use super::Progress;

/// Label of the event for what the processor measured.
const LABEL_SLB: &[u8] = b"Measured SLB";

/// Label of the event for the kernel.
const LABEL_KERNEL: &[u8] = b"Measured Kernel image";

/// Measures the kernel into PCR 17 in every active bank, and logs that and what the processor did.
#[inline(never)]
pub(crate) fn measure(
    plan: &Plan,
    kernel: &Kernel,
    memory: &mut Memory,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let log_failure = |e| Failure::from_log(e).with(plan.log.base(), plan.log.size());
    let log_banks = *EventLog::attach(memory.slice_mut(plan.log)?, plan.log.base())
        .map_err(log_failure)?
        .banks();
    progress.log = Some(plan.log);

    let mut tis = probe()?;
    let mut tpm = tis.open(Locality::L2)?;
    let banks = pcr_banks(&mut tpm)?;
    if !same_banks(&banks, &log_banks) {
        return Err(log_failure(LogError::Banks));
    }

    // SAFETY: head.S enabled SSE; nobody else uses the registers.
    let mut hasher = unsafe { Hasher::with_sse() };
    let own = hasher.digest(&log_banks, memory.own_image()?);
    let image = hasher.digest(&log_banks, memory.slice(kernel.image)?);
    hasher.wipe_registers();

    // Extend first: what the log has and the TPM has not can be forged, not the other way round.
    pcr_extend(&mut tpm, Pcr::CODE, &image)?;
    append(plan, memory, progress, &own, LABEL_SLB)?;
    append(plan, memory, progress, &image, LABEL_KERNEL)?;
    tpm.close()?;
    Ok(())
}

/// Looks for the TPM.
pub(crate) fn probe() -> Result<Tis<Registers, TscClock>, TpmError> {
    // SAFETY: head.S made the uncached mapping; one TPM at a time is in use.
    Tis::probe(unsafe { Registers::new() }, TscClock)
}

/// Whether the log has just the banks that are active: then none can be left out of an event.
fn same_banks(active: &Banks, log: &Banks) -> bool {
    active.len() == log.len() && active.iter().all(|alg| log.find(alg.id()) == Some(alg))
}

fn append(
    plan: &Plan,
    memory: &mut Memory,
    progress: &mut Progress,
    digests: &Digests,
    label: &[u8],
) -> Result<(), Failure> {
    let fail = |e| Failure::from_log(e).with(plan.log.base(), plan.log.size());
    let buffer = memory.slice_mut(plan.log).map_err(Failure::new)?;
    EventLog::attach(buffer, plan.log.base())
        .and_then(|mut log| log.append(Pcr::CODE, EV_SLAUNCH, digests, label))
        .map_err(fail)?;
    progress.record.events = progress.record.events.saturating_add(1);
    Ok(())
}
