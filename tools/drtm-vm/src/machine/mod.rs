// SPDX-License-Identifier: GPL-2.0
//! One machine from reset, or from a snapshot, to its end.

mod progress;
mod talk;
mod tpm;

use std::path::Path;
use std::time::{Duration, Instant};

use progress::{unexpected, Event};
pub use talk::Heard;
use tempfile::TempDir;

use crate::amd::ap;
use crate::amd::microcode::time_stamp;
use crate::amd::observe::Watch;
use crate::amd::skinit::{self, Refusal};
use crate::amd::slb::Slb;
use crate::config::Config;
use crate::console::{launch_prompt, GuestFile};
use crate::error::{Blame, Error, Result, Side};
use crate::gdb::{Reg, Stop, SIGTRAP};
use crate::host;
use crate::outcome::Outcome;
use crate::qemu::{trace_path, Places, Qemu, Ram};
use crate::report::Report;
use crate::staging::{self, Overlay};
use crate::tpm::{Fault, Proxy, Swtpm, Trigger};
use crate::trace::{Ipi, IpiKind, IpiTrace};
use crate::wait::Deadline;

/// Where a run to the launch instruction got.
#[derive(Debug)]
pub enum Reached {
    /// The boot processor stands at the announced instruction.
    Skinit,
    /// The run ended before.
    Ended(Outcome),
}

/// What a machine that does not start at its reset starts from.
#[derive(Debug)]
pub(crate) struct Frozen<'a> {
    /// Its variable store, already private to it.
    pub vars: &'a Path,
    /// The snapshot's directory, with the TPM's state unless that is QEMU's.
    pub dir: &'a Path,
}

/// A machine. Dropping it ends its processes and removes its files.
#[derive(Debug)]
pub struct Machine {
    // Order matters: QEMU goes before the TPM, both before the directory.
    pub(crate) qemu: Qemu,
    swtpm: Option<Swtpm>,
    proxy: Option<Proxy>,
    pub(crate) config: Config,
    trace: IpiTrace,
    initialised: Vec<usize>,
    trigger: Trigger,
    overlay: Option<Overlay>,
    slb: Option<Slb>,
    watch: Option<Watch>,
    launched_commands: Option<usize>,
    files: Vec<GuestFile>,
    report: Report,
    started: Instant,
    pub(crate) dir: TempDir,
}

impl Machine {
    /// Builds a machine and leaves it before its first instruction.
    pub fn start(config: &Config) -> Result<Self> {
        Self::build(config, Ram::Private, None)
    }

    /// Builds a machine with its memory at `ram`; with `frozen` it waits for an incoming state and
    /// takes the TPM's state from there too.
    pub(crate) fn build(config: &Config, ram: Ram, frozen: Option<&Frozen<'_>>) -> Result<Self> {
        let config = config.settled()?;
        if let Some(out) = &config.out {
            std::fs::create_dir_all(out).blame(Side::Host, out.display())?;
        }
        for path in std::iter::once(&config.kernel).chain(&config.initrd) {
            std::fs::metadata(path).blame(Side::Host, path.display())?;
        }
        let dir = host::directory(0)?;
        let (mut swtpm, mut proxy) = (None, None);
        if config.tpm {
            let (emulator, between) = tpm::start(&config, dir.path(), frozen)?;
            (swtpm, proxy) = (Some(emulator), Some(between));
        }
        let window = tpm::window(dir.path());
        let places = Places {
            dir: dir.path(),
            tpm: proxy.as_ref().and_then(Proxy::path),
            crb: config.own_crb().then_some(&*window),
            ram,
            vars: frozen.map(|frozen| frozen.vars),
            incoming: frozen.is_some(),
        };
        let mut qemu = Qemu::start(&config, &places)?;
        if config.own_crb() {
            // Before a state is loaded too: QEMU wants shared memory where it was.
            staging::map_crb(&mut qemu.qtest)?;
        }
        let report = Report::new(&config);
        Ok(Machine {
            qemu,
            swtpm,
            proxy,
            config,
            trace: IpiTrace::new(trace_path(dir.path())),
            initialised: Vec::new(),
            trigger: Trigger::default(),
            overlay: None,
            slb: None,
            watch: None,
            launched_commands: None,
            files: Vec::new(),
            report,
            started: Instant::now(),
            dir,
        })
    }

    fn mark(&mut self, milestone: &'static str) {
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.report.timings_ms.insert(milestone, ms);
    }

    /// Notes the instruction count of a machine that is stopped at a milestone.
    fn count(&mut self, milestone: &'static str) -> Result<()> {
        if self.config.icount.is_some() {
            let at = self.qemu.gdb.register(0, Reg::Rip)?;
            let count = time_stamp(&mut self.qemu.gdb, 0, at)?;
            self.report.instructions.insert(milestone, count);
        }
        Ok(())
    }

    /// Boots until the guest announces its launch instruction and stands at it.
    pub fn run_to_skinit(&mut self, limit: Duration) -> Result<Reached> {
        let deadline = Deadline::after(limit);
        self.qemu.gdb.resume()?;
        let mut seen = 0;
        let target = loop {
            match self.turn(deadline)? {
                Event::Ended(outcome) => return Ok(Reached::Ended(outcome)),
                Event::Stopped(stop) => return Err(unexpected(stop)),
                Event::Nothing => {}
            }
            let length = self.qemu.console.length();
            if length == seen {
                continue;
            }
            // Look again at a little before the new output: the line may have come in pieces.
            let recent = self.qemu.console.since(seen.saturating_sub(256));
            seen = length;
            if let Some(address) = launch_prompt(&crate::console::plain(&recent)) {
                break address;
            }
        };
        self.report.announced = Some(target);
        self.mark("prompt");
        // No instruction is counted here: the guest may wait in HLT, and then a step has no end.
        self.pause()?;
        self.qemu.gdb.insert_breakpoint(target)?;
        self.qemu.gdb.resume()?;
        self.qemu.console.send(b"\r")?;
        loop {
            match self.turn(deadline)? {
                Event::Ended(outcome) => return Ok(Reached::Ended(outcome)),
                Event::Nothing => {}
                Event::Stopped(stop) => {
                    let rip = self.qemu.gdb.register(stop.cpu, Reg::Rip)?;
                    if stop.signal != SIGTRAP || rip != target {
                        return Err(unexpected(stop));
                    }
                    self.qemu.gdb.remove_breakpoint(target)?;
                    self.mark("skinit");
                    if stop.cpu != 0 {
                        let what = format!("executed on CPU {}, not the boot processor", stop.cpu);
                        return Ok(Reached::Ended(Outcome::IllFormedLaunch {
                            fault: "rejected",
                            what,
                        }));
                    }
                    let ipis = self.trace.poll()?;
                    self.follow(&ipis);
                    ap::settle(&mut self.qemu, self.config.cpus, &self.initialised)?;
                    self.count("skinit")?;
                    return Ok(Reached::Skinit);
                }
            }
        }
    }

    /// Keeps the list of application processors whose last interrupt was an INIT.
    fn follow(&mut self, ipis: &[Ipi]) {
        for ipi in ipis {
            for cpu in 1..self.config.cpus {
                if !ipi.to.reaches_ap(cpu as u32) {
                    continue;
                }
                match ipi.kind {
                    IpiKind::Init if !self.initialised.contains(&cpu) => self.initialised.push(cpu),
                    IpiKind::Startup => self.initialised.retain(|other| *other != cpu),
                    _ => {}
                }
            }
        }
    }

    /// Stops a running machine. A breakpoint or an end that comes first is lost only if the guest
    /// was not waiting for a key, which callers make sure of.
    fn pause(&mut self) -> Result<()> {
        self.qemu.gdb.interrupt()?;
        match self.qemu.gdb.wait_stop(Duration::from_secs(10))? {
            Some(_) => Ok(()),
            None => Err(Error::new(Side::Qemu, "QEMU does not stop when asked to")),
        }
    }

    /// Executes SKINIT as silicon would; the machine is left stopped at the loader block's first
    /// instruction. `Err(outcome)` when the launch was refused or the model failed.
    pub fn launch(&mut self) -> std::result::Result<(), Outcome> {
        self.try_launch().map_err(|refusal| match refusal {
            Refusal::IllFormed { fault, what } => Outcome::IllFormedLaunch { fault, what },
            Refusal::Failed(error) => self.blame(error),
        })
    }

    fn try_launch(&mut self) -> std::result::Result<(), Refusal> {
        let before = self.qemu.gdb.registers(0)?;
        let (slb, aps, remarks) = skinit::check(&mut self.qemu, &self.config, 0, &before)?;
        self.report.remarks.extend(remarks);
        self.launched_commands = self.proxy.as_ref().map(|proxy| proxy.records().len());
        // Interrupts up to here brought the APs where they are; the launch starts a new count.
        self.trace.poll()?;
        let report = skinit::perform(
            &mut self.qemu,
            self.proxy.as_ref(),
            self.config.tpm_interface,
            &slb,
            before,
            aps,
        )?;
        if self.config.firmware.has_smm() {
            ap::hold(&mut self.qemu.gdb)?;
        }
        for locality in &report.active_localities {
            self.report.remarks.push(format!(
                "TPM locality {locality} was active at SKINIT; hardware may ignore the hash then"
            ));
        }
        self.report.launch = Some(report);
        self.watch = Some(Watch::start(&mut self.qemu, &slb, &self.config)?);
        self.slb = Some(slb);
        self.count("launched")?;
        self.mark("launched");
        Ok(())
    }

    /// Lets the machine run to its end.
    pub fn wait_outcome(&mut self, limit: Duration) -> Outcome {
        let outcome = self.try_outcome(limit).unwrap_or_else(|e| self.blame(e));
        self.conclude(&outcome);
        outcome
    }

    fn try_outcome(&mut self, limit: Duration) -> Result<Outcome> {
        let deadline = Deadline::after(limit);
        if !self.qemu.gdb.running() {
            self.qemu.gdb.resume()?;
        }
        loop {
            match self.turn(deadline)? {
                Event::Ended(outcome) => return Ok(outcome),
                Event::Nothing => {}
                Event::Stopped(stop) => {
                    self.observe(stop)?;
                    self.qemu.gdb.resume()?;
                }
            }
        }
    }

    /// What the watch over a launched machine makes of a stop.
    fn observe(&mut self, stop: Stop) -> Result<()> {
        if let Some(watch) = &mut self.watch {
            if let Some(milestone) = watch.stopped(&mut self.qemu, stop)? {
                self.mark(milestone);
                self.count(milestone)?;
            }
        }
        Ok(())
    }

    /// Boots, launches if the guest asks for it, and runs to the end.
    pub fn run(&mut self) -> Outcome {
        self.run_with(None)
    }

    /// As [`Machine::run`], with a fault staged between SKINIT and the loader block.
    pub fn run_with(&mut self, fault: Option<&Fault>) -> Outcome {
        let deadline = Deadline::after(self.config.limit);
        let outcome = match self.boot_and_launch(deadline, fault) {
            Ok(()) => return self.wait_outcome(deadline.left()),
            Err(outcome) => outcome,
        };
        self.conclude(&outcome);
        outcome
    }

    fn boot_and_launch(
        &mut self,
        deadline: Deadline,
        fault: Option<&Fault>,
    ) -> std::result::Result<(), Outcome> {
        match self.run_to_skinit(deadline.left()) {
            Ok(Reached::Skinit) => self.launch()?,
            Ok(Reached::Ended(outcome)) => return Err(outcome),
            Err(error) => return Err(self.blame(error)),
        }
        match fault {
            Some(fault) => self.set_fault(fault).map_err(|error| self.blame(error)),
            None => Ok(()),
        }
    }

    /// Reads physical memory.
    pub fn read(&mut self, address: u64, length: usize) -> Result<Vec<u8>> {
        self.qemu.qtest.read(address, length)
    }

    /// Writes physical memory.
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> Result<()> {
        self.qemu.qtest.write(address, bytes)
    }

    /// A register of the stopped boot processor.
    pub fn register(&mut self, reg: Reg) -> Result<u64> {
        self.qemu.gdb.register(0, reg)
    }

    /// Changes a register of the stopped boot processor.
    pub fn set_register(&mut self, reg: Reg, value: u64) -> Result<()> {
        self.qemu.gdb.set_register(0, reg, value)
    }

    /// The loader block named by EAX of a machine that stands at SKINIT.
    pub fn block(&mut self) -> Result<Slb> {
        let base = self.register(Reg::Rax)? & 0xffff_0000;
        let bytes = self.read(base, 0x1_0000)?;
        Ok(Slb { base, bytes })
    }

    /// The report; complete after the outcome is known.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Console output so far, as plain text.
    pub fn console(&self) -> String {
        self.qemu.console.text()
    }

    /// Files the guest handed over; complete after the outcome is known.
    pub fn files(&self) -> &[GuestFile] {
        &self.files
    }

    /// The processes and sockets, for what this interface does not offer.
    pub fn qemu(&mut self) -> &mut Qemu {
        &mut self.qemu
    }

    /// Maps a window of [`hidden`](crate::qemu::hidden) at this address before the machine runs. Firmware and kernel
    /// do not find it, and leave it there.
    pub fn map_hidden(&mut self, slot: (u32, u32), address: u32) -> Result<()> {
        staging::map_hidden(&mut self.qemu.qtest, slot, address)
    }

    /// The TPM emulator, if the machine has one.
    pub fn swtpm(&mut self) -> Option<&mut Swtpm> {
        self.swtpm.as_mut()
    }

    /// The firmware's variable store as it is now, for a machine that is to find it as this one
    /// has left it.
    pub fn variables(&self) -> Result<Vec<u8>> {
        let path = self.dir.path().join("vars.fd");
        std::fs::read(&path).blame(Side::Host, path.display())
    }
}
