// SPDX-License-Identifier: GPL-2.0

//! What a call of GetVariable costs, and what a pass of the gate's digests over the kernel does.
//!
//! With `efi-loop=N` on the kernel command line init reads a variable N times by efivarfs, which is
//! two calls of GetVariable each time: the first asks for the size. Each read is timed by itself, and
//! the median printed, which neither interrupts nor what the gate does now and then move. Where a
//! virtual machine counts instructions, one a nanosecond, the time stamp counter has that count.
//! With `efi-loop=N,M` it mounts the file system M times besides, which goes through all variables, and reads
//! each.

use std::arch::x86_64::_rdtsc;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::time::Instant;

use anyhow::{ensure, Context, Result};
use rustix::mount::{mount, unmount, MountFlags, UnmountFlags};

/// One byte, which every firmware has, and early in the list.
const VARIABLE: &str = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
/// Where variables are.
const VARIABLES: &str = "/sys/firmware/efi/efivars";
/// Calls for a read.
const CALLS: u64 = 2;
/// A number N written to it makes the kernel compute the gate's digests of all text and read-only data N times.
const HASH: &str = "/sys/kernel/debug/slaunch/hash";
/// How often that is timed.
const PASSES: usize = 7;

/// Reads of the clocks before the first of which counts.
const WARM_UP: usize = 3;

/// Prints median and mean of what `step` takes, divided by `parts`.
fn time(what: &str, count: usize, parts: u64, mut step: impl FnMut() -> Result<()>) -> Result<()> {
    for _ in 0..WARM_UP {
        step()?;
    }
    let mut ticks = Vec::with_capacity(count);
    let mut ns = Vec::with_capacity(count);
    for _ in 0..count {
        let start = Instant::now();
        // SAFETY: Every x86-64 processor has the instruction.
        let before = unsafe { _rdtsc() };
        step()?;
        // SAFETY: See above.
        ticks.push(unsafe { _rdtsc() } - before);
        ns.push(u64::try_from(start.elapsed().as_nanos())?);
    }
    let mut line = format!("efi-loop: {what}: count={count}");
    for (name, values) in [("ticks", &mut ticks), ("ns", &mut ns)] {
        values.sort_unstable();
        let mean = values.iter().sum::<u64>() / count as u64;
        line += &format!(
            " {name}={} mean_{name}={}",
            values[count / 2] / parts,
            mean / parts
        );
    }
    println!("{line}");
    Ok(())
}

/// Goes through all variables, and reads each.
fn enumerate() -> Result<()> {
    unmount(VARIABLES, UnmountFlags::empty()).context(VARIABLES)?;
    mount("efivarfs", VARIABLES, "efivarfs", MountFlags::NOSUID, None).context(VARIABLES)?;
    let mut read = 0;
    for entry in fs::read_dir(VARIABLES).context(VARIABLES)? {
        let path = entry?.path();
        let mut data = vec![0; 8192];
        File::open(&path)?.read_at(&mut data, 0).context("read")?;
        read += 1;
    }
    ensure!(read > 10, "{read} variables");
    Ok(())
}

pub(crate) fn run(counts: &str) -> Result<()> {
    let (count, lists) = counts.split_once(',').unwrap_or((counts, "0"));
    let count: usize = count.parse().context("efi-loop=")?;
    let lists: usize = lists.parse().context("efi-loop=")?;
    ensure!(count > 0, "efi-loop=0");
    let _ = mount(
        "debugfs",
        "/sys/kernel/debug",
        "debugfs",
        MountFlags::NOSUID,
        None,
    );
    let variable = File::open(VARIABLE).context(VARIABLE)?;
    println!("efi-loop: begin");
    time("GetVariable", count, CALLS, || {
        let mut data = [0; 16];
        let n = variable.read_at(&mut data, 0).context(VARIABLE)?;
        ensure!(n == 5, "{VARIABLE}: {n} bytes");
        Ok(())
    })?;
    drop(variable);
    if lists > 0 {
        time("enumeration", lists, 1, enumerate)?;
    }
    if fs::exists(HASH)? {
        let file = OpenOptions::new().write(true).open(HASH).context(HASH)?;
        time("pass", PASSES, 1, || {
            file.write_at(b"1", 0).context(HASH)?;
            Ok(())
        })?;
    }
    println!("efi-loop: end");
    Ok(())
}
