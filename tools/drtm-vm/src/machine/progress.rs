// SPDX-License-Identifier: GPL-2.0
//! Watching over a running machine until it stops, ends or takes too long.

use std::time::Duration;

use super::Machine;
use crate::amd::record::{LaunchRecord, SIZE as RECORD_SIZE};
use crate::console::guest_files;
use crate::error::{Error, Result, Side};
use crate::gdb::{Reg, Stop, SIGTRAP};
use crate::outcome::Outcome;
use crate::staging;
use crate::tpm::Proxy;
use crate::wait::{check_interrupt, Deadline};

/// Pace of the checks while the guest runs.
const TICK: Duration = Duration::from_millis(20);

/// One turn of waiting.
pub(super) enum Event {
    Stopped(Stop),
    Ended(Outcome),
    Nothing,
}

/// An error about a stop that nothing explains.
pub(super) fn unexpected(stop: Stop) -> Error {
    Error::new(
        Side::Model,
        format!("QEMU stopped for an unknown reason: {stop:?}"),
    )
}

impl Machine {
    /// One tick: faults that wait, interrupts, stops, ends.
    pub(super) fn turn(&mut self, deadline: Deadline) -> Result<Event> {
        check_interrupt()?;
        let stop = self.qemu.gdb.wait_stop(TICK)?;
        if self.trigger.wanted() {
            staging::remove_tpm(&mut self.qemu.qtest)?;
            self.trigger.done();
        }
        if let Some(overlay) = &self.overlay {
            overlay.hold(&mut self.qemu.qtest)?;
        }
        let ipis = self.trace.poll()?;
        self.follow(&ipis);
        if let Some(watch) = &mut self.watch {
            watch.interrupts(&ipis)?;
        }
        if let Some(stop) = stop {
            if stop.signal == SIGTRAP {
                return Ok(Event::Stopped(stop));
            }
            return self.ended(stop).map(Event::Ended);
        }
        if self.qemu.process.exited().is_some() {
            return Err(self.qemu.process.failure("QEMU is gone"));
        }
        if let Some(swtpm) = &mut self.swtpm {
            swtpm.check()?;
        }
        if deadline.over() {
            return self.hang().map(Event::Ended);
        }
        Ok(Event::Nothing)
    }

    /// The machine stopped by itself: shutdown or reset, as QMP tells.
    fn ended(&mut self, stop: Stop) -> Result<Outcome> {
        let wait = Deadline::after(Duration::from_secs(5));
        loop {
            for event in self.qemu.qmp.events()? {
                if event["event"] != "SHUTDOWN" {
                    continue;
                }
                if event["data"]["reason"] == "guest-shutdown" {
                    if let Some(watch) = &mut self.watch {
                        watch.finish(&mut self.qemu)?;
                    }
                    return Ok(Outcome::PoweredOff);
                }
                let record = self.record()?;
                return Ok(Outcome::Reset { record });
            }
            if wait.over() {
                return Err(unexpected(stop));
            }
            std::thread::sleep(TICK);
        }
    }

    fn hang(&mut self) -> Result<Outcome> {
        self.pause()?;
        let mut state = String::new();
        for cpu in 0..self.config.cpus {
            let rip = self.qemu.gdb.register(cpu, Reg::Rip)?;
            let halted = self.qemu.gdb.halted(cpu)?;
            let halted = if halted { " halted" } else { "" };
            state += &format!("CPU {cpu} at {rip:#x}{halted}; ");
        }
        let text = self.qemu.console.text();
        let last = text.lines().rev().find(|line| !line.trim().is_empty());
        state += &format!("last console line: {}", last.unwrap_or("none").trim());
        Ok(Outcome::Hang {
            seconds: self.started.elapsed().as_secs(),
            state,
            record: self.record()?,
        })
    }

    /// The launch record, read from where the launched block keeps it.
    pub fn record(&mut self) -> Result<Option<LaunchRecord>> {
        let Some(at) = self.slb.as_ref().and_then(|slb| {
            let offset = slb.record_offset()?;
            Some(slb.base + offset as u64)
        }) else {
            return Ok(None);
        };
        let bytes = self.qemu.qtest.read(at, RECORD_SIZE)?;
        Ok(LaunchRecord::parse(&bytes))
    }

    /// An error, blamed on the process whose death is behind it if there is one.
    pub(super) fn blame(&mut self, error: Error) -> Outcome {
        let swtpm = self.swtpm.as_mut().and_then(|swtpm| swtpm.check().err());
        if self.qemu.process.exited().is_some() {
            return self.qemu.process.failure(&error.what).into();
        }
        match swtpm {
            Some(gone) => gone.into(),
            None => error.into(),
        }
    }

    /// Completes the report and writes the results.
    pub(super) fn conclude(&mut self, outcome: &Outcome) {
        self.mark("end");
        self.qemu.console.drain();
        self.qemu.files.drain();
        self.files = guest_files(&self.qemu.files.bytes());
        let report = &mut self.report;
        report.outcome = Some(outcome.clone());
        report.summary = outcome.summary();
        report.files = self.files.iter().map(|file| file.name.clone()).collect();
        report.after_launch = self.watch.as_ref().map(|watch| watch.report().clone());
        let records = self.proxy.as_ref().map(Proxy::records).unwrap_or_default();
        let split = self.launched_commands.unwrap_or(records.len());
        let (before, after) = records.split_at(split.min(records.len()));
        report.tpm_after = after.to_vec();
        report.tpm_before.clear();
        for record in before {
            let name = format!("{:#x}", record.code);
            *report.tpm_before.entry(name).or_default() += 1;
        }
        if let Some(out) = self.config.out.clone() {
            if let Err(error) = self.report.write(&out, &self.files) {
                self.report.remarks.push(error.to_string());
            }
        }
    }
}
