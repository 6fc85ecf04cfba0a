// SPDX-License-Identifier: GPL-2.0

//! `/init` of the test guest.
//!
//! Mounts what the checks need, runs them as KTAP on the console, hands the
//! event log, the PCR values and the texts of `state` and `/proc/cmdline` to
//! the host over the second serial port, and powers the machine off. It is
//! the only program in the initramfs, so that a launch needs no user space
//! beyond what is built here.

mod checks;
mod handover;
mod ktap;
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

fn run() -> Result<()> {
    mount_all()?;
    let cmdline = fs::read_to_string("/proc/cmdline").context("/proc/cmdline")?;
    let pcrs = tpm::read_all();
    checks::run(&cmdline, pcrs.as_ref())?;

    let mut port = handover::Port::open()?;
    port.send("cmdline.txt", cmdline.trim_end_matches('\n').as_bytes())?;
    if let Ok(state) = fs::read(checks::STATE) {
        port.send("state.txt", &state)?;
    }
    if let Ok(log) = fs::read(checks::EVENTLOG) {
        port.send("eventlog.bin", &log)?;
    }
    if let Ok(pcrs) = &pcrs {
        port.send("pcrs.json", &serde_json::to_vec_pretty(pcrs)?)?;
    }
    if let Ok(iomem) = fs::read("/proc/iomem") {
        port.send("iomem.txt", &iomem)?;
    }
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
