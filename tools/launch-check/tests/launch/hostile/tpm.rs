// SPDX-License-Identifier: GPL-2.0

//! A TPM that does not do its part.

use super::*;

/// The launch meets a faulty TPM.
fn tpm(expected: &[Error], fault: &str) {
    rejected(expected, |machine| {
        let fault: Fault = fault.parse().unwrap();
        machine.set_fault(&fault).unwrap();
    });
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
