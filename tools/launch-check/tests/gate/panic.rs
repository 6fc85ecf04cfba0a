// SPDX-License-Identifier: GPL-2.0

//! Panics with firmware in user mode: by it, and while it is at work.

use std::thread::sleep;
use std::time::Duration;

use drtm_vm::Outcome;

use crate::common::Slot;
use crate::hostile::{panics, pcr_18, snapshot, value_of_18, Settings};
use crate::talk::Guest;
use crate::trace::{self, Watch};

macro_rules! cases {
    ($($name:ident $behaviour:literal $expected:literal;)*) => {
        $(
            #[test]
            fn $name() {
                panics(Settings::IsolatePanic, $behaviour, $expected);
            }
        )*
    };
}

cases! {
    cr0_wp "A01-cr0-wp" "CR0 written at";
    page_fault "E01-pf-read" "exception 14, code";
    endless "E10-loop" "time limit";
    larger "F02-size" "data size";
    system_call "J01-syscall" "system call";
}

/// How often each service was called, and how often that was refused.
fn calls(guest: &mut Guest) -> String {
    guest.gate("calls")
}

/// While a call is under way the kernel panics for another reason, with pstore in the firmware's variables. That
/// waits for nothing: no firmware is executed in the kernel, and the machine is reset.
#[test]
fn during_a_call() {
    let snapshot = snapshot(Settings::IsolatePanic);
    let _slot = Slot::take();
    let mut guest = Guest::of(snapshot);
    let backend = guest.must("cat /sys/module/pstore/parameters/backend");
    assert_eq!(backend, "efi_pstore");
    let code = trace::code(&mut guest);
    let (before, pcr) = (calls(&mut guest), pcr_18(&mut guest));
    guest.must("start read E10-loop");
    while calls(&mut guest) == before {
        sleep(Duration::from_millis(100));
    }
    let watch = Watch::begin(&mut guest.machine);
    let outcome = match guest.try_ask("put /proc/sysrq-trigger c") {
        Ok(answer) => panic!("{answer}"),
        Err(outcome) => outcome,
    };
    let blocks = watch.end(&mut guest.machine, &code);
    let console = guest.machine.console();
    let text = format!("{}\n{console}", outcome.summary());
    assert!(matches!(outcome, Outcome::Reset { .. }), "{text}");
    assert!(
        console.contains("Kernel panic - not syncing: sysrq triggered crash"),
        "{text}"
    );
    assert_eq!(blocks.kernel_count, 0, "{blocks:x?}");
    assert!(!console.contains("EFI gate: violation"), "{text}");
    assert_eq!(value_of_18(&mut guest.machine), pcr);
}
