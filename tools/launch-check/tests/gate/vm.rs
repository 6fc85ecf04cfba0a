// SPDX-License-Identifier: GPL-2.0

//! The guest of the gate's tests: which mode it is started in, and what it sees of the host.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use drtm_vm::gdb::Reg;
use drtm_vm::{Config, Machine, Outcome};
use tempfile::TempDir;

use launch_check::log::Log;
use launch_check::verdict::{check_replay, Verdict};

use crate::common::{self, built, Run, Slot, LAUNCH, LIMIT};
use crate::machine::share;

/// How the kernel is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Without a launch, and without the gate.
    Plain,
    /// By a launch, with these words for `slaunch_efi=`.
    Launch(&'static str),
}

/// Runs `job` of the folder `job` beside this file, with `more` on the kernel's command line.
///
/// The machine is the same in every mode, and no job but the one named differs between them.
pub fn config(start: Start, job: &str, more: &str) -> Config {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut append = match start {
        Start::Plain => String::from("console=ttyS0"),
        Start::Launch(words) => format!("{LAUNCH} slaunch_efi={words}"),
    };
    // The kernel gives up where a busy host keeps the timer from it for a moment.
    append += &format!(" quiet no_timer_check job={job} {more}");
    Config {
        append,
        extra: [
            share("usr", Path::new("/usr")),
            share("job", &tests.join("gate/job")),
            share("ktap", &tests.join("guest/job")),
            share("build", &built("kernel/build")),
            share("efivarfs", selftests()),
        ]
        .concat(),
        // The full check takes its time in a machine that is emulated.
        limit: LIMIT.saturating_mul(2),
        ..common::config()
    }
}

/// The kernel's own tests of efivarfs as they are in its source, with the two programs they need.
fn selftests() -> &'static Path {
    static DIR: OnceLock<TempDir> = OnceLock::new();
    let make = || {
        let source = built("kernel/source").join("tools/testing/selftests/efivarfs");
        let dir = tempfile::tempdir().expect("a directory");
        let script = "efivarfs.sh";
        std::fs::copy(source.join(script), dir.path().join(script)).expect(script);
        for program in ["create-read", "open-unlink"] {
            let status = Command::new("cc")
                .args(["-Wall", "-o"])
                .arg(dir.path().join(program))
                .arg(source.join(program).with_extension("c"))
                .status()
                .expect("cc");
            assert!(status.success(), "{program}: {status}");
        }
        dir
    };
    DIR.get_or_init(make).path()
}

/// A run to its end: what the guest left, where each processor was when the machine stopped,
/// and the variable store as it is then.
pub struct Ended {
    pub run: Run,
    pub at: Vec<u64>,
    pub variables: Vec<u8>,
}

impl Ended {
    pub fn boot(config: &Config) -> Self {
        let _slot = Slot::take();
        let mut machine = Machine::start(config).expect("starting the machine");
        let outcome = machine.run();
        Self::of(&mut machine, outcome, config.cpus)
    }

    fn of(machine: &mut Machine, outcome: Outcome, cpus: usize) -> Self {
        let cpus = 0..cpus;
        let gdb = &mut machine.qemu().gdb;
        let at = cpus.map(|cpu| gdb.register(cpu, Reg::Rip).expect("RIP"));
        let at = at.collect();
        let variables = machine.variables().expect("variable store");
        let run = Run::collect(machine, outcome);
        Self { run, at, variables }
    }

    /// Fails unless the guest powered off after its job.
    pub fn expect_powered_off(&self) {
        let text = format!("{}\n{}", self.run.outcome.summary(), self.run.tail());
        assert!(matches!(self.run.outcome, Outcome::PoweredOff), "{text}");
    }

    /// Fails unless the machine was reset, and not by the launch.
    pub fn expect_reset(&self) {
        let text = format!("{}\n{}", self.run.outcome.summary(), self.run.tail());
        assert!(matches!(self.run.outcome, Outcome::Reset { .. }), "{text}");
    }

    /// Whether a processor was in the firmware's runtime code: the kernel maps it, and nothing else,
    /// in the 64 GiB that end 4 GiB below the top (Documentation/arch/x86/x86_64/mm.rst).
    pub fn in_firmware(&self) -> bool {
        let window = 0xffff_ffef_0000_0000..0xffff_ffff_0000_0000;
        self.at.iter().any(|rip| window.contains(rip))
    }
}

/// After a launch: its log replays, and the gate is in the mode that was asked for and has nothing
/// to complain about. How many calls went through it.
pub fn gate_is_content(start: Start, run: &Run) -> u64 {
    let Start::Launch(words) = start else {
        return 0;
    };
    let log = Log::parse(run.must("eventlog.bin")).expect("event log");
    let verdict = Verdict(check_replay(&log, &run.pcrs()));
    assert!(verdict.good(), "{verdict}\n{log}");
    // The job has copied what is in /sys/kernel/security/slaunch/efi.
    let file = |name: &str| run.text(&format!("gate-{name}.txt")).trim().to_owned();
    let mode = words.split(',').next().unwrap_or(words);
    assert!(file("mode").contains(mode), "{}", file("mode"));
    assert_eq!(file("violations"), "0");
    // A line for each service: its name, the calls, and those that were refused.
    let calls = file("calls");
    let calls = calls
        .lines()
        .filter_map(|l| l.split(' ').nth(1)?.parse::<u64>().ok());
    calls.sum()
}
