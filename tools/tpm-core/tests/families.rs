// SPDX-License-Identifier: GPL-2.0

//! The commands of both families against real TPMs, and the logs of both formats.

mod common;

use common::{Backend, Swtpm};
use std::process::Command;
use tpm_core::{
    identify, pcr_banks, pcr_extend, pcr_read, pcr_reset, properties, self_test, startup,
    tpm12_durations, tpm12_timeouts, Banks, Digest, Digests, Duration, EventLog, HashAlg, HostHash,
    LogFormat, LogReader, MultiHash, Pcr, StartupType, Timeouts, TpmError, TpmFamily, TpmRc,
    Transport, EV_SLAUNCH, EV_SLAUNCH_START,
};

const BOTH: [TpmFamily; 2] = [TpmFamily::Tpm12, TpmFamily::Tpm20];

/// The offset of the first event in a TPM 1.2 log.
const CONTAINER: usize = 48;

/// swtpm's data socket as a transport: no registers in between.
struct Direct {
    tpm: Swtpm,
    family: TpmFamily,
    locality: u8,
    paused: u64,
}

impl Direct {
    /// A TPM that was reset.
    fn unstarted(family: TpmFamily) -> Self {
        Self {
            tpm: Swtpm::unstarted(family),
            family,
            locality: 0,
            paused: 0,
        }
    }

    /// A TPM that was started.
    fn start(family: TpmFamily) -> Self {
        let mut tpm = Self::unstarted(family);
        startup(&mut tpm, StartupType::Clear).expect("startup");
        tpm
    }

    fn at(&mut self, locality: u8) -> &mut Self {
        self.locality = locality;
        self
    }

    /// One code for each family.
    fn refusal<T>(&self, tpm12: TpmRc, tpm20: TpmRc) -> Result<T, TpmError> {
        Err(TpmError::Rc(match self.family {
            TpmFamily::Tpm12 => tpm12,
            TpmFamily::Tpm20 => tpm20,
        }))
    }
}

impl Transport for Direct {
    fn family(&self) -> TpmFamily {
        self.family
    }

    fn transmit(
        &mut self,
        command: &[u8],
        response: &mut [u8],
        _duration: Duration,
    ) -> Result<usize, TpmError> {
        let answer = self.tpm.execute(self.locality, command);
        let room = response.get_mut(..answer.len());
        room.ok_or(TpmError::ResponseOversized)?
            .copy_from_slice(&answer);
        Ok(answer.len())
    }

    fn pause(&mut self, us: u64) -> Result<(), TpmError> {
        self.paused += us;
        assert!(self.paused < 60_000_000, "the TPM is busy for ever");
        std::thread::sleep(std::time::Duration::from_micros(us));
        Ok(())
    }
}

fn pcr(index: u32) -> Pcr {
    Pcr::new(index).expect("exists")
}

fn hash(alg: HashAlg, parts: &[&[u8]]) -> Digest {
    let mut bank = Banks::new();
    bank.push(alg).expect("one bank");
    let digests = HostHash::new().digest(&bank, &parts.concat());
    *digests.find(alg.id()).expect("the bank is there")
}

#[test]
fn families_are_told_apart() {
    for family in BOTH {
        let mut tpm = Direct::unstarted(family);
        // Must not matter, and it does not matter whether the TPM was started.
        for claimed in BOTH {
            tpm.family = claimed;
            assert_eq!(identify(&mut tpm), Ok(family));
        }
        tpm.family = family;
        startup(&mut tpm, StartupType::Clear).expect("startup");
        assert_eq!(identify(&mut tpm), Ok(family));
        tpm.at(2);
        assert_eq!(identify(&mut tpm), Ok(family));
    }
}

/// Commands of the wrong family are refused in a way that tells.
#[test]
fn wrong_family() {
    let mut tpm = Direct::start(TpmFamily::Tpm12);
    tpm.family = TpmFamily::Tpm20;
    assert_eq!(pcr_banks(&mut tpm), Err(TpmError::NotTpm2));
    let mut tpm = Direct::start(TpmFamily::Tpm20);
    tpm.family = TpmFamily::Tpm12;
    let read = pcr_read(&mut tpm, Pcr::CODE, HashAlg::SHA1);
    // The library wants this in the tag of TPM 1.2, but not every TPM 2.0 does it.
    let refused = TpmError::Rc(TpmRc::BAD_TAG);
    assert!(read == Err(refused) || read == Err(TpmError::ResponseTag));
}

#[test]
fn started_once_or_twice() {
    for family in BOTH {
        let mut tpm = Direct::unstarted(family);
        let alg = match family {
            TpmFamily::Tpm12 => HashAlg::SHA1,
            TpmFamily::Tpm20 => HashAlg::SHA256,
        };
        let early = pcr_read(&mut tpm, Pcr::CODE, alg);
        let refused = tpm.refusal(TpmRc::INVALID_POSTINIT, TpmRc::INITIALIZE);
        assert_eq!(early, refused);
        assert_eq!(startup(&mut tpm, StartupType::Clear), Ok(()));
        assert!(pcr_read(&mut tpm, Pcr::CODE, alg).is_ok());
        assert_eq!(startup(&mut tpm, StartupType::Clear), Ok(()));
        // No state was saved: refused, not taken for a TPM that was started.
        tpm.tpm.reset();
        let resumed = startup(&mut tpm, StartupType::State);
        assert_eq!(
            resumed,
            tpm.refusal(TpmRc::FAILEDSELFTEST, TpmRc::new(0x1c4))
        );
    }
}

#[test]
fn self_tests() {
    for family in BOTH {
        let mut tpm = Direct::start(family);
        assert_eq!(self_test(&mut tpm), Ok(()));
        assert!(!pcr_banks(&mut tpm).expect("banks").is_empty());
    }
    // One that has failed says so, and does nothing more: no state to resume is such a failure.
    let mut tpm = Direct::unstarted(TpmFamily::Tpm12);
    let failed = Err(TpmError::Rc(TpmRc::FAILEDSELFTEST));
    assert_eq!(startup(&mut tpm, StartupType::State), failed);
    assert_eq!(self_test(&mut tpm), failed);
}

#[test]
fn who_made_it() {
    let found = properties(&mut Direct::start(TpmFamily::Tpm20)).expect("properties");
    assert_eq!(found.family, TpmFamily::Tpm20);
    assert_eq!(
        (&found.spec_family, &found.manufacturer),
        (b"2.0\0", b"IBM\0")
    );
    assert!(found.spec_level == 0 && found.spec_revision >= 138);
    assert_ne!(found.firmware, [0, 0]);

    let found = properties(&mut Direct::start(TpmFamily::Tpm12)).expect("properties");
    assert_eq!(found.family, TpmFamily::Tpm12);
    assert_eq!(
        (&found.spec_family, &found.manufacturer),
        (b"1.2\0", b"IBM\0")
    );
    assert_eq!((found.spec_level, found.spec_revision), (2, 3));
    assert_ne!(found.firmware, [0, 0]);
}

#[test]
fn times_of_tpm12() {
    let mut tpm = Direct::start(TpmFamily::Tpm12);
    let timeouts = tpm12_timeouts(&mut tpm).expect("timeouts");
    let defaults = Timeouts::DEFAULT;
    assert!(timeouts.a >= defaults.a && timeouts.b >= defaults.b);
    assert!(timeouts.c >= defaults.c && timeouts.d >= defaults.d);
    assert!(timeouts.b < 60_000_000);
    let durations = tpm12_durations(&mut tpm).expect("durations");
    assert!(durations.short.as_us() >= 10_000);
    assert!(durations.short.as_us() <= durations.medium.as_us());
    assert!(durations.medium.as_us() <= durations.long.as_us());
}

#[test]
fn extend_and_reset() {
    for family in BOTH {
        let mut tpm = Direct::start(family);
        let banks = pcr_banks(&mut tpm).expect("banks");
        for index in [16, 23] {
            let digests = HostHash::new().digest(&banks, b"measured");
            for _ in 0..2 {
                pcr_extend(&mut tpm, pcr(index), &digests).expect("extend");
            }
            for alg in banks.iter() {
                let once = hash(alg, &[b"measured"]);
                let zero = Digest::zero(alg);
                let value = hash(alg, &[zero.as_bytes(), once.as_bytes()]);
                let value = hash(alg, &[value.as_bytes(), once.as_bytes()]);
                assert_eq!(pcr_read(&mut tpm, pcr(index), alg), Ok(value));
            }
            pcr_reset(&mut tpm, pcr(index)).expect("reset");
            for alg in banks.iter() {
                let zero = Digest::zero(alg);
                assert_eq!(pcr_read(&mut tpm, pcr(index), alg), Ok(zero));
            }
        }
    }
}

#[test]
fn wrong_locality_is_refused() {
    for family in BOTH {
        let mut tpm = Direct::start(family);
        let banks = pcr_banks(&mut tpm).expect("banks");
        let alg = banks.as_slice()[0];
        let digests = Digests::capped(&banks);
        let before = pcr_read(&mut tpm, Pcr::CODE, alg).expect("read");
        assert!(before.as_bytes().iter().all(|byte| *byte == 0xff));

        let refused = tpm.refusal(TpmRc::BAD_LOCALITY, TpmRc::LOCALITY);
        assert_eq!(pcr_extend(&mut tpm, Pcr::CODE, &digests), refused);
        for (index, tpm12) in [
            (0, TpmRc::NOTRESETABLE),
            (17, TpmRc::NOTLOCAL),
            (21, TpmRc::NOTLOCAL),
        ] {
            let refused = tpm.refusal(tpm12, TpmRc::LOCALITY);
            assert_eq!(pcr_reset(&mut tpm, pcr(index)), refused, "PCR {index}");
        }
        assert_eq!(pcr_read(&mut tpm, Pcr::CODE, alg), Ok(before));

        // The measured environment may.
        assert_eq!(pcr_reset(tpm.at(2), pcr(21)), Ok(()));
        assert_eq!(pcr_extend(&mut tpm, Pcr::CODE, &digests), Ok(()));
        let after = pcr_read(tpm.at(0), Pcr::CODE, alg).expect("read");
        assert_ne!(after, before);
    }
}

/// What a TPM 1.2 has no bank for never reaches it.
#[test]
fn other_banks_than_sha1() {
    let mut tpm = Direct::start(TpmFamily::Tpm12);
    let sha1 = pcr_banks(&mut tpm).expect("banks");
    assert_eq!(sha1.as_slice(), [HashAlg::SHA1]);
    let read = pcr_read(&mut tpm, pcr(16), HashAlg::SHA256);
    assert_eq!(read, Err(TpmError::Banks));
    let mut two = sha1;
    two.push(HashAlg::SHA256).expect("room");
    let mut sha256 = Banks::new();
    sha256.push(HashAlg::SHA256).expect("room");
    for banks in [Banks::new(), two, sha256] {
        let result = pcr_extend(&mut tpm, pcr(16), &Digests::capped(&banks));
        assert_eq!(result, Err(TpmError::CommandInvalid));
    }
    let untouched = Ok(Digest::zero(HashAlg::SHA1));
    assert_eq!(pcr_read(&mut tpm, pcr(16), HashAlg::SHA1), untouched);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A launch on a TPM of this family, in a log of this format: the log, used part only.
fn launch(tpm: &mut Direct, format: LogFormat) -> Vec<u8> {
    let block = vec![0x5a; 10_000];
    tpm.tpm.drtm(&block);
    tpm.at(2);
    let banks = pcr_banks(tpm).expect("banks");
    let mut hash = HostHash::new();
    let mut buf = vec![0xee; 4096];
    let mut log = EventLog::format(&mut buf, 0x1234_5000, &banks, format).expect("log");
    let digests = hash.digest(&banks, &block);
    log.append(Pcr::CODE, EV_SLAUNCH, &digests, b"Measured SLB")
        .expect("append");
    for (pcr, event_type, label) in [
        (Pcr::CODE, EV_SLAUNCH_START, ""),
        (Pcr::CODE, EV_SLAUNCH, "Measured Kernel image"),
        (Pcr::CONFIG, EV_SLAUNCH, "Measured Kernel command line"),
    ] {
        let digests = hash.digest(&banks, label.as_bytes());
        pcr_extend(tpm, pcr, &digests).expect("extend");
        // Who comes next takes the log over.
        let mut log = EventLog::attach(&mut buf, 0x1234_5000).expect("attach");
        assert_eq!(log.log_format(), format);
        log.append(pcr, event_type, &digests, label.as_bytes())
            .expect("append");
    }
    let used = LogReader::new(&buf).expect("reader").used();
    buf.truncate(used);
    buf
}

fn replay(log: &[u8], alg: HashAlg, index: u32) -> Digest {
    let log = LogReader::new(log).expect("reader");
    let mut value = Digest::zero(alg);
    for event in log.events().map(|event| event.expect("event")) {
        if event.pcr == index {
            let digest = event.digests.find(alg.id()).expect("digest");
            value = hash(alg, &[value.as_bytes(), digest]);
        }
    }
    value
}

#[test]
fn launch_and_replay() {
    for (family, format) in [
        (TpmFamily::Tpm12, LogFormat::Tpm12),
        (TpmFamily::Tpm12, LogFormat::Agile),
        (TpmFamily::Tpm20, LogFormat::Agile),
    ] {
        let mut tpm = Direct::start(family);
        let log = launch(&mut tpm, format);
        let reader = LogReader::new(&log).expect("reader");
        assert_eq!(reader.log_format(), format);
        assert_eq!(reader.events().count(), 4);
        for alg in reader.banks().iter() {
            for index in [17, 18] {
                let value = pcr_read(&mut tpm, pcr(index), alg).expect("read");
                assert_eq!(value, replay(&log, alg, index), "PCR {index}");
            }
        }
    }
}

/// Somebody else's reader makes the same of the records, and replays them to the TPM's values.
#[test]
fn tpm2_eventlog_reads_tpm12_records() {
    let mut tpm = Direct::start(TpmFamily::Tpm12);
    let log = launch(&mut tpm, LogFormat::Tpm12);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("log");
    // It does not know the container.
    std::fs::write(&file, &log[CONTAINER..]).expect("written");
    let output = match Command::new("tpm2_eventlog").arg(&file).output() {
        Ok(output) => output,
        Err(error) => panic!("this test needs tpm2_eventlog (Debian: tpm2-tools): {error}"),
    };
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{text}");
    assert_eq!(text.matches("DigestCount: 1").count(), 4, "{text}");
    for event in LogReader::new(&log).expect("reader").events() {
        let event = event.expect("event");
        let digest = hex(event.digests.find(HashAlg::SHA1.id()).expect("digest"));
        assert!(text.contains(&digest), "no {digest} in {text}");
    }
    for index in [17, 18] {
        let value = pcr_read(&mut tpm, pcr(index), HashAlg::SHA1).expect("read");
        let line = format!("{index} : 0x{}", hex(value.as_bytes()));
        assert!(text.contains(&line), "no {line} in {text}");
    }
}
