// SPDX-License-Identifier: GPL-2.0
//! Application processors around SKINIT.

use serde::Serialize;

use crate::error::Result;
use crate::gdb::{Gdb, Reg};

use super::microcode::CR0_PE;

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
    Ok(ApState {
        cpu,
        waits_for_startup: halted && rip == 0xfff0 && cs == 0xf000 && cr0 & CR0_PE == 0,
        rip,
        cs,
        halted,
    })
}
