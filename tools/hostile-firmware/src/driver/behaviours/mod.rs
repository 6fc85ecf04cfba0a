// SPDX-License-Identifier: GPL-2.0

//! What this driver does besides what it is asked for.
//!
//! The firmware's own service has always done its work before: what comes after it is damage, and the
//! return to the kernel.

mod control;
mod faults;
mod msr;
mod output;
mod protected;
mod tables;
mod user;

use core::sync::atomic::{AtomicU64, Ordering};

pub use faults::remember_boot_services;
use uefi_raw::Status;

use crate::hooks::{self, Exit};

/// A call of a service that is to go wrong.
pub struct Call {
    /// Where the caller wants to know the size of the data.
    pub size: *mut usize,
    /// Where it wants the data.
    pub data: *mut u8,
    /// The size of that place.
    pub offered: usize,
    /// The stack at the entry: the return address, and the caller's frame above it.
    pub stack: *mut u64,
    /// What the firmware's service said.
    pub status: Status,
}

/// One of them.
pub struct Behaviour {
    /// The name of its variable.
    pub name: &'static str,
    run: fn(&mut Call),
}

impl Behaviour {
    const fn new(name: &'static str, run: fn(&mut Call)) -> Self {
        Self { name, run }
    }

    /// How much the variable holds.
    pub fn length(&self) -> usize {
        // The answer to a question needs space.
        if self.name.starts_with('Q') {
            512
        } else {
            16
        }
    }
}

/// What the last one did: value before and after, as read back, and where.
static EVIDENCE: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

/// Sets it.
pub fn evidence(before: u64, after: u64, place: u64) {
    for (to, from) in EVIDENCE.iter().zip([before, after, place]) {
        to.store(from, Ordering::Relaxed);
    }
}

/// Returns to the kernel in a way that no compiler would make.
fn leave(exit: Exit) {
    evidence(0, exit as u64, 0);
    hooks::leave(exit);
}

/// All of them. A name says the kind: A control registers, B model-specific registers, C descriptor tables and
/// debug registers, D how the call returns, E faults and calls that do not return, F output, H memory, S what
/// is done by SetVariable, J ways out of user mode, K what is harmless there, Q questions.
#[rustfmt::skip]
pub static ALL: &[Behaviour] = &[
    Behaviour::new("A00-nothing", |_| evidence(0, 0, 0)),
    Behaviour::new("A01-cr0-wp", control::cr0_wp),
    Behaviour::new("A02-cr4-smep", |_| control::cr4(20)),
    Behaviour::new("A03-cr4-smap", |_| control::cr4(21)),
    Behaviour::new("A04-cr4-umip", |_| control::cr4(11)),
    Behaviour::new("A05-cr8", control::cr8),
    Behaviour::new("A06-xcr0", control::xcr0),
    Behaviour::new("A07-efer-sce", |_| msr::flip(msr::EFER, 1 << 0)),
    Behaviour::new("A08-efer-svme", |_| msr::flip(msr::EFER, 1 << 12)),
    Behaviour::new("A09-cr3-copy", control::cr3_copy),
    Behaviour::new("A10-cr4-tsd", |_| control::cr4(2)),

    Behaviour::new("B01-lstar", |_| msr::flip(msr::LSTAR, 1 << 6)),
    Behaviour::new("B02-star", |_| msr::flip(msr::STAR, 1 << 51)),
    Behaviour::new("B03-cstar", |_| msr::flip(msr::CSTAR, 1 << 6)),
    Behaviour::new("B04-sfmask", |_| msr::flip(msr::SFMASK, 1 << 9)),
    Behaviour::new("B05-sysenter-cs", |_| msr::flip(msr::SYSENTER_CS, 1 << 3)),
    Behaviour::new("B06-sysenter-esp", |_| msr::flip(msr::SYSENTER_ESP, 1 << 4)),
    Behaviour::new("B07-sysenter-eip", |_| msr::flip(msr::SYSENTER_EIP, 1 << 6)),
    Behaviour::new("B08-pat", |_| msr::flip(msr::PAT, 1 << 56)),
    Behaviour::new("B09-mtrr-def-type", |_| msr::flip(msr::MTRR_DEF_TYPE, 1 << 11)),
    Behaviour::new("B10-mtrr-base", |_| msr::flip(msr::MTRR_BASE_7, 1 << 20)),
    Behaviour::new("B11-mtrr-mask", |_| msr::flip(msr::MTRR_MASK_7, 1 << 20)),
    Behaviour::new("B12-mtrr-fix", |_| msr::flip(msr::MTRR_FIX_4K, 6)),
    Behaviour::new("B13-debugctl", |_| msr::flip(msr::DEBUGCTL, 1 << 0)),
    Behaviour::new("B14-fs-base", |_| msr::flip(msr::FS_BASE, 1 << 12)),
    Behaviour::new("B15-gs-base", |_| msr::flip(msr::GS_BASE, 1 << 12)),
    Behaviour::new("B16-kernel-gs-base", |_| msr::flip(msr::KERNEL_GS_BASE, 1 << 12)),
    Behaviour::new("B17-tsc-aux", |_| msr::flip(msr::TSC_AUX, 1 << 4)),
    Behaviour::new("B18-tsc-adjust", |_| msr::flip(msr::TSC_ADJUST, 1 << 20)),
    Behaviour::new("B19-apic-base", |_| msr::flip(msr::APIC_BASE, 1 << 12)),
    Behaviour::new("B20-vm-hsave-pa", |_| msr::flip(msr::VM_HSAVE_PA, 1 << 12)),
    Behaviour::new("B21-vm-cr", |_| msr::flip(msr::VM_CR, 1 << 0)),
    Behaviour::new("B22-spec-ctrl", |_| msr::flip(msr::SPEC_CTRL, 1 << 0)),
    Behaviour::new("B23-misc-enable", |_| msr::flip(msr::MISC_ENABLE, 1 << 0)),
    Behaviour::new("B24-s-cet", |_| msr::flip(msr::S_CET, 1 << 2)),

    Behaviour::new("C01-lidt", tables::other_idt),
    Behaviour::new("C02-lgdt", tables::other_gdt),
    Behaviour::new("C03-idt-entry", tables::idt_entry),
    Behaviour::new("C04-gdt-entry", tables::gdt_entry),
    Behaviour::new("C05-tss-ist", tables::tss_ist),
    Behaviour::new("C06-ds", tables::data_segment),
    Behaviour::new("C07-dr7", tables::breakpoint),
    Behaviour::new("C08-dr0", tables::breakpoint_address),

    Behaviour::new("D01-df", |_| leave(Exit::Direction)),
    Behaviour::new("D02-ac", |_| leave(Exit::Alignment)),
    Behaviour::new("D03-nt", |_| leave(Exit::Nested)),
    Behaviour::new("D04-iopl", |_| leave(Exit::IoPrivilege)),
    Behaviour::new("D05-if", |_| leave(Exit::Interrupts)),
    Behaviour::new("D06-rbx", |_| leave(Exit::Rbx)),
    Behaviour::new("D07-rbp", |_| leave(Exit::Rbp)),
    Behaviour::new("D08-rsi", |_| leave(Exit::Rsi)),
    Behaviour::new("D09-rdi", |_| leave(Exit::Rdi)),
    Behaviour::new("D10-rsp", |_| leave(Exit::Rsp)),
    Behaviour::new("D12-r12", |_| leave(Exit::R12)),
    Behaviour::new("D13-r13", |_| leave(Exit::R13)),
    Behaviour::new("D14-r14", |_| leave(Exit::R14)),
    Behaviour::new("D15-r15", |_| leave(Exit::R15)),
    Behaviour::new("D16-stack", output::callers_frame),

    Behaviour::new("E01-pf-read", faults::read_nothing),
    Behaviour::new("E02-pf-write", faults::write_text),
    Behaviour::new("E03-pf-execute", faults::execute_data),
    Behaviour::new("E04-gp", faults::read_non_canonical),
    Behaviour::new("E05-de", faults::divide),
    Behaviour::new("E06-ud", faults::undefined),
    Behaviour::new("E07-ss", faults::stack_non_canonical),
    Behaviour::new("E08-boot-services", faults::boot_services),
    Behaviour::new("E09-bp", faults::breakpoint),
    Behaviour::new("E10-loop", faults::endless),
    Behaviour::new("E11-loop-sti", faults::endless_interruptible),
    Behaviour::new("E12-loop-cli", faults::endless_masked),
    Behaviour::new("E13-hlt-cli", faults::halt),
    Behaviour::new("E14-df-then-ud", faults::undefined_backwards),

    Behaviour::new("F01-overrun", output::overrun),
    Behaviour::new("F02-size", output::larger),
    Behaviour::new("F03-size-wrap", output::largest),
    Behaviour::new("F04-overrun-byte", output::overrun_byte),

    Behaviour::new("H01-text", protected::text),
    Behaviour::new("H02-text-alias", protected::text_alias),
    Behaviour::new("H03-text-and-back", protected::text_and_back),
    Behaviour::new("H04-rodata", protected::rodata),
    Behaviour::new("H05-pte-text", protected::entry_of_text),
    Behaviour::new("H06-pte-rodata", protected::entry_of_rodata),
    Behaviour::new("H07-pte-idt", protected::entry_of_idt),
    Behaviour::new("H08-pte-efi", protected::entry_of_own_data),
    Behaviour::new("H09-pte-efi-code", protected::entry_of_own_code),
    Behaviour::new("H10-own-code", protected::own_code),
    Behaviour::new("H11-firmware-code", protected::firmware_code),
    Behaviour::new("H12-data", protected::data),
    Behaviour::new("H13-pte-text-alias", protected::entry_of_text_alias),

    Behaviour::new("J01-syscall", user::syscall),
    Behaviour::new("J02-int80", user::interrupt),
    Behaviour::new("J03-sysenter", user::sysenter),
    Behaviour::new("J04-vsyscall", user::vsyscall),
    Behaviour::new("J05-kernel-jump", user::kernel_jump),
    Behaviour::new("J06-kernel-return", user::kernel_return),
    Behaviour::new("J07-kernel-read", user::kernel_read),
    Behaviour::new("J08-port-cf8", user::configuration_space),
    Behaviour::new("J09-port-cf9", user::reset),
    Behaviour::new("J10-port-21", user::interrupt_controller),
    Behaviour::new("J11-smi-flood", user::smi_flood),
    Behaviour::new("J12-trap-storm", user::trap_storm),
    Behaviour::new("J13-hlt", user::halt),
    Behaviour::new("J14-outs-kernel", user::string_out),
    Behaviour::new("J15-ins-kernel", user::string_in),
    Behaviour::new("J16-rdmsr", user::read_msr),
    Behaviour::new("J17-tpm", user::tpm),
    Behaviour::new("J18-apic", user::apic),
    Behaviour::new("J19-physical", user::physical),
    Behaviour::new("J20-trap-flag", user::trap_flag),
    Behaviour::new("J21-capsule", user::capsule),

    Behaviour::new("K01-wrgsbase", user::gs_base),
    Behaviour::new("K02-harmless", user::privileged_and_harmless),

    Behaviour::new("S01-cr0-wp", control::cr0_wp),
    Behaviour::new("S02-lstar", |_| msr::flip(msr::LSTAR, 1 << 6)),
    Behaviour::new("S03-pf-read", faults::read_nothing),

    Behaviour::new("Q01-registers", registers),
    Behaviour::new("Q02-evidence", last),
    Behaviour::new("Q03-resets", |call| answer(call, &[hooks::resets()])),
];

/// Does what the name says, or nothing.
///
/// # Safety
///
/// `name` must be readable up to its zero, and `call` be a call of the kernel's.
pub unsafe fn run(name: *const u16, mut call: Call) -> Status {
    for behaviour in ALL {
        // SAFETY: The caller's promise.
        if unsafe { hooks::is(name, behaviour.name) } {
            (behaviour.run)(&mut call);
            break;
        }
    }
    call.status
}

/// Does one while addresses change, when nothing is read or written.
pub fn at_address_change(index: usize) {
    let mut call = Call {
        size: core::ptr::null_mut(),
        data: core::ptr::null_mut(),
        offered: 0,
        stack: core::ptr::null_mut(),
        status: Status::SUCCESS,
    };
    if let Some(behaviour) = ALL.get(index) {
        (behaviour.run)(&mut call);
    }
}

/// Answers with numbers in place of the variable's content.
fn answer(call: &mut Call, numbers: &[u64]) {
    for (at, number) in numbers.iter().enumerate() {
        if (at + 1) * 8 <= call.offered {
            // SAFETY: Within what the caller offered.
            unsafe { call.data.cast::<u64>().add(at).write_unaligned(*number) };
        }
    }
}

/// The registers that the kernel has.
fn registers(call: &mut Call) {
    answer(call, &control::read());
}

/// What the last one did.
fn last(call: &mut Call) {
    let numbers = [0, 1, 2].map(|at: usize| EVIDENCE[at].load(Ordering::Relaxed));
    answer(call, &numbers);
}
