// SPDX-License-Identifier: GPL-2.0

//! Localities of a CRB: claiming them, losing them, and giving them back on every path.

mod common;

use common::crb_harness::{answer, exchange, faulty, probed, CrbTpm, LIMIT, T};
use common::{any_command, CrbFaults, CrbModel, Script, STEP_US};
use tpm_core::{Locality, LocalityRegs, Tpm, TpmError, TpmFamily, Transport};

const L2: Locality = Locality::L2;

/// A good TPM that a locality has.
fn held(by: u8, change: impl FnOnce(&mut CrbFaults)) -> (CrbModel<Script>, CrbTpm) {
    let (model, tpm) = probed(change);
    model.hold(by);
    (model, tpm)
}

#[test]
fn granted_in_time() {
    assert_eq!(
        faulty(|f| f.grant_us = Some(T.a)),
        (T.a + 1000, Ok(answer()))
    );
    for never in [Some(T.a + STEP_US), None] {
        let late = faulty(|f| f.grant_us = never);
        assert_eq!(late, (T.a, Err(TpmError::LocalityRefused)));
    }
}

#[test]
fn every_locality() {
    for (n, locality) in (0u8..).zip(Locality::ALL) {
        let (model, mut tpm) = probed(|_| {});
        model.backend(|script| script.answers.push(answer()));
        let mut open = tpm.open(locality).expect("open");
        assert_eq!(open.locality(), locality);
        assert_eq!(open.family(), TpmFamily::Tpm20);
        assert_eq!(model.active(), Some(n));
        let len = open.transmit(&any_command(), &mut [0; 64], LIMIT);
        assert_eq!(len, Ok(14));
        open.close().expect("close");
        let asked = model.backend(|script| script.asked.clone());
        assert_eq!(asked, [(n, any_command().to_vec())]);
    }
}

#[test]
fn lower_locality_lets_go() {
    let (model, mut tpm) = held(0, |f| f.release_at = Some(T.a));
    let open = tpm.open(L2).expect("open");
    assert_eq!((model.seizures(), model.now()), (0, T.a));
    drop(open);
}

#[test]
fn lower_locality_is_seized() {
    let (model, mut tpm) = held(0, |f| f.release_at = Some(T.a + STEP_US));
    let open = tpm.open(L2).expect("open");
    assert_eq!((model.seizures(), model.now()), (1, T.a));
    assert_eq!(model.active(), Some(2));
    drop(open);
    // Who lost it is told, until it asks again.
    let mut seen = model.clone();
    let mut seized = || LocalityRegs::new(&mut seen, Locality::L0).locality_seized();
    assert!(seized());
    tpm.open(Locality::L0)
        .expect("open")
        .close()
        .expect("close");
    assert!(!seized());
}

#[test]
fn seizure_is_ignored() {
    let (model, mut tpm) = held(1, |f| f.seize_ignored = true);
    assert_eq!(tpm.open(L2).err(), Some(TpmError::LocalityRefused));
    assert_eq!(model.now(), 2 * T.a);
    assert_eq!(model.active(), Some(1));
    assert!(!model.is_wanted());
}

#[test]
fn higher_locality_is_left_alone() {
    for holder in [3, 4] {
        let (model, mut tpm) = held(holder, |_| {});
        assert_eq!(tpm.open(L2).err(), Some(TpmError::LocalityRefused));
        assert_eq!((model.seizures(), model.now()), (0, T.a));
        assert_eq!(model.active(), Some(holder));
        assert!(!model.is_wanted());
    }
}

#[test]
fn own_locality_left_open_is_taken_over() {
    let (model, mut tpm) = held(2, |_| {});
    assert_eq!(exchange(&model, &mut tpm, &answer()), Ok(answer()));
    assert_eq!(model.active(), None);
}

/// Left open in the middle of a command: that is cancelled first.
#[test]
fn own_locality_left_open_with_a_command() {
    let (model, mut tpm) = probed(|f| {
        f.execute_us = None;
        f.cancel_us = None;
    });
    let mut open = tpm.open(L2).expect("open");
    let timeout = open.transmit(&any_command(), &mut [0; 64], LIMIT);
    assert_eq!(timeout, Err(TpmError::CommandTimeout));
    let _ = open.keep();
    assert!(model.is_executing());
    model.set_faults(|f| *f = CrbFaults::default());
    assert_eq!(exchange(&model, &mut tpm, &answer()), Ok(answer()));
    assert_eq!(model.backend(|script| script.asked.len()), 1);
}

#[test]
fn guard_gives_back() {
    let (model, mut tpm) = probed(|_| {});
    drop(tpm.open(Locality::L1).expect("open"));
    assert_eq!(model.active(), None);
    tpm.open(L2).expect("open").close().expect("close");
    assert_eq!(model.active(), None);
    // Somebody waits for it, and is next.
    let open = tpm.open(L2).expect("open");
    model.want(1);
    open.close().expect("close");
    assert_eq!(model.active(), Some(1));
}

#[test]
fn kept_and_resumed() {
    let (model, mut tpm) = probed(|_| {});
    model.backend(|script| script.answers = vec![answer(); 2]);
    let mut buf = [0; 64];
    let mut open = tpm.open(L2).expect("open");
    assert_eq!(open.transmit(&any_command(), &mut buf, LIMIT), Ok(14));
    let held = open.keep();
    assert_eq!(held.locality(), L2);
    assert_eq!(model.active(), Some(2));

    let mut open = tpm.resume(held);
    assert_eq!(open.locality(), L2);
    assert_eq!(open.transmit(&any_command(), &mut buf, LIMIT), Ok(14));
    // Kept again, and dropped this time.
    let held = open.keep();
    assert_eq!(model.active(), Some(2));
    drop(tpm.resume(held));
    assert_eq!(model.active(), None);
    assert!(model.was_released_idle());
    // Nothing but the two commands; both at the locality that was kept.
    let asked = model.backend(|script| script.asked.clone());
    assert_eq!(asked, vec![(2, any_command().to_vec()); 2]);
}

/// The locality was taken away while it was kept.
#[test]
fn resumed_too_late() {
    let (model, mut tpm) = probed(|_| {});
    let held = tpm.open(L2).expect("open").keep();
    model.seize(3);
    let mut open = tpm.resume(held);
    let lost = open.transmit(&any_command(), &mut [0; 64], LIMIT);
    assert_eq!(lost, Err(TpmError::LocalityLost));
    open.close().expect("it is not ours any more");
    assert_eq!(model.active(), Some(3));
}

#[test]
fn cannot_be_given_back() {
    let (model, mut tpm) = probed(|f| f.stays_active = true);
    let open = tpm.open(L2).expect("open");
    assert_eq!(open.close(), Err(TpmError::NotReleased));
    assert_eq!(model.now(), T.a);
    drop(tpm.open(L2).expect("open"));
    assert_eq!(model.now(), 2 * T.a);
}

#[test]
fn lost_between_commands() {
    let (model, mut tpm) = probed(|_| {});
    let mut open = tpm.open(L2).expect("open");
    model.seize(3);
    let lost = open.transmit(&any_command(), &mut [0; 64], LIMIT);
    assert_eq!(lost, Err(TpmError::LocalityLost));
    drop(open);
    assert_eq!(model.active(), Some(3));
    assert_eq!(model.seizures(), 1);
}

/// Locality 4 takes the TPM at each register access in turn. There is a response, or an error that says so;
/// never all ones for a response, and never an access to what is known to be lost.
#[test]
fn lost_at_each_access() {
    let session = |taken_after| {
        let (model, mut tpm) = probed(|f| f.taken_after = taken_after);
        let ones = model.accesses();
        let result = exchange(&model, &mut tpm, &answer());
        (model.accesses() - ones, model.active(), result)
    };
    let probing = probed(|_| {}).0.accesses();
    let (accesses, _, good) = session(None);
    assert_eq!(good, Ok(answer()));
    let mut lost = 0;
    for n in 0..accesses {
        let (_, active, result) = session(Some(probing + n));
        assert_eq!(active, Some(4));
        match result {
            Err(TpmError::LocalityLost) => lost += 1,
            // Before it was granted.
            Err(TpmError::LocalityRefused) if n < 3 => {}
            // While it was given back.
            Ok(read) if n > 20 => assert_eq!(read, answer()),
            other => panic!("taken after {n} accesses: {other:?}"),
        }
    }
    assert!(lost > 15, "lost {lost} times");
}

#[test]
fn launch_is_told() {
    let (model, mut tpm) = probed(|_| {});
    let mut seen = model.clone();
    let mut state = || LocalityRegs::new(&mut seen, Locality::L0).locality_state();
    assert!(!state().is_established());
    model.measure(b"block");
    assert!(state().is_established());
    assert_eq!(state().active(), None);
    let open = tpm.open(Locality::L3).expect("open");
    assert_eq!(state().active(), Some(Locality::L3));
    drop(open);
    let _ = Tpm::into_parts(tpm);
}
