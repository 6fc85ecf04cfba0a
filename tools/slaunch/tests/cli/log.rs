// SPDX-License-Identifier: GPL-2.0

//! `slaunch log`.

use proptest::prelude::*;
use serde_json::Value;
use slaunch::log::{walk, Header, Item, Sink};

use crate::common::{answer, bytes, data, golden, json, run, slaunch, temporary, LAUNCHES};

fn log_of(name: &str) -> String {
    data(name).join("eventlog.bin").to_str().unwrap().to_owned()
}

#[test]
fn recorded_logs() {
    for name in LAUNCHES {
        let log = log_of(name);
        golden(&format!("{name}.log"), &answer(0, &["log", &log]));
        golden(
            &format!("{name}.log.yaml"),
            &answer(0, &["log", "--yaml", &log]),
        );
        golden(
            &format!("{name}.log.json"),
            &answer(0, &["--json", "log", &log]),
        );
    }
}

#[test]
fn yaml_has_what_json_has() {
    for name in LAUNCHES {
        let log = log_of(name);
        let yaml: Value = serde_saphyr::from_str(&answer(0, &["log", "--yaml", &log])).unwrap();
        assert_eq!(yaml, json(0, &["log", &log]));
    }
}

#[test]
fn filters() {
    let log = log_of("tis-2.0");
    let value = json(0, &["log", "--pcr", "17", "--bank", "sha384", &log]);
    let events = value["events"].as_array().unwrap();
    assert_eq!(events.len(), 5);
    for event in events {
        assert_eq!(event["pcr"], 17);
        let digests = event["digests"].as_object().unwrap();
        assert_eq!(digests.keys().collect::<Vec<_>>(), ["sha384"]);
    }
    let text = answer(0, &["log", "--no-digests", &log]);
    assert_eq!(text.lines().count(), 2 + 12);
    assert_eq!(slaunch(&["log", "--pcr", "24", &log]).code, 2);
    assert_eq!(slaunch(&["log", "--bank", "md5", &log]).code, 2);
}

#[test]
fn from_standard_input_and_root() {
    let dir = tempfile::tempdir().unwrap();
    let published = dir.path().join("sys/kernel/security/slaunch");
    std::fs::create_dir_all(&published).unwrap();
    let root = dir.path().to_str().unwrap();
    let said = slaunch(&["--root", root, "log"]);
    assert_eq!(said.code, 3);
    assert!(said.err.contains("slaunch status"), "{}", said.err);
    std::fs::copy(log_of("crb-2.0"), published.join("eventlog")).unwrap();
    assert_eq!(
        answer(0, &["--root", root, "log"]),
        answer(0, &["log", &log_of("crb-2.0")])
    );
}

/// Every way to damage a log that the text of the tests has.
fn damaged() -> Vec<(&'static str, Vec<u8>)> {
    let good = bytes("tis-2.0/eventlog.bin");
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut log = good.clone();
        change(&mut log);
        log
    };
    // The third event, and what is 8 bytes into it: the number of digests.
    let third = json(0, &["log", &log_of("tis-2.0")])["events"][2]["offset"]
        .as_u64()
        .unwrap() as usize;
    vec![
        ("count", with(&|log| log[third + 8] = 0x77)),
        ("algorithm", with(&|log| log[third + 12] = 0x77)),
        (
            "size",
            with(&|log| log[third + 12 + 22 + 34 + 50 + 2] = 0x77),
        ),
        (
            "inserted",
            with(&|log| drop(log.splice(third..third, *b"what is this?\x1b[2J"))),
        ),
        ("cut", with(&|log| log.truncate(third + 20))),
        ("header", with(&|log| log[40] = 0)),
        ("no-header", with(&|log| drop(log.drain(..93)))),
        ("unknown-type", with(&|log| log[third + 5] = 0x99)),
        ("behind", with(&|log| log.extend(b"\0\0more"))),
        ("empty", Vec::new()),
        (
            "text",
            b"This is not a log at all, but somebody gave it all the same.\n".to_vec(),
        ),
    ]
}

#[test]
fn damaged_logs_are_shown() {
    for (name, log) in damaged() {
        let (_dir, path) = temporary(&log);
        let text = answer(0, &["log", "--bank", "sha256", &path]);
        assert!(!text.contains('\x1b'), "{text}");
        golden(&format!("damaged-{name}.log"), &text);
        let yaml: Value = serde_saphyr::from_str(&answer(0, &["log", "--yaml", &path])).unwrap();
        assert_eq!(yaml, json(0, &["log", &path]));
    }
}

/// The same events, digests and data as tpm2_eventlog sees.
#[test]
fn tpm2_eventlog_agrees() {
    for name in ["tis-2.0", "crb-2.0", "trust"] {
        let output = run("tpm2_eventlog", &[&log_of(name)]);
        assert!(output.status.success());
        let theirs: Value = serde_saphyr::from_slice(&output.stdout).unwrap();
        let ours = json(0, &["log", &log_of(name)]);
        // The first of theirs is the header.
        let theirs = &theirs["events"].as_array().unwrap()[1..];
        let ours = ours["events"].as_array().unwrap();
        assert_eq!(theirs.len(), ours.len());
        for (theirs, ours) in theirs.iter().zip(ours) {
            assert_eq!(theirs["PCRIndex"], ours["pcr"]);
            let digests = theirs["Digests"].as_array().unwrap();
            assert_eq!(digests.len(), ours["digests"].as_object().unwrap().len());
            for digest in digests {
                let bank = digest["AlgorithmId"].as_str().unwrap();
                assert_eq!(digest["Digest"], ours["digests"][bank]);
            }
            let size = ours["data"].as_str().unwrap().len() / 2;
            assert_eq!(theirs["EventSize"], size);
        }
    }
}

/// Adds up what it is given, and checks that it is in order and in bounds.
#[derive(Default)]
struct Checked {
    at: usize,
    bytes: usize,
    events: usize,
}

impl Sink for Checked {
    fn begin(&mut self, header: &Header) -> anyhow::Result<()> {
        self.bytes = header.bytes;
        Ok(())
    }

    fn item(&mut self, item: Item<'_>) -> anyhow::Result<()> {
        let (offset, length) = match item {
            Item::Event(number, event) => {
                assert_eq!(number, self.events);
                self.events += 1;
                (event.offset, event.data.len())
            }
            Item::Damage(damage) => (damage.offset, damage.length),
        };
        assert!(offset >= self.at);
        self.at = offset + length;
        assert!(self.at <= self.bytes);
        Ok(())
    }
}

fn check(log: &[u8]) {
    let mut sink = Checked::default();
    let summary = walk(log, &mut sink).unwrap();
    assert_eq!(summary.events, sink.events);
    assert!(summary.before_damage <= summary.events);
    assert!(summary.damages > 0 || summary.before_damage == summary.events);
}

proptest! {
    #[test]
    fn any_bytes(log in proptest::collection::vec(any::<u8>(), 0..2000)) {
        check(&log);
    }

    #[test]
    fn changed_bytes(
        which in 0..LAUNCHES.len(),
        changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..20),
        cut in any::<usize>(),
    ) {
        let mut log = bytes(&format!("{}/eventlog.bin", LAUNCHES[which]));
        for (at, value) in changes {
            let at = at % log.len();
            log[at] = value;
        }
        check(&log);
        log.truncate(cut % log.len());
        check(&log);
    }

    /// What is inserted between two events is found, and so is each event.
    #[test]
    fn events_behind_damage(junk in proptest::collection::vec(24u8.., 1..300), at in 1usize..11) {
        let mut log = bytes("crb-2.0/eventlog.bin");
        let offset = json_offset(at);
        log.splice(offset..offset, junk.iter().copied());
        // The header's word on the end is not for this file any more.
        let length = u32::try_from(log.len()).unwrap();
        log[81..85].copy_from_slice(&length.to_le_bytes());
        let mut sink = Checked::default();
        let summary = walk(&log, &mut sink).unwrap();
        prop_assert_eq!((summary.events, summary.damages, summary.before_damage), (12, 1, at));
    }
}

/// Offset of an event of the log "crb-2.0".
fn json_offset(number: usize) -> usize {
    struct Find(usize, usize);
    impl Sink for Find {
        fn begin(&mut self, _: &Header) -> anyhow::Result<()> {
            Ok(())
        }
        fn item(&mut self, item: Item<'_>) -> anyhow::Result<()> {
            match item {
                Item::Event(number, event) if number == self.0 => self.1 = event.offset,
                _ => {}
            }
            Ok(())
        }
    }
    let mut find = Find(number, 0);
    walk(&bytes("crb-2.0/eventlog.bin"), &mut find).unwrap();
    find.1
}
