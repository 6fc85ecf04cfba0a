// SPDX-License-Identifier: GPL-2.0
//! SKINIT of the model, seen from inside by a payload that executes it.

mod common;

use common::Payload;
use drtm_vm::gdb::Reg;
use drtm_vm::{Bank, Config, Machine, Outcome, Reached};
use sha2::{Digest, Sha256, Sha384};

/// What the payload's loader block prints: the state it was entered in, in the order of its code.
const STATE: [(&str, u32); 26] = [
    ("EAX", 0x0020_0000),
    ("EFLAGS", 2),
    ("EBX", 0),
    ("ECX", 0),
    // EDX: the processor signature.
    ("EDX", 0x663),
    ("ESI", 0),
    ("EDI", 0),
    ("EBP", 0),
    ("CR0", 0x11),
    ("CR3", 0),
    ("CR4", 0),
    ("CS", 8),
    ("SS", 0x10),
    ("DS", 0),
    ("ES", 0),
    ("FS", 0),
    ("GS", 0),
    ("LDT", 0),
    ("DR0", 0),
    ("DR6", 0xffff_0ff0),
    ("DR7", 0x400),
    ("EFER", 0),
    ("GDT base", 0),
    ("GDT limit", 0xffff),
    ("IDT base", 0),
    ("IDT limit", 0xffff),
];

fn check_state(console: &str) {
    let line = console
        .lines()
        .find_map(|line| line.strip_prefix("STATE "))
        .expect("the loader block ran");
    let words: Vec<u32> = line
        .split_whitespace()
        .take_while(|word| *word != "END")
        .map(|word| u32::from_str_radix(word, 16).expect("hex"))
        .collect();
    assert_eq!(words.len(), STATE.len());
    for ((name, expected), found) in STATE.iter().zip(words) {
        assert_eq!(found, *expected, "{name}");
    }
}

fn launch(config: &Config) -> (Machine, Outcome) {
    let mut machine = Machine::start(config).expect("machine");
    let outcome = machine.run();
    (machine, outcome)
}

#[test]
fn the_architectural_state_from_long_mode() {
    let payload = Payload::build(&[]);
    let mut config = payload.config(4);
    config.banks = vec![Bank::Sha256, Bank::Sha384];
    let (mut machine, outcome) = launch(&config);
    let console = machine.console();
    assert!(
        matches!(outcome, Outcome::PoweredOff),
        "{outcome:?}\n{console}"
    );
    check_state(&console);
    // Blocked until STGI on the boot processor and on each of the others.
    assert_eq!(console.matches("B0\nB1\n").count(), 1, "{console}");
    assert_eq!(console.matches("A0\nA1\n").count(), 3, "{console}");

    let block = machine.read(0x20_0000, 0x1_0000).expect("memory");
    let length = usize::from(u16::from_le_bytes([block[2], block[3]]));
    let digest = Sha256::digest(&block[..length]);
    let expected = Sha256::new().chain_update([0; 32]).chain_update(digest);
    let pcr = machine.read_pcr(Bank::Sha256, 17).expect("PCR 17");
    assert_eq!(pcr, expected.finalize().to_vec());
    let digest = Sha384::digest(&block[..length]);
    let expected = Sha384::new().chain_update([0; 48]).chain_update(digest);
    let pcr = machine.read_pcr(Bank::Sha384, 17).expect("PCR 17");
    assert_eq!(pcr, expected.finalize().to_vec());
    let pcr = machine.read_pcr(Bank::Sha256, 18).expect("PCR 18");
    assert_eq!(pcr, [0; 32]);

    let report = machine.report();
    let seen = report.after_launch.as_ref().expect("watch");
    let mut ended: Vec<usize> = seen
        .stgi
        .iter()
        .filter(|stgi| stgi.place == "kernel")
        .map(|stgi| stgi.cpu)
        .collect();
    ended.sort_unstable();
    assert_eq!(ended, [0, 1, 2, 3]);
    // EAX was 1234h off, which SKINIT ignores.
    assert!(report
        .remarks
        .iter()
        .any(|text| text.contains("not aligned")));
}

#[test]
fn the_architectural_state_from_protected_mode() {
    let payload = Payload::build(&["LEGACY"]);
    let (machine, outcome) = launch(&payload.config(1));
    assert!(matches!(outcome, Outcome::PoweredOff), "{outcome:?}");
    check_state(&machine.console());
}

#[test]
fn a_running_ap_is_rejected() {
    let payload = Payload::build(&["RUNNING_APS"]);
    let (mut machine, outcome) = launch(&payload.config(2));
    let Outcome::IllFormedLaunch { what, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert!(what.contains("CPU 1 is not in INIT"), "{what}");
    let pcr = machine.read_pcr(Bank::Sha256, 17).expect("PCR 17");
    assert_eq!(pcr, [0xff; 32], "nothing was hashed");
}

#[test]
fn ill_formed_blocks_and_states_are_rejected() {
    type Change = fn(&mut Machine) -> drtm_vm::Result<()>;
    let cases: [(&str, &str, Change); 6] = [
        ("#UD", "protected mode", |m| m.set_register(Reg::Cr0, 0x10)),
        ("rejected", "not in memory", |m| {
            m.set_register(Reg::Rax, 0xfee0_0000)
        }),
        ("rejected", "not in memory", |m| {
            m.set_register(Reg::Rax, 0xf_0000)
        }),
        ("rejected", "not in memory", |m| {
            m.set_register(Reg::Rax, 64 << 20)
        }),
        ("rejected", "shorter than", |m| m.write(0x20_0002, &[3, 0])),
        ("rejected", "entry point", |m| {
            m.write(0x20_0000, &[0, 0x80])
        }),
    ];
    let payload = Payload::build(&["LEGACY"]);
    for (fault, text, change) in cases {
        let mut machine = Machine::start(&payload.config(1)).expect("machine");
        let limit = payload.config(1).limit;
        let reached = machine.run_to_skinit(limit).expect("boots");
        assert!(matches!(reached, Reached::Skinit));
        change(&mut machine).expect("change");
        let outcome = machine.launch().expect_err(text);
        let Outcome::IllFormedLaunch { fault: found, what } = outcome else {
            panic!("{text}: {outcome:?}");
        };
        assert_eq!(found, fault);
        assert!(what.contains(text), "{what}");
    }
}

#[test]
fn violations_after_the_launch_are_found() {
    let cases = [
        ("STRAY_INIT", "INIT interrupt reached CPU 1 before its STGI"),
        ("KEEP_VM_CR", "without clearing VM_CR"),
        ("SILENT_AP", "CPU 1 ran without ever executing STGI"),
    ];
    for (variant, text) in cases {
        let payload = Payload::build(&[variant]);
        let (_, outcome) = launch(&payload.config(2));
        let Outcome::Violation { what } = outcome else {
            panic!("{variant}: {outcome:?}");
        };
        assert!(what.contains(text), "{variant}: {what}");
    }
}

#[test]
fn a_reset_delivers_the_launch_record() {
    let payload = Payload::build(&["FAIL"]);
    let (_, outcome) = launch(&payload.config(1));
    let Outcome::Reset {
        record: Some(record),
    } = outcome
    else {
        panic!("{outcome:?}");
    };
    assert_eq!(
        (record.stage, record.code, record.tpm_rc),
        (1, 0xc000_8042, 0x101)
    );
}

#[test]
fn a_hang_is_bounded_and_described() {
    let payload = Payload::build(&["HANG"]);
    let mut machine = Machine::start(&payload.config(1)).expect("machine");
    let reached = machine
        .run_to_skinit(payload.config(1).limit)
        .expect("boots");
    assert!(matches!(reached, Reached::Skinit));
    machine.launch().expect("launch");
    let outcome = machine.wait_outcome(std::time::Duration::from_secs(2));
    let Outcome::Hang { state, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert!(state.contains("CPU 0 at 0x200"), "{state}");
}

#[test]
fn dead_processes_are_named() {
    let payload = Payload::build(&["HANG"]);
    let mut machine = Machine::start(&payload.config(1)).expect("machine");
    machine.swtpm().expect("TPM").kill();
    let outcome = machine.run();
    assert!(matches!(outcome, Outcome::SwtpmDied { .. }), "{outcome:?}");
    let mut machine = Machine::start(&payload.config(1)).expect("machine");
    machine.qemu().process.kill();
    let outcome = machine.run();
    assert!(matches!(outcome, Outcome::QemuDied { .. }), "{outcome:?}");
}
