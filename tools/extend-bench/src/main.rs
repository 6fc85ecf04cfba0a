// SPDX-License-Identifier: GPL-2.0

//! Extends per second through `/dev/tpm0`, with one kernel's TPM driver against
//! another's.
//!
//! Both machines are up for the whole time and take turns of a fraction of a
//! second, so that what else happens on the host meets both. A round is a
//! number of turns of each, of which the best one counts, because disturbance
//! only ever makes a turn longer; it gives one ratio. Of the rounds the median
//! counts.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{bail, Context, Result};
use clap::Parser;
use drtm_vm::{Config, Heard, Machine, TpmInterface};

/// Time for a boot, or for one measurement.
const LIMIT: Duration = Duration::from_secs(240);

#[derive(Parser)]
struct Args {
    /// The kernel to be measured
    #[arg(long)]
    kernel: PathBuf,
    /// The kernel to compare it with
    #[arg(long)]
    against: PathBuf,
    /// The guest's initramfs
    #[arg(long)]
    initrd: PathBuf,
    /// Rounds on each interface
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Turns of each kernel in a round
    #[arg(long, default_value_t = 12)]
    turns: usize,
    /// Extends in each turn
    #[arg(long, default_value_t = 100)]
    extends: u32,
    /// Least median of the rounds' ratios
    #[arg(long)]
    min_ratio: Option<f64>,
}

/// A machine that waits for its turn.
struct Guest {
    machine: Machine,
    heard: usize,
}

impl Guest {
    fn boot(args: &Args, kernel: &Path, interface: TpmInterface) -> Result<Self> {
        let machine = Machine::start(&Config {
            kernel: kernel.to_owned(),
            initrd: Some(args.initrd.clone()),
            append: format!("console=ttyS0 quiet extends={}", args.extends),
            cpus: 1,
            tpm_interface: interface,
            ..Config::default()
        })?;
        let mut guest = Self { machine, heard: 0 };
        guest.wait("extends: ready")?;
        Ok(guest)
    }

    fn wait(&mut self, text: &str) -> Result<String> {
        match self.machine.wait_line(&mut self.heard, text, LIMIT) {
            Heard::Line(rest) => Ok(rest),
            Heard::Ended(outcome) => {
                let console = self.machine.console();
                let tail: Vec<_> = console.lines().rev().take(5).collect();
                bail!(
                    "{}; its console, last line first: {tail:?}",
                    outcome.summary()
                )
            }
        }
    }

    /// Seconds that one turn took.
    fn turn(&mut self, extends: u32) -> Result<f64> {
        self.machine.type_line("go")?;
        let took = self.wait(&format!("extends: {extends} in "))?;
        let us = took.strip_suffix(" us").unwrap_or(&took);
        let us: f64 = us.parse().with_context(|| format!("time {took:?}"))?;
        self.wait("extends: ready")?;
        Ok(us / 1e6)
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        1 => sorted[middle],
        _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
    }
}

/// Extends per second of both in one round.
fn round(args: &Args, own: &mut Guest, other: &mut Guest) -> Result<(f64, f64)> {
    let (mut ours, mut theirs) = (f64::INFINITY, f64::INFINITY);
    for turn in 0..args.turns {
        // Who goes first meets what the other one left in the caches.
        if turn % 2 == 0 {
            ours = ours.min(own.turn(args.extends)?);
            theirs = theirs.min(other.turn(args.extends)?);
        } else {
            theirs = theirs.min(other.turn(args.extends)?);
            ours = ours.min(own.turn(args.extends)?);
        }
    }
    let extends = f64::from(args.extends);
    Ok((extends / ours, extends / theirs))
}

/// Prints the numbers of one interface; the median ratio.
fn compare(args: &Args, interface: TpmInterface, name: &str) -> Result<f64> {
    let mut own = Guest::boot(args, &args.kernel, interface)?;
    let mut other = Guest::boot(args, &args.against, interface)?;
    // What is done once, at the first commands, is not counted.
    own.turn(args.extends)?;
    other.turn(args.extends)?;
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        let (a, b) = round(args, &mut own, &mut other)?;
        ours.push(a);
        theirs.push(b);
        ratios.push(a / b);
    }
    let ratio = median(&ratios);
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let most = ratios.iter().copied().fold(0.0, f64::max);
    println!(
        "  {name}  this driver {:7.1}, C driver {:7.1}: ratio {ratio:.2} ({least:.2} to {most:.2})",
        median(&ours),
        median(&theirs)
    );
    Ok(ratio)
}

fn run() -> Result<bool> {
    let args = Args::parse();
    let mut good = true;
    for (interface, name) in [(TpmInterface::Tis, "TIS"), (TpmInterface::Crb, "CRB")] {
        let ratio = compare(&args, interface, name)?;
        if let Some(least) = args.min_ratio.filter(|least| ratio < *least) {
            println!("  {name}: MISSED, at least {least:.2} is asked for");
            good = false;
        }
    }
    Ok(good)
}

fn main() -> ExitCode {
    match drtm_vm::wait::end_on_signals()
        .map_err(Into::into)
        .and_then(|()| run())
    {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("extend-bench: {e:#}");
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_odd_and_even() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
