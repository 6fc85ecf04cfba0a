// SPDX-License-Identifier: GPL-2.0

//! Measuring: TPM, hashes and event log.

use super::block::Block;
use super::failure::Failure;
use super::hash::Hasher;
use super::inputs::Inputs;
use super::memory::{Guarded, Memory};
use super::mmio::Window;
use super::registers::{TscClock, TPM_WINDOW};
use super::slaunch::bytes::Sink;
use super::slaunch::error::Error;
use super::slaunch::gate::Mode;
use super::slaunch::memmap::kind;
use super::slaunch::physmem::PhysMem;
use super::slaunch::policy::{Entity, PCR_CONFIG};
use super::table::Checked;
use super::tpm::{
    pcr_banks, pcr_extend, Banks, Digests, EventLog, Locality, LogError, MultiHash, OpenLocality,
    Pcr, Tpm, Transport, EV_SLAUNCH, EV_SLAUNCH_END, EV_SLAUNCH_START,
};

/// Event data of the marker before the first measurement.
const START: &[u8] = b"Secure Launch start";
/// Event data of the markers behind the last one.
const END: &[u8] = b"Secure Launch end";

/// Event data of a range of code of runtime services.
const RUNTIME_CODE: &[u8] = b"Measured EFI runtime code";
/// Event data of a range of their data.
const RUNTIME_DATA: &[u8] = b"Measured EFI runtime data";

/// A TPM of which a locality is open.
pub(crate) type OpenTpm<'a> = OpenLocality<'a, Window, TscClock>;

/// Looks for the TPM.
pub(crate) fn probe() -> Result<Tpm<Window, TscClock>, Failure> {
    // SAFETY: entry.S made the mapping, and one TPM at a time is in use.
    Ok(Tpm::probe(unsafe { Window::new(TPM_WINDOW) }, TscClock)?)
}

/// Opens the locality that may extend the PCRs of a dynamic launch.
pub(crate) fn open(device: &mut Tpm<Window, TscClock>) -> Result<OpenTpm<'_>, Failure> {
    Ok(device.open(Locality::L2)?)
}

/// Finds the event log, to append to it. It must be in the format that the launch table says.
pub(crate) fn attach<'a>(memory: &Memory, checked: &Checked<'_>) -> Result<EventLog<'a>, Failure> {
    let region = checked.own.log;
    let fail = |error| Failure::from_log(error).with(region.base(), region.size());
    // SAFETY: The region is apart from the image and from the rest of the launch's memory, nothing
    // is read from there through `memory` (see `Guarded`), and it is claimed once, but for a
    // failure, after which this claim is not used any more.
    let buffer = unsafe { memory.claim(region) }?;
    let log = EventLog::attach(buffer, region.base()).map_err(fail)?;
    if log.log_format().number() != checked.log_format {
        return Err(fail(LogError::Version));
    }
    Ok(log)
}

/// Measures everything: the inputs in their order, and the markers around them.
pub(crate) fn measure(
    memory: &mut Memory,
    block: &mut Block,
    checked: &Checked<'_>,
    inputs: &Inputs<'_>,
    log: EventLog<'_>,
) -> Result<(), Failure> {
    let mut device = probe()?;
    let mut tpm = open(&mut device)?;
    let banks = pcr_banks(&mut tpm)?;
    log.expect(tpm.family(), &banks)
        .map_err(Failure::from_log)?;
    let mut measurer = Measurer {
        tpm,
        banks,
        // SAFETY: entry.S enabled SSE; nobody else uses its registers, which are wiped there too.
        hasher: unsafe { Hasher::with_sse() },
        log,
        block,
    };
    measurer.data(EV_SLAUNCH_START, Pcr::CODE, START)?;
    measurer.inputs(memory, checked, inputs)?;
    measurer.data(EV_SLAUNCH_END, Pcr::CODE, END)?;
    measurer.data(EV_SLAUNCH_END, Pcr::CONFIG, END)?;
    measurer.hasher.wipe_registers();
    Ok(measurer.tpm.close()?)
}

/// Where the bytes that are measured go.
struct Stream<'a>(&'a mut Hasher);

impl Sink for Stream<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

/// What it takes to measure something.
struct Measurer<'a> {
    tpm: OpenTpm<'a>,
    banks: Banks,
    hasher: Hasher,
    log: EventLog<'a>,
    block: &'a mut Block,
}

impl Measurer<'_> {
    /// Extends `digests` into `pcr` and logs the event. In this order: what the log has and the TPM
    /// has not could be forged, not the other way round.
    fn event(
        &mut self,
        kind: u32,
        pcr: Pcr,
        digests: &Digests,
        data: &[u8],
    ) -> Result<(), Failure> {
        pcr_extend(&mut self.tpm, pcr, digests)?;
        self.log
            .append(pcr, kind, digests, data)
            .map_err(Failure::from_log)?;
        self.block.record.events = self.block.record.events.saturating_add(1);
        self.block.write();
        Ok(())
    }

    /// An event whose digest is that of its data.
    fn data(&mut self, kind: u32, pcr: Pcr, data: &[u8]) -> Result<(), Failure> {
        let digests = self.hasher.digest(&self.banks, data);
        self.event(kind, pcr, &digests, data)
    }

    /// Measures what `produce` puts into the stream.
    fn stream(
        &mut self,
        pcr: u32,
        label: &[u8],
        produce: impl FnOnce(&mut Stream<'_>) -> Result<(), Error>,
    ) -> Result<(), Failure> {
        let pcr = Pcr::new(pcr).ok_or(Error::PolicyPcr)?;
        self.hasher.begin(&self.banks);
        produce(&mut Stream(&mut self.hasher))?;
        let digests = self.hasher.finish();
        self.event(EV_SLAUNCH, pcr, &digests, label)
    }

    /// Measures an entity as the plan says.
    fn entity(
        &mut self,
        checked: &Checked<'_>,
        entity: Entity,
        produce: impl FnOnce(&mut Stream<'_>) -> Result<(), Error>,
    ) -> Result<(), Failure> {
        let choice = checked.plan.choice(entity);
        self.stream(choice.pcr, choice.label.as_bytes(), produce)
    }

    /// Measures all entities, in their order.
    fn inputs(
        &mut self,
        memory: &mut Memory,
        checked: &Checked<'_>,
        inputs: &Inputs<'_>,
    ) -> Result<(), Failure> {
        let own = checked.own.all();
        let mut memory = Guarded::new(memory, &own, Some(&inputs.map));

        self.entity(checked, Entity::Slrt, |stream| {
            checked.table.canonical(stream);
            Ok(())
        })?;
        self.entity(checked, Entity::BootParams, |stream| {
            inputs.params.canonical(stream)
        })?;
        self.entity(checked, Entity::Cmdline, |stream| {
            stream.put(inputs.cmdline);
            Ok(())
        })?;
        self.setup_data(&mut memory, checked, inputs)?;
        if let Some(region) = inputs.initrd {
            self.entity(checked, Entity::Initrd, |stream| {
                memory.for_each(region, |bytes| stream.put(bytes))
            })?;
        }
        self.entity(checked, Entity::EfiMemmap, |stream| {
            inputs.map.canonical(stream);
            Ok(())
        })?;
        for extra in checked.plan.extras() {
            self.stream(extra.pcr, extra.label.as_bytes(), |stream| {
                memory.for_each(extra.region, |bytes| stream.put(bytes))
            })?;
        }
        if inputs.gate.mode == Mode::Trust {
            self.runtime(&mut memory, inputs)?;
        }
        self.data(EV_SLAUNCH, Pcr::CONFIG, inputs.gate.text().as_bytes())
    }

    /// Measures the firmware that stays: each range of its runtime services.
    fn runtime(&mut self, memory: &mut Guarded<'_>, inputs: &Inputs<'_>) -> Result<(), Failure> {
        for range in inputs.map.runtime() {
            let code = range.kind == kind::RUNTIME_SERVICES_CODE;
            let label = if code { RUNTIME_CODE } else { RUNTIME_DATA };
            self.stream(PCR_CONFIG, label, |stream| {
                range.put_runtime(stream);
                if code {
                    memory.for_each_runtime(range, |bytes| stream.put(bytes))?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Measures the nodes of the setup_data list, one event each.
    fn setup_data(
        &mut self,
        memory: &mut Guarded<'_>,
        checked: &Checked<'_>,
        inputs: &Inputs<'_>,
    ) -> Result<(), Failure> {
        let mut failed = None;
        let walk = inputs.setup_data.for_each(memory, |memory, node| {
            let measured = self.entity(checked, Entity::SetupData, |stream| {
                node.canonical(memory, stream)
            });
            // The list only knows errors; what else there is to say is kept here.
            measured.map_err(|failure| failed.insert(failure).error())
        });
        match (failed, walk) {
            (Some(failure), _) => Err(failure),
            (None, walk) => Ok(walk?),
        }
    }
}
