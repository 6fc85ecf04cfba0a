// SPDX-License-Identifier: GPL-2.0

//! The I/O ports of firmware in user mode.
//!
//! | port | |
//! | --- | --- |
//! | 0x70, 0x71 | the clock; its index is kept here, since the kernel may use the pair in between |
//! | `SMI_CMD` and the next | system management mode, if the settings allow it, but not with the kernel's commands |
//! | PM timer | read |
//! | 0xcf9, 0x64, PM1 control | reset and power-off, only in the course of `ResetSystem()` |
//! | 0x80, 0x3f8 to 0x3ff | POST codes and a serial port: nobody there, writes go nowhere |
//!
//! All others end the call, those of PCI configuration space first of all: who has them has DMA.

use super::super::gate::Smm;
use super::abort::Abort;
use super::emulate::{Machine, Platform};
use super::insn::{Regs, Size};

/// Most entries to system management mode in one call. A call needs a few.
const MOST_SMIS: u32 = 256;

/// The clock's port for the index.
const CLOCK_INDEX: u16 = 0x70;

/// The clock's port for the byte at the index.
const CLOCK_DATA: u16 = 0x71;

/// The bit next to the clock's index that keeps NMIs from the processor: remembered, not acted
/// upon.
const CLOCK_NMI: u8 = 0x80;

/// Where the century is if FADT does not say.
const CLOCK_CENTURY: u8 = 0x32;

/// The clock's register B, and its bits for periodic and update interrupts.
const CLOCK_B: u8 = 0x0b;
const CLOCK_B_INTERRUPTS: u8 = 0x50;

/// The port of POST codes.
const POST: u16 = 0x80;

/// The first serial port, its line status and its modem status: all was sent, and somebody listens.
const SERIAL: u16 = 0x3f8;
const SERIAL_LINE: (u16, u32) = (SERIAL + 5, 0x60);
const SERIAL_MODEM: (u16, u32) = (SERIAL + 6, 0xb0);

/// The chipset's reset control, and its bits.
const RESET: u16 = 0xcf9;
const RESET_BITS: u32 = 0x0e;

/// The keyboard controller, and its command for a reset.
const KEYBOARD: u16 = 0x64;
const KEYBOARD_RESET: u32 = 0xfe;

/// The ports, and what firmware has done with them.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    platform: Platform,
    /// Whether system management mode may be entered.
    pub smm: Smm,
    /// What was last written to the clock's index.
    index: u8,
    /// The call is one of `ResetSystem()`.
    reset: bool,
    /// Entries to system management mode in this call.
    smis: u32,
}

impl Ports {
    /// No call yet.
    pub const fn new(platform: Platform, smm: Smm) -> Self {
        Self {
            platform,
            smm,
            index: 0,
            reset: false,
            smis: 0,
        }
    }

    /// A call begins; `reset` if it is one of `ResetSystem()`.
    pub fn begin(&mut self, reset: bool) {
        self.reset = reset;
        self.smis = 0;
    }

    /// Entries to system management mode in this call.
    pub const fn smis(&self) -> u32 {
        self.smis
    }

    /// Reads a port for firmware.
    ///
    /// # Errors
    ///
    /// Why the call is given up.
    pub fn read(
        &mut self,
        port: u16,
        size: Size,
        machine: &mut impl Machine,
    ) -> Result<u32, Abort> {
        let platform = &self.platform;
        let byte = size == Size::One;
        match port {
            CLOCK_INDEX if byte => Ok(self.index.into()),
            CLOCK_DATA if byte && self.is_clock() => {
                Ok(machine.clock_read(self.index & !CLOCK_NMI).into())
            }
            _ if self.is_smi_command(port) || self.is_smi_data(port) => {
                self.smm_allowed()?;
                match byte {
                    true => Ok(machine.port_read(port, size)),
                    false => denied(port, size, None),
                }
            }
            _ if port == platform.pm_timer && port != 0 && size == Size::Four => {
                Ok(machine.port_read(port, size))
            }
            _ if self.is_reset(port, size) => Ok(machine.port_read(port, size)),
            POST => Ok(0),
            SERIAL..=0x3ff if byte => {
                let answers = [SERIAL_LINE, SERIAL_MODEM];
                let answer = answers.into_iter().find(|&(at, _)| at == port);
                Ok(answer.map_or(0, |(_, value)| value))
            }
            _ => denied(port, size, None),
        }
    }

    /// Writes to a port for firmware, whose registers are `regs`.
    ///
    /// # Errors
    ///
    /// Why the call is given up.
    pub fn write(
        &mut self,
        port: u16,
        size: Size,
        value: u32,
        regs: &mut Regs,
        machine: &mut impl Machine,
    ) -> Result<(), Abort> {
        let value = value & size.mask();
        let [low, ..] = value.to_le_bytes();
        let byte = size == Size::One;
        match port {
            CLOCK_INDEX if byte => self.index = low,
            CLOCK_DATA if byte && self.is_clock() => {
                let index = self.index & !CLOCK_NMI;
                match index {
                    // The alarm is firmware's to set; a flood of interrupts is not.
                    CLOCK_B => machine.clock_write(index, low & !CLOCK_B_INTERRUPTS),
                    // What makes the clock run, and what only firmware that starts up has to do
                    // with.
                    0x0a | 0x0c | 0x0d => return denied(port, size, Some(value)),
                    _ => machine.clock_write(index, low),
                }
            }
            _ if self.is_smi_data(port) && byte => {
                self.smm_allowed()?;
                machine.port_write(port, size, value);
            }
            _ if self.is_smi_command(port) && byte => {
                self.smm_allowed()?;
                if low != 0 && self.platform.smi_kernel.contains(&low) {
                    return Err(Abort::SmmCommand(low));
                }
                self.smis = self.smis.saturating_add(1);
                if self.smis > MOST_SMIS {
                    return Err(Abort::SmmLimit);
                }
                machine.smi(port, size, value, regs);
            }
            RESET if self.is_reset(port, size) && value & !RESET_BITS == 0 => {
                machine.port_write(port, size, value);
            }
            KEYBOARD if self.is_reset(port, size) && value == KEYBOARD_RESET => {
                machine.port_write(port, size, value);
            }
            RESET | KEYBOARD => return denied(port, size, Some(value)),
            _ if self.is_reset(port, size) => machine.port_write(port, size, value),
            POST => {}
            SERIAL..=0x3ff if byte => {}
            _ => return denied(port, size, Some(value)),
        }
        Ok(())
    }

    /// Whether the clock's index is that of a byte of the clock.
    fn is_clock(&self) -> bool {
        let index = self.index & !CLOCK_NMI;
        let century = match self.platform.century {
            0 => CLOCK_CENTURY,
            other => other,
        };
        index <= 0x0d || index == century
    }

    fn is_smi_command(&self, port: u16) -> bool {
        port != 0 && port == self.platform.smi_command
    }

    /// The port behind it takes a byte for whoever is asked.
    fn is_smi_data(&self, port: u16) -> bool {
        self.is_smi_command(port.wrapping_sub(1))
    }

    fn smm_allowed(&self) -> Result<(), Abort> {
        match self.smm {
            Smm::Allow => Ok(()),
            Smm::Deny => Err(Abort::SmmDenied),
        }
    }

    /// Whether it is a port that resets or powers off, and the call one that may.
    fn is_reset(&self, port: u16, size: Size) -> bool {
        let known = match port {
            0 => false,
            RESET | KEYBOARD => size == Size::One,
            _ => self.platform.pm1_control.contains(&port) && size != Size::One,
        };
        known && self.reset
    }
}

fn denied<T>(port: u16, size: Size, value: Option<u32>) -> Result<T, Abort> {
    Err(Abort::Port {
        port,
        size: size.bytes(),
        value,
    })
}
