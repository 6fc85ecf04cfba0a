// SPDX-License-Identifier: GPL-2.0

//! The directory `slaunch/efi` in securityfs.

use super::{
    change,
    count,
    regions,
    sandbox,
    text,
    verify,
    violation, //
};
use kernel::{
    fmt,
    new_mutex,
    prelude::*,
    securityfs::{
        Dir,
        File,
        Text,
        Writable, //
    },
    sync::{
        Arc,
        Mutex, //
    },
    uaccess::UserSliceReader, //
};

/// Longest request that is read, in bytes.
const LONGEST: usize = 64;

/// The files, for as long as they are there.
pub(crate) struct Files {
    _mode: File<ModeFile>,
    _check: File<Check>,
    _prm: File<Handlers>,
    _shown: [File<Shown>; 6],
}

impl Files {
    /// Creates the directory in `parent`, with all files.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(parent: &Dir) -> Result<Self> {
        let dir = parent.subdir(c"efi")?;
        let mode = Arc::pin_init(
            pin_init!(ModeFile {
                writers <- new_mutex!(()),
            }),
            GFP_KERNEL,
        )?;
        let handlers = Arc::pin_init(
            pin_init!(Handlers {
                writers <- new_mutex!(()),
            }),
            GFP_KERNEL,
        )?;
        let file = |name, mode, shown| dir.text_file(name, mode, Arc::new(shown, GFP_KERNEL)?);
        Ok(Self {
            _mode: dir.writable_file(c"mode", 0o600, mode)?,
            _check: dir.writable_file(c"check", 0o600, Arc::new(Check, GFP_KERNEL)?)?,
            _prm: dir.writable_file(c"prm", 0o600, handlers)?,
            _shown: [
                file(c"calls", 0o444, Shown::Calls)?,
                file(c"violations", 0o444, Shown::Violations)?,
                // Addresses of the kernel are in them.
                file(c"last", 0o400, Shown::Last)?,
                file(c"regions", 0o400, Shown::Regions)?,
                file(c"mapped", 0o400, Shown::Mapped)?,
                file(c"traps", 0o444, Shown::Traps)?,
            ],
        })
    }
}

/// What is only to be read.
enum Shown {
    Calls,
    Violations,
    Last,
    Regions,
    Mapped,
    Traps,
}

#[vtable]
impl Text for Shown {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calls => count::show(f),
            Self::Violations => writeln!(f, "{}", violation::count()),
            Self::Last => violation::show_last(f),
            Self::Regions => regions::show(f),
            Self::Mapped => sandbox::show_mapped(f),
            Self::Traps => sandbox::show_traps(f),
        }
    }
}

/// The settings of the gate, which can be changed.
#[pin_data]
struct ModeFile {
    /// One after the other.
    #[pin]
    writers: Mutex<()>,
}

#[vtable]
impl Text for ModeFile {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write_words(super::settings(), f)?;
        f.write_str("\n")
    }
}

impl Writable for ModeFile {
    fn write(&self, reader: &mut UserSliceReader) -> Result {
        let mut buffer = [0; LONGEST];
        let request = buffer.get_mut(..reader.len()).ok_or(EINVAL)?;
        reader.read_slice(request)?;
        let _only = self.writers.lock();
        change::change(request.strip_suffix(b"\n").unwrap_or(request))
    }
}

/// How often all digests were checked; whoever writes `1` has it done.
struct Check;

#[vtable]
impl Text for Check {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", verify::checks())
    }
}

impl Writable for Check {
    fn write(&self, reader: &mut UserSliceReader) -> Result {
        let mut buffer = [0; 2];
        let request = buffer.get_mut(..reader.len()).ok_or(EINVAL)?;
        reader.read_slice(request)?;
        match request.strip_suffix(b"\n").unwrap_or(request) {
            b"1" => verify::check(),
            _ => Err(EINVAL),
        }
    }
}

/// The PRM handlers that run in user mode, to which others can be added.
#[pin_data]
struct Handlers {
    /// One after the other.
    #[pin]
    writers: Mutex<()>,
}

#[vtable]
impl Text for Handlers {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        sandbox::prm::show(f)
    }
}

impl Writable for Handlers {
    fn write(&self, reader: &mut UserSliceReader) -> Result {
        let mut buffer = [0; LONGEST];
        let request = buffer.get_mut(..reader.len()).ok_or(EINVAL)?;
        reader.read_slice(request)?;
        let _only = self.writers.lock();
        sandbox::prm::allow(request.strip_suffix(b"\n").unwrap_or(request))
    }
}
