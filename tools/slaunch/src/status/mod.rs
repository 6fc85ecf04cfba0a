// SPDX-License-Identifier: GPL-2.0

//! `slaunch status`: whether this machine was launched, and what to do if not.

mod codes;
mod facts;
mod report;
mod txt;

use std::fs;
use std::io::Write;

use anyhow::Result;

use crate::cli::StatusArgs;
use crate::exit::Answer;
use crate::input::{self, Root};
use crate::log::{self, Readable};
use crate::out::Paint;
use crate::replay::{compare, Comparison};
use crate::tpm::{Pcrs, Source};

pub use codes::{explain, reason_advice, tpm_response, Explained};
pub use facts::Facts;

/// Something that is not as it should be.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// What.
    pub what: String,
    /// What to do; may be empty.
    pub advice: String,
}

/// All that is known.
#[derive(Debug)]
pub struct Status {
    /// What the kernel says.
    pub facts: Facts,
    /// The PCRs, if they can be read.
    pub pcrs: Option<Pcrs>,
    /// The log replayed, if it can be read.
    pub replay: Option<Comparison>,
    /// What TXT.ERRORCODE has, where there is one; or why it cannot be read, which is no trouble: a kernel
    /// that is locked down lets nobody.
    pub txt: Result<Option<Explained>, String>,
    /// What is wrong.
    pub troubles: Vec<Trouble>,
}

impl Status {
    /// Finds out what there is to know.
    pub fn read(root: &Root) -> Self {
        let facts = Facts::read(root);
        let mut troubles = Vec::new();
        let pcrs = Source::default().read(root).unwrap_or_else(|error| {
            troubles.push(Trouble {
                what: format!("the PCRs cannot be read: {error:#}"),
                advice: "Only root may read the TPM's device.".into(),
            });
            None
        });
        let mut replay = None;
        if fs::metadata(root.path(log::PUBLISHED)).is_ok() {
            match input::read(&root.path(log::PUBLISHED), input::LOG) {
                Ok(bytes) => match Readable::new(&bytes) {
                    Ok(log) => replay = Some(compare(&log, None, pcrs.as_ref())),
                    Err(error) => troubles.push(Trouble {
                        what: format!("{error:#}"),
                        advice: "See what \"slaunch log\" still finds.".into(),
                    }),
                },
                Err(error) => troubles.push(Trouble {
                    what: format!("{error:#}"),
                    advice: "Only root may read the log.".into(),
                }),
            }
        }
        let mut status = Self {
            facts,
            pcrs,
            replay,
            txt: txt::errorcode(root)
                .map(|code| code.map(explain))
                .map_err(|error| format!("{error:#}")),
            troubles,
        };
        status.judge();
        status
    }

    fn trouble(&mut self, what: impl Into<String>, advice: impl Into<String>) {
        self.troubles.push(Trouble {
            what: what.into(),
            advice: advice.into(),
        });
    }

    /// Collects what is wrong.
    fn judge(&mut self) {
        match self.facts.launched() {
            None => self.trouble(
                "the kernel says nothing about launches",
                "It was built without CONFIG_SECURE_LAUNCH, or securityfs is not mounted (mount -t securityfs securityfs /sys/kernel/security).",
            ),
            Some(false) => {
                let reason = self.facts.get("reason").unwrap_or("unknown").to_owned();
                let advice = self.facts.reason().map_or("", reason_advice);
                self.trouble(format!("there was no launch: {reason}"), advice);
            }
            Some(true) => self.judge_launch(),
        }
        match self.txt.clone() {
            Ok(Some(txt)) if txt.is_error => self.trouble(
                format!("TXT.ERRORCODE {:#010x}: {}", txt.code, txt.meaning),
                txt.advice,
            ),
            _ => {}
        }
        for file in std::mem::take(&mut self.facts.unreadable) {
            self.trouble(format!("{file} cannot be read"), "Only root may read it.");
        }
    }

    fn judge_launch(&mut self) {
        if let Some([code, tpm, detail0, detail1]) = self.facts.error() {
            let explained = explain(u32::try_from(code).unwrap_or(0));
            self.trouble(
                format!(
                    "the launch reported {code:#x}: {} (details {detail0:#x}, {detail1:#x})",
                    explained.meaning
                ),
                explained.advice,
            );
            if tpm != 0 {
                let words = tpm_response(u32::try_from(tpm).unwrap_or(u32::MAX));
                self.trouble(format!("the TPM answered {tpm:#x}: {words}"), "");
            }
        }
        let stage = self.facts.get("stage").unwrap_or("unknown").to_owned();
        if stage != "complete" {
            self.trouble(
                format!("the launch came only to the stage \"{stage}\""),
                "The kernel did not measure everything: do not rely on this boot. The console output has the error.",
            );
        }
        match self.facts.get("log") {
            Some("valid") => {}
            log => {
                let what = format!("the event log is {}", log.unwrap_or("missing"));
                self.trouble(what, "Something wrote over it. The PCRs still hold what was measured, but nobody can tell what that was.");
            }
        }
        if self
            .facts
            .get("tpm_driver")
            .is_some_and(|text| text.starts_with("failed"))
        {
            self.trouble(
                "the TPM's driver did not take over",
                "The kernel log says why. Later events of the kernel are not on record.",
            );
        }
        if self.facts.violations.is_some_and(|count| count > 0) {
            let last = self
                .facts
                .last
                .clone()
                .unwrap_or_else(|| "only root may know which".into());
            self.trouble(
                format!("firmware violated the EFI gate: {last}"),
                "Update the firmware. Until then slaunch_efi=off keeps it from being called at all.",
            );
        }
        if let Some(replay) = self.replay.as_ref().filter(|replay| !replay.good()) {
            let _ = replay;
            self.trouble(
                "the event log is not that of the TPM's PCRs",
                "\"slaunch replay\" tells where they part.",
            );
        }
    }

    /// Launched, and nothing is wrong with it.
    pub fn good(&self) -> bool {
        self.facts.launched() == Some(true) && self.troubles.is_empty()
    }
}

/// A number, in hexadecimal with 0x.
pub fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Runs the command.
///
/// # Errors
///
/// The output cannot be written.
pub fn run(
    args: &StatusArgs,
    json: bool,
    root: &Root,
    paint: Paint,
    out: &mut dyn Write,
) -> Result<Answer> {
    if let Some(code) = args.explain {
        let explained = explain(code);
        report::explained(&explained, json, paint, out)?;
        return Ok(Answer::of(!explained.is_error));
    }
    let status = Status::read(root);
    if json {
        report::json(&status, out)?;
    } else {
        report::text(&status, paint, out)?;
    }
    Ok(Answer::of(status.good()))
}
