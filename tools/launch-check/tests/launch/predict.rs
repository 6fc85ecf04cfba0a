// SPDX-License-Identifier: GPL-2.0

//! `slaunch predict`: what it says from the files and the log of another launch is what the model then measures.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use drtm_vm::{Bank, Config, Loader};
use launch_check::log::Log;
use serde_json::Value;

use crate::common::{built, config, initrd, kernel, Run, LAUNCH};
use crate::uki::uki;

/// What the boot loader of the model adds to the command line.
const ADDED: &str = " initrd=initrd";

/// What `slaunch predict` says.
fn predict(config: &Config, line: &str, gate: &str, log: Option<&Path>) -> Value {
    let mut command = Command::new(built("bin/slaunch"));
    command.args(["predict", "--json", "--efi-gate", gate]);
    // A unified kernel image tells initrd and command line itself.
    match &config.loader {
        Some(image) => command.arg("--kernel").arg(&image.program),
        None => command
            .args(["--cmdline", line, "--kernel"])
            .arg(&config.kernel)
            .arg("--initrd")
            .arg(config.initrd.as_ref().unwrap()),
    };
    if let Some(log) = log {
        command.arg("--log").arg(log);
    }
    let output = command.output().expect("slaunch");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    serde_json::from_slice(&output.stdout).expect("a prediction")
}

/// The log has the predicted events, and no other; so have the PCRs their values.
fn compare(prediction: &Value, run: &Run) {
    let log = run.expect_launched();
    let expected = prediction["events"].as_array().unwrap();
    let labels: Vec<_> = log.events.iter().map(|event| event.label()).collect();
    let texts: Vec<_> = expected
        .iter()
        .map(|event| event["text"].as_str().unwrap())
        .collect();
    assert_eq!(labels, texts);
    for alg in &log.banks {
        for (event, wanted) in log.events.iter().zip(expected) {
            let digest = hex::encode(event.digest(*alg).unwrap());
            assert_eq!(wanted["digests"][alg.name()], digest, "{}", event.label());
            assert_eq!(wanted["pcr"], event.pcr);
            assert_eq!(wanted["type"], event.event_type);
        }
        for pcr in [17, 18] {
            let value = &prediction["pcrs"][alg.name()][pcr.to_string()]["running"];
            assert_eq!(*value, run.pcr(alg.name(), pcr), "{} {pcr}", alg.name());
        }
    }
    // Without its last event: the value before the driver had the TPM.
    let (last, launch) = log.events.split_last().unwrap();
    assert_eq!(last.label(), "TPM handed over to its driver");
    let before = Log {
        events: launch.to_vec(),
        ..log.clone()
    };
    for alg in &log.banks {
        let value = &prediction["pcrs"][alg.name()]["18"]["launch"];
        assert_eq!(*value, hex::encode(before.replay(*alg, 18).unwrap()));
    }
}

/// Another initrd: the same with zeros behind the archive, which the kernel skips, and of odd length.
fn longer(dir: &Path) -> PathBuf {
    let mut bytes = std::fs::read(initrd()).unwrap();
    bytes.resize(bytes.len() + 4099, 0);
    let path = dir.join("initrd");
    std::fs::write(&path, bytes).unwrap();
    path
}

/// The walk-through of the documentation, on what a launch left: accepts that launch, and neither a machine
/// without one nor one with an event more.
fn walk_through(run: &Run, dir: &Path) {
    let launch = dir.join("launch");
    std::fs::create_dir(&launch).unwrap();
    for name in ["eventlog.bin", "cmdline.txt"] {
        std::fs::write(launch.join(name), run.must(name)).unwrap();
    }
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = free.local_addr().unwrap().port().min(u16::MAX - 1);
    drop(free);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/slaunch/attestation.sh");
    let programs = built("bin/slaunch").parent().unwrap().to_owned();
    let path = std::env::var("PATH").unwrap();
    let output = Command::new("bash")
        .arg(&script)
        .args([kernel(), initrd(), launch])
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("PORT", port.to_string())
        .output()
        .expect("bash");
    let text = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{error}");
    let verdicts: Vec<_> = text.lines().filter(|l| l.starts_with("Verdict")).collect();
    let no = "Verdict: NOT a launch that the policy accepts";
    let yes = "Verdict: a launch that the policy accepts";
    assert_eq!(verdicts, [no, yes, no], "{text}");
}

/// The machine of the tests below.
fn machine() -> Config {
    Config {
        banks: vec![Bank::Sha1, Bank::Sha256, Bank::Sha384],
        ..config()
    }
}

/// The one launch whose log says what the machine is like.
fn first() -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(|| {
        let run = Run::boot(&machine());
        run.expect_launched();
        run
    })
}

/// Predicts the launch of `config` before it happens, and lets it happen; `line` is what the kernel gets.
fn holds(config: &Config, line: &str, gate: &str, log: &Path) {
    let prediction = predict(config, line, gate, Some(log));
    let run = Run::boot(config);
    assert_eq!(run.text("cmdline.txt"), line);
    compare(&prediction, &run);
    // Code alone does not need the log.
    let alone = predict(config, line, gate, None);
    for bank in ["sha1", "sha256", "sha384", "sha512"] {
        let pcrs = &alone["pcrs"][bank];
        assert_eq!(pcrs["17"], prediction["pcrs"][bank]["17"]);
        assert!(pcrs["17"]["running"].is_string() && pcrs["18"]["running"].is_null());
    }
}

#[test]
fn equals_what_is_measured() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let run = first();
    std::fs::write(&log, run.must("eventlog.bin")).unwrap();
    walk_through(run, dir.path());

    let other = longer(dir.path());
    let (gzip, xz) = (built("kernel-gzip/bzImage"), built("kernel-xz/bzImage"));
    let quiet = format!("{LAUNCH} quiet slaunch_efi=verify,disable");
    for (kernel, gate, initrd, line) in [
        (kernel(), "isolate", &other, quiet.as_str()),
        (gzip.clone(), "off", &other, LAUNCH),
        (gzip, "off", &initrd(), quiet.as_str()),
        (xz, "verify", &initrd(), LAUNCH),
    ] {
        let config = Config {
            kernel,
            initrd: Some(initrd.clone()),
            append: line.into(),
            ..machine()
        };
        holds(&config, &format!("{line}{ADDED}"), gate, &log);
    }
    // The C drivers' kernel is one that cannot launch, and nothing is predicted of it.
    let mut command = Command::new(built("bin/slaunch"));
    command.args(["predict", "--cmdline", LAUNCH, "--kernel"]);
    let output = command.arg(built("kernel-c-tpm/bzImage")).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert!(error.contains("no loader block"), "{error}");
}

/// The boot stub of a unified kernel image starts the kernel within it, whose own stub launches.
#[test]
fn equals_what_is_measured_of_unified_images() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    std::fs::write(&log, first().must("eventlog.bin")).unwrap();
    let quiet = format!("{LAUNCH} quiet slaunch_efi=verify,disable");
    for (kernel, gate, initrd, line) in [
        (kernel(), "isolate", initrd(), quiet.as_str()),
        (
            built("kernel-xz/bzImage"),
            "verify",
            longer(dir.path()),
            LAUNCH,
        ),
    ] {
        let config = Config {
            loader: Some(Loader {
                program: uki(dir.path(), &kernel, &initrd, line),
                driver: None,
                options: String::new(),
            }),
            // On the disk, where nobody looks for it.
            kernel,
            ..machine()
        };
        holds(&config, line, gate, &log);
    }
}

/// Firmware that is trusted is measured: from a launch in which it was.
#[test]
fn firmware_that_is_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let append = format!("{LAUNCH} slaunch_efi=trust");
    let config = Config { append, ..config() };
    let run = Run::boot(&config);
    run.expect_launched();
    std::fs::write(&log, run.must("eventlog.bin")).unwrap();
    let line = format!("{}{ADDED}", config.append);
    compare(&predict(&config, &line, "isolate", Some(&log)), &run);
    // Where it is not trusted, what the log has of it is left out.
    let line = format!("{LAUNCH}{ADDED}");
    let prediction = predict(&config, &line, "isolate", Some(&log));
    assert_eq!(prediction["complete"], false, "no sha512 in the log");
    assert!(prediction["pcrs"]["sha256"]["18"]["running"].is_string());
    let events = prediction["events"].as_array().unwrap();
    assert!(events
        .iter()
        .all(|event| event["text"] != "Measured EFI runtime code"));
}
