// SPDX-License-Identifier: GPL-2.0

//! Programs of the host, run in the guest.
//!
//! With `job=NAME` on the kernel command line every directory that the host
//! shares over 9p is mounted, read-only, at the path that its tag names, and
//! `/job/NAME` is run with the console as its terminal. A share `usr` holds
//! the host's programs and libraries; all else the job needs of a root file
//! system is made here, in memory.
//!
//! What the job prints goes to the console and, free of the kernel's own
//! messages, into `job.txt`, which is handed to the host together with all
//! files that the job leaves in `/out`, and after a launch what that is judged
//! by, as it is then.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{ensure, Context, Result};
use rustix::mount::{mount, MountFlags};

use crate::checks::EVENTLOG;
use crate::handover::Port;
use crate::{send_launch, suspend, tpm};

/// Where the job's results are.
const OUT: &str = "/out";

/// Directories a program expects, beside those that init itself mounts on.
const DIRS: &[&str] = &["/etc", "/tmp", "/run", "/var/tmp", "/root", OUT];

/// Names at the top that lead into `/usr`, on every Debian since 12.
const MERGED: &[&str] = &["bin", "sbin", "lib", "lib64"];

/// The tags of the shares, from the virtio devices that have one.
fn tags() -> Result<Vec<String>> {
    let dir = "/sys/bus/virtio/drivers/9pnet_virtio";
    let mut tags = Vec::new();
    for entry in fs::read_dir(dir).context("the kernel has no 9p over virtio")? {
        if let Ok(tag) = fs::read_to_string(entry?.path().join("mount_tag")) {
            // The kernel hands the text out with its terminating zero.
            tags.push(tag.trim_end_matches(['\0', '\n']).to_owned());
        }
    }
    Ok(tags)
}

fn mount_shares() -> Result<()> {
    for tag in tags()? {
        ensure!(
            tag.bytes().all(|b| b.is_ascii_alphanumeric()),
            "share with tag {tag:?}"
        );
        let target = format!("/{tag}");
        fs::create_dir_all(&target)?;
        // Nothing on the host changes under a job, so that all may be cached.
        mount(
            &*tag,
            &*target,
            "9p",
            MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV,
            Some(c"trans=virtio,version=9p2000.L,msize=512000,cache=loose"),
        )
        .with_context(|| format!("mounting the share {tag}"))?;
    }
    Ok(())
}

/// The rest of a root file system.
fn furnish() -> Result<()> {
    for dir in DIRS {
        fs::create_dir_all(dir).context(*dir)?;
    }
    for name in MERGED {
        let path = format!("/{name}");
        if !Path::new(&path).exists() {
            symlink(format!("usr/{name}"), &path).context(path)?;
        }
    }
    fs::write("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")?;
    fs::write("/etc/group", "root:x:0:\n")?;
    let target = "/sys/kernel/debug";
    if let Err(e) = mount("debugfs", target, "debugfs", MountFlags::NOSUID, None) {
        println!("# {target}: {e}");
    }
    Ok(())
}

/// Runs the job; what it printed, and how it ended.
fn execute(name: &str) -> Result<Vec<u8>> {
    // Not by the child: that way of starting it takes a socket, which this kernel does not have.
    std::env::set_current_dir("/tmp")?;
    let mut child = Command::new(format!("/job/{name}"))
        .env_clear()
        .envs([
            ("PATH", "/usr/bin:/usr/sbin"),
            ("HOME", "/root"),
            ("OUT", OUT),
            ("LC_ALL", "C.UTF-8"),
        ])
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting /job/{name}"))?;
    let mut output = Vec::new();
    if let Some(mut pipe) = child.stdout.take() {
        let mut chunk = [0u8; 4096];
        loop {
            let n = pipe.read(&mut chunk)?;
            if n == 0 {
                break;
            }
            output.extend_from_slice(&chunk[..n]);
            std::io::stdout().write_all(&chunk[..n])?;
            std::io::stdout().flush()?;
        }
    }
    let status = child.wait()?;
    writeln!(output, "# job {name}: {status}")?;
    println!("# job {name}: {status}");
    Ok(output)
}

/// Mounts the shares, runs the job, suspends to each of the `states`, and hands over the results.
pub(crate) fn run(name: &str, states: Option<&str>) -> Result<()> {
    ensure!(
        !name.starts_with('.') && !name.contains('/'),
        "job={name} is not the name of a file"
    );
    mount_shares()?;
    furnish()?;
    let output = execute(name)?;
    if let Some(states) = states {
        fs::write(format!("{OUT}/suspend.txt"), suspend::run(states))?;
    }
    let mut port = Port::open()?;
    port.send("job.txt", &output)?;
    for entry in fs::read_dir(OUT)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let mut data = Vec::new();
        File::open(&path)?.read_to_end(&mut data)?;
        port.send(name, &data)?;
    }
    if Path::new(EVENTLOG).exists() {
        send_launch(&mut port, Some(&tpm::read_all()?))?;
    }
    port.finish()
}
