// SPDX-License-Identifier: GPL-2.0

//! The files of the EFI gate, as the job `gatefiles.py` sees them in a launched kernel.

use drtm_vm::{Config, Outcome, TpmInterface};
use launch_check::log::Log;
use launch_check::verdict::{check_replay, Verdict};

use crate::common::{Run, LAUNCH};
use crate::machine::{cases, config, Ended, Kernel};

/// The cases with every kernel.
const COMMON: [&str; 10] = [
    "permissions",
    "at_first",
    "calls",
    "regions",
    "digests",
    "check",
    "handlers",
    "other_files",
    "garbage",
    "present_mode",
];

/// Boots with these words on the command line, and checks that exactly these cases passed after those that
/// are common, and that exactly these changes of the gate are on record.
fn job(words: &str, more: &[&str], changes: &[&str]) {
    let job = config(Kernel::Own, TpmInterface::Tis, "gatefiles.py");
    let run = Run::boot(&Config {
        append: format!("{LAUNCH} slaunch_efi=verify {words} {}", job.append),
        ..job
    });
    assert!(
        matches!(run.outcome, Outcome::PoweredOff),
        "{}\n{}",
        run.outcome.summary(),
        run.tail()
    );
    let text = run.text("job.txt");
    let wanted: Vec<_> = COMMON
        .iter()
        .chain(more)
        .map(|name| (String::from(*name), Ended::Ok))
        .collect();
    assert_eq!(cases(&run, "gatefiles.py"), wanted, "{text}");

    let log = Log::parse(run.must("eventlog.bin")).expect("event log");
    let verdict = Verdict(check_replay(&log, &run.pcrs()));
    assert!(verdict.good(), "{verdict}\n{log}");
    let found: Vec<_> = log
        .events
        .iter()
        .filter(|event| event.pcr == 18 && event.label().contains(" -> "))
        .map(|event| event.label())
        .collect();
    assert_eq!(found, changes, "{log}");
}

#[test]
fn changes_of_the_mode() {
    job(
        "",
        &[
            "without_capability",
            "as_another_user",
            "without_tpm",
            "to_trust",
            "never_back",
            "concurrent",
            "policy",
            "off",
            "off_for_good",
        ],
        &[
            "EFI gate: verify -> trust",
            "EFI gate: trust,panic,full -> trust,panic,fast",
            "EFI gate: trust,panic,fast -> trust,disable,fast",
            "EFI gate: trust -> off",
        ],
    );
}

#[test]
fn locked_down() {
    job(
        "lockdown=integrity",
        &["locked_down", "off", "off_for_good"],
        &["EFI gate: verify -> off"],
    );
}
