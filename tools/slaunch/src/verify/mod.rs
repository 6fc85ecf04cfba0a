// SPDX-License-Identifier: GPL-2.0

//! `slaunch verify`: is a quote one of an accepted launch?
//!
//! The chain: the key signed the quote; the quote has the nonce, and the digest of PCR values; the log replays
//! to these values; the events and values are those of the policy. Each link is a check with a name. What
//! comes from the machine that is judged (quote, signature, log, PCR values) may be anything: that it cannot
//! be read is an answer, not an error.

mod attest;
mod judge;
mod key;
mod report;
mod signature;

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::{Context, Result};
use launch_data::digest::Alg;
use tpm_core::{Event, EV_CAP_VALUE, EV_SLAUNCH_END, EV_SLAUNCH_START};

use crate::bank;
use crate::cli::VerifyArgs;
use crate::exit::Answer;
use crate::input;
use crate::log::Readable;
use crate::out::{safe, Paint};
use crate::policy::Policy;
use crate::replay::{part, replay, Replayed, LAUNCH_PCRS};
use crate::tpm::Pcrs;

pub use attest::{Quote, Selection};
pub use key::{Key, Public};
pub use signature::Signature;

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As it should; what was found.
    Passed(String),
    /// Not as it should; why.
    Failed(String),
    /// It was not made; why.
    NotMade(String),
}

/// A check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The name, for programs.
    pub name: &'static str,
    /// How it ended.
    pub ended: Ended,
}

/// The answer.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// All checks, in order.
    pub checks: Vec<Check>,
    /// The quote, if it could be read.
    pub quote: Option<Quote>,
    /// The name of the launch in the policy that this one is.
    pub matched: Option<String>,
}

impl Verdict {
    /// Whether it is a launch that the policy accepts.
    pub fn good(&self) -> bool {
        let failed = |check: &Check| matches!(check.ended, Ended::Failed(_));
        self.matched.is_some() && !self.checks.iter().any(failed)
    }

    fn check<T>(&mut self, name: &'static str, result: Result<(T, String), String>) -> Option<T> {
        let (value, ended) = match result {
            Ok((value, text)) => (Some(value), Ended::Passed(text)),
            Err(text) => (None, Ended::Failed(text)),
        };
        self.checks.push(Check { name, ended });
        value
    }

    fn not_made(&mut self, name: &'static str, why: &str) {
        let ended = Ended::NotMade(why.into());
        self.checks.push(Check { name, ended });
    }
}

/// What is judged, and by what.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// TPMS_ATTEST.
    pub quote: &'a [u8],
    /// TPMT_SIGNATURE.
    pub signature: &'a [u8],
    /// The event log.
    pub log: &'a [u8],
    /// PCR values, for PCRs that the log does not speak of.
    pub pcrs: Option<&'a [u8]>,
    /// The nonce that was asked with.
    pub nonce: Option<&'a [u8]>,
    /// The attestation key.
    pub key: &'a Key,
    /// What is accepted.
    pub policy: &'a Policy,
}

fn text(error: &anyhow::Error) -> String {
    safe(&format!("{error:#}"))
}

/// Judges.
pub fn verify(evidence: &Evidence<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    let key = match evidence.key.unfit {
        None => Ok(((), evidence.key.name())),
        Some(why) => Err(why.to_owned()),
    };
    verdict.check("key", key);
    let quote = Quote::parse(evidence.quote);
    let quote = quote.map(|quote| (quote, "of a TPM".to_owned()));
    let quote = verdict.check("quote", quote.map_err(|e| text(&e)));
    let signature = Signature::parse(evidence.signature).and_then(|signature| {
        signature.check(evidence.key, evidence.quote)?;
        let name = signature.name();
        Ok((signature, name))
    });
    let signature = verdict.check("signature", signature.map_err(|e| text(&e)));
    nonce(&mut verdict, quote.as_ref(), evidence.nonce);
    let log = Readable::new(evidence.log).and_then(|log| match log.problem() {
        Some(problem) => Err(anyhow::anyhow!(problem)),
        None => Ok((log, format!("{} events", log.count()))),
    });
    let log = verdict.check("log", log.map_err(|e| text(&e)));
    if let Some(log) = &log {
        verdict.check("launch", complete(log));
        verdict.check("event-data", data(log));
    }
    let pcrs = evidence.pcrs.map(Pcrs::parse).transpose();
    let pcrs = match pcrs {
        Ok(pcrs) => pcrs,
        Err(error) => {
            verdict.check::<()>("pcr-values", Err(text(&error)));
            None
        }
    };
    let (Some(quote), Some(log)) = (quote, log) else {
        verdict.not_made("pcr-digest", "it takes a quote and a log");
        verdict.not_made("policy", "it takes a quote and a log");
        return verdict;
    };
    let replayed = log
        .banks()
        .filter_map(bank::computable)
        .map(|alg| (alg, replay(&log, alg)));
    let values = Values {
        replayed: replayed.collect(),
        handed: pcrs.as_ref(),
    };
    let hash = signature.map(|signature| signature.hash);
    verdict.check("pcr-digest", digest(&quote, hash, &values, &log));
    let shown = judge::Shown {
        quote: &quote,
        log: &log,
        values: &values,
    };
    policy(&mut verdict, evidence.policy, &shown);
    verdict.quote = Some(quote);
    // Of what a machine claims without proof nothing is taken over.
    if !verdict.good() {
        verdict.matched = None;
    }
    verdict
}

fn nonce(verdict: &mut Verdict, quote: Option<&Quote>, wanted: Option<&[u8]>) {
    match (quote, wanted) {
        (None, _) => verdict.not_made("nonce", "the quote could not be read"),
        (Some(_), None) => verdict.not_made(
            "nonce",
            "no --nonce was given: nothing tells whether the quote is a new one",
        ),
        (Some(quote), Some(wanted)) => {
            let result = if quote.nonce == wanted {
                Ok(((), "the one that was asked with".to_owned()))
            } else {
                Err(format!(
                    "the quote has {}, and it was asked with {}",
                    hex::encode(&quote.nonce),
                    hex::encode(wanted)
                ))
            };
            verdict.check("nonce", result);
        }
    }
}

/// Whether the log is that of a launch that came to its end.
fn complete(log: &Readable<'_>) -> Result<((), String), String> {
    if let Some(cap) = log.events().find(|event| event.event_type == EV_CAP_VALUE) {
        return Err(format!(
            "it failed, and PCR {} was closed (event data {})",
            cap.pcr,
            hex::encode(cap.data.get(..16).unwrap_or(cap.data))
        ));
    }
    let marks = |pcr, event_type| {
        let mut events = log.events();
        events.any(|event| event.pcr == pcr && event.event_type == event_type)
    };
    if !marks(17, EV_SLAUNCH_START) || !marks(17, EV_SLAUNCH_END) || !marks(18, EV_SLAUNCH_END) {
        return Err("the log lacks the markers of a launch that came to its end".into());
    }
    Ok(((), "it came to its end".into()))
}

/// Events that are what their data says, by their type or their text.
fn says_itself(event: &Event<'_>) -> bool {
    matches!(event.event_type, EV_SLAUNCH_START | EV_SLAUNCH_END)
        || event.data.starts_with(b"EFI gate: ")
        || event.data == b"TPM handed over to its driver"
}

/// Whether the text of events that are read for their text is what was measured.
fn data(log: &Readable<'_>) -> Result<((), String), String> {
    let mut count = 0usize;
    for (number, event) in log.events().enumerate() {
        if !says_itself(&event) {
            continue;
        }
        count = count.saturating_add(1);
        for (id, digest) in event.digests.iter() {
            let alg = bank::computable(id);
            if alg.is_some_and(|alg| alg.hash(event.data) != digest) {
                return Err(format!(
                    "event {number} says \"{}\", and measured was something else ({})",
                    safe(&String::from_utf8_lossy(event.data)),
                    bank::name(id)
                ));
            }
        }
    }
    Ok(((), format!("{count} events are what they say")))
}

/// The values of PCRs: what the log gives, else what was handed in.
struct Values<'a> {
    replayed: BTreeMap<Alg, BTreeMap<u32, Replayed>>,
    handed: Option<&'a Pcrs>,
}

impl Values<'_> {
    /// The value of one PCR. By the same value the quote's digest and the policy are judged.
    fn get(&self, bank: u16, pcr: u32) -> Result<Vec<u8>, String> {
        let name = bank::name(bank);
        let logged = bank::computable(bank).and_then(|alg| Some((alg, self.replayed.get(&alg)?)));
        if let Some((alg, logged)) = logged {
            match logged.get(&pcr) {
                Some(Replayed {
                    value: Some(value), ..
                }) => return Ok(value.clone()),
                Some(_) => return Err(format!("an event of PCR {pcr} has no digest of {name}")),
                // Reset by the launch, and not extended.
                None if LAUNCH_PCRS.contains(&pcr) && self.handed.is_none() => {
                    return Ok(vec![0; alg.size()]);
                }
                None => (),
            }
        }
        let handed = self.handed.and_then(|pcrs| pcrs.get(bank, pcr));
        handed.map(<[u8]>::to_vec).ok_or_else(|| {
            format!("PCR {pcr} of bank {name} is needed, and neither the log nor --pcrs has it")
        })
    }
}

/// Whether the quote's digest is that of the replayed values.
fn digest(
    quote: &Quote,
    hash: Option<Alg>,
    values: &Values<'_>,
    log: &Readable<'_>,
) -> Result<((), String), String> {
    let mut all = Vec::new();
    for selection in &quote.selections {
        for pcr in &selection.pcrs {
            all.extend(values.get(selection.bank, *pcr)?);
        }
    }
    // By the hash of the signature; by the length where that could not be read.
    let alg = hash.or_else(|| {
        Alg::ALL
            .into_iter()
            .find(|alg| alg.size() == quote.digest.len())
    });
    let alg = alg.ok_or("the digest has an unknown length")?;
    if alg.hash(&all) == quote.digest {
        return Ok(((), "the PCRs are what the log replays to".into()));
    }
    let mut why = "the PCRs are not what the log replays to".to_owned();
    for (alg, logged) in &values.replayed {
        for (pcr, replayed) in logged {
            let handed = values.handed.and_then(|pcrs| pcrs.get(*alg as u16, *pcr));
            let Some(tpm) = handed else {
                continue;
            };
            if replayed.value.as_deref() != Some(tpm) {
                let parting = part(log, None, *alg, *pcr, tpm);
                why.push_str(&format!("; PCR {pcr} ({}): {}", alg.name(), parting.what));
            }
        }
    }
    Err(why)
}

/// Looks for an accepted launch.
fn policy(verdict: &mut Verdict, policy: &Policy, shown: &judge::Shown<'_>) {
    let mut uncovered = Vec::new();
    let mut reasons = Vec::new();
    let mut covered = false;
    for accept in &policy.accept {
        let banks = match judge::banks(accept, shown.quote) {
            Ok(banks) => banks,
            Err(why) => {
                uncovered.push(why);
                continue;
            }
        };
        covered = true;
        match judge::meets(accept, &banks, shown) {
            Ok(()) => {
                let names: Vec<_> = banks.iter().map(|alg| alg.name()).collect();
                verdict.matched = Some(accept.name.clone());
                let text = format!("PCRs that the policy needs, in bank {}", names.join(", "));
                verdict.check("selection", Ok(((), text)));
                let text = format!("the launch is {:?}", safe(&accept.name));
                verdict.check("policy", Ok(((), text)));
                return;
            }
            Err(why) => reasons.push(format!("{:?}: {why}", safe(&accept.name))),
        }
    }
    if !covered {
        verdict.check::<()>("selection", Err(uncovered.join("; ")));
        verdict.not_made("policy", "the quote does not cover what it needs");
        return;
    }
    verdict.check("selection", Ok(((), "PCRs that the policy needs".into())));
    verdict.check::<()>("policy", Err(reasons.join("; ")));
}

/// Runs the command.
///
/// # Errors
///
/// A file is not there, or key or policy, which are one's own, are not what they should be.
pub fn run(args: &VerifyArgs, json: bool, paint: Paint, out: &mut dyn Write) -> Result<Answer> {
    let read = |path| input::read(path, input::SMALL);
    let name = |path: &std::path::Path| path.display().to_string();
    let key = Key::parse(&read(&args.key)?).with_context(|| name(&args.key))?;
    let policy = Policy::parse(&read(&args.policy)?).with_context(|| name(&args.policy))?;
    let log = input::read(&args.log, input::LOG)?;
    let (quote, signature) = (read(&args.quote)?, read(&args.signature)?);
    let pcrs = args.pcrs.as_deref().map(read).transpose()?;
    let verdict = verify(&Evidence {
        quote: &quote,
        signature: &signature,
        log: &log,
        pcrs: pcrs.as_deref(),
        nonce: args.nonce.as_ref().map(|nonce| &*nonce.0),
        key: &key,
        policy: &policy,
    });
    if json {
        report::json(&verdict, out)?;
    } else {
        report::text(&verdict, paint, out)?;
    }
    Ok(Answer::of(verdict.good()))
}
