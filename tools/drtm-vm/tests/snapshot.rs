// SPDX-License-Identifier: GPL-2.0
//! Cases that start from a machine frozen at its launch instruction, and TPM faults.

mod common;

use std::time::{Duration, Instant};

use common::{Payload, Slot};
use drtm_vm::tpm::tis;
use drtm_vm::{Bank, Fault, Machine, Outcome, Snapshot};

const LIMIT: Duration = Duration::from_secs(60);
/// TPM2_GetRandom, 8 bytes.
const GET_RANDOM: [u8; 12] = [0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 8];

fn finish(case: &mut Machine) -> Outcome {
    case.launch().expect("launch");
    case.wait_outcome(LIMIT)
}

#[test]
fn cases_are_independent_and_repeatable() {
    let payload = Payload::build(&[]);
    let snapshot = Snapshot::take(&payload.config(2)).expect("snapshot");
    assert!(snapshot.console().contains("press a key"));
    let mut values = Vec::new();
    for change in [false, true, false] {
        let started = Instant::now();
        let mut case = snapshot.case().expect("case");
        if change {
            let block = case.block().expect("block");
            assert_eq!(block.base, 0x20_0000);
            // The last measured byte belongs to a table that is not used.
            let last = block.base + u64::from(block.length()) - 1;
            case.write(last, b"x").expect("write");
        }
        let outcome = finish(&mut case);
        let console = case.console();
        assert!(
            matches!(outcome, Outcome::PoweredOff),
            "{outcome:?}\n{console}"
        );
        assert_eq!(console.matches("A0\nA1\n").count(), 1, "{console}");
        values.push(case.read_pcr(Bank::Sha256, 17).expect("PCR 17"));
        assert!(started.elapsed() < Duration::from_secs(30));
    }
    assert_eq!(values[0], values[2]);
    assert_ne!(values[0], values[1]);
}

#[test]
fn two_cases_run_at_a_time() {
    let payload = Payload::build(&[]);
    let snapshot = Snapshot::take(&payload.config(2)).expect("snapshot");
    let _second = Slot::take();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut case = snapshot.case().expect("case");
                let outcome = finish(&mut case);
                assert!(matches!(outcome, Outcome::PoweredOff), "{outcome:?}");
            });
        }
    });
}

#[test]
fn a_guest_that_never_launches_gives_its_outcome() {
    let payload = Payload::build(&[]);
    let mut config = payload.config(1);
    config.limit = Duration::from_millis(10);
    let outcome = Snapshot::take(&config).expect_err("nothing to freeze");
    assert!(matches!(outcome, Outcome::Hang { .. }), "{outcome:?}");
}

#[test]
fn faults_reach_the_registers() {
    let payload = Payload::build(&[]);
    let snapshot = Snapshot::take(&payload.config(1)).expect("snapshot");
    let case = |fault: &str| {
        let mut case = snapshot.case().expect("case");
        case.launch().expect("launch");
        let fault: Fault = fault.parse().expect("fault");
        case.set_fault(&fault).expect("fault staged");
        case
    };

    let mut machine = case("absent");
    let access = machine.qemu().qtest.readl(0xfed4_0000).expect("qtest");
    assert_eq!(access, u32::MAX);
    // The processors' own interrupt controllers stay.
    assert!(matches!(machine.wait_outcome(LIMIT), Outcome::PoweredOff));

    let mut machine = case("locality=3");
    let error = tis::transact(&mut machine.qemu().qtest, 2, &GET_RANDOM);
    assert!(error.is_err(), "locality 2 must not be granted");

    let mut machine = case("error=0x101,count=1");
    let qtest = &mut machine.qemu().qtest;
    let response = tis::transact(qtest, 2, &GET_RANDOM).expect("response");
    assert_eq!(response, [0x80, 1, 0, 0, 0, 10, 0, 0, 1, 1]);
    let response = tis::transact(qtest, 2, &GET_RANDOM).expect("response");
    assert_eq!(response[6..10], [0, 0, 0, 0], "only once");

    let mut machine = case("short=11");
    let response = tis::transact(&mut machine.qemu().qtest, 2, &GET_RANDOM).expect("response");
    assert_eq!(response.len(), 11);

    let mut machine = case("delay=500");
    let started = Instant::now();
    tis::transact(&mut machine.qemu().qtest, 2, &GET_RANDOM).expect("response");
    assert!(started.elapsed() >= Duration::from_millis(500));

    let mut machine = case("busy");
    let error = tis::transact(&mut machine.qemu().qtest, 2, &GET_RANDOM);
    assert!(error.is_err(), "the command must not finish");
}

#[test]
fn a_tpm_can_vanish_under_a_command() {
    let payload = Payload::build(&[]);
    let mut machine = Machine::start(&payload.config(1)).expect("machine");
    // The firmware extends separators and more; it loses the TPM at the third extend.
    let fault: Fault = "vanish,cc=0x182,skip=2".parse().expect("fault");
    machine.set_fault(&fault).expect("fault");
    let outcome = machine.run();
    assert!(matches!(outcome, Outcome::PoweredOff), "{outcome:?}");
    let access = machine.qemu().qtest.readl(0xfed4_0000).expect("qtest");
    assert_eq!(access, u32::MAX);
}
