// SPDX-License-Identifier: GPL-2.0

//! Ways out of user mode, for firmware that finds itself there, and what it may do there.

use core::arch::asm;

use super::Call;
use crate::memory::{target, Target};
use crate::{cpu, memory};

/// An address that is the kernel's on every machine: the page of vsyscalls, the map of all memory.
const VSYSCALL: u64 = 0xffff_ffff_ff60_0000;
const DIRECT_MAP: u64 = 0xffff_8880_0000_0000;

/// The kernel's read-only data if the guest has said where that is.
fn kernel() -> u64 {
    target(Target::LinuxBanner).unwrap_or(DIRECT_MAP)
}

fn port_in(port: u16) -> u8 {
    let value;
    // SAFETY: A port of the test's choice.
    unsafe { asm!("in al, dx", in("dx") port, out("al") value, options(nostack)) };
    value
}

fn port_out(port: u16, value: u8) {
    // SAFETY: As above.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nostack)) };
}

fn port_out_long(port: u16, value: u32) {
    // SAFETY: As above.
    unsafe { asm!("out dx, eax", in("dx") port, in("eax") value, options(nostack)) };
}

/// A system call (getpid) by its instruction.
pub fn syscall(_: &mut Call) {
    // SAFETY: None. That is the point.
    unsafe { asm!("syscall", inout("rax") 39u64 => _, out("rcx") _, out("r11") _) };
}

/// A system call (exit) by the interrupt of 32-bit programs.
pub fn interrupt(_: &mut Call) {
    // SAFETY: None. That is the point.
    unsafe {
        asm!("xchg rbx, {0}", "int 0x80", "xchg rbx, {0}", inout(reg) 0u64 => _, inout("rax") 1u64 => _)
    };
}

/// A system call by the other instruction of 32-bit programs.
pub fn sysenter(_: &mut Call) {
    // SAFETY: None. That is the point.
    unsafe { asm!("sysenter", inout("rax") 20u64 => _) };
}

fn jump(address: u64) {
    // SAFETY: None. That is the point.
    unsafe { asm!("call {}", in(reg) address, clobber_abi("efiapi")) };
}

/// A call of the kernel's own way to tell the time.
pub fn vsyscall(_: &mut Call) {
    jump(VSYSCALL);
}

/// A jump into the kernel.
pub fn kernel_jump(_: &mut Call) {
    jump(kernel());
}

/// A return into the kernel.
pub fn kernel_return(_: &mut Call) {
    // SAFETY: None. That is the point.
    unsafe { asm!("push {}", "ret", in(reg) kernel()) };
}

/// Reads what the kernel has.
pub fn kernel_read(_: &mut Call) {
    super::evidence(0, memory::read(kernel()), kernel());
}

/// An address in PCI configuration space.
pub fn configuration_space(_: &mut Call) {
    port_out_long(0xcf8, 0x8000_0000);
}

/// A reset that nobody has asked for.
pub fn reset(_: &mut Call) {
    port_out(0xcf9, 6);
}

/// The interrupt controller.
pub fn interrupt_controller(_: &mut Call) {
    port_out(0x21, 0xff);
}

/// System management mode, over and over.
pub fn smi_flood(_: &mut Call) {
    for _ in 0..1_000_000 {
        port_out(0xb2, 0);
    }
}

/// What is allowed, over and over.
pub fn trap_storm(_: &mut Call) {
    loop {
        port_in(0x70);
    }
}

/// Sleeps, with interrupts on.
pub fn halt(_: &mut Call) {
    // SAFETY: None. That is the point.
    unsafe { asm!("hlt") };
}

/// The kernel's memory to a port that nobody listens at.
pub fn string_out(_: &mut Call) {
    // SAFETY: None. That is the point.
    unsafe {
        asm!("rep outsb", in("dx") 0x80u16, inout("rcx") 64u64 => _, inout("rsi") kernel() => _)
    };
}

/// A port into the kernel's memory.
pub fn string_in(_: &mut Call) {
    // SAFETY: None. That is the point.
    unsafe {
        asm!("rep insb", in("dx") 0x80u16, inout("rcx") 64u64 => _, inout("rdi") kernel() => _)
    };
}

/// Registers that say where the kernel is.
pub fn read_msr(_: &mut Call) {
    super::evidence(0, cpu::rdmsr(super::msr::SYSENTER_EIP), 0);
}

/// The TPM's registers.
pub fn tpm(_: &mut Call) {
    super::evidence(0, memory::read(0xfed4_0000), 0);
}

/// The local APIC's registers.
pub fn apic(_: &mut Call) {
    super::evidence(0, memory::read(0xfee0_0000), 0);
}

/// Memory of the kernel's by its physical address.
pub fn physical(_: &mut Call) {
    super::evidence(0, memory::read(0x10_0000), 0);
}

/// A trap after each instruction.
pub fn trap_flag(_: &mut Call) {
    // SAFETY: None. That is the point.
    unsafe { asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq", "nop") };
}

/// A base of a segment that is the thread's own.
pub fn gs_base(_: &mut Call) {
    let before: u64;
    // SAFETY: Nobody in firmware has anything there.
    unsafe {
        asm!("rdgsbase {}", out(reg) before);
        asm!("wrgsbase {}", in(reg) 0x1234_5000u64);
    }
    super::evidence(before, 0x1234_5000, 0);
}

/// Interrupts off and on, caches, POST codes, a serial port, the clock, the APIC's base.
pub fn privileged_and_harmless(_: &mut Call) {
    // SAFETY: Nothing of this changes anything.
    unsafe {
        asm!("cli", "sti", "wbinvd");
        asm!("pushfq", "cli", "popfq");
    }
    port_out(0x80, 0x5a);
    port_out(0x3f8, b'x');
    let line = port_in(0x3fd);
    port_out(0x70, 0x0d);
    let clock = port_in(0x71);
    let base = cpu::rdmsr(super::msr::APIC_BASE);
    super::evidence(line.into(), clock.into(), base);
}

/// The last capsule, which is the kernel's alone again.
pub fn capsule(_: &mut Call) {
    let at = crate::capsule::last();
    super::evidence(0, memory::read(at), at);
}
