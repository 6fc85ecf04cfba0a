// SPDX-License-Identifier: GPL-2.0

//! Firmware that misbehaves in user mode.
//!
//! What it does to the processor or to the kernel's memory ends its call, on the spot: the caller gets an
//! error, what it was is on record, there are no more calls, and the kernel's state is what it was. What it
//! does to its own registers and flags is nobody's business.

use crate::common::Slot;
use crate::hostile::{not_detected, over, snapshot, Settings};
use crate::talk::Guest;

/// What QEMU says about all processors that no firmware may change: control registers, descriptor tables, EFER.
fn state(guest: &mut Guest) -> Vec<String> {
    let qmp = &mut guest.machine.qemu().qmp;
    let text = qmp.monitor("info registers -a").expect("registers");
    let kept = text.lines().flat_map(|line| {
        let table = line.starts_with("GDT=") || line.starts_with("IDT=");
        let words = line.split_ascii_whitespace().filter(|word| {
            ["CR0=", "CR4=", "EFER=", "DR7="]
                .iter()
                .any(|name| word.starts_with(name))
        });
        let words: Vec<_> = words.map(str::to_owned).collect();
        if table {
            vec![line.to_owned()]
        } else {
            words
        }
    });
    kept.collect()
}

/// A read that makes the firmware do `behaviour` ends with a violation that begins with `expected`.
fn ends(behaviour: &str, expected: &[&str]) {
    let snapshot = snapshot(Settings::Isolate);
    let _slot = Slot::take();
    ends_in(Guest::of(snapshot), behaviour, expected);
}

/// The same in this guest.
pub fn ends_in(guest: Guest, behaviour: &str, expected: &[&str]) {
    match behaviour.starts_with('S') {
        true => ends_by(
            guest,
            &format!("write {behaviour} 00"),
            "SetVariable",
            expected,
        ),
        false => ends_by(guest, &format!("read {behaviour}"), "GetVariable", expected),
    }
}

/// The same by a command that has this service called.
pub fn ends_by(mut guest: Guest, command: &str, service: &str, expected: &[&str]) {
    let before = state(&mut guest);
    assert!(before.len() >= 5, "{before:?}");
    let answer = guest.ask(command);
    println!("{command}: {answer}");
    assert!(answer.starts_with("error "), "{command}: {answer}");
    let text = guest.gate("last");
    let head = format!("EFI gate: violation in {service}: ");
    let rest = text.strip_prefix(&head).unwrap_or_else(|| panic!("{text}"));
    let known = expected.iter().any(|expected| rest.starts_with(expected));
    assert!(known, "{text} instead of {expected:?}");
    assert!(!rest.contains("; "), "{text}");
    assert_eq!(state(&mut guest), before, "{command}");
    over(guest, &text);
}

macro_rules! cases {
    ($($name:ident $behaviour:literal $expected:expr;)*) => {
        $(
            #[test]
            fn $name() {
                ends($behaviour, &$expected);
            }
        )*
    };
}

const PAGE_FAULT: &str = "exception 14, code ";
const GENERAL_PROTECTION: &str = "privileged instruction ";

cases! {
    cr0_wp "A01-cr0-wp" ["CR0 written at 0x"];
    cr4_smep "A02-cr4-smep" ["CR4 written at 0x"];
    cr4_smap "A03-cr4-smap" ["CR4 written at 0x"];
    cr4_umip "A04-cr4-umip" ["CR4 written at 0x"];
    cr8 "A05-cr8" ["CR8 read at 0x"];
    xcr0 "A06-xcr0" ["privileged instruction 0f 01 "];
    efer "A07-efer-sce" ["MSR 0xc0000080 written at 0x"];
    efer_svme "A08-efer-svme" ["MSR 0xc0000080 written at 0x"];
    cr3_copy "A09-cr3-copy" ["CR3 read at 0x"];
    cr4_tsd "A10-cr4-tsd" ["CR4 written at 0x"];

    lstar "B01-lstar" ["MSR 0xc0000082 read at 0x"];
    star "B02-star" ["MSR 0xc0000081 read at 0x"];
    cstar "B03-cstar" ["MSR 0xc0000083 read at 0x"];
    sfmask "B04-sfmask" ["MSR 0xc0000084 read at 0x"];
    sysenter_cs "B05-sysenter-cs" ["MSR 0x174 read at 0x"];
    sysenter_esp "B06-sysenter-esp" ["MSR 0x175 read at 0x"];
    sysenter_eip "B07-sysenter-eip" ["MSR 0x176 read at 0x"];
    pat "B08-pat" ["MSR 0x277 read at 0x"];
    mtrr_def_type "B09-mtrr-def-type" ["MSR 0x2ff read at 0x"];
    mtrr_base "B10-mtrr-base" ["MSR 0x20e read at 0x"];
    mtrr_mask "B11-mtrr-mask" ["MSR 0x20f read at 0x"];
    mtrr_fix "B12-mtrr-fix" ["MSR 0x268 read at 0x"];
    debugctl "B13-debugctl" ["MSR 0x1d9 read at 0x"];
    fs_base "B14-fs-base" ["MSR 0xc0000100 read at 0x"];
    gs_base "B15-gs-base" ["MSR 0xc0000101 read at 0x"];
    kernel_gs_base "B16-kernel-gs-base" ["MSR 0xc0000102 read at 0x"];
    tsc_aux "B17-tsc-aux" ["MSR 0xc0000103 read at 0x"];
    tsc_adjust "B18-tsc-adjust" ["MSR 0x3b read at 0x"];
    apic_base "B19-apic-base" ["MSR 0x1b written at 0x"];
    vm_hsave_pa "B20-vm-hsave-pa" ["MSR 0xc0010117 read at 0x"];
    vm_cr "B21-vm-cr" ["MSR 0xc0010114 read at 0x"];
    spec_ctrl "B22-spec-ctrl" ["MSR 0x48 read at 0x"];
    misc_enable "B23-misc-enable" ["MSR 0x1a0 read at 0x"];
    s_cet "B24-s-cet" ["MSR 0x6a2 read at 0x"];

    // That the tables may not even be looked for is UMIP's doing.
    lidt "C01-lidt" ["privileged instruction 0f 01 "];
    lgdt "C02-lgdt" ["privileged instruction 0f 01 "];
    idt_entry "C03-idt-entry" ["privileged instruction 0f 01 "];
    gdt_entry "C04-gdt-entry" ["privileged instruction 0f 01 "];
    tss_ist "C05-tss-ist" ["privileged instruction 0f 01 "];
    dr7 "C07-dr7" ["privileged instruction 0f 21 "];
    dr0 "C08-dr0" ["privileged instruction 0f 21 "];

    // Behind the stack; below, behind the area for results.
    stack "D16-stack" ["exception 14, code 0x4, address 0x7e0000018000 at 0x"];

    read_nothing "E01-pf-read" [PAGE_FAULT];
    write_text "E02-pf-write" ["MSR 0xc0000082 read at 0x"];
    execute_data "E03-pf-execute" [PAGE_FAULT];
    non_canonical "E04-gp" [GENERAL_PROTECTION, "exception 13, "];
    divide "E05-de" ["exception 0, "];
    undefined "E06-ud" ["exception 6, "];
    stack_segment "E07-ss" [GENERAL_PROTECTION, "exception 12, ", "exception 13, "];
    boot_services "E08-boot-services" [PAGE_FAULT];
    breakpoint "E09-bp" ["exception 3, "];
    endless "E10-loop" ["time limit "];
    // Interrupts are on all the while.
    endless_interruptible "E11-loop-sti" ["time limit "];
    endless_masked "E12-loop-cli" ["time limit "];
    halted "E13-hlt-cli" ["HLT at 0x"];
    undefined_backwards "E14-df-then-ud" ["exception 6, "];

    overrun "F01-overrun" [PAGE_FAULT];
    larger "F02-size" ["data size 0x"];
    largest "F03-size-wrap" ["data size 0x"];
    overrun_byte "F04-overrun-byte" ["exception 14, code 0x4, address 0x7e0000040000 at 0x"];

    text "H01-text" ["MSR 0xc0000082 read at 0x"];
    text_alias "H02-text-alias" ["MSR 0xc0000082 read at 0x"];
    text_and_back "H03-text-and-back" ["MSR 0xc0000082 read at 0x"];
    read_only_data "H04-rodata" [PAGE_FAULT];
    entry_of_text "H05-pte-text" ["MSR 0xc0000082 read at 0x"];
    entry_of_read_only_data "H06-pte-rodata" [PAGE_FAULT];
    entry_of_idt "H07-pte-idt" ["privileged instruction 0f 01 "];
    entry_of_efi_data "H08-pte-efi" [PAGE_FAULT];
    entry_of_efi_code "H09-pte-efi-code" [PAGE_FAULT];
    own_code "H10-own-code" [PAGE_FAULT, "CR0 written at 0x"];
    firmware_code "H11-firmware-code" [PAGE_FAULT, "CR0 written at 0x"];
    data "H12-data" [PAGE_FAULT];
    entry_of_text_alias "H13-pte-text-alias" ["MSR 0xc0000082 read at 0x"];

    set_variable "S01-cr0-wp" ["CR0 written at 0x"];
    set_variable_msr "S02-lstar" ["MSR 0xc0000082 read at 0x"];
    set_variable_read "S03-pf-read" [PAGE_FAULT];

    syscall "J01-syscall" ["system call"];
    // Where there are no 32-bit programs there is no such interrupt.
    interrupt "J02-int80" ["system call", "privileged instruction cd "];
    // AMD's processors do not have it in 64-bit mode.
    sysenter "J03-sysenter" ["system call", "exception 6, "];
    vsyscall "J04-vsyscall" [PAGE_FAULT];
    kernel_jump "J05-kernel-jump" [PAGE_FAULT];
    kernel_return "J06-kernel-return" [PAGE_FAULT];
    kernel_read "J07-kernel-read" [PAGE_FAULT];
    configuration_space "J08-port-cf8" ["port 0xcf8 written, 4 bytes, 0x80000000 at 0x"];
    reset "J09-port-cf9" ["port 0xcf9 written, 1 bytes, 0x6 at 0x"];
    interrupt_controller "J10-port-21" ["port 0x21 written, 1 bytes, 0xff at 0x"];
    // This machine has no SMM, and says so; the one that has is in smm.rs.
    smi "J11-smi-flood" ["port 0xb2 written, 1 bytes, 0x"];
    trap_storm "J12-trap-storm" ["too many traps at 0x", "time limit "];
    halt "J13-hlt" ["HLT at 0x"];
    string_out "J14-outs-kernel" ["I/O with memory 0xffff"];
    string_in "J15-ins-kernel" ["I/O with memory 0xffff"];
    read_msr "J16-rdmsr" ["MSR 0x176 read at 0x"];
    tpm "J17-tpm" [PAGE_FAULT];
    apic "J18-apic" [PAGE_FAULT];
    physical "J19-physical" [PAGE_FAULT];
    trap_flag "J20-trap-flag" ["exception 1, "];
}

/// What firmware may do with what is its own, and how a call may end: one machine for all, which works on.
#[test]
fn harmless() {
    let snapshot = snapshot(Settings::Isolate);
    let _slot = Slot::take();
    let mut guest = Guest::of(snapshot);
    let before = state(&mut guest);
    for behaviour in [
        "A00-nothing",
        "C06-ds",
        "D01-df",
        "D02-ac",
        "D03-nt",
        "D04-iopl",
        "D05-if",
        "D06-rbx",
        "D07-rbp",
        "D08-rsi",
        "D09-rdi",
        "D12-r12",
        "D13-r13",
        "D14-r14",
        "D15-r15",
        "D10-rsp",
        "K01-wrgsbase",
        "K02-harmless",
        "A00-nothing",
    ] {
        guest.must(&format!("read {behaviour}"));
    }
    // The answers of the emulation: nothing left to be sent, a clock whose battery is good, the APIC's base.
    guest.must("read K02-harmless");
    let evidence = guest.numbers("Q02-evidence");
    assert_eq!(evidence[..3], [0x60, 0x80, 0xfee0_0900], "{evidence:x?}");
    assert_eq!(guest.gate("violations"), "0");
    assert_eq!(state(&mut guest), before);
    assert_eq!(guest.must("cpus"), "0 1");
}

/// Firmware that does nothing but what it is asked for.
#[test]
fn well_behaved() {
    not_detected(Settings::Isolate, "A00-nothing");
}

/// ResetSystem that returns instead of resetting: the machine is reset by other means.
#[test]
fn reset_that_returns() {
    let snapshot = snapshot(Settings::Isolate);
    let _slot = Slot::take();
    let mut guest = Guest::of(snapshot);
    guest.must("write arm-reset 00");
    let outcome = match guest.try_ask("reboot") {
        Ok(answer) => panic!("{answer}"),
        Err(outcome) => outcome,
    };
    assert!(
        matches!(outcome, drtm_vm::Outcome::Reset { .. }),
        "{}\n{}",
        outcome.summary(),
        guest.machine.console()
    );
}
