// SPDX-License-Identifier: GPL-2.0

//! Behaviours that are detected, and the names of what deviates, by the settings of the gate.

use super::{detected, Settings};

macro_rules! cases {
    ($module:ident $settings:ident: $($name:ident $behaviour:literal $expected:expr;)*) => {
        mod $module {
            use super::*;
            $(
                #[test]
                fn $name() {
                    detected(Settings::$settings, $behaviour, &$expected);
                }
            )*
        }
    };
}

cases! {
    full Full:
    cr0_wp "A01-cr0-wp" ["CR0"];
    cr4_smep "A02-cr4-smep" ["CR4"];
    cr4_smap "A03-cr4-smap" ["CR4"];
    cr4_umip "A04-cr4-umip" ["CR4"];
    cr8 "A05-cr8" ["CR8"];
    xcr0 "A06-xcr0" ["XCR0"];
    efer_sce "A07-efer-sce" ["EFER"];
    efer_svme "A08-efer-svme" ["EFER"];
    cr3_copy "A09-cr3-copy" ["CR3"];
    cr4_tsd "A10-cr4-tsd" ["CR4"];

    lstar "B01-lstar" ["LSTAR"];
    star "B02-star" ["STAR"];
    cstar "B03-cstar" ["CSTAR"];
    sfmask "B04-sfmask" ["SFMASK"];
    sysenter_cs "B05-sysenter-cs" ["SYSENTER_CS"];
    sysenter_esp "B06-sysenter-esp" ["SYSENTER_ESP"];
    sysenter_eip "B07-sysenter-eip" ["SYSENTER_EIP"];
    pat "B08-pat" ["PAT"];
    mtrr_def_type "B09-mtrr-def-type" ["MTRR_DEF_TYPE"];
    mtrr_base "B10-mtrr-base" ["MTRR_BASE[7]"];
    mtrr_mask "B11-mtrr-mask" ["MTRR_MASK[7]"];
    mtrr_fix "B12-mtrr-fix" ["MTRR_FIX["];
    fs_base "B14-fs-base" ["FS_BASE"];
    gs_base "B15-gs-base" ["GS_BASE"];
    kernel_gs_base "B16-kernel-gs-base" ["KERNEL_GS_BASE"];
    tsc_aux "B17-tsc-aux" ["TSC_AUX"];
    apic_base "B19-apic-base" ["APIC_BASE"];
    vm_hsave_pa "B20-vm-hsave-pa" ["VM_HSAVE_PA"];

    lidt "C01-lidt" ["IDTR"];
    lgdt "C02-lgdt" ["GDTR"];
    idt_entry "C03-idt-entry" ["IDT[31]"];
    gdt_entry "C04-gdt-entry" ["GDT[1]"];
    tss_ist "C05-tss-ist" ["TSS"];
    ds "C06-ds" ["DS"];
    dr7 "C07-dr7" ["DR0", "DR7"];
    dr0 "C08-dr0" ["DR0"];

    direction_flag "D01-df" ["RFLAGS"];
    alignment_flag "D02-ac" ["RFLAGS"];
    nested_flag "D03-nt" ["RFLAGS"];
    io_privilege "D04-iopl" ["RFLAGS"];
    interrupt_flag "D05-if" ["RFLAGS"];
    rbx "D06-rbx" ["RBX"];
    rbp "D07-rbp" ["RBP"];
    rsi "D08-rsi" ["RSI"];
    rdi "D09-rdi" ["RDI"];
    rsp "D10-rsp" ["RSP"];
    r12 "D12-r12" ["R12"];
    r13 "D13-r13" ["R13"];
    r14 "D14-r14" ["R14"];
    r15 "D15-r15" ["R15"];
    stack "D16-stack" ["stack canary"];

    page_fault_read "E01-pf-read" ["#PF"];
    page_fault_write "E02-pf-write" ["#PF"];
    page_fault_execute "E03-pf-execute" ["#PF"];
    general_protection "E04-gp" ["#GP"];
    divide_error "E05-de" ["#DE"];
    undefined "E06-ud" ["#UD"];
    // A #SS on processors; QEMU knows none by an address.
    stack_segment "E07-ss" ["#GP"];
    boot_services "E08-boot-services" ["#PF"];
    breakpoint "E09-bp" ["#BP"];
    endless "E10-loop" ["time limit"];
    endless_interruptible "E11-loop-sti" ["time limit"];
    endless_masked "E12-loop-cli" ["time limit"];
    halted "E13-hlt-cli" ["time limit"];
    undefined_backwards "E14-df-then-ud" ["#UD"];

    overrun "F01-overrun" ["output buffer"];
    larger "F02-size" ["data size"];
    largest "F03-size-wrap" ["data size"];
    overrun_byte "F04-overrun-byte" ["output buffer"];

    text "H01-text" ["kernel text"];
    text_alias "H02-text-alias" ["kernel text"];
    read_only_data "H04-rodata" ["read-only data"];
    entry_of_text "H05-pte-text" ["page table of kernel text"];
    entry_of_read_only_data "H06-pte-rodata" ["page table of "];
    entry_of_idt "H07-pte-idt" ["page table of "];
    entry_of_efi_data "H08-pte-efi" ["EFI page table"];
    entry_of_efi_code "H09-pte-efi-code" ["EFI page table"];
    own_code "H10-own-code" ["firmware code"];
    firmware_code "H11-firmware-code" ["firmware code"];
    entry_of_text_alias "H13-pte-text-alias" ["page table of "];
}

cases! {
    fast Fast:
    cr0_wp "A01-cr0-wp" ["CR0"];
    cr4_smep "A02-cr4-smep" ["CR4"];
    efer_sce "A07-efer-sce" ["EFER"];
    lstar "B01-lstar" ["LSTAR"];
    pat "B08-pat" ["PAT"];
    gs_base "B15-gs-base" ["GS_BASE"];
    idt_entry "C03-idt-entry" ["IDT[31]"];
    gdt_entry "C04-gdt-entry" ["GDT[1]"];
    tss_ist "C05-tss-ist" ["TSS"];
    dr7 "C07-dr7" ["DR0", "DR7"];
    direction_flag "D01-df" ["RFLAGS"];
    rbx "D06-rbx" ["RBX"];
    page_fault "E01-pf-read" ["#PF"];
    endless_masked "E12-loop-cli" ["time limit"];
    overrun "F01-overrun" ["output buffer"];
    entry_of_text "H05-pte-text" ["page table of kernel text"];
    entry_of_efi_data "H08-pte-efi" ["page table of EFI page tables"];
}

// Where the comparison of page tables and the digests are done by other instructions.
cases! {
    old Old:
    idt_entry "C03-idt-entry" ["IDT[31]"];
    text "H01-text" ["kernel text"];
    entry_of_text "H05-pte-text" ["page table of kernel text"];
    entry_of_idt "H07-pte-idt" ["page table of "];
    entry_of_efi_data "H08-pte-efi" ["EFI page table"];
    own_code "H10-own-code" ["firmware code"];
}
