// SPDX-License-Identifier: GPL-2.0

//! The machine, for the emulator of what firmware has no right to.

use super::super::isolate::{
    emulate::{
        Machine,
        Platform, //
    },
    insn::{
        reg,
        Regs,
        Size, //
    }, //
};
use kernel::bindings;

/// The registers that system management mode may look at: `struct slaunch_efi_smi`.
#[repr(C)]
struct Smi {
    ax: u64,
    bx: u64,
    cx: u64,
    dx: u64,
    si: u64,
    di: u64,
}

extern "C" {
    fn slaunch_efi_port_read(port: u16, size: u32) -> u32;
    fn slaunch_efi_port_write(port: u16, size: u32, value: u32);
    fn slaunch_efi_smi(port: u16, size: u32, regs: *mut Smi);
    fn slaunch_efi_clock_read(index: u8) -> u8;
    fn slaunch_efi_clock_write(index: u8, value: u8);
    fn slaunch_efi_msr(number: u32, value: *mut u64) -> bool;
    fn slaunch_efi_get(from: u64, to: *mut u32, size: u32) -> bool;
    fn slaunch_efi_put(to: u64, from: *const u32, size: u32) -> bool;
    fn slaunch_efi_write_back();
}

/// The machine, for the firmware's task.
pub(super) struct Ports;

impl Machine for Ports {
    fn port_read(&mut self, port: u16, size: Size) -> u32 {
        // SAFETY: The emulator has allowed it.
        unsafe { slaunch_efi_port_read(port, size.bytes().into()) }
    }

    fn port_write(&mut self, port: u16, size: Size, value: u32) {
        // SAFETY: The emulator has allowed it.
        unsafe { slaunch_efi_port_write(port, size.bytes().into(), value) };
    }

    fn smi(&mut self, port: u16, size: Size, value: u32, regs: &mut Regs) {
        let mask = u64::from(size.mask());
        let mut smi = Smi {
            ax: regs.get(reg::AX) & !mask | u64::from(value) & mask,
            bx: regs.get(reg::BX),
            cx: regs.get(reg::CX),
            dx: regs.get(reg::DX),
            si: regs.get(reg::SI),
            di: regs.get(reg::DI),
        };
        // SAFETY: The emulator has allowed it.
        unsafe { slaunch_efi_smi(port, size.bytes().into(), &mut smi) };
        regs.set(reg::AX, smi.ax);
        regs.set(reg::BX, smi.bx);
        regs.set(reg::CX, smi.cx);
        regs.set(reg::DX, smi.dx);
        regs.set(reg::SI, smi.si);
        regs.set(reg::DI, smi.di);
    }

    fn clock_read(&mut self, index: u8) -> u8 {
        // SAFETY: The emulator has allowed it.
        unsafe { slaunch_efi_clock_read(index) }
    }

    fn clock_write(&mut self, index: u8, value: u8) {
        // SAFETY: The emulator has allowed it.
        unsafe { slaunch_efi_clock_write(index, value) };
    }

    fn msr_read(&mut self, number: u32) -> Option<u64> {
        let mut value = 0;
        // SAFETY: A read, which tells if there is no such register.
        unsafe { slaunch_efi_msr(number, &mut value) }.then_some(value)
    }

    fn memory_read(&mut self, address: u64, size: Size) -> Option<u32> {
        let mut value = 0;
        // SAFETY: There is room for so many bytes; the address is checked.
        unsafe { slaunch_efi_get(address, &mut value, size.bytes().into()) }.then_some(value)
    }

    fn memory_write(&mut self, address: u64, size: Size, value: u32) -> Option<()> {
        // SAFETY: There are so many bytes; the address is checked.
        unsafe { slaunch_efi_put(address, &value, size.bytes().into()) }.then_some(())
    }

    fn write_back(&mut self) {
        // SAFETY: It may always be called.
        unsafe { slaunch_efi_write_back() };
    }
}

/// What ACPI's FADT says of the machine.
pub(super) fn platform() -> Platform {
    /// HW_REDUCED_ACPI: the ports of the table have no meaning.
    const HW_REDUCED: u32 = 1 << 20;
    /// The port of commands to system management mode on all chipsets.
    const SMI_COMMAND: u16 = 0xb2;
    // SAFETY: Written while the kernel boots.
    let fadt = unsafe { (&raw const bindings::acpi_gbl_FADT).read() };
    // A port in I/O space; 0 for none.
    let port = |block: u32| u16::try_from(block).unwrap_or(0);
    Platform {
        pm_timer: port(fadt.pm_timer_block),
        pm1_control: [port(fadt.pm1a_control_block), port(fadt.pm1b_control_block)],
        smi_command: match (port(fadt.smi_command), fadt.flags & HW_REDUCED) {
            // Not said there, and where it always is.
            (0, HW_REDUCED) => SMI_COMMAND,
            (port, _) => port,
        },
        smi_kernel: [
            fadt.acpi_enable,
            fadt.acpi_disable,
            fadt.s4_bios_request,
            fadt.pstate_control,
            fadt.cst_control,
        ],
        century: fadt.century,
    }
}
