// SPDX-License-Identifier: GPL-2.0

//! Firmware that misbehaves after a launch.
//!
//! Each case starts from one launched machine frozen where its guest waits for a command. Reading a variable
//! makes the firmware do what the variable's name says. Then the call must have failed, the violation be
//! on record under the right name, the log lead to the value that PCR 18 has, firmware not be called any more,
//! and every processor work.

use std::sync::OnceLock;

use drtm_vm::{Bank, Config, Machine, Outcome, Snapshot};
use launch_check::log::Log;
use launch_check::verdict::{check_replay, Verdict};
use sha2::{Digest, Sha256};

use crate::common::{Run, Slot, LAUNCH};
use crate::talk::{config, frozen, Guest};
use crate::trace;

mod cases;

/// The settings that cases are made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settings {
    /// Everything is compared after each call; a violation ends runtime services.
    Full,
    /// Digests are compared now and then only.
    Fast,
    /// As `Full`, on a processor that has neither wide vectors nor instructions for SHA-256.
    Old,
    /// A violation ends the machine.
    Panic,
    /// Firmware is trusted.
    Trust,
    /// Firmware runs in user mode; a violation ends runtime services.
    Isolate,
    /// The same; a violation ends the machine.
    IsolatePanic,
    /// As `Isolate`, with four processors that run at the same time.
    IsolateFour,
    /// No launch, and so no gate.
    Plain,
}

impl Settings {
    pub fn config(self) -> Config {
        let option = match self {
            Self::Full | Self::Old => "slaunch_efi=verify,disable,full",
            Self::Fast => "slaunch_efi=verify,disable,fast",
            Self::Panic => "slaunch_efi=verify,panic,full panic=-1",
            Self::Trust => "slaunch_efi=trust",
            Self::Isolate | Self::IsolateFour => "slaunch_efi=isolate",
            Self::IsolatePanic => "slaunch_efi=isolate,panic panic=-1",
            Self::Plain => return config("console=ttyS0"),
        };
        let mut config = config(&format!("{LAUNCH} {option}"));
        if self == Self::Old {
            config.cpu += ",-avx,-avx2,-avx512f,-sha-ni";
        }
        if matches!(self, Self::Isolate | Self::IsolatePanic) {
            config.extra.extend(trace::filter());
        }
        if self == Self::IsolateFour {
            config.cpus = 4;
            config.parallel = true;
        }
        config
    }
}

/// The machine that the cases with these settings start from.
pub fn snapshot(settings: Settings) -> &'static Snapshot {
    static SNAPSHOTS: [OnceLock<Snapshot>; Settings::Plain as usize + 1] =
        [const { OnceLock::new() }; Settings::Plain as usize + 1];
    SNAPSHOTS[settings as usize].get_or_init(|| {
        let _slot = Slot::take();
        frozen(&settings.config())
    })
}

/// The name of each deviation in the text of a violation.
fn names(text: &str) -> Vec<&str> {
    let deviations = text
        .split_once(": violation in ")
        .and_then(|(_, rest)| rest.split_once(": "))
        .map_or("", |(_, deviations)| deviations);
    deviations
        .split("; ")
        .map(|deviation| match deviation.split_once(" 0x") {
            Some((name, _)) => name,
            None => deviation,
        })
        .collect()
}

/// A violation is on record as it must be, nothing is called any more, and the machine works.
fn aftermath(mut guest: Guest, service: &str, expected: &[&str]) {
    let text = guest.gate("last");
    let head = format!("EFI gate: violation in {service}: ");
    assert!(text.starts_with(&head), "{text}");
    let names = names(&text);
    // That a page was written through its mapping is said besides.
    let (written, names): (Vec<&str>, Vec<&str>) = names.into_iter().partition(|name| {
        name.contains("page table of") && !expected.iter().any(|e| name.starts_with(e))
    });
    println!("also: {written:?}");
    let same = names.len() == expected.len()
        && names
            .iter()
            .zip(expected)
            .all(|(name, expected)| name.starts_with(expected));
    assert!(same, "{names:?} instead of {expected:?}: {text}");
    over(guest, &text);
}

/// The one violation is on record with this text, firmware is not called any more, and the machine works.
pub fn over(mut guest: Guest, text: &str) {
    println!("{text}");
    assert_eq!(guest.gate("violations"), "1");
    for command in ["read A00-nothing", "write arm-reset 00"] {
        let answer = guest.ask(command);
        assert!(answer.starts_with("error "), "{command}: {answer}");
    }
    assert_eq!(guest.gate("violations"), "1");
    let cpus = guest.machine.qemu().qmp.processors().expect("processors");
    let all: Vec<_> = (0..cpus).map(|cpu| cpu.to_string()).collect();
    assert_eq!(guest.must("cpus"), all.join(" "));
    on_record(&guest.end(), text);
}

/// The violation is the last event in the log, and the log leads to the PCRs.
fn on_record(run: &Run, text: &str) {
    assert!(
        matches!(run.outcome, Outcome::PoweredOff),
        "{}\n{}",
        run.outcome.summary(),
        run.tail()
    );
    let log = Log::parse(run.must("eventlog.bin")).expect("event log");
    let verdict = Verdict(check_replay(&log, &run.pcrs()));
    assert!(verdict.good(), "{verdict}\n{log}");
    let last = log.events.last().expect("an event");
    assert_eq!((last.pcr, last.label()), (18, text.to_owned()), "{log}");
    assert!(run.console.contains(text), "{}", run.tail());
}

/// A read that makes the firmware do `behaviour` fails, and the names of what it did are `expected`.
fn detected(settings: Settings, behaviour: &str, expected: &[&str]) {
    let snapshot = snapshot(settings);
    let _slot = Slot::take();
    let mut guest = Guest::of(snapshot);
    let answer = guest.ask(&format!("read {behaviour}"));
    println!("{behaviour}: {answer}");
    assert!(answer.starts_with("error "), "{behaviour}: {answer}");
    aftermath(guest, "GetVariable", expected);
}

/// What no comparison can find, or firmware may do, is no violation: the gate says nothing, and goes on.
pub fn not_detected(settings: Settings, behaviour: &str) {
    let snapshot = snapshot(settings);
    let _slot = Slot::take();
    let mut guest = Guest::of(snapshot);
    guest.must(&format!("read {behaviour}"));
    guest.must("read A00-nothing");
    assert_eq!(guest.gate("violations"), "0");
    assert_eq!(guest.must("cpus"), "0 1");
}

/// The machine ends by a panic, after the violation was extended.
pub fn panics(settings: Settings, behaviour: &str, expected: &str) {
    let snapshot = snapshot(settings);
    let _slot = Slot::take();
    let mut guest = Guest::of(snapshot);
    let before = pcr_18(&mut guest);
    let outcome = match guest.try_ask(&format!("read {behaviour}")) {
        Ok(answer) => panic!("{answer}\n{}", guest.machine.console()),
        Err(outcome) => outcome,
    };
    let console = guest.machine.console();
    assert!(
        matches!(outcome, Outcome::Reset { .. }),
        "{}\n{console}",
        outcome.summary()
    );
    let text = console
        .lines()
        .find_map(|line| line.split_once("slaunch: EFI gate: ").map(|(_, text)| text))
        .map(|text| format!("EFI gate: {text}"))
        .unwrap_or_else(|| panic!("no violation:\n{console}"));
    assert!(
        names(&text).iter().any(|name| name.starts_with(expected)),
        "{text}"
    );
    let panic = console
        .find("Kernel panic - not syncing: slaunch: EFI runtime services violated the kernel");
    assert!(panic > console.find(&text), "{console}");
    let after = extended(&before, &text);
    assert_eq!(
        value_of_18(&mut guest.machine),
        after,
        "PCR 18 without \"{text}\""
    );
}

/// PCR 18 as the guest reads it.
pub fn pcr_18(guest: &mut Guest) -> Vec<u8> {
    let text = guest.must("cat /sys/class/tpm/tpm0/pcr-sha256/18");
    let digits = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.map(byte).collect()
}

/// PCR 18 as a stopped machine's TPM has it.
pub fn value_of_18(machine: &mut Machine) -> Vec<u8> {
    machine.read_pcr(Bank::Sha256, 18).expect("PCR 18")
}

/// What becomes of a PCR by an event with this text.
fn extended(before: &[u8], text: &str) -> Vec<u8> {
    let event = Sha256::digest(text);
    Sha256::new()
        .chain_update(before)
        .chain_update(event)
        .finalize()
        .to_vec()
}

mod panic {
    use super::*;

    #[test]
    fn cr0_wp() {
        panics(Settings::Panic, "A01-cr0-wp", "CR0");
    }

    #[test]
    fn lstar() {
        panics(Settings::Panic, "B01-lstar", "LSTAR");
    }

    #[test]
    fn text() {
        panics(Settings::Panic, "H01-text", "kernel text");
    }

    #[test]
    fn page_fault() {
        panics(Settings::Panic, "E01-pf-read", "#PF");
    }

    #[test]
    fn endless_masked() {
        panics(Settings::Panic, "E12-loop-cli", "time limit");
    }
}

/// Writing misbehaves too.
#[test]
fn set_variable() {
    let snapshot = snapshot(Settings::Full);
    let _slot = Slot::take();
    let mut guest = Guest::of(snapshot);
    let answer = guest.ask("write S01-cr0-wp 00");
    assert!(answer.starts_with("error "), "{answer}");
    aftermath(guest, "SetVariable", &["CR0"]);
}

/// Firmware that does nothing but what it is asked for.
#[test]
fn well_behaved() {
    not_detected(Settings::Full, "A00-nothing");
}

/// The limits of a comparison, which the documentation names: what was put back, and what may change.
/// What is back as it was has still been written, and the page table says so.
#[test]
fn text_changed_and_back() {
    for settings in [Settings::Full, Settings::Fast] {
        detected(
            settings,
            "H03-text-and-back",
            &["page table of kernel text"],
        );
    }
}

#[test]
fn changes_that_cannot_be_seen() {
    not_detected(Settings::Full, "H12-data");
}

/// What a call with the fast check has left in the firmware's code is found on demand: the one who asks gets an
/// error.
#[test]
fn on_demand() {
    const FILE: &str = "/sys/kernel/security/slaunch/efi/check";
    let snapshot = snapshot(Settings::Fast);
    let _slot = Slot::take();
    let mut guest = Guest::of(snapshot);
    guest.must(&format!("put {FILE} 1"));
    let before: u64 = guest.gate("check").parse().expect("a number");
    // Not the call with which digests are due.
    guest.must("read H11-firmware-code");
    assert_eq!(guest.gate("violations"), "0");
    let answer = guest.ask(&format!("put {FILE} 1"));
    println!("{answer}");
    assert!(answer.starts_with("error 5 "), "{answer}");
    let after: u64 = guest.gate("check").parse().expect("a number");
    assert_eq!(after, before + 1);
    // There is nothing to be checked any more.
    let answer = guest.ask(&format!("put {FILE} 1"));
    assert!(answer.starts_with("error 19 "), "{answer}");
    aftermath(guest, "check", &["firmware code"]);
}

/// Trusted firmware does as it likes.
#[test]
fn trusted() {
    let snapshot = snapshot(Settings::Trust);
    let _slot = Slot::take();
    let mut guest = Guest::of(snapshot);
    let answer = guest.ask("put /sys/kernel/security/slaunch/efi/check 1");
    assert!(answer.starts_with("error 95 "), "{answer}");
    guest.must("read B08-pat");
    real(&mut guest, "B08-pat");
    assert_eq!(guest.gate("violations"), "0");
}

/// In what the driver read back the last change is there.
fn real(guest: &mut Guest, behaviour: &str) {
    let evidence = guest.numbers("Q02-evidence");
    assert_ne!(evidence[0], evidence[1], "{behaviour}: {evidence:x?}");
    println!(
        "{behaviour}: {:#x} -> {:#x} at {:#x}",
        evidence[0], evidence[1], evidence[2]
    );
}

/// Without a gate each of these changes happens, and nothing says so. Those are left out that a kernel
/// does not survive.
#[test]
fn real_without_a_gate() {
    // Those of one line in one machine.
    const SURVIVED: &[&str] = &[
        "A01-cr0-wp A05-cr8 A08-efer-svme A10-cr4-tsd",
        "A02-cr4-smep A03-cr4-smap A04-cr4-umip",
        "B03-cstar B07-sysenter-eip B08-pat B10-mtrr-base B11-mtrr-mask B12-mtrr-fix",
        "B09-mtrr-def-type B17-tsc-aux B20-vm-hsave-pa C08-dr0 C07-dr7",
        "B19-apic-base",
        "C03-idt-entry C04-gdt-entry C05-tss-ist C06-ds",
        "H01-text H02-text-alias H04-rodata H12-data H10-own-code H11-firmware-code",
        "H05-pte-text H06-pte-rodata H07-pte-idt H08-pte-efi H09-pte-efi-code H13-pte-text-alias",
    ];
    let snapshot = snapshot(Settings::Plain);
    for behaviours in SURVIVED {
        let _slot = Slot::take();
        let mut guest = Guest::of(snapshot);
        for behaviour in behaviours.split(' ') {
            guest.must(&format!("read {behaviour}"));
            real(&mut guest, behaviour);
        }
    }
}

/// Firmware that misbehaves while it is given virtual addresses, before there is a process.
#[test]
fn while_addresses_change() {
    for (behaviour, expected) in [("A01-cr0-wp", "CR0"), ("B08-pat", "PAT")] {
        let mut config = config(&format!("{LAUNCH} slaunch_efi=verify,disable,full"));
        if let Some(loader) = &mut config.loader {
            loader.options = format!("svam={behaviour}");
        }
        let _slot = Slot::take();
        let mut guest = Guest::boot(&config);
        let text = guest.gate("last");
        let head = "EFI gate: violation in SetVirtualAddressMap: ";
        assert!(text.starts_with(head), "{text}");
        assert!(
            names(&text).iter().any(|name| name.starts_with(expected)),
            "{text}"
        );
        assert_eq!(guest.gate("violations"), "1");
        assert_eq!(guest.must("cpus"), "0 1");
        on_record(&guest.end(), &text);
    }
}

/// Tries behaviours that are named in the environment, for whoever writes a new one.
#[test]
#[ignore = "for work on the driver"]
fn try_out() {
    let settings = match std::env::var("SETTINGS").as_deref() {
        Ok("full") => Settings::Full,
        Ok("fast") => Settings::Fast,
        Ok("isolate") => Settings::Isolate,
        _ => Settings::Plain,
    };
    for name in std::env::var("NAMES").unwrap_or_default().split(',') {
        // A machine that was never frozen, to see whether that matters.
        let mut guest = match std::env::var_os("BOOT") {
            Some(_) => Guest::boot(&settings.config()),
            None => Guest::of(snapshot(settings)),
        };
        match guest.try_ask(&format!("read {name}")) {
            Ok(answer) => {
                let more = match settings {
                    Settings::Plain => guest.try_ask("read Q02-evidence"),
                    _ => guest.try_ask("cat /sys/kernel/security/slaunch/efi/last"),
                };
                println!("{name}: {answer}; {more:?}; {:?}", guest.try_ask("cpus"));
            }
            Err(outcome) => {
                println!("{name}: {}\n{}", outcome.summary(), guest.machine.console());
            }
        }
    }
}
