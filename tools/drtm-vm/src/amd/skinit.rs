// SPDX-License-Identifier: GPL-2.0
//! SKINIT as microcode would execute it (APM vol. 2, 15.27): the checks, the measurement through
//! the TPM's locality 4, and the state the loader block starts in.

use serde::Serialize;

use super::ap::{self, ApState};
use super::microcode::{clear_gif, execute, CR0_PE, EFER_SVME};
use super::slb::{Slb, SlbReport, WINDOW};
use crate::config::Config;
use crate::error::{Blame, Error, Result, Side};
use crate::gdb::{Reg, RegisterFile, GENERAL};
use crate::qemu::Qemu;
use crate::tpm::access::active_localities;
use crate::tpm::{Proxy, TpmInterface};

/// `SKINIT EAX`
const SKINIT: [u8; 3] = [0x0f, 0x01, 0xde];
/// CR0 bits that INIT leaves alone: CD and NW.
const CR0_KEPT: u64 = 0x6000_0000;
/// CR0 after INIT and the switch to protected mode: ET and PE.
const CR0_ENTRY: u64 = 0x11;
/// EFLAGS bit 17: virtual-8086 mode.
const EFLAGS_VM: u64 = 1 << 17;
/// Flat 32-bit code, execute/read, accessed; and data, read/write, accessed: selectors 8 and 10h.
const DESCRIPTORS: [u8; 16] = [
    0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0, 0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0,
];

/// Why SKINIT was not executed.
#[derive(Debug, Clone)]
pub enum Refusal {
    /// Silicon would not have executed it either.
    IllFormed {
        /// `#UD`, `#GP(0)`, or `rejected`.
        fault: &'static str,
        /// Why.
        what: String,
    },
    /// The model could not.
    Failed(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Failed(error)
    }
}

fn ill_formed(fault: &'static str, what: impl Into<String>) -> Refusal {
    Refusal::IllFormed {
        fault,
        what: what.into(),
    }
}

/// Facts about one executed SKINIT.
#[derive(Debug, Clone, Serialize)]
pub struct SkinitReport {
    /// The loader block.
    pub slb: SlbReport,
    /// The boot processor before the instruction.
    pub before: RegisterFile,
    /// The boot processor at the loader block's first instruction.
    pub after: RegisterFile,
    /// QEMU's own view of the state after it, with segments and descriptor tables.
    pub after_text: Vec<String>,
    /// The application processors.
    pub aps: Vec<ApState>,
    /// Localities of the TPM that software had left active.
    pub active_localities: Vec<u8>,
    /// Milliseconds for the hash sequence.
    pub hash_ms: u64,
}

/// Checks what the processor checks, and in strict mode what it leaves undefined. `cpu` stands at
/// the instruction. Returns the block and remarks that do not stop the launch.
pub fn check(
    qemu: &mut Qemu,
    config: &Config,
    cpu: usize,
    before: &RegisterFile,
) -> std::result::Result<(Slb, Vec<ApState>, Vec<String>), Refusal> {
    let mut remarks = Vec::new();
    let code = qemu.gdb.read(cpu, before.rip, SKINIT.len())?;
    if code != SKINIT {
        return Err(Error::new(
            Side::Guest,
            format!("no SKINIT at {:#x}, but {code:02x?}", before.rip),
        )
        .into());
    }
    if qemu.qtest.read(before.rip, SKINIT.len())? != SKINIT {
        return Err(Error::new(
            Side::Model,
            "the launch instruction is not identity mapped, which the model needs",
        )
        .into());
    }
    if before.cr0 & CR0_PE == 0 || before.eflags & EFLAGS_VM != 0 {
        return Err(ill_formed("#UD", "the processor is not in protected mode"));
    }
    if before.efer & EFER_SVME == 0 {
        if !config.cpu.contains("+skinit") {
            return Err(ill_formed("#UD", "EFER.SVME is 0 and CPUID lacks SKINIT"));
        }
        remarks.push("EFER.SVME is 0 at SKINIT (allowed, CPUID shows SKINIT)".into());
    }
    if before.cs & 3 != 0 {
        let what = format!("CPL is {}", before.cs & 3);
        return Err(ill_formed("#GP(0)", what));
    }
    if cpu != 0 {
        let what = format!("executed on CPU {cpu}, which is not the boot processor");
        return Err(ill_formed("rejected", what));
    }
    let eax = before.rax & 0xffff_ffff;
    if eax & (WINDOW - 1) != 0 {
        let what = format!("EAX {eax:#x} is not aligned to 64 KiB; the low bits are ignored");
        remarks.push(what);
    }
    let slb = read_block(qemu, config, eax & !(WINDOW - 1), &mut remarks)?;
    let mut aps = Vec::new();
    for ap in 1..config.cpus {
        aps.push(ap::state(&mut qemu.gdb, ap)?);
    }
    if let Some(ap) = aps.iter().find(|ap| !ap.waits_for_startup) {
        let what = format!(
            "CPU {} is not in INIT (cs:rip {:x}:{:x}{})",
            ap.cpu,
            ap.cs,
            ap.rip,
            if ap.halted { ", halted" } else { ", running" }
        );
        return Err(ill_formed("rejected", what));
    }
    Ok((slb, aps, remarks))
}

fn read_block(
    qemu: &mut Qemu,
    config: &Config,
    base: u64,
    remarks: &mut Vec<String>,
) -> std::result::Result<Slb, Refusal> {
    let end = base + WINDOW;
    let hole = 0xa_0000..0x10_0000;
    if end > config.low_memory_end() || (base < hole.end && end > hole.start) {
        let what = format!("the block at {base:#x} is not in memory below 4 GiB");
        return Err(ill_formed("rejected", what));
    }
    let size = usize::try_from(WINDOW).blame(Side::Model, "window")?;
    let slb = Slb {
        base,
        bytes: qemu.qtest.read(base, size)?,
    };
    let (entry, length) = (slb.entry(), slb.length());
    let odd = if length < 4 {
        Some(format!("block length {length} is shorter than its header"))
    } else if entry >= length {
        Some(format!(
            "entry point {entry:#x} lies behind the measured {length:#x} bytes"
        ))
    } else {
        None
    };
    match odd {
        Some(what) if config.strict => Err(ill_formed("rejected", what)),
        Some(what) => {
            remarks.push(what);
            Ok(slb)
        }
        None => Ok(slb),
    }
}

/// Executes a checked SKINIT on the boot processor.
pub fn perform(
    qemu: &mut Qemu,
    proxy: Option<&Proxy>,
    interface: TpmInterface,
    slb: &Slb,
    before: RegisterFile,
    aps: Vec<ApState>,
) -> Result<SkinitReport> {
    let active_localities = match proxy {
        Some(_) => active_localities(&mut qemu.qtest, interface)?,
        None => Vec::new(),
    };
    let started = std::time::Instant::now();
    if let Some(proxy) = proxy {
        proxy.hash_sequence(slb.measured())?;
    }
    let hash_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    clear_gif(&mut qemu.gdb, 0, before.rip)?;
    let signature = enter_protected_mode(qemu, &before)?;
    let gdb = &mut qemu.gdb;
    for reg in GENERAL {
        gdb.set_register(0, reg, 0)?;
    }
    gdb.set_register(0, Reg::Rax, slb.base)?;
    gdb.set_register(0, Reg::Rdx, signature)?;
    gdb.set_register(0, Reg::Rsp, slb.base + WINDOW)?;
    gdb.set_register(0, Reg::Eflags, 2)?;
    gdb.set_register(0, Reg::Rip, slb.base + u64::from(slb.entry()))?;
    let after = gdb.registers(0)?;
    verify(&after, slb, &before, signature)?;
    let after_text = qemu.qmp.monitor("info registers")?;
    Ok(SkinitReport {
        slb: slb.report(),
        before,
        after,
        after_text: after_text.lines().map(str::to_owned).collect(),
        aps,
        active_localities,
        hash_ms,
    })
}

/// Control registers, segments, descriptor tables and debug registers; returns the processor
/// signature, which SKINIT leaves in EDX.
fn enter_protected_mode(qemu: &mut Qemu, before: &RegisterFile) -> Result<u64> {
    let cr0 = CR0_ENTRY | (before.cr0 & CR0_KEPT);
    let text = qemu.qmp.monitor("info registers")?;
    let (gdt, limit) = descriptor_table(&text)?;
    if limit < 0x17 {
        return Err(Error::new(
            Side::Model,
            "the guest's GDT is too small to borrow two entries of it",
        ));
    }
    let gdb = &mut qemu.gdb;
    // While the CPU is in 64-bit mode, or the upper halves stay out of reach for good.
    for reg in GENERAL {
        gdb.set_register(0, reg, 0)?;
    }
    // Out of long mode: paging first, then the rest. PE stays clear for a moment so that the data
    // segments are loaded as in real mode: base 0, limit FFFF.
    gdb.set_register(0, Reg::Cr0, cr0 & !CR0_PE)?;
    gdb.set_register(0, Reg::Efer, 0)?;
    for reg in [Reg::Cr4, Reg::Cr3, Reg::Cr2, Reg::Cr8] {
        gdb.set_register(0, reg, 0)?;
    }
    for segment in [Reg::Ds, Reg::Es, Reg::Fs, Reg::Gs] {
        // An unchanged selector is not loaded again.
        gdb.set_register(0, segment, 0x10)?;
        gdb.set_register(0, segment, 0)?;
    }
    gdb.set_register(0, Reg::Cr0, cr0)?;
    // The stub of QEMU loads selectors through the guest's table: lend it two entries.
    let saved = qemu.qtest.read(gdt + 8, DESCRIPTORS.len())?;
    qemu.qtest.write(gdt + 8, &DESCRIPTORS)?;
    for (segment, selector) in [(Reg::Cs, 0x08), (Reg::Ss, 0x10)] {
        qemu.gdb.set_register(0, segment, 0x18 - selector)?;
        qemu.gdb.set_register(0, segment, selector)?;
    }
    qemu.qtest.write(gdt + 8, &saved)?;
    tables_and_debug(qemu, before.rip)
}

/// Runs the instructions that put descriptor tables and debug registers into their INIT state, at
/// the place of the launch instruction, in flat 32-bit mode. LDTR and
/// TR stay as they are; nothing can use them before loading them.
fn tables_and_debug(qemu: &mut Qemu, at: u64) -> Result<u64> {
    let place = u32::try_from(at).blame(Side::Model, "SKINIT lies above 4 GiB")?;
    let gdb = &mut qemu.gdb;
    gdb.set_register(0, Reg::Rip, at)?;
    // lgdt ss:[table]; lidt ss:[table]
    let mut code = vec![0x36, 0x0f, 0x01, 0x15];
    let table = place.wrapping_add(16).to_le_bytes();
    code.extend_from_slice(&table);
    code.extend_from_slice(&[0x36, 0x0f, 0x01, 0x1d]);
    code.extend_from_slice(&table);
    code.extend_from_slice(&[0xff, 0xff, 0, 0, 0, 0]);
    execute(gdb, 0, at, &code, 2)?;
    // mov drN, eax
    for (value, modrm) in [
        (0x400, 0xf8),
        (0xffff_0ff0, 0xf0),
        (0, 0xc0),
        (0, 0xc8),
        (0, 0xd0),
        (0, 0xd8),
    ] {
        gdb.set_register(0, Reg::Rip, at)?;
        gdb.set_register(0, Reg::Rax, value)?;
        execute(gdb, 0, at, &[0x0f, 0x23, modrm], 1)?;
    }
    // cpuid, leaf 1
    gdb.set_register(0, Reg::Rip, at)?;
    gdb.set_register(0, Reg::Rax, 1)?;
    gdb.set_register(0, Reg::Rcx, 0)?;
    execute(gdb, 0, at, &[0x0f, 0xa2], 1)?;
    let signature = gdb.register(0, Reg::Rax)?;
    // or al, 1: QEMU keeps arithmetic flags apart from EFLAGS; this leaves them all clear.
    gdb.set_register(0, Reg::Rip, at)?;
    gdb.set_register(0, Reg::Rax, 0)?;
    execute(gdb, 0, at, &[0x0c, 0x01], 1)?;
    Ok(signature)
}

/// Base and limit of the GDT from QEMU's register dump: `GDT=     000000001f9dc000 00000047`.
fn descriptor_table(text: &str) -> Result<(u64, u64)> {
    let parse = || {
        let line = text.lines().find_map(|line| line.strip_prefix("GDT="))?;
        let mut words = line.split_whitespace();
        let base = u64::from_str_radix(words.next()?, 16).ok()?;
        let limit = u64::from_str_radix(words.next()?, 16).ok()?;
        Some((base, limit))
    };
    parse().ok_or_else(|| Error::new(Side::Qemu, "no GDT in 'info registers'"))
}

/// Compares the state that was set with the table of APM vol. 2, 15.27.
fn verify(after: &RegisterFile, slb: &Slb, before: &RegisterFile, signature: u64) -> Result<()> {
    let expected = RegisterFile {
        rax: slb.base,
        rdx: signature,
        rsp: slb.base + WINDOW,
        rip: slb.base + u64::from(slb.entry()),
        eflags: 2,
        cs: 0x08,
        ss: 0x10,
        cr0: CR0_ENTRY | (before.cr0 & CR0_KEPT),
        ..RegisterFile::default()
    };
    match after.differences(&expected).first() {
        None => Ok(()),
        Some((name, got, want)) => Err(Error::new(
            Side::Model,
            format!("after SKINIT {name} is {got:#x}, not {want:#x}"),
        )),
    }
}
