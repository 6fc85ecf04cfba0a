// SPDX-License-Identifier: GPL-2.0

//! Firmware in user mode that misbehaves where it is not alone: several callers, and a machine that is busy.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::Slot;
use crate::hostile::{over, snapshot, Settings};
use crate::talk::Guest;

/// The line of a service in the file `calls`.
fn calls(guest: &mut Guest, service: &str) -> (u64, u64) {
    let text = guest.gate("calls");
    let line = text.split(" / ").find_map(|line| {
        let (made, refused) = line.strip_prefix(service)?.trim().split_once(' ')?;
        Some((made.parse().ok()?, refused.trim().parse().ok()?))
    });
    line.unwrap_or_else(|| panic!("no {service} in {text}"))
}

/// A second user's call of another service, hostile too, was refused without being made, and is on nobody's
/// record.
fn refused(mut guest: Guest, before: (u64, u64), expected: &str) {
    let after = calls(&mut guest, "SetVariable");
    assert_eq!(after, (before.0, before.1 + 1));
    let text = guest.gate("last");
    let head = format!("EFI gate: violation in GetVariable: {expected}");
    assert!(text.starts_with(&head), "{text}");
    over(guest, &text);
}

const SECOND: &str = "as 1000 write S01-cr0-wp 00";

/// One call after the other.
#[test]
fn second_call() {
    let snapshot = snapshot(Settings::Isolate);
    let _slot = Slot::take();
    let mut guest = Guest::of(snapshot);
    guest.must("open S01-cr0-wp");
    let before = calls(&mut guest, "SetVariable");
    for command in ["read E01-pf-read", SECOND] {
        let answer = guest.ask(command);
        println!("{command}: {answer}");
        assert!(answer.starts_with("error "), "{command}: {answer}");
    }
    refused(guest, before, "exception 14, ");
}

/// A caller that waits for its turn while the first call is under way.
#[test]
fn call_that_waits() {
    let snapshot = snapshot(Settings::Isolate);
    let _slot = Slot::take();
    let mut guest = Guest::of(snapshot);
    guest.must("open S01-cr0-wp");
    let before = calls(&mut guest, "SetVariable");
    let first = calls(&mut guest, "GetVariable");
    guest.must("start read E10-loop");
    while calls(&mut guest, "GetVariable") == first {
        sleep(Duration::from_millis(100));
    }
    guest.must(&format!("start {SECOND}"));
    assert_eq!(guest.gate("violations"), "0");
    let answers = guest.must("join");
    let mut each = answers.split(" / ");
    assert!(each.all(|answer| answer.starts_with("error ")), "{answers}");
    refused(guest, before, "time limit ");
}

/// Threads that keep four processors busy.
const LOAD: usize = 8;

/// How far each of them is.
fn progress(guest: &mut Guest) -> Vec<u64> {
    let text = guest.must("progress");
    let numbers = text.split(' ').map(|n| n.parse().expect("a number"));
    let numbers: Vec<_> = numbers.collect();
    assert_eq!(numbers.len(), LOAD, "{text}");
    numbers
}

/// On a busy machine a call ends in time all the same, and all others work on meanwhile.
fn busy(behaviour: &str, expected: &str) {
    /// Longer than any call of this service may take.
    const LIMIT: Duration = Duration::from_secs(40);
    let snapshot = snapshot(Settings::IsolateFour);
    let _slot = Slot::take();
    let mut guest = Guest::of(snapshot);
    guest.must(&format!("load {LOAD}"));
    while progress(&mut guest).contains(&0) {
        sleep(Duration::from_millis(100));
    }
    let mut seen = vec![progress(&mut guest)];
    let begin = Instant::now();
    guest.must(&format!("start read {behaviour}"));
    while guest.gate("violations") == "0" {
        assert!(begin.elapsed() < LIMIT, "{behaviour} goes on");
        sleep(Duration::from_secs(1));
        seen.push(progress(&mut guest));
    }
    println!("{behaviour}: {:?}, {seen:?}", begin.elapsed());
    sleep(Duration::from_secs(1));
    seen.push(progress(&mut guest));
    for pair in seen.windows(2) {
        let [before, after] = [&pair[0], &pair[1]].map(|steps| steps.iter().sum::<u64>());
        assert!(after > before, "{seen:?}");
    }
    let ends = seen
        .first()
        .expect("some")
        .iter()
        .zip(seen.last().expect("some"));
    assert!(
        ends.clone().all(|(before, after)| after > before),
        "{seen:?}"
    );
    let answer = guest.must("join");
    assert!(answer.starts_with("error "), "{answer}");
    let text = guest.gate("last");
    let head = format!("EFI gate: violation in GetVariable: {expected}");
    assert!(text.starts_with(&head), "{text}");
    over(guest, &text);
}

#[test]
fn busy_endless() {
    busy("E10-loop", "time limit ");
}

#[test]
fn busy_trap_storm() {
    busy("J12-trap-storm", "");
}

#[test]
fn busy_page_fault() {
    busy("E01-pf-read", "exception 14, ");
}
