// SPDX-License-Identifier: GPL-2.0

//! The TPM's interrupt.

use drtm_vm::{Config, Machine, Outcome};

use crate::common::{self, Run, Slot, LIMIT};

/// A driver that finds its TPM by the parameter, and its interrupt by asking the TPM and trying.
#[test]
fn interrupt_is_used() {
    let config = Config {
        // Without ACPI the kernel knows of one.
        cpus: 1,
        append: "console=ttyS0 acpi=off tpm_ptp.force=1 tpm_ptp.interrupts=1".into(),
        extra: vec!["-global".into(), "tpm-tis.irq=10".into()],
        ..common::config()
    };
    let _slot = Slot::take();
    let mut machine = Machine::start(&config).expect("starting the machine");
    // Nor is there a way to switch the machine off.
    if let Err(outcome) = machine.wait_files(LIMIT) {
        panic!("{}\n{}", outcome.summary(), machine.console());
    }
    let run = Run::collect(&mut machine, Outcome::PoweredOff);
    run.expect_healthy();
    works(&run, "interrupts are used");
}

/// QEMU's ACPI tables have no interrupt for the TPM.
#[test]
fn no_interrupt() {
    let run = Run::boot(&Config {
        append: "console=ttyS0 tpm_ptp.interrupts=1".into(),
        ..common::config()
    });
    run.expect_healthy();
    works(&run, "no interrupt, polling");
}

/// The driver says so, and gives the values that the firmware has measured.
fn works(run: &Run, message: &str) {
    let said = format!(": {message}");
    assert!(run.console.contains(&said), "{}", run.tail());
    assert_ne!(run.pcr("sha256", 0), "00".repeat(32));
}
