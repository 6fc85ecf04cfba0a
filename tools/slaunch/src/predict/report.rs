// SPDX-License-Identifier: GPL-2.0

//! A prediction as text.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Result;
use launch_data::digest::Alg;

use super::model::{Origin, Prediction, Values};
use crate::log::type_name;
use crate::out::{safe, Paint};

/// Writes it for people; with `explain`, how each digest and each value comes about.
pub(super) fn text(
    prediction: &Prediction,
    explain: bool,
    paint: Paint,
    out: &mut dyn Write,
) -> Result<()> {
    let banks = prediction.banks()?;
    let mut values: BTreeMap<(Alg, u32), Option<Vec<u8>>> = BTreeMap::new();
    for (number, event) in prediction.events.iter().enumerate() {
        let name = type_name(event.event_type).unwrap_or("?");
        let count = if event.any_number {
            "  (any number)"
        } else {
            ""
        };
        let head = format!(
            "{number:3}  PCR {}  {name:13}  {}",
            event.pcr,
            safe(&event.text)
        );
        writeln!(out, "{}{}", paint.head(head), paint.note(count))?;
        if explain {
            writeln!(out, "       digest of: {}", safe(&event.how))?;
        }
        for alg in &banks {
            let digest = event.digests.get(alg.name());
            match digest {
                Some(digest) => writeln!(out, "       {:6}  {digest}", alg.name())?,
                None => writeln!(out, "       {:6}  {}", alg.name(), paint.note("not known"))?,
            }
            let value = values
                .entry((*alg, event.pcr))
                .or_insert_with(|| Some(vec![0; alg.size()]));
            let digest = digest.and_then(|digest| hex::decode(digest).ok());
            *value = match (value.take(), digest, event.any_number) {
                (Some(value), Some(digest), false) => Some(alg.extend(&value, &digest)),
                _ => None,
            };
            if let (true, Some(value)) = (explain, value) {
                let value = hex::encode(value);
                writeln!(
                    out,
                    "       {}",
                    paint.dim(format!("     => PCR {} {value}", event.pcr))
                )?;
            }
        }
    }
    writeln!(out)?;
    for (bank, pcrs) in &prediction.pcrs {
        for (pcr, Values { launch, running }) in pcrs {
            let show = |value: &Option<String>| match value {
                Some(value) => paint.good(value),
                None => paint.note("not known"),
            };
            let what = format!("PCR {pcr}  {bank:6}");
            if launch == running {
                writeln!(out, "{what}  {}", show(running))?;
            } else {
                writeln!(out, "{what}  {}  after the launch", show(launch))?;
                writeln!(out, "{what}  {}  once the TPM has a driver", show(running))?;
            }
        }
    }
    for open in &prediction.open {
        writeln!(out, "{}  {}", paint.bad("open   "), safe(open))?;
    }
    for note in &prediction.notes {
        writeln!(out, "{}  {}", paint.note("note   "), safe(note))?;
    }
    let recorded = prediction
        .events
        .iter()
        .any(|event| event.origin == Origin::Recorded);
    if recorded {
        writeln!(
            out,
            "{}  what is \"as in the recorded launch\" holds for the same firmware, its settings, memory and devices",
            paint.note("note   ")
        )?;
    }
    if !prediction.complete && !recorded {
        writeln!(
            out,
            "{}  --log with the event log of another launch of the machine closes what depends on it",
            paint.note("note   ")
        )?;
    }
    Ok(())
}
