// SPDX-License-Identifier: GPL-2.0

//! A prediction: what `slaunch predict --json` writes and `slaunch policy` reads.

use std::collections::BTreeMap;

use anyhow::{ensure, Context, Result};
use launch_data::digest::Alg;
use serde::{Deserialize, Serialize};

use crate::bank;

/// What the `format` of a prediction is.
pub const FORMAT: &str = "slaunch-prediction";
/// The version of the form.
pub const VERSION: u32 = 1;

/// Where what is known of an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The file of the kernel.
    Kernel,
    /// The initrd.
    Initrd,
    /// The command line.
    CommandLine,
    /// It is the same for each launch.
    Constant,
    /// What the kernel's own EFI stub does.
    Stub,
    /// The log of another launch.
    Recorded,
    /// Nowhere: it is not known.
    Open,
}

/// When an event happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Before the kernel proper starts.
    Launch,
    /// When the TPM's driver has started.
    Running,
}

/// An event that there will be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The PCR.
    pub pcr: u32,
    /// The type.
    #[serde(rename = "type")]
    pub event_type: u32,
    /// The event data, as text.
    pub text: String,
    /// The digests that are known, by bank.
    pub digests: BTreeMap<String, String>,
    /// Where they come from.
    pub origin: Origin,
    /// There may be any number of these, none too.
    #[serde(default)]
    pub any_number: bool,
    /// When it happens.
    pub stage: Stage,
    /// How the digest comes about.
    pub how: String,
}

/// The value of a PCR at both stages, where it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Values {
    /// When the kernel proper starts.
    pub launch: Option<String>,
    /// When the TPM's driver has started: what user space sees.
    pub running: Option<String>,
}

/// Values by bank and PCR.
pub type Pcrs = BTreeMap<String, BTreeMap<u32, Values>>;

/// A prediction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prediction {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// The processor's vendor.
    pub vendor: String,
    /// Whether every value is known.
    pub complete: bool,
    /// The values of the PCRs.
    pub pcrs: Pcrs,
    /// The events, in order.
    pub events: Vec<Event>,
    /// What is not known, and why.
    pub open: Vec<String>,
    /// What else is good to know.
    pub notes: Vec<String>,
}

/// What a PCR holds after these events of it; none if something about them is not known.
fn value<'a>(alg: Alg, events: impl Iterator<Item = &'a Event>) -> Option<String> {
    let mut value = vec![0; alg.size()];
    for event in events {
        let digest = event.digests.get(alg.name())?;
        if event.any_number {
            return None;
        }
        let digest = hex::decode(digest).ok();
        let digest = digest.filter(|digest| digest.len() == alg.size())?;
        value = alg.extend(&value, &digest);
    }
    Some(hex::encode(value))
}

/// The values of all PCRs after `events`.
pub fn values(banks: &[Alg], events: &[Event]) -> Pcrs {
    let mut pcrs = Pcrs::new();
    let mut numbers = vec![17, 18];
    numbers.extend(events.iter().map(|event| event.pcr));
    for alg in banks {
        let bank = pcrs.entry(alg.name().into()).or_default();
        for pcr in &numbers {
            let own = || events.iter().filter(|event| event.pcr == *pcr);
            let launch = own().filter(|event| event.stage == Stage::Launch);
            bank.insert(
                *pcr,
                Values {
                    launch: value(*alg, launch),
                    running: value(*alg, own()),
                },
            );
        }
    }
    pcrs
}

impl Prediction {
    /// Reads what [`Prediction`] was written as, and computes the values from the events once more.
    ///
    /// # Errors
    ///
    /// It is something else, or its values are not those of its events.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let prediction: Self =
            serde_json::from_slice(bytes).context("not a prediction (slaunch predict --json)")?;
        ensure!(
            prediction.format == FORMAT && prediction.version == VERSION,
            "a prediction of another form: {} {}",
            prediction.format,
            prediction.version
        );
        let banks = prediction.banks()?;
        ensure!(!banks.is_empty(), "the prediction has no bank");
        ensure!(
            values(&banks, &prediction.events) == prediction.pcrs,
            "the PCR values of the prediction are not those of its events"
        );
        Ok(prediction)
    }

    /// The banks.
    ///
    /// # Errors
    ///
    /// One has a name that is not known.
    pub fn banks(&self) -> Result<Vec<Alg>> {
        let names = self.pcrs.keys();
        names
            .map(|name| bank::parse(name).map_err(|e| anyhow::anyhow!("bank {name:?}: not {e}")))
            .collect()
    }
}
