// SPDX-License-Identifier: GPL-2.0

//! Command-line face of the launch checks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use launch_check::log::Log;
use launch_check::verdict::{check_inputs, check_replay, Inputs, Pcrs, Verdict};
use launch_check::{bzimage, digest::Alg, initramfs};
use slaunch_core::gate::Mode;

/// Checks a dynamic launch against the files that were booted.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Pack the guest's init program as an initramfs
    Initramfs {
        /// The static init program
        #[arg(long)]
        init: PathBuf,
        /// The archive to write
        #[arg(long)]
        out: PathBuf,
    },
    /// Show the event log
    Log {
        /// The log (eventlog.bin)
        file: PathBuf,
    },
    /// Show the digests of loader block and kernel image inside a bzImage
    Digests {
        /// The bzImage
        kernel: PathBuf,
    },
    /// Judge a launch from what it left in a directory
    Verdict {
        /// Directory with eventlog.bin, pcrs.json and cmdline.txt
        dir: PathBuf,
        /// The kernel that was booted
        #[arg(long)]
        kernel: PathBuf,
        /// The initrd that was booted
        #[arg(long)]
        initrd: Option<PathBuf>,
        /// The mode of the EFI gate that the kernel was configured with: off, verify or trust
        #[arg(long, default_value = "isolate", value_parser = mode)]
        gate: Mode,
    },
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| path.display().to_string())
}

fn mode(name: &str) -> Result<Mode> {
    Mode::from_name(name.as_bytes()).context("no mode of the gate")
}

fn verdict(dir: &Path, kernel: &Path, initrd: Option<&Path>, gate: Mode) -> Result<bool> {
    let missing = "the guest handed nothing over: look at serial.log beside it";
    let log = Log::parse(&read(&dir.join("eventlog.bin")).context(missing)?)?;
    let pcrs: Pcrs = serde_json::from_slice(&read(&dir.join("pcrs.json")).context(missing)?)
        .context("pcrs.json")?;
    let inputs = Inputs {
        kernel: read(kernel)?,
        initrd: initrd.map(read).transpose()?,
        cmdline: String::from_utf8(read(&dir.join("cmdline.txt"))?).context("cmdline.txt")?,
        gate,
    };
    println!("{log}");
    let mut findings = check_replay(&log, &pcrs);
    findings.extend(check_inputs(&log, &inputs)?);
    let verdict = Verdict(findings);
    print!("{verdict}");
    let good = verdict.good();
    println!(
        "\nVerdict: {}",
        if good {
            "a measured launch of these files"
        } else {
            "NOT a launch of these files"
        }
    );
    Ok(good)
}

fn run() -> Result<bool> {
    match Args::parse().command {
        Command::Initramfs { init, out } => initramfs::pack(&init, &out).map(|()| true),
        Command::Log { file } => {
            println!("{}", Log::parse(&read(&file)?)?);
            Ok(true)
        }
        Command::Digests { kernel } => {
            let file = read(&kernel)?;
            let image = bzimage::image_as_loaded(&file)?;
            for (what, bytes) in [("SLB", bzimage::slb(&file)?), ("kernel image", &image)] {
                println!("{what}: {} bytes", bytes.len());
                for alg in Alg::ALL {
                    println!("  {:7} {}", alg.name(), hex::encode(alg.hash(bytes)));
                }
            }
            Ok(true)
        }
        Command::Verdict {
            dir,
            kernel,
            initrd,
            gate,
        } => verdict(&dir, &kernel, initrd.as_deref(), gate),
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("launch-check: {e:#}");
            ExitCode::from(2)
        }
    }
}
