// SPDX-License-Identifier: GPL-2.0

//! `slaunch replay`.

use std::fs;

use serde_json::{json, Value};
use slaunch::log::Readable;
use slaunch::replay::replay;
use tpm_core::{Banks, EventLog, HostHash, LogFormat, LogReader, MultiHash, Pcr, EV_SLAUNCH};

use crate::common::{answer, bytes, data, golden, json, slaunch, temporary, LAUNCHES};
use crate::swtpm::{listening, Swtpm};

fn file(launch: &str, name: &str) -> String {
    data(launch).join(name).to_str().unwrap().to_owned()
}

/// PCR values in the form of tpm2_pcrread.
fn pcrread(pcrs: &Value) -> String {
    let mut text = String::new();
    for (bank, values) in pcrs.as_object().unwrap() {
        text += &format!("  {bank}:\n");
        for (pcr, value) in values.as_object().unwrap() {
            let value = value.as_str().unwrap().to_uppercase();
            text += &format!("    {pcr:2}: 0x{value}\n");
        }
    }
    text
}

#[test]
fn recorded_launches() {
    for launch in LAUNCHES {
        let (log, pcrs) = (file(launch, "eventlog.bin"), file(launch, "pcrs.json"));
        let text = answer(0, &["replay", &log, "--pcrs", &pcrs]);
        golden(&format!("{launch}.replay"), &text);
        let value = json(0, &["replay", &log, "--pcrs", &pcrs]);
        assert_eq!(value["good"], true);
        let values: Value = serde_json::from_slice(&fs::read(&pcrs).unwrap()).unwrap();
        for (bank, pcrs) in value["banks"].as_object().unwrap() {
            for pcr in ["17", "18"] {
                assert_eq!(pcrs[pcr]["log"], values[bank][pcr]);
                assert_eq!(pcrs[pcr]["result"], "equal");
            }
        }
        let (_dir, yaml) = temporary(pcrread(&values).as_bytes());
        assert_eq!(answer(0, &["replay", &log, "--pcrs", &yaml]), text);
        // With nothing to compare with.
        let alone = json(0, &["replay", &log]);
        assert_eq!(
            (&alone["good"], &alone["compared"]),
            (&json!(true), &json!(false))
        );
    }
}

#[test]
fn banks_in_common() {
    let log = file("tis-2.0", "eventlog.bin");
    let mut pcrs: Value = serde_json::from_slice(&bytes("tis-2.0/pcrs.json")).unwrap();
    // Values of one bank will do.
    pcrs.as_object_mut()
        .unwrap()
        .retain(|bank, _| bank == "sha384");
    let (_dir, path) = temporary(pcrs.to_string().as_bytes());
    let value = json(0, &["replay", &log, "--pcrs", &path]);
    assert_eq!(value["banks"]["sha384"]["17"]["result"], "equal");
    assert_eq!(value["banks"]["sha1"]["17"]["result"], "unknown");
    // A bank that the TPM has and the log has not.
    let pcrs = file("tis-2.0", "pcrs.json");
    let log = file("crb-2.0", "eventlog.bin");
    let value = json(1, &["replay", &log, "--pcrs", &pcrs]);
    assert!(
        value["problems"][0].as_str().unwrap().contains("sha1"),
        "{value}"
    );
    // None in common, and no TPM that could be asked.
    let said = slaunch(&[
        "replay",
        &file("tis-1.2", "eventlog.bin"),
        "--pcrs",
        "/nonexistent",
    ]);
    assert_eq!(said.code, 3);
}

/// The log with its events rearranged: numbers of the recorded ones, in the order to be had.
fn rearranged(order: &[usize], more: &[(u32, &str)]) -> Vec<u8> {
    let recorded = bytes("crb-2.0/eventlog.bin");
    let reader = LogReader::whole(&recorded).unwrap();
    let events: Vec<_> = reader.events().map(Result::unwrap).collect();
    let mut buffer = vec![0; 8192];
    let banks: &Banks = reader.banks();
    let mut log = EventLog::format(&mut buffer, 0, banks, LogFormat::Agile).unwrap();
    for number in order {
        let event = &events[*number];
        let mut digests = HostHash::new().digest(banks, b"");
        for (id, value) in event.digests.iter() {
            digests.set(banks.find(id).unwrap(), value);
        }
        let pcr = Pcr::new(event.pcr).unwrap();
        log.append(pcr, event.event_type, &digests, event.data)
            .unwrap();
    }
    for (pcr, text) in more {
        let digests = HostHash::new().digest(banks, text.as_bytes());
        let pcr = Pcr::new(*pcr).unwrap();
        log.append(pcr, EV_SLAUNCH, &digests, text.as_bytes())
            .unwrap();
    }
    let used = log.used();
    buffer.truncate(used);
    buffer
}

/// Where this log and the PCRs of the recorded launch part: event, and words.
fn parting(log: &[u8], pcr: &str, more: &[&str]) -> (Option<u64>, String) {
    let (_dir, path) = temporary(log);
    let pcrs = file("crb-2.0", "pcrs.json");
    let args = [&["replay", &path, "--pcrs", &pcrs][..], more].concat();
    let value = json(1, &args);
    assert_eq!(value["good"], false);
    let pcr = &value["banks"]["sha256"][pcr];
    assert_eq!(pcr["result"], "differs", "{value}");
    let parting = &pcr["parting"];
    (
        parting["event"].as_u64(),
        parting["what"].as_str().unwrap().to_owned(),
    )
}

#[test]
fn where_they_part() {
    let all: Vec<usize> = (0..12).collect();
    let at = |order: &[usize], pcr: &str| parting(&rearranged(order, &[]), pcr, &[]);
    let check = |(event, text): (Option<u64>, String), wanted: Option<u64>, words: &str| {
        assert_eq!(event, wanted, "{text}");
        assert!(text.contains(words), "{text}");
    };

    // More in the log than in the TPM: at the end, and in the middle.
    let more = rearranged(&all, &[(18, "EFI gate: verify -> trust")]);
    check(
        parting(&more, "18", &[]),
        Some(12),
        "not in the TPM, nor is any after it; the 7 before it are",
    );
    let mut doubled = all.clone();
    doubled.insert(6, 5);
    check(at(&doubled, "18"), Some(5), "is not in the TPM");
    // Less: the log is from before the last event.
    check(
        at(&all[..11], "18"),
        None,
        "\"TPM handed over to its driver\" after them",
    );
    // Two have changed places.
    let mut swapped = all.clone();
    swapped.swap(4, 5);
    check(
        at(&swapped, "18"),
        Some(4),
        "comes after event 5 in the TPM",
    );
    // A digest was changed, of an event whose digest is that of its data.
    let mut changed = rearranged(&all, &[]);
    let gate = changed.windows(8).position(|w| w == b"EFI gate").unwrap();
    changed[gate - 5] ^= 1;
    check(
        parting(&changed, "18", &[]),
        Some(8),
        "another digest in the log than in the TPM",
    );
    // One that nobody can know.
    let mut changed = rearranged(&all, &[]);
    let map = changed
        .windows(12)
        .position(|w| w == b"Measured EFI")
        .unwrap();
    changed[map - 5] ^= 1;
    check(parting(&changed, "18", &[]), None, "--reference");
    // The log of the launch itself tells.
    let reference = ["--reference", &file("crb-2.0", "eventlog.bin")];
    check(
        parting(&changed, "18", &reference),
        Some(7),
        "first that differs from the reference",
    );
    let lacking: Vec<usize> = all.iter().copied().filter(|n| *n != 7).collect();
    check(
        parting(&rearranged(&lacking, &[]), "18", &reference),
        Some(7),
        "EFI memory map",
    );
}

#[test]
fn no_launch_and_blank() {
    let log = file("crb-2.0", "eventlog.bin");
    let with = |byte: &str| {
        let value = byte.repeat(32);
        let pcrs = json!({"sha256": {"17": value, "18": value}});
        let (_dir, path) = temporary(pcrs.to_string().as_bytes());
        json(1, &["replay", &log, "--pcrs", &path])
    };
    let what = |value: &Value| value["banks"]["sha256"]["17"]["parting"].clone();
    assert!(what(&with("ff"))["what"]
        .as_str()
        .unwrap()
        .contains("no launch"));
    assert_eq!(what(&with("00"))["event"], 0);
}

#[test]
fn damaged_log() {
    let mut log = bytes("crb-2.0/eventlog.bin");
    log.truncate(log.len() - 1);
    let (_dir, path) = temporary(&log);
    let value = json(
        1,
        &["replay", &path, "--pcrs", &file("crb-2.0", "pcrs.json")],
    );
    assert!(value["problems"][0]
        .as_str()
        .unwrap()
        .contains("damaged behind 11 events"));
    log.truncate(40);
    let (_dir, path) = temporary(&log);
    assert_eq!(slaunch(&["replay", &path]).code, 3);
}

/// Offline: the files of sysfs below a directory.
#[test]
fn values_of_sysfs() {
    let dir = tempfile::tempdir().unwrap();
    let pcrs = dir.path().join("sys/class/tpm/tpm0/pcr-sha256");
    let published = dir.path().join("sys/kernel/security/slaunch");
    fs::create_dir_all(&pcrs).unwrap();
    fs::create_dir_all(&published).unwrap();
    fs::copy(file("crb-2.0", "eventlog.bin"), published.join("eventlog")).unwrap();
    let values: Value = serde_json::from_slice(&bytes("crb-2.0/pcrs.json")).unwrap();
    for (pcr, value) in values["sha256"].as_object().unwrap() {
        let text = value.as_str().unwrap().to_uppercase() + "\n";
        fs::write(pcrs.join(pcr), text).unwrap();
    }
    let root = dir.path().to_str().unwrap();
    assert_eq!(json(0, &["--root", root, "replay"])["compared"], true);
    fs::write(pcrs.join("18"), "not a digest\n").unwrap();
    assert_eq!(slaunch(&["--root", root, "replay"]).code, 3);
}

/// A TPM that went through a launch, read by tpm2-tools; and the commands of the program itself.
#[test]
fn a_tpm() {
    let tpm = Swtpm::start();
    let log = tpm.file("log", &tpm.launch());
    let pcrs = tpm.tool("tpm2_pcrread sha1:17,18+sha256:17,18");
    let pcrs = tpm.file("pcrs", pcrs.as_bytes());
    let value = json(0, &["replay", &log, "--pcrs", &pcrs]);
    for bank in ["sha1", "sha256"] {
        for pcr in ["17", "18"] {
            assert_eq!(value["banks"][bank][pcr]["result"], "equal");
        }
    }
    let (_other, socket) = listening();
    let value = json(1, &["replay", &log, "--tpm", socket.to_str().unwrap()]);
    let parting = &value["banks"]["sha256"]["17"]["parting"]["what"];
    assert!(parting.as_str().unwrap().contains("no launch"), "{value}");
    assert_eq!(slaunch(&["replay", &log, "--tpm", "/dev/null"]).code, 3);
}

#[test]
fn library() {
    let log = bytes("tis-1.2/eventlog.bin");
    let log = Readable::new(&log).unwrap();
    assert_eq!(log.count(), 12);
    let pcrs = replay(&log, launch_data::digest::Alg::Sha1);
    assert_eq!(pcrs.keys().copied().collect::<Vec<_>>(), [17, 18]);
    // A bank that the log does not have has no value.
    let pcrs = replay(&log, launch_data::digest::Alg::Sha256);
    assert_eq!(pcrs[&17].value, None);
}
