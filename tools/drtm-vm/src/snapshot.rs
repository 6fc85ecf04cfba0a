// SPDX-License-Identifier: GPL-2.0
//! A machine frozen at its launch instruction, or where it waits for its console, from which many cases start.
//!
//! Guest memory stays in a file that every case maps privately, so that starting a case copies
//! nothing; the rest of the machine, the TPM's state among it, is a QEMU migration stream. Only a
//! TPM whose registers are the model's own is no part of QEMU: its state and registers are files.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{json, Value};
use tempfile::TempDir;

use crate::config::Config;
use crate::error::{Blame, Error, Result, Side};
use crate::gdb::Reg;
use crate::host;
use crate::machine::{Frozen, Machine, Reached};
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
    /// Whether the guest was running: not at an instruction that it must not leave.
    live: bool,
    dir: TempDir,
}

impl Snapshot {
    /// Boots `config` to its launch instruction and freezes it there. `Err` holds the outcome when
    /// the machine ended before, or the failure.
    pub fn take(config: &Config) -> std::result::Result<Self, Outcome> {
        Self::take_with(config, |_| Ok(()))
    }

    /// As [`Snapshot::take`], with something done to the machine before its first instruction.
    pub fn take_with(
        config: &Config,
        prepare: impl FnOnce(&mut Machine) -> Result<()>,
    ) -> std::result::Result<Self, Outcome> {
        Self::freeze(config, |machine| {
            prepare(machine)?;
            match machine.run_to_skinit(config.limit)? {
                Reached::Skinit => Ok(()),
                Reached::Ended(outcome) => Err(outcome),
            }
        })
    }

    /// A machine that is frozen where `run` has brought it: at its launch instruction, or, in any other
    /// state, running. Then it should be waiting for its console. A guest that has mounted a share of the host's
    /// cannot be frozen.
    pub fn freeze(
        config: &Config,
        run: impl FnOnce(&mut Machine) -> std::result::Result<(), Outcome>,
    ) -> std::result::Result<Self, Outcome> {
        let dir = host::directory(config.memory_mib << 20)?;
        let ram = dir.path().join("ram");
        let mut machine = Machine::build(config, Ram::Shared(ram), None)?;
        run(&mut machine)?;
        let live = machine.qemu.gdb.running();
        let snapshot = Snapshot {
            config: config.clone(),
            console: machine.console(),
            live,
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
        if self.live {
            pause(machine)?;
        } else {
            park(machine)?;
        }
        let qmp = &mut machine.qemu.qmp;
        ignore_shared(qmp)?;
        let uri = format!("file:{}", self.state().display());
        qmp.command("migrate", json!({ "uri": uri }))?;
        finish(qmp)?;
        let vars = machine.dir.path().join("vars.fd");
        if vars.exists() {
            std::fs::copy(&vars, self.vars()).blame(Side::Host, vars.display())?;
        }
        machine.save_tpm(self.dir.path())?;
        Ok(())
    }

    fn load(&self, qmp: &mut Qmp) -> Result<()> {
        ignore_shared(qmp)?;
        let uri = format!("file:{}", self.state().display());
        qmp.command("migrate-incoming", json!({ "uri": uri }))?;
        finish(qmp)
    }

    /// Console output so far.
    pub fn console(&self) -> &str {
        &self.console
    }

    /// A new machine that stands where this one was frozen.
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
        let frozen = Frozen {
            vars: &vars,
            dir: self.dir.path(),
        };
        let mut machine = Machine::build(&config, Ram::CopyOf(self.ram()), Some(&frozen))?;
        if let Err(error) = self.load(&mut machine.qemu.qmp) {
            // A QEMU that refuses a state exits; what it said is the better message.
            std::thread::sleep(Duration::from_millis(100));
            return Err(match machine.qemu.process.exited() {
                Some(_) => machine.qemu.process.failure(&error.what),
                None => error,
            });
        }
        if self.live {
            run_a_moment(&mut machine)?;
        } else {
            on_the_spot(&mut machine, run_a_moment)?;
        }
        // The variable store is open in QEMU by now; the directory may go.
        drop(dir);
        Ok(machine)
    }
}

/// Two bytes of code on which the boot processor can run without getting anywhere.
const JUMP_TO_ITSELF: [u8; 2] = [0xeb, 0xfe];

/// Brings QEMU from its state "stopped by the debugger", which it cannot load again, to "paused":
/// the boot processor runs on the spot for a moment.
fn park(machine: &mut Machine) -> Result<()> {
    let status = machine.qemu.qmp.command("query-status", Value::Null)?;
    if status["status"] != "debug" {
        return Ok(());
    }
    on_the_spot(machine, |machine| {
        let gdb = &mut machine.qemu.gdb;
        gdb.resume()?;
        gdb.interrupt()?;
        match gdb.wait_stop(Duration::from_secs(10))? {
            Some(_) => Ok(()),
            None => Err(Error::new(Side::Qemu, "QEMU does not stop when asked to")),
        }
    })
}

/// Makes a loaded machine take possession of its disks: QEMU does that at its own "cont" only, not
/// when the debugger lets it run, and aborts when the flash is written to before.
fn run_a_moment(machine: &mut Machine) -> Result<()> {
    machine.qemu.qmp.command("cont", Value::Null)?;
    machine.qemu.qmp.command("stop", Value::Null)?;
    Ok(())
}

/// Stops a running machine in a state that QEMU can load again.
fn pause(machine: &mut Machine) -> Result<()> {
    machine.qemu.qmp.command("stop", Value::Null)?;
    match machine.qemu.gdb.wait_stop(Duration::from_secs(10))? {
        Some(_) => Ok(()),
        None => Err(Error::new(Side::Qemu, "QEMU does not stop when asked to")),
    }
}

/// Lets the machine run for a moment, in `run`, with its boot processor held where it is.
fn on_the_spot(machine: &mut Machine, run: impl FnOnce(&mut Machine) -> Result<()>) -> Result<()> {
    let at = machine.register(Reg::Rip)?;
    let saved = machine.qemu.gdb.read(0, at, JUMP_TO_ITSELF.len())?;
    machine.qemu.gdb.write(0, at, &JUMP_TO_ITSELF)?;
    let result = run(machine);
    machine.qemu.gdb.write(0, at, &saved)?;
    result?;
    if machine.register(Reg::Rip)? != at {
        return Err(Error::new(
            Side::Model,
            "the boot processor takes interrupts at SKINIT and cannot be frozen there",
        ));
    }
    Ok(())
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
        let answer = qmp.command("query-migrate", Value::Null)?;
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
