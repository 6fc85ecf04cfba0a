// SPDX-License-Identifier: GPL-2.0

//! What the log says about the gate around EFI runtime services, against what the command line asks for.

use anyhow::{ensure, Context, Result};
use slaunch_core::gate::{Gate, Mode};
use tpm_core::{EV_SLAUNCH, EV_SLAUNCH_END};

use crate::log::{Event, Log};

/// Labels of the events of firmware that is trusted: one for each range of runtime services.
pub const RUNTIME_CODE: &str = "Measured EFI runtime code";
pub const RUNTIME_DATA: &str = "Measured EFI runtime data";

/// The PCR of configuration.
const CONFIG: u32 = 18;

/// The event data that the command line leads to, with `default` where it does not say.
pub fn expected(cmdline: &str, default: Mode) -> String {
    let gate = Gate::from_cmdline(cmdline.as_bytes(), default);
    String::from_utf8_lossy(gate.text().as_bytes()).into_owned()
}

/// The event of the gate, and the events of runtime services right before it.
///
/// The event is found by its place: the policy of the launch table may add events with any label, but all
/// before it.
pub fn find(log: &Log) -> Result<(&Event, Vec<&Event>)> {
    let config: Vec<_> = log
        .events
        .iter()
        .filter(|event| event.pcr == CONFIG)
        .collect();
    let end = config
        .iter()
        .position(|event| event.event_type == EV_SLAUNCH_END)
        .context("PCR 18 has no end marker")?;
    let (gate, before) = config[..end]
        .split_last()
        .context("nothing before the end marker")?;
    ensure!(gate.event_type == EV_SLAUNCH, "not a measurement");
    let labels = [RUNTIME_CODE.as_bytes(), RUNTIME_DATA.as_bytes()];
    let ranges = before
        .iter()
        .rev()
        .take_while(|event| labels.contains(&&*event.data));
    let mut ranges: Vec<_> = ranges.copied().collect();
    ranges.reverse();
    Ok((gate, ranges))
}

/// Checks that the gate has the settings that the command line asks for, and that there are events of runtime
/// services just where the firmware is trusted.
pub fn check(log: &Log, cmdline: &str, default: Mode) -> Result<()> {
    let expected = expected(cmdline, default);
    let (gate, ranges) = find(log)?;
    ensure!(
        gate.data == expected.as_bytes(),
        "the log has \"{}\"",
        gate.label()
    );
    for alg in &log.banks {
        let logged = gate.digest(*alg)?;
        ensure!(
            logged == alg.hash(&gate.data),
            "{} digest is of something else",
            alg.name()
        );
    }
    let trusted = Gate::from_cmdline(cmdline.as_bytes(), default).mode == Mode::Trust;
    let code = ranges
        .iter()
        .any(|event| event.data == RUNTIME_CODE.as_bytes());
    ensure!(!trusted || code, "no runtime code was measured");
    ensure!(trusted || ranges.is_empty(), "runtime code was measured");
    Ok(())
}

#[cfg(test)]
mod tests {
    use tpm_core::LogFormat;

    use super::*;
    use crate::digest::Alg;

    fn event(event_type: u32, pcr: u32, label: &str) -> Event {
        Event {
            pcr,
            event_type,
            digests: vec![(Alg::Sha256, Alg::Sha256.hash(label.as_bytes()))],
            data: label.into(),
        }
    }

    /// A log with these measurements before the end markers, and some after.
    fn log(labels: &[&str]) -> Log {
        let mut events: Vec<_> = labels
            .iter()
            .map(|label| event(EV_SLAUNCH, CONFIG, label))
            .collect();
        events.push(event(EV_SLAUNCH_END, 17, "Secure Launch end"));
        events.push(event(EV_SLAUNCH_END, CONFIG, "Secure Launch end"));
        events.push(event(EV_SLAUNCH, CONFIG, "EFI gate: verify -> trust"));
        Log {
            format: LogFormat::Agile,
            banks: vec![Alg::Sha256],
            events,
        }
    }

    const VERIFY: &str = "EFI gate: verify,panic,full";
    const TRUST: &str = "EFI gate: trust,panic,full";

    #[test]
    fn what_the_command_line_asks_for() {
        let good = |labels: &[&str], cmdline| check(&log(labels), cmdline, Mode::Verify).is_ok();
        assert!(good(&["x", VERIFY], "quiet"));
        assert!(good(&["x", VERIFY], "slaunch_efi=trust slaunch_efi=verify"));
        assert!(good(
            &["x", "EFI gate: off,panic,full"],
            "slaunch_efi=of quiet"
        ));
        let isolate = "EFI gate: isolate,disable,smm=deny,svam=auto";
        assert!(good(&["x", isolate], "slaunch_efi=isolate,smm=deny"));
        assert!(!good(&["x", isolate], "slaunch_efi=isolate"));
        assert!(!good(&["x", VERIFY], "slaunch_efi=off"));
        assert!(!good(&["x", VERIFY], "slaunch_efi=verify,fast"));
        assert!(!good(&["x"], "quiet"));
        assert!(!good(&[], "quiet"));
    }

    #[test]
    fn firmware_is_measured_where_it_is_trusted() {
        let good = |labels: &[&str], cmdline| check(&log(labels), cmdline, Mode::Verify).is_ok();
        let trust = "slaunch_efi=trust";
        assert!(good(&["x", RUNTIME_DATA, RUNTIME_CODE, TRUST], trust));
        assert!(!good(&["x", TRUST], trust));
        assert!(!good(&["x", RUNTIME_DATA, TRUST], trust));
        assert!(!good(&["x", RUNTIME_CODE, VERIFY], "quiet"));
        let ranges = ["x", RUNTIME_DATA, RUNTIME_CODE, RUNTIME_DATA, TRUST];
        let log = log(&ranges);
        let (_, found) = find(&log).unwrap();
        let labels: Vec<_> = found.iter().map(|event| event.label()).collect();
        assert_eq!(labels, ranges[1..4]);
    }

    #[test]
    fn place_and_digest_count() {
        let check = |log: &Log| check(log, "quiet", Mode::Verify);
        // An entity that the policy adds, with a label like that of the gate.
        assert!(check(&log(&[VERIFY, "EFI gate: off,panic,full"])).is_err());
        assert!(check(&log(&["EFI gate: off,panic,full", VERIFY])).is_ok());
        let mut other = log(&[VERIFY]);
        other.events[0].digests[0].1[0] ^= 1;
        assert!(check(&other).is_err());
        let mut other = log(&[VERIFY]);
        other.events[0].pcr = 17;
        assert!(check(&other).is_err());
        let mut other = log(&[VERIFY]);
        other.events.truncate(2);
        assert!(check(&other).is_err());
    }
}
