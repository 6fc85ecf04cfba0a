// SPDX-License-Identifier: GPL-2.0
//! Application processors around SKINIT.

use std::time::Duration;

use serde::Serialize;

use crate::error::Result;
use crate::gdb::{Gdb, Reg};
use crate::qemu::Qemu;

use super::microcode::CR0_PE;

/// Where message-signalled interrupts are written to; bits 19:12 are the receiver's APIC id.
const MESSAGES: u64 = 0xfee0_0000;
/// Delivery mode NMI.
const NMI: u32 = 0x400;

/// Where a processor stands after INIT: the offset in its code segment, and the physical address.
const RESET: u64 = 0xfff0;
const RESET_ADDRESS: u64 = 0xffff_fff0;
/// `hlt`, and a jump back to it.
const HALT: [u8; 3] = [0xf4, 0xeb, 0xfd];

/// What an application processor was found doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApState {
    /// CPU index.
    pub cpu: usize,
    /// It was initialised and waits for a start-up interrupt.
    pub waits_for_startup: bool,
    /// Instruction pointer.
    pub rip: u64,
    /// Code segment selector.
    pub cs: u64,
    /// Halted, as QEMU sees it.
    pub halted: bool,
}

/// State of one application processor. After INIT a CPU stands at the reset vector F000:FFF0 in
/// real mode and is halted until a start-up interrupt; QEMU keeps exactly that.
pub fn state(gdb: &mut Gdb, cpu: usize) -> Result<ApState> {
    let rip = gdb.register(cpu, Reg::Rip)?;
    let cs = gdb.register(cpu, Reg::Cs)?;
    let cr0 = gdb.register(cpu, Reg::Cr0)?;
    let halted = gdb.halted(cpu)?;
    // There, or behind the instruction of `hold`.
    let at_reset = (RESET..=RESET + 1).contains(&rip) && cs == 0xf000;
    Ok(ApState {
        cpu,
        waits_for_startup: halted && at_reset && cr0 & CR0_PE == 0,
        rip,
        cs,
        halted,
    })
}

/// Keeps processors that wait for a start-up interrupt where they are. Silicon holds an SMI back there. QEMU
/// has it served, and the processor go on at the reset vector afterwards: so that is made a `hlt`. In this
/// machine nothing starts there any more, for a reset ends the run.
///
/// The boot processor must have no paging.
pub fn hold(gdb: &mut Gdb) -> Result<()> {
    gdb.write(0, RESET_ADDRESS, &HALT)
}

/// Lets INIT interrupts that were sent take effect. On silicon that is a matter of cycles. QEMU
/// notes an INIT for a halted CPU but acts on it only when something else wakes that CPU, so those
/// in `initialised` (whose last interrupt was an INIT) are woken by an NMI: the INIT comes first
/// and drops the NMI. A CPU that was sent no INIT only runs on for a moment.
pub fn settle(qemu: &mut Qemu, cpus: usize, initialised: &[usize]) -> Result<()> {
    let mut woken = Vec::new();
    for _ in 0..25 {
        let mut waiting = true;
        for cpu in 1..cpus {
            let ap = state(&mut qemu.gdb, cpu)?;
            waiting &= ap.waits_for_startup;
            let noted = ap.halted && !ap.waits_for_startup && initialised.contains(&cpu);
            if noted && !woken.contains(&cpu) {
                // A message-signalled interrupt with delivery mode NMI and this APIC id.
                qemu.qtest.writel(MESSAGES + ((cpu as u64) << 12), NMI)?;
                woken.push(cpu);
            }
        }
        if waiting {
            return Ok(());
        }
        qemu.gdb.run_others(cpus, Duration::from_millis(10))?;
    }
    Ok(())
}
