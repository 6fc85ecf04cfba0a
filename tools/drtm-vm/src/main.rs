// SPDX-License-Identifier: GPL-2.0
//! Boots a kernel in the machine model and reports how it went.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use drtm_vm::{
    host, wait, Bank, Config, Fault, Firmware, Loader, Machine, Outcome, TpmInterface, TpmVersion,
};

/// A machine model that drives QEMU and swtpm through a dynamic launch.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Boot a kernel; with slaunch=on,wait on its command line, launch it.
    Boot(Box<Boot>),
    /// Look for what the model needs on this machine.
    Check,
}

#[derive(Debug, clap::Args)]
struct Boot {
    /// Kernel image.
    #[arg(long, value_name = "FILE")]
    kernel: PathBuf,
    /// Initial RAM disk.
    #[arg(long, value_name = "FILE")]
    initrd: Option<PathBuf>,
    /// Kernel command line.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        allow_hyphen_values = true
    )]
    append: String,
    /// CPUs.
    #[arg(long, value_name = "N", default_value_t = 2)]
    cpus: usize,
    /// Memory in MiB.
    #[arg(long, value_name = "M", default_value_t = 512)]
    memory: u64,
    /// Register interface of the TPM: tis, crb, or qemu-crb (locality 0 only).
    #[arg(long, value_name = "INTERFACE", default_value_t)]
    tpm: TpmInterface,
    /// Family of the TPM: 1.2 (tis only) or 2.0.
    #[arg(long, value_name = "VERSION", default_value_t)]
    tpm_version: TpmVersion,
    /// Active PCR banks [default: sha256; sha1 with TPM 1.2, which has no other].
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    banks: Vec<Bank>,
    /// Directory for serial.log, report.json and the files that the guest hands over.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Seconds for the whole run.
    #[arg(long, value_name = "S", default_value_t = 180)]
    timeout: u64,
    /// A TPM fault staged at the launch, such as absent, busy or error=0x922,cc=0x182; the README
    /// lists them.
    #[arg(long, value_name = "FAULT")]
    fault: Option<Fault>,
    /// Build the machine without a TPM.
    #[arg(long)]
    no_tpm: bool,
    /// Accept loader blocks whose header silicon does not check but no sane loader has.
    #[arg(long)]
    lenient: bool,
    /// QEMU CPU model and features.
    #[arg(long, value_name = "MODEL")]
    cpu: Option<String>,
    /// Let the CPUs run at the same time, each in a thread of the host, in place of taking turns in one.
    #[arg(long, conflicts_with = "icount")]
    parallel: bool,
    /// Count instructions: each takes 2^N ns of guest time.
    #[arg(long, value_name = "N")]
    icount: Option<u8>,
    /// Offset of startup_64 in the kernel's image (see System.map), noted as a milestone.
    #[arg(long, value_name = "BYTES", requires = "icount")]
    startup: Option<u64>,
    /// Use QEMU's BIOS instead of UEFI firmware (for multiboot payloads).
    #[arg(long)]
    bios: bool,
    /// Use the build of UEFI that keeps its variables by system management mode.
    #[arg(long, conflicts_with = "bios")]
    smm: bool,
    /// Boot from a disk with this UEFI program as its loader, such as out/firmware/loader.efi.
    #[arg(long, value_name = "FILE")]
    loader: Option<PathBuf>,
    /// A driver that the loader starts before the kernel.
    #[arg(long, value_name = "FILE", requires = "loader")]
    driver: Option<PathBuf>,
    /// The driver's options.
    #[arg(long, value_name = "TEXT", default_value = "", requires = "driver")]
    driver_options: String,
    /// Print the console while the guest runs.
    #[arg(long)]
    verbose: bool,
    /// More arguments for QEMU.
    #[arg(last = true)]
    qemu: Vec<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    wait::end_on_signals()?;
    match Arguments::parse().command {
        Command::Boot(options) => boot(*options),
        Command::Check => Ok(check()),
    }
}

fn check() -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for check in host::prerequisites() {
        match check.result {
            Ok(found) => println!("ok       {}: {found}", check.what),
            Err(why) => {
                println!("missing  {}: {why}", check.what);
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

/// The banks that were asked for, or the usual ones.
fn banks(options: &Boot) -> anyhow::Result<Vec<Bank>> {
    let usual = match options.tpm_version {
        TpmVersion::V1_2 => Bank::Sha1,
        TpmVersion::V2_0 => Bank::Sha256,
    };
    if options.banks.is_empty() {
        return Ok(vec![usual]);
    }
    if options.tpm_version == TpmVersion::V1_2 && options.banks != [Bank::Sha1] {
        anyhow::bail!("a TPM 1.2 has the bank sha1 only");
    }
    Ok(options.banks.clone())
}

fn boot(options: Boot) -> anyhow::Result<ExitCode> {
    let banks = banks(&options)?;
    let mut config = Config {
        loader: options.loader.map(|program| Loader {
            program,
            driver: options.driver,
            options: options.driver_options,
        }),
        kernel: options.kernel,
        initrd: options.initrd,
        append: options.append,
        cpus: options.cpus,
        memory_mib: options.memory,
        banks,
        tpm: !options.no_tpm,
        tpm_interface: options.tpm,
        tpm_version: options.tpm_version,
        parallel: options.parallel,
        icount: options.icount,
        startup: options.startup,
        extra: options.qemu,
        strict: !options.lenient,
        out: options.out,
        limit: Duration::from_secs(options.timeout),
        ..Config::default()
    };
    if let Some(cpu) = options.cpu {
        config.cpu = cpu;
    }
    if options.bios {
        config.firmware = Firmware::SeaBios;
    }
    if options.smm {
        config.firmware = Firmware::smm();
    }
    config.echo = options.verbose;
    let mut machine = Machine::start(&config)?;
    let outcome = machine.run_with(options.fault.as_ref());
    println!("{}", outcome.summary());
    for remark in &machine.report().remarks {
        println!("remark: {remark}");
    }
    Ok(match outcome {
        Outcome::PoweredOff => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}
