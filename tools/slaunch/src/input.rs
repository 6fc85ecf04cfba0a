// SPDX-License-Identifier: GPL-2.0

//! Reading files, with a limit: what is read may be anything.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use anyhow::{ensure, Context, Result};

/// Most bytes of a log. Theirs is 64 KiB; the limit keeps a device or a pipe from filling memory.
pub const LOG: u64 = 1 << 30;
/// Most bytes of a kernel.
pub const KERNEL: u64 = 1 << 30;
/// Most bytes of an initrd.
pub const IMAGE: u64 = 4 << 30;
/// Most bytes of anything else: PCR values, a quote, a key, a policy.
pub const SMALL: u64 = 16 << 20;

/// Where the files of the machine are looked for.
#[derive(Clone, Debug)]
pub struct Root(PathBuf);

impl Root {
    /// The machine's own files, or a copy of them in `dir`.
    pub fn new(dir: Option<&Path>) -> Self {
        Self(dir.unwrap_or(Path::new("/")).to_path_buf())
    }

    /// The file with the absolute path `path`.
    pub fn path(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    /// Whether this is the machine itself.
    pub fn is_machine(&self) -> bool {
        self.0 == Path::new("/")
    }

    /// The text of the file with the absolute path `path`; none if it is not there.
    ///
    /// # Errors
    ///
    /// It is there, and cannot be read.
    pub fn text(&self, path: &str) -> Result<Option<String>> {
        let path = self.path(path);
        match File::open(&path) {
            Ok(file) => {
                let bytes = limited(file, SMALL).with_context(|| path.display().to_string())?;
                Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
            }
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Ok(None)
            }
            Err(e) => Err(e).with_context(|| path.display().to_string()),
        }
    }
}

fn limited(mut file: impl Read, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    (&mut file)
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    ensure!(
        u64::try_from(bytes.len())? <= limit,
        "larger than {limit} bytes"
    );
    Ok(bytes)
}

/// The bytes of a file of at most `limit` bytes; of standard input for `-`.
///
/// # Errors
///
/// It cannot be read, or is larger.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let bytes = if path == Path::new("-") {
        limited(std::io::stdin().lock(), limit)
    } else {
        // One allocation of the right size for what has a size.
        File::open(path).map_err(Into::into).and_then(|file| {
            let size = file.metadata()?.len();
            let mut bytes = Vec::with_capacity(usize::try_from(size.min(limit))?.saturating_add(1));
            file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
            ensure!(
                u64::try_from(bytes.len())? <= limit,
                "larger than {limit} bytes"
            );
            Ok(bytes)
        })
    };
    bytes.with_context(|| path.display().to_string())
}
