// SPDX-License-Identifier: GPL-2.0

//! The commands of TPM 2.0 around a launch byte by byte, as the specification has them, and what a TPM may
//! answer; and what tells the families apart.

mod common;

use common::{extend_done, golden, hex, response, tpm12, tpm20, Answers};
use tpm_core::{
    decode_digest, decode_properties, decode_response, decode_test_result, identify, pcr_reset,
    properties, self_test, startup, Digest, Duration, HashAlg, Pcr, Reader, StartupType, Tag,
    TpmError, TpmFamily, TpmRc,
};

const SHORT: Duration = Duration::MEDIUM;

fn pcr(index: u32) -> Pcr {
    Pcr::new(index).expect("exists")
}

#[test]
fn tpm20_commands() {
    for (index, wire) in [(16, "00000010"), (23, "00000017")] {
        let reset = format!("8002 0000001b 0000013d {wire} 00000009 40000009 0000 00 0000");
        let result = golden(extend_done(), &reset, SHORT, |tpm| {
            pcr_reset(tpm, pcr(index))
        });
        assert_eq!(result, Ok(()));
    }
    for (kind, wire) in [(StartupType::Clear, "0000"), (StartupType::State, "0001")] {
        let command = format!("8001 0000000c 00000144 {wire}");
        let result = golden(tpm20(0, ""), &command, SHORT, |tpm| startup(tpm, kind));
        assert_eq!(result, Ok(()));
    }
    let test = "8001 0000000b 00000143 01";
    let result = golden(tpm20(0, ""), test, Duration::DEFAULT, self_test);
    assert_eq!(result, Ok(()));
}

#[test]
fn started_already() {
    for (answer, result) in [
        (tpm20(0x100, ""), Ok(())),
        (tpm20(0x1c4, ""), Err(TpmError::Rc(TpmRc::new(0x1c4)))),
        (tpm20(0x26, ""), Ok(())),
        (tpm12(0x26, ""), Ok(())),
        (tpm12(0x1c, ""), Err(TpmError::Rc(TpmRc::FAILEDSELFTEST))),
    ] {
        let family = if answer[0] == 0 {
            TpmFamily::Tpm12
        } else {
            TpmFamily::Tpm20
        };
        let mut tpm = Answers::new(family, &[answer]);
        assert_eq!(startup(&mut tpm, StartupType::Clear), result);
        assert_eq!(tpm.asked.len(), 1);
    }
}

#[test]
fn self_test_in_the_background() {
    let busy = tpm20(0, "0000 0000090a");
    let answers = |last: &Vec<u8>| [tpm20(0x90a, ""), busy.clone(), busy.clone(), last.clone()];
    let mut tpm = Answers::new(TpmFamily::Tpm20, &answers(&tpm20(0, "0002 1234 00000000")));
    assert_eq!(self_test(&mut tpm), Ok(()));
    let (test, result) = (
        hex("8001 0000000b 00000143 01"),
        hex("8001 0000000a 0000017c"),
    );
    // Not sent again: that would begin the test anew.
    assert_eq!(
        tpm.commands(),
        [test, result.clone(), result.clone(), result]
    );
    assert_eq!(tpm.paused, [50_000; 2]);

    let failed = Err(TpmError::Rc(TpmRc::FAILURE));
    let mut tpm = Answers::new(TpmFamily::Tpm20, &answers(&tpm20(0, "0000 00000101")));
    assert_eq!(self_test(&mut tpm), failed);
    let mut tpm = Answers::new(TpmFamily::Tpm20, &answers(&tpm20(0x101, "")));
    assert_eq!(self_test(&mut tpm), failed);
    // It has to end some time.
    let mut tpm = Answers::new(TpmFamily::Tpm20, &answers(&busy));
    assert_eq!(self_test(&mut tpm), Err(TpmError::Rc(TpmRc::TESTING)));
    assert_eq!(tpm.waited(), 60_000_000);
}

#[test]
fn families() {
    let ask = "8001 00000016 0000017a 00000006 00000100 00000001";
    let who = |answer| golden(answer, ask, SHORT, identify);
    let answer = tpm20(0, "01 00000006 00000001 00000100 322e3000");
    assert_eq!(who(answer), Ok(TpmFamily::Tpm20));
    // Not started; out of order.
    assert_eq!(who(tpm20(0x100, "")), Ok(TpmFamily::Tpm20));
    assert_eq!(who(tpm20(0x101, "")), Ok(TpmFamily::Tpm20));
    for rc in [0x0a, 0x1e, 0x26] {
        assert_eq!(who(tpm12(rc, "")), Ok(TpmFamily::Tpm12));
    }
    // Neither: a success of a TPM 1.2, an error with more, other tags, sizes that are wrong.
    let tag = Err(TpmError::ResponseTag);
    assert_eq!(who(tpm12(0, "")), tag);
    assert_eq!(who(tpm12(0x1e, "00")), tag);
    assert_eq!(who(response(0x8002, 0, &[0; 9])), tag);
    assert_eq!(who(response(0xffff, 0, &[])), tag);
    let mut short = tpm12(0x1e, "");
    short[5] = 11;
    assert_eq!(who(short), Err(TpmError::ResponseTruncated));
}

/// As a swtpm answers.
const TPM20_PROPERTIES: &str = "01 00000006 0000000d \
    00000100 322e3000 00000101 00000000 00000102 000000a4 00000103 0000004b 00000104 000007e7 \
    00000105 49424d00 00000106 53572020 00000107 2054504d 00000108 00000000 00000109 00000000 \
    0000010a 00000001 0000010b 20191023 0000010c 00163636";

#[test]
fn tpm20_properties() {
    let ask = "8001 00000016 0000017a 00000006 00000100 0000000d";
    let found = golden(tpm20(0, TPM20_PROPERTIES), ask, SHORT, properties).expect("properties");
    assert_eq!(found.family, TpmFamily::Tpm20);
    assert_eq!((&found.spec_family, found.spec_level), (b"2.0\0", 0));
    assert_eq!((found.spec_revision, &found.manufacturer), (164, b"IBM\0"));
    assert_eq!(found.firmware, [0x2019_1023, 0x0016_3636]);

    let good = hex(TPM20_PROPERTIES);
    let decode = |bytes: &[u8]| decode_properties(Reader::new(bytes)).err();
    let changed = |at: usize, to: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + to.len()].copy_from_slice(to);
        decode(&bytes)
    };
    assert_eq!(decode(&good), None);
    for len in 0..good.len() {
        assert_eq!(decode(&good[..len]), Some(TpmError::ResponseTruncated));
    }
    let long = [&good[..], &[0]].concat();
    assert_eq!(decode(&long), Some(TpmError::ResponseOversized));
    let bad = Some(TpmError::ResponseMalformed);
    assert_eq!(changed(4, &[5]), bad); // Another capability
    assert_eq!(changed(8, &[14]), bad); // More than were asked for
    assert_eq!(changed(8, &[12]), Some(TpmError::ResponseOversized));
    assert_eq!(changed(9, &[0, 0, 0, 0xff]), bad); // Before the first
    assert_eq!(changed(9 + 12 * 8, &[0, 0, 1, 0x0d]), bad); // Behind the last
    assert_eq!(changed(9 + 8, &[0, 0, 1, 0]), bad); // Twice
    assert_eq!(changed(0, &[0]), None); // Whether there are more is not our concern.

    // Fewer: fine for those that are not kept.
    let without = |n: usize| {
        let mut bytes = good.clone();
        bytes.drain(9 + 8 * n..17 + 8 * n);
        bytes[8] = 12;
        decode(&bytes)
    };
    for n in 0..13 {
        let kept = [0, 1, 2, 5, 11, 12].contains(&n);
        assert_eq!(without(n), kept.then_some(TpmError::ResponseMalformed));
    }
}

#[test]
fn small_decoders() {
    let decode = |text: &str| decode_test_result(Reader::new(&hex(text)));
    assert_eq!(decode("0000 00000000"), Ok(TpmRc::SUCCESS));
    assert_eq!(decode("0003 aabbcc 00000153"), Ok(TpmRc::new(0x153)));
    let cut = Err(TpmError::ResponseTruncated);
    for text in [
        "",
        "00",
        "0000",
        "0000 000000",
        "0001 00000000",
        "ffff 00000000",
    ] {
        assert_eq!(decode(text), cut, "{text}");
    }
    assert_eq!(decode("0000 00000000 00"), Err(TpmError::ResponseOversized));

    let digest = decode_digest(Reader::new(&[7; 20]));
    assert_eq!(
        digest,
        Ok(Digest::new(HashAlg::SHA1, &[7; 20]).expect("size"))
    );
    assert_eq!(
        decode_digest(Reader::new(&[7; 19])).err(),
        Some(TpmError::ResponseTruncated)
    );
    assert_eq!(
        decode_digest(Reader::new(&[7; 21])).err(),
        Some(TpmError::ResponseOversized)
    );

    let answer = tpm12(0, "1122");
    let (rc, rest) = decode_response(&answer, Tag::Tpm12).expect("response");
    assert_eq!((rc, rest.rest()), (TpmRc::SUCCESS, &[0x11, 0x22][..]));
}
