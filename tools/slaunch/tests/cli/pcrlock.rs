// SPDX-License-Identifier: GPL-2.0

//! systemd-pcrlock on the same data: the log of a launch, the TPM that went through it, and our components.

use std::process::Command;

use launch_data::digest::Alg;
use launch_data::log::Log;
use serde_json::{json, Value};

use crate::common::answer;
use crate::lab::{lab, prediction, Lab};

/// The component of what goes into this PCR.
fn component(pcr: u32) -> &'static str {
    match pcr {
        17 => "830-slaunch-code",
        _ => "840-slaunch-config",
    }
}

/// Makes the components that are for the prediction in this file of the TPM's directory.
fn components(lab: &Lab, prediction: &str) {
    let out = lab.tpm.path("pcrlock.d");
    let _ = std::fs::remove_dir_all(&out);
    let prediction = lab.tpm.path(prediction);
    let args = [
        "policy",
        &prediction,
        "--format",
        "pcrlock",
        "--out",
        &out,
        "--name",
        "x",
    ];
    answer(0, &args);
}

/// What systemd-pcrlock prints, and what it says besides, of the TPM, its log and the components.
fn pcrlock(lab: &Lab, args: &[&str]) -> (String, String) {
    let program = std::env::var_os("SYSTEMD_PCRLOCK").expect(
        "SYSTEMD_PCRLOCK must name a systemd-pcrlock of version 255 or later: \"make pcrlock\" fetches one",
    );
    let output = Command::new(program)
        .args(["--no-pager", "--components", &lab.tpm.path("pcrlock.d")])
        .args(args)
        .env("SYSTEMD_TPM2_DEVICE", lab.tpm.tcti())
        .env("SYSTEMD_MEASURE_LOG_FIRMWARE", lab.tpm.path("log"))
        .env("SYSTEMD_MEASURE_LOG_USERSPACE", lab.tpm.path("none"))
        .output()
        .expect("systemd-pcrlock");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{args:?}: {err}");
    (out, err)
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn same_events() {
    let lab = lab();
    let log = Log::parse(&lab.log).unwrap();
    components(&lab, "good.json");
    // In the Canonical Event Log Format.
    let (events, _) = pcrlock(&lab, &["cel"]);
    let events = value(&events);
    let events = events.as_array().unwrap();
    assert_eq!(events.len(), log.events.len());
    for (theirs, ours) in events.iter().zip(&log.events) {
        assert_eq!(theirs["pcr"], ours.pcr);
        let content = &theirs["content"];
        assert_eq!(content["event_type"], ours.event_type.to_string());
        assert_eq!(content["event_data"], hex::encode(&ours.data));
        let digests = theirs["digests"].as_array().unwrap();
        assert_eq!(digests.len(), ours.digests.len());
        for (alg, digest) in &ours.digests {
            let wanted = json!({ "hashAlg": alg.name(), "digest": hex::encode(digest) });
            assert!(digests.contains(&wanted), "{theirs}");
        }
    }
}

/// It finds the component of each event, and the values that these events lead to.
#[test]
fn same_components() {
    let lab = lab();
    let log = Log::parse(&lab.log).unwrap();
    components(&lab, "good.json");
    let (found, _) = pcrlock(&lab, &["--json=short", "log"]);
    let found = value(&found);
    for (theirs, ours) in found["log"].as_array().unwrap().iter().zip(&log.events) {
        assert_eq!(theirs["component"], component(ours.pcr), "{theirs}");
    }
    for pcr in [17, 18] {
        let summary = &found["pcrs"][pcr as usize];
        assert_eq!(summary["pcr"], pcr);
        assert_eq!(summary["allEventsMatched"], true, "{summary}");
        for (alg, name) in [(Alg::Sha1, "SHA1"), (Alg::Sha256, "SHA256")] {
            let value = |what: &str| summary[&format!("{what}{name}")].as_str().unwrap();
            assert_eq!(
                value("observed"),
                hex::encode(log.replay(alg, pcr).unwrap())
            );
            // It begins with the value that is there without a launch: all bits set.
            let begin = vec![0xff; alg.size()];
            let events = log.events.iter().filter(|event| event.pcr == pcr);
            let end = events.fold(begin, |value, event| {
                let (_, digest) = event.digests.iter().find(|d| d.0 == alg).unwrap();
                alg.extend(&value, digest)
            });
            assert_eq!(value("calculated"), hex::encode(end));
        }
    }
}

/// The component of another launch is none of an event.
#[test]
fn other_components() {
    let lab = lab();
    let log = Log::parse(&lab.log).unwrap();
    let mut other = prediction(&log);
    let mut code = other.events.iter_mut().filter(|event| event.pcr == 17);
    let event = code.next().unwrap();
    event.digests.insert("sha256".into(), "11".repeat(32));
    other.pcrs = slaunch::predict::values(&[Alg::Sha1, Alg::Sha256], &other.events);
    let other = serde_json::to_vec(&other).unwrap();
    lab.tpm.file("other.json", &other);
    components(&lab, "other.json");
    let (found, _) = pcrlock(&lab, &["--json=short", "log"]);
    let found = value(&found);
    for event in found["log"].as_array().unwrap() {
        let wanted = match event["pcr"].as_u64() {
            Some(17) => Value::Null,
            _ => component(18).into(),
        };
        assert_eq!(event["component"], wanted);
    }
    for (pcr, matched) in [(17, false), (18, true)] {
        assert_eq!(found["pcrs"][pcr]["allEventsMatched"], matched);
    }
}

/// Nobody can bind anything to the PCRs of a launch by it, as our documentation says.
#[test]
fn leaves_them_out() {
    let lab = lab();
    components(&lab, "good.json");
    let (_, said) = pcrlock(&lab, &["--pcr=17", "--pcr=18", "predict"]);
    for pcr in [17, 18] {
        let words = format!("PCR {pcr} (n/a) value does not match event log. Removing from set");
        assert!(said.contains(&words), "{said}");
    }
}
