// SPDX-License-Identifier: GPL-2.0

//! Properties of the commands of both families: whatever a TPM answers, there is an end, and no panic.

mod common;

use proptest::collection::vec;
use proptest::prelude::*;
use tpm_core::{
    decode_digest, decode_properties, decode_test_result, decode_times, decode_version, identify,
    pcr_banks, pcr_extend, pcr_read, pcr_reset, properties, self_test, startup, tpm12_durations,
    tpm12_timeouts, Banks, Digests, Duration, HashAlg, Pcr, Reader, StartupType, TpmError,
    TpmFamily, Transport,
};

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        // The tree stays as it is; a failure prints its input.
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(1024))]

    /// The other decoders: never a panic, and nothing that was not there.
    #[test]
    fn any_parameters_of_others(bytes in vec(prop_oneof![3 => 0u8..6, 1 => any::<u8>()], 0..140)) {
        let left = bytes.len();
        prop_assert!(decode_digest(Reader::new(&bytes)).is_ok() == (left == 20));
        let times = decode_times::<3>(Reader::new(&bytes), 1000);
        prop_assert!(times.is_err() || left == 12);
        if let Ok([first, ..]) = times {
            prop_assert!(first >= 1000);
        }
        if decode_test_result(Reader::new(&bytes)).is_ok() {
            let size = u16::from_be_bytes([bytes[0], bytes[1]]);
            prop_assert_eq!(left, 6 + usize::from(size));
        }
        if decode_properties(Reader::new(&bytes)).is_ok() {
            prop_assert!(left >= 9 + 6 * 8);
        }
        if decode_version(Reader::new(&bytes)).is_ok() {
            prop_assert!(bytes.starts_with(&[0, 0x30, 1, 2]));
        }
    }

    /// TPM 2.0 properties round trip, whatever else the TPM lists between them.
    #[test]
    fn property_lists(values in proptest::array::uniform13(any::<u32>()), with in proptest::array::uniform13(any::<bool>()), more: u8) {
        let mut bytes = vec![more];
        bytes.extend(6u32.to_be_bytes());
        let listed: Vec<_> = (0x100u32..).zip(values).zip(with).filter(|(_, with)| *with).collect();
        bytes.extend(u32::try_from(listed.len()).expect("few").to_be_bytes());
        for ((property, value), _) in listed {
            bytes.extend(property.to_be_bytes());
            bytes.extend(value.to_be_bytes());
        }
        let complete = [0, 1, 2, 5, 11, 12].iter().all(|n| with[*n]);
        match decode_properties(Reader::new(&bytes)) {
            Ok(found) => {
                prop_assert!(complete);
                prop_assert_eq!(found.spec_family, values[0].to_be_bytes());
                prop_assert_eq!((found.spec_level, found.spec_revision), (values[1], values[2]));
                prop_assert_eq!(found.manufacturer, values[5].to_be_bytes());
                prop_assert_eq!(found.firmware, [values[11], values[12]]);
            }
            Err(error) => {
                prop_assert!(!complete);
                prop_assert_eq!(error, TpmError::ResponseMalformed);
            }
        }
    }
}

/// A transport that gives the same answers again and again, and counts.
struct Parrot {
    family: TpmFamily,
    answers: Vec<Vec<u8>>,
    asked: usize,
    paused: u64,
}

impl Transport for Parrot {
    fn family(&self) -> TpmFamily {
        self.family
    }

    fn transmit(
        &mut self,
        command: &[u8],
        response: &mut [u8],
        duration: Duration,
    ) -> Result<usize, TpmError> {
        let size = u32::try_from(command.len()).expect("small").to_be_bytes();
        assert_eq!(command[2..6], size);
        assert!(duration.as_us() <= Duration::DEFAULT.as_us());
        let answer = &self.answers[self.asked % self.answers.len()];
        self.asked += 1;
        response[..answer.len()].copy_from_slice(answer);
        Ok(answer.len())
    }

    fn pause(&mut self, us: u64) -> Result<(), TpmError> {
        self.paused += us;
        Ok(())
    }
}

proptest! {
    #![proptest_config(cases(512))]

    /// Any answers to any question, for both families: an end, and soon.
    #[test]
    fn any_answers(
        tpm12: bool,
        answers in vec((
            prop_oneof![8 => Just(0x00c4u16), 4 => Just(0x8001), 4 => Just(0x8002), 1 => any::<u16>()],
            prop_oneof![4 => Just(0u32), 2 => 0x800u32..0x804, 1 => 0u32..0x40, 1 => Just(0x90a), 1 => any::<u32>()],
            vec(prop_oneof![3 => 0u8..6, 1 => any::<u8>()], 0..140),
        ), 1..6),
        question in 0u8..10,
    ) {
        let answers = answers.iter().map(|(tag, rc, body)| {
            let body: &[u8] = if *rc == 0 { body } else { &[] };
            common::response(*tag, *rc, body)
        });
        let family = if tpm12 { TpmFamily::Tpm12 } else { TpmFamily::Tpm20 };
        let mut tpm = Parrot { family, answers: answers.collect(), asked: 0, paused: 0 };
        let mut banks = Banks::new();
        banks.push(HashAlg::SHA1).expect("room");
        let _ = match question {
            0 => identify(&mut tpm).map(|_| ()),
            1 => startup(&mut tpm, StartupType::Clear),
            2 => self_test(&mut tpm),
            3 => properties(&mut tpm).map(|_| ()),
            4 => pcr_banks(&mut tpm).map(|_| ()),
            5 => pcr_extend(&mut tpm, Pcr::CODE, &Digests::capped(&banks)),
            6 => pcr_read(&mut tpm, Pcr::CODE, HashAlg::SHA1).map(|_| ()),
            7 => pcr_reset(&mut tpm, Pcr::CODE),
            8 => tpm12_timeouts(&mut tpm).map(|_| ()),
            _ => tpm12_durations(&mut tpm).map(|_| ()),
        };
        // Seven pauses at most for a command; the list of banks may take one for each entry, the result
        // of a self test is asked for 1200 times.
        let commands = if question == 2 { 1201 } else { 17 };
        prop_assert!(tpm.asked <= 15 * commands);
        prop_assert!(tpm.paused <= 2_590_000 * u64::try_from(commands).expect("few"));
    }
}
