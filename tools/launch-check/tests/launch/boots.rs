// SPDX-License-Identifier: GPL-2.0

//! Launches and boots that must work, over machines of several shapes.

use std::process::Command;
use std::time::Duration;

use drtm_vm::{Bank, Config, Heard, Machine, TpmVersion};
use launch_check::log::Log;
use launch_check::verdict::{check_inputs, Inputs, Verdict};
use slaunch_core::gate::Mode;

use crate::common::{self, config, initrd, kernel, Run, Slot, LAUNCH, LIMIT};

/// Label of the event that the kernel records when the TPM has a driver.
const HANDED_OVER: &str = "TPM handed over to its driver";

/// How long to wait for what must not come.
const AFTER: Duration = Duration::from_secs(10);

/// The banks, in the spelling of tpm2_eventlog.
fn names(banks: &[Bank]) -> Vec<String> {
    banks
        .iter()
        .map(|b| format!("{b:?}").to_lowercase())
        .collect()
}

/// `tpm2_eventlog` reads the log without complaint and computes the PCRs that the TPM has.
///
/// Of the log of a TPM 1.2 it knows the records, not the header before them.
fn cross_check(run: &Run, config: &Config) {
    let header = match config.tpm_version {
        TpmVersion::V1_2 => 48,
        TpmVersion::V2_0 => 0,
    };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("eventlog.bin");
    std::fs::write(&file, &run.must("eventlog.bin")[header..]).unwrap();
    let output = Command::new("tpm2_eventlog")
        .arg(&file)
        .output()
        .expect("tpm2_eventlog: is tpm2-tools installed? make deps");
    let (text, complaints) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "tpm2_eventlog: {complaints}");
    assert!(complaints.trim().is_empty(), "tpm2_eventlog: {complaints}");
    // The computed values follow "pcrs:", by bank: "  sha256:" and "    17 : 0x...".
    let computed = text.split("\npcrs:").nth(1).expect("computed PCRs");
    for bank in names(&config.banks) {
        let block = computed
            .split(&format!("  {bank}:"))
            .nth(1)
            .unwrap_or_else(|| panic!("tpm2_eventlog knows no bank {bank}:\n{text}"));
        for pcr in [17, 18] {
            let value = block
                .lines()
                .find_map(|line| line.trim().strip_prefix(&format!("{pcr} ")))
                .and_then(|rest| rest.split("0x").nth(1))
                .unwrap_or_else(|| panic!("tpm2_eventlog computed no PCR {pcr}:\n{text}"));
            assert_eq!(
                value.to_lowercase(),
                run.pcr(&bank, pcr),
                "{bank} PCR {pcr}"
            );
        }
    }
}

/// A launch with all that is to be said about it.
fn good_launch(cpus: usize, memory_mib: u64, banks: &[Bank]) {
    launch_of(&Config {
        cpus,
        memory_mib,
        banks: banks.to_vec(),
        ..config()
    });
}

fn launch_of(config: &Config) {
    let cpus = config.cpus;
    let run = Run::boot(config);
    let log = run.expect_launched();
    let inputs = Inputs {
        kernel: std::fs::read(kernel()).unwrap(),
        initrd: Some(std::fs::read(initrd()).unwrap()),
        cmdline: run.text("cmdline.txt"),
        gate: Mode::Isolate,
    };
    assert!(inputs.cmdline.starts_with(LAUNCH), "{}", inputs.cmdline);
    let verdict = Verdict(check_inputs(&log, &inputs).unwrap());
    assert!(verdict.good(), "{verdict}");
    cross_check(&run, config);
    handed_over(&run, &log);

    let online = format!(
        "# cpus: present {0}, online {0}",
        match cpus {
            1 => "0".to_owned(),
            n => format!("0-{}", n - 1),
        }
    );
    assert!(run.console.contains(&online), "{}", run.tail());

    // Every processor has ended the launch state, the boot processor too.
    let after = run.report.after_launch.as_ref().expect("launch report");
    for cpu in 0..cpus {
        assert!(
            after.stgi.iter().any(|stgi| stgi.cpu == cpu),
            "CPU {cpu} executed no STGI: {:?}",
            after.stgi
        );
    }
}

/// The TPM's driver found the TPM as the launch left it, and the first event through it is the last one in
/// the log.
fn handed_over(run: &Run, log: &Log) {
    let state = run.text("state.txt");
    assert!(state.contains("\ntpm_driver: took over\n"), "{state}");
    let last = log.events.last().expect("an event");
    assert_eq!((last.pcr, last.label()), (18, HANDED_OVER.into()), "{log}");
}

#[test]
fn crb() {
    launch_of(&common::crb(&config()));
}

#[test]
fn crb_with_three_banks() {
    launch_of(&Config {
        banks: vec![Bank::Sha1, Bank::Sha256, Bank::Sha384],
        ..common::crb(&config())
    });
}

#[test]
fn tpm12() {
    launch_of(&common::tpm12(&config()));
}

#[test]
fn sha256_alone() {
    good_launch(2, 512, &[Bank::Sha256]);
}

#[test]
fn sha1_and_sha256_on_one_cpu() {
    good_launch(1, 512, &[Bank::Sha1, Bank::Sha256]);
}

#[test]
fn three_banks_on_four_cpus() {
    good_launch(4, 512, &[Bank::Sha256, Bank::Sha384, Bank::Sha512]);
}

#[test]
fn six_gib() {
    good_launch(2, 6144, &[Bank::Sha256]);
}

/// Without `slaunch=` nothing of the launch is there, and the TPM hears nothing of it.
#[test]
fn plain_boot_is_unchanged() {
    let config = Config {
        append: "console=ttyS0".into(),
        ..config()
    };
    let run = Run::boot(&config);
    run.expect_healthy();
    assert!(run.report.launch.is_none());
    assert!(run.file("eventlog.bin").is_none());
    let state = run.text("state.txt");
    assert!(state.contains("launched: no\n"), "{state}");
    assert_eq!(run.pcr("sha256", 17), "ff".repeat(32));
    assert!(!run.text("iomem.txt").to_lowercase().contains("slaunch"));
}

/// A processor without SKINIT: `on` says why and boots, `require` says why and does not.
#[test]
fn on_without_skinit_boots_and_says_why() {
    let config = Config {
        cpu: "max".into(),
        append: "console=ttyS0 slaunch=on".into(),
        ..config()
    };
    let run = Run::boot(&config);
    run.expect_healthy();
    assert!(run.report.launch.is_none());
    let state = run.text("state.txt");
    assert!(
        state.contains("launched: no\n") && state.to_uppercase().contains("SKINIT"),
        "{state}"
    );
    assert!(run.console.contains("slaunch:"), "{}", run.tail());
}

#[test]
fn require_without_skinit_refuses() {
    let config = Config {
        cpu: "max".into(),
        append: "console=ttyS0 slaunch=require".into(),
        ..config()
    };
    let _slot = Slot::take();
    let mut machine = Machine::start(&config).expect("starting the machine");
    let mut from = 0;
    match machine.wait_line(&mut from, "slaunch:", LIMIT) {
        Heard::Line(reason) => assert!(reason.contains("SKINIT"), "{reason}"),
        Heard::Ended(outcome) => panic!("{}\n{}", outcome.summary(), machine.console()),
    }
    // A kernel that goes on has its first line soon after the stub's last.
    if let Heard::Line(line) = machine.wait_line(&mut from, "Linux version", AFTER) {
        panic!("the kernel was started: {line}");
    }
}

#[test]
fn on_without_tpm_boots_and_says_why() {
    let config = Config {
        tpm: false,
        append: "console=ttyS0 slaunch=on".into(),
        ..config()
    };
    let run = Run::boot(&config);
    assert!(run.console.contains("Linux version"), "{}", run.tail());
    let state = run.text("state.txt");
    assert!(
        state.contains("launched: no\n") && state.contains("TPM"),
        "{state}"
    );
}

/// The unit tests inside the kernel, run at boot.
#[test]
fn unit_tests_in_the_kernel() {
    let config = Config {
        append: "console=ttyS0 kunit.enable=1 kunit.filter_glob=rust_*".into(),
        ..config()
    };
    let run = Run::boot(&config);
    for suite in [
        "rust_kernel_securityfs",
        "rust_kernel_tpm",
        "rust_slaunch_isolate",
        "rust_tpm_core",
    ] {
        let passed = |line: &str| line.contains("] ok ") && line.trim_end().ends_with(suite);
        assert!(run.console.lines().any(passed), "{suite}:\n{}", run.tail());
    }
    assert!(!run.console.contains("not ok "), "{}", run.tail());
}
