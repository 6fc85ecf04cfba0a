// SPDX-License-Identifier: GPL-2.0

//! The state machine of the CRB transport, with time and faults injected. A delay of exactly the timeout is in
//! time, one step of the clock more is not.

mod common;

use common::crb_harness::{
    answer, assert_recovers, error, exchange, faulty, model, probe_error, probed, LIMIT, T,
};
use common::{any_command, response, CrbFaults, STEP_US};
use tpm_core::{CrbLayout, Interface, Locality, Tpm, TpmError, TpmFamily, Transport};

const L2: Locality = Locality::L2;
const CANCELED: u32 = 0x909;

#[test]
fn probe_reads_identity() {
    let (model, tpm) = probed(|_| {});
    assert_eq!(tpm.interface(), Interface::Crb(CrbLayout::PTP));
    assert_eq!(tpm.family(), Some(TpmFamily::Tpm20));
    assert_eq!(
        (tpm.did_vid().vendor(), tpm.did_vid().device()),
        (0x1014, 1)
    );
    assert_eq!((model.active(), model.now()), (None, 0));
}

#[test]
fn probe_without_crb() {
    for reserved in 2..0xf {
        let unknown = CrbFaults {
            interface_id: reserved,
            ..CrbFaults::default()
        };
        assert_eq!(probe_error(unknown), Some(TpmError::UnknownInterface));
    }
    let gone = CrbFaults {
        vanish_after: Some(0),
        ..CrbFaults::default()
    };
    assert_eq!(probe_error(gone), Some(TpmError::Absent));
}

#[test]
fn probe_waits_for_valid_state() {
    let late = |state_valid_at| CrbFaults {
        state_valid_at,
        ..CrbFaults::default()
    };
    assert_eq!(probe_error(late(T.a)), None);
    assert_eq!(probe_error(late(T.a + 1)), Some(TpmError::StatusTimeout));
}

#[test]
fn ready_in_time() {
    for (ready, awake) in [(T.c, 0), (0, T.c), (T.c - STEP_US, STEP_US)] {
        let late = |more| {
            faulty(|f| {
                f.ready_us = Some(ready);
                f.awake_us = Some(awake + more);
            })
        };
        assert_eq!(late(0), (T.c + 1000, Ok(answer())));
        assert_eq!(late(STEP_US), (T.c, Err(TpmError::NotReady)));
    }
    assert_eq!(
        faulty(|f| f.ready_us = None),
        (T.c, Err(TpmError::NotReady))
    );
    assert_eq!(
        faulty(|f| f.awake_us = None),
        (T.c, Err(TpmError::NotReady))
    );
}

/// From Completion to the next command through Idle, and idle when it is given back.
#[test]
fn idle_in_time() {
    for (idle, second) in [
        (Some(0), Ok(14)),
        (Some(T.c), Ok(14)),
        (Some(T.c + STEP_US), Err(TpmError::NotReady)),
        (None, Err(TpmError::NotReady)),
    ] {
        let (model, mut tpm) = probed(|f| f.idle_us = idle);
        model.backend(|script| script.answers = vec![answer(); 2]);
        let mut buf = [0; 64];
        let mut open = tpm.open(L2).expect("open");
        assert_eq!(open.transmit(&any_command(), &mut buf, LIMIT), Ok(14));
        assert_eq!(open.transmit(&any_command(), &mut buf, LIMIT), second);
        // One that does not get to sleep is given back all the same.
        open.close().expect("close");
        assert_eq!(model.active(), None);
        assert_eq!(model.was_released_idle(), second.is_ok());
        assert_recovers(&model, &mut tpm);
    }
}

#[test]
fn idle_is_not_told() {
    let (model, mut tpm) = probed(|f| f.tells_idle = false);
    for _ in 0..3 {
        assert_eq!(exchange(&model, &mut tpm, &answer()), Ok(answer()));
    }
    assert!(model.was_released_idle());
}

#[test]
fn response_in_time() {
    let limit = LIMIT.as_us();
    assert_eq!(
        faulty(|f| f.execute_us = Some(limit)),
        (limit, Ok(answer()))
    );
}

/// The TPM gives up when asked, and says so.
#[test]
fn late_response_is_cancelled() {
    for cancel in [0, T.b] {
        let (model, mut tpm) = probed(|f| {
            f.execute_us = None;
            f.cancel_us = Some(cancel);
        });
        let result = exchange(&model, &mut tpm, &[]);
        assert_eq!(result, Ok(response(0x8001, CANCELED, &[])));
        assert_eq!(model.now(), LIMIT.as_us() + cancel);
        assert!(model.backend(|script| script.asked.is_empty()));
        assert!(model.was_released_idle());
        assert_recovers(&model, &mut tpm);
    }
}

/// Asked once for the command, once before the TPM is given back.
#[test]
fn late_response_cannot_be_cancelled() {
    for cancel in [Some(T.b + STEP_US), None] {
        let late = faulty(|f| {
            f.execute_us = None;
            f.cancel_us = cancel;
        });
        let spent = LIMIT.as_us() + 2 * T.b;
        assert_eq!(late, (spent, Err(TpmError::CommandTimeout)));
    }
}

/// The command finishes while it is being cancelled: its result counts.
#[test]
fn response_comes_instead_of_cancellation() {
    let spent = LIMIT.as_us() + T.b;
    let late = faulty(|f| {
        f.execute_us = Some(spent);
        f.cancel_us = None;
    });
    assert_eq!(late, (spent, Ok(answer())));
}

/// A command that is sent while the last one still runs neither disturbs it nor takes its response.
#[test]
fn last_command_still_runs() {
    let (model, mut tpm) = probed(|f| {
        f.execute_us = None;
        f.cancel_us = None;
    });
    let mut buf = [0; 64];
    let mut open = tpm.open(L2).expect("open");
    let timeout = open.transmit(&any_command(), &mut buf, LIMIT);
    assert_eq!(timeout, Err(TpmError::CommandTimeout));
    let busy = open.transmit(&any_command(), &mut buf, LIMIT);
    assert_eq!(busy, Err(TpmError::NotReady));
    assert_eq!(model.now(), LIMIT.as_us() + 2 * T.b);
    assert!(model.is_executing());

    // Now it listens: the old command ends as cancelled, the new one gets its own response.
    model.set_faults(|f| {
        f.execute_us = Some(0);
        f.cancel_us = Some(STEP_US);
    });
    model.backend(|script| script.answers = vec![answer()]);
    assert_eq!(open.transmit(&any_command(), &mut buf, LIMIT), Ok(14));
    assert_eq!(buf[..14], answer());
    open.close().expect("close");
    assert_eq!(model.backend(|script| script.asked.len()), 1);
    assert!(model.was_released_idle());
}

/// It is not for the next command.
#[test]
fn request_to_cancel_is_left_over() {
    let (model, mut tpm) = probed(|_| {});
    let mut open = tpm.open(L2).expect("open");
    model.leave_cancel();
    model.backend(|script| script.answers = vec![answer()]);
    let len = open.transmit(&any_command(), &mut [0; 64], LIMIT);
    assert_eq!(len, Ok(14));
}

#[test]
fn nobody_waits() {
    for (cancel, result) in [
        (Some(T.b), Ok(response(0x8001, CANCELED, &[]))),
        (None, Err(TpmError::Canceled)),
    ] {
        let (model, clock) = model(CrbFaults::default());
        let give_up_at = clock.give_up_at.clone();
        let mut tpm = Tpm::probe(model.clone(), clock).expect("probe");
        model.set_faults(|f| {
            f.execute_us = None;
            f.cancel_us = cancel;
        });
        give_up_at.set(Some(10 * STEP_US));
        let tries = if result.is_ok() { 1 } else { 2 };
        assert_eq!(exchange(&model, &mut tpm, &[]), result);
        assert_eq!(model.now(), 10 * STEP_US + tries * T.b);
        assert!(model.backend(|script| script.asked.is_empty()));
        give_up_at.set(None);
        assert_recovers(&model, &mut tpm);
    }
}

#[test]
fn fatal_error() {
    for state in 0..3 {
        let (model, mut tpm) = probed(|f| f.fatal[state] = true);
        let result = exchange(&model, &mut tpm, &answer());
        assert_eq!(result, Err(TpmError::Failed));
        // Noticed before the command, or behind it.
        let asked = model.backend(|script| script.asked.len());
        assert_eq!(asked, usize::from(state == 2));
        assert_eq!(model.active(), None);
        assert_recovers(&model, &mut tpm);
    }
}

#[test]
fn platform_is_told_of_each_command() {
    let (model, mut tpm) = probed(|_| {});
    for n in 1..=3 {
        assert_eq!(exchange(&model, &mut tpm, &answer()), Ok(answer()));
        assert_eq!(model.invocations(), n);
    }
}

#[test]
fn platform_refuses() {
    for (cancel, spent) in [(Some(0), 0), (Some(T.b), T.b), (None, 2 * T.b)] {
        let refused = faulty(|f| {
            f.invoke_refused = true;
            f.cancel_us = cancel;
        });
        assert_eq!(refused, (spent, Err(TpmError::TransferRejected)));
    }
}

#[test]
fn every_length_of_command() {
    let (model, mut tpm) = probed(|_| {});
    let mut open = tpm.open(L2).expect("open");
    for len in (10u32..=20).chain(0xf7c..=0xf80) {
        let mut command = vec![0xa5; usize::try_from(len).expect("small")];
        command[2..6].copy_from_slice(&len.to_be_bytes());
        model.backend(|script| script.answers.push(answer()));
        let mut buf = [0; 64];
        assert_eq!(open.transmit(&command, &mut buf, LIMIT), Ok(14));
        let asked = model.backend(|script| script.asked.pop());
        assert_eq!(asked, Some((2, command)));
    }
    let large = open.transmit(&[0; 0xf81], &mut [0; 64], LIMIT);
    assert_eq!(large, Err(TpmError::CommandInvalid));
}

#[test]
fn every_length_of_response() {
    let (model, mut tpm) = probed(|_| {});
    for len in 0..=54 {
        let answer = response(0x8001, 0, &vec![0x5a; len]);
        assert_eq!(exchange(&model, &mut tpm, &answer), Ok(answer));
    }
}

#[test]
fn buffers_without_room_for_a_header() {
    let (model, mut tpm) = probed(|_| {});
    let mut open = tpm.open(Locality::L0).expect("open");
    let mut buf = [0; 64];
    let short = open.transmit(&any_command()[..9], &mut buf, LIMIT);
    assert_eq!(short, Err(TpmError::CommandInvalid));
    let short = open.transmit(&any_command(), &mut buf[..9], LIMIT);
    assert_eq!(short, Err(TpmError::CommandInvalid));
    drop(open);
    assert!(model.backend(|script| script.asked.is_empty()));
}

#[test]
fn bad_responses() {
    let sized = |size: u32| {
        let mut bytes = response(0x8001, 0, &[0; 100]);
        bytes[2..6].copy_from_slice(&size.to_be_bytes());
        bytes
    };
    for (answer, error) in [
        (sized(65), TpmError::ResponseOversized),
        (sized(0xf81), TpmError::ResponseOversized),
        (sized(u32::MAX), TpmError::ResponseOversized),
        (vec![0xff; 100], TpmError::ResponseOversized),
        (sized(9), TpmError::ResponseMalformed),
        (sized(0), TpmError::ResponseMalformed),
        (vec![0; 100], TpmError::ResponseMalformed),
    ] {
        let (model, mut tpm) = probed(|_| {});
        assert_eq!(exchange(&model, &mut tpm, &answer), Err(error));
        assert_eq!(model.active(), None);
        assert!(model.was_released_idle());
        assert_recovers(&model, &mut tpm);
    }
}

/// The TPM vanishes at each of its register accesses in turn.
#[test]
fn vanishing() {
    let session = |vanish_after| {
        let (model, clock) = model(CrbFaults {
            vanish_after,
            ..CrbFaults::default()
        });
        let result = Tpm::probe(model.clone(), clock)
            .and_then(|mut tpm| exchange(&model, &mut tpm, &answer()));
        (model.accesses(), model.now(), result)
    };
    let (accesses, _, good) = session(None);
    assert_eq!(good, Ok(answer()));
    for n in 0..accesses {
        let (_, now, result) = session(Some(n));
        match result {
            Err(TpmError::Absent | TpmError::Vanished) => assert!(now <= 1000),
            // Between the reads that look for it.
            Err(TpmError::UnknownInterface | TpmError::StatusTimeout) if n < 4 => {}
            other => panic!("vanished after {n} accesses: {other:?}"),
        }
    }
    assert_eq!(session(Some(accesses)).2, Ok(answer()));
}

#[test]
fn clock_stands_still() {
    let (model, mut clock) = model(CrbFaults::default());
    clock.step = 0;
    let mut tpm = Tpm::probe(model.clone(), clock).expect("probe");
    model.hold(0);
    let error = tpm.open(L2).err();
    assert_eq!(error, Some(TpmError::ClockStopped));
    assert!(!model.is_wanted());
}

#[test]
fn pause_takes_its_time() {
    let (model, mut tpm) = probed(|_| {});
    let mut open = tpm.open(L2).expect("open");
    open.pause(10 * STEP_US).expect("pause");
    assert_eq!(model.now(), 10 * STEP_US);
}

#[test]
fn errors_are_those_of_the_fault() {
    assert_eq!(
        error(|f| f.grant_us = None),
        Some(TpmError::LocalityRefused)
    );
    assert_eq!(error(|f| f.ready_us = None), Some(TpmError::NotReady));
    assert_eq!(error(|f| f.fatal = [true; 3]), Some(TpmError::Failed));
}
