// SPDX-License-Identifier: GPL-2.0

//! The commands of TPM 1.2 byte by byte, as the specification has them, and what a TPM may answer.

mod common;

use common::{golden, hex, response, tpm12, Answers};
use tpm_core::{
    decode_times, decode_version, pcr_banks, pcr_extend, pcr_read, pcr_reset, properties,
    self_test, startup, tpm12_durations, tpm12_timeouts, Banks, Digest, Digests, Duration, HashAlg,
    Pcr, Reader, StartupType, Timeouts, TpmError, TpmFamily, TpmRc,
};

const SHORT: Duration = Duration::MEDIUM;

fn pcr(index: u32) -> Pcr {
    Pcr::new(index).expect("exists")
}

fn sha1(value: &[u8; 20]) -> Digests {
    let mut banks = Banks::new();
    banks.push(HashAlg::SHA1).expect("room");
    let mut digests = Digests::capped(&banks);
    assert!(digests.set(HashAlg::SHA1, value));
    digests
}

#[test]
fn tpm12_commands() {
    let value = "aabbccddeeff00112233445566778899aabbccdd";
    let digest = Digest::new(HashAlg::SHA1, &hex(value)).expect("size");
    let extend = format!("00c1 00000022 00000014 00000011 {}", "5a".repeat(20));
    let result = golden(tpm12(0, value), &extend, SHORT, |tpm| {
        pcr_extend(tpm, Pcr::CODE, &sha1(&[0x5a; 20]))
    });
    assert_eq!(result, Ok(()));

    let read = "00c1 0000000e 00000015 00000012";
    let result = golden(tpm12(0, value), read, SHORT, |tpm| {
        pcr_read(tpm, Pcr::CONFIG, HashAlg::SHA1)
    });
    assert_eq!(result, Ok(digest));

    for (index, map) in [(0, "010000"), (16, "000001"), (23, "000080")] {
        let reset = format!("00c1 0000000f 000000c8 0003 {map}");
        let result = golden(tpm12(0, ""), &reset, SHORT, |tpm| {
            pcr_reset(tpm, pcr(index))
        });
        assert_eq!(result, Ok(()));
    }
    for (kind, wire) in [(StartupType::Clear, "0001"), (StartupType::State, "0002")] {
        let command = format!("00c1 0000000c 00000099 {wire}");
        let result = golden(tpm12(0, ""), &command, SHORT, |tpm| startup(tpm, kind));
        assert_eq!(result, Ok(()));
    }
    let test = "00c1 0000000a 00000050";
    let result = golden(tpm12(0, ""), test, Duration::LONG, self_test);
    assert_eq!(result, Ok(()));
    // No command at all.
    let mut tpm = Answers::new(TpmFamily::Tpm12, &[]);
    assert_eq!(
        pcr_banks(&mut tpm).expect("banks").as_slice(),
        [HashAlg::SHA1]
    );
}

#[test]
fn busy_tpm12_is_asked_again() {
    let value = "00".repeat(20);
    let answers = [tpm12(0x800, ""), tpm12(0x802, ""), tpm12(0, &value)];
    let mut tpm = Answers::new(TpmFamily::Tpm12, &answers);
    assert_eq!(pcr_extend(&mut tpm, Pcr::CODE, &sha1(&[1; 20])), Ok(()));
    assert_eq!(tpm.paused, [20_000, 40_000]);
    let first = &tpm.commands()[0];
    assert!(tpm.commands().iter().all(|command| command == first));

    let mut tpm = Answers::new(TpmFamily::Tpm12, &[tpm12(0x802, "")]);
    let busy = Err(TpmError::Rc(TpmRc::DOING_SELFTEST));
    assert_eq!(pcr_read(&mut tpm, Pcr::CODE, HashAlg::SHA1), busy);
    assert_eq!((tpm.asked.len(), tpm.waited()), (8, 2_540_000));

    // Errors are final.
    for rc in [0x06, 0x07, 0x1c, 0x3d, 0x803] {
        let mut tpm = Answers::new(TpmFamily::Tpm12, &[tpm12(rc, "")]);
        let result = pcr_read(&mut tpm, Pcr::CODE, HashAlg::SHA1);
        assert_eq!(result, Err(TpmError::Rc(TpmRc::new(rc))));
        assert_eq!(tpm.asked.len(), 1);
    }
}

/// A TPM 1.2 that wants to be tested before it extends.
#[test]
fn tpm12_is_tested_first() {
    let value = "00".repeat(20);
    let (extend, test) = (
        hex(&format!(
            "00c1 00000022 00000014 00000011 {}",
            "01".repeat(20)
        )),
        hex("00c1 0000000a 00000053"),
    );
    // Whatever the test says: the command says it again.
    for tested in [0, 0x1c] {
        let answers = [
            tpm12(0x801, ""),
            tpm12(tested, ""),
            tpm12(0x802, ""),
            tpm12(0, &value),
        ];
        let mut tpm = Answers::new(TpmFamily::Tpm12, &answers);
        assert_eq!(pcr_extend(&mut tpm, Pcr::CODE, &sha1(&[1; 20])), Ok(()));
        let asked = [&extend, &test, &extend, &extend].map(Clone::clone);
        assert_eq!(tpm.commands(), asked);
        assert_eq!(tpm.asked[1].1, Duration::LONG);
    }
    let mut tpm = Answers::new(TpmFamily::Tpm12, &[tpm12(0x801, "")]);
    let result = pcr_extend(&mut tpm, Pcr::CODE, &sha1(&[1; 20]));
    assert_eq!(result, Err(TpmError::Rc(TpmRc::NEEDS_SELFTEST)));
    assert_eq!(tpm.asked.len(), 15);
}

#[test]
fn tpm12_responses() {
    let read = |answer: Vec<u8>| {
        let mut tpm = Answers::new(TpmFamily::Tpm12, &[answer]);
        pcr_read(&mut tpm, Pcr::CODE, HashAlg::SHA1)
    };
    for len in 0..20 {
        assert_eq!(
            read(tpm12(0, &"11".repeat(len))),
            Err(TpmError::ResponseTruncated)
        );
    }
    assert!(read(tpm12(0, &"11".repeat(20))).is_ok());
    assert_eq!(
        read(tpm12(0, &"11".repeat(21))),
        Err(TpmError::ResponseOversized)
    );
    // An error is a header and nothing else.
    assert_eq!(read(tpm12(0x3d, "00")), Err(TpmError::ResponseOversized));
    // The tags of commands, of the other two authorisations, and of TPM 2.0.
    for tag in [0x00c1, 0x00c5, 0x00c6, 0x8001, 0x8002, 0] {
        for rc in [0, 0x1e, 0x3d] {
            let body = if rc == 0 { vec![0x11; 20] } else { vec![] };
            assert_eq!(read(response(tag, rc, &body)), Err(TpmError::ResponseTag));
        }
    }
    // Sizes.
    for (size, error) in [
        (9, TpmError::ResponseMalformed),
        (29, TpmError::ResponseOversized),
        (31, TpmError::ResponseTruncated),
    ] {
        let mut answer = tpm12(0, &"11".repeat(20));
        answer[5] = size;
        assert_eq!(read(answer), Err(error));
    }
    // What has no parameters may not return any.
    let mut tpm = Answers::new(TpmFamily::Tpm12, &[tpm12(0, "00")]);
    assert_eq!(
        pcr_reset(&mut tpm, pcr(16)),
        Err(TpmError::ResponseOversized)
    );
}

#[test]
fn tpm12_properties() {
    // TPM_CAP_VERSION_INFO as a swtpm answers, with vendor specific bytes.
    let info = "0030 01 02 12 9e 0002 03 49424d00 0002 abcd";
    let answer = tpm12(0, &format!("00000011 {info}"));
    let ask = "00c1 00000012 00000065 0000001a 00000000";
    let found = golden(answer, ask, SHORT, properties).expect("properties");
    assert_eq!(found.family, TpmFamily::Tpm12);
    assert_eq!(
        (&found.spec_family, &found.manufacturer),
        (b"1.2\0", b"IBM\0")
    );
    assert_eq!((found.spec_level, found.spec_revision), (2, 3));
    assert_eq!(found.firmware, [0x129e, 0]);

    let good = hex(info);
    let decode = |bytes: &[u8]| decode_version(Reader::new(bytes)).err();
    for len in 0..good.len() {
        assert_eq!(decode(&good[..len]), Some(TpmError::ResponseTruncated));
    }
    let long = [&good[..], &[0]].concat();
    assert_eq!(decode(&long), Some(TpmError::ResponseOversized));
    for (at, byte) in [(0, 1), (1, 0x31), (2, 2), (3, 1)] {
        let mut bytes = good.clone();
        bytes[at] = byte;
        assert_eq!(decode(&bytes), Some(TpmError::ResponseMalformed));
    }
    // The size of the capability.
    for (size, error) in [
        (0x10, TpmError::ResponseOversized),
        (0x12, TpmError::ResponseTruncated),
    ] {
        let answer = tpm12(0, &format!("000000{size:02x} {info}"));
        let result = properties(&mut Answers::new(TpmFamily::Tpm12, &[answer]));
        assert_eq!(result.err(), Some(error));
    }
}

#[test]
fn tpm12_times() {
    let ask = "00c1 00000016 00000065 00000005 00000004 00000115";
    let timeouts = |times: &str| {
        let answer = tpm12(0, &format!("00000010 {times}"));
        golden(answer, ask, SHORT, tpm12_timeouts)
    };
    let defaults = Timeouts::DEFAULT;
    // 1 s each: shorter than the default for B alone.
    let found = timeouts("000f4240 000f4240 000f4240 000f4240").expect("timeouts");
    let second = 1_000_000;
    assert_eq!(
        (found.a, found.b, found.c, found.d),
        (second, defaults.b, second, second)
    );
    // In milliseconds: 750, 3000, 750, 750.
    let found = timeouts("000002ee 00000bb8 000002ee 000002ee").expect("timeouts");
    let ms = |ms: u64| ms * 1000;
    assert_eq!(
        (found.a, found.b, found.c, found.d),
        (ms(750), ms(3000), ms(750), ms(750))
    );
    let found = timeouts("ffffffff ffffffff ffffffff ffffffff").expect("timeouts");
    assert_eq!(found.a, 0xffff_ffff);
    let none = timeouts("00000000 00000000 00000000 00000000").err();
    assert_eq!(none, Some(TpmError::ResponseMalformed));

    let ask = "00c1 00000016 00000065 00000005 00000004 00000120";
    let durations = |answer: &str| golden(tpm12(0, answer), ask, SHORT, tpm12_durations);
    let found = durations("0000000c 02faf080 05f5e100 11e1a300").expect("durations");
    let us = Duration::from_us;
    assert_eq!(
        (found.short, found.medium),
        (us(50_000_000), us(100_000_000))
    );
    assert_eq!(found.long, us(300_000_000));
    let found = durations("0000000c 00000014 00000bb8 0000ea60").expect("durations");
    assert_eq!((found.short, found.medium), (us(20_000), us(3_000_000)));
    assert_eq!(found.long, us(60_000_000));
    let cut = Err(TpmError::ResponseTruncated);
    assert_eq!(durations("00000008 02faf080 05f5e100"), cut);
    let long = Err(TpmError::ResponseOversized);
    assert_eq!(
        durations("00000010 02faf080 05f5e100 11e1a300 00000000"),
        long
    );
    // Only the first tells the unit.
    let zero = decode_times::<2>(Reader::new(&hex("00002710 00000000")), 10_000);
    assert_eq!(zero, Ok([10_000, 0]));
}
