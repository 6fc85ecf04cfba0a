// SPDX-License-Identifier: GPL-2.0

//! Well-behaved firmware raises no alarm: variables are read and written while functions are traced,
//! probed and patched, modules come and go and processors too.

use std::collections::BTreeMap;
use std::time::Duration;

use drtm_vm::Config;

use crate::machine::{cases, Ended as Case};
use crate::vm::{config, gate_is_content, Ended, Start};

/// Reads and writes in each depth of the check; 10,000 in all.
const FAST: (u64, u64) = (7800, 1900);
const FULL: (u64, u64) = (240, 60);

/// Time for one run.
const LIMIT: Duration = Duration::from_secs(600);

fn quiet(words: &'static str, (reads, writes): (u64, u64)) {
    let start = Start::Launch(words);
    let ended = Ended::boot(&Config {
        cpus: 2,
        limit: LIMIT,
        ..config(start, "alarms", &format!("reads={reads} writes={writes}"))
    });
    ended.expect_powered_off();
    let (run, text) = (&ended.run, ended.run.text("job.txt"));
    let bad: Vec<_> = cases(run, "alarms")
        .into_iter()
        .filter(|(_, e)| *e != Case::Ok)
        .collect();
    assert!(bad.is_empty(), "{bad:?}\n{text}");
    let counts = run.text("traffic.txt");
    println!("{words}: {}", counts.replace('\n', ", "));
    let counts: BTreeMap<_, _> = counts.lines().filter_map(|l| l.split_once(' ')).collect();
    let least = |what: &str, least| {
        let times: u64 = counts[what].parse().expect(what);
        assert!(times >= least, "{what}: {times} times");
    };
    least("reads", reads);
    least("writes", writes);
    for what in ["tracer", "probes", "keys", "modules", "processors"] {
        least(what, 3);
    }
    // A read is two calls, the first for the size.
    let calls = gate_is_content(start, run);
    assert!(calls > 2 * reads + writes, "{calls} calls");
}

#[test]
fn ten_thousand() {
    assert!(FAST.0 + FAST.1 + FULL.0 + FULL.1 >= 10_000);
}

#[test]
fn fast() {
    quiet("verify,fast", FAST);
}

#[test]
fn full() {
    quiet("verify,full", FULL);
}
