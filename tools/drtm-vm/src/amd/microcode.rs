// SPDX-License-Identifier: GPL-2.0
//! Makes a stopped CPU execute single instructions of the model's choice, for state that no
//! debugger interface reaches: the global interrupt flag, descriptor table and debug registers.

use crate::error::{Error, Result, Side};
use crate::gdb::{Gdb, Reg, SIGTRAP};

/// EFER bit 12: SVME.
pub const EFER_SVME: u64 = 1 << 12;
/// CR0 bit 0: PE.
pub const CR0_PE: u64 = 1;

/// Executes `code`, made of `count` instructions, at the linear address `at` on `cpu`, with
/// everything after it in `code` as data. The bytes there are restored, but for a machine that failed to
/// execute them; RIP is left behind the last instruction.
pub fn execute(gdb: &mut Gdb, cpu: usize, at: u64, code: &[u8], count: usize) -> Result<()> {
    let saved = gdb.read(cpu, at, code.len())?;
    gdb.write(cpu, at, code)?;
    steps(gdb, cpu, count)?;
    gdb.write(cpu, at, &saved)
}

/// A step may pass without an instruction: QEMU spends it on taking note of an interrupt, such as
/// the second of two start-up interrupts. None of the model's instructions jumps to itself.
fn steps(gdb: &mut Gdb, cpu: usize, count: usize) -> Result<()> {
    const SPENT: usize = 8;
    for _ in 0..count {
        let before = gdb.register(cpu, Reg::Rip)?;
        for _ in 0..SPENT {
            let stop = gdb.step(cpu)?;
            if stop.signal != SIGTRAP || stop.cpu != cpu {
                return Err(Error::new(
                    Side::Model,
                    format!("a step of CPU {cpu} ended with {stop:?}"),
                ));
            }
            if gdb.register(cpu, Reg::Rip)? != before {
                break;
            }
        }
    }
    Ok(())
}

/// Clears the global interrupt flag: one CLGI, which needs protected mode and EFER.SVME.
/// `at` is the linear address of the CPU's next instruction; all registers keep their values.
pub fn clear_gif(gdb: &mut Gdb, cpu: usize, at: u64) -> Result<()> {
    const CLGI: [u8; 3] = [0x0f, 0x01, 0xdd];
    let rip = gdb.register(cpu, Reg::Rip)?;
    let cr0 = gdb.register(cpu, Reg::Cr0)?;
    let efer = gdb.register(cpu, Reg::Efer)?;
    gdb.set_register(cpu, Reg::Efer, efer | EFER_SVME)?;
    if cr0 & CR0_PE == 0 {
        gdb.set_register(cpu, Reg::Cr0, cr0 | CR0_PE)?;
    }
    execute(gdb, cpu, at, &CLGI, 1)?;
    let after = gdb.register(cpu, Reg::Rip)?;
    if after != rip.wrapping_add(3) {
        return Err(Error::new(
            Side::Model,
            format!("CLGI on CPU {cpu} went from {rip:#x} to {after:#x}"),
        ));
    }
    if cr0 & CR0_PE == 0 {
        gdb.set_register(cpu, Reg::Cr0, cr0)?;
    }
    gdb.set_register(cpu, Reg::Efer, efer)?;
    gdb.set_register(cpu, Reg::Rip, rip)
}

/// Reads the time stamp counter with RDTSC; all registers keep their values. When instructions are
/// counted (`Config::icount`) QEMU's counter is the number of instructions executed so far, this
/// one included.
pub fn time_stamp(gdb: &mut Gdb, cpu: usize, at: u64) -> Result<u64> {
    const RDTSC: [u8; 2] = [0x0f, 0x31];
    let saved = [Reg::Rip, Reg::Rax, Reg::Rdx].map(|reg| (reg, gdb.register(cpu, reg)));
    execute(gdb, cpu, at, &RDTSC, 1)?;
    let low = gdb.register(cpu, Reg::Rax)? & 0xffff_ffff;
    let high = gdb.register(cpu, Reg::Rdx)? & 0xffff_ffff;
    for (reg, value) in saved {
        gdb.set_register(cpu, reg, value?)?;
    }
    Ok(high << 32 | low)
}
