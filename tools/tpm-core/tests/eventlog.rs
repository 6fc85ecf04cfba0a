// SPDX-License-Identifier: GPL-2.0

//! The event log: its bytes, its limits, and what is refused.

mod common;

use common::hex;
use tpm_core::{
    Banks, Digests, EventLog, HashAlg, HostHash, LogError, LogFormat, LogReader, MultiHash, Pcr,
    EV_SLAUNCH, EV_SLAUNCH_START,
};

const PHYS: u64 = 0x1_2345_6000;

fn banks(algs: &[HashAlg]) -> Banks {
    let mut banks = Banks::new();
    for alg in algs {
        banks.push(*alg).expect("room");
    }
    banks
}

fn two() -> Banks {
    banks(&[HashAlg::SHA1, HashAlg::SHA256])
}

fn digests(banks: &Banks, fill: u8) -> Digests {
    let mut digests = Digests::capped(banks);
    for alg in banks.iter() {
        assert!(digests.set(alg, &vec![fill; alg.size()]));
    }
    digests
}

/// A log in the banks of `two` with two events, in a buffer of 1024 bytes.
fn sample() -> Vec<u8> {
    let mut buf = vec![0xaa; 1024];
    let mut log = EventLog::format(&mut buf, PHYS, &two(), LogFormat::Agile).expect("format");
    let (start, code) = (digests(&two(), 1), digests(&two(), 2));
    log.append(Pcr::CODE, EV_SLAUNCH_START, &start, b"")
        .expect("append");
    log.append(Pcr::CONFIG, EV_SLAUNCH, &code, b"hello")
        .expect("append");
    buf
}

/// Offsets in `sample`.
const HEADER: usize = 89;
const FIRST: usize = HEADER;
const FIRST_SIZE: usize = 12 + 22 + 34 + 4;
const SECOND: usize = FIRST + FIRST_SIZE;
const END: usize = SECOND + FIRST_SIZE + 5;

const BANK_COUNT: usize = 56;
const BANK_LIST: usize = 60;
const VENDOR_SIZE: usize = 68;
const VENDOR: usize = 69;
const NEXT: usize = 85;

#[test]
fn bytes() {
    let mut wanted = hex("00000000 03000000");
    wanted.extend([0; 20]);
    wanted.extend(hex("39000000"));
    wanted.extend(b"Spec ID Event03\0");
    wanted.extend(hex("00000000 00 02 00 02 02000000 0400 1400 0b00 2000 14"));
    wanted.extend(hex("0060452301000000 00040000 00000000"));
    wanted.extend(u32::try_from(END).expect("small").to_le_bytes());
    assert_eq!(wanted.len(), HEADER);
    wanted.extend(hex("11000000 03050000 02000000 0400"));
    wanted.extend([1; 20]);
    wanted.extend(hex("0b00"));
    wanted.extend([1; 32]);
    wanted.extend(hex("00000000"));
    wanted.extend(hex("12000000 02050000 02000000 0400"));
    wanted.extend([2; 20]);
    wanted.extend(hex("0b00"));
    wanted.extend([2; 32]);
    wanted.extend(hex("05000000"));
    wanted.extend(b"hello");
    assert_eq!(wanted.len(), END);
    wanted.resize(1024, 0);
    assert_eq!(sample(), wanted);
}

#[test]
fn read_back() {
    let buf = sample();
    let log = LogReader::new(&buf).expect("reader");
    assert_eq!(*log.banks(), two());
    assert_eq!(log.used(), END);
    assert_eq!(log.header().size, HEADER);
    assert_eq!(log.header().platform_class, 0);
    let vendor = log.header().vendor.expect("ours");
    assert_eq!((vendor.phys, vendor.container), (PHYS, 1024));

    let events: Vec<_> = log.events().map(|event| event.expect("good")).collect();
    assert_eq!(events.len(), 2);
    assert_eq!((events[0].pcr, events[1].pcr), (17, 18));
    assert_eq!((events[0].offset, events[1].offset), (FIRST, SECOND));
    assert_eq!(events[1].event_type, EV_SLAUNCH);
    assert_eq!(events[1].data, b"hello");
    assert_eq!(events[1].digests.count(), 2);
    assert_eq!(events[1].digests.find(0x0b), Some(&[2; 32][..]));
    assert_eq!(events[1].digests.find(0x0c), None);
    let ids: Vec<_> = events[0].digests.iter().map(|(id, _)| id).collect();
    assert_eq!(ids, [0x04, 0x0b]);

    // Just the used part, and as a log whose end is known otherwise.
    assert!(LogReader::new(&buf[..END]).is_ok());
    let whole = LogReader::whole(&buf[..END]).expect("reader");
    assert_eq!(whole.events().count(), 2);
}

#[test]
fn attach_and_go_on() {
    let mut buf = sample();
    let mut log = EventLog::attach(&mut buf, PHYS).expect("attach");
    assert_eq!((log.used(), log.capacity()), (END, 1024));
    assert_eq!(*log.banks(), two());
    log.append(Pcr::CODE, EV_SLAUNCH, &digests(&two(), 3), b"more")
        .expect("append");
    let log = LogReader::new(&buf).expect("reader");
    assert_eq!(log.events().count(), 3);
    assert_eq!(log.used(), END + FIRST_SIZE + 4);
}

#[test]
fn format_limits() {
    for size in 0..HEADER {
        let error = EventLog::format(&mut vec![0; size], PHYS, &two(), LogFormat::Agile).err();
        assert_eq!(error, Some(LogError::TooSmall));
    }
    let mut exact = vec![0; HEADER];
    let mut log = EventLog::format(&mut exact, PHYS, &two(), LogFormat::Agile).expect("format");
    let full = log.append(Pcr::CODE, EV_SLAUNCH, &digests(&two(), 1), b"");
    assert_eq!(full, Err(LogError::Full));
    assert!(EventLog::attach(&mut exact, PHYS).is_ok());
    let none = EventLog::format(&mut exact, PHYS, &Banks::new(), LogFormat::Agile).err();
    assert_eq!(none, Some(LogError::Banks));
}

#[test]
fn append_limits() {
    let size = FIRST_SIZE + 5;
    for (room, fits) in [(size - 1, false), (size, true), (size + 1, true)] {
        let mut buf = vec![0; HEADER + room];
        let mut log = EventLog::format(&mut buf, PHYS, &two(), LogFormat::Agile).expect("format");
        assert_eq!(log.has_room(5), fits);
        let result = log.append(Pcr::CODE, EV_SLAUNCH, &digests(&two(), 1), b"hello");
        assert_eq!(result.is_ok(), fits);
        assert_eq!(log.used() > HEADER, fits);
        if !fits {
            assert_eq!(result, Err(LogError::Full));
            assert!(buf[HEADER..].iter().all(|byte| *byte == 0));
        }
        let read = LogReader::new(&buf).expect("reader").events().count();
        assert_eq!(read, usize::from(fits));
    }
}

#[test]
fn append_wrong_digests() {
    let mut buf = vec![0; 1024];
    let mut log = EventLog::format(&mut buf, PHYS, &two(), LogFormat::Agile).expect("format");
    for (algs, error) in [
        (&[HashAlg::SHA1][..], LogError::DigestCount),
        (
            &[HashAlg::SHA1, HashAlg::SHA384],
            LogError::UnknownAlgorithm,
        ),
        (
            &[HashAlg::SHA1, HashAlg::SHA256, HashAlg::SHA384],
            LogError::DigestCount,
        ),
    ] {
        let wrong = digests(&banks(algs), 1);
        let result = log.append(Pcr::CODE, EV_SLAUNCH, &wrong, b"");
        assert_eq!(result, Err(error));
    }
    // Another order is none of the caller's concern.
    let swapped = digests(&banks(&[HashAlg::SHA256, HashAlg::SHA1]), 1);
    assert_eq!(log.append(Pcr::CODE, EV_SLAUNCH, &swapped, b""), Ok(()));
    let log = LogReader::new(&buf).expect("reader");
    let event = log.events().next().expect("one").expect("good");
    let ids: Vec<_> = event.digests.iter().map(|(id, _)| id).collect();
    assert_eq!(ids, [0x04, 0x0b]);
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

fn le16(value: u16) -> [u8; 2] {
    value.to_le_bytes()
}

fn le32(value: usize) -> [u8; 4] {
    u32::try_from(value).expect("small").to_le_bytes()
}

#[test]
fn damaged_header() {
    assert_eq!(damaged(0, &[]), None);
    let not_agile = Some(LogError::NotAgile);
    assert_eq!(damaged(0, &[1]), not_agile); // PCR
    assert_eq!(damaged(4, &[4]), not_agile); // Type
    assert_eq!(damaged(8, &[1]), not_agile); // Digest
    assert_eq!(damaged(27, &[1]), not_agile);
    assert_eq!(damaged(28, &le32(56)), not_agile); // Size: one less, one more, far too large.
    assert_eq!(damaged(28, &le32(58)), not_agile);
    assert_eq!(damaged(28, &le32(0)), not_agile);
    assert_eq!(damaged(28, &[0xff; 4]), Some(LogError::TooSmall));
    assert_eq!(damaged(28, &le32(1024 - 31)), Some(LogError::TooSmall));
    assert_eq!(damaged(32, b"spec"), not_agile);
    assert_eq!(damaged(46, b"0"), not_agile); // The version in the signature, and its NUL.
    assert_eq!(damaged(47, b"0"), not_agile);

    let version = Some(LogError::Version);
    assert_eq!(damaged(52, &[1]), version); // Minor
    assert_eq!(damaged(53, &[1]), version); // Major
    assert_eq!(damaged(54, &[105]), None); // Errata, as firmware has it
    assert_eq!(damaged(55, &[0]), version); // UINTN
    assert_eq!(damaged(55, &[1]), None);
    assert_eq!(damaged(55, &[3]), version);
    assert_eq!(damaged(48, &[1]), None); // A server
}

#[test]
fn damaged_banks() {
    let bad = Some(LogError::Banks);
    assert_eq!(damaged(BANK_COUNT, &le32(0)), bad);
    assert_eq!(damaged(BANK_COUNT, &le32(9)), bad);
    assert_eq!(damaged(BANK_COUNT, &[0xff; 4]), bad);
    // The vendor information is taken for a bank, or a bank for it.
    assert!(damaged(BANK_COUNT, &le32(3)).is_some());
    assert_eq!(damaged(BANK_COUNT, &le32(1)), Some(LogError::NotAgile));
    assert_eq!(damaged(BANK_LIST, &le16(0x0b)), bad); // The size of SHA-1
    assert_eq!(damaged(BANK_LIST + 2, &le16(21)), bad);
    assert_eq!(damaged(BANK_LIST + 2, &le16(0)), bad);
    assert_eq!(damaged(BANK_LIST + 2, &le16(0xffff)), bad);
    let twice = [0x0b, 0x00, 0x20, 0x00, 0x0b, 0x00, 0x20, 0x00];
    assert_eq!(damaged(BANK_LIST, &twice), bad);
    assert_eq!(damaged(BANK_LIST, &le16(0x10)), bad); // TPM_ALG_NULL
}

#[test]
fn damaged_vendor_information() {
    assert_eq!(damaged(VENDOR_SIZE, &[19]), Some(LogError::NotAgile));
    assert_eq!(damaged(VENDOR_SIZE, &[21]), Some(LogError::NotAgile));
    let container = Some(LogError::Container);
    assert_eq!(damaged(VENDOR, &[1]), container); // Address
    assert_eq!(damaged(VENDOR + 8, &le32(1023)), container);
    assert_eq!(damaged(VENDOR + 8, &le32(1025)), container);
    assert_eq!(damaged(VENDOR + 12, &le32(1)), container); // First record
    let append_point = Some(LogError::AppendPoint);
    assert_eq!(damaged(NEXT, &le32(0)), append_point);
    assert_eq!(damaged(NEXT, &le32(HEADER - 1)), append_point);
    assert_eq!(damaged(NEXT, &le32(1025)), append_point);
    assert_eq!(damaged(NEXT, &[0xff; 4]), append_point);
    // An empty log, and one with its last event cut off: those cannot be told from the truth here.
    assert_eq!(damaged(NEXT, &le32(HEADER)), None);
    assert_eq!(damaged(NEXT, &le32(SECOND)), None);
    for next in (HEADER + 1..SECOND).chain(SECOND + 1..END) {
        assert_eq!(damaged(NEXT, &le32(next)), Some(LogError::Truncated));
    }
    // The zeros behind the last event are not events.
    assert_eq!(damaged(NEXT, &le32(END + 1)), Some(LogError::Truncated));
    assert_eq!(damaged(NEXT, &le32(1024)), Some(LogError::DigestCount));
}

/// Without vendor information of ours nobody knows the end.
#[test]
fn foreign_vendor_information() {
    let mut buf = sample()[..VENDOR_SIZE].to_vec();
    buf[28..32].copy_from_slice(&le32(37));
    buf.push(0);
    buf.extend(&sample()[FIRST..END]);
    assert_eq!(LogReader::new(&buf).err(), Some(LogError::NoVendorInfo));
    let error = EventLog::attach(&mut buf.clone(), PHYS).err();
    assert_eq!(error, Some(LogError::NoVendorInfo));
    let log = LogReader::whole(&buf).expect("reader");
    assert_eq!(log.header().vendor, None);
    assert_eq!(log.events().filter(Result::is_ok).count(), 2);
}

#[test]
fn damaged_events() {
    let count = Some(LogError::DigestCount);
    assert_eq!(damaged(FIRST + 8, &le32(0)), count);
    assert_eq!(damaged(FIRST + 8, &le32(3)), count);
    assert_eq!(damaged(FIRST + 8, &[0xff; 4]), count);
    let unknown = Some(LogError::UnknownAlgorithm);
    assert_eq!(damaged(FIRST + 12, &le16(0x0c)), unknown);
    // SHA-256 for SHA-1: from there on everything is somewhere else.
    assert!(damaged(FIRST + 12, &le16(0x0b)).is_some());
    let size = FIRST + FIRST_SIZE - 4;
    assert_eq!(damaged(size, &le32(END)), Some(LogError::Truncated));
    assert_eq!(damaged(size, &[0xff; 4]), Some(LogError::Truncated));
    // One event that swallows the other, exactly.
    assert_eq!(damaged(size, &le32(FIRST_SIZE + 5)), None);
    // PCR and type are for those who know what they mean.
    assert_eq!(damaged(FIRST, &[0xff; 8]), None);
}

#[test]
fn one_digest_twice_or_missing() {
    let one = banks(&[HashAlg::SHA256, HashAlg::SM3_256]);
    let mut buf = vec![0; 512];
    let mut log = EventLog::format(&mut buf, PHYS, &one, LogFormat::Agile).expect("format");
    log.append(Pcr::CODE, EV_SLAUNCH, &digests(&one, 1), b"")
        .expect("append");
    let second = HEADER + 12 + 34;
    assert_eq!(buf[second..second + 2], [0x12, 0]);
    buf[second] = 0x0b;
    let log = LogReader::new(&buf).expect("reader");
    let events: Vec<_> = log.events().map(|event| event.err()).collect();
    assert_eq!(events, [Some(LogError::DigestCount)]);

    // A digest less: a reader takes it, whoever extends the log does not.
    buf[second..].copy_from_slice(&vec![0; 512 - second]);
    buf[HEADER + 8] = 1;
    buf[NEXT..NEXT + 4].copy_from_slice(&le32(second + 4));
    let log = LogReader::new(&buf).expect("reader");
    assert!(log.events().all(|event| event.is_ok()));
    let error = EventLog::attach(&mut buf, PHYS).err();
    assert_eq!(error, Some(LogError::DigestCount));
}

/// Every prefix of a log is too small, or has its end outside.
#[test]
fn prefixes() {
    let buf = sample();
    for len in 0..END {
        let error = LogReader::new(&buf[..len]).err();
        let wanted = if len < HEADER {
            LogError::TooSmall
        } else {
            LogError::AppendPoint
        };
        assert_eq!(error, Some(wanted), "{len} bytes");
    }
}

#[test]
fn hash_on_the_host() {
    let all = banks(&[
        HashAlg::SHA1,
        HashAlg::SHA256,
        HashAlg::SHA384,
        HashAlg::SHA512,
        HashAlg::SM3_256,
    ]);
    let digests = HostHash::new().digest(&all, b"abc");
    let find = |alg: HashAlg| digests.find(alg.id()).expect("bank").as_bytes();
    // FIPS 180-4 examples.
    assert_eq!(
        find(HashAlg::SHA1),
        hex("a9993e364706816aba3e25717850c26c9cd0d89d")
    );
    assert_eq!(
        find(HashAlg::SHA256),
        hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    );
    assert_eq!(
        find(HashAlg::SHA384),
        hex(
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed
             8086072ba1e7cc2358baeca134c825a7"
        )
    );
    assert_eq!(
        find(HashAlg::SHA512),
        hex(
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        )
    );
    let mut cap = vec![0; 32];
    cap[0] = 1;
    assert_eq!(find(HashAlg::SM3_256), cap);
}
