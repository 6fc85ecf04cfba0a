// SPDX-License-Identifier: GPL-2.0

//! What every launch test needs: the files, a run, and what came of it.

use std::path::PathBuf;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use drtm_vm::{Bank, Config, Machine, Outcome, TpmInterface, TpmVersion};
use launch_check::log::Log;
use launch_check::verdict::{check_replay, Pcrs, Verdict};

/// The command line of a launch in the model.
pub const LAUNCH: &str = "console=ttyS0 no_timer_check slaunch=on,wait";

/// Time for one run; the machine this runs on may be busy.
pub const LIMIT: Duration = Duration::from_secs(240);

/// Machines at a time, however many threads the test runner has.
const MACHINES: usize = 2;

static RUNNING: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// The right to run a machine.
pub struct Slot(());

impl Slot {
    /// Waits for one.
    pub fn take() -> Self {
        let (count, freed) = &RUNNING;
        let mut count = count.lock().unwrap_or_else(|e| e.into_inner());
        while *count >= MACHINES {
            count = freed.wait(count).unwrap_or_else(|e| e.into_inner());
        }
        *count += 1;
        Self(())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let (count, freed) = &RUNNING;
        *count.lock().unwrap_or_else(|e| e.into_inner()) -= 1;
        freed.notify_one();
    }
}

/// A file below `out/`.
pub fn built(name: &str) -> PathBuf {
    let out = match std::env::var_os("SLAUNCH_OUT") {
        Some(dir) => PathBuf::from(dir),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../out"),
    };
    let path = out.join(name);
    assert!(
        path.exists(),
        "{} is missing: run \"make kernel tools\" first",
        path.display()
    );
    path
}

/// The kernel under test.
pub fn kernel() -> PathBuf {
    built("kernel/bzImage")
}

/// The guest's initramfs.
pub fn initrd() -> PathBuf {
    built("guest/initramfs.cpio")
}

/// A machine that launches: two processors, 512 MiB, SHA-256.
pub fn config() -> Config {
    Config {
        kernel: kernel(),
        initrd: Some(initrd()),
        append: LAUNCH.into(),
        cpus: 2,
        memory_mib: 512,
        banks: vec![Bank::Sha256],
        limit: LIMIT,
        ..Config::default()
    }
}

/// The same machine with a CRB.
pub fn crb(config: &Config) -> Config {
    Config {
        tpm_interface: TpmInterface::Crb,
        ..config.clone()
    }
}

/// The same machine with a TPM 1.2.
pub fn tpm12(config: &Config) -> Config {
    Config {
        tpm_version: TpmVersion::V1_2,
        banks: vec![Bank::Sha1],
        ..config.clone()
    }
}

/// Everything a run left.
pub struct Run {
    pub outcome: Outcome,
    pub console: String,
    pub report: drtm_vm::Report,
    files: Vec<(String, Vec<u8>)>,
}

impl Run {
    /// Boots `config` to its end.
    pub fn boot(config: &Config) -> Self {
        let _slot = Slot::take();
        let mut machine = Machine::start(config).expect("starting the machine");
        let outcome = machine.run();
        Self::collect(&mut machine, outcome)
    }

    /// Takes what `machine` left at its end.
    pub fn collect(machine: &mut Machine, outcome: Outcome) -> Self {
        Self {
            outcome,
            console: machine.console(),
            report: machine.report().clone(),
            files: machine
                .files()
                .iter()
                .map(|file| (file.name.clone(), file.bytes.clone()))
                .collect(),
        }
    }

    /// A file the guest handed over.
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        let mut files = self.files.iter();
        files.find(|(n, _)| n == name).map(|(_, bytes)| &**bytes)
    }

    /// A file the guest must have handed over.
    pub fn must(&self, name: &str) -> &[u8] {
        self.file(name)
            .unwrap_or_else(|| panic!("the guest gave no {name}; console:\n{}", self.tail()))
    }

    /// The last lines of the console.
    pub fn tail(&self) -> String {
        let lines: Vec<_> = self.console.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Fails unless the guest ran its checks without a failure and powered off.
    pub fn expect_healthy(&self) {
        assert!(
            matches!(self.outcome, Outcome::PoweredOff),
            "{}; console:\n{}",
            self.outcome.summary(),
            self.tail()
        );
        let failed: Vec<_> = self
            .console
            .lines()
            .filter(|line| line.contains("not ok ") || line.contains("Bail out!"))
            .collect();
        assert!(failed.is_empty(), "{failed:?}; console:\n{}", self.tail());
        assert!(
            self.console.contains("# Totals:"),
            "the guest did not finish its checks:\n{}",
            self.tail()
        );
    }

    /// Fails unless the run was a healthy launch whose log replays in every bank.
    pub fn expect_launched(&self) -> Log {
        self.expect_healthy();
        let log = Log::parse(self.must("eventlog.bin")).expect("event log");
        let verdict = Verdict(check_replay(&log, &self.pcrs()));
        assert!(verdict.good(), "{verdict}\n{log}");
        log
    }

    /// The PCR values that the guest read.
    pub fn pcrs(&self) -> Pcrs {
        serde_json::from_slice(self.must("pcrs.json")).expect("pcrs.json")
    }

    /// One PCR of a bank.
    pub fn pcr(&self, bank: &str, pcr: u32) -> String {
        self.pcrs()[bank][&pcr.to_string()].clone()
    }

    /// A file the guest handed over, as text.
    pub fn text(&self, name: &str) -> String {
        String::from_utf8_lossy(self.must(name)).into_owned()
    }
}
