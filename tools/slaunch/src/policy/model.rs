// SPDX-License-Identifier: GPL-2.0

//! A policy: what launches are accepted. `slaunch policy` writes it and `slaunch verify` goes by it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{bail, ensure, Context, Result};
use launch_data::digest::Alg;
use serde::{Deserialize, Serialize};

use crate::bank;
use crate::predict::{Prediction, Stage};

/// What the `format` of a policy is.
pub const FORMAT: &str = "slaunch-policy";
/// The version of the form.
pub const VERSION: u32 = 1;
/// Most events of a PCR in a policy.
pub const MOST_EVENTS: usize = 256;

/// What an event has to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pattern {
    /// The event data, as text. Compared where no digest is given, else only shown.
    pub text: String,
    /// The digest, by bank. None in any bank: it may be anything.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digests: BTreeMap<String, String>,
    /// There may be any number of these, none too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub any_number: bool,
}

/// A launch that is accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accept {
    /// A name, for people.
    pub name: String,
    /// PCR values, by bank.
    #[serde(default)]
    pub pcrs: BTreeMap<String, BTreeMap<u32, String>>,
    /// All events of a PCR, in order.
    #[serde(default)]
    pub events: BTreeMap<u32, Vec<Pattern>>,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// One of these has to be met.
    pub accept: Vec<Accept>,
}

/// The algorithm of a bank, and whether `digest` is one of it.
fn check(name: &str, digest: Option<&str>) -> Result<()> {
    let alg = bank::parse(name).map_err(|e| anyhow::anyhow!("bank {name:?} is not {e}"))?;
    if let Some(digest) = digest {
        let bytes = hex::decode(digest).ok();
        ensure!(
            bytes.is_some_and(|bytes| bytes.len() == alg.size()),
            "{digest:?} is no digest of {name}"
        );
    }
    Ok(())
}

impl Accept {
    fn check(&self) -> Result<()> {
        ensure!(!self.required().is_empty(), "it demands nothing of any PCR");
        for (name, pcrs) in &self.pcrs {
            check(name, None)?;
            for value in pcrs.values() {
                check(name, Some(value))?;
            }
        }
        for (pcr, patterns) in &self.events {
            ensure!(
                patterns.len() <= MOST_EVENTS,
                "PCR {pcr} has more than {MOST_EVENTS} events"
            );
            for pattern in patterns {
                for (name, digest) in &pattern.digests {
                    check(name, Some(digest))?;
                }
            }
        }
        ensure!(!self.banks().is_empty(), "it names no bank");
        Ok(())
    }

    /// The PCRs that it says something about.
    pub fn required(&self) -> BTreeSet<u32> {
        let of_banks = self.pcrs.values().flat_map(BTreeMap::keys);
        of_banks.chain(self.events.keys()).copied().collect()
    }

    /// The banks that it says something about.
    pub fn banks(&self) -> BTreeSet<Alg> {
        let patterns = self.events.values().flatten();
        let names = patterns.flat_map(|pattern| pattern.digests.keys());
        let names = names.chain(self.pcrs.keys());
        names.filter_map(|name| bank::parse(name).ok()).collect()
    }

    /// Leaves out what it says about other PCRs than these.
    pub fn keep(&mut self, pcrs: &[u32]) {
        for values in self.pcrs.values_mut() {
            values.retain(|pcr, _| pcrs.contains(pcr));
        }
        self.pcrs.retain(|_, values| !values.is_empty());
        self.events.retain(|pcr, _| pcrs.contains(pcr));
    }

    /// What a prediction says.
    ///
    /// # Errors
    ///
    /// It says nothing.
    pub fn from_prediction(prediction: &Prediction, name: &str, stage: Stage) -> Result<Self> {
        let mut accept = Self {
            name: name.into(),
            pcrs: BTreeMap::new(),
            events: BTreeMap::new(),
        };
        for (bank, pcrs) in &prediction.pcrs {
            for (pcr, values) in pcrs {
                let value = match stage {
                    Stage::Launch => &values.launch,
                    Stage::Running => &values.running,
                };
                if let Some(value) = value {
                    let bank = accept.pcrs.entry(bank.clone()).or_default();
                    bank.insert(*pcr, value.clone());
                }
            }
        }
        for event in prediction
            .events
            .iter()
            .filter(|event| event.stage <= stage)
        {
            accept.events.entry(event.pcr).or_default().push(Pattern {
                text: event.text.clone(),
                digests: event.digests.clone(),
                any_number: event.any_number,
            });
        }
        accept.check()?;
        Ok(accept)
    }
}

impl Policy {
    /// A policy that accepts these launches.
    pub fn new(accept: Vec<Accept>) -> Self {
        Self {
            format: FORMAT.into(),
            version: VERSION,
            accept,
        }
    }

    /// Reads a policy.
    ///
    /// # Errors
    ///
    /// It is none, or would accept anything.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let policy: Self =
            serde_json::from_slice(bytes).context("not a policy (slaunch policy)")?;
        ensure!(
            policy.format == FORMAT && policy.version == VERSION,
            "a policy of another form: {} {}",
            policy.format,
            policy.version
        );
        if policy.accept.is_empty() {
            bail!("the policy accepts no launch");
        }
        for accept in &policy.accept {
            accept
                .check()
                .with_context(|| format!("policy {:?}", accept.name))?;
        }
        Ok(policy)
    }
}
