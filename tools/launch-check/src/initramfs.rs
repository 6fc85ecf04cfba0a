// SPDX-License-Identifier: GPL-2.0

//! Packs the guest's init program as an initramfs.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use cpio::newc;

/// The directories the init program mounts on.
const DIRS: &[&str] = &["dev", "proc", "sys"];

/// Entries get fixed owners and times, so that equal input gives equal bytes.
fn entry(out: &mut Vec<u8>, name: &str, mode: u32, data: &[u8]) -> Result<()> {
    let size = u32::try_from(data.len())?;
    let mut writer = newc::Builder::new(name)
        .mode(mode)
        .mtime(0)
        .write(&mut *out, size);
    writer.write_all(data)?;
    writer.finish()?;
    Ok(())
}

/// Writes an initramfs with `init` as `/init` to `out`.
pub fn pack(init: &Path, out: &Path) -> Result<()> {
    let program = std::fs::read(init).with_context(|| init.display().to_string())?;
    let mut archive = Vec::new();
    for dir in DIRS {
        entry(&mut archive, dir, 0o040755, &[])?;
    }
    entry(&mut archive, "init", 0o100755, &program)?;
    newc::trailer(&mut archive)?;
    std::fs::write(out, archive).with_context(|| out.display().to_string())
}
