// SPDX-License-Identifier: GPL-2.0

//! Properties of the transports: whatever the registers read as, and whatever is in the buffers, never a panic,
//! an end in time, and the locality is given back.

mod common;

use common::{any_command, CrbFaults, CrbModel, Noise, Script, Stuck, TestClock};
use proptest::collection::vec;
use proptest::prelude::*;
use tpm_core::{Clock, Duration, Locality, Timeouts, Tpm, TpmError, Transport};

const T: Timeouts = Timeouts::DEFAULT;
const STEP: u64 = 20_000;
const ROOM: usize = 100;

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        // The tree stays as it is; a failure prints its input.
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn clock() -> TestClock {
    let mut clock = TestClock::new();
    clock.step = STEP;
    clock
}

fn locality() -> impl Strategy<Value = Locality> {
    prop::sample::select(Locality::ALL.to_vec())
}

/// Which plausible value, or any; the good one mostly, or nothing would get far.
fn choices() -> impl Strategy<Value = (Vec<(u8, u32)>, Option<Stuck>)> {
    let choice = |good| {
        let which = prop_oneof![good => Just(0u8), 3 => 1u8..8, 1 => Just(u8::MAX)];
        vec((which, any::<u32>()), 1..400)
    };
    let choices = prop_oneof![choice(8), choice(100), choice(400)];
    // ACCESS or LOC_STATE, STS, FIFO; request, status, start.
    let register = prop::sample::select(vec![0, 0x18, 0x24, 0x40, 0x44, 0x4c]);
    let stuck = (register, 0u64..120, (0u8..10, any::<u32>()));
    (choices, prop::option::of(stuck))
}

/// How a guard ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Drop,
    Close,
    /// Kept, resumed and dropped.
    Keep,
}

/// Two commands and an end, over registers that read as anything.
fn noise(
    crb: bool,
    (choices, stuck): (Vec<(u8, u32)>, Option<Stuck>),
    locality: Locality,
    end: End,
    give_up_at: Option<u64>,
    limit: u64,
) -> Result<(), TestCaseError> {
    let clock = clock();
    clock.give_up_at.set(give_up_at);
    let mut io = Noise::new(crb, choices, stuck);
    let mut responses = Vec::new();
    match Tpm::probe(&mut io, &clock) {
        Err(error) => {
            let expected = matches!(error, TpmError::StatusTimeout | TpmError::Absent);
            prop_assert!(expected, "{:?}", error);
        }
        Ok(mut tpm) => {
            let opened = tpm.open(locality).map(|mut open| {
                for _ in 0..2 {
                    let mut buf = [0; ROOM];
                    let limit = Duration::from_us(limit);
                    responses.push(open.transmit(&any_command(), &mut buf, limit));
                }
                let mut held = None;
                let result = match end {
                    End::Drop => {
                        drop(open);
                        Ok(())
                    }
                    End::Close => open.close(),
                    End::Keep => {
                        held = Some(open.keep());
                        Ok(())
                    }
                };
                (held, result)
            });
            let opened = opened.and_then(|(held, result)| {
                if let Some(held) = held {
                    drop(tpm.resume(held));
                }
                result
            });
            let page = u8::try_from(locality.base() >> 12).expect("few");
            let relinquish = if crb { 2 } else { 0x20 };
            // Given back last, whatever became of it.
            let claim = tpm.into_parts().0.last_claim;
            prop_assert_eq!(claim, Some((page, relinquish)), "{:?}", opened);
        }
    }
    for response in responses.iter().flatten() {
        prop_assert!((10..=ROOM).contains(response));
    }
    let command = if crb {
        // An old command is cancelled, idle, ready, the command, cancelled.
        T.b + T.c + T.c + limit + T.b
    } else {
        let bytes = |n: usize, us| u64::try_from(n).expect("few") * us;
        let send = bytes(12, T.d) + 2 * T.c;
        // Three times, each byte after both waits.
        let receive = 3 * (bytes(ROOM, T.c + T.d) + T.c);
        T.b + send + limit + T.b + receive + T.b
    };
    // FIFO: the family may have to be asked for, up to eight times.
    let commands = if crb { 2 } else { 10 };
    let release = T.b + T.c + T.a;
    let all = T.a + 2 * T.a + commands * (command + 2_000_000) + 2 * release;
    prop_assert!(clock.elapsed_us() <= all, "{} us", clock.elapsed_us());
    // A round of a wait takes few accesses, a wait has one round more than time.
    let rounds = clock.elapsed_us() / STEP;
    prop_assert!(
        io.accesses <= 4 * rounds + commands * 3000,
        "{} accesses",
        io.accesses
    );
    Ok(())
}

fn end() -> impl Strategy<Value = End> {
    prop::sample::select(vec![End::Drop, End::Close, End::Keep])
}

proptest! {
    #![proptest_config(cases(1024))]

    #[test]
    fn any_crb(
        choices in choices(),
        locality in locality(),
        end in end(),
        give_up_at in prop::option::of(0u64..2_000_000),
        limit in 0u64..2_000_000,
    ) {
        noise(true, choices, locality, end, give_up_at, limit)?;
    }

    #[test]
    fn any_fifo(
        choices in choices(),
        locality in locality(),
        end in end(),
        give_up_at in prop::option::of(0u64..2_000_000),
        limit in 0u64..2_000_000,
    ) {
        noise(false, choices, locality, end, give_up_at, limit)?;
    }
}

/// An address and a size near to what is good.
fn buffer() -> impl Strategy<Value = (u64, u32)> {
    let base = prop::sample::select(vec![
        0xfed4_2080u64,
        0xfed4_2800,
        0xfed4_2f00,
        0xfed4_1fff,
        0xfed4_0000,
        0xfed4_5000,
        0x1_fed4_2080,
        0,
        u64::MAX,
    ]);
    let size = prop::sample::select(vec![0xf80u32, 0x800, 0x100, 0x40, 12, 10, 0, u32::MAX]);
    let offset = prop_oneof![3 => Just(0u64), 1 => (0u64..64).prop_map(|n| n * 4), 1 => 0u64..256];
    let more = prop_oneof![3 => Just(0u32), 1 => 0u32..8];
    (base, offset, size, more)
        .prop_map(|(base, offset, size, more)| (base.wrapping_add(offset), size.wrapping_add(more)))
}

proptest! {
    #![proptest_config(cases(1024))]

    /// Any bytes in the buffer, with sizes that are sometimes right.
    #[test]
    fn any_answer(
        mut answer in vec(any::<u8>(), 0..120),
        size in prop_oneof![1 => Just(None), 3 => (0u32..130).prop_map(Some)],
    ) {
        if let (Some(size), Some(field)) = (size, answer.get_mut(2..6)) {
            field.copy_from_slice(&size.to_be_bytes());
        }
        let script = Script { answers: vec![answer.clone()], ..Script::default() };
        let (model, clock) = CrbModel::new(script, CrbFaults::default());
        let mut tpm = Tpm::probe(model.clone(), clock).expect("probe");
        let mut open = tpm.open(Locality::L2).expect("open");
        let mut buf = [0; ROOM];
        let result = open.transmit(&any_command(), &mut buf, Duration::MEDIUM);
        drop(open);
        prop_assert_eq!(model.active(), None);
        prop_assert!(model.was_released_idle());
        // What the TPM did not write is the command still: of its size, or no size at all.
        let mut seen = any_command().to_vec();
        seen.resize(ROOM.max(answer.len()), 0x11);
        seen[..answer.len()].copy_from_slice(&answer);
        let size = usize::try_from(u32::from_be_bytes(seen[2..6].try_into().expect("four")));
        let good = size.ok().filter(|size| (10..=ROOM).contains(size));
        prop_assert_eq!(result.ok(), good);
        if let Some(len) = good {
            prop_assert_eq!(&buf[..len], &seen[..len]);
        }
    }

    /// Buffers anywhere: used where they may be, and nothing is touched elsewhere (the model looks).
    #[test]
    fn any_buffers(command in buffer(), response in buffer()) {
        // The same, or apart: what half of a buffer means nobody knows.
        let (to, from) = (command.0 & 0xfff, response.0 & 0xfff);
        let apart = |a: u64, size: u32, b: u64| a.saturating_add(size.into()) <= b;
        prop_assume!(
            command.0 == response.0
                || to != from && (apart(to, command.1, from) || apart(from, response.1, to))
        );
        let answer = common::response(0x8001, 0, &[1, 2, 3, 4]);
        let script = Script { answers: vec![answer.clone()], ..Script::default() };
        let faults = CrbFaults { buffers: Some([command, response]), ..CrbFaults::default() };
        let (model, clock) = CrbModel::new(script, faults);
        let mut tpm = Tpm::probe(model.clone(), clock).expect("probe");
        let mut open = tpm.open(Locality::L2).expect("open");
        let mut buf = [0; ROOM];
        let result = open.transmit(&any_command(), &mut buf, Duration::MEDIUM);
        drop(open);
        prop_assert_eq!(model.active(), None);
        let usable = |(phys, size): (u64, u32)| {
            let page = phys & !0xfff;
            let pages = 0xfed4_0000..=0xfed4_4000;
            let size = u64::from(size);
            pages.contains(&page) && phys & 3 == 0 && phys & 0xfff >= 0x80 && size >= 10
                && (phys & 0xfff) + size <= 0x1000
        };
        let wanted = match usable(command) && usable(response) {
            false => Err(TpmError::BufferBounds),
            true if command.1 < 12 => Err(TpmError::CommandInvalid),
            true if response.1 < 14 => Err(TpmError::ResponseOversized),
            true => Ok(14),
        };
        prop_assert_eq!(result, wanted);
    }
}
