// SPDX-License-Identifier: GPL-2.0

//! Suspend and resume, as far as the devices.
//!
//! With `suspend=STATE,...` on the kernel command line a job is followed by this,
//! for each state of `/sys/power/state` that is named: everything is done as for a
//! real suspend until all drivers have put their devices to sleep, and is then
//! taken back (`/sys/power/pm_test`). It is done here and not by a job because the
//! shares of the host do not live through it: their driver cannot resume.

use std::fs;
use std::time::Instant;

use anyhow::{ensure, Context, Result};

use crate::tpm;

fn put(path: &str, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("{path}: {text}"))
}

/// How often the kernel has suspended so far.
fn count() -> Result<u32> {
    let path = "/sys/power/suspend_stats/success";
    let text = fs::read_to_string(path).context(path)?;
    text.trim().parse().context(path)
}

fn suspend(state: &str) -> Result<()> {
    let (before, times) = (tpm::read_all()?, count()?);
    put("/sys/module/suspend/parameters/pm_test_delay", "1")?;
    put("/sys/power/pm_test", "devices")?;
    put("/sys/power/state", state)?;
    put("/sys/power/pm_test", "none")?;
    ensure!(count()? == times + 1, "the kernel has not suspended");
    // The TPM works, and has not been started anew in between.
    ensure!(tpm::read_all()? == before, "the PCRs have changed");
    Ok(())
}

/// Does it for each of `states`; a line on each.
pub(crate) fn run(states: &str) -> String {
    let mut lines = String::new();
    for state in states.split(',') {
        let start = Instant::now();
        let line = match suspend(state) {
            Ok(()) => format!("{state}: ok\n"),
            Err(e) => format!("{state}: {e:#}\n"),
        };
        print!("# suspend, {:.1} s: {line}", start.elapsed().as_secs_f32());
        lines += &line;
    }
    lines
}
