// SPDX-License-Identifier: GPL-2.0

//! `/init` of the test guest.
//!
//! Mounts what the checks need, runs them as KTAP on the console, hands the
//! event log, the PCR values and the texts of `state` and `/proc/cmdline` to
//! the host over the second serial port, and powers the machine off. It is
//! the only program in the initramfs, so that a launch needs no user space
//! beyond what is built here.
//!
//! Words on the kernel command line ask for other work: `job=NAME` runs a
//! program that the host shares (see [`job`], and [`suspend`] for what may follow),
//! `extends=N` measures the TPM device (see [`extends`]), `efi-loop=N` calls of
//! runtime services (see [`efi_loop`]), and `talk=1` makes it do what the host says
//! (see [`talk`]).

mod background;
mod capsule;
mod checks;
mod efi_loop;
mod extends;
mod handover;
mod job;
mod ktap;
mod suspend;
mod talk;
mod tpm;

use std::fs;

use anyhow::{Context, Result};
use rustix::mount::{mount, MountFlags};
use rustix::system::{reboot, RebootCommand};

/// File systems the checks read, with their mount points.
const MOUNTS: &[(&str, &str)] = &[
    ("devtmpfs", "/dev"),
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("securityfs", "/sys/kernel/security"),
    ("efivarfs", "/sys/firmware/efi/efivars"),
];

fn mount_all() -> Result<()> {
    for (kind, target) in MOUNTS {
        // The mount points below /sys exist once sysfs is there; those of a
        // missing subsystem do not, and the check that needs them says so.
        let _ = fs::create_dir_all(target);
        if let Err(e) = mount(*kind, *target, *kind, MountFlags::NOSUID, None) {
            // The kernel may have mounted devtmpfs on its own.
            if e != rustix::io::Errno::BUSY {
                println!("# {target}: cannot mount {kind}: {e}");
            }
        }
    }
    Ok(())
}

/// The word `key=value` of the kernel command line, if it is there.
pub(crate) fn option(cmdline: &str, key: &str) -> Option<String> {
    cmdline
        .split_ascii_whitespace()
        .filter_map(|word| word.split_once('='))
        .filter(|(k, _)| *k == key)
        .map(|(_, v)| v.to_owned())
        .next_back()
}

/// Hands over what the host judges a launch by: command line, state, event log, PCR values.
pub(crate) fn send_launch(port: &mut handover::Port, pcrs: Option<&tpm::Pcrs>) -> Result<()> {
    let cmdline = fs::read_to_string("/proc/cmdline").context("/proc/cmdline")?;
    port.send("cmdline.txt", cmdline.trim_end_matches('\n').as_bytes())?;
    for (name, path) in [
        ("state.txt", checks::STATE),
        ("eventlog.bin", checks::EVENTLOG),
        ("iomem.txt", "/proc/iomem"),
    ] {
        if let Ok(data) = fs::read(path) {
            port.send(name, &data)?;
        }
    }
    match pcrs {
        Some(pcrs) => port.send("pcrs.json", &serde_json::to_vec_pretty(pcrs)?),
        None => Ok(()),
    }
}

fn run() -> Result<()> {
    mount_all()?;
    let cmdline = fs::read_to_string("/proc/cmdline").context("/proc/cmdline")?;
    if let Some(name) = option(&cmdline, "job") {
        return job::run(&name, option(&cmdline, "suspend").as_deref());
    }
    if let Some(count) = option(&cmdline, "extends") {
        return extends::run(&count);
    }
    if let Some(count) = option(&cmdline, "efi-loop") {
        return efi_loop::run(&count);
    }
    if option(&cmdline, "talk").is_some() {
        return talk::run();
    }
    let pcrs = tpm::read_all();
    checks::run(&cmdline, pcrs.as_ref())?;
    let mut port = handover::Port::open()?;
    send_launch(&mut port, pcrs.as_ref().ok())?;
    port.finish()
}

fn main() {
    if let Err(e) = run() {
        println!("Bail out! {e:#}");
    }
    rustix::fs::sync();
    // The host waits for the power-off, whatever the checks said.
    if let Err(e) = reboot(RebootCommand::PowerOff) {
        println!("# power-off failed: {e}");
    }
    loop {
        std::thread::park();
    }
}
