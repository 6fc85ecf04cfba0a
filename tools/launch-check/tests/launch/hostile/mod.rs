// SPDX-License-Identifier: GPL-2.0

//! Hostile cases: what the stub prepared is changed between stub and launch.
//!
//! Every case starts from one machine frozen at SKINIT and must end in a
//! reset with the named error in the launch record: never in a running
//! kernel.

mod boot;
mod images;
mod slrt;
mod tpm;

use std::sync::OnceLock;
use std::time::Duration;

use drtm_vm::{Config, Fault, Machine, Outcome, Snapshot};
use slaunch_core::error::Error;

use crate::common::{config, Slot, LIMIT};
use crate::tables::{
    tag, u32_at, zero_page, Slrt, ZeroPage, DL_BOOT_PARAMS, DL_DLME_BASE, DL_DLME_HEADER,
    DL_DLME_SIZE, LOG_ADDR, LOG_SIZE, POLICY_COUNT, POLICY_REVISION,
};

/// Four GiB.
pub const FOUR_GIB: u64 = 1 << 32;

/// The machine that all cases start from.
pub fn snapshot() -> &'static Snapshot {
    static SNAPSHOT: OnceLock<Snapshot> = OnceLock::new();
    SNAPSHOT.get_or_init(|| frozen(&config()))
}

/// A machine frozen at SKINIT.
pub fn frozen(config: &Config) -> Snapshot {
    let _slot = Slot::take();
    Snapshot::take(config).unwrap_or_else(|outcome| panic!("{}", outcome.summary()))
}

/// Lets `spoil` change a machine at SKINIT, launches it, and expects a reset
/// with one of `expected` in the record.
pub fn rejected(expected: &[Error], spoil: impl FnOnce(&mut Machine)) {
    rejected_from(snapshot(), expected, spoil);
}

/// The same, with a case of another machine.
pub fn rejected_from(snapshot: &Snapshot, expected: &[Error], spoil: impl FnOnce(&mut Machine)) {
    let _slot = Slot::take();
    let mut machine = snapshot.case().expect("case from the snapshot");
    spoil(&mut machine);
    let outcome = match machine.launch() {
        Ok(()) => machine.wait_outcome(LIMIT.min(Duration::from_secs(120))),
        Err(outcome) => outcome,
    };
    let Outcome::Reset {
        record: Some(record),
    } = &outcome
    else {
        panic!(
            "no reset with a record: {}\n{}",
            outcome.summary(),
            machine.console()
        );
    };
    let codes: Vec<_> = expected.iter().map(|e| e.code()).collect();
    assert!(
        codes.contains(&record.code),
        "record has {:#x} (stage {}, details {:x?}), expected {expected:?} {codes:x?}",
        record.code,
        record.stage,
        record.detail
    );
    assert!(record.stage < 4, "the launch was called complete");
    assert!(
        !machine.console().contains("Linux version"),
        "the kernel ran"
    );
}

/// Changes the launch table.
pub fn slrt(expected: &[Error], change: impl FnOnce(&mut Slrt)) {
    rejected(expected, |machine| {
        let mut table = Slrt::read(machine);
        change(&mut table);
        table.write(machine);
    });
}

/// Changes the boot parameters.
pub fn boot_params(expected: &[Error], change: impl FnOnce(&mut ZeroPage<'_>)) {
    rejected(expected, |machine| change(&mut ZeroPage::of(machine)));
}

/// Points the loader block's parameters elsewhere.
pub fn slrt_at(expected: &[Error], place: impl FnOnce(&mut Machine) -> u64) {
    rejected(expected, |machine| {
        let address = place(machine);
        let block = machine.block().unwrap();
        let params = block.params_offset().unwrap() as u64;
        machine
            .write(block.base + params + 8, &address.to_le_bytes())
            .unwrap();
    });
}
