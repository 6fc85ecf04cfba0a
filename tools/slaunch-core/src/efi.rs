// SPDX-License-Identifier: GPL-2.0

//! What the gate around EFI runtime services puts on record: the files of `arch/x86/slaunch/efi` that
//! need no kernel, for the tests below.

use super::{gate, isolate, service};

#[allow(dead_code)] // The kernel uses more of it.
#[path = "../../../arch/x86/slaunch/efi/deviation.rs"]
mod deviation;
#[path = "../../../arch/x86/slaunch/efi/text.rs"]
mod text;

mod tests {
    use std::string::String;

    use super::deviation::{Deviation, Violation, What, MOST};
    use super::gate::{Depth, Gate, Mode, Policy};
    use super::isolate::prm::Guid;
    use super::service::Service;
    use super::text::{Text, SIZE};

    fn one(what: What, from: u64, to: u64, restored: bool) -> Deviation {
        Deviation {
            what,
            from,
            to,
            restored,
        }
    }

    fn text_of(violation: &Violation) -> String {
        let mut text = Text::new();
        text.set_violation(violation);
        assert_eq!(text.as_bytes(), text.as_str().as_bytes());
        String::from(text.as_str())
    }

    /// The text of this deviation, without what comes before.
    fn text_of_one(deviation: Deviation) -> String {
        let mut violation = Violation::new(Service::GetVariable);
        assert!(violation.is_empty());
        violation.add(deviation);
        assert!(!violation.is_empty());
        let text = text_of(&violation);
        let rest = text.strip_prefix("EFI gate: violation in GetVariable: ");
        String::from(rest.expect("what a violation begins with"))
    }

    fn change(from: Gate, to: Gate) -> String {
        let mut text = Text::new();
        text.set_change(from, to);
        String::from(text.as_str())
    }

    #[test]
    fn several_deviations() {
        let mut violation = Violation::new(Service::GetVariable);
        violation.add(one(What::State("CR0"), 0x8005_0033, 0x8004_0033, true));
        violation.add(one(What::Entry("IDT", 14), 0x10, 0x20, false));
        assert_eq!(
            text_of(&violation),
            "EFI gate: violation in GetVariable: CR0 0x80050033 -> 0x80040033 (restored); \
             IDT[14] 0x10 -> 0x20"
        );
        for vector in 0..9 {
            violation.add(one(What::Entry("IDT", vector), 0, 1, false));
        }
        let text = text_of(&violation);
        let rest = text.strip_suffix("; IDT[5] 0x0 -> 0x1; +3 more");
        assert_eq!(rest.expect("its end").matches(';').count(), MOST - 2);
    }

    #[test]
    fn each_kind() {
        let text = |what, from, to| text_of_one(one(what, from, to, false));
        assert_eq!(
            text(What::State("EFER"), 0xd01, 0x501),
            "EFER 0xd01 -> 0x501"
        );
        assert_eq!(text(What::State("stack canary"), 0, 0), "stack canary");
        assert_eq!(
            text(What::Memory("kernel text", 0x3000), 0, 0),
            "kernel text+0x3000"
        );
        assert_eq!(text(What::Memory("TSS", 4), 1, 2), "TSS+0x4 0x1 -> 0x2");
        assert_eq!(
            text(What::Output("data size"), 16, 4096),
            "data size 0x10 -> 0x1000"
        );
        assert_eq!(text(What::Output("output buffer"), 0, 0), "output buffer");
        assert_eq!(text(What::Fault(13), 0xfff0, 0), "#GP at 0xfff0");
        assert_eq!(
            text(What::Fault(14), 0xfff0, 0x10),
            "#PF at 0xfff0, address 0x10"
        );
        assert_eq!(text(What::Fault(99), 1, 0), "vector 99 at 0x1");
        let limit = text(What::TimeLimit, 10_000, 0xfff0);
        assert_eq!(limit, "time limit 10000 ms, stopped at 0xfff0");
        let restored = text_of_one(one(What::State("DR7"), 0x400, 0x401, true));
        assert_eq!(restored, "DR7 0x400 -> 0x401 (restored)");
    }

    /// Each service by its own name.
    #[test]
    fn services() {
        for (number, service) in Service::ALL.into_iter().enumerate() {
            assert_eq!(service as usize, number);
            let violation = Violation::new(service);
            let text = text_of(&violation);
            let wanted = std::format!("EFI gate: violation in {}: ", service.name());
            assert_eq!(text, wanted);
        }
    }

    /// As long as it can get with the longest name there is.
    #[test]
    fn the_longest_fits() {
        let mut violation = Violation::new(Service::GetNextHighMonotonicCount);
        for offset in 0..u64::try_from(MOST).expect("a small number") {
            let what = What::Memory("page table of read-only data", u64::MAX - offset);
            violation.add(one(what, u64::MAX, u64::MAX - 1, true));
        }
        for _ in 0..1000 {
            violation.add(one(What::State("CR0"), 0, 1, false));
        }
        let text = text_of(&violation);
        assert!(text.ends_with("(restored); +1000 more"), "{text}");
        assert!(text.len() < SIZE);
    }

    /// A name that nobody has is cut off, and nothing else happens.
    #[test]
    fn the_end_is_cut_off() {
        static NAME: [u8; 200] = [b'x'; 200];
        let name = core::str::from_utf8(&NAME).expect("ASCII");
        let mut violation = Violation::new(Service::SetVariable);
        for _ in 0..MOST {
            violation.add(one(What::State(name), 0, 0, false));
        }
        assert_eq!(text_of(&violation).len(), SIZE);
        // The buffer is as good as new.
        let mut text = Text::new();
        text.set_violation(&violation);
        text.set_change(Gate::new(Mode::Verify), Gate::new(Mode::Off));
        assert_eq!(text.as_str(), "EFI gate: verify -> off");
    }

    #[test]
    fn prm_handlers() {
        let mut text = Text::new();
        text.set_prm_handler(Guid(*b"gate test handle"));
        let handler = "65746167-7420-7365-7420-68616e646c65";
        let wanted = std::format!("EFI gate: PRM handler {handler} allowed");
        assert_eq!(text.as_str(), wanted);
    }

    #[test]
    fn changes() {
        let verify = Gate::new(Mode::Verify);
        let trust = Gate::new(Mode::Trust);
        assert_eq!(change(verify, trust), "EFI gate: verify -> trust");
        let fast = Gate {
            depth: Depth::Fast,
            ..verify
        };
        assert_eq!(
            change(verify, fast),
            "EFI gate: verify,panic,full -> verify,panic,fast"
        );
        let disable = Gate {
            policy: Policy::Disable,
            ..trust
        };
        assert_eq!(
            change(fast, disable),
            "EFI gate: verify,panic,fast -> trust,disable,full"
        );
    }
}
