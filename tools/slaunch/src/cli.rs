// SPDX-License-Identifier: GPL-2.0

//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use launch_data::digest::Alg;
use slaunch_core::gate::Mode;

use crate::bank;
use crate::exit;
use crate::out::Color;
use crate::predict::Stage;
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
    ///
    /// On an Intel processor TXT.ERRORCODE is read through /dev/mem and explained, whoever made the launch: the
    /// register outlasts a reset. A kernel that is locked down allows that to nobody; a code from elsewhere is
    /// explained by --explain.
    Status(StatusArgs),
    /// Show the event log
    Log(LogArgs),
    /// Replay the event log in every bank and compare with the TPM
    Replay(ReplayArgs),
    /// Predict the events and PCR values of a launch
    Predict(PredictArgs),
    /// Turn predictions into policies: for "slaunch verify" and for other programs
    Policy(PolicyArgs),
    /// Judge a quote and an event log by a policy
    Verify(VerifyArgs),
    /// Write a shell's completion script
    Completion(CompletionArgs),
    /// Write the manual page
    Man(ManArgs),
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

/// The vendor of the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Vendor {
    /// AMD: SKINIT
    Amd,
    /// Intel: TXT
    Intel,
}

/// A mode of the EFI gate.
fn gate(text: &str) -> Result<Mode, String> {
    let names = Mode::ALL.map(Mode::name).join(", ");
    Mode::from_name(text.as_bytes()).ok_or_else(|| format!("one of {names}"))
}

/// Arguments of `slaunch predict`.
#[derive(Args, Debug)]
pub struct PredictArgs {
    /// The kernel: a bzImage, or a unified kernel image
    #[arg(long, value_name = "FILE")]
    pub kernel: PathBuf,
    /// The initrd, all of it as the kernel gets it; for a unified kernel image in place of its own
    #[arg(long, value_name = "FILE")]
    pub initrd: Option<PathBuf>,
    /// The command line, with all that the boot loader adds; for a unified kernel image in place of its own
    #[arg(long, value_name = "TEXT", conflicts_with = "cmdline_file")]
    pub cmdline: Option<String>,
    /// A file with the command line, such as /proc/cmdline
    #[arg(long, value_name = "FILE")]
    pub cmdline_file: Option<PathBuf>,
    /// The vendor of the processor
    #[arg(long, value_enum, default_value_t = Vendor::Amd)]
    pub vendor: Vendor,
    /// The event log of another launch of the machine: it says what depends on the machine
    ///
    /// It is believed: "slaunch replay" tells whether it is the log of the TPM's PCRs.
    #[arg(long, value_name = "LOG")]
    pub log: Option<PathBuf>,
    /// Take the log of this machine's launch for it
    #[arg(long, conflicts_with = "log")]
    pub launch: bool,
    /// The mode of the EFI gate that the kernel is configured with: isolate, verify, trust or off
    #[arg(long, value_name = "MODE", value_parser = gate, default_value = "isolate")]
    pub efi_gate: Mode,
    /// Only these banks (can be given several times); else sha1, sha256, sha384 and sha512
    #[arg(long, value_parser = bank::parse, value_delimiter = ',')]
    pub bank: Vec<Alg>,
    /// Show how each digest and each value comes about
    #[arg(long)]
    pub explain: bool,
}

/// What a policy is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PolicyFormat {
    /// For "slaunch verify": values and events of every bank and PCR
    Json,
    /// Components of systemd-pcrlock, to show a log with: it binds nothing to PCR 17 and 18
    Pcrlock,
    /// The argument of systemd-cryptenroll --tpm2-pcrs=, with the values (systemd 255 or later)
    Cryptenroll,
    /// The digest of TPM2_PolicyPCR, as tpm2_createpolicy --policy-pcr gives it
    Tpm2,
    /// The tpm_policy of Keylime, as its tenant takes it
    Keylime,
}

/// A stage of the machine's life.
fn stage(text: &str) -> Result<Stage, String> {
    match text {
        "launch" => Ok(Stage::Launch),
        "running" => Ok(Stage::Running),
        _ => Err("launch or running".into()),
    }
}

/// Arguments of `slaunch policy`.
#[derive(Args, Debug)]
pub struct PolicyArgs {
    /// Predictions, as "slaunch predict --json" writes them; - for standard input
    #[arg(required = true, value_name = "PREDICTION")]
    pub predictions: Vec<PathBuf>,
    /// What to write
    #[arg(long, value_enum, default_value_t = PolicyFormat::Json)]
    pub format: PolicyFormat,
    /// Only these PCRs (can be given several times); else 17 and 18
    #[arg(long, value_parser = pcr, value_delimiter = ',')]
    pub pcr: Vec<u32>,
    /// The bank, for cryptenroll, tpm2 and keylime
    #[arg(long, value_parser = bank::parse, default_value = "sha256")]
    pub bank: Alg,
    /// The hash of the policy session, for tpm2
    #[arg(long, value_parser = bank::parse, default_value = "sha256")]
    pub policy_hash: Alg,
    /// When: "running", with the event by which the TPM's driver took it over; "launch", before that
    #[arg(long, value_parser = stage, default_value = "running")]
    pub stage: Stage,
    /// The name of the launch; else that of the file
    #[arg(long)]
    pub name: Option<String>,
    /// Write files into this directory
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Bytes in hexadecimal.
#[derive(Clone, Debug)]
pub struct Hex(pub Vec<u8>);

fn hexadecimal(text: &str) -> Result<Hex, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    hex::decode(digits).map(Hex).map_err(|e| e.to_string())
}

/// Arguments of `slaunch verify`.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// The quote, TPMS_ATTEST: what tpm2_quote writes with -m
    #[arg(long, value_name = "FILE")]
    pub quote: PathBuf,
    /// Its signature, TPMT_SIGNATURE: what tpm2_quote writes with -s
    #[arg(long, value_name = "FILE")]
    pub signature: PathBuf,
    /// The attestation key: PEM, or TPM2B_PUBLIC (RSA, ECC P-256 or P-384)
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The nonce that the quote was asked for with; without it nobody knows how old the quote is
    #[arg(long, value_name = "HEX", value_parser = hexadecimal)]
    pub nonce: Option<Hex>,
    /// The event log of the machine
    #[arg(long, value_name = "FILE")]
    pub log: PathBuf,
    /// What is accepted, as "slaunch policy" writes it
    #[arg(long, value_name = "FILE")]
    pub policy: PathBuf,
    /// PCR values, as tpm2_pcrread prints them: for PCRs that the log does not speak of
    #[arg(long, value_name = "FILE")]
    pub pcrs: Option<PathBuf>,
}

/// Arguments of `slaunch completion`.
#[derive(Args, Debug)]
pub struct CompletionArgs {
    /// The shell
    pub shell: Shell,
}

/// Arguments of `slaunch man`.
#[derive(Args, Debug)]
pub struct ManArgs {
    /// Write one page for each command into this directory
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}
