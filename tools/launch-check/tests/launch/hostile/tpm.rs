// SPDX-License-Identifier: GPL-2.0

//! A TPM that does not do its part.

use super::*;
use crate::common::{config, crb, tpm12, Run};

/// The machine with a CRB at SKINIT.
fn with_crb() -> &'static Snapshot {
    static SNAPSHOT: OnceLock<Snapshot> = OnceLock::new();
    SNAPSHOT.get_or_init(|| frozen(&crb(&config())))
}

/// The machine with a TPM 1.2 at SKINIT.
fn with_tpm12() -> &'static Snapshot {
    static SNAPSHOT: OnceLock<Snapshot> = OnceLock::new();
    SNAPSHOT.get_or_init(|| frozen(&tpm12(&config())))
}

fn stage(machine: &mut Machine, fault: &str) {
    let fault: Fault = fault.parse().unwrap();
    machine.set_fault(&fault).unwrap();
}

/// The launch meets a faulty TPM.
fn tpm(expected: &[Error], fault: &str) {
    rejected(expected, |machine| stage(machine, fault));
}

/// The same with a CRB.
fn tpm_crb(expected: &[Error], fault: &str) {
    rejected_from(with_crb(), expected, |machine| stage(machine, fault));
}

/// The same with a TPM 1.2.
fn tpm_12(expected: &[Error], fault: &str) {
    rejected_from(with_tpm12(), expected, |machine| stage(machine, fault));
}

/// The launch meets a TPM whose fault passes, and succeeds.
fn survives(snapshot: &Snapshot, fault: &str) -> Run {
    let _slot = Slot::take();
    let mut machine = snapshot.case().expect("case from the snapshot");
    stage(&mut machine, fault);
    let outcome = match machine.launch() {
        Ok(()) => machine.wait_outcome(LIMIT),
        Err(outcome) => outcome,
    };
    let run = Run::collect(&mut machine, outcome);
    run.expect_launched();
    run
}

#[test]
fn tpm_absent() {
    tpm(&[Error::TpmAbsent], "absent");
}

#[test]
fn tpm_refuses_the_locality() {
    tpm(&[Error::TpmLocality], "locality=3");
}

#[test]
fn tpm_busy() {
    tpm(&[Error::TpmTimeout], "busy");
}

#[test]
fn tpm_busy_in_the_early_kernel() {
    tpm(&[Error::TpmTimeout], "busy,cc=0x182,skip=2");
}

#[test]
fn tpm_answers_an_error() {
    tpm(&[Error::TpmResponse], "error=0x101");
}

#[test]
fn tpm_refuses_an_extend() {
    tpm(
        &[Error::TpmResponse, Error::TpmExtend],
        "error=0x907,cc=0x182",
    );
}

#[test]
fn tpm_refuses_a_late_extend() {
    tpm(
        &[Error::TpmResponse, Error::TpmExtend],
        "error=0x907,cc=0x182,skip=4",
    );
}

#[test]
fn tpm_answers_short() {
    tpm(&[Error::TpmBadResponse], "short=12");
}

#[test]
fn tpm_vanishes() {
    tpm(
        &[Error::TpmTimeout, Error::TpmAbsent, Error::TpmBadResponse],
        "vanish,cc=0x182",
    );
}

#[test]
fn tpm_grants_no_locality() {
    tpm(&[Error::TpmLocality], "no-grant");
    tpm_crb(&[Error::TpmLocality], "no-grant");
}

#[test]
fn tpm_never_ready() {
    // On the TIS the register is memory: what the loader block wrote is there until it is put back.
    tpm(&[Error::TpmTimeout, Error::TpmBadResponse], "never-ready");
    tpm_crb(&[Error::TpmTimeout], "never-ready");
}

#[test]
fn tpm_registers_never_valid() {
    tpm(&[Error::TpmTimeout], "locality-invalid");
    tpm_crb(&[Error::TpmTimeout], "locality-invalid");
    tpm(&[Error::TpmTimeout], "sts-invalid");
}

#[test]
fn tpm_takes_no_bytes() {
    tpm(&[Error::TpmTimeout], "burst-zero");
}

#[test]
fn tpm_answers_too_much() {
    tpm(&[Error::TpmBadResponse], "size=4096");
    tpm_crb(&[Error::TpmBadResponse], "size=4096");
    tpm_crb(&[Error::TpmBadResponse], "size=9");
}

#[test]
fn tpm_answers_with_another_tag() {
    tpm(&[Error::TpmBadResponse], "tag=0x8003");
    tpm_crb(&[Error::TpmBadResponse], "tag=0x8003");
    tpm_12(&[Error::TpmBadResponse], "tag=0x00c5");
}

/// As if the loader block had found another family than the firmware.
#[test]
fn tpm_turns_into_a_tpm_12() {
    tpm(
        &[Error::TpmInit, Error::TpmBadResponse],
        "tag=0x00c4,cc=0x17a",
    );
}

#[test]
fn tpm_asks_for_ever_to_be_asked_again() {
    tpm(&[Error::TpmResponse], "error=0x922");
    tpm_crb(&[Error::TpmResponse], "error=0x922");
    tpm_12(&[Error::TpmResponse], "error=0x800,cc=0x14");
}

#[test]
fn tpm_asks_to_be_asked_again() {
    survives(snapshot(), "error=0x922,count=3");
    survives(with_crb(), "error=0x922,count=3");
}

/// Commands may take two seconds; by the slow clock of a launch more.
#[test]
fn tpm_is_slow() {
    survives(snapshot(), "delay=1900,cc=0x182,count=1");
    survives(with_crb(), "delay=1900,cc=0x182,count=1");
}

#[test]
fn tpm_is_too_slow() {
    tpm(&[Error::TpmTimeout], "delay=20000,cc=0x182");
    tpm_crb(&[Error::TpmTimeout], "delay=20000,cc=0x182");
}

/// The launch itself is over when the driver's first extend fails: the kernel runs, and says that the event
/// is missing. It is neither in the log nor in the PCR.
#[test]
fn tpm_refuses_the_driver() {
    let run = survives(snapshot(), "error=0x907,cc=0x182,skip=10,count=1");
    let state = run.text("state.txt");
    assert!(state.contains("\ntpm_driver: failed "), "{state}");
    assert!(state.contains("\nlog_events: 11\n"), "{state}");
}

mod crb_only {
    use super::*;

    #[test]
    fn absent() {
        tpm_crb(&[Error::TpmAbsent], "absent");
    }

    #[test]
    fn locality_held() {
        tpm_crb(&[Error::TpmLocality], "locality=3");
    }

    #[test]
    fn busy() {
        tpm_crb(&[Error::TpmTimeout], "busy");
        tpm_crb(&[Error::TpmTimeout], "busy,cc=0x182,skip=2");
    }

    #[test]
    fn errors() {
        tpm_crb(&[Error::TpmResponse], "error=0x101");
        tpm_crb(&[Error::TpmResponse], "error=0x907,cc=0x182");
        tpm_crb(&[Error::TpmResponse], "error=0x907,cc=0x182,skip=4");
    }

    #[test]
    fn short_response() {
        tpm_crb(&[Error::TpmBadResponse], "short=12");
    }

    #[test]
    fn vanishes() {
        tpm_crb(
            &[Error::TpmBadResponse, Error::TpmAbsent],
            "vanish,cc=0x182",
        );
    }

    #[test]
    fn fatal_error() {
        tpm_crb(&[Error::TpmBadResponse], "fatal");
    }

    #[test]
    fn buffers_are_elsewhere() {
        for fault in [
            "cmd-addr=0x1000",
            "rsp-addr=0x1000",
            "cmd-size=0",
            "rsp-size=0xffffffff",
            "rsp-addr=0xfed44ffc",
            "rsp-addr=0x1fed40080",
        ] {
            tpm_crb(&[Error::TpmBadResponse], fault);
        }
    }

    /// Every command begins from Idle, which some TPMs need.
    #[test]
    fn never_idle() {
        tpm_crb(&[Error::TpmTimeout], "never-idle");
    }
}

mod tpm12_only {
    use super::*;

    #[test]
    fn busy() {
        tpm_12(&[Error::TpmTimeout], "busy");
    }

    #[test]
    fn refuses_an_extend() {
        tpm_12(&[Error::TpmResponse], "error=0x3d,cc=0x14");
    }

    #[test]
    fn short_response() {
        tpm_12(&[Error::TpmBadResponse], "short=12");
    }
}
