// SPDX-License-Identifier: GPL-2.0

//! Registers that the gate looks at and QEMU's processor does not have.
//!
//! QEMU 10.0 translates a write to DEBUGCTL, TSC_ADJUST, SPEC_CTRL, VM_CR or S_CET into nothing, and a read into 0,
//! without a fault. So firmware that changes one of them cannot be seen here, and no test says that it
//! would be. (MISC_ENABLE is kept, but the gate looks at it on Intel's processors only, and the model's is AMD's.)

use crate::common::Slot;
use crate::hostile::{snapshot, Settings};
use crate::talk::Guest;

/// The driver's behaviours that have no effect. Where this fails QEMU has learned to keep one:
/// it then belongs into the table of `hostile/cases.rs`.
#[test]
fn writes_are_ignored() {
    let snapshot = snapshot(Settings::Plain);
    let _slot = Slot::take();
    let mut guest = Guest::of(snapshot);
    for behaviour in [
        "B13-debugctl",
        "B18-tsc-adjust",
        "B21-vm-cr",
        "B22-spec-ctrl",
        "B24-s-cet",
    ] {
        guest.must(&format!("read {behaviour}"));
        // Before, after, number of the register: it was written, and read back.
        let evidence = guest.numbers("Q02-evidence");
        assert_eq!(evidence[..2], [0, 0], "{behaviour} is kept: {evidence:x?}");
        assert_ne!(evidence[2], 0, "{behaviour} did nothing");
    }
}
