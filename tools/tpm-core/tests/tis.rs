// SPDX-License-Identifier: GPL-2.0

//! The state machine of the FIFO transport, with time and faults injected. A delay of exactly the
//! timeout is in time, one step of the clock more is not.

mod common;

use common::{any_command, response, Faults, Model, Script, TestClock, TestTpm, STEP_US};
use tpm_core::{Duration, Locality, Timeouts, Tpm, TpmError, TpmFamily, Transport};

const T: Timeouts = Timeouts::DEFAULT;
const LIMIT: Duration = Duration::from_us(600_000);

fn model(faults: Faults) -> (Model<Script>, TestClock) {
    Model::new(Script::default(), faults)
}

/// A TPM that was found, and then became faulty.
fn probed(change: impl FnOnce(&mut Faults)) -> (Model<Script>, TestTpm<Script>) {
    let (model, clock) = model(Faults::default());
    let tis = Tpm::probe(model.clone(), clock).expect("probe");
    model.set_faults(change);
    (model, tis)
}

fn probe_error(faults: Faults) -> Option<TpmError> {
    let (model, clock) = model(faults);
    let error = Tpm::probe(model.clone(), clock).err();
    assert!(model.active().is_none() && !model.is_wanted());
    error
}

/// Opens locality 2 and sends a command that is answered with `answer`.
fn exchange(
    model: &Model<Script>,
    tis: &mut TestTpm<Script>,
    answer: &[u8],
) -> Result<Vec<u8>, TpmError> {
    model.backend(|script| script.answers.push(answer.to_vec()));
    let mut open = tis.open(Locality::L2)?;
    let mut buf = [0; 64];
    let len = open.transmit(&any_command(), &mut buf, LIMIT)?;
    open.close()?;
    Ok(buf[..len].to_vec())
}

/// One exchange with a good answer, on a TPM with these faults.
fn faulty(change: impl FnOnce(&mut Faults)) -> (Model<Script>, Result<Vec<u8>, TpmError>) {
    let (model, mut tis) = probed(change);
    let answer = response(0x8001, 0, &[1, 2, 3, 4]);
    let result = exchange(&model, &mut tis, &answer);
    assert_eq!(model.active(), None, "the locality was not given back");
    if let Ok(read) = &result {
        assert_eq!(*read, answer);
        let asked = model.backend(|script| script.asked.clone());
        assert_eq!(asked, [(2, any_command().to_vec())]);
    }
    (model, result)
}

fn error(change: impl FnOnce(&mut Faults)) -> Option<TpmError> {
    faulty(change).1.err()
}

#[test]
fn probe_tells_interfaces_apart() {
    let id = |interface_id| Faults {
        interface_id,
        ..Faults::default()
    };
    assert_eq!(probe_error(id(0x0)), None);
    assert_eq!(probe_error(id(0xffff_ffff)), None); // TIS 1.2 has no such register.
    assert_eq!(probe_error(id(0x2)), Some(TpmError::UnknownInterface));
}

#[test]
fn probe_without_tpm() {
    let ones = Faults {
        vanish_after: Some(0),
        ..Faults::default()
    };
    assert_eq!(probe_error(ones), Some(TpmError::Absent));
    for did_vid in [0, 0xffff_ffff] {
        let faults = Faults {
            did_vid,
            ..Faults::default()
        };
        assert_eq!(probe_error(faults), Some(TpmError::Absent));
    }
}

#[test]
fn probe_waits_for_valid_access() {
    let late = |access_valid_at| Faults {
        access_valid_at,
        ..Faults::default()
    };
    assert_eq!(probe_error(late(T.a)), None);
    assert_eq!(probe_error(late(T.a + 1)), Some(TpmError::StatusTimeout));
}

#[test]
fn probe_reads_identity() {
    let (_, tis) = probed(|_| {});
    assert_eq!(tis.did_vid().vendor(), 0x1014);
    assert_eq!(tis.did_vid().device(), 0x0001);
}

#[test]
fn locality_is_granted_in_time() {
    assert_eq!(error(|f| f.grant_us = Some(T.a)), None);
    let (model, result) = faulty(|f| f.grant_us = Some(T.a + STEP_US));
    assert_eq!(result, Err(TpmError::LocalityRefused));
    assert!(!model.is_wanted(), "the request was not withdrawn");
    assert_eq!(model.seizures(), 0);
}

#[test]
fn locality_is_never_granted() {
    let (model, result) = faulty(|f| f.grant_us = None);
    assert_eq!(result, Err(TpmError::LocalityRefused));
    assert_eq!(model.now(), T.a);
}

#[test]
fn lower_locality_lets_go() {
    let (model, mut tis) = probed(|f| f.release_at = Some(T.a));
    model.hold(0);
    let open = tis.open(Locality::L2).expect("open");
    assert_eq!(model.seizures(), 0);
    drop(open);
}

#[test]
fn lower_locality_is_seized() {
    let (model, mut tis) = probed(|f| f.release_at = Some(T.a + STEP_US));
    model.hold(0);
    let open = tis.open(Locality::L2).expect("open");
    assert_eq!(model.seizures(), 1);
    assert_eq!(model.now(), T.a);
    assert_eq!(model.active(), Some(2));
    drop(open);
    // Who lost it acknowledges that when it comes back.
    assert!(model.was_seized(0));
    tis.open(Locality::L0)
        .expect("open")
        .close()
        .expect("close");
    assert!(!model.was_seized(0));
}

#[test]
fn seizure_is_ignored() {
    let (model, mut tis) = probed(|f| f.seize_ignored = true);
    model.hold(1);
    assert_eq!(
        tis.open(Locality::L2).err(),
        Some(TpmError::LocalityRefused)
    );
    assert_eq!(model.now(), 2 * T.a);
    assert_eq!(model.active(), Some(1));
    assert!(!model.is_wanted());
}

#[test]
fn higher_locality_is_left_alone() {
    for holder in [3, 4] {
        let (model, mut tis) = probed(|_| {});
        model.hold(holder);
        let refused = tis.open(Locality::L2).err();
        assert_eq!(refused, Some(TpmError::LocalityRefused));
        assert_eq!(model.seizures(), 0);
        assert_eq!(model.active(), Some(holder));
        assert!(!model.is_wanted());
    }
}

#[test]
fn own_locality_left_open_is_taken_over() {
    let (model, mut tis) = probed(|_| {});
    model.hold(2);
    let answer = response(0x8001, 0, &[]);
    assert_eq!(exchange(&model, &mut tis, &answer), Ok(answer));
    assert_eq!(model.active(), None);
}

#[test]
fn guard_gives_back() {
    let (model, mut tis) = probed(|_| {});
    let open = tis.open(Locality::L1).expect("open");
    assert_eq!(open.locality(), Locality::L1);
    assert_eq!(open.family(), TpmFamily::Tpm20);
    assert_eq!(model.active(), Some(1));
    drop(open);
    assert_eq!(model.active(), None);

    let open = tis.open(Locality::L2).expect("open");
    open.close().expect("close");
    assert_eq!(model.active(), None);

    // Somebody waits for it, and is next.
    let open = tis.open(Locality::L2).expect("open");
    model.want(1);
    open.close().expect("close");
    assert_eq!(model.active(), Some(1));
}

#[test]
fn kept_and_resumed() {
    let (model, mut tis) = probed(|_| {});
    let held = tis.open(Locality::L2).expect("open").keep();
    assert_eq!(held.locality(), Locality::L2);
    assert_eq!(model.active(), Some(2));
    let mut open = tis.resume(held);
    model.backend(|script| script.answers.push(response(0x8001, 0, &[])));
    let len = open.transmit(&any_command(), &mut [0; 64], LIMIT);
    assert_eq!(len, Ok(10));
    // Kept again, and dropped this time.
    let held = open.keep();
    assert_eq!(model.active(), Some(2));
    drop(tis.resume(held));
    assert_eq!(model.active(), None);
    assert_eq!(model.backend(|script| script.asked[0].0), 2);
}

#[test]
fn locality_cannot_be_given_back() {
    let (model, mut tis) = probed(|f| f.stays_active = true);
    let open = tis.open(Locality::L2).expect("open");
    assert_eq!(open.close(), Err(TpmError::NotReleased));
    assert_eq!(model.now(), T.a);
    drop(tis.open(Locality::L2).expect("open"));
    assert_eq!(model.now(), 2 * T.a);
}

#[test]
fn every_burst_count() {
    for burst in [1, 2, 3, 9, 10, 11, 12, 13, 64, u16::MAX] {
        assert_eq!(error(|f| f.burst = burst), None, "burst {burst}");
    }
}

#[test]
fn ready_in_time() {
    assert_eq!(error(|f| f.ready_us = Some(T.b)), None);
    let late = error(|f| f.ready_us = Some(T.b + STEP_US));
    assert_eq!(late, Some(TpmError::NotReady));
}

#[test]
fn stuck_busy() {
    let (model, result) = faulty(|f| f.ready_us = None);
    assert_eq!(result, Err(TpmError::NotReady));
    assert_eq!(model.now(), T.b);
}

#[test]
fn burst_in_time() {
    let slow = |us| {
        error(|f| {
            f.burst = 5;
            f.burst_us = us;
        })
    };
    assert_eq!(slow(Some(T.d)), None);
    assert_eq!(slow(Some(T.d + STEP_US)), Some(TpmError::BurstTimeout));
    assert_eq!(slow(None), Some(TpmError::BurstTimeout));
}

#[test]
fn status_valid_in_time() {
    assert_eq!(error(|f| f.valid_us = Some(T.c)), None);
    let late = error(|f| f.valid_us = Some(T.c + STEP_US));
    assert_eq!(late, Some(TpmError::StatusTimeout));
    let never = error(|f| f.valid_us = None);
    assert_eq!(never, Some(TpmError::StatusTimeout));
}

#[test]
fn wrong_expect() {
    for expect in [true, false] {
        let wrong = error(|f| f.expect = Some(expect));
        assert_eq!(wrong, Some(TpmError::TransferRejected));
    }
}

#[test]
fn response_in_time() {
    let limit = LIMIT.as_us();
    assert_eq!(error(|f| f.execute_us = Some(limit)), None);
}

/// The TPM gives up when asked, and says so.
#[test]
fn late_response_is_cancelled() {
    for cancel in [0, T.b] {
        let (model, mut tis) = probed(|f| {
            f.execute_us = Some(LIMIT.as_us() + STEP_US);
            f.cancel_us = Some(cancel);
        });
        let result = exchange(&model, &mut tis, &[]);
        assert_eq!(result, Ok(response(0x8001, 0x909, &[])));
        assert_eq!(model.now(), LIMIT.as_us() + cancel);
        assert!(model.backend(|script| script.asked.is_empty()));
    }
}

#[test]
fn late_response_cannot_be_cancelled() {
    let late = Duration::MEDIUM.as_us() + T.b + STEP_US;
    // One that does not tell its family is asked for it first, and that takes too long already.
    let asked = Duration::MEDIUM.as_us();
    for (tells_family, spent) in [(true, LIMIT.as_us() + T.b), (false, asked)] {
        let (model, mut tis) = probed(|f| {
            f.execute_us = Some(late);
            f.cancel_us = None;
            f.tells_family = tells_family;
        });
        let result = exchange(&model, &mut tis, &[]);
        assert_eq!(result, Err(TpmError::CommandTimeout));
        assert_eq!(model.now(), spent);
        assert!(!model.is_executing(), "the command was not aborted");
        assert_eq!(model.active(), None);

        // The TPM is as good as new.
        model.set_faults(|f| f.execute_us = Some(0));
        let refusal = response(0x00c4, 0x1e, &[]);
        let asked = if tells_family { vec![] } else { vec![refusal] };
        model.backend(|script| script.answers = asked);
        let answer = response(0x8001, 0, &[7]);
        assert_eq!(exchange(&model, &mut tis, &answer), Ok(answer));
        let family = [TpmFamily::Tpm12, TpmFamily::Tpm20][usize::from(tells_family)];
        assert_eq!(tis.family(), Some(family));
    }
}

/// A TPM 2.0 can be asked to give up; else, and for a TPM 1.2, the command is aborted.
#[test]
fn nobody_waits() {
    const GIVE_UP: u64 = 10 * STEP_US;
    for (tells_family, cancel, spent) in [
        (true, Some(T.b), GIVE_UP + T.b),
        (true, None, GIVE_UP + T.b),
        (false, Some(0), GIVE_UP),
    ] {
        let faults = Faults {
            tells_family,
            ..Faults::default()
        };
        let (model, clock) = model(faults);
        let give_up_at = clock.give_up_at.clone();
        let mut tis = Tpm::probe(model.clone(), clock).expect("probe");
        if !tells_family {
            let refusal = response(0x00c4, 0x1e, &[]);
            model.backend(|script| script.answers = vec![refusal]);
        }
        let mut open = tis.open(Locality::L2).expect("open");
        let family = [TpmFamily::Tpm12, TpmFamily::Tpm20][usize::from(tells_family)];
        assert_eq!(open.family(), family);
        model.set_faults(|f| (f.execute_us, f.cancel_us) = (None, cancel));
        let begin = model.now();
        give_up_at.set(Some(begin + GIVE_UP));
        let result = open.transmit(&any_command(), &mut [0; 64], LIMIT);
        let cancelled = tells_family && cancel.is_some();
        let expected = cancelled.then_some(10).ok_or(TpmError::Canceled);
        assert_eq!(result, expected);
        assert_eq!(model.now() - begin, spent);
        assert!(!model.is_executing(), "the command was not aborted");

        give_up_at.set(None);
        model.set_faults(|f| f.execute_us = Some(0));
        model.backend(|script| script.answers.push(response(0x8001, 0, &[7])));
        let next = open.transmit(&any_command(), &mut [0; 64], LIMIT);
        assert_eq!(next, Ok(11));
    }
}

/// The command finishes while it is being cancelled: its result counts.
#[test]
fn response_comes_instead_of_cancellation() {
    let (_, result) = faulty(|f| {
        f.execute_us = Some(LIMIT.as_us() + T.b);
        f.cancel_us = None;
    });
    assert!(result.is_ok());
}

#[test]
fn damaged_response_is_read_again() {
    assert_eq!(error(|f| f.cut_reads = 1), None);
    assert_eq!(error(|f| f.cut_reads = 2), None);
    let (model, result) = faulty(|f| f.cut_reads = 3);
    assert_eq!(result, Err(TpmError::ResponseTruncated));
    assert!(model.now() < 4 * T.c);
}

#[test]
fn bad_responses() {
    let sized = |size: u32, len: usize| {
        let mut bytes = response(0x8001, 0, &[0; 100]);
        bytes[2..6].copy_from_slice(&size.to_be_bytes());
        bytes.truncate(len);
        bytes
    };
    for (answer, error) in [
        (sized(12, 11), TpmError::ResponseTruncated),
        (sized(10, 9), TpmError::ResponseTruncated),
        (sized(10, 1), TpmError::ResponseTruncated),
        (sized(12, 13), TpmError::ResponseOversized),
        (sized(65, 65), TpmError::ResponseOversized),
        (sized(u32::MAX, 64), TpmError::ResponseOversized),
        (sized(9, 10), TpmError::ResponseMalformed),
        (sized(0, 10), TpmError::ResponseMalformed),
    ] {
        let (model, mut tis) = probed(|_| {});
        assert_eq!(exchange(&model, &mut tis, &answer), Err(error));
        assert_eq!(model.active(), None);
    }
    let (model, mut tis) = probed(|_| {});
    let largest = sized(64, 64);
    assert_eq!(exchange(&model, &mut tis, &largest), Ok(largest));
}

#[test]
fn no_response_at_all() {
    let (model, mut tis) = probed(|_| {});
    // Never any data: as long as the TPM computes, then as long as it takes to cancel nothing.
    let result = exchange(&model, &mut tis, &[]);
    assert_eq!(result, Err(TpmError::CommandTimeout));
}

#[test]
fn idle_after_each_command() {
    for idle in [false, true] {
        let (model, mut tis) = probed(|f| f.idle_after = idle);
        let answer = response(0x8001, 0, &[9; 20]);
        model.backend(|script| script.answers = vec![answer.clone(); 3]);
        let mut open = tis.open(Locality::L0).expect("open");
        for _ in 0..3 {
            let mut buf = [0; 64];
            let len = open.transmit(&any_command(), &mut buf, LIMIT);
            assert_eq!(len, Ok(30));
            assert_eq!(buf[..30], answer);
        }
    }
}

#[test]
fn buffers_without_room_for_a_header() {
    let (model, mut tis) = probed(|_| {});
    let mut open = tis.open(Locality::L0).expect("open");
    let mut buf = [0; 64];
    let short = open.transmit(&any_command()[..9], &mut buf, LIMIT);
    assert_eq!(short, Err(TpmError::CommandInvalid));
    let short = open.transmit(&any_command(), &mut buf[..9], LIMIT);
    assert_eq!(short, Err(TpmError::CommandInvalid));
    drop(open);
    assert!(model.backend(|script| script.asked.is_empty()));
}

/// The TPM vanishes at each of its register accesses in turn.
#[test]
fn vanishing() {
    let session = |vanish_after| {
        let faults = Faults {
            vanish_after,
            burst: 5,
            ..Faults::default()
        };
        let (model, clock) = model(faults);
        let result = Tpm::probe(model.clone(), clock)
            .and_then(|mut tis| exchange(&model, &mut tis, &response(0x8001, 0, &[1, 2, 3])));
        (model.accesses(), result)
    };
    let (accesses, good) = session(None);
    assert!(good.is_ok());
    for n in 0..accesses {
        match session(Some(n)).1 {
            Err(TpmError::Absent | TpmError::Vanished) => {}
            // Vanished between two reads of one look at the probe.
            Err(TpmError::StatusTimeout) if n < 5 => {}
            other => panic!("vanished after {n} accesses: {other:?}"),
        }
    }
    assert!(session(Some(accesses)).1.is_ok());
}

#[test]
fn locality_is_lost() {
    let (model, mut tis) = probed(|_| {});
    let mut open = tis.open(Locality::L2).expect("open");
    model.seize(3);
    let mut buf = [0; 64];
    let lost = open.transmit(&any_command(), &mut buf, LIMIT);
    assert_eq!(lost, Err(TpmError::LocalityLost));
    drop(open);
    assert_eq!(model.active(), Some(3));
    assert_eq!(model.seizures(), 1);
}

#[test]
fn clock_stands_still() {
    let (model, mut clock) = model(Faults::default());
    clock.step = 0;
    let mut tis = Tpm::probe(model.clone(), clock).expect("probe");
    model.hold(0);
    let error = tis.open(Locality::L2).err();
    assert_eq!(error, Some(TpmError::ClockStopped));
    assert!(!model.is_wanted());
}

#[test]
fn pause_takes_its_time() {
    let (model, mut tis) = probed(|_| {});
    let mut open = tis.open(Locality::L2).expect("open");
    open.pause(10 * STEP_US).expect("pause");
    assert_eq!(model.now(), 10 * STEP_US);
}
