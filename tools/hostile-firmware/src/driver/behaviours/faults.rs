// SPDX-License-Identifier: GPL-2.0

//! Exceptions, and calls that do not return.

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

use super::{evidence, msr, Call};
use crate::cpu;
use crate::memory;

/// A function of boot services, in memory that the kernel has taken back.
static BOOT_SERVICES: AtomicU64 = AtomicU64::new(0);

/// Remembers it.
pub fn remember_boot_services(address: u64) {
    BOOT_SERVICES.store(address, Ordering::Relaxed);
}

fn load(address: u64) {
    evidence(0, 0, address);
    let value: u64;
    // SAFETY: None. That is the point.
    unsafe { asm!("mov {}, [{}]", out(reg) value, in(reg) address) };
    evidence(0, value, address);
}

fn call(address: u64) {
    evidence(0, 0, address);
    // SAFETY: None. That is the point.
    unsafe { asm!("call {}", in(reg) address, clobber_abi("efiapi")) };
}

/// Reads where nothing is mapped.
pub fn read_nothing(_: &mut Call) {
    load(0x7000_0000_0000);
}

/// Writes to the kernel's text, protected as it is.
pub fn write_text(_: &mut Call) {
    let text = cpu::rdmsr(msr::LSTAR);
    if let Some(at) = memory::filler(text, 4) {
        evidence(0, 0, at);
        // SAFETY: None. That is the point.
        unsafe { asm!("mov byte ptr [{}], 0x90", in(reg) at) };
    }
}

/// Executes data.
pub fn execute_data(_: &mut Call) {
    static CODE: AtomicU64 = AtomicU64::new(0xc3c3_c3c3_c3c3_c3c3);
    call(CODE.as_ptr() as u64);
}

/// Reads an address that is none.
pub fn read_non_canonical(_: &mut Call) {
    load(0xdead_0000_0000_0000);
}

/// Divides by zero.
pub fn divide(_: &mut Call) {
    // SAFETY: None. That is the point.
    unsafe { asm!("div {:e}", in(reg) 0, inout("eax") 1 => _, inout("edx") 0 => _) };
}

/// Executes an instruction that there is not.
pub fn undefined(_: &mut Call) {
    // SAFETY: None. That is the point.
    unsafe { asm!("ud2") };
}

/// The same with the direction flag set.
pub fn undefined_backwards(_: &mut Call) {
    // SAFETY: None. That is the point.
    unsafe { asm!("std", "ud2", "cld") };
}

/// Reads an address that is none, relative to the stack.
pub fn stack_non_canonical(_: &mut Call) {
    // SAFETY: None. That is the point.
    unsafe {
        asm!(
            "mov r11, rbp",
            "mov rbp, {}",
            "mov rax, [rbp]",
            "mov rbp, r11",
            in(reg) 0xdead_0000_0000_0000u64,
            out("rax") _,
            out("r11") _,
        )
    };
}

/// Calls a boot service.
pub fn boot_services(_: &mut Call) {
    call(BOOT_SERVICES.load(Ordering::Relaxed));
}

/// Executes a breakpoint.
pub fn breakpoint(_: &mut Call) {
    // SAFETY: None. That is the point.
    unsafe { asm!("int3") };
}

/// Does not return.
pub fn endless(_: &mut Call) {
    // SAFETY: None. That is the point.
    unsafe { asm!("2: pause", "jmp 2b") };
}

/// Does not return, with interrupts on.
pub fn endless_interruptible(_: &mut Call) {
    // SAFETY: None. That is the point.
    unsafe { asm!("sti", "2: pause", "jmp 2b") };
}

/// Does not return, with interrupts off.
pub fn endless_masked(_: &mut Call) {
    // SAFETY: None. That is the point.
    unsafe { asm!("cli", "2: pause", "jmp 2b") };
}

/// Sleeps for ever.
pub fn halt(_: &mut Call) {
    // SAFETY: None. That is the point.
    unsafe { asm!("cli", "2: hlt", "jmp 2b") };
}
