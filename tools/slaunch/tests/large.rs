// SPDX-License-Identifier: GPL-2.0

//! A log of 100,000 events: time against `tpm2_eventlog`, and memory. Alone in its program, since the memory is
//! that of the largest child.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{getrusage, UsageWho};
use sha1::Sha1;
use sha2::{Digest, Sha256};

const EVENTS: u32 = 100_000;

/// The ways to show it.
const WAYS: [&[&str]; 3] = [&["log"], &["--json", "log"], &["log", "--yaml"]];

fn log() -> Vec<u8> {
    let mut log = vec![0, 0, 0, 0, 3, 0, 0, 0];
    log.resize(28, 0);
    log.extend(37u32.to_le_bytes());
    log.extend(b"Spec ID Event03\0\0\0\0\0\x00\x02\x00\x02\x02\0\0\0\x04\0\x14\0\x0b\0\x20\0\0");
    for number in 0..EVENTS {
        let data = format!("Measured thing {number}");
        log.extend((17 + number % 2).to_le_bytes());
        log.extend([2, 5, 0, 0, 2, 0, 0, 0, 4, 0]);
        log.extend(Sha1::digest(&data));
        log.extend([11, 0]);
        log.extend(Sha256::digest(&data));
        log.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        log.extend(data.as_bytes());
    }
    log
}

/// The shortest of some runs, and how often the name of an event is in the output.
fn timed(program: &str, args: &[&str]) -> (Duration, usize) {
    let mut best = Duration::MAX;
    let mut lines = 0;
    for _ in 0..3 {
        let start = Instant::now();
        let output = Command::new(program)
            .args(args)
            .stderr(Stdio::null())
            .output()
            .unwrap();
        best = best.min(start.elapsed());
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        lines = text.matches("Measured thing ").count();
    }
    (best, lines)
}

#[test]
#[ignore = "compares speeds, which a busy machine disturbs: run it by itself"]
fn time_and_memory() {
    let log = log();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&log).unwrap();
    let path = file.path().to_str().unwrap();
    let ours = env!("CARGO_BIN_EXE_slaunch");
    // First: what a child has used counts from the fork on, when it is as large as this program.
    for args in WAYS {
        let mut run = Command::new(ours);
        let status = run.args(args).arg(path).stdout(Stdio::null()).status();
        assert!(status.unwrap().success());
    }
    let memory = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss();
    println!("memory: {memory} KiB for a log of {} KiB", log.len() / 1024);
    assert!(memory * 1024 <= 4 * i64::try_from(log.len()).unwrap());
    let mut worst = Duration::ZERO;
    for args in WAYS {
        let (time, lines) = timed(ours, &[args, &[path]].concat());
        assert_eq!(lines, EVENTS as usize);
        println!("slaunch {args:?}: {time:?}");
        worst = worst.max(time);
    }
    // They print no data of types they do not know as text, so there are no lines to count.
    let (theirs, _) = timed("tpm2_eventlog", &[path]);
    println!("tpm2_eventlog: {theirs:?}");
    // Without optimisation this says nothing about the program.
    if env!("SLAUNCH_OPT_LEVEL") == "3" {
        assert!(worst * 5 <= theirs, "{worst:?} against {theirs:?}");
    }
}
