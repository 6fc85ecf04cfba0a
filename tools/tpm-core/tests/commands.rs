// SPDX-License-Identifier: GPL-2.0

//! Commands byte by byte, and what a TPM may answer.

mod common;

use common::{extend_done, hex, response, Faults, Model, Script};
use tpm_core::{
    decode_response, pcr_banks, pcr_extend, pcr_read, Banks, Digest, Digests, HashAlg, Locality,
    Pcr, Reader, Tag, Tpm, TpmError, TpmFamily, TpmRc, Transport,
};

/// Runs `f` at locality 2 of a TPM that answers as listed; returns its result, what was sent, and how
/// long it took.
fn tpm<T>(
    answers: &[Vec<u8>],
    f: impl FnOnce(&mut common::TestOpen<'_, Script>) -> T,
) -> (T, Vec<Vec<u8>>, u64) {
    let script = Script {
        answers: answers.to_vec(),
        ..Script::default()
    };
    let faults = Faults {
        execute_us: Some(0),
        ..Faults::default()
    };
    let (model, clock) = Model::new(script, faults);
    let mut tis = Tpm::probe(model.clone(), clock).expect("probe");
    let mut open = tis.open(Locality::L2).expect("open");
    let result = f(&mut open);
    drop(open);
    assert_eq!(model.active(), None);
    let asked = model.backend(|script| {
        assert!(script.asked.iter().all(|(locality, _)| *locality == 2));
        script.asked.iter().map(|(_, c)| c.clone()).collect()
    });
    (result, asked, model.now())
}

/// GetCapability response with these entries of TPML_PCR_SELECTION.
fn capability(more: u8, count: u32, entries: &str) -> Vec<u8> {
    let mut parameters = vec![more];
    parameters.extend(hex("00000005"));
    parameters.extend(count.to_be_bytes());
    parameters.extend(hex(entries));
    response(0x8001, 0, &parameters)
}

fn banks(answers: &[Vec<u8>]) -> Result<Vec<HashAlg>, TpmError> {
    let (result, _, _) = tpm(answers, |open| pcr_banks(open));
    result.map(|banks| banks.iter().collect())
}

/// PCR_Read response of one PCR.
fn value(alg: u16, select: &str, values: &[&[u8]]) -> Vec<u8> {
    let mut parameters = hex("00000001 00000001");
    parameters.extend(alg.to_be_bytes());
    parameters.extend(hex(select));
    parameters.extend(u32::try_from(values.len()).expect("few").to_be_bytes());
    for value in values {
        parameters.extend(u16::try_from(value.len()).expect("small").to_be_bytes());
        parameters.extend(*value);
    }
    response(0x8001, 0, &parameters)
}

fn extend(answer: &[u8]) -> Result<(), TpmError> {
    let mut banks = Banks::new();
    banks.push(HashAlg::SHA256).expect("room");
    let digests = Digests::capped(&banks);
    tpm(&[answer.to_vec()], |open| {
        pcr_extend(open, Pcr::CODE, &digests)
    })
    .0
}

#[test]
fn get_capability() {
    let two = capability(0, 2, "0004 03 ffffff 000b 03 ffffff");
    let (result, asked, _) = tpm(&[two], |open| pcr_banks(open));
    let found: Vec<_> = result.expect("banks").iter().collect();
    assert_eq!(found, [HashAlg::SHA1, HashAlg::SHA256]);
    let command = hex("8001 00000016 0000017a 00000005 00000000 00000001");
    assert_eq!(asked, [command]);
}

#[test]
fn extend_all_banks_at_once() {
    let mut banks = Banks::new();
    banks.push(HashAlg::SHA1).expect("room");
    banks.push(HashAlg::SM3_256).expect("room");
    let mut digests = Digests::capped(&banks);
    assert!(digests.set(HashAlg::SHA1, &[0xab; 20]));
    let (result, asked, _) = tpm(&[extend_done()], |open| {
        pcr_extend(open, Pcr::CONFIG, &digests)
    });
    assert_eq!(result, Ok(()));
    let mut command = hex("8002 00000057 00000182 00000012");
    command.extend(hex("00000009 40000009 0000 00 0000"));
    command.extend(hex("00000002 0004"));
    command.extend([0xab; 20]);
    command.extend(hex("0012 01"));
    command.extend([0; 31]);
    assert_eq!(asked, [command]);
}

/// The largest command there can be: eight banks of the largest digest.
#[test]
fn extend_as_much_as_possible() {
    let mut banks = Banks::new();
    for id in 0x100..0x108 {
        let alg = HashAlg::new(id, 64).expect("possible");
        banks.push(alg).expect("room");
    }
    let ninth = HashAlg::new(0x108, 64).expect("possible");
    assert_eq!(banks.push(ninth), Err(TpmError::Banks));
    let digests = Digests::capped(&banks);
    let (result, asked, _) = tpm(&[extend_done()], |open| {
        pcr_extend(open, Pcr::CODE, &digests)
    });
    assert_eq!(result, Ok(()));
    assert_eq!(asked[0].len(), 31 + 8 * 66);
}

#[test]
fn extend_nothing() {
    let digests = Digests::capped(&Banks::new());
    let (result, asked, _) = tpm(&[], |open| pcr_extend(open, Pcr::CODE, &digests));
    assert_eq!(result, Err(TpmError::CommandInvalid));
    assert!(asked.is_empty());
}

#[test]
fn read_one() {
    for (pcr, select) in [(0, "010000"), (17, "000002"), (23, "000080")] {
        let answer = value(0x0b, &format!("03 {select}"), &[&[7; 32]]);
        let pcr = Pcr::new(pcr).expect("exists");
        let (result, asked, _) = tpm(&[answer], |open| pcr_read(open, pcr, HashAlg::SHA256));
        assert_eq!(result, Ok(Digest::new(HashAlg::SHA256, &[7; 32]).unwrap()));
        let command = format!("8001 00000014 0000017e 00000001 000b 03 {select}");
        assert_eq!(asked, [hex(&command)]);
    }
    assert_eq!(Pcr::new(24), None);
    assert_eq!(Pcr::new(u32::MAX), None);
}

#[test]
fn read_answers() {
    let read =
        |answer: Vec<u8>| tpm(&[answer], |open| pcr_read(open, Pcr::CODE, HashAlg::SHA256)).0;
    let bad = Err(TpmError::ResponseMalformed);
    // Not allocated.
    let absent = value(0x0b, "03 000000", &[]);
    assert_eq!(read(absent), Err(TpmError::Banks));
    // Another bank, PCR, digest size; too many values; a value that was not selected.
    assert_eq!(read(value(0x0c, "03 000002", &[&[7; 32]])), bad);
    assert_eq!(read(value(0x0b, "03 000004", &[&[7; 32]])), bad);
    assert_eq!(read(value(0x0b, "03 000002", &[&[7; 31]])), bad);
    assert_eq!(read(value(0x0b, "03 000002", &[&[7; 65]])), bad);
    assert_eq!(read(value(0x0b, "03 000002", &[&[7; 32], &[7; 32]])), bad);
    assert_eq!(read(value(0x0b, "03 000000", &[&[7; 32]])), bad);
    assert_eq!(read(value(0x0b, "03 000002", &[])), bad);
    assert_eq!(read(value(0x0b, "05 0000020000", &[&[7; 32]])), bad);
    // A wider bit map, as the library allows.
    assert!(read(value(0x0b, "04 00000200", &[&[7; 32]])).is_ok());
    // Too long, too short.
    let mut long = value(0x0b, "03 000002", &[&[7; 32]]);
    long.push(0);
    let size = u32::try_from(long.len()).expect("small");
    long[2..6].copy_from_slice(&size.to_be_bytes());
    assert_eq!(read(long), Err(TpmError::ResponseOversized));
    for len in 0..62 {
        let full = value(0x0b, "03 000002", &[&[7; 32]]);
        let parameters = &full[10..];
        let cut = response(0x8001, 0, &parameters[..len.min(parameters.len() - 1)]);
        assert_eq!(read(cut), Err(TpmError::ResponseTruncated));
    }
}

#[test]
fn banks_that_are_not_active() {
    let some = capability(
        0,
        4,
        "0004 03 000000  000b 03 000100  000c 00  000d 04 00000001",
    );
    // A bank of PCRs that this platform does not have is none.
    assert_eq!(banks(&[some]), Ok(vec![HashAlg::SHA256]));
    let none = capability(0, 1, "000b 03 000000");
    assert_eq!(banks(&[none]), Err(TpmError::Banks));
    assert_eq!(banks(&[capability(0, 0, "")]), Err(TpmError::Banks));
}

#[test]
fn bank_of_unknown_algorithm() {
    let list = capability(0, 2, "000b 03 ffffff 7f01 03 000002");
    let answers = [list.clone(), value(0x7f01, "03 000200", &[&[1; 28]])];
    // The model of the selection follows the first PCR that the bank has: 17.
    let answers17 = [list.clone(), value(0x7f01, "03 000002", &[&[1; 28]])];
    let unknown = HashAlg::new(0x7f01, 28).expect("possible");
    assert_eq!(banks(&answers17), Ok(vec![HashAlg::SHA256, unknown]));
    assert_eq!(banks(&answers), Err(TpmError::ResponseMalformed));
    // A size that no digest has; no such bank after all.
    let empty = [list.clone(), value(0x7f01, "03 000002", &[&[]])];
    assert_eq!(banks(&empty), Err(TpmError::Banks));
    let absent = [list, value(0x7f01, "03 000000", &[])];
    assert_eq!(banks(&absent), Err(TpmError::Banks));
}

#[test]
fn bad_bank_lists() {
    let twice = capability(0, 2, "000b 03 ffffff 000b 03 ffffff");
    assert_eq!(banks(&[twice]), Err(TpmError::Banks));
    let more = capability(1, 1, "000b 03 ffffff");
    assert_eq!(banks(&[more]), Err(TpmError::Banks));
    let nine = "000b 03 ffffff".repeat(17);
    assert_eq!(banks(&[capability(0, 17, &nine)]), Err(TpmError::Banks));
    let wide = capability(0, 1, "000b 05 ffffffffff");
    assert_eq!(banks(&[wide]), Err(TpmError::ResponseMalformed));
    let other = response(0x8001, 0, &hex("00 00000006 00000000"));
    assert_eq!(banks(&[other]), Err(TpmError::ResponseMalformed));
    let short = capability(0, 2, "000b 03 ffffff 000c 03 ff");
    assert_eq!(banks(&[short]), Err(TpmError::ResponseTruncated));
    let long = capability(0, 1, "000b 03 ffffff 00");
    assert_eq!(banks(&[long]), Err(TpmError::ResponseOversized));
}

#[test]
fn error_codes() {
    for rc in [0x101, 0x907, 0x98e, 0x2d5] {
        let refused = extend(&response(0x8001, rc, &[]));
        assert_eq!(refused, Err(TpmError::Rc(TpmRc::new(rc))));
        let error = refused.expect_err("refused");
        assert_eq!(error.rc().map(TpmRc::raw), Some(rc));
    }
}

#[test]
fn wrong_tags() {
    let done = extend_done();
    assert_eq!(extend(&done), Ok(()));
    // Success without the session, an error with one, neither tag.
    let bare = response(0x8001, 0, &[]);
    assert_eq!(extend(&bare), Err(TpmError::ResponseTag));
    let session = response(0x8002, 0x907, &[]);
    assert_eq!(extend(&session), Err(TpmError::ResponseTag));
    for tag in [0, 0x8000, 0x8003, 0xffff] {
        let odd = response(tag, 0, &done[10..]);
        assert_eq!(extend(&odd), Err(TpmError::ResponseTag));
    }
    let tpm12 = response(0x00c4, 0x1e, &[]);
    assert_eq!(extend(&tpm12), Err(TpmError::NotTpm2));
}

#[test]
fn bad_sessions() {
    let answer = |text: &str| extend(&response(0x8002, 0, &hex(text)));
    assert_eq!(answer("00000000 0000 01 0000"), Ok(()));
    let cut = Err(TpmError::ResponseTruncated);
    for text in [
        "",
        "000000",
        "00000001",
        "00000000",
        "00000000 0000",
        "00000000 0000 01",
        "00000000 0000 01 00",
        "00000000 0001 01 0000",
        "00000000 0000 01 0001",
        "ffffffff 0000 01 0000",
    ] {
        assert_eq!(answer(text), cut, "{text}");
    }
    let long = Err(TpmError::ResponseOversized);
    assert_eq!(answer("00000000 0000 01 0000 00"), long);
    // PCR_Extend has no parameters to return.
    assert_eq!(answer("00000001 00 0000 01 0000"), long);
    let error_with_body = response(0x8001, 0x907, &[0]);
    assert_eq!(extend(&error_with_body), long);
}

#[test]
fn busy_tpm_is_asked_again() {
    let mut banks = Banks::new();
    banks.push(HashAlg::SHA1).expect("room");
    let digests = Digests::capped(&banks);
    let busy = [0x922, 0x90a, 0x908].map(|rc| response(0x8001, rc, &[]));

    let answers = [&busy[..], &[extend_done()]].concat();
    let (result, asked, time) = tpm(&answers, |open| pcr_extend(open, Pcr::CODE, &digests));
    assert_eq!(result, Ok(()));
    assert_eq!(asked.len(), 4);
    assert!(asked.iter().all(|command| *command == asked[0]));
    assert_eq!(time, 20_000 + 40_000 + 80_000);

    // It has to end some time.
    let answers = vec![busy[0].clone(); 100];
    let (result, asked, time) = tpm(&answers, |open| pcr_extend(open, Pcr::CODE, &digests));
    assert_eq!(result, Err(TpmError::Rc(TpmRc::RETRY)));
    assert_eq!(asked.len(), 8);
    assert_eq!(time, 2_540_000);
}

#[test]
fn cancelled_command() {
    let cancelled = response(0x8001, 0x909, &[]);
    assert_eq!(extend(&cancelled), Err(TpmError::CommandTimeout));
}

/// A transport that claims more than the buffer holds.
struct Liar;

impl Transport for Liar {
    fn family(&self) -> TpmFamily {
        TpmFamily::Tpm20
    }
    fn transmit(
        &mut self,
        _command: &[u8],
        response: &mut [u8],
        _duration: tpm_core::Duration,
    ) -> Result<usize, TpmError> {
        Ok(response.len() + 1)
    }
    fn pause(&mut self, _us: u64) -> Result<(), TpmError> {
        Ok(())
    }
}

#[test]
fn transport_that_lies() {
    assert_eq!(pcr_banks(&mut Liar), Err(TpmError::ResponseOversized));
}

#[test]
fn header_sizes() {
    let header = |size: u32, len: usize| {
        let mut bytes = response(0x8001, 0, &[0; 20]);
        bytes[2..6].copy_from_slice(&size.to_be_bytes());
        let parameters = decode_response(&bytes[..len], Tag::NoSessions);
        parameters.map(|(rc, reader): (TpmRc, Reader<'_>)| (rc.raw(), reader.left()))
    };
    assert_eq!(header(10, 10), Ok((0, 0)));
    assert_eq!(header(30, 30), Ok((0, 20)));
    assert_eq!(header(9, 10), Err(TpmError::ResponseMalformed));
    assert_eq!(header(11, 10), Err(TpmError::ResponseTruncated));
    assert_eq!(header(10, 11), Err(TpmError::ResponseOversized));
    assert_eq!(header(u32::MAX, 30), Err(TpmError::ResponseTruncated));
    for len in 0..10 {
        assert_eq!(header(10, len), Err(TpmError::ResponseTruncated));
    }
}

#[test]
fn algorithms() {
    for id in 0..=0x40 {
        if let Some(alg) = HashAlg::known(id) {
            assert_eq!(alg.id(), id);
            assert_eq!(HashAlg::new(id, alg.size()), Some(alg));
            assert_eq!(HashAlg::new(id, alg.size() - 1), None);
        }
    }
    assert_eq!(HashAlg::new(0x10, 32), None);
    assert_eq!(HashAlg::new(0x00, 32), None);
    assert_eq!(HashAlg::new(0x99, 0), None);
    assert_eq!(HashAlg::new(0x99, 65), None);
    assert_eq!(HashAlg::new(0x99, usize::MAX), None);
    assert!(HashAlg::new(0x99, 1).is_some_and(|alg| !alg.is_computable()));
}
