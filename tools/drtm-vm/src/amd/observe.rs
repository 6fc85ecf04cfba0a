// SPDX-License-Identifier: GPL-2.0
//! What software must do after SKINIT, watched from outside: end the SKINIT state with STGI on
//! every CPU after VM_CR is cleared, and send no INIT to an application processor before that
//! (APM vol. 2, 15.27.8).

use std::collections::BTreeMap;

use serde::Serialize;

use super::ap;
use super::dlme::{find_stgi, measured_size, parse_dl_info, Dlme, KERNEL_VIRTUAL};
use super::microcode::{clear_gif, CR0_PE};
use super::slb::Slb;
use crate::config::Config;
use crate::error::{Blame, Error, Result, Side};
use crate::gdb::{Reg, RegisterFile, Stop};
use crate::qemu::Qemu;
use crate::trace::{Ipi, IpiKind};

/// VM_CR
const MSR_VM_CR: u64 = 0xc001_0114;
/// VM_CR bits that SKINIT sets: DPD, R_INIT, DIS_A20M.
const VM_CR_SKINIT: u64 = 7;
/// Pages that a start-up interrupt can name, below the ISA hole.
const START_PAGES: std::ops::Range<u64> = 1..0xa0;

/// An STGI that was executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StgiReport {
    /// CPU index.
    pub cpu: usize,
    /// `slb` or `kernel`.
    pub place: &'static str,
    /// Linear address.
    pub address: u64,
    /// Number of the model register last used, from ECX.
    pub ecx: u64,
    /// Its low half as written, from EAX.
    pub eax: u64,
}

/// An interrupt between CPUs after the launch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IpiReport {
    /// The interrupt.
    #[serde(flatten)]
    pub ipi: Ipi,
    /// CPUs that had executed their STGI by then.
    pub ended: Vec<usize>,
}

/// Everything seen after a launch.
#[derive(Debug, Clone, Default, Serialize)]
pub struct WatchReport {
    /// The measured kernel.
    pub dlme: Option<Dlme>,
    /// The boot processor at the kernel's entry.
    pub dlme_entry: Option<RegisterFile>,
    /// STGI instructions in order.
    pub stgi: Vec<StgiReport>,
    /// Application processors whose start was seen, in order.
    pub started: Vec<usize>,
    /// INIT, start-up and NMI interrupts after the launch, in order.
    pub ipis: Vec<IpiReport>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    SlbStgi,
    DlmeEntry,
    Startup64,
    KernelStgi,
    ApStart,
}

/// The watch over one launch.
#[derive(Debug)]
pub struct Watch {
    cpus: usize,
    startup: Option<u64>,
    points: BTreeMap<u64, Point>,
    report: WatchReport,
    ended: Vec<usize>,
}

impl Watch {
    /// Starts watching: `slb` is about to run.
    pub fn start(qemu: &mut Qemu, slb: &Slb, config: &Config) -> Result<Self> {
        let mut watch = Watch {
            cpus: config.cpus,
            startup: config.startup,
            points: BTreeMap::new(),
            report: WatchReport::default(),
            ended: Vec::new(),
        };
        for offset in find_stgi(slb.measured()) {
            watch.add(qemu, slb.base + offset, Point::SlbStgi)?;
        }
        watch.report.dlme = locate(qemu, slb)?;
        if let Some(dlme) = watch.report.dlme {
            let entry = dlme.base.wrapping_add(dlme.entry);
            watch.add(qemu, entry, Point::DlmeEntry)?;
        }
        Ok(watch)
    }

    /// What was seen so far.
    pub fn report(&self) -> &WatchReport {
        &self.report
    }

    fn add(&mut self, qemu: &mut Qemu, address: u64, point: Point) -> Result<()> {
        if self.points.insert(address, point).is_none() {
            qemu.gdb.insert_breakpoint(address)?;
        }
        Ok(())
    }

    /// Removes breakpoints that have served; each one costs speed.
    fn remove(&mut self, qemu: &mut Qemu, point: Point) -> Result<()> {
        let addresses: Vec<u64> = self
            .points
            .iter()
            .filter(|(_, p)| **p == point)
            .map(|(address, _)| *address)
            .collect();
        for address in addresses {
            qemu.gdb.remove_breakpoint(address)?;
            self.points.remove(&address);
        }
        Ok(())
    }

    /// Handles a stop at a breakpoint and leaves the machine ready to run on. Returns the name of
    /// the milestone that the boot processor passed, if any.
    pub fn stopped(&mut self, qemu: &mut Qemu, stop: Stop) -> Result<Option<&'static str>> {
        let mut milestone = None;
        let cpu = stop.cpu;
        let rip = qemu.gdb.register(cpu, Reg::Rip)?;
        let real_mode = qemu.gdb.register(cpu, Reg::Cr0)? & CR0_PE == 0;
        let address = if real_mode {
            (qemu.gdb.register(cpu, Reg::Cs)? << 4).wrapping_add(rip)
        } else {
            rip
        };
        match self.points.get(&address).copied() {
            Some(Point::SlbStgi) => {
                milestone = Some("slb-stgi");
                self.stgi(qemu, cpu, address, "slb")?;
                self.remove(qemu, Point::SlbStgi)?;
            }
            Some(Point::DlmeEntry) => {
                milestone = Some("kernel-entry");
                self.report.dlme_entry = Some(qemu.gdb.registers(cpu)?);
                self.remove(qemu, Point::DlmeEntry)?;
                self.watch_kernel(qemu)?;
            }
            Some(Point::Startup64) => {
                milestone = Some("startup_64");
                self.remove(qemu, Point::Startup64)?;
            }
            Some(Point::KernelStgi) => {
                milestone = (cpu == 0).then_some("kernel-stgi");
                self.kernel_stgi(qemu, cpu, address)?;
            }
            Some(Point::ApStart) if cpu != 0 && real_mode && rip == 0 => {
                self.ap_started(qemu, cpu, address)?;
            }
            Some(Point::ApStart) | None => {}
        }
        if self.points.contains_key(&address) {
            // A CPU does not get past a breakpoint under its feet by running.
            qemu.gdb.step(cpu)?;
        }
        Ok(milestone)
    }

    fn stgi(
        &mut self,
        qemu: &mut Qemu,
        cpu: usize,
        address: u64,
        place: &'static str,
    ) -> Result<()> {
        let ecx = qemu.gdb.register(cpu, Reg::Rcx)? & 0xffff_ffff;
        let eax = qemu.gdb.register(cpu, Reg::Rax)? & 0xffff_ffff;
        self.report.stgi.push(StgiReport {
            cpu,
            place,
            address,
            ecx,
            eax,
        });
        Ok(())
    }

    fn kernel_stgi(&mut self, qemu: &mut Qemu, cpu: usize, address: u64) -> Result<()> {
        self.stgi(qemu, cpu, address, "kernel")?;
        let Some(last) = self.report.stgi.last() else {
            return Ok(());
        };
        if last.ecx != MSR_VM_CR || last.eax & VM_CR_SKINIT != 0 {
            return Err(Error::new(
                Side::Guest,
                format!(
                    "CPU {cpu} executes STGI at {address:#x} without clearing VM_CR before it \
                     (ECX {:#x}, EAX {:#x})",
                    last.ecx, last.eax
                ),
            ));
        }
        if !self.ended.contains(&cpu) {
            self.ended.push(cpu);
        }
        if cpu == 0 && self.cpus > 1 {
            for page in START_PAGES {
                self.add(qemu, page << 12, Point::ApStart)?;
            }
        }
        if self.ended.len() == self.cpus {
            self.remove(qemu, Point::KernelStgi)?;
        }
        Ok(())
    }

    /// A start-up interrupt after SKINIT: the processor starts with GIF clear.
    fn ap_started(&mut self, qemu: &mut Qemu, cpu: usize, address: u64) -> Result<()> {
        if self.report.started.contains(&cpu) {
            return Ok(());
        }
        clear_gif(&mut qemu.gdb, cpu, address)?;
        self.report.started.push(cpu);
        if self.report.started.len() + 1 >= self.cpus {
            self.remove(qemu, Point::ApStart)?;
        }
        Ok(())
    }

    fn watch_kernel(&mut self, qemu: &mut Qemu) -> Result<()> {
        let Some(dlme) = self.report.dlme else {
            return Ok(());
        };
        let size = usize::try_from(dlme.scan_size()).blame(Side::Model, "image size")?;
        let image = qemu.qtest.read(dlme.base, size)?;
        let found = find_stgi(&image);
        if found.is_empty() {
            return Err(Error::new(
                Side::Guest,
                "the measured kernel holds no STGI, so it cannot end the SKINIT state",
            ));
        }
        if let Some(offset) = self.startup {
            self.add(qemu, dlme.base.wrapping_add(offset), Point::Startup64)?;
        }
        for offset in found {
            self.add(qemu, dlme.base + offset, Point::KernelStgi)?;
            self.add(qemu, KERNEL_VIRTUAL + offset, Point::KernelStgi)?;
        }
        Ok(())
    }

    /// Judges interrupts sent since the launch.
    pub fn interrupts(&mut self, ipis: &[Ipi]) -> Result<()> {
        for ipi in ipis {
            self.report.ipis.push(IpiReport {
                ipi: *ipi,
                ended: self.ended.clone(),
            });
            if ipi.kind != IpiKind::Init {
                continue;
            }
            for cpu in 1..self.cpus {
                let id = u32::try_from(cpu).blame(Side::Model, "APIC id")?;
                if ipi.to.reaches_ap(id) && !self.ended.contains(&cpu) {
                    return Err(Error::new(
                        Side::Guest,
                        format!("an INIT interrupt reached CPU {cpu} before its STGI"),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether a kernel was entered that must end the SKINIT state everywhere; an error if it ran
    /// to its end and did not.
    pub fn finish(&mut self, qemu: &mut Qemu) -> Result<()> {
        if self.report.dlme_entry.is_none() {
            return Ok(());
        }
        for cpu in 0..self.cpus {
            if self.ended.contains(&cpu) {
                continue;
            }
            if cpu != 0 && ap::state(&mut qemu.gdb, cpu)?.waits_for_startup {
                continue;
            }
            return Err(Error::new(
                Side::Guest,
                format!("CPU {cpu} ran without ever executing STGI"),
            ));
        }
        Ok(())
    }
}

/// The measured kernel, if the block has parameters of this project with readable tables.
fn locate(qemu: &mut Qemu, slb: &Slb) -> Result<Option<Dlme>> {
    const TABLE: usize = 4096;
    let Some(address) = slb.slrt() else {
        return Ok(None);
    };
    let table = qemu.qtest.read(address, TABLE)?;
    let Some(mut dlme) = parse_dl_info(&table) else {
        return Ok(None);
    };
    let header = dlme.base.wrapping_add(dlme.header);
    dlme.measured = measured_size(&qemu.qtest.read(header, 52)?);
    Ok(Some(dlme))
}
