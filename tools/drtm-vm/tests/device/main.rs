// SPDX-License-Identifier: GPL-2.0
//! The CRB's state machine, without a machine around it: the tests write to the shared memory as a
//! guest would.

mod bench;
mod property;

use std::sync::atomic::Ordering;

use bench::{Bench, Fake, ANSWER, COMMAND};
use drtm_vm::tpm::crb::registers as reg;
use drtm_vm::tpm::crb::{Device, Hand, Window};

#[test]
fn a_command_goes_round() {
    let mut bench = Bench::new();
    assert_eq!(bench.guest.load(0, reg::LOC_STATE), 0x81);
    assert_eq!(bench.guest.load(0, reg::CTRL_STS), reg::STS_IDLE);
    let identity = [0, 4].map(|half| bench.guest.load(2, reg::INTERFACE_ID + half));
    // CRB, version 1, more than locality 0, and CRB selected.
    assert_eq!(identity[0] & 0xf, 1);
    assert_eq!(identity[0] >> 4 & 0xf, 1);
    assert_eq!(
        identity[0] & (1 << 8 | 1 << 14 | 3 << 17),
        1 << 8 | 1 << 14 | 1 << 17
    );
    assert_eq!(bench.guest.load(2, reg::CMD_SIZE), 0xf80);
    assert_eq!(bench.guest.load(2, reg::CMD_ADDR), 0xfed4_2080);
    assert_eq!(bench.guest.load(2, reg::CMD_ADDR + 4), 0);
    assert_eq!(bench.guest.load(2, reg::RSP_ADDR), 0xfed4_2080);

    bench.ready(2);
    assert_eq!(bench.active(), Some(2));
    assert!(bench.granted(2) && !bench.granted(0));
    assert_eq!(bench.guest.load(2, reg::CTRL_STS), 0);
    bench.start(2, &COMMAND);
    assert!(!bench.started(2));
    assert_eq!(bench.guest.read_buffer(2, 10), ANSWER);
    // Another one right after it.
    bench.start(2, &COMMAND);
    assert_eq!(bench.guest.read_buffer(2, 10), ANSWER);
    bench.write(2, reg::CTRL_REQ, reg::REQ_IDLE);
    assert_eq!(bench.guest.load(2, reg::CTRL_REQ), 0);
    assert_eq!(bench.guest.load(2, reg::CTRL_STS), reg::STS_IDLE);
    assert_eq!(bench.guest.read_buffer(2, 10), [0; 10]);
    bench.write(2, reg::LOC_CTRL, reg::CTRL_RELINQUISH);
    assert_eq!(bench.active(), None);
}

#[test]
fn what_was_not_granted_does_nothing() {
    let mut bench = Bench::new();
    bench.start(0, &COMMAND);
    assert!(!bench.started(0), "no locality");
    bench.write(0, reg::LOC_CTRL, reg::CTRL_REQUEST);
    bench.start(0, &COMMAND);
    assert!(!bench.started(0), "idle");
    assert_eq!(bench.guest.read_buffer(0, 12), COMMAND);
    bench.write(2, reg::CTRL_REQ, reg::REQ_READY);
    assert_eq!(bench.guest.load(2, reg::CTRL_REQ), 0);
    assert_eq!(bench.guest.load(0, reg::CTRL_STS), reg::STS_IDLE);
    bench.write(0, reg::LOC_CTRL, reg::CTRL_RELINQUISH);
    for request in [reg::CTRL_REQUEST, reg::CTRL_SEIZE] {
        bench.write(4, reg::LOC_CTRL, request);
        assert_eq!((bench.active(), bench.granted(4)), (None, false));
    }
}

#[test]
fn the_highest_locality_that_waits_is_next() {
    let mut bench = Bench::new();
    bench.write(1, reg::LOC_CTRL, reg::CTRL_REQUEST);
    for page in [0, 3, 2] {
        bench.write(page, reg::LOC_CTRL, reg::CTRL_REQUEST);
        assert_eq!(bench.active(), Some(1));
    }
    // Who gives up waiting is not granted later.
    bench.write(3, reg::LOC_CTRL, reg::CTRL_RELINQUISH);
    bench.write(1, reg::LOC_CTRL, reg::CTRL_RELINQUISH);
    assert_eq!(bench.active(), Some(2));
    bench.write(2, reg::LOC_CTRL, reg::CTRL_RELINQUISH);
    assert_eq!(bench.active(), Some(0));
}

#[test]
fn a_higher_locality_seizes() {
    let mut bench = Bench::mute();
    bench.ready(1);
    bench.start(1, &COMMAND);
    assert!(bench.started(1));
    bench.write(0, reg::LOC_CTRL, reg::CTRL_SEIZE);
    assert_eq!(bench.active(), Some(1), "a lower one cannot");
    bench.write(2, reg::LOC_CTRL, reg::CTRL_SEIZE);
    assert_eq!(bench.active(), Some(2));
    assert_eq!(bench.guest.load(1, reg::LOC_STS), reg::STS_SEIZED);
    assert!(!bench.started(1), "the command is gone");
    assert_eq!(bench.cancelled.load(Ordering::Relaxed), 1);
    bench.ready(2);
    bench.start(2, &COMMAND);
    assert_eq!(bench.guest.read_buffer(2, 10), ANSWER);
    assert_eq!(bench.guest.read_buffer(1, 10), [0; 10]);
    // The mark stays until the locality is granted again.
    bench.write(2, reg::LOC_CTRL, reg::CTRL_RELINQUISH);
    assert_eq!(bench.guest.load(1, reg::LOC_STS), reg::STS_SEIZED);
    bench.write(1, reg::LOC_CTRL, reg::CTRL_REQUEST);
    assert_eq!(bench.guest.load(1, reg::LOC_STS), reg::STS_GRANTED);
}

#[test]
fn a_command_can_be_cancelled() {
    let mut bench = Bench::mute();
    bench.ready(0);
    bench.start(0, &COMMAND);
    bench.write(0, reg::CTRL_REQ, reg::REQ_IDLE);
    assert!(bench.started(0));
    assert_eq!(bench.guest.load(0, reg::CTRL_REQ), reg::REQ_IDLE, "busy");
    bench.write(0, reg::CTRL_CANCEL, 1);
    assert_eq!(bench.cancelled.load(Ordering::Relaxed), 1);
    assert!(!bench.started(0));
    assert_eq!(bench.guest.load(0, reg::CTRL_REQ), 0);
}

#[test]
fn impossible_sizes_are_answered() {
    let mut bench = Bench::new();
    bench.ready(0);
    for size in [0_u32, 9, 0xf81, u32::MAX] {
        let mut command = COMMAND;
        command[2..6].copy_from_slice(&size.to_be_bytes());
        bench.start(0, &command);
        assert!(!bench.started(0));
        let answer = bench.guest.read_buffer(0, 10);
        assert_eq!(answer, [0x80, 1, 0, 0, 0, 10, 0, 0, 1, 0x42], "{size:#x}");
    }
}

#[test]
fn a_launch_shows_until_locality_3_forgets_it() {
    let mut bench = Bench::new();
    bench.hand.set_established(true);
    bench.settle();
    let flag = |bench: &Bench| bench.guest.load(0, reg::LOC_STATE) & reg::STATE_NOT_ESTABLISHED;
    assert_eq!(flag(&bench), 0);
    for (page, expected) in [(2, 0), (3, 1)] {
        bench.write(page, reg::LOC_CTRL, reg::CTRL_REQUEST);
        bench.write(page, reg::LOC_CTRL, reg::CTRL_RESET_ESTABLISHMENT);
        assert_eq!(flag(&bench), expected);
        bench.write(page, reg::LOC_CTRL, reg::CTRL_RELINQUISH);
    }
}

#[test]
fn faults_of_the_handshakes() {
    let mut bench = Bench::new();
    bench.fault("no-grant");
    bench.write(2, reg::LOC_CTRL, reg::CTRL_REQUEST);
    bench.write(2, reg::LOC_CTRL, reg::CTRL_SEIZE);
    assert_eq!(bench.active(), None);
    bench.hand.set_fault(None);
    bench.settle();
    assert_eq!(bench.active(), Some(2));

    bench.fault("never-ready");
    bench.write(2, reg::CTRL_REQ, reg::REQ_READY);
    assert_eq!(bench.guest.load(2, reg::CTRL_REQ), reg::REQ_READY);
    assert_eq!(bench.guest.load(2, reg::CTRL_STS), reg::STS_IDLE);
    bench.fault("never-idle");
    assert_eq!(bench.guest.load(2, reg::CTRL_REQ), 0, "ready at last");
    bench.write(2, reg::CTRL_REQ, reg::REQ_IDLE);
    assert_eq!(bench.guest.load(2, reg::CTRL_REQ), reg::REQ_IDLE);
    bench.fault("idle-delay=30");
    assert_eq!(bench.guest.load(2, reg::CTRL_REQ), reg::REQ_IDLE);
    std::thread::sleep(std::time::Duration::from_millis(40));
    bench.settle();
    assert_eq!(bench.guest.load(2, reg::CTRL_REQ), 0);
    assert_eq!(bench.guest.load(2, reg::CTRL_STS), reg::STS_IDLE);
}

#[test]
fn faults_of_the_registers() {
    let mut bench = Bench::new();
    bench.fault("locality-invalid");
    assert_eq!(bench.guest.load(2, reg::LOC_STATE) & reg::STATE_VALID, 0);
    for (fault, register, value) in [
        ("cmd-size=0", reg::CMD_SIZE, 0),
        ("rsp-size=0xffffffff", reg::RSP_SIZE, u32::MAX),
        ("cmd-addr=0x123456789", reg::CMD_ADDR, 0x2345_6789),
        ("cmd-addr=0x123456789", reg::CMD_ADDR + 4, 1),
        ("rsp-addr=0xfed45000", reg::RSP_ADDR, 0xfed4_5000),
        ("loc-state=0xffffffff", reg::LOC_STATE, u32::MAX),
        ("loc-sts=3", reg::LOC_STS, 3),
        ("ctrl-sts=3", reg::CTRL_STS, 3),
        ("interface=0", reg::INTERFACE_ID, 0),
    ] {
        bench.fault(fault);
        assert_eq!(bench.guest.load(2, register), value, "{fault}");
    }
    // A fatal error after one command of the right kind.
    bench.fault("fatal,cc=0x17b,skip=1");
    bench.ready(0);
    assert_eq!(bench.guest.load(0, reg::CTRL_STS), 0);
    bench.start(0, &COMMAND);
    assert_eq!(bench.guest.read_buffer(0, 10), ANSWER);
    assert_eq!(bench.guest.load(0, reg::CTRL_STS), reg::STS_FATAL);
    bench.start(0, &COMMAND);
    assert!(!bench.started(0));
    assert_eq!(
        bench.guest.read_buffer(0, 12),
        COMMAND,
        "nothing is executed"
    );
}

#[test]
fn a_copy_of_the_window_is_taken_up() {
    let mut bench = Bench::new();
    bench.hand.set_established(true);
    bench.ready(1);
    bench.write(2, reg::LOC_CTRL, reg::CTRL_SEIZE);
    bench.write(2, reg::CTRL_REQ, reg::REQ_READY);
    let before: Vec<u32> = (0..5)
        .map(|page| bench.guest.load(page, reg::LOC_STS))
        .collect();
    let (from, to) = (bench.dir.path().join("crb"), bench.dir.path().join("copy"));
    std::fs::copy(from, &to).unwrap();
    let hand = Hand::default();
    hand.set_established(true);
    bench.device = Device::resume(Window::open(&to).unwrap(), Fake::default(), hand.clone());
    bench.guest = Window::open(&to).unwrap();
    bench.hand = hand;
    bench.settle();
    let after: Vec<u32> = (0..5)
        .map(|page| bench.guest.load(page, reg::LOC_STS))
        .collect();
    assert_eq!((before, Some(2)), (after, bench.active()));
    bench.start(2, &COMMAND);
    assert_eq!(bench.guest.read_buffer(2, 10), ANSWER);
}
