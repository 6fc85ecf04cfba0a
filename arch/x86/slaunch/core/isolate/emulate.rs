// SPDX-License-Identifier: GPL-2.0

//! What is done about an instruction that firmware has no right to in user mode.

use super::super::gate::Smm;
use super::super::service::Service;
use super::abort::Abort;
use super::insn::{reg, Insn, Memory, Port, Regs, Request, Size};
use super::msr::{self, Msr};
use super::ports::Ports;

/// What the processor and the board have, by ACPI's FADT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Platform {
    /// The port of the PM timer (`PM_TMR_BLK`, or its extended form in I/O space), or 0.
    pub pm_timer: u16,
    /// The ports of the PM1 control registers (`PM1a_CNT_BLK`, `PM1b_CNT_BLK`), or 0.
    pub pm1_control: [u16; 2],
    /// The port for commands to system management mode (`SMI_CMD`), or 0 if there is no such mode.
    pub smi_command: u16,
    /// Commands to system management mode that are the kernel's (`ACPI_ENABLE`, `ACPI_DISABLE`,
    /// `S4BIOS_REQ`, `PSTATE_CNT`, `CST_CNT`), or 0.
    pub smi_kernel: [u8; 5],
    /// Index of the century in the clock's memory (`CENTURY`), or 0.
    pub century: u8,
}

/// What only the kernel can do.
pub trait Machine {
    /// Reads `size` bytes from a port.
    fn port_read(&mut self, port: u16, size: Size) -> u32;

    /// Writes the low `size` bytes of `value` to a port.
    fn port_write(&mut self, port: u16, size: Size, value: u32);

    /// Writes a command to the port that makes the processor enter system management mode. The
    /// registers are those of firmware: it may want them to be seen there.
    fn smi(&mut self, port: u16, size: Size, value: u32, regs: &mut Regs);

    /// Reads a byte of the clock's memory (`CMOS_READ()`, under `rtc_lock`).
    fn clock_read(&mut self, index: u8) -> u8;

    /// Writes a byte of the clock's memory (`CMOS_WRITE()`, under `rtc_lock`).
    fn clock_write(&mut self, index: u8, value: u8);

    /// Reads an MSR, one of those that [`msr::read`] has read; [`None`] if the processor does not
    /// have it.
    fn msr_read(&mut self, number: u32) -> Option<u64>;

    /// Reads the low bytes of `size` at an address in firmware's memory, with the rights of user
    /// mode; [`None`] if it has none there.
    fn memory_read(&mut self, address: u64, size: Size) -> Option<u32>;

    /// Writes to an address in firmware's memory, likewise.
    fn memory_write(&mut self, address: u64, size: Size, value: u32) -> Option<()>;

    /// Writes all caches back (`WBINVD`).
    fn write_back(&mut self);
}

/// What follows a trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Firmware goes on with the registers as they are now.
    Resume,
    /// The call has returned with this status.
    Done(u64),
    /// The call is given up, and there are no more.
    Abort(Abort),
}

/// What was done for firmware since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Traps, all in all.
    pub traps: u64,
    /// Reads of ports.
    pub port_reads: u64,
    /// Writes to ports.
    pub port_writes: u64,
    /// Entries to system management mode.
    pub smis: u64,
    /// Reads of MSRs.
    pub msr_reads: u64,
    /// Reads of control registers.
    pub control_reads: u64,
    /// `CLI` and `STI`.
    pub interrupts: u64,
    /// `WBINVD` and `INVD`.
    pub write_backs: u64,
}

/// Most traps of a call. Reading the clock takes some thirty.
const MOST_TRAPS: u32 = 1_000_000;

/// Most transfers of an I/O instruction before firmware's thread may be interrupted. Each counts as
/// a trap.
const MOST_TRANSFERS: u32 = 256;

/// Most `WBINVD` of a call that are executed. No memory loses anything without, and each takes
/// long.
const MOST_WRITE_BACKS: u32 = 16;

/// CR0 as an ordinary system has it: PG, AM, WP, NE, ET, MP, PE.
const CR0: u64 = 0x8005_0033;

/// CR4 likewise: OSXMMEXCPT, OSFXSR, PGE, MCE, PAE.
const CR4: u64 = 0x6e0;

/// The flag that lets I/O instructions with memory count down.
const FLAG_DF: u64 = 1 << 10;

/// The emulator: what it is set to, and what it knows of the call under way.
#[derive(Clone, Copy, Debug)]
pub struct Emulator {
    ports: Ports,
    /// Where a call returns to.
    return_address: u64,
    /// Traps that this call has left.
    left: u32,
    /// Times this call has had caches written back.
    write_backs: u32,
    /// Whether firmware believes interrupts to be on.
    interrupts: bool,
    /// What was done since boot.
    pub counts: Counts,
}

impl Emulator {
    /// An emulator for calls that return to `return_address`, where there is a `HLT`.
    pub const fn new(platform: Platform, smm: Smm, return_address: u64) -> Self {
        Self {
            ports: Ports::new(platform, smm),
            return_address,
            left: 0,
            write_backs: 0,
            interrupts: true,
            counts: Counts {
                traps: 0,
                port_reads: 0,
                port_writes: 0,
                smis: 0,
                msr_reads: 0,
                control_reads: 0,
                interrupts: 0,
                write_backs: 0,
            },
        }
    }

    /// Sets whether system management mode may be entered.
    pub fn set_smm(&mut self, smm: Smm) {
        self.ports.smm = smm;
    }

    /// A call of `service` begins.
    pub fn begin(&mut self, service: Service) {
        self.ports.begin(service == Service::ResetSystem);
        self.left = MOST_TRAPS;
        self.write_backs = 0;
        self.interrupts = true;
    }

    /// Whether firmware believes interrupts to be on. They are, whatever it does.
    pub const fn interrupts_on(&self) -> bool {
        self.interrupts
    }

    /// Does what is to be done about an instruction that raised a general protection fault at
    /// `regs.ip`.
    ///
    /// Before firmware goes on the kernel has to see that `regs.ip` is an address of user mode
    /// still.
    pub fn trap(&mut self, insn: &Insn, regs: &mut Regs, machine: &mut impl Machine) -> Action {
        self.counts.traps = self.counts.traps.saturating_add(1);
        match self.perform(insn, regs, machine) {
            Ok(action) => action,
            Err(abort) => Action::Abort(abort),
        }
    }

    fn perform(
        &mut self,
        insn: &Insn,
        regs: &mut Regs,
        machine: &mut impl Machine,
    ) -> Result<Action, Abort> {
        let request = insn.request();
        // The end of a call is no trap that could be one too many.
        if request == Request::Halt && regs.ip == self.return_address {
            return Ok(Action::Done(regs.get(reg::AX)));
        }
        self.spend()?;
        match request {
            Request::In(port, size) => {
                let value = self.read(number(port, regs), size, machine)?;
                regs.set_part(reg::AX, size, value);
            }
            Request::Out(port, size) => {
                let value = low_half(regs.get(reg::AX));
                self.write(number(port, regs), size, value, regs, machine)?;
            }
            Request::Memory(memory) => {
                if !self.transfer(memory, regs, machine)? {
                    // The same instruction again, for what is left.
                    return Ok(Action::Resume);
                }
            }
            Request::Halt => return Err(Abort::Halt),
            Request::Interrupts(on) => {
                self.interrupts = on;
                count(&mut self.counts.interrupts);
            }
            Request::WriteBack => {
                if self.write_backs < MOST_WRITE_BACKS {
                    self.write_backs = self.write_backs.saturating_add(1);
                    machine.write_back();
                }
                count(&mut self.counts.write_backs);
            }
            Request::MsrRead => self.read_msr(regs, machine)?,
            Request::MsrWrite => return Err(Abort::MsrWrite(low_half(regs.get(reg::CX)))),
            Request::ControlRead(number, register) => {
                let value = match number {
                    0 => CR0,
                    4 => CR4,
                    _ => return Err(Abort::ControlRead(number)),
                };
                regs.set(register, value);
                count(&mut self.counts.control_reads);
            }
            Request::ControlWrite(number) => return Err(Abort::ControlWrite(number)),
            Request::Other => return Err(Abort::Instruction(insn.name())),
        }
        regs.ip = regs.ip.wrapping_add(insn.length.into());
        Ok(Action::Resume)
    }

    /// Takes one from the traps that the call has left.
    fn spend(&mut self) -> Result<(), Abort> {
        self.left = self.left.checked_sub(1).ok_or(Abort::TrapLimit)?;
        Ok(())
    }

    fn read(&mut self, port: u16, size: Size, machine: &mut impl Machine) -> Result<u32, Abort> {
        let value = self.ports.read(port, size, machine)?;
        count(&mut self.counts.port_reads);
        Ok(value)
    }

    fn write(
        &mut self,
        port: u16,
        size: Size,
        value: u32,
        regs: &mut Regs,
        machine: &mut impl Machine,
    ) -> Result<(), Abort> {
        let before = self.ports.smis();
        self.ports.write(port, size, value, regs, machine)?;
        count(&mut self.counts.port_writes);
        if self.ports.smis() != before {
            count(&mut self.counts.smis);
        }
        Ok(())
    }

    fn read_msr(&mut self, regs: &mut Regs, machine: &mut impl Machine) -> Result<(), Abort> {
        let number = low_half(regs.get(reg::CX));
        let value = match msr::read(number) {
            Msr::Read => machine.msr_read(number),
            Msr::Constant(value) => Some(value),
            Msr::Denied => None,
        };
        let value = value.ok_or(Abort::MsrRead(number))?;
        regs.set(reg::AX, value & u64::from(u32::MAX));
        regs.set(reg::DX, value >> 32);
        count(&mut self.counts.msr_reads);
        Ok(())
    }

    /// Does an I/O instruction with memory, or a part of it. Returns whether nothing is left.
    fn transfer(
        &mut self,
        memory: Memory,
        regs: &mut Regs,
        machine: &mut impl Machine,
    ) -> Result<bool, Abort> {
        let mask = match memory.short {
            true => u64::from(u32::MAX),
            false => u64::MAX,
        };
        let index = match memory.write {
            true => reg::SI,
            false => reg::DI,
        };
        let step = u64::from(memory.size.bytes());
        let port = number(Port::Dx, regs);
        for turn in 0..MOST_TRANSFERS {
            let count = regs.get(reg::CX) & mask;
            if memory.repeat && count == 0 {
                return Ok(true);
            }
            // The first was paid for with the trap itself.
            if turn != 0 {
                self.spend()?;
            }
            let address = regs.get(index) & mask;
            let no_memory = Abort::Memory(address);
            if memory.write {
                let value = machine.memory_read(address, memory.size);
                self.write(port, memory.size, value.ok_or(no_memory)?, regs, machine)?;
            } else {
                let value = self.read(port, memory.size, machine)?;
                machine
                    .memory_write(address, memory.size, value)
                    .ok_or(no_memory)?;
            }
            let next = match regs.flags & FLAG_DF {
                0 => address.wrapping_add(step),
                _ => address.wrapping_sub(step),
            };
            regs.set(index, next & mask);
            if !memory.repeat {
                return Ok(true);
            }
            regs.set(reg::CX, count.wrapping_sub(1) & mask);
        }
        Ok(regs.get(reg::CX) & mask == 0)
    }
}

fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

/// The number of a port.
fn number(port: Port, regs: &Regs) -> u16 {
    match port {
        Port::Fixed(number) => number.into(),
        Port::Dx => {
            let [low, high, ..] = regs.get(reg::DX).to_le_bytes();
            u16::from_le_bytes([low, high])
        }
    }
}

/// The low half of a register.
fn low_half(value: u64) -> u32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
