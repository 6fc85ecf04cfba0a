// SPDX-License-Identifier: GPL-2.0

//! A machine that only notes what is asked of it.

use slaunch_core::gate::Smm;
use slaunch_core::isolate::emulate::{Emulator, Machine, Platform};
use slaunch_core::isolate::insn::{Regs, Size};
use slaunch_core::service::Service;

pub const RETURN: u64 = 0x7fff_0000;
pub const TIMER: u16 = 0x608;
pub const PM1: u16 = 0x604;

pub const PLATFORM: Platform = Platform {
    pm_timer: TIMER,
    pm1_control: [PM1, 0],
    smi_command: 0xb2,
    smi_kernel: [2, 3, 0, 0, 0],
    century: 0x32,
};

/// What was asked of the machine.
#[derive(Clone, Debug, PartialEq)]
pub enum Access {
    PortRead(u16, Size),
    PortWrite(u16, Size, u32),
    Smi(u16, u32),
    ClockRead(u8),
    ClockWrite(u8, u8),
    Msr(u32),
    MemoryRead(u64, Size),
    MemoryWrite(u64, Size),
    WriteBack,
}

/// A machine that keeps a list. Memory is where the low half of addresses is.
#[derive(Default)]
pub struct Log(pub Vec<Access>);

impl Machine for Log {
    fn port_read(&mut self, port: u16, size: Size) -> u32 {
        self.0.push(Access::PortRead(port, size));
        0xa1b2_c3d4
    }
    fn port_write(&mut self, port: u16, size: Size, value: u32) {
        self.0.push(Access::PortWrite(port, size, value));
    }
    fn smi(&mut self, port: u16, _: Size, value: u32, _: &mut Regs) {
        self.0.push(Access::Smi(port, value));
    }
    fn clock_read(&mut self, index: u8) -> u8 {
        self.0.push(Access::ClockRead(index));
        0x5a
    }
    fn clock_write(&mut self, index: u8, value: u8) {
        self.0.push(Access::ClockWrite(index, value));
    }
    fn msr_read(&mut self, number: u32) -> Option<u64> {
        self.0.push(Access::Msr(number));
        Some(0x1111_2222_3333_4444)
    }
    fn memory_read(&mut self, address: u64, size: Size) -> Option<u32> {
        self.0.push(Access::MemoryRead(address, size));
        (address < 1 << 47).then_some(0x0102_0304)
    }
    fn memory_write(&mut self, address: u64, size: Size, _: u32) -> Option<()> {
        self.0.push(Access::MemoryWrite(address, size));
        (address < 1 << 47).then_some(())
    }
    fn write_back(&mut self) {
        self.0.push(Access::WriteBack);
    }
}

pub fn emulator(service: Service, smm: Smm) -> Emulator {
    let mut emulator = Emulator::new(PLATFORM, smm, RETURN);
    emulator.begin(service);
    emulator
}
