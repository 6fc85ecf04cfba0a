// SPDX-License-Identifier: GPL-2.0
//! A machine frozen at its launch instruction, from which many cases start.
//!
//! Guest memory stays in a file that every case maps privately, so that starting a case copies
//! nothing; the rest of the machine, the TPM's state among it, is a QEMU migration stream.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::config::Config;
use crate::error::{Blame, Error, Result, Side};
use crate::host;
use crate::machine::{Machine, Reached};
use crate::outcome::Outcome;
use crate::qemu::Ram;
use crate::qmp::Qmp;
use crate::wait::{check_interrupt, Deadline};

/// Time allowed for saving or loading the state without guest memory.
const MIGRATION: Duration = Duration::from_secs(60);

/// A frozen machine.
#[derive(Debug)]
pub struct Snapshot {
    config: Config,
    console: String,
    dir: TempDir,
}

impl Snapshot {
    /// Boots `config` to its launch instruction and freezes it there. `Err` holds the outcome when
    /// the machine ended before, or the failure.
    pub fn take(config: &Config) -> std::result::Result<Self, Outcome> {
        let dir = host::directory(config.memory_mib << 20)?;
        let ram = dir.path().join("ram");
        let mut machine = Machine::build(config, Ram::Shared(ram), None)?;
        match machine.run_to_skinit(config.limit)? {
            Reached::Skinit => {}
            Reached::Ended(outcome) => return Err(outcome),
        }
        let snapshot = Snapshot {
            config: config.clone(),
            console: machine.console(),
            dir,
        };
        snapshot.save(&mut machine)?;
        Ok(snapshot)
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn ram(&self) -> PathBuf {
        self.dir.path().join("ram")
    }

    fn vars(&self) -> PathBuf {
        self.dir.path().join("vars.fd")
    }

    fn save(&self, machine: &mut Machine) -> Result<()> {
        let qmp = &mut machine.qemu.qmp;
        ignore_shared(qmp)?;
        let uri = format!("file:{}", self.state().display());
        qmp.command("migrate", json!({ "uri": uri }))?;
        finish(qmp)?;
        let vars = machine.dir.path().join("vars.fd");
        if vars.exists() {
            std::fs::copy(&vars, self.vars()).blame(Side::Host, vars.display())?;
        }
        Ok(())
    }

    /// Console output up to the launch instruction.
    pub fn console(&self) -> &str {
        &self.console
    }

    /// A new machine that stands at the launch instruction.
    pub fn case(&self) -> Result<Machine> {
        self.case_with(|_| ())
    }

    /// As [`Snapshot::case`], with another output directory or time limit; nothing that the
    /// frozen machine depends on may be changed.
    pub fn case_with(&self, change: impl FnOnce(&mut Config)) -> Result<Machine> {
        let mut config = self.config.clone();
        change(&mut config);
        let dir = host::directory(0)?;
        let vars = dir.path().join("vars.fd");
        if self.vars().exists() {
            std::fs::copy(self.vars(), &vars).blame(Side::Host, vars.display())?;
        }
        let mut machine = Machine::build(&config, Ram::CopyOf(self.ram()), Some(&vars))?;
        let qmp = &mut machine.qemu.qmp;
        ignore_shared(qmp)?;
        let uri = format!("file:{}", self.state().display());
        qmp.command("migrate-incoming", json!({ "uri": uri }))?;
        finish(qmp)?;
        // The variable store is open in QEMU by now; the directory may go.
        drop(dir);
        Ok(machine)
    }
}

fn ignore_shared(qmp: &mut Qmp) -> Result<()> {
    let capability = json!({ "capability": "x-ignore-shared", "state": true });
    qmp.command(
        "migrate-set-capabilities",
        json!({ "capabilities": [capability] }),
    )?;
    Ok(())
}

fn finish(qmp: &mut Qmp) -> Result<()> {
    let deadline = Deadline::after(MIGRATION);
    loop {
        let answer = qmp.command("query-migrate", serde_json::Value::Null)?;
        match answer["status"].as_str() {
            Some("completed") => return Ok(()),
            Some("failed" | "cancelled") => {
                let what = format!("the machine state is not transferred: {answer}");
                return Err(Error::new(Side::Qemu, what));
            }
            _ if deadline.over() => {
                return Err(Error::new(Side::Qemu, "transferring the state hangs"))
            }
            _ => {}
        }
        check_interrupt()?;
        std::thread::sleep(Duration::from_millis(10));
    }
}
