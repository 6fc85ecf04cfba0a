// SPDX-License-Identifier: GPL-2.0
//! Guests that write anything anywhere.

use drtm_vm::tpm::crb::registers as reg;
use drtm_vm::tpm::crb::SIZE;
use proptest::prelude::*;

use crate::bench::{Bench, ANSWER, COMMAND};

/// Something a guest or the model does.
#[derive(Debug, Clone)]
enum Act {
    Write(usize, u32),
    Step,
    Fault(&'static str),
    Clear,
}

fn act() -> impl Strategy<Value = Act> {
    let register = prop_oneof![
        3 => Just(reg::LOC_CTRL),
        3 => Just(reg::CTRL_REQ),
        3 => Just(reg::CTRL_START),
        1 => Just(reg::CTRL_CANCEL),
        1 => Just(reg::DATA_BUFFER),
        2 => (0..reg::PAGE / 4).prop_map(|word| word * 4),
    ];
    let value = prop_oneof![3 => 0..16_u32, 1 => any::<u32>()];
    let faults = prop::sample::select(vec![
        "no-grant",
        "never-ready",
        "never-idle",
        "fatal",
        "cmd-size=0",
        "grant-delay=1",
    ]);
    prop_oneof![
        8 => (0..SIZE / reg::PAGE, register, value)
            .prop_map(|(page, register, value)| Act::Write(page * reg::PAGE + register, value)),
        4 => Just(Act::Step),
        1 => faults.prop_map(Act::Fault),
        1 => Just(Act::Clear),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a guest writes, the device neither panics nor hangs, and once the guest is done with
    /// its nonsense it works.
    #[test]
    fn no_write_breaks_it(acts in prop::collection::vec(act(), 0..200)) {
        let mut bench = Bench::new();
        for act in acts {
            match act {
                Act::Write(at, value) => bench.guest.store(at / reg::PAGE, at % reg::PAGE, value),
                Act::Step => { bench.device.step(); }
                Act::Fault(text) => bench.fault(text),
                Act::Clear => bench.hand.set_fault(None),
            }
        }
        bench.hand.set_fault(None);
        bench.settle();
        for page in 0..reg::LOCALITIES {
            bench.write(page, reg::LOC_CTRL, reg::CTRL_RELINQUISH);
            bench.write(page, reg::CTRL_CANCEL, 0);
        }
        prop_assert_eq!(bench.active(), None);
        bench.ready(2);
        bench.start(2, &COMMAND);
        prop_assert!(!bench.started(2));
        prop_assert_eq!(bench.guest.read_buffer(2, 10), ANSWER);
    }
}
