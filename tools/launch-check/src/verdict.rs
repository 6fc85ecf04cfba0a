// SPDX-License-Identifier: GPL-2.0

//! The verdict on a launch: does its log replay to the PCRs, and does it name
//! the very files that were booted?

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{ensure, Context, Result};
use slaunch_core::gate::Mode;

use crate::bzimage;
use crate::gate;
use crate::log::Log;

/// PCR values by bank and number, as the guest read them from its TPM.
pub type Pcrs = BTreeMap<String, BTreeMap<String, String>>;

/// The PCRs a launch extends.
pub const LAUNCH_PCRS: [u32; 2] = [17, 18];

/// Labels of the events whose digests follow from files alone.
pub const SLB: &str = "Measured SLB";
pub const KERNEL: &str = "Measured Kernel image";
pub const INITRD: &str = "Measured Kernel initrd";
pub const COMMAND_LINE: &str = "Measured Kernel command line";

/// One question and its answer.
pub struct Finding {
    pub what: String,
    pub problem: Option<String>,
}

/// All answers; good when none has a problem.
pub struct Verdict(pub Vec<Finding>);

impl Verdict {
    /// Whether every answer is good.
    pub fn good(&self) -> bool {
        self.0.iter().all(|finding| finding.problem.is_none())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { what, problem } in &self.0 {
            match problem {
                None => writeln!(f, "  ok      {what}")?,
                Some(problem) => writeln!(f, "  FAILED  {what}: {problem}")?,
            }
        }
        Ok(())
    }
}

/// The inputs of a launch, read from disk.
pub struct Inputs {
    pub kernel: Vec<u8>,
    pub initrd: Option<Vec<u8>>,
    pub cmdline: String,
    /// The mode of the EFI gate that the kernel was configured with.
    pub gate: Mode,
}

impl Inputs {
    /// The events that follow from the inputs alone: label and measured bytes.
    pub fn events(&self) -> Result<Vec<(&'static str, Vec<u8>)>> {
        let mut events = vec![
            (SLB, bzimage::slb(&self.kernel)?.to_vec()),
            (KERNEL, bzimage::image_as_loaded(&self.kernel)?),
            (COMMAND_LINE, self.cmdline.clone().into_bytes()),
        ];
        if let Some(initrd) = &self.initrd {
            events.push((INITRD, initrd.clone()));
        }
        Ok(events)
    }
}

/// Compares the replay of PCR 17 and 18 with the TPM, in every bank.
pub fn check_replay(log: &Log, pcrs: &Pcrs) -> Vec<Finding> {
    let mut findings = Vec::new();
    let answer = |what: String, result: Result<()>| Finding {
        what,
        problem: result.err().map(|e| format!("{e:#}")),
    };
    let banks = || -> Result<()> {
        let logged: Vec<_> = log.banks.iter().map(|alg| alg.name().to_owned()).collect();
        let active: Vec<_> = pcrs.keys().cloned().collect();
        let mut sorted = logged.clone();
        sorted.sort();
        ensure!(sorted == active, "log has {logged:?}, TPM has {active:?}");
        Ok(())
    };
    findings.push(answer("log covers every active bank".into(), banks()));
    for alg in &log.banks {
        for pcr in LAUNCH_PCRS {
            let check = || -> Result<()> {
                let replayed = hex::encode(log.replay(*alg, pcr)?);
                let value = pcrs
                    .get(alg.name())
                    .and_then(|bank| bank.get(&pcr.to_string()))
                    .context("the TPM gave no value")?;
                ensure!(*value == replayed, "log gives {replayed}, TPM has {value}");
                Ok(())
            };
            let what = format!("log replays to PCR {pcr} ({})", alg.name());
            findings.push(answer(what, check()));
        }
    }
    findings
}

/// Compares the digests in the log with digests computed from the files, and the settings of the EFI gate with
/// the command line.
pub fn check_inputs(log: &Log, inputs: &Inputs) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (label, bytes) in inputs.events()? {
        let check = || -> Result<()> {
            let event = log.only(label)?;
            for alg in &log.banks {
                let (computed, logged) = (alg.hash(&bytes), event.digest(*alg)?);
                ensure!(
                    computed == logged,
                    "{}: file gives {}, log has {}",
                    alg.name(),
                    hex::encode(&computed),
                    hex::encode(logged)
                );
            }
            Ok(())
        };
        findings.push(Finding {
            what: format!("\"{label}\" is the digest of the file, in every bank"),
            problem: check().err().map(|e| format!("{e:#}")),
        });
    }
    let expected = gate::expected(&inputs.cmdline, inputs.gate);
    let result = gate::check(log, &inputs.cmdline, inputs.gate);
    findings.push(Finding {
        what: format!("\"{expected}\" is what the command line says, in every bank"),
        problem: result.err().map(|e| format!("{e:#}")),
    });
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use tpm_core::{
        Banks, EventLog, HashAlg, HostHash, LogFormat, MultiHash, Pcr, EV_NO_ACTION, EV_SLAUNCH,
    };

    use super::*;
    use crate::digest::Alg;

    const EVENTS: [(u32, u32, &str); 4] = [
        (17, EV_SLAUNCH, SLB),
        (17, EV_SLAUNCH, KERNEL),
        (18, EV_NO_ACTION, "not extended"),
        (18, EV_SLAUNCH, COMMAND_LINE),
    ];

    /// A log of this format, as the launched kernel publishes it, and what it replays to.
    fn launch(format: LogFormat, algs: &[(HashAlg, Alg)]) -> (Vec<u8>, Pcrs) {
        let mut banks = Banks::new();
        for (alg, _) in algs {
            banks.push(*alg).expect("room");
        }
        let mut bytes = vec![0; 4096];
        let mut log = EventLog::format(&mut bytes, 0x1000, &banks, format).expect("room");
        let mut pcrs = Pcrs::new();
        for (pcr, event_type, label) in EVENTS {
            let digests = HostHash::new().digest(&banks, label.as_bytes());
            let index = Pcr::new(pcr).expect("exists");
            log.append(index, event_type, &digests, label.as_bytes())
                .expect("room");
            for (_, alg) in algs {
                let bank = pcrs.entry(alg.name().into()).or_default();
                let zero = hex::encode(vec![0; alg.size()]);
                let value = bank.entry(pcr.to_string()).or_insert(zero);
                if event_type != EV_NO_ACTION {
                    let old = hex::decode(&*value).expect("hex");
                    *value = hex::encode(alg.extend(&old, &alg.hash(label.as_bytes())));
                }
            }
        }
        let used = log.used();
        bytes.truncate(used);
        (bytes, pcrs)
    }

    fn problems(bytes: &[u8], pcrs: &Pcrs) -> Vec<String> {
        let log = Log::parse(bytes).expect("a log");
        check_replay(&log, pcrs)
            .into_iter()
            .filter(|finding| finding.problem.is_some())
            .map(|finding| finding.what)
            .collect()
    }

    #[test]
    fn logs_of_both_formats_replay() {
        let (sha1, sha256) = ((HashAlg::SHA1, Alg::Sha1), (HashAlg::SHA256, Alg::Sha256));
        for (format, algs) in [
            (LogFormat::Tpm12, &[sha1][..]),
            (LogFormat::Agile, &[sha1]),
            (LogFormat::Agile, &[sha1, sha256]),
        ] {
            let (bytes, pcrs) = launch(format, algs);
            let log = Log::parse(&bytes).expect("a log");
            assert_eq!(log.format, format);
            assert_eq!(log.banks.len(), algs.len());
            let labels: Vec<_> = log.events.iter().map(|event| event.label()).collect();
            assert_eq!(labels, EVENTS.map(|(_, _, label)| label));
            assert!(problems(&bytes, &pcrs).is_empty());
            let text = log.to_string();
            assert_eq!(text.lines().count(), 1 + EVENTS.len() * (1 + algs.len()));
        }
    }

    #[test]
    fn tpm12_log_that_is_not_of_the_launch() {
        let (bytes, pcrs) = launch(LogFormat::Tpm12, &[(HashAlg::SHA1, Alg::Sha1)]);
        // The digest of the first event.
        let mut changed = bytes.clone();
        changed[48 + 8] ^= 1;
        assert_eq!(problems(&changed, &pcrs), ["log replays to PCR 17 (sha1)"]);
        // A TPM with another bank.
        let mut more = pcrs.clone();
        more.insert("sha256".into(), BTreeMap::new());
        assert_eq!(problems(&bytes, &more), ["log covers every active bank"]);
        // An event cut off, and half of one.
        let last = 12 + 20 + COMMAND_LINE.len();
        let cut = &bytes[..bytes.len() - last];
        assert_eq!(problems(cut, &pcrs), ["log replays to PCR 18 (sha1)"]);
        assert!(Log::parse(&bytes[..bytes.len() - 1]).is_err());
        assert!(Log::parse(&bytes[..47]).is_err());
    }
}
