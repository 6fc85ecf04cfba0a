// SPDX-License-Identifier: GPL-2.0

//! `slaunch predict`, on kernels that were made up and the logs of recorded launches.
//!
//! That predictions of real kernels come true is tried in the machine model (launch-check).

use launch_data::digest::Alg;
use launch_data::log::Log;
use launch_data::sample::{made, uki, Shape};
use serde_json::Value;
use tempfile::TempDir;
use tpm_core::{Banks, EventLog, HashAlg, HostHash, LogFormat, MultiHash, Pcr, EV_SLAUNCH};

use crate::common::{answer, bytes, data, golden, json, slaunch};

const LINE: &str = "console=ttyS0 slaunch=on";

/// Files for a prediction.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.put("bzImage", &made(&Shape::default()));
        files.put("initrd", b"an archive");
        files
    }

    fn put(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }
}

/// The arguments for kernel, initrd and command line, and more.
fn args<'a>(files: &'a [String; 2], more: &[&'a str]) -> Vec<&'a str> {
    let own = ["predict", "--kernel", &files[0], "--initrd", &files[1]];
    [&own[..], more].concat()
}

fn recorded(launch: &str) -> String {
    let path = data(launch).join("eventlog.bin");
    path.to_str().unwrap().to_owned()
}

/// The event with this text.
fn event<'a>(prediction: &'a Value, text: &str) -> &'a Value {
    let events = prediction["events"].as_array().unwrap();
    let mut found = events.iter().filter(|event| event["text"] == text);
    let event = found.next().unwrap_or_else(|| panic!("no {text}"));
    assert!(found.next().is_none());
    event
}

#[test]
fn from_a_recorded_launch() {
    let files = Files::new();
    let paths = [files.path("bzImage"), files.path("initrd")];
    for launch in ["tis-2.0", "crb-2.0", "tis-1.2", "trust"] {
        let log = Log::parse(&bytes(&format!("{launch}/eventlog.bin"))).unwrap();
        // With the recorded command line PCR 18 has the recorded value: nothing of it is of the files.
        let line = String::from_utf8(bytes(&format!("{launch}/cmdline.txt"))).unwrap();
        let path = recorded(launch);
        // Its kernel had another default than those of today.
        let more = ["--cmdline", &line, "--log", &path, "--efi-gate", "verify"];
        let prediction = json(0, &args(&paths, &more));
        for alg in Alg::ALL {
            let pcrs = &prediction["pcrs"][alg.name()];
            assert!(pcrs["17"]["running"].is_string());
            let known = log.banks.contains(&alg);
            let value = known.then(|| hex::encode(log.replay(alg, 18).unwrap()));
            let wanted = value.map_or(Value::Null, Value::from);
            assert_eq!(pcrs["18"]["running"], wanted, "{launch} {}", alg.name());
            assert_eq!(pcrs["17"]["running"], pcrs["17"]["launch"]);
        }
        let texts: Vec<_> = log.events.iter().map(|event| event.label()).collect();
        let events = prediction["events"].as_array().unwrap();
        let predicted: Vec<_> = events.iter().map(|e| e["text"].as_str().unwrap()).collect();
        assert_eq!(predicted, texts);
    }
}

#[test]
fn what_is_left_open() {
    let files = Files::new();
    let paths = [files.path("bzImage"), files.path("initrd")];
    let text = answer(0, &args(&paths, &["--cmdline", LINE, "--bank", "sha256"]));
    golden("open.predict", &text);
    let prediction = json(0, &args(&paths, &["--cmdline", LINE]));
    assert_eq!(prediction["complete"], false);
    assert_eq!(prediction["open"].as_array().unwrap().len(), 3);
    for alg in Alg::ALL {
        let pcrs = &prediction["pcrs"][alg.name()];
        assert!(pcrs["18"]["launch"].is_null() && pcrs["18"]["running"].is_null());
        let line = &event(&prediction, "Measured Kernel command line")["digests"][alg.name()];
        assert_eq!(*line, hex::encode(alg.hash(LINE.as_bytes())));
        let initrd = &event(&prediction, "Measured Kernel initrd")["digests"][alg.name()];
        assert_eq!(*initrd, hex::encode(alg.hash(b"an archive")));
    }
    assert_eq!(
        event(&prediction, "Measured boot parameters")["origin"],
        "open"
    );
    // The table of the kernel's own stub, as it was recorded.
    let log = Log::parse(&bytes("crb-2.0/eventlog.bin")).unwrap();
    let table = log
        .only("Measured SLR Table")
        .unwrap()
        .digest(Alg::Sha256)
        .unwrap();
    let predicted = &event(&prediction, "Measured SLR Table")["digests"]["sha256"];
    assert_eq!(*predicted, hex::encode(table));
}

#[test]
fn explained() {
    let files = Files::new();
    let paths = [files.path("bzImage"), files.path("initrd")];
    let log = recorded("crb-2.0");
    let more = [
        "--cmdline",
        LINE,
        "--log",
        &log,
        "--bank",
        "sha256",
        "--explain",
    ];
    golden("explain.predict", &answer(0, &args(&paths, &more)));
}

#[test]
fn gate() {
    let files = Files::new();
    let paths = [files.path("bzImage"), files.path("initrd")];
    let with = |line: &str, more: &[&str]| {
        let more = [&["--cmdline", line][..], more].concat();
        json(0, &args(&paths, &more))
    };
    event(
        &with(LINE, &["--efi-gate", "off"]),
        "EFI gate: off,panic,full",
    );
    let fast = format!("{LINE} slaunch_efi=verify,fast");
    event(
        &with(&fast, &["--efi-gate", "off"]),
        "EFI gate: verify,panic,fast",
    );
    // What is trusted is measured, and how much that is only a launch tells in which it was.
    let trust = format!("{LINE} slaunch_efi=trust");
    let crb = recorded("crb-2.0");
    let open = with(&trust, &["--log", &crb]);
    assert_eq!(
        event(&open, "Measured EFI runtime code")["any_number"],
        true
    );
    assert!(open["pcrs"]["sha256"]["18"]["running"].is_null());
    assert!(open["pcrs"]["sha256"]["17"]["running"].is_string());
}

#[test]
fn images() {
    let files = Files::new();
    let kernel = made(&Shape::default());
    let paths = [files.path("bzImage"), files.path("initrd")];
    let apart = json(0, &args(&paths, &["--cmdline", LINE]));
    let line = format!("{LINE}\n");
    let sections: [(&str, &[u8]); 3] = [
        (".linux", &kernel),
        (".initrd", b"an archive"),
        (".cmdline", line.as_bytes()),
    ];
    let image = files.put("image", &uki(&sections));
    let together = json(0, &["predict", "--kernel", &image]);
    assert_eq!(together["pcrs"], apart["pcrs"]);
    assert_eq!(
        event(&together, "Measured Kernel command line")["digests"],
        event(&apart, "Measured Kernel command line")["digests"]
    );
    // The stub may add to the initrd, in a way that nobody knows.
    let more = [&sections[..], &[(".osrel", b"ID=debian")]].concat();
    let image = files.put("more", &uki(&more));
    let open = json(0, &["predict", "--kernel", &image]);
    assert_eq!(event(&open, "Measured Kernel initrd")["origin"], "open");
    assert!(open["pcrs"]["sha256"]["17"]["running"].is_null());
    let given = json(0, &["predict", "--kernel", &image, "--initrd", &paths[1]]);
    assert_eq!(given["pcrs"], apart["pcrs"]);
    // Several lines: which of them counts depends on the stub.
    let lines = [(".linux", &*kernel), (".cmdline", b"a\nb")];
    let image = files.put("lines", &uki(&lines));
    assert!(refused(&["predict", "--kernel", &image]).contains("several lines"));
}

/// Why there is no prediction.
fn refused(args: &[&str]) -> String {
    let said = slaunch(args);
    assert_eq!((said.code, &*said.out), (3, ""), "{args:?}");
    said.err
}

#[test]
fn what_is_refused() {
    let files = Files::new();
    let paths = [files.path("bzImage"), files.path("initrd")];
    let with = |more: &[&str]| refused(&args(&paths, more));
    assert!(with(&["--cmdline", LINE, "--vendor", "intel"]).contains("TXT"));
    assert!(with(&[]).contains("--cmdline"));
    assert!(with(&["--cmdline", "a\nb"]).contains("several lines"));
    assert!(with(&["--cmdline", &"x".repeat(3000)]).contains("2047"));
    let junk = files.put("junk", b"junk");
    assert!(with(&["--cmdline", LINE, "--log", &junk]).contains("log"));
    let other = ["predict", "--cmdline", LINE, "--kernel", &junk];
    assert!(refused(&other).contains("neither"));
    let none = ["predict", "--cmdline", LINE, "--kernel", "/nonexistent"];
    assert!(refused(&none).contains("/nonexistent"));
}

/// A log of events with these labels, in one bank.
fn made_up(events: &[(u32, u32, &str)]) -> Vec<u8> {
    let mut banks = Banks::new();
    banks.push(HashAlg::SHA256).unwrap();
    let mut bytes = vec![0; 8192];
    let mut log = EventLog::format(&mut bytes, 0, &banks, LogFormat::Agile).unwrap();
    for (pcr, event_type, label) in events {
        let digests = HostHash::new().digest(&banks, label.as_bytes());
        log.append(
            Pcr::new(*pcr).unwrap(),
            *event_type,
            &digests,
            label.as_bytes(),
        )
        .unwrap();
    }
    let used = log.used();
    bytes.truncate(used);
    bytes
}

#[test]
fn logs_that_are_not_those_of_a_launch() {
    let files = Files::new();
    let paths = [files.path("bzImage"), files.path("initrd")];
    let recorded = Log::parse(&bytes("crb-2.0/eventlog.bin")).unwrap();
    let labels: Vec<_> = recorded.events.iter().map(|event| event.label()).collect();
    let all: Vec<_> = recorded
        .events
        .iter()
        .zip(&labels)
        .map(|(event, label)| (event.pcr, event.event_type, label.as_str()))
        .collect();
    let with = |events: &[(u32, u32, &str)]| {
        let log = files.put("log", &made_up(events));
        slaunch(&args(&paths, &["--cmdline", LINE, "--log", &log]))
    };
    assert_eq!(with(&all).code, 0);
    // Cut off anywhere before its end markers, and with each event missing.
    for length in 0..11 {
        assert_eq!(with(&all[..length]).code, 3, "{length}");
    }
    for (missing, label) in labels.iter().enumerate().take(11) {
        // The initrd need not be there.
        if label != "Measured Kernel initrd" {
            let mut events = all.clone();
            events.remove(missing);
            assert_eq!(with(&events).code, 3, "{missing}");
        }
    }
    // Labels of the launch table's own.
    let mut events = all.clone();
    events[5].2 = "another label";
    let said = with(&events);
    assert!(said.err.contains("labels of its own"), "{}", said.err);
    // An entity that the launch table adds is taken over; no driver is a note.
    let mut events = all[..11].to_vec();
    events.insert(8, (18, EV_SLAUNCH, "Measured module"));
    let log = files.put("log", &made_up(&events));
    let more = ["--cmdline", LINE, "--log", &log, "--bank", "sha256"];
    let prediction = json(0, &args(&paths, &more));
    assert_eq!(event(&prediction, "Measured module")["origin"], "recorded");
    let notes = prediction["notes"].to_string();
    assert!(
        notes.contains("no driver") && notes.contains("not the one"),
        "{notes}"
    );
    assert_eq!(prediction["complete"], true);
}

#[test]
fn doubts() {
    let files = Files::new();
    let paths = [files.path("bzImage"), files.path("initrd")];
    let log = recorded("crb-2.0");
    let more = ["--cmdline", "quiet nokaslr", "--log", &log];
    let notes = json(0, &args(&paths, &more))["notes"].to_string();
    assert!(
        notes.contains("nokaslr") && notes.contains("does not ask"),
        "{notes}"
    );
}
