// SPDX-License-Identifier: GPL-2.0

//! Capsules, which firmware in user mode reads at their physical addresses, and the reset after which it looks
//! for them.
//!
//! The driver takes those of the tests' vendor, and says what it has read of them.

use drtm_vm::Outcome;

use crate::common::Slot;
use crate::hostile::{pcr_18, snapshot, value_of_18, Settings};
use crate::isolate::{ends_by, ends_in};
use crate::talk::Guest;
use crate::trace::{self, Blocks, Watch};

/// Blocks that fit into a page of their list.
const BLOCKS: u64 = 255;

/// What is mapped, and what is mapped to be read, as a page fault in user mode says of it.
const NOT_MAPPED: &str = "exception 14, code 0x4, address 0x";
const READ_ONLY: &str = "exception 14, code 0x7, address 0x";

fn guest() -> Guest {
    Guest::of(snapshot(Settings::Isolate))
}

/// A capsule of this size gets to the firmware as it is.
fn arrives(guest: &mut Guest, size: u64) {
    let digest = guest.must(&format!("capsule digest {size}"));
    let digest = u64::from_str_radix(&digest[..16], 16).expect("a digest");
    let pages = size.div_ceil(4096);
    let read = guest.numbers("Q02-evidence");
    let expected = [
        digest.swap_bytes(),
        size,
        pages << 32 | pages.div_ceil(BLOCKS),
    ];
    assert_eq!(read[..3], expected, "{size}");
}

/// Whole pages and parts of them, lists of one page and of two; and firmware has nothing of them afterwards.
#[test]
fn arrive() {
    let snapshot = snapshot(Settings::Isolate);
    let _slot = Slot::take();
    let mut guest = Guest::of(snapshot);
    for size in [100, 4096, 20_000, BLOCKS * 4096, 300 * 4096 + 17] {
        arrives(&mut guest, size);
    }
    assert_eq!(guest.gate("violations"), "0");
    ends_in(guest, "J21-capsule", &[NOT_MAPPED]);
}

/// Firmware that does this to a capsule ends as expected.
fn misused(how: &str, expected: &str) {
    let snapshot = snapshot(Settings::Isolate);
    let _slot = Slot::take();
    let command = format!("capsule {how} 20000");
    ends_by(Guest::of(snapshot), &command, "UpdateCapsule", &[expected]);
}

#[test]
fn written() {
    misused("write", READ_ONLY);
}

#[test]
fn list_written() {
    misused("write-list", READ_ONLY);
}

#[test]
fn read_beyond() {
    misused("beyond", NOT_MAPPED);
}

/// A machine that was restarted with a capsule pending.
struct Restarted {
    guest: Guest,
    /// What was executed of firmware meanwhile.
    blocks: Blocks,
    /// PCR 18 before.
    before: Vec<u8>,
}

/// Restarts a machine, `arm` being what ResetSystem is told to do. The service is called once, in user mode, for a
/// cold reset; nothing of firmware is executed in the kernel, and the machine is reset.
fn restarted(arm: Option<&str>) -> Restarted {
    let mut guest = guest();
    let at = guest.numbers("Q03-resets")[0];
    if let Some(arm) = arm {
        guest.must(&format!("write arm-reset {arm}"));
    }
    guest.must("capsule digest 20000");
    let before = pcr_18(&mut guest);
    let code = trace::code(&mut guest);
    let watch = Watch::begin(&mut guest.machine);
    let outcome = match guest.try_ask("reboot") {
        Ok(answer) => panic!("{answer}\n{}", guest.machine.console()),
        Err(outcome) => outcome,
    };
    let blocks = watch.end(&mut guest.machine, &code);
    println!("{blocks:x?}");
    let console = guest.machine.console();
    let text = format!("{}\n{console}", outcome.summary());
    assert!(matches!(outcome, Outcome::Reset { .. }), "{text}");
    assert_eq!(blocks.kernel_count, 0, "{blocks:x?}\n{text}");
    assert_ne!(blocks.user, 0, "{text}");
    let record = guest.machine.read(at, 24).expect("memory");
    let record: Vec<_> = record
        .chunks(8)
        .map(|word| u64::from_le_bytes(word.try_into().expect("a word")))
        .collect();
    let [count, selector, kind] = record[..] else {
        panic!("{record:x?}");
    };
    assert_eq!((count, selector & 3, kind), (1, 3, 0), "{text}");
    Restarted {
        guest,
        blocks,
        before,
    }
}

const FAILED: &str = "EFI: the firmware did not reset the machine";

/// Firmware resets the machine, so that it finds the capsule.
#[test]
fn pending() {
    let _ready = snapshot(Settings::Isolate);
    let _slot = Slot::take();
    let mut restarted = restarted(None);
    let console = restarted.guest.machine.console();
    assert!(!console.contains(FAILED), "{console}");
    let after = value_of_18(&mut restarted.guest.machine);
    assert_eq!(after, restarted.before);
}

/// Firmware returns instead: the kernel resets the machine, and does so by itself.
#[test]
fn pending_and_returns() {
    let _ready = snapshot(Settings::Isolate);
    let _slot = Slot::take();
    let restarted = restarted(Some("00"));
    let console = restarted.guest.machine.console();
    assert!(console.contains(FAILED), "{console}");
    assert!(restarted.blocks.user < 1000, "{:x?}", restarted.blocks);
}

/// Firmware misbehaves instead: the kernel says so, and resets the machine. The TPM is shut down by then, like all
/// devices, so that the violation is not extended; nobody can have the machine attested any more either.
#[test]
fn pending_and_misbehaves() {
    let _ready = snapshot(Settings::Isolate);
    let _slot = Slot::take();
    let mut restarted = restarted(Some("01"));
    let console = restarted.guest.machine.console();
    for expected in [
        FAILED,
        "slaunch: EFI gate: violation in ResetSystem: CR0 written at 0x",
        "slaunch: the violation could not be recorded",
    ] {
        assert!(console.contains(expected), "{console}");
    }
    let after = value_of_18(&mut restarted.guest.machine);
    assert_eq!(after, restarted.before);
}
