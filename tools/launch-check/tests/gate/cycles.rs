// SPDX-License-Identifier: GPL-2.0

//! Firmware in user mode lasts: thousands of calls, values and names as long as they may be, several users.

use crate::machine::{cases, Ended as Case};
use crate::vm::{config, gate_is_content, Ended, Start};

/// Cycles of setting and reading; some delete and write anew.
const CYCLES: u64 = 10_000;

#[test]
fn ten_thousand() {
    let start = Start::Launch("isolate");
    let ended = Ended::boot(&config(start, "cycles", &format!("cycles={CYCLES}")));
    ended.expect_powered_off();
    let run = &ended.run;
    let cases = cases(run, "cycles");
    let bad: Vec<_> = cases.iter().filter(|(_, e)| *e != Case::Ok).collect();
    assert!(bad.is_empty(), "{bad:?}\n{}", run.text("job.txt"));
    assert_eq!(cases.len(), 4);
    println!("{}", run.text("cycles.txt"));
    let calls = gate_is_content(start, run);
    assert!(calls > 2 * CYCLES, "{calls} calls");
}
