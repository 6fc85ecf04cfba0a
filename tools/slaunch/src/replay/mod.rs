// SPDX-License-Identifier: GPL-2.0

//! `slaunch replay`: what the PCRs must hold if the log is true, and whether they do.

mod part;
mod report;

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::{ensure, Result};
use launch_data::digest::Alg;
use tpm_core::EV_NO_ACTION;

use crate::bank;
use crate::cli::ReplayArgs;
use crate::exit::Answer;
use crate::input::{self, Root};
use crate::log::{self, Readable};
use crate::out::Paint;
use crate::tpm::{Pcrs, Source};

pub use part::{part, Parting};

/// The PCRs that a launch resets.
pub const LAUNCH_PCRS: std::ops::RangeInclusive<u32> = 17..=22;

/// One PCR of one bank after all events of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The value; none if an event has no digest for the bank.
    pub value: Option<Vec<u8>>,
    /// Number of events.
    pub events: usize,
}

/// Replays one bank: the PCRs that have events, and what they hold after them.
pub fn replay(log: &Readable<'_>, alg: Alg) -> BTreeMap<u32, Replayed> {
    let mut pcrs = BTreeMap::new();
    for event in log.events() {
        if event.event_type == EV_NO_ACTION {
            continue;
        }
        let pcr = pcrs.entry(event.pcr).or_insert_with(|| Replayed {
            value: Some(vec![0; alg.size()]),
            events: 0,
        });
        pcr.events = pcr.events.saturating_add(1);
        let digest = event.digests.find(alg as u16);
        pcr.value = match (pcr.value.take(), digest) {
            (Some(value), Some(digest)) => Some(alg.extend(&value, digest)),
            _ => None,
        };
    }
    pcrs
}

/// How a PCR compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The TPM has what the log says.
    Equal,
    /// It has not; where they part.
    Differs(Parting),
    /// There is nothing to compare with, or nothing to compare.
    Unknown(&'static str),
}

/// One PCR of one bank, compared.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The bank, as TPM_ALG_ID.
    pub bank: u16,
    /// The PCR.
    pub pcr: u32,
    /// Number of events of the log.
    pub events: usize,
    /// What the log says.
    pub log: Option<Vec<u8>>,
    /// What the TPM has.
    pub tpm: Option<Vec<u8>>,
    /// The result.
    pub outcome: Outcome,
}

/// A whole log, compared.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// PCR by PCR.
    pub pcrs: Vec<Compared>,
    /// What makes the answer no apart from the PCRs.
    pub problems: Vec<String>,
    /// What does not, and is good to know.
    pub notes: Vec<String>,
}

impl Comparison {
    /// Whether nothing speaks against the log.
    pub fn good(&self) -> bool {
        self.problems.is_empty()
            && !self
                .pcrs
                .iter()
                .any(|pcr| matches!(pcr.outcome, Outcome::Differs(_)))
    }

    /// Whether something was compared at all.
    pub fn compared(&self) -> bool {
        self.pcrs
            .iter()
            .any(|pcr| !matches!(pcr.outcome, Outcome::Unknown(_)))
    }
}

/// Replays `log` in all banks and compares with `pcrs`, if there are any.
pub fn compare(
    log: &Readable<'_>,
    reference: Option<&Readable<'_>>,
    pcrs: Option<&Pcrs>,
) -> Comparison {
    let mut comparison = Comparison::default();
    comparison.problems.extend(log.problem());
    for id in log.banks() {
        let Some(alg) = bank::computable(id) else {
            let note = format!("bank {}: its algorithm is not known here", bank::name(id));
            comparison.notes.push(note);
            continue;
        };
        let mut replayed = replay(log, alg);
        for pcr in [17, 18] {
            // No event for a PCR is a statement about it too.
            replayed.entry(pcr).or_insert_with(|| Replayed {
                value: Some(vec![0; alg.size()]),
                events: 0,
            });
        }
        for (pcr, Replayed { value, events }) in replayed {
            let tpm = pcrs.and_then(|pcrs| pcrs.get(id, pcr)).map(<[u8]>::to_vec);
            let outcome = match (&value, &tpm) {
                (None, _) => Outcome::Unknown("an event has no digest for this bank"),
                (_, None) if pcrs.is_some() => Outcome::Unknown("no value to compare with"),
                (_, None) => Outcome::Unknown("not compared"),
                (Some(value), Some(tpm)) if value == tpm => Outcome::Equal,
                (Some(_), Some(tpm)) => Outcome::Differs(part(log, reference, alg, pcr, tpm)),
            };
            comparison.pcrs.push(Compared {
                bank: id,
                pcr,
                events,
                log: value,
                tpm,
                outcome,
            });
        }
    }
    if let Some(pcrs) = pcrs {
        others(log, pcrs, &mut comparison);
    }
    comparison
}

/// What the TPM has and the log does not speak of.
fn others(log: &Readable<'_>, pcrs: &Pcrs, comparison: &mut Comparison) {
    for id in pcrs.banks() {
        let name = bank::name(id);
        if !log.banks().any(|bank| bank == id) {
            // Nobody extended it, so whoever can, may have made up what it holds.
            let active = pcrs.bank(id).next().is_some();
            if active {
                comparison.problems.push(format!(
                    "bank {name} is active, and the log does not cover it"
                ));
            }
            continue;
        }
        for (pcr, value) in pcrs.bank(id) {
            let logged = comparison.pcrs.iter().any(|c| (c.bank, c.pcr) == (id, pcr));
            let blank = value.iter().all(|byte| *byte == 0);
            let unlaunched = value.iter().all(|byte| *byte == 0xff);
            if LAUNCH_PCRS.contains(&pcr) && !logged && !blank && !unlaunched {
                comparison.notes.push(format!(
                    "PCR {pcr} ({name}) was extended, and the log does not tell by what"
                ));
            }
        }
    }
}

/// Runs the command.
///
/// # Errors
///
/// Log or PCR values cannot be read.
pub fn run(
    args: &ReplayArgs,
    json: bool,
    root: &Root,
    paint: Paint,
    out: &mut dyn Write,
) -> Result<Answer> {
    let bytes = log::read(args.file.as_deref(), root)?;
    let log = Readable::new(&bytes)?;
    let reference = args
        .reference
        .as_deref()
        .map(|path| input::read(path, input::LOG))
        .transpose()?;
    let reference = reference.as_deref().map(Readable::new).transpose()?;
    let source = Source {
        file: args.pcrs.as_deref(),
        device: args.tpm.as_deref(),
    };
    // A log from elsewhere says nothing about this machine's TPM.
    let own = args.file.is_none() || args.pcrs.is_some() || args.tpm.is_some();
    let pcrs = if own { source.read(root)? } else { None };
    let comparison = compare(&log, reference.as_ref(), pcrs.as_ref());
    ensure!(
        pcrs.is_none() || comparison.compared() || !comparison.good(),
        "there is no PCR to compare: log and PCR values have no bank in common"
    );
    if json {
        report::json(&comparison, out)?;
    } else {
        report::text(&comparison, paint, out)?;
    }
    Ok(Answer::of(comparison.good()))
}
