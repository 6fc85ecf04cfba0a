// SPDX-License-Identifier: GPL-2.0

//! A comparison as text and as JSON.

use std::io::Write;

use anyhow::Result;
use serde_json::{json, Map, Value};

use super::{Comparison, Outcome};
use crate::bank;
use crate::out::Paint;

/// Writes it for people.
pub(super) fn text(comparison: &Comparison, paint: Paint, out: &mut dyn Write) -> Result<()> {
    for pcr in &comparison.pcrs {
        let what = format!(
            "PCR {} ({}), {} events",
            pcr.pcr,
            bank::name(pcr.bank),
            pcr.events
        );
        let log = pcr.log.as_ref().map(hex::encode).unwrap_or_default();
        match &pcr.outcome {
            Outcome::Equal => {
                writeln!(
                    out,
                    "{}  {what}: the TPM has what the log says",
                    paint.good("ok     ")
                )?;
                writeln!(out, "           {log}")?;
            }
            Outcome::Unknown(why) => {
                writeln!(out, "{}  {what}: {why}", paint.note("?      "))?;
                if !log.is_empty() {
                    writeln!(out, "           {log}")?;
                }
            }
            Outcome::Differs(parting) => {
                let tpm = pcr.tpm.as_ref().map(hex::encode).unwrap_or_default();
                writeln!(out, "{}  {what}: {}", paint.bad("DIFFERS"), parting.what)?;
                writeln!(out, "      log  {log}\n      TPM  {tpm}")?;
            }
        }
    }
    for problem in &comparison.problems {
        writeln!(out, "{}  {problem}", paint.bad("FAILED "))?;
    }
    for note in &comparison.notes {
        writeln!(out, "{}  {note}", paint.note("note   "))?;
    }
    let verdict = match (comparison.good(), comparison.compared()) {
        (false, _) => paint.bad("the log is NOT that of the TPM's PCRs"),
        (true, true) => paint.good("the log is that of the TPM's PCRs"),
        (true, false) => paint.note("replayed, and compared with nothing"),
    };
    writeln!(out, "\nVerdict: {verdict}")?;
    Ok(())
}

/// Writes it for programs.
pub(super) fn json(comparison: &Comparison, out: &mut dyn Write) -> Result<()> {
    let mut banks = Map::new();
    for pcr in &comparison.pcrs {
        let bank = banks
            .entry(bank::name(pcr.bank))
            .or_insert_with(|| json!({}));
        let (result, parting) = match &pcr.outcome {
            Outcome::Equal => ("equal", Value::Null),
            Outcome::Unknown(why) => ("unknown", json!({ "what": why })),
            Outcome::Differs(parting) => (
                "differs",
                json!({ "event": parting.event, "what": parting.what }),
            ),
        };
        let value = json!({
            "events": pcr.events,
            "log": pcr.log.as_ref().map(hex::encode),
            "tpm": pcr.tpm.as_ref().map(hex::encode),
            "result": result,
            "parting": parting,
        });
        if let Some(bank) = bank.as_object_mut() {
            bank.insert(pcr.pcr.to_string(), value);
        }
    }
    let value = json!({
        "good": comparison.good(),
        "compared": comparison.compared(),
        "banks": banks,
        "problems": comparison.problems,
        "notes": comparison.notes,
    });
    writeln!(out, "{value:#}")?;
    Ok(())
}
