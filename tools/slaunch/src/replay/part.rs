// SPDX-License-Identifier: GPL-2.0

//! Where a log and a PCR part.
//!
//! A PCR holds one value for all events, so this cannot be read off. What can be done is to try what
//! usually happened: the log has more events than the TPM, or less; one event is missing or was changed;
//! two changed places. The first that gives the TPM's value is the answer. Whoever made up both can make
//! any answer come out, but not equality.

use launch_data::digest::Alg;
use tpm_core::{EV_CAP_VALUE, EV_NO_ACTION};

use crate::log::Readable;
use crate::out::{is_text, safe};

/// Most events for which all pairs are tried.
const MOST: usize = 1000;

/// What is extended without being in every log: events of the running kernel, and the cap.
const LATER: [&str; 5] = [
    "TPM handed over to its driver",
    "EFI gate: verify -> trust",
    "EFI gate: verify -> off",
    "EFI gate: trust -> off",
    "EFI gate: verify,panic,full -> verify,disable,full",
];

/// Where log and TPM part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parting {
    /// The number of the event in the log, if it can be known.
    pub event: Option<usize>,
    /// In words.
    pub what: String,
}

impl Parting {
    fn at(event: &Entry, what: impl std::fmt::Display) -> Self {
        let what = format!("event {} ({}) {what}", event.number, event.label);
        Self {
            event: Some(event.number),
            what,
        }
    }

    fn unknown(what: impl Into<String>) -> Self {
        Self {
            event: None,
            what: what.into(),
        }
    }
}

/// An event of the PCR.
struct Entry {
    number: usize,
    label: String,
    digest: Vec<u8>,
    /// The digest of the event's data.
    of_data: Vec<u8>,
}

/// The events of one PCR; none if one has no digest.
fn entries(log: &Readable<'_>, alg: Alg, pcr: u32) -> Option<Vec<Entry>> {
    let all = log.events().enumerate();
    let own = all.filter(|(_, event)| event.pcr == pcr && event.event_type != EV_NO_ACTION);
    own.map(|(number, event)| {
        let label = match is_text(event.data) && event.data.len() <= 200 {
            true => format!("\"{}\"", safe(&String::from_utf8_lossy(event.data))),
            false if event.event_type == EV_CAP_VALUE => "the cap".into(),
            false => format!("of type {:#x}", event.event_type),
        };
        Some(Entry {
            number,
            label,
            digest: event.digests.find(alg as u16)?.to_vec(),
            of_data: alg.hash(event.data),
        })
    })
    .collect()
}

/// Extends a PCR by several digests.
fn extend<'a>(alg: Alg, from: &[u8], digests: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let extended = digests.into_iter();
    extended.fold(from.to_vec(), |value, digest| alg.extend(&value, digest))
}

/// Where the log and `tpm`, which is not what it replays to, part.
pub fn part(
    log: &Readable<'_>,
    reference: Option<&Readable<'_>>,
    alg: Alg,
    pcr: u32,
    tpm: &[u8],
) -> Parting {
    if tpm.iter().all(|byte| *byte == 0xff) {
        return Parting::unknown(
            "the TPM's PCR was never reset: there was no launch since its start",
        );
    }
    let Some(events) = entries(log, alg, pcr) else {
        return Parting::unknown("an event of the log has no digest for this bank");
    };
    let mut prefixes = vec![vec![0; alg.size()]];
    for event in &events {
        let last = prefixes.last().map_or(&[][..], |value| value);
        prefixes.push(alg.extend(last, &event.digest));
    }
    prefix(&events, &prefixes, tpm)
        .or_else(|| longer(alg, &prefixes, tpm))
        .or_else(|| differs_from(reference?, &events, alg, pcr, tpm))
        .or_else(|| single(alg, &events, &prefixes, tpm))
        .unwrap_or_else(|| {
            Parting::unknown("at which event cannot be known from the values alone; --reference with the log of a good launch may tell")
        })
}

/// The TPM has only the first events.
fn prefix(events: &[Entry], prefixes: &[Vec<u8>], tpm: &[u8]) -> Option<Parting> {
    let count = prefixes.iter().position(|value| value == tpm)?;
    let event = events.get(count)?;
    Some(Parting::at(
        event,
        match count {
            0 => "is not in the TPM, nor is any after it".to_owned(),
            _ => format!("is not in the TPM, nor is any after it; the {count} before it are"),
        },
    ))
}

/// The TPM has all events and one more.
fn longer(alg: Alg, prefixes: &[Vec<u8>], tpm: &[u8]) -> Option<Parting> {
    let last = prefixes.last()?;
    let later = LATER
        .iter()
        .find(|text| alg.extend(last, &alg.hash(text.as_bytes())) == tpm)?;
    Some(Parting::unknown(format!(
        "the TPM has all events of the log, and \"{later}\" after them"
    )))
}

/// The log of a launch that the TPM has tells what should be there.
fn differs_from(
    reference: &Readable<'_>,
    events: &[Entry],
    alg: Alg,
    pcr: u32,
    tpm: &[u8],
) -> Option<Parting> {
    let good = entries(reference, alg, pcr)?;
    let zero = vec![0; alg.size()];
    if extend(alg, &zero, good.iter().map(|event| &*event.digest)) != tpm {
        return None;
    }
    let same = events
        .iter()
        .zip(&good)
        .take_while(|(a, b)| a.digest == b.digest)
        .count();
    Some(match (events.get(same), good.get(same)) {
        (Some(event), Some(good)) => Parting::at(
            event,
            format!(
                "is the first that differs from the reference, which has {} there",
                good.label
            ),
        ),
        (Some(event), None) => Parting::at(event, "is behind the last of the reference"),
        (None, Some(good)) => Parting::unknown(format!(
            "the log ends where the reference has {}",
            good.label
        )),
        (None, None) => return None,
    })
}

/// One event is missing, doubled, changed, or has changed places with the next.
fn single(alg: Alg, events: &[Entry], prefixes: &[Vec<u8>], tpm: &[u8]) -> Option<Parting> {
    if events.len() > MOST {
        return None;
    }
    for ((at, event), before) in events.iter().enumerate().zip(prefixes) {
        let rest = events.get(at.saturating_add(1)..).unwrap_or(&[]);
        let digests = || rest.iter().map(|event| &*event.digest);
        if extend(alg, before, digests()) == tpm {
            return Some(Parting::at(event, "is not in the TPM; all others are"));
        }
        if event.digest != event.of_data
            && extend(
                alg,
                before,
                std::iter::once(&*event.of_data).chain(digests()),
            ) == tpm
        {
            return Some(Parting::at(
                event,
                "has another digest in the log than in the TPM, which has that of its data",
            ));
        }
        let twice = [&*event.digest; 2];
        if extend(alg, before, twice.into_iter().chain(digests())) == tpm {
            return Some(Parting::at(event, "is in the TPM twice"));
        }
        if let Some((next, rest)) = rest.split_first() {
            let swapped = [&*next.digest, &*event.digest];
            let digests = rest.iter().map(|event| &*event.digest);
            if extend(alg, before, swapped.into_iter().chain(digests)) == tpm {
                return Some(Parting::at(
                    event,
                    format!("comes after event {} in the TPM", next.number),
                ));
            }
        }
    }
    None
}
