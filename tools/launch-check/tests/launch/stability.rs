// SPDX-License-Identifier: GPL-2.0

//! Values worth sealing to: the same configuration gives the same PCRs.

use std::collections::BTreeSet;

use drtm_vm::Config;
use launch_check::log::Log;

use crate::common::{config, Run};

fn launch(config: &Config) -> (Run, Log) {
    let run = Run::boot(config);
    let log = run.expect_launched();
    (run, log)
}

/// Where the kernel was in memory.
fn placement(run: &Run) -> u64 {
    let after = run.report.after_launch.as_ref().expect("launch report");
    after.dlme.expect("the launched kernel's place").base
}

#[test]
fn five_launches_give_the_same_values() {
    five_launches(&config());
}

/// The firmware too, where it is measured.
#[test]
fn five_launches_that_trust_the_firmware_give_the_same_values() {
    five_launches(&Config {
        append: format!("{} slaunch_efi=trust", crate::common::LAUNCH),
        ..config()
    });
}

fn five_launches(config: &Config) {
    let runs: Vec<_> = (0..5).map(|_| launch(config)).collect();
    for (run, log) in &runs[1..] {
        let (first, first_log) = &runs[0];
        assert_eq!(first_log.changed(log).unwrap(), Vec::<String>::new());
        for pcr in [17, 18] {
            assert_eq!(first.pcr("sha256", pcr), run.pcr("sha256", pcr));
        }
    }
    let places: BTreeSet<_> = runs.iter().map(|(run, _)| placement(run)).collect();
    assert!(
        places.len() > 1,
        "the kernel was at {places:x?} each time: physical placement did not vary"
    );
}

/// What matters of the machine changes PCR 18, and nothing else.
fn changes_only_configuration(changed: &Config) {
    let (before, _) = launch(&config());
    let (after, _) = launch(changed);
    assert_eq!(before.pcr("sha256", 17), after.pcr("sha256", 17));
    assert_ne!(before.pcr("sha256", 18), after.pcr("sha256", 18));
}

#[test]
fn memory_size_changes_configuration() {
    changes_only_configuration(&Config {
        memory_mib: 640,
        ..config()
    });
}

#[test]
fn another_command_line_changes_configuration() {
    changes_only_configuration(&Config {
        append: format!("{} quiet", crate::common::LAUNCH),
        ..config()
    });
}
