// SPDX-License-Identifier: GPL-2.0

//! Measuring: TPM, hashes and event log.

use super::failure::Failure;
use super::hash::Hasher;
use super::launch::{Kernel, Plan};
use super::memory::Memory;
use super::mmio::Window;
use super::registers::{TscClock, TPM_WINDOW};
use super::tpm::{
    pcr_banks, pcr_extend, Digests, EventLog, Locality, LogError, MultiHash, Pcr, Tpm, TpmError,
    Transport, EV_SLAUNCH,
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
    attach(plan, memory)?;
    progress.log = Some(plan.log);

    let mut device = probe()?;
    let mut tpm = device.open(Locality::L2)?;
    let banks = pcr_banks(&mut tpm)?;
    attach(plan, memory)?
        .expect(tpm.family(), &banks)
        .map_err(log_failure)?;

    // SAFETY: head.S enabled SSE; nobody else uses the registers.
    let mut hasher = unsafe { Hasher::with_sse() };
    let own = hasher.digest(&banks, memory.own_image()?);
    let image = hasher.digest(&banks, memory.slice(kernel.image)?);
    hasher.wipe_registers();

    // Extend first: what the log has and the TPM has not can be forged, not the other way round.
    pcr_extend(&mut tpm, Pcr::CODE, &image)?;
    append(plan, memory, progress, &own, LABEL_SLB)?;
    append(plan, memory, progress, &image, LABEL_KERNEL)?;
    tpm.close()?;
    Ok(())
}

/// Looks for the TPM.
pub(crate) fn probe() -> Result<Tpm<Window, TscClock>, TpmError> {
    // SAFETY: head.S made the uncached mapping; one TPM at a time is in use.
    Tpm::probe(unsafe { Window::new(TPM_WINDOW) }, TscClock)
}

/// Takes over the event log, which must be in the format that the launch table says.
fn attach<'a>(plan: &Plan, memory: &'a mut Memory) -> Result<EventLog<'a>, Failure> {
    let fail = |e| Failure::from_log(e).with(plan.log.base(), plan.log.size());
    let log = EventLog::attach(memory.slice_mut(plan.log)?, plan.log.base()).map_err(fail)?;
    if log.log_format().number() != plan.log_format {
        return Err(fail(LogError::Version));
    }
    Ok(log)
}

fn append(
    plan: &Plan,
    memory: &mut Memory,
    progress: &mut Progress,
    digests: &Digests,
    label: &[u8],
) -> Result<(), Failure> {
    attach(plan, memory)?
        .append(Pcr::CODE, EV_SLAUNCH, digests, label)
        .map_err(|e| Failure::from_log(e).with(plan.log.base(), plan.log.size()))?;
    progress.record.events = progress.record.events.saturating_add(1);
    Ok(())
}
