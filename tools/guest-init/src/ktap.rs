// SPDX-License-Identifier: GPL-2.0

//! Kernel test anything protocol on standard output (Documentation/dev-tools/ktap.rst).

use anyhow::Result;

/// What one check found.
pub(crate) enum Outcome {
    /// The property holds.
    Ok,
    /// The property does not apply to this boot; the reason says why.
    Skip(String),
}

/// Counts and prints results.
pub(crate) struct Ktap {
    planned: usize,
    done: usize,
    failed: usize,
    skipped: usize,
}

impl Ktap {
    /// Prints version and plan.
    pub(crate) fn new(planned: usize) -> Self {
        println!("KTAP version 1");
        println!("1..{planned}");
        Self {
            planned,
            done: 0,
            failed: 0,
            skipped: 0,
        }
    }

    /// Prints the result of one check.
    pub(crate) fn result(&mut self, name: &str, outcome: Result<Outcome>) {
        self.done += 1;
        let n = self.done;
        match outcome {
            Ok(Outcome::Ok) => println!("ok {n} {name}"),
            Ok(Outcome::Skip(why)) => {
                self.skipped += 1;
                println!("ok {n} {name} # SKIP {why}");
            }
            Err(e) => {
                self.failed += 1;
                println!("# {name}: {e:#}");
                println!("not ok {n} {name}");
            }
        }
    }

    /// Prints the totals; a plan that was not met counts as a failure.
    pub(crate) fn finish(self) {
        let missing = self.planned.saturating_sub(self.done);
        println!(
            "# Totals: pass:{} fail:{} skip:{}",
            self.done - self.failed - self.skipped,
            self.failed + missing,
            self.skipped
        );
    }
}
