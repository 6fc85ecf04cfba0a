// SPDX-License-Identifier: GPL-2.0
//! A private swtpm process and its manufacture.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;

use super::kind::TpmVersion;
use crate::error::{Blame, Result, Side};
use crate::process::Process;
use crate::wait::Deadline;

/// Time allowed for making a new TPM.
const MANUFACTURE: Duration = Duration::from_secs(60);

/// A PCR bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Bank {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Bank {
    /// All banks that swtpm offers.
    pub const ALL: [Bank; 4] = [Bank::Sha1, Bank::Sha256, Bank::Sha384, Bank::Sha512];

    /// Algorithm identifier of the TPM specification.
    pub fn algorithm(self) -> u16 {
        match self {
            Bank::Sha1 => 0x4,
            Bank::Sha256 => 0xb,
            Bank::Sha384 => 0xc,
            Bank::Sha512 => 0xd,
        }
    }

    /// Bytes of a digest.
    pub fn size(self) -> usize {
        match self {
            Bank::Sha1 => 20,
            Bank::Sha256 => 32,
            Bank::Sha384 => 48,
            Bank::Sha512 => 64,
        }
    }

    /// The name swtpm, tpm2-tools and reports use.
    pub fn name(self) -> &'static str {
        match self {
            Bank::Sha1 => "sha1",
            Bank::Sha256 => "sha256",
            Bank::Sha384 => "sha384",
            Bank::Sha512 => "sha512",
        }
    }
}

impl fmt::Display for Bank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Bank {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        Bank::ALL
            .into_iter()
            .find(|bank| bank.name() == text)
            .ok_or_else(|| format!("unknown PCR bank '{text}' (sha1, sha256, sha384, sha512)"))
    }
}

/// A running swtpm with a state directory of its own.
#[derive(Debug)]
pub struct Swtpm {
    process: Process,
    control: PathBuf,
}

impl Swtpm {
    /// Makes a TPM in `dir`: a TPM 2.0 with exactly `banks` active, or a TPM 1.2, enabled and
    /// activated.
    pub fn manufacture(dir: &Path, version: TpmVersion, banks: &[Bank]) -> Result<()> {
        let state = Self::state_dir(dir);
        std::fs::create_dir_all(&state).blame(Side::Host, state.display())?;
        let names: Vec<&str> = banks.iter().map(|bank| bank.name()).collect();
        let mut command = Command::new("swtpm_setup");
        command.arg("--tpmstate").arg(&state).stdin(Stdio::null());
        if version == TpmVersion::V2_0 {
            command.args(["--tpm2", "--pcr-banks", &names.join(",")]);
        }
        let log = dir.join("swtpm_setup.log");
        let mut process = Process::spawn(command, Side::Swtpm, "swtpm_setup", &log)?;
        let deadline = Deadline::after(MANUFACTURE);
        loop {
            match process.exited() {
                Some(status) if status.success() => return Ok(()),
                Some(_) => return Err(process.failure("cannot make a TPM")),
                None if deadline.over() => return Err(process.failure("making a TPM hangs")),
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    /// Takes up the TPM that lives in `home` for a machine in `dir`; makes it if there is none.
    pub fn at_home(home: &Path, dir: &Path, version: TpmVersion, banks: &[Bank]) -> Result<()> {
        let (there, here) = (Self::state_dir(home), Self::state_dir(dir));
        if !there.exists() {
            Self::manufacture(home, version, banks)?;
        }
        let there = there.canonicalize().blame(Side::Host, there.display())?;
        std::os::unix::fs::symlink(there, &here).blame(Side::Host, here.display())
    }

    /// Starts swtpm on the state below `dir`.
    pub fn start(dir: &Path, version: TpmVersion) -> Result<Self> {
        let state = Self::state_dir(dir);
        std::fs::create_dir_all(&state).blame(Side::Host, state.display())?;
        let control = dir.join("swtpm.ctrl");
        let mut command = Command::new("swtpm");
        // A relative state directory makes CMD_INIT fail; ours comes from tempfile, absolute.
        command
            .arg("socket")
            .arg("--tpmstate")
            .arg(format!("dir={}", state.display()))
            .arg("--ctrl")
            .arg(format!("type=unixio,path={}", control.display()))
            .arg("--terminate");
        if version == TpmVersion::V2_0 {
            command.arg("--tpm2");
        }
        let process = Process::spawn(command, Side::Swtpm, "swtpm", &dir.join("swtpm.log"))?;
        Ok(Swtpm { process, control })
    }

    /// Copies the state of a TPM that does not run, from below `from` to below `to`.
    pub fn copy_state(from: &Path, to: &Path) -> Result<()> {
        let (from, to) = (Self::state_dir(from), Self::state_dir(to));
        std::fs::create_dir_all(&to).blame(Side::Host, to.display())?;
        for entry in std::fs::read_dir(&from).blame(Side::Host, from.display())? {
            let name = entry.blame(Side::Host, from.display())?.file_name();
            // The lock file stays where it is.
            if !name.as_encoded_bytes().starts_with(b".") {
                std::fs::copy(from.join(&name), to.join(&name))
                    .blame(Side::Host, from.display())?;
            }
        }
        Ok(())
    }

    fn state_dir(dir: &Path) -> PathBuf {
        dir.join("tpm")
    }

    /// Path of the control socket.
    pub fn control(&self) -> &Path {
        &self.control
    }

    /// An error when the process has ended.
    pub fn check(&mut self) -> Result<()> {
        match self.process.exited() {
            Some(_) => Err(self.process.failure("the TPM emulator is gone")),
            None => Ok(()),
        }
    }

    /// Kills it; for tests of the errors that follow.
    pub fn kill(&mut self) {
        self.process.kill();
    }
}
