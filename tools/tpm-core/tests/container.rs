// SPDX-License-Identifier: GPL-2.0

//! The log of TPM 1.2: its bytes, its limits, and what is refused.

mod common;

use common::hex;
use tpm_core::{
    Banks, Digests, EventLog, HashAlg, LogError, LogFormat, LogReader, Pcr, EV_SLAUNCH,
    EV_SLAUNCH_START,
};

const PHYS: u64 = 0x1_2345_6000;
const SIZE: usize = 512;

/// Offsets in `sample`.
const VERSIONS: usize = 32;
const CONTAINER: usize = 36;
const FIRST: usize = 40;
const NEXT: usize = 44;
const HEADER: usize = 48;
const EVENT: usize = 12 + 20;
const SECOND: usize = HEADER + EVENT;
const END: usize = SECOND + EVENT + 5;

fn banks(algs: &[HashAlg]) -> Banks {
    let mut banks = Banks::new();
    for alg in algs {
        banks.push(*alg).expect("room");
    }
    banks
}

fn sha1() -> Banks {
    banks(&[HashAlg::SHA1])
}

fn digests(fill: u8) -> Digests {
    let mut digests = Digests::capped(&sha1());
    assert!(digests.set(HashAlg::SHA1, &[fill; 20]));
    digests
}

/// A log with two events.
fn sample() -> Vec<u8> {
    let mut buf = vec![0xaa; SIZE];
    let mut log = EventLog::format(&mut buf, PHYS, &sha1(), LogFormat::Tpm12).expect("format");
    assert_eq!(log.log_format(), LogFormat::Tpm12);
    log.append(Pcr::CODE, EV_SLAUNCH_START, &digests(1), b"")
        .expect("append");
    log.append(Pcr::CONFIG, EV_SLAUNCH, &digests(2), b"hello")
        .expect("append");
    assert_eq!((log.used(), log.capacity()), (END, SIZE));
    buf
}

fn le32(value: usize) -> [u8; 4] {
    u32::try_from(value).expect("small").to_le_bytes()
}

#[test]
fn bytes() {
    let mut wanted = b"TXT Event Container\0".to_vec();
    wanted.extend([0; 12]);
    wanted.extend(hex("01 00 01 00 00020000 30000000 75000000"));
    assert_eq!(wanted.len(), HEADER);
    wanted.extend(hex("11000000 03050000"));
    wanted.extend([1; 20]);
    wanted.extend(hex("00000000"));
    wanted.extend(hex("12000000 02050000"));
    wanted.extend([2; 20]);
    wanted.extend(hex("05000000"));
    wanted.extend(b"hello");
    assert_eq!(wanted.len(), END);
    wanted.resize(SIZE, 0);
    assert_eq!(sample(), wanted);
}

#[test]
fn read_back() {
    let buf = sample();
    // The buffer, its used part, and as a log whose end is known otherwise.
    for log in [
        LogReader::new(&buf),
        LogReader::new(&buf[..END]),
        LogReader::whole(&buf[..END]),
    ] {
        let log = log.expect("reader");
        assert_eq!(log.log_format(), LogFormat::Tpm12);
        assert_eq!(*log.banks(), sha1());
        assert_eq!((log.used(), log.header().size), (END, HEADER));
        let events: Vec<_> = log.events().map(|event| event.expect("good")).collect();
        assert_eq!(events.len(), 2);
        assert_eq!((events[0].pcr, events[1].pcr), (17, 18));
        assert_eq!((events[0].offset, events[1].offset), (HEADER, SECOND));
        assert_eq!(events[0].event_type, EV_SLAUNCH_START);
        assert_eq!(events[1].data, b"hello");
        let digest = &events[1].digests;
        assert_eq!(digest.count(), 1);
        assert_eq!(digest.find(0x04), Some(&[2; 20][..]));
        assert_eq!(digest.find(0x0b), None);
        assert_eq!(digest.iter().count(), 1);
    }
}

#[test]
fn format_limits() {
    for size in 0..HEADER {
        let error = EventLog::format(&mut vec![0; size], PHYS, &sha1(), LogFormat::Tpm12).err();
        assert_eq!(error, Some(LogError::TooSmall));
    }
    for wrong in [
        Banks::new(),
        banks(&[HashAlg::SHA256]),
        banks(&[HashAlg::SHA1, HashAlg::SHA256]),
    ] {
        let mut buf = vec![0x55; SIZE];
        let error = EventLog::format(&mut buf, PHYS, &wrong, LogFormat::Tpm12).err();
        assert_eq!(error, Some(LogError::Banks));
        assert!(buf.iter().all(|byte| *byte == 0x55));
    }
    let size = EVENT + 5;
    for (room, fits) in [
        (0, false),
        (size - 1, false),
        (size, true),
        (size + 1, true),
    ] {
        let mut buf = vec![0; HEADER + room];
        let mut log = EventLog::format(&mut buf, PHYS, &sha1(), LogFormat::Tpm12).expect("format");
        let result = log.append(Pcr::CODE, EV_SLAUNCH, &digests(1), b"hello");
        assert_eq!(result, if fits { Ok(()) } else { Err(LogError::Full) });
        let log = EventLog::attach(&mut buf, PHYS).expect("attach");
        assert_eq!(log.used(), if fits { HEADER + size } else { HEADER });
    }
}

#[test]
fn attach_and_go_on() {
    let mut buf = sample();
    // It does not tell its address.
    let mut log = EventLog::attach(&mut buf, 0).expect("attach");
    assert_eq!(log.log_format(), LogFormat::Tpm12);
    assert_eq!((log.used(), log.capacity()), (END, SIZE));
    for wrong in [
        banks(&[HashAlg::SHA256]),
        banks(&[HashAlg::SHA1, HashAlg::SHA256]),
        Banks::new(),
    ] {
        let result = log.append(Pcr::CODE, EV_SLAUNCH, &Digests::capped(&wrong), b"");
        assert!(matches!(
            result,
            Err(LogError::DigestCount | LogError::UnknownAlgorithm)
        ));
    }
    log.append(Pcr::CODE, EV_SLAUNCH, &digests(3), b"more")
        .expect("append");
    let log = LogReader::new(&buf).expect("reader");
    assert_eq!(log.events().count(), 3);
    assert_eq!(log.used(), END + EVENT + 4);
    // Only the part of the buffer that is described.
    let error = EventLog::attach(&mut buf[..SIZE - 1], PHYS).err();
    assert_eq!(error, Some(LogError::Container));
}

/// `sample` with some bytes changed: what a reader, and attach, say.
fn damaged(at: usize, bytes: &[u8]) -> Option<LogError> {
    let mut buf = sample();
    buf[at..at + bytes.len()].copy_from_slice(bytes);
    let read = match LogReader::new(&buf) {
        Ok(log) => log.events().find_map(Result::err),
        Err(error) => Some(error),
    };
    let before = buf.clone();
    let attached = EventLog::attach(&mut buf, PHYS).err();
    assert_eq!(buf, before, "attach changed the log");
    assert!(read.is_none() || attached == read);
    attached
}

#[test]
fn damaged_header() {
    assert_eq!(damaged(0, &[]), None);
    // Neither format.
    for at in 0..20 {
        assert_eq!(damaged(at, b"x"), Some(LogError::NotAgile));
    }
    assert_eq!(damaged(20, &[0xff; 12]), None); // Reserved
    for at in VERSIONS..CONTAINER {
        assert_eq!(damaged(at, &[2]), Some(LogError::Version));
    }
    let container = Some(LogError::Container);
    for size in [0, SIZE - 1, SIZE + 1, END] {
        assert_eq!(damaged(CONTAINER, &le32(size)), container);
    }
    assert_eq!(damaged(CONTAINER, &[0xff; 4]), container);
    for first in [0, HEADER - 1, HEADER + 1, SECOND] {
        assert_eq!(damaged(FIRST, &le32(first)), container);
    }
    let append_point = Some(LogError::AppendPoint);
    for next in [0, HEADER - 1, SIZE + 1] {
        assert_eq!(damaged(NEXT, &le32(next)), append_point);
    }
    assert_eq!(damaged(NEXT, &[0xff; 4]), append_point);
    // An empty log, and one with its last event cut off: those cannot be told from the truth here.
    assert_eq!(damaged(NEXT, &le32(HEADER)), None);
    assert_eq!(damaged(NEXT, &le32(SECOND)), None);
    for next in (HEADER + 1..SECOND).chain(SECOND + 1..END) {
        assert_eq!(damaged(NEXT, &le32(next)), Some(LogError::Truncated));
    }
    // The zeros behind the last event are events only if there are enough of them.
    assert_eq!(damaged(NEXT, &le32(END + 1)), Some(LogError::Truncated));
}

#[test]
fn damaged_events() {
    let size = HEADER + EVENT - 4;
    assert_eq!(damaged(size, &le32(END)), Some(LogError::Truncated));
    assert_eq!(damaged(size, &[0xff; 4]), Some(LogError::Truncated));
    // One event that swallows the other, exactly.
    assert_eq!(damaged(size, &le32(EVENT + 5)), None);
    // PCR, type and digest are for those who know what they mean.
    assert_eq!(damaged(HEADER, &[0xff; 28]), None);
}

/// Every prefix of a log is too small, or has its end outside.
#[test]
fn prefixes() {
    let buf = sample();
    for len in 0..END {
        let wanted = if len < HEADER {
            LogError::TooSmall
        } else {
            LogError::AppendPoint
        };
        let error = LogReader::new(&buf[..len]).err();
        assert_eq!(error, Some(wanted), "{len} bytes");
    }
}
