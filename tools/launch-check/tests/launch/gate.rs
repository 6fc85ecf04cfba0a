// SPDX-License-Identifier: GPL-2.0

//! The gate around EFI runtime services, as the launch measures it.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use drtm_vm::{Config, Machine, Reached, Snapshot};
use launch_check::digest::Alg;
use launch_check::gate::{check, find, RUNTIME_CODE, RUNTIME_DATA};
use launch_check::log::Log;
use launch_check::verdict::COMMAND_LINE;
use slaunch_core::error::Error;
use slaunch_core::gate::Mode;

use crate::common::{config, Run, Slot, LAUNCH, LIMIT};
use crate::hostile::{frozen, rejected_from, snapshot};
use crate::inputs::{differences, flip, launch};
use crate::tables::{kind, Slrt, UefiRange, ZeroPage};

/// Pages of the regions that cases add.
const PAGES: u64 = 16;

/// A machine whose command line goes on with `option`.
fn with_option(option: &str) -> Config {
    Config {
        append: format!("{LAUNCH} {option}"),
        ..config()
    }
}

/// A machine that trusts its firmware, frozen at SKINIT.
fn trusting() -> &'static Snapshot {
    static SNAPSHOT: OnceLock<Snapshot> = OnceLock::new();
    SNAPSHOT.get_or_init(|| frozen(&with_option("slaunch_efi=trust")))
}

/// Boots to user space and returns the run, its log and the text of the gate's event.
fn boot(option: &str) -> (Run, Log, String) {
    let run = Run::boot(&with_option(option));
    let log = run.expect_launched();
    check(&log, &run.text("cmdline.txt"), Mode::Isolate).unwrap_or_else(|e| panic!("{e:#}\n{log}"));
    let text = find(&log).unwrap().0.label();
    (run, log, text)
}

/// Each setting is in an event of its own and reaches user space.
#[test]
fn settings_change_configuration_only() {
    let settings = [
        ("", "isolate,disable,smm=allow,svam=auto"),
        ("slaunch_efi=verify", "verify,panic,full"),
        ("slaunch_efi=verify,disable", "verify,disable,full"),
        ("slaunch_efi=verify,fast", "verify,panic,fast"),
        ("slaunch_efi=off", "off,panic,full"),
        ("slaunch_efi=trust", "trust,panic,full"),
        // The last one counts, and one that is not understood is off.
        ("slaunch_efi=off slaunch_efi=fast,verify", "off,panic,full"),
        (
            "slaunch_efi=trust slaunch-efi=verify,disable,fast",
            "verify,disable,fast",
        ),
    ];
    let runs = settings.map(|(option, words)| {
        let (run, log, text) = boot(option);
        assert_eq!(text, format!("EFI gate: {words}"), "{option}");
        (run, log)
    });
    let values =
        |pcr| -> BTreeSet<_> { runs.iter().map(|(run, _)| run.pcr("sha256", pcr)).collect() };
    assert_eq!(values(17).len(), 1);
    assert_eq!(values(18).len(), settings.len());

    // But for the command line and the gate all is as it was.
    let rest = |log: &Log| -> Vec<_> {
        let gate = find(log).unwrap().0.label();
        let mut events = log.events.clone();
        let other = [COMMAND_LINE, RUNTIME_CODE, RUNTIME_DATA];
        events.retain(|event| !other.contains(&&*event.label()) && event.label() != gate);
        events
    };
    for (_, log) in &runs[1..] {
        assert_eq!(rest(log), rest(&runs[0].1));
    }
}

/// The kernel knows the option: init does not get it as an argument.
#[test]
fn the_option_is_not_for_init() {
    let (run, _, _) = boot("slaunch_efi=verify nonsense_for_init=1");
    let unknown: Vec<_> = run
        .console
        .lines()
        .filter(|line| line.contains("Unknown kernel command line parameters"))
        .collect();
    assert_eq!(unknown.len(), 1, "{}", run.tail());
    assert!(unknown[0].contains("nonsense_for_init=1"), "{unknown:?}");
    assert!(!unknown[0].contains("slaunch"), "{unknown:?}");
}

/// What the events of the runtime services must be: from the map and the memory as they are at SKINIT.
fn ranges_of(machine: &mut Machine) -> Vec<(&'static str, Vec<u8>)> {
    let mut ranges = ZeroPage::of(machine).map().1;
    ranges.sort_by_key(|range| range.base);
    ranges.retain(UefiRange::is_runtime);
    let mut events = Vec::new();
    for range in ranges {
        let mut bytes = range.kind.to_le_bytes().to_vec();
        bytes.extend_from_slice(&range.attributes.to_le_bytes());
        bytes.extend_from_slice(&range.pages.to_le_bytes());
        if range.kind == kind::RUNTIME_CODE {
            let size = usize::try_from(range.pages * 4096).unwrap();
            bytes.extend(machine.read(range.base, size).unwrap());
            events.push((RUNTIME_CODE, bytes));
        } else {
            events.push((RUNTIME_DATA, bytes));
        }
    }
    events
}

/// The events of the runtime services in `log` are those of `ranges`.
fn has_ranges(log: &Log, ranges: &[(&str, Vec<u8>)]) {
    let (_, found) = find(log).unwrap();
    assert_eq!(found.len(), ranges.len(), "{log}");
    for (event, (label, bytes)) in found.iter().zip(ranges) {
        assert_eq!(event.label(), *label);
        let digest = event.digest(Alg::Sha256).unwrap();
        assert_eq!(digest, Alg::Sha256.hash(bytes), "{label}\n{log}");
    }
}

#[test]
fn firmware_that_is_trusted_is_measured() {
    let mut ranges = Vec::new();
    let (_, log) = launch(trusting(), |machine| ranges = ranges_of(machine));
    assert!(ranges.iter().any(|(label, _)| *label == RUNTIME_CODE));
    assert!(ranges.iter().any(|(label, _)| *label == RUNTIME_DATA));
    has_ranges(&log, &ranges);
}

/// Runtime services above 4 GiB, where no firmware of the model has any: free memory that is called so.
#[test]
fn firmware_above_four_gib_is_measured() {
    let _slot = Slot::take();
    let config = Config {
        memory_mib: 6144,
        ..with_option("slaunch_efi=trust")
    };
    let mut machine = Machine::start(&config).unwrap();
    let reached = machine.run_to_skinit(LIMIT).unwrap();
    assert!(matches!(reached, Reached::Skinit), "{reached:?}");
    let mut page = ZeroPage::of(&mut machine);
    let (_, ranges) = page.map();
    let is_high = |range: &UefiRange| range.kind == kind::CONVENTIONAL && range.base >= 1 << 32;
    let index = ranges.iter().position(is_high).expect("memory above 4 GiB");
    let range = UefiRange {
        kind: kind::RUNTIME_CODE,
        // Across the border between two windows of the early kernel.
        base: (5 << 30) - PAGES / 2 * 4096,
        pages: PAGES,
        attributes: ranges[index].attributes | kind::RUNTIME,
    };
    assert!(ranges[index].base < range.base, "{ranges:x?}");
    page.set_range(index, &range);
    for at in 0..PAGES {
        let text = format!("page {at}");
        machine
            .write(range.base + at * 4096, text.as_bytes())
            .unwrap();
    }
    let ranges = ranges_of(&mut machine);
    machine.launch().unwrap();
    let outcome = machine.wait_outcome(LIMIT);
    // The kernel may make of such memory what it wants: the launch is what counts.
    let run = Run::collect(&mut machine, outcome);
    has_ranges(&run.expect_launched(), &ranges);
}

/// A byte of code that nobody executes: in the DOS header of a driver.
fn flip_runtime_code(machine: &mut Machine) {
    let (_, ranges) = ZeroPage::of(machine).map();
    let place = ranges
        .iter()
        .filter(|range| range.is_runtime() && range.kind == kind::RUNTIME_CODE)
        .flat_map(|range| (0..range.pages).map(|page| range.base + page * 4096))
        .find(|page| machine.read(*page, 2).unwrap() == b"MZ")
        .expect("a driver");
    flip(machine, place + 0x20);
}

#[test]
fn byte_of_runtime_code() {
    let same = launch(trusting(), |_| ());
    let changed = launch(trusting(), flip_runtime_code);
    assert_eq!(
        differences(&same, &changed),
        (vec![RUNTIME_CODE.into()], vec![18])
    );
    // Whoever does not trust the firmware does not measure it.
    let same = launch(snapshot(), |_| ());
    let changed = launch(snapshot(), flip_runtime_code);
    assert_eq!(differences(&same, &changed), (vec![], vec![]));
}

/// Changes the first range of runtime code in the map.
fn claim(expected: &[Error], change: impl FnOnce(&mut UefiRange, &[UefiRange], u64)) {
    rejected_from(trusting(), expected, |machine| {
        let kernel = Slrt::read(machine).kernel();
        let mut page = ZeroPage::of(machine);
        let (_, ranges) = page.map();
        let is_code = |range: &UefiRange| range.is_runtime() && range.kind == kind::RUNTIME_CODE;
        let index = ranges.iter().position(is_code).expect("runtime code");
        let mut range = ranges[index];
        change(&mut range, &ranges, kernel);
        page.set_range(index, &range);
    });
}

#[test]
fn runtime_code_in_the_kernel() {
    claim(&[Error::RegionOverlap], |range, _, kernel| {
        range.base = kernel
    });
}

#[test]
fn runtime_code_over_its_neighbour() {
    claim(&[Error::OutOfRam], |range, ranges, _| {
        let next = ranges.iter().map(|other| other.base);
        let next = next.filter(|base| *base > range.base).min().unwrap();
        range.pages = (next - range.base) / 4096 + 1;
    });
}

#[test]
fn runtime_code_that_is_free_memory_too() {
    claim(&[Error::OutOfRam], |range, ranges, _| {
        let free = |other: &&UefiRange| other.kind == kind::CONVENTIONAL && other.base >= 1 << 20;
        range.base = ranges.iter().find(free).expect("free memory").base;
    });
}

#[test]
fn runtime_code_beyond_what_can_be_addressed() {
    claim(&[Error::Unmapped], |range, _, _| {
        range.base = (1 << 52) - 4096;
    });
    claim(&[Error::Unmapped], |range, _, _| {
        range.base = 1 << 62;
        range.pages = 1;
    });
}

#[test]
fn runtime_code_that_wraps() {
    claim(&[Error::MemoryMapInvalid], |range, _, _| {
        range.pages = u64::MAX / 4096;
    });
}
