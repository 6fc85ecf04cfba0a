// SPDX-License-Identifier: GPL-2.0

//! A log of 100,000 events: every way to show it shows all of them in bounded memory, and, measured by `make bench`,
//! faster than `tpm2_eventlog`. Alone in its program, since the memory is that of the largest child.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{getrusage, UsageWho};
use sha1::Sha1;
use sha2::{Digest, Sha256};

const EVENTS: u32 = 100_000;

/// The ways to show it, and how many times as fast as `tpm2_eventlog` each has to be.
const WAYS: [(&[&str], f64); 3] = [
    (&["log"], 5.0),
    (&["--json", "log"], 5.0),
    (&["log", "--yaml"], 2.0),
];

const SLAUNCH: &str = env!("CARGO_BIN_EXE_slaunch");

/// A file with [`log`].
fn file() -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&log()).unwrap();
    file
}

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

/// The shortest of some runs.
fn timed(program: &str, args: &[&str]) -> Duration {
    let runs = (0..5).map(|_| {
        let start = Instant::now();
        let mut command = Command::new(program);
        let command = command
            .args(args)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        assert!(command.status().unwrap().success());
        start.elapsed()
    });
    runs.min().unwrap()
}

#[test]
fn memory() {
    let file = file();
    let path = file.path().to_str().unwrap();
    // First: what a child has used counts from the fork on, when it is as large as this program.
    for (args, _) in WAYS {
        let mut run = Command::new(SLAUNCH);
        let status = run.args(args).arg(path).stdout(Stdio::null()).status();
        assert!(status.unwrap().success());
    }
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss();
    let size = i64::try_from(file.path().metadata().unwrap().len()).unwrap();
    println!("memory: {used} KiB for a log of {} KiB", size / 1024);
    assert!(used * 1024 <= 4 * size, "{used} KiB for {size} bytes");
    for (args, _) in WAYS {
        let output = Command::new(SLAUNCH).args(args).arg(path).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let found = text.matches("Measured thing ").count();
        assert_eq!(found, EVENTS as usize, "{args:?}");
        assert!(text.contains(&format!("Measured thing {}", EVENTS - 1)));
    }
}

#[test]
#[ignore = "compares speeds, which a busy machine disturbs: make bench"]
fn speed() {
    let file = file();
    let path = file.path().to_str().unwrap();
    let theirs = timed("tpm2_eventlog", &[path]);
    println!("  tpm2_eventlog         {:6} ms", theirs.as_millis());
    let mut missed = Vec::new();
    for (args, least) in WAYS {
        let ours = timed(SLAUNCH, &[args, &[path]].concat());
        let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
        let verdict = if ratio >= least { "ok" } else { "MISSED" };
        let (args, time) = (args.join(" "), ours.as_millis());
        println!("  slaunch {args:12}  {time:6} ms: {ratio:.1} times as fast, at least {least}  {verdict}");
        if ratio < least {
            missed.push(args);
        }
    }
    assert!(missed.is_empty(), "{missed:?}");
}
