// SPDX-License-Identifier: GPL-2.0

//! Does a launch meet a policy?

use launch_data::digest::Alg;
use tpm_core::{Event, EV_NO_ACTION};

use super::attest::Quote;
use super::Values;
use crate::log::Readable;
use crate::out::safe;
use crate::policy::{Accept, Pattern};

/// Most events of a PCR that are compared one by one.
const MOST_EVENTS: usize = 4096;

/// What a launch shows of itself; all of it is bound by the quote.
pub(super) struct Shown<'a> {
    pub(super) quote: &'a Quote,
    pub(super) log: &'a Readable<'a>,
    pub(super) values: &'a Values<'a>,
}

/// The banks by which a launch can be judged: the quote has all PCRs that are needed.
pub(super) fn banks(accept: &Accept, quote: &Quote) -> Result<Vec<Alg>, String> {
    let required = accept.required();
    let mut banks = accept.banks();
    // Whoever can make two files with one SHA-1 must not choose the bank.
    if banks.len() > 1 {
        banks.remove(&Alg::Sha1);
    }
    let covered = |alg: &&Alg| quote.covers(**alg as u16, required.iter().copied());
    let found: Vec<_> = banks.iter().filter(covered).copied().collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let names: Vec<_> = banks.iter().map(|alg| alg.name()).collect();
    let pcrs: Vec<_> = required.iter().map(u32::to_string).collect();
    Err(format!(
        "{:?} needs PCR {} in a bank of {}, and the quote does not cover them",
        accept.name,
        pcrs.join(", "),
        names.join(", ")
    ))
}

/// Whether the launch is the accepted one; if not, why not.
pub(super) fn meets(accept: &Accept, banks: &[Alg], shown: &Shown<'_>) -> Result<(), String> {
    for alg in banks {
        for pcr in accept.required() {
            one(accept, *alg, pcr, shown)
                .map_err(|why| format!("PCR {pcr} ({}): {why}", alg.name()))?;
        }
    }
    Ok(())
}

/// One PCR of one bank.
fn one(accept: &Accept, alg: Alg, pcr: u32, shown: &Shown<'_>) -> Result<(), String> {
    let wanted = accept.pcrs.get(alg.name()).and_then(|pcrs| pcrs.get(&pcr));
    let patterns = accept.events.get(&pcr);
    let matched = patterns.map(|patterns| sequence(patterns, alg, pcr, shown.log));
    let Some(wanted) = wanted else {
        return matched
            .unwrap_or_else(|| Err("the policy says nothing about it in this bank".into()));
    };
    let value = shown.values.get(alg as u16, pcr).map(hex::encode)?;
    if !value.eq_ignore_ascii_case(wanted) {
        // The event says more than the value.
        if let Some(Err(why)) = matched {
            return Err(why);
        }
        return Err(format!("it is {value}, and the policy has {wanted}"));
    }
    matched.unwrap_or(Ok(()))
}

/// Whether an event is what it has to be.
fn fits(pattern: &Pattern, alg: Alg, event: &Event<'_>) -> bool {
    if pattern.digests.is_empty() {
        return pattern.text.as_bytes() == event.data;
    }
    let wanted = pattern.digests.get(alg.name());
    let wanted = wanted.and_then(|digest| hex::decode(digest).ok());
    wanted.is_some_and(|wanted| event.digests.find(alg as u16) == Some(&wanted))
}

/// Whether the events of a PCR are those of the policy, in order and no others.
///
/// Where there may be any number of events there are several ways to go on, which are all followed.
fn sequence(patterns: &[Pattern], alg: Alg, pcr: u32, log: &Readable<'_>) -> Result<(), String> {
    let all = log.events().enumerate();
    let own = all.filter(|(_, event)| event.pcr == pcr && event.event_type != EV_NO_ACTION);
    let mut places = vec![0];
    skip(patterns, &mut places);
    for (count, (number, event)) in own.enumerate() {
        if count >= MOST_EVENTS {
            return Err(format!("the log has more than {MOST_EVENTS} events of it"));
        }
        let mut next = Vec::new();
        for place in &places {
            let Some(pattern) = patterns.get(*place) else {
                continue;
            };
            if fits(pattern, alg, &event) {
                next.push(if pattern.any_number {
                    *place
                } else {
                    place.saturating_add(1)
                });
            }
        }
        if next.is_empty() {
            let expected = places
                .iter()
                .filter_map(|place| patterns.get(*place))
                .next_back();
            let label = safe(&String::from_utf8_lossy(event.data));
            return Err(match expected {
                Some(pattern) if pattern.text.as_bytes() == event.data => {
                    format!(
                        "event {number}, \"{label}\", has a digest that the policy does not accept"
                    )
                }
                Some(pattern) => format!(
                    "event {number} is \"{label}\", and the policy has \"{}\" there",
                    safe(&pattern.text)
                ),
                None => format!("event {number}, \"{label}\", is more than the policy has"),
            });
        }
        skip(patterns, &mut next);
        places = next;
    }
    if places.contains(&patterns.len()) {
        return Ok(());
    }
    let missing = places
        .iter()
        .filter_map(|place| patterns.get(*place))
        .next_back();
    let text = missing
        .map(|pattern| safe(&pattern.text))
        .unwrap_or_default();
    Err(format!("the log has no \"{text}\" at its end"))
}

/// Adds the places that are reached without an event, and sorts.
fn skip(patterns: &[Pattern], places: &mut Vec<usize>) {
    let mut at = 0;
    while let Some(place) = places.get(at).copied() {
        let next = place.saturating_add(1);
        if patterns.get(place).is_some_and(|p| p.any_number) && !places.contains(&next) {
            places.push(next);
        }
        at = at.saturating_add(1);
    }
    places.sort_unstable();
    places.dedup();
}
