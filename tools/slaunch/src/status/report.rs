// SPDX-License-Identifier: GPL-2.0

//! The status as text and as JSON.

use std::io::Write;

use anyhow::Result;
use serde_json::{json, Map, Value};

use super::{Explained, Status};
use crate::bank;
use crate::out::{safe, Paint};
use crate::replay::LAUNCH_PCRS;

/// Width of the column of names.
const NAME: usize = 16;

fn line(out: &mut dyn Write, paint: Paint, name: &str, value: &str) -> Result<()> {
    let name = safe(name);
    writeln!(out, "{}  {}", paint.dim(format!("{name:NAME$}")), value)?;
    Ok(())
}

/// A value in the colour that it deserves.
fn coloured(paint: Paint, name: &str, value: &str) -> String {
    let text = safe(value);
    match (name, value) {
        ("launched", "yes") | ("log", "valid") | ("stage", "complete") | ("error", "none") => {
            paint.good(text)
        }
        ("launched" | "log" | "stage" | "error", _) => paint.bad(text),
        ("efi_services", "stopped") | ("reason", _) => paint.note(text),
        _ => text,
    }
}

/// Whether log and TPM agree, in a word.
fn agreement(status: &Status) -> &'static str {
    match &status.replay {
        None => "no log",
        Some(replay) if !replay.good() => "differs from the TPM",
        Some(replay) if replay.compared() => "equals the TPM",
        Some(_) => "not compared: the TPM cannot be read",
    }
}

/// Writes it for people.
pub(super) fn text(status: &Status, paint: Paint, out: &mut dyn Write) -> Result<()> {
    let facts = &status.facts;
    if facts.state.is_none() {
        line(out, paint, "launched", &paint.bad("unknown"))?;
    }
    for (name, value) in facts.state.iter().flatten() {
        line(out, paint, name, &coloured(paint, name, value))?;
    }
    if let (Some(size), Some(used)) = (number(status, "log_size"), number(status, "log_used")) {
        if let Some(percent) = used.saturating_mul(100).checked_div(size) {
            line(out, paint, "log_use", &format!("{percent} %"))?;
        }
    }
    if facts.launched() == Some(true) {
        line(out, paint, "replay", agreement(status))?;
        efi(status, paint, out)?;
    }
    let txt = match &status.txt {
        Ok(txt) => txt
            .as_ref()
            .map(|txt| format!("{:#010x} {}", txt.code, txt.meaning)),
        Err(why) => Some(format!("cannot be read: {}", safe(why))),
    };
    if let Some(txt) = txt {
        line(out, paint, "txt_errorcode", &txt)?;
    }
    if let Some(value) = &facts.requested {
        line(out, paint, "slaunch=", &safe(value))?;
    }
    pcrs(status, paint, out)?;
    for trouble in &status.troubles {
        writeln!(out, "\n{} {}", paint.bad("!"), safe(&trouble.what))?;
        if !trouble.advice.is_empty() {
            writeln!(out, "  {}", trouble.advice)?;
        }
    }
    Ok(())
}

fn number(status: &Status, name: &str) -> Option<u64> {
    status.facts.get(name)?.parse().ok()
}

fn efi(status: &Status, paint: Paint, out: &mut dyn Write) -> Result<()> {
    let facts = &status.facts;
    if let Some(mode) = &facts.mode {
        line(out, paint, "efi/mode", &safe(mode))?;
    }
    let called: Vec<_> = facts
        .calls
        .iter()
        .filter(|call| call.1 > 0 || call.2 > 0)
        .collect();
    for (name, calls, refused) in called {
        let refused = match refused {
            0 => String::new(),
            refused => format!(", {refused} refused"),
        };
        let text = format!("{} {calls}{refused}", safe(name));
        line(out, paint, "efi/calls", &text)?;
    }
    if let Some(count) = facts.violations {
        let text = match count {
            0 => paint.good("0"),
            count => paint.bad(count),
        };
        line(out, paint, "efi/violations", &text)?;
    }
    if let Some(last) = &facts.last {
        line(out, paint, "efi/last", &paint.bad(safe(last)))?;
    }
    if let Some(count) = facts.regions {
        line(out, paint, "efi/regions", &count.to_string())?;
    }
    Ok(())
}

/// What a value tells by itself.
fn remark(value: &[u8]) -> &'static str {
    if value.iter().all(|byte| *byte == 0xff) {
        "never reset: no launch"
    } else if value.iter().all(|byte| *byte == 0) {
        "nothing extended"
    } else {
        ""
    }
}

fn pcrs(status: &Status, paint: Paint, out: &mut dyn Write) -> Result<()> {
    let Some(pcrs) = &status.pcrs else {
        return Ok(());
    };
    let mut rows = Vec::new();
    for id in pcrs.banks() {
        let launch = pcrs.bank(id).filter(|(pcr, _)| LAUNCH_PCRS.contains(pcr));
        rows.extend(launch.map(|(pcr, value)| {
            let note = remark(value);
            let value = match note {
                "" => hex::encode(value),
                note => note.to_owned(),
            };
            vec![pcr.to_string(), bank::name(id).into_owned(), value]
        }));
    }
    if !rows.is_empty() {
        writeln!(out)?;
        out.write_all(paint.table(&["PCR", "BANK", "VALUE"], rows).as_bytes())?;
    }
    Ok(())
}

/// Writes it for programs.
pub(super) fn json(status: &Status, out: &mut dyn Write) -> Result<()> {
    let facts = &status.facts;
    let state: Map<String, Value> = facts
        .state
        .iter()
        .flatten()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    let mut pcrs = Map::new();
    if let Some(values) = &status.pcrs {
        for id in values.banks() {
            let launch = values.bank(id).filter(|(pcr, _)| LAUNCH_PCRS.contains(pcr));
            let bank: Map<_, _> = launch
                .map(|(pcr, value)| (pcr.to_string(), json!(hex::encode(value))))
                .collect();
            pcrs.insert(bank::name(id).into_owned(), bank.into());
        }
    }
    let calls: Map<_, _> = facts
        .calls
        .iter()
        .map(|(name, calls, refused)| (name.clone(), json!({ "calls": calls, "refused": refused })))
        .collect();
    let troubles: Vec<_> = status
        .troubles
        .iter()
        .map(|trouble| json!({ "what": trouble.what, "advice": trouble.advice }))
        .collect();
    let value = json!({
        "good": status.good(),
        "launched": facts.launched(),
        "requested": facts.requested,
        "state": state,
        "replay": agreement(status),
        "efi": {
            "mode": facts.mode,
            "calls": calls,
            "violations": facts.violations,
            "last": facts.last,
            "regions": facts.regions,
        },
        "txt_errorcode": match &status.txt {
            Ok(txt) => txt.as_ref().map(|txt| json!({ "code": txt.code, "meaning": txt.meaning })),
            Err(why) => Some(json!({ "unreadable": why })),
        },
        "pcrs": pcrs,
        "troubles": troubles,
    });
    writeln!(out, "{value:#}")?;
    Ok(())
}

/// Writes the explanation of a code.
pub(super) fn explained(
    explained: &Explained,
    json: bool,
    paint: Paint,
    out: &mut dyn Write,
) -> Result<()> {
    if json {
        let value = json!({
            "code": explained.code,
            "is_error": explained.is_error,
            "meaning": explained.meaning,
            "advice": explained.advice,
        });
        writeln!(out, "{value:#}")?;
        return Ok(());
    }
    writeln!(
        out,
        "{}: {}",
        paint.head(format!("{:#010x}", explained.code)),
        explained.meaning
    )?;
    if !explained.advice.is_empty() {
        writeln!(out, "{}", explained.advice)?;
    }
    Ok(())
}
