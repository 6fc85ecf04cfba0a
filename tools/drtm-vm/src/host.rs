// SPDX-License-Identifier: GPL-2.0
//! What the model needs on the machine it runs on.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::config::{Config, Firmware};
use crate::error::{Blame, Error, Result, Side};

/// One prerequisite.
#[derive(Debug, Clone)]
pub struct Check {
    /// What was looked for.
    pub what: String,
    /// What was found, or why it does not do and how to get it.
    pub result: std::result::Result<String, String>,
}

fn program(name: &str, package: &str) -> Check {
    let found = Command::new(name).arg("--version").output();
    let result = match found {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            Ok(text.lines().next().unwrap_or("present").to_owned())
        }
        Err(e) => Err(format!("{e}; install package {package}")),
    };
    Check {
        what: name.to_owned(),
        result,
    }
}

fn file(path: &Path, package: &str) -> Check {
    Check {
        what: path.display().to_string(),
        result: match std::fs::metadata(path) {
            Ok(data) => Ok(format!("{} KiB", data.len() >> 10)),
            Err(e) => Err(format!("{e}; install package {package}")),
        },
    }
}

/// Looks for everything a default machine needs.
pub fn prerequisites() -> Vec<Check> {
    let mut checks = vec![
        program(crate::qemu::PROGRAM, "qemu-system-x86 (10.0 or newer)"),
        program("swtpm", "swtpm"),
        program("swtpm_setup", "swtpm-tools"),
    ];
    if let Firmware::Ovmf { code, vars, .. } = Config::default().firmware {
        checks.push(file(&code, "ovmf"));
        checks.push(file(&vars, "ovmf"));
    }
    let scratch = directory(0);
    checks.push(Check {
        what: "scratch directory".into(),
        result: scratch
            .map(|dir| dir.path().display().to_string())
            .map_err(|e| e.what),
    });
    checks
}

/// A private directory for sockets and copies, with `bytes` of space. `TMPDIR` is honoured, else
/// memory is preferred to disk if there is plenty.
pub fn directory(bytes: u64) -> Result<TempDir> {
    let shm = PathBuf::from("/dev/shm");
    let base = match std::env::var_os("TMPDIR") {
        Some(dir) => PathBuf::from(dir),
        None if free(&shm) > bytes.saturating_mul(4) + (64 << 20) => shm,
        None => std::env::temp_dir(),
    };
    let dir = tempfile::Builder::new()
        .prefix("drtm-vm-")
        .tempdir_in(&base)
        .blame(Side::Host, base.display())?;
    // Unix socket paths are limited to 107 bytes.
    if dir.path().as_os_str().len() > 80 {
        return Err(Error::new(
            Side::Host,
            format!(
                "path {} is too long for sockets; set TMPDIR",
                base.display()
            ),
        ));
    }
    Ok(dir)
}

/// Free bytes of the file system at `path`; 0 if unknown.
fn free(path: &Path) -> u64 {
    nix::sys::statvfs::statvfs(path).map_or(0, |fs| fs.blocks_available() * fs.fragment_size())
}
