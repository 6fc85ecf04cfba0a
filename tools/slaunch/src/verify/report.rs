// SPDX-License-Identifier: GPL-2.0

//! A verdict as text and as JSON.

use std::io::Write;

use anyhow::Result;
use serde_json::{json, Value};

use super::{Ended, Verdict};
use crate::bank;
use crate::out::Paint;

/// Writes it for people.
pub(super) fn text(verdict: &Verdict, paint: Paint, out: &mut dyn Write) -> Result<()> {
    for check in &verdict.checks {
        let (mark, text) = match &check.ended {
            Ended::Passed(text) => (paint.good("ok     "), text),
            Ended::Failed(text) => (paint.bad("FAILED "), text),
            Ended::NotMade(text) => (paint.note("?      "), text),
        };
        writeln!(out, "{mark}  {:10}  {text}", check.name)?;
    }
    let words = match verdict.good() {
        true => paint.good("a launch that the policy accepts"),
        false => paint.bad("NOT a launch that the policy accepts"),
    };
    writeln!(out, "\nVerdict: {words}")?;
    Ok(())
}

/// Writes it for programs.
pub(super) fn json(verdict: &Verdict, out: &mut dyn Write) -> Result<()> {
    let checks: Vec<_> = verdict
        .checks
        .iter()
        .map(|check| {
            let (result, text) = match &check.ended {
                Ended::Passed(text) => ("passed", text),
                Ended::Failed(text) => ("failed", text),
                Ended::NotMade(text) => ("not made", text),
            };
            json!({ "check": check.name, "result": result, "text": text })
        })
        .collect();
    let failed: Vec<_> = verdict
        .checks
        .iter()
        .filter(|check| matches!(check.ended, Ended::Failed(_)))
        .map(|check| check.name)
        .collect();
    let quote = verdict.quote.as_ref().map_or(Value::Null, |quote| {
        let selections: Vec<_> = quote
            .selections
            .iter()
            .map(|s| json!({ "bank": bank::name(s.bank), "pcrs": s.pcrs }))
            .collect();
        json!({
            "nonce": hex::encode(&quote.nonce),
            "clock": quote.clock,
            "resets": quote.resets,
            "restarts": quote.restarts,
            "firmware": format!("{:#018x}", quote.firmware),
            "selections": selections,
        })
    });
    let value = json!({
        "good": verdict.good(),
        "matched": verdict.matched,
        "failed": failed,
        "checks": checks,
        "quote": quote,
    });
    writeln!(out, "{value:#}")?;
    Ok(())
}
