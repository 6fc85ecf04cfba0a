// SPDX-License-Identifier: GPL-2.0

//! The log of another launch: what it says about the machine.

use anyhow::{bail, ensure, Context, Result};
use launch_data::digest::Alg;
use launch_data::gate::{RUNTIME_CODE, RUNTIME_DATA};
use launch_data::log::{Event, Log};
use slaunch_core::policy::Entity;
use tpm_core::{LogFormat, EV_SLAUNCH, EV_SLAUNCH_END, EV_SLAUNCH_START};

/// The markers, and the event of the running kernel.
pub(super) const START: &str = "Secure Launch start";
pub(super) const END: &str = "Secure Launch end";
pub(super) const HANDED_OVER: &str = "TPM handed over to its driver";
/// What the processor and the loader block measure.
pub(super) const BLOCK: &str = "Measured SLB";
pub(super) const IMAGE: &str = "Measured Kernel image";

/// The default label of an entity.
pub(super) fn label(entity: Entity) -> String {
    let entry = entity.policy_entry();
    let text = entry.label.split(|byte| *byte == 0).next();
    String::from_utf8_lossy(text.unwrap_or(&[])).into_owned()
}

/// A recorded launch, event by event.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) banks: Vec<Alg>,
    pub(super) tpm12: bool,
    pub(super) table: Event,
    pub(super) params: Event,
    pub(super) cmdline: Event,
    pub(super) setup_data: Vec<Event>,
    pub(super) initrd: Option<Event>,
    pub(super) memmap: Event,
    /// What the policy of the launch table adds.
    pub(super) extras: Vec<Event>,
    /// The ranges of runtime services; none unless they were trusted.
    pub(super) runtime: Vec<Event>,
    pub(super) trusted: bool,
    /// Whether the TPM's driver took it over.
    pub(super) handed_over: bool,
}

/// The events that have not been looked at.
struct Rest<'a> {
    events: std::slice::Iter<'a, Event>,
    number: usize,
}

impl<'a> Rest<'a> {
    fn next_if(&mut self, event_type: u32, label: &str) -> Option<&'a Event> {
        let event = self.events.as_slice().first()?;
        let same = event.event_type == event_type && event.data == label.as_bytes();
        if !same {
            return None;
        }
        self.number = self.number.saturating_add(1);
        self.events.next()
    }

    fn expect(&mut self, event_type: u32, label: &str) -> Result<&'a Event> {
        let number = self.number;
        let found = self.next_if(event_type, label);
        found.with_context(|| match self.events.as_slice().first() {
            Some(event) => format!(
                "event {number} is \"{}\" where \"{label}\" should be: not the log of a launch on AMD, or \
                 one whose launch table chose labels of its own",
                event.label()
            ),
            None => format!("the log ends where \"{label}\" should be"),
        })
    }
}

impl Recorded {
    /// Reads the log.
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        let log = Log::parse(bytes)?;
        let mut rest = Rest {
            events: log.events.iter(),
            number: 0,
        };
        rest.expect(EV_SLAUNCH, BLOCK)?;
        rest.expect(EV_SLAUNCH, IMAGE)?;
        rest.expect(EV_SLAUNCH_START, START)?;
        let mut entity = |entity| {
            let found = rest.expect(EV_SLAUNCH, &label(entity));
            found.cloned()
        };
        let table = entity(Entity::Slrt)?;
        let params = entity(Entity::BootParams)?;
        let cmdline = entity(Entity::Cmdline)?;
        let setup_label = label(Entity::SetupData);
        let mut setup_data = Vec::new();
        while let Some(event) = rest.next_if(EV_SLAUNCH, &setup_label) {
            setup_data.push(event.clone());
        }
        let initrd = rest.next_if(EV_SLAUNCH, &label(Entity::Initrd));
        let memmap = rest.expect(EV_SLAUNCH, &label(Entity::EfiMemmap))?.clone();
        let all = rest.events.as_slice();
        let end = all.iter().position(|e| e.event_type == EV_SLAUNCH_END);
        let (before, after) = all.split_at(end.context("the log has no end marker")?);
        let Some((gate, before)) = before.split_last() else {
            bail!("the log has no event of the EFI gate");
        };
        let text = gate.data.strip_prefix(b"EFI gate: ");
        let trusted = text.is_some_and(|text| text.starts_with(b"trust,"));
        ensure!(
            gate.event_type == EV_SLAUNCH && text.is_some(),
            "\"{}\" is where the event of the EFI gate should be",
            gate.label()
        );
        let ranges = before.iter().rev();
        let labels = [RUNTIME_CODE.as_bytes(), RUNTIME_DATA.as_bytes()];
        let ranges = ranges.take_while(|event| trusted && labels.contains(&&*event.data));
        let (extras, runtime) = before.split_at(before.len().saturating_sub(ranges.count()));
        let ends: Vec<_> = after.iter().take(2).collect();
        ensure!(
            ends.iter()
                .all(|e| e.event_type == EV_SLAUNCH_END && e.data == END.as_bytes())
                && ends.len() == 2,
            "the log has no two end markers"
        );
        let later = after.get(2);
        Ok(Self {
            banks: log.banks.clone(),
            tpm12: log.format == LogFormat::Tpm12,
            table,
            params,
            cmdline,
            setup_data,
            initrd: initrd.cloned(),
            memmap,
            extras: extras.to_vec(),
            runtime: runtime.to_vec(),
            trusted,
            handed_over: later.is_some_and(|event| event.data == HANDED_OVER.as_bytes()),
        })
    }
}
