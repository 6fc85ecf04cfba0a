// SPDX-License-Identifier: GPL-2.0

//! A guest that does what it is told over its console, and the disk it boots from.

use std::time::Duration;

use drtm_vm::{Config, Heard, Loader, Machine, Outcome, Reached, Snapshot};

use crate::common::{self, built, Run, LIMIT};

/// Time for one command; a kernel without an answer is dead or has a processor that is stuck.
const ANSWER: Duration = Duration::from_secs(60);

/// What the driver wants to know about the kernel, in the order that it expects.
const TARGETS: [&str; 3] = ["page_offset_base", "linux_banner", "loops_per_jiffy"];

/// The symbol whose address tells where the kernel lies in memory.
const BASE: &str = "_stext";

/// The command that tells the driver of a kernel whose [`BASE`] is at `base`.
fn targets(base: &str) -> String {
    let map = std::fs::read_to_string(built("kernel/System.map")).expect("System.map");
    let linked = |name: &str| {
        let line = map
            .lines()
            .find(|line| line.split(' ').nth(2) == Some(name));
        let address = line.and_then(|line| line.split(' ').next());
        u64::from_str_radix(address.unwrap_or_else(|| panic!("no {name}")), 16).expect("address")
    };
    let base = u64::from_str_radix(base, 16).expect("address");
    let mut command = String::from("write target ");
    for name in TARGETS {
        let address = base.wrapping_add(linked(name)).wrapping_sub(linked(BASE));
        command += &format!("{:016x}", address.swap_bytes());
    }
    command
}

/// A machine that boots from a disk with the hostile driver, and whose guest listens.
pub fn config(cmdline: &str) -> Config {
    Config {
        loader: Some(Loader {
            program: built("firmware/loader.efi"),
            driver: Some(built("firmware/driver.efi")),
            options: String::new(),
        }),
        append: format!("{cmdline} quiet talk=1"),
        ..common::config()
    }
}

/// A guest, and how far its console has been read.
pub struct Guest {
    pub machine: Machine,
    from: usize,
}

/// Brings `machine` through its launch, if it has one, to where its guest listens, and, to `tell`, tells its
/// firmware about its kernel.
fn listening(
    machine: &mut Machine,
    config: &Config,
    from: &mut usize,
    tell: bool,
) -> Result<(), Outcome> {
    if config.append.contains("slaunch=on,wait") {
        match machine.run_to_skinit(LIMIT)? {
            Reached::Skinit => machine.launch()?,
            Reached::Ended(outcome) => return Err(outcome),
        }
    }
    launched(machine, from, tell)
}

/// The same behind the launch.
fn launched(machine: &mut Machine, from: &mut usize, tell: bool) -> Result<(), Outcome> {
    let mut listen =
        |machine: &mut Machine, expected: &str| match machine.wait_line(from, "answer: ", LIMIT) {
            Heard::Line(line) => match line.strip_prefix(expected) {
                Some(rest) => Ok(rest.trim().to_owned()),
                None => panic!("{line}\n{}", machine.console()),
            },
            Heard::Ended(outcome) => Err(outcome),
        };
    listen(machine, "ready")?;
    if tell {
        machine.type_line(&format!("symbol {BASE}"))?;
        let base = listen(machine, "ok")?;
        machine.type_line(&targets(&base))?;
        listen(machine, "ok")?;
    }
    Ok(())
}

/// A guest that listens, frozen.
pub fn frozen(config: &Config) -> Snapshot {
    Snapshot::freeze(config, |machine| {
        let result = listening(machine, config, &mut 0, true);
        if result.is_err() {
            println!("{}", machine.console());
        }
        result
    })
    .unwrap_or_else(|outcome| panic!("{}", outcome.summary()))
}

impl Guest {
    /// A guest that goes on from where `snapshot` was frozen.
    pub fn of(snapshot: &Snapshot) -> Self {
        let machine = snapshot.case().expect("case from the snapshot");
        Self { machine, from: 0 }
    }

    /// A guest that has just booted.
    pub fn boot(config: &Config) -> Self {
        let mut machine = Machine::start(config).expect("starting the machine");
        let mut from = 0;
        if let Err(outcome) = listening(&mut machine, config, &mut from, false) {
            panic!("{}\n{}", outcome.summary(), machine.console());
        }
        Self { machine, from }
    }

    /// The guest of a machine that was just launched.
    pub fn launched(mut machine: Machine) -> Self {
        let mut from = 0;
        if let Err(outcome) = launched(&mut machine, &mut from, false) {
            panic!("{}\n{}", outcome.summary(), machine.console());
        }
        Self { machine, from }
    }

    /// Has a command done, and gives the answer to it; the end of the machine, if that came first.
    pub fn try_ask(&mut self, command: &str) -> Result<String, Outcome> {
        self.machine.type_line(command)?;
        match self.machine.wait_line(&mut self.from, "answer: ", ANSWER) {
            Heard::Line(line) => Ok(line),
            Heard::Ended(outcome) => Err(outcome),
        }
    }

    /// The same of a guest that must not end.
    pub fn ask(&mut self, command: &str) -> String {
        self.try_ask(command).unwrap_or_else(|outcome| {
            panic!(
                "{command}: {}\n{}",
                outcome.summary(),
                self.machine.console()
            )
        })
    }

    /// The same of a command that must not fail; what it says.
    pub fn must(&mut self, command: &str) -> String {
        let answer = self.ask(command);
        match answer.strip_prefix("ok") {
            Some(rest) => rest.trim().to_owned(),
            None => panic!("{command}: {answer}\n{}", self.machine.console()),
        }
    }

    /// A file of the gate's.
    pub fn gate(&mut self, file: &str) -> String {
        self.must(&format!("cat /sys/kernel/security/slaunch/efi/{file}"))
    }

    /// The numbers that a question to the driver is answered with.
    pub fn numbers(&mut self, question: &str) -> Vec<u64> {
        let text = self.must(&format!("read {question}"));
        let digits: Vec<_> = text.as_bytes().chunks(16).collect();
        let number = |digits: &&[u8]| {
            let digits = std::str::from_utf8(digits).expect("digits");
            u64::from_str_radix(digits, 16)
                .expect("a number")
                .swap_bytes()
        };
        digits.iter().map(number).collect()
    }

    /// Lets the guest hand over its log and PCRs and power off.
    pub fn end(mut self) -> Run {
        self.must("hand");
        self.machine.type_line("off").expect("console");
        let outcome = self.machine.wait_outcome(ANSWER);
        Run::collect(&mut self.machine, outcome)
    }
}
