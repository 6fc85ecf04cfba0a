// SPDX-License-Identifier: GPL-2.0

//! `slaunch predict`: the events and PCR values that a launch will give.
//!
//! Code and command line follow from the files. What the firmware says about the machine (boot parameters,
//! setup_data, memory map) is taken from the log of another launch of it, or left open: then there is no
//! value for the PCR that it goes into.

mod files;
mod model;
mod recorded;
mod report;

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::{bail, Result};
use launch_data::digest::Alg;
use launch_data::gate;
use launch_data::log::Event as Logged;
use launch_data::uki::KernelFile;
use slaunch_core::gate::{Gate, Mode};
use slaunch_core::policy::{Entity, PCR_CODE, PCR_CONFIG};
use tpm_core::{EV_SLAUNCH, EV_SLAUNCH_END, EV_SLAUNCH_START};

use crate::cli::{PredictArgs, Vendor};
use crate::exit::Answer;
use crate::input::{self, Root};
use crate::log;
use crate::out::Paint;

use files::{Files, Initrd, Measured};
use recorded::{label, Recorded, BLOCK, END, HANDED_OVER, IMAGE, START};

pub use model::{values, Event, Origin, Pcrs, Prediction, Stage, Values, FORMAT, VERSION};

/// What a prediction is made from.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// A bzImage or a unified kernel image.
    pub kernel: &'a [u8],
    /// The initrd.
    pub initrd: Option<&'a [u8]>,
    /// The command line.
    pub cmdline: Option<&'a str>,
    /// The log of another launch of the machine.
    pub log: Option<&'a [u8]>,
    /// The mode of the EFI gate that the kernel is configured with.
    pub gate: Mode,
    /// The banks.
    pub banks: &'a [Alg],
}

/// The prediction as it is put together.
struct Maker<'a> {
    banks: &'a [Alg],
    events: Vec<Event>,
    open: Vec<String>,
    notes: Vec<String>,
}

impl Maker<'_> {
    fn put(&mut self, event: Event) {
        self.events.push(event);
    }

    /// An event whose measured bytes are known.
    fn known(&mut self, pcr: u32, text: &str, bytes: &[u8], origin: Origin, how: String) {
        let digest = |alg: &Alg| (alg.name().to_owned(), hex::encode(alg.hash(bytes)));
        self.put(Event {
            pcr,
            event_type: EV_SLAUNCH,
            text: text.into(),
            digests: self.banks.iter().map(digest).collect(),
            origin,
            any_number: false,
            stage: Stage::Launch,
            how,
        });
    }

    fn measured(&mut self, pcr: u32, text: &str, measured: &Measured<'_>, origin: Origin) {
        self.known(pcr, text, &measured.bytes, origin, measured.how.clone());
    }

    /// An event whose digest is that of its data.
    fn data(&mut self, event_type: u32, pcr: u32, text: &str, origin: Origin, how: &str) {
        self.known(pcr, text, text.as_bytes(), origin, how.into());
        if let Some(event) = self.events.last_mut() {
            event.event_type = event_type;
        }
    }

    /// An event as another launch had it.
    fn recorded(&mut self, event: &Logged) {
        let digests: BTreeMap<_, _> = event
            .digests
            .iter()
            .filter(|(alg, _)| self.banks.contains(alg))
            .map(|(alg, digest)| (alg.name().to_owned(), hex::encode(digest)))
            .collect();
        self.put(Event {
            pcr: event.pcr,
            event_type: event.event_type,
            text: event.label(),
            digests,
            origin: Origin::Recorded,
            any_number: false,
            stage: Stage::Launch,
            how: "as in the recorded launch".into(),
        });
    }

    /// An event, or any number of them, of which the digest is not known.
    fn open(&mut self, pcr: u32, text: &str, any_number: bool, why: &str) {
        self.open.push(why.into());
        self.put(Event {
            pcr,
            event_type: EV_SLAUNCH,
            text: text.into(),
            digests: BTreeMap::new(),
            origin: Origin::Open,
            any_number,
            stage: Stage::Launch,
            how: why.into(),
        });
    }

    /// The launch table: as recorded, or as the kernel's EFI stub writes it.
    fn table(&mut self, recorded: Option<&Recorded>) -> Result<()> {
        let bytes = files::table_of_stub(recorded.is_some_and(|r| r.tpm12))?;
        let Some(recorded) = recorded else {
            self.known(
                PCR_CONFIG,
                &label(Entity::Slrt),
                &bytes,
                Origin::Stub,
                format!(
                    "the table that the kernel's EFI stub writes for a TPM 2.0, canonical, {} bytes",
                    bytes.len()
                ),
            );
            return Ok(());
        };
        self.recorded(&recorded.table);
        let digests = &recorded.table.digests;
        if digests
            .iter()
            .any(|(alg, value)| alg.hash(&bytes) != *value)
        {
            self.notes.push(
                "the recorded launch table is not the one that the kernel's EFI stub writes: another boot \
                 loader, or another version"
                    .into(),
            );
            return Ok(());
        }
        // So the other banks are known too.
        if let Some(event) = self.events.last_mut() {
            let digest = |alg: &Alg| (alg.name().to_owned(), hex::encode(alg.hash(&bytes)));
            event.digests = self.banks.iter().map(digest).collect();
            event.how =
                "as in the recorded launch; it is the table that the kernel's EFI stub writes"
                    .into();
        }
        Ok(())
    }

    /// Firmware that is trusted.
    fn runtime(&mut self, recorded: Option<&Recorded>) {
        match recorded {
            Some(recorded) if recorded.trusted => {
                for event in &recorded.runtime {
                    self.recorded(event);
                }
            }
            Some(_) => self.open(
                PCR_CONFIG,
                gate::RUNTIME_CODE,
                true,
                "EFI runtime services: slaunch_efi=trust measures them, and the recorded launch did not",
            ),
            None => self.open(
                PCR_CONFIG,
                gate::RUNTIME_CODE,
                true,
                "EFI runtime services: slaunch_efi=trust measures them, and no recorded launch was given",
            ),
        }
    }

    fn launch(&mut self, files: &Files<'_>, recorded: Option<&Recorded>, gate: Mode) -> Result<()> {
        self.measured(PCR_CODE, BLOCK, &files.block, Origin::Kernel);
        self.measured(PCR_CODE, IMAGE, &files.image, Origin::Kernel);
        let marker = "the event's text";
        self.data(EV_SLAUNCH_START, PCR_CODE, START, Origin::Constant, marker);
        self.table(recorded)?;
        let config = PCR_CONFIG;
        let (params, cmdline) = (label(Entity::BootParams), label(Entity::Cmdline));
        let (setup_data, memmap) = (label(Entity::SetupData), label(Entity::EfiMemmap));
        match recorded {
            Some(recorded) => self.recorded(&recorded.params),
            None => self.open(
                config,
                &params,
                false,
                "boot parameters: they depend on the machine",
            ),
        }
        let pcr = recorded.map_or(config, |r| r.cmdline.pcr);
        self.measured(pcr, &cmdline, &files.cmdline, Origin::CommandLine);
        match recorded {
            Some(recorded) => recorded.setup_data.iter().for_each(|e| self.recorded(e)),
            None => self.open(
                config,
                &setup_data,
                true,
                "setup_data: one event for each node, which the firmware and the EFI stub add",
            ),
        }
        let pcr = recorded.and_then(|r| r.initrd.as_ref()).map(|e| e.pcr);
        let pcr = pcr.unwrap_or(PCR_CODE);
        let text = label(Entity::Initrd);
        match &files.initrd {
            Initrd::None => (),
            Initrd::Known(initrd) => self.measured(pcr, &text, initrd, Origin::Initrd),
            Initrd::Open {
                may_be_missing,
                why,
            } => self.open(pcr, &text, *may_be_missing, why),
        }
        match recorded {
            Some(recorded) => {
                self.recorded(&recorded.memmap);
                recorded.extras.iter().for_each(|e| self.recorded(e));
            }
            None => self.open(
                config,
                &memmap,
                false,
                "EFI memory map: it depends on the machine",
            ),
        }
        self.gate(&files.cmdline, recorded, gate);
        self.data(EV_SLAUNCH_END, PCR_CODE, END, Origin::Constant, marker);
        self.data(EV_SLAUNCH_END, config, END, Origin::Constant, marker);
        self.data(EV_SLAUNCH, config, HANDED_OVER, Origin::Constant, marker);
        if let Some(event) = self.events.last_mut() {
            event.stage = Stage::Running;
            event.how =
                "the event's text; extended by the running kernel when the TPM has a driver".into();
        }
        Ok(())
    }

    fn gate(&mut self, cmdline: &Measured<'_>, recorded: Option<&Recorded>, default: Mode) {
        let gate = Gate::from_cmdline(&cmdline.bytes, default);
        if gate.mode == Mode::Trust {
            self.runtime(recorded);
        }
        let text = gate.text();
        let text = String::from_utf8_lossy(text.as_bytes());
        // With another default there is another result, unless the line says.
        let said = Mode::ALL
            .iter()
            .all(|mode| Gate::from_cmdline(&cmdline.bytes, *mode) == gate);
        let how = if said {
            "the event's text: slaunch_efi= on the command line".to_owned()
        } else {
            let mode = default.name();
            format!("the event's text: the kernel's default, by --efi-gate: {mode}")
        };
        if !said {
            self.notes.push(format!(
                "the EFI gate is taken to be {} by default, as --efi-gate says: CONFIG_SECURE_LAUNCH_EFI_* \
                 of the kernel",
                default.name()
            ));
        }
        self.data(EV_SLAUNCH, PCR_CONFIG, &text, Origin::CommandLine, &how);
    }

    /// What a recorded launch cannot tell.
    fn doubts(&mut self, files: &Files<'_>, recorded: &Recorded) {
        let missing: Vec<_> = self
            .banks
            .iter()
            .filter(|alg| !recorded.banks.contains(alg))
            .map(|alg| alg.name())
            .collect();
        if !missing.is_empty() {
            self.open.push(format!(
                "the recorded launch has no bank {}: what was taken from it is not known there",
                missing.join(", ")
            ));
        }
        let digests = &recorded.cmdline.digests;
        let line = &files.cmdline.bytes;
        if digests.iter().any(|(alg, value)| alg.hash(line) != *value) {
            let line = String::from_utf8_lossy(line);
            let words = files::for_the_stub(&line);
            if !words.is_empty() {
                self.notes.push(format!(
                    "the recorded launch had another command line, and {} may change boot parameters or \
                     memory map",
                    words.join(", ")
                ));
            }
        }
        if !recorded.handed_over {
            self.notes.push(
                "in the recorded launch no driver took the TPM over: with such a kernel PCR 18 stays at its \
                 value of the launch"
                    .into(),
            );
        }
    }
}

/// Predicts a launch on a processor of AMD.
///
/// # Errors
///
/// A file is not what it should be.
pub fn predict(inputs: &Inputs<'_>) -> Result<Prediction> {
    let kernel = KernelFile::parse(inputs.kernel)?;
    let files = files::look(&kernel, inputs.initrd, inputs.cmdline)?;
    let recorded = inputs.log.map(Recorded::read).transpose()?;
    let mut maker = Maker {
        banks: inputs.banks,
        events: Vec::new(),
        open: Vec::new(),
        notes: files.notes.clone(),
    };
    maker.launch(&files, recorded.as_ref(), inputs.gate)?;
    if let Some(recorded) = &recorded {
        maker.doubts(&files, recorded);
    }
    let pcrs = values(inputs.banks, &maker.events);
    let known = |values: &Values| values.launch.is_some() && values.running.is_some();
    Ok(Prediction {
        format: FORMAT.into(),
        version: VERSION,
        vendor: "AMD".into(),
        complete: pcrs.values().flat_map(BTreeMap::values).all(known),
        pcrs,
        events: maker.events,
        open: maker.open,
        notes: maker.notes,
    })
}

/// Runs the command.
///
/// # Errors
///
/// A file cannot be read, or is not what it should be.
pub fn run(
    args: &PredictArgs,
    json: bool,
    root: &Root,
    paint: Paint,
    out: &mut dyn Write,
) -> Result<Answer> {
    if args.vendor == Vendor::Intel {
        bail!("Intel TXT: the kernel cannot launch with it yet, so there is nothing to predict");
    }
    let kernel = input::read(&args.kernel, input::KERNEL)?;
    let initrd = args.initrd.as_deref();
    let initrd = initrd
        .map(|path| input::read(path, input::IMAGE))
        .transpose()?;
    let cmdline = match (&args.cmdline, &args.cmdline_file) {
        (Some(line), _) => Some(line.clone()),
        (None, Some(path)) => {
            let bytes = input::read(path, input::SMALL)?;
            Some(
                String::from_utf8(bytes)
                    .map_err(|_| anyhow::anyhow!("the command line is no text"))?,
            )
        }
        (None, None) => None,
    };
    let log = match (&args.log, args.launch) {
        (Some(path), _) => Some(log::read(Some(path), root)?),
        (None, true) => Some(log::read(None, root)?),
        (None, false) => None,
    };
    let mut banks = args.bank.clone();
    banks.sort();
    banks.dedup();
    let prediction = predict(&Inputs {
        kernel: &kernel,
        initrd: initrd.as_deref(),
        cmdline: cmdline.as_deref(),
        log: log.as_deref(),
        gate: args.efi_gate,
        banks: if banks.is_empty() { &Alg::ALL } else { &banks },
    })?;
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&prediction)?)?;
    } else {
        report::text(&prediction, args.explain, paint, out)?;
    }
    Ok(Answer::Yes)
}
