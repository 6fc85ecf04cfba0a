// SPDX-License-Identifier: GPL-2.0

//! The checks that run inside the guest.
//!
//! What can only be seen from inside is checked here: the files in
//! securityfs, processors that came up and can be taken down and up again,
//! the kernel's own complaints. Digests and PCRs are judged on the host.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{bail, ensure, Context, Result};

use crate::ktap::{Ktap, Outcome};
use crate::option;
use crate::tpm::Pcrs;

pub(crate) const DIR: &str = "/sys/kernel/security/slaunch";
pub(crate) const STATE: &str = "/sys/kernel/security/slaunch/state";
pub(crate) const EVENTLOG: &str = "/sys/kernel/security/slaunch/eventlog";

/// One check: its name, and whether it needs a launch.
type Check<'a> = (&'a str, &'a dyn Fn() -> Result<Outcome>);

/// Runs everything; `pcrs` is what the TPM device answered.
pub(crate) fn run(cmdline: &str, pcrs: Result<&Pcrs, &anyhow::Error>) -> Result<()> {
    let launched = Path::new(EVENTLOG).exists();
    let tpm = || match pcrs {
        Ok(pcrs) if pcrs.is_empty() => bail!("the TPM has no active bank"),
        Ok(_) => Ok(Outcome::Ok),
        Err(e) if option(cmdline, "slaunch").is_none() => Ok(Outcome::Skip(format!("{e:#}"))),
        Err(e) => bail!("{e:#}"),
    };
    let files = || files(launched);
    let only_if_launched = |check: fn() -> Result<Outcome>| {
        move || match launched {
            true => check(),
            false => Ok(Outcome::Skip("not launched".into())),
        }
    };
    let mode = only_if_launched(log_mode);
    let reads = only_if_launched(log_reads);
    let checks: [Check<'_>; 8] = [
        ("securityfs_files", &files),
        ("state_is_readable", &state),
        ("eventlog_mode", &mode),
        ("eventlog_seek_and_partial_reads", &reads),
        ("tpm_pcrs_readable", &tpm),
        ("all_cpus_online", &cpus_online),
        ("cpu_offline_and_online", &hotplug),
        ("no_kernel_warnings", &kernel_log),
    ];
    let mut ktap = Ktap::new(checks.len());
    for (name, check) in checks {
        ktap.result(name, check());
    }
    ktap.finish();
    Ok(())
}

/// With a launch there are `efi`, `eventlog` and `state`; without one, `state` alone.
fn files(launched: bool) -> Result<Outcome> {
    let mut names: Vec<String> = fs::read_dir(DIR)
        .context(DIR)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    names.sort();
    let expected: &[&str] = if launched {
        &["efi", "eventlog", "state"]
    } else {
        &["state"]
    };
    ensure!(names == expected, "{DIR} holds {names:?}");
    Ok(Outcome::Ok)
}

fn state() -> Result<Outcome> {
    let text = fs::read_to_string(STATE).context(STATE)?;
    for line in text.lines() {
        println!("# state: {line}");
    }
    ensure!(
        text.ends_with('\n') && text.contains("launched"),
        "{STATE} reads {text:?}"
    );
    Ok(Outcome::Ok)
}

fn log_mode() -> Result<Outcome> {
    let mode = fs::metadata(EVENTLOG)?.permissions().mode() & 0o7777;
    ensure!(mode == 0o440, "mode is {mode:o}");
    match File::options().write(true).custom_flags(0).open(EVENTLOG) {
        // Root passes the mode bits; the file must still refuse the write.
        Ok(file) => match file.write_at(b"x", 0) {
            Err(_) => Ok(Outcome::Ok),
            Ok(n) => bail!("{n} bytes could be written"),
        },
        Err(_) => Ok(Outcome::Ok),
    }
}

/// Reads the log whole, in small pieces, backwards and past its end.
fn log_reads() -> Result<Outcome> {
    let whole = fs::read(EVENTLOG)?;
    ensure!(whole.len() > 64, "{} bytes only", whole.len());

    let mut file = File::open(EVENTLOG)?;
    let mut pieces = Vec::new();
    let mut piece = [0u8; 7];
    loop {
        match file.read(&mut piece) {
            Ok(0) => break,
            Ok(n) => pieces.extend_from_slice(&piece[..n]),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e.into()),
        }
    }
    ensure!(pieces == whole, "pieces of 7 bytes differ from the whole");

    for offset in [whole.len() - 1, whole.len() / 2, 1, 0] {
        file.seek(SeekFrom::Start(offset as u64))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        ensure!(tail == whole[offset..], "reading from {offset} differs");
    }
    for beyond in [whole.len() as u64, whole.len() as u64 + 1, 1 << 40] {
        let n = file.read_at(&mut piece, beyond)?;
        ensure!(n == 0, "{n} bytes at {beyond}, past the end");
    }
    Ok(Outcome::Ok)
}

fn cpu_list(name: &str) -> Result<String> {
    let path = format!("/sys/devices/system/cpu/{name}");
    Ok(fs::read_to_string(&path).context(path)?.trim().to_owned())
}

fn cpus_online() -> Result<Outcome> {
    let (present, online) = (cpu_list("present")?, cpu_list("online")?);
    println!("# cpus: present {present}, online {online}");
    ensure!(present == online, "present {present}, online {online}");
    Ok(Outcome::Ok)
}

/// Takes the second processor down and up: its INIT must work again by now.
fn hotplug() -> Result<Outcome> {
    let path = "/sys/devices/system/cpu/cpu1/online";
    if !Path::new(path).exists() {
        return Ok(Outcome::Skip("one processor, or no CPU hotplug".into()));
    }
    fs::write(path, "0").context("taking cpu1 down")?;
    fs::write(path, "1").context("taking cpu1 up")?;
    cpus_online()
}

/// The kernel must not have warned about anything.
fn kernel_log() -> Result<Outcome> {
    let mut file = File::options()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32)
        .open("/dev/kmsg")
        .context("/dev/kmsg")?;
    let mut record = vec![0u8; 8192];
    let mut bad = Vec::new();
    loop {
        match file.read(&mut record) {
            Ok(0) => break,
            Ok(n) => {
                let text = String::from_utf8_lossy(&record[..n]);
                let line = text.split_once(';').map_or(&*text, |(_, rest)| rest);
                let marks = ["WARNING:", "BUG:", "Oops", "Call Trace", "unchecked MSR"];
                if marks.iter().any(|mark| line.contains(mark)) {
                    bad.push(line.lines().next().unwrap_or_default().to_owned());
                }
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => break,
            // A record was overwritten while it was read: go on with the next.
            Err(e) if e.kind() == ErrorKind::BrokenPipe => {}
            Err(e) => return Err(e.into()),
        }
    }
    ensure!(bad.is_empty(), "{}", bad.join(" | "));
    Ok(Outcome::Ok)
}
