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
    _mode: File<Changeable>,
    _check: File<Check>,
    _prm: File<Changeable>,
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
        let changeable = |name, setting| dir.writable_file(name, 0o600, Changeable::new(setting)?);
        let file = |name, mode, shown| dir.text_file(name, mode, Arc::new(shown, GFP_KERNEL)?);
        Ok(Self {
            _mode: changeable(c"mode", Setting::Mode)?,
            _check: dir.writable_file(c"check", 0o600, Arc::new(Check, GFP_KERNEL)?)?,
            _prm: changeable(c"prm", Setting::Handlers)?,
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

/// What can be changed.
enum Setting {
    /// The settings of the gate.
    Mode,
    /// The PRM handlers that run in user mode, to which others can be added.
    Handlers,
}

/// A file in which something can be changed.
#[pin_data]
struct Changeable {
    setting: Setting,
    /// One after the other.
    #[pin]
    writers: Mutex<()>,
}

impl Changeable {
    fn new(setting: Setting) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                setting,
                writers <- new_mutex!(()),
            }),
            GFP_KERNEL,
        )
    }
}

#[vtable]
impl Text for Changeable {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.setting {
            Setting::Mode => {
                text::write_words(super::settings(), f)?;
                f.write_str("\n")
            }
            Setting::Handlers => sandbox::prm::show(f),
        }
    }
}

impl Writable for Changeable {
    fn write(&self, reader: &mut UserSliceReader) -> Result {
        let mut buffer = [0; LONGEST];
        let request = read(reader, &mut buffer)?;
        let _only = self.writers.lock();
        match self.setting {
            Setting::Mode => change::change(request),
            Setting::Handlers => sandbox::prm::allow(request),
        }
    }
}

/// What is written, without the end of its line.
fn read<'a>(reader: &mut UserSliceReader, buffer: &'a mut [u8]) -> Result<&'a [u8]> {
    let request = buffer.get_mut(..reader.len()).ok_or(EINVAL)?;
    reader.read_slice(request)?;
    Ok(request.strip_suffix(b"\n").unwrap_or(request))
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
        match read(reader, &mut buffer)? {
            b"1" => verify::check(),
            _ => Err(EINVAL),
        }
    }
}
