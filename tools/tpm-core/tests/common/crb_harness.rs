// SPDX-License-Identifier: GPL-2.0

//! Driving the CRB model: one exchange, and what must hold behind it whatever went wrong.

use super::{any_command, response, CrbFaults, CrbModel, Script, TestClock};
use tpm_core::{Duration, Locality, Timeouts, Tpm, TpmError, Transport};

pub type CrbTpm = Tpm<CrbModel<Script>, TestClock>;

/// The timeouts.
pub const T: Timeouts = Timeouts::DEFAULT;
/// How long commands may take.
pub const LIMIT: Duration = Duration::from_us(600_000);

pub fn model(faults: CrbFaults) -> (CrbModel<Script>, TestClock) {
    CrbModel::new(Script::default(), faults)
}

/// A TPM that was found, and then became faulty.
pub fn probed(change: impl FnOnce(&mut CrbFaults)) -> (CrbModel<Script>, CrbTpm) {
    let (model, clock) = model(CrbFaults::default());
    let tpm = Tpm::probe(model.clone(), clock).expect("probe");
    model.set_faults(change);
    (model, tpm)
}

pub fn probe_error(faults: CrbFaults) -> Option<TpmError> {
    let (model, clock) = model(faults);
    let error = Tpm::probe(model.clone(), clock).err();
    assert!(model.active().is_none() && !model.is_wanted());
    error
}

pub fn answer() -> Vec<u8> {
    response(0x8001, 0, &[1, 2, 3, 4])
}

/// Opens locality 2 and sends a command that is answered with `answer`.
pub fn exchange(
    model: &CrbModel<Script>,
    tpm: &mut CrbTpm,
    answer: &[u8],
) -> Result<Vec<u8>, TpmError> {
    model.backend(|script| script.answers.push(answer.to_vec()));
    let mut open = tpm.open(Locality::L2)?;
    let mut buf = [0; 64];
    let len = open.transmit(&any_command(), &mut buf, LIMIT)?;
    open.close()?;
    Ok(buf[..len].to_vec())
}

/// Once the faults are gone the TPM is as good as new.
pub fn assert_recovers(model: &CrbModel<Script>, tpm: &mut CrbTpm) {
    model.set_faults(|f| *f = CrbFaults::default());
    model.backend(|script| script.answers.clear());
    let answer = response(0x8001, 0, &[7; 20]);
    assert_eq!(exchange(model, tpm, &answer), Ok(answer));
    assert_eq!(model.active(), None);
    assert!(model.was_released_idle());
}

/// One exchange with a good answer, on a TPM with these faults, and one without faults.
pub fn faulty(change: impl FnOnce(&mut CrbFaults)) -> (u64, Result<Vec<u8>, TpmError>) {
    let (model, mut tpm) = probed(change);
    let result = exchange(&model, &mut tpm, &answer());
    assert_eq!(model.active(), None, "the locality was not given back");
    assert!(!model.is_wanted(), "the request was not withdrawn");
    assert_eq!(model.seizures(), 0);
    if let Ok(read) = &result {
        assert_eq!(*read, answer());
        let asked = model.backend(|script| script.asked.clone());
        assert_eq!(asked, [(2, any_command().to_vec())]);
    }
    let now = model.now();
    assert_recovers(&model, &mut tpm);
    (now, result)
}

pub fn error(change: impl FnOnce(&mut CrbFaults)) -> Option<TpmError> {
    faulty(change).1.err()
}
