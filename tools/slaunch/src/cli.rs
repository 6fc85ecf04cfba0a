// SPDX-License-Identifier: GPL-2.0

//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use launch_data::digest::Alg;

use crate::bank;
use crate::exit;
use crate::out::Color;
use crate::status;

/// Shows, replays, predicts and judges launches
///
/// A launch (DRTM) measures the kernel and what it uses into PCR 17 and 18 of the TPM, and keeps a log. This
/// program works on the launched machine, and on files that were taken from one.
#[derive(Debug, Parser)]
#[command(name = "slaunch", version, after_help = exit::HELP, max_term_width = 100)]
pub struct Cli {
    /// Write JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Use colour
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t)]
    pub color: Color,
    /// Look for the machine's files (/sys, /proc) in this directory
    #[arg(long, global = true, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Tell whether this machine was launched, and what to do if not
    Status(StatusArgs),
    /// Show the event log
    Log(LogArgs),
    /// Replay the event log in every bank and compare with the TPM
    Replay(ReplayArgs),
}

/// The PCR with this number.
fn pcr(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(pcr) if pcr < 24 => Ok(pcr),
        _ => Err("a number below 24".into()),
    }
}

/// Arguments of `slaunch log`.
#[derive(Args, Debug)]
pub struct LogArgs {
    /// The log, - for standard input; else the one of this machine
    pub file: Option<PathBuf>,
    /// Write YAML
    #[arg(long, conflicts_with = "json")]
    pub yaml: bool,
    /// Only events of this PCR (can be given several times)
    #[arg(long, value_parser = pcr)]
    pub pcr: Vec<u32>,
    /// Only digests of this bank
    #[arg(long, value_parser = bank::parse)]
    pub bank: Option<Alg>,
    /// No digests
    #[arg(long)]
    pub no_digests: bool,
}

/// Arguments of `slaunch replay`.
#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// The log, - for standard input; else the one of this machine
    ///
    /// A log that is given is compared with nothing unless --pcrs or --tpm says so.
    pub file: Option<PathBuf>,
    /// PCR values, as tpm2_pcrread prints them, or in JSON
    #[arg(long, value_name = "FILE", conflicts_with = "tpm")]
    pub pcrs: Option<PathBuf>,
    /// The TPM's device (/dev/tpmrm0), or the socket of swtpm
    #[arg(long, value_name = "DEVICE")]
    pub tpm: Option<PathBuf>,
    /// The log of a launch that the PCRs are of, to find out where this one parts from them
    #[arg(long, value_name = "LOG")]
    pub reference: Option<PathBuf>,
}

/// The number of an error.
fn code(text: &str) -> Result<u32, String> {
    status::number(text).ok_or_else(|| "a number, such as 0xc0008083".into())
}

/// Arguments of `slaunch status`.
#[derive(Args, Debug)]
pub struct StatusArgs {
    /// Explain an error code: that of the console, of a cap event, or of TXT.ERRORCODE
    #[arg(long, value_name = "CODE", value_parser = code)]
    pub explain: Option<u32>,
}
