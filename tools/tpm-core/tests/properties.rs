// SPDX-License-Identifier: GPL-2.0

//! Properties of everything that reads what others wrote: never a panic, never an endless walk, and what
//! was written is what is read.

mod common;

use common::{any_command, Faults, Model, Script};
use proptest::collection::vec;
use proptest::prelude::*;
use tpm_core::{
    decode_banks, decode_pcr_read, decode_response, pcr_banks, pcr_extend, pcr_read, Banks,
    Builder, Digests, Duration, EventLog, HashAlg, HostHash, Locality, LogFormat, LogReader,
    MultiHash, Pcr, Reader, Tag, Tpm, TpmError, Transport,
};

const PHYS: u64 = 0x7fff_0000;

/// Any bank, known or not.
fn alg() -> impl Strategy<Value = HashAlg> {
    let known = prop::sample::select(vec![
        HashAlg::SHA1,
        HashAlg::SHA256,
        HashAlg::SHA384,
        HashAlg::SHA512,
        HashAlg::SM3_256,
        HashAlg::SHA3_512,
    ]);
    let unknown = (0x100u16..0x120, 1usize..=64)
        .prop_map(|(id, size)| HashAlg::new(id, size).expect("possible"));
    prop_oneof![3 => known, 1 => unknown]
}

fn banks() -> impl Strategy<Value = Banks> {
    vec(alg(), 1..=12).prop_map(|algs| {
        let mut banks = Banks::new();
        for alg in algs {
            // Twice the same, or one too many: left out.
            let _ = banks.push(alg);
        }
        banks
    })
}

/// A format, with banks that it can have.
fn shape() -> impl Strategy<Value = (LogFormat, Banks)> {
    let mut sha1 = Banks::new();
    sha1.push(HashAlg::SHA1).expect("room");
    prop_oneof![
        2 => banks().prop_map(|banks| (LogFormat::Agile, banks)),
        1 => Just((LogFormat::Tpm12, sha1)),
    ]
}

/// Size of the first record, or of the header.
fn header_size((format, banks): &(LogFormat, Banks)) -> usize {
    match format {
        LogFormat::Tpm12 => 48,
        LogFormat::Agile => 61 + 4 * banks.len() + 20,
    }
}

fn tag() -> impl Strategy<Value = Tag> {
    prop::sample::select(vec![Tag::Tpm12, Tag::NoSessions, Tag::Sessions])
}

/// PCR, type, a seed for the digests, data.
type RawEvent = (u32, u32, u8, Vec<u8>);

fn events() -> impl Strategy<Value = Vec<RawEvent>> {
    let event = (0u32..24, any::<u32>(), any::<u8>(), vec(any::<u8>(), 0..80));
    vec(event, 0..8)
}

fn digests(banks: &Banks, seed: u8) -> Digests {
    let mut digests = Digests::capped(banks);
    for alg in banks.iter() {
        let value: Vec<u8> = (seed..=u8::MAX).cycle().take(alg.size()).collect();
        assert!(digests.set(alg, &value));
    }
    digests
}

fn append(log: &mut EventLog<'_>, event: &RawEvent) -> bool {
    let (pcr, event_type, seed, data) = event;
    let digests = digests(log.banks(), *seed);
    let pcr = Pcr::new(*pcr).expect("exists");
    log.append(pcr, *event_type, &digests, data).is_ok()
}

/// Walks a log as far as it goes, and checks what must hold of any log.
fn walk(bytes: &[u8], log: &LogReader<'_>) -> usize {
    let mut end = log.header().size;
    let mut good = 0;
    let mut failed = false;
    for event in log.events() {
        assert!(!failed, "nothing may follow an error");
        let Ok(event) = event else {
            failed = true;
            continue;
        };
        assert_eq!(event.offset, end);
        assert!((1..=log.banks().len()).contains(&event.digests.count()));
        assert_eq!(event.digests.iter().count(), event.digests.count());
        let (fixed, id) = match log.log_format() {
            LogFormat::Tpm12 => (12, 0),
            LogFormat::Agile => (16, 2),
        };
        let digests: usize = event.digests.iter().map(|(_, d)| id + d.len()).sum();
        end += fixed + digests + event.data.len();
        good += 1;
    }
    assert!(end <= log.used() && log.used() <= bytes.len());
    assert!(failed || end == log.used());
    good
}

fn read_any(bytes: &[u8]) {
    let logs = [LogReader::new(bytes), LogReader::whole(bytes)];
    for log in logs.into_iter().flatten() {
        walk(bytes, &log);
    }
}

/// A good log of these events, as many as fit, in a buffer of `size` bytes.
fn log_of(
    (format, banks): &(LogFormat, Banks),
    events: &[RawEvent],
    size: usize,
) -> Option<(Vec<u8>, usize)> {
    let mut buf = vec![0x55; size];
    let mut log = EventLog::format(&mut buf, PHYS, banks, *format).ok()?;
    let written = events.iter().take_while(|e| append(&mut log, e)).count();
    Some((buf, written))
}

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

    #[test]
    fn any_bytes_as_log(bytes in vec(any::<u8>(), 0..400)) {
        read_any(&bytes);
        prop_assert!(EventLog::attach(&mut bytes.clone(), PHYS).is_err());
    }

    /// Any bytes behind the signature of a TPM 1.2 log, with versions and numbers that are sometimes right.
    #[test]
    fn any_bytes_as_container(
        mut bytes in vec(any::<u8>(), 0..400),
        versions in prop_oneof![4 => Just([1, 0, 1, 0]), 1 => any::<[u8; 4]>()],
        next in 40u32..400,
    ) {
        let size = u32::try_from(bytes.len()).expect("small");
        let numbers = [size, 48, next].map(u32::to_le_bytes).concat();
        let fields = [&b"TXT Event Container\0"[..], &[0; 12], &versions, &numbers].concat();
        for (to, from) in bytes.iter_mut().zip(fields) {
            *to = from;
        }
        read_any(&bytes);
        let good = versions == [1, 0, 1, 0] && (48..=size).contains(&next);
        let attached = EventLog::attach(&mut bytes.clone(), PHYS).is_ok();
        // Whatever the address is: nothing to compare.
        prop_assert_eq!(EventLog::attach(&mut bytes.clone(), 0).is_ok(), attached);
        let events = LogReader::new(&bytes).map(|log| log.events().all(|event| event.is_ok()));
        prop_assert_eq!(events.is_ok(), good);
        prop_assert_eq!(attached, events == Ok(true));
    }

    /// Good logs with some bytes changed get much further than any bytes.
    #[test]
    fn almost_a_log(
        shape in shape(),
        events in events(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        header in any::<bool>(),
    ) {
        let (mut buf, _) = log_of(&shape, &events, 1500).expect("room for the header");
        let part = if header { header_size(&shape) } else { buf.len() };
        for (at, byte) in damage {
            buf[at.index(part)] = byte;
        }
        read_any(&buf);
        let before = buf.clone();
        if let Ok(mut log) = EventLog::attach(&mut buf, PHYS) {
            // What was attached is a log, and stays one.
            let used = log.used();
            let more = append(&mut log, &(17, 0x502, 1, b"more".to_vec()));
            let log = LogReader::new(&buf).expect("attached");
            let old = LogReader::new(&before).expect("attached");
            prop_assert_eq!(walk(&buf, &log), walk(&before, &old) + usize::from(more));
            prop_assert_eq!(log.used() > used, more);
        } else {
            prop_assert_eq!(buf, before);
        }
    }

    #[test]
    fn log_round_trip(shape in shape(), events in events(), size in 0usize..2500) {
        let Some((buf, written)) = log_of(&shape, &events, size) else {
            prop_assert!(size < header_size(&shape));
            return Ok(());
        };
        let (format, banks) = shape;
        let log = LogReader::new(&buf).expect("reader");
        prop_assert_eq!(log.log_format(), format);
        prop_assert_eq!(log.header().size, header_size(&shape));
        prop_assert_eq!(log.banks(), &banks);
        prop_assert_eq!(walk(&buf, &log), written);
        for (event, (pcr, event_type, seed, data)) in log.events().zip(&events) {
            let event = event.expect("good");
            prop_assert_eq!((event.pcr, event.event_type), (*pcr, *event_type));
            prop_assert_eq!(event.data, &data[..]);
            let digests = digests(&banks, *seed);
            prop_assert_eq!(event.digests.count(), digests.len());
            for digest in digests.iter() {
                let found = event.digests.find(digest.alg().id());
                prop_assert_eq!(found, Some(digest.as_bytes()));
            }
        }
    }

    /// Attaching between any two events makes no difference.
    #[test]
    fn attach_anywhere(shape in shape(), events in events()) {
        let (once, written) = log_of(&shape, &events, 2500).expect("room");
        let mut buf = vec![0x55; 2500];
        EventLog::format(&mut buf, PHYS, &shape.1, shape.0).expect("room");
        for event in events.iter().take(written) {
            let mut log = EventLog::attach(&mut buf, PHYS).expect("attach");
            prop_assert!(append(&mut log, event));
        }
        prop_assert_eq!(buf, once);
    }

    /// What does not fit changes nothing.
    #[test]
    fn nothing_partial(shape in shape(), events in events(), size in 0usize..900) {
        let Some((mut buf, written)) = log_of(&shape, &events, size) else {
            return Ok(());
        };
        if let Some(event) = events.get(written) {
            let before = buf.clone();
            let mut log = EventLog::attach(&mut buf, PHYS).expect("attach");
            prop_assert!(!append(&mut log, event));
            prop_assert_eq!(buf, before);
        }
    }

    #[test]
    fn any_bytes_as_response(bytes in vec(any::<u8>(), 0..200), tag in tag(), pcr in 0u32..24, alg: u16) {
        let pcr = Pcr::new(pcr).expect("exists");
        if let Ok((_, parameters)) = decode_response(&bytes, tag) {
            prop_assert!(parameters.left() <= bytes.len());
        }
        let mut found = 0usize;
        let banks = decode_banks(Reader::new(&bytes), |_, _| { found += 1; Ok(()) });
        prop_assert!(found <= 16 && banks.is_err() || found <= bytes.len() / 3);
        if let Ok(Some(value)) = decode_pcr_read(Reader::new(&bytes), pcr, alg) {
            prop_assert!(value.len() <= 64);
        }
    }

    /// Good headers, any parameters: the parts behind the header are reached.
    #[test]
    fn any_parameters(parameters in vec(prop_oneof![3 => 0u8..6, 1 => any::<u8>()], 0..60), sessions: bool) {
        let (raw, tag) = if sessions { (0x8002, Tag::Sessions) } else { (0x8001, Tag::NoSessions) };
        let answer = common::response(raw, 0, &parameters);
        let decoded = decode_response(&answer, tag).map(|(rc, reader)| (rc.raw(), reader.left()));
        match decoded {
            Ok((rc, left)) => prop_assert!(rc == 0 && left <= parameters.len()),
            Err(error) => prop_assert!(sessions && error != TpmError::ResponseTag),
        }
        let _ = decode_banks(Reader::new(&parameters), |_, _| Ok(()));
        let _ = decode_pcr_read(Reader::new(&parameters), Pcr::CODE, 0x0b);
    }

    /// Bank lists round trip.
    #[test]
    fn bank_lists(list in vec((any::<u16>(), vec(any::<u8>(), 0..=4)), 0..=16)) {
        let mut bytes = vec![0];
        bytes.extend(5u32.to_be_bytes());
        bytes.extend(u32::try_from(list.len()).expect("few").to_be_bytes());
        for (id, map) in &list {
            bytes.extend(id.to_be_bytes());
            bytes.push(u8::try_from(map.len()).expect("few"));
            bytes.extend(map);
        }
        let mut found = Vec::new();
        let result = decode_banks(Reader::new(&bytes), |id, pcr| { found.push((id, pcr.index())); Ok(()) });
        prop_assert_eq!(result, Ok(()));
        let lowest = |map: &[u8]| (0..24u32).find(|n| {
            let (byte, bit) = (usize::try_from(n / 8).expect("small"), n % 8);
            map.get(byte).is_some_and(|byte| byte >> bit & 1 == 1)
        });
        let wanted: Vec<_> = list.iter().filter_map(|(id, map)| Some((*id, lowest(map)?))).collect();
        prop_assert_eq!(found, wanted);
    }

    /// The builder writes all or is invalid, and the reader gives back what it wrote.
    #[test]
    fn builder_and_reader(room in 0usize..40, a: u8, b: u16, c: u32, d: u64, e in vec(any::<u8>(), 0..20)) {
        let mut buf = vec![0x77; room];
        let mut builder = Builder::new(&mut buf);
        builder.u8(a).be16(b).le16(b).be32(c).le32(c).le64(d).bytes(&e);
        let need = 21 + e.len();
        let len = builder.finish();
        prop_assert_eq!(len, (need <= room).then_some(need));
        let Some(len) = len else { return Ok(()) };
        prop_assert!(buf[len..].iter().all(|byte| *byte == 0x77));
        let mut reader = Reader::new(&buf[..len]);
        prop_assert_eq!((reader.u8(), reader.be16(), reader.le16()), (Some(a), Some(b), Some(b)));
        prop_assert_eq!((reader.be32(), reader.le32(), reader.le64()), (Some(c), Some(c), Some(d)));
        prop_assert_eq!(reader.bytes(e.len() + 1), None);
        prop_assert_eq!(reader.rest(), &e[..]);
    }
}

proptest! {
    #![proptest_config(cases(512))]

    /// Any bytes in the FIFO, with sizes that are sometimes right: bounded, and the TPM is given back.
    #[test]
    fn any_answer(
        mut answer in vec(any::<u8>(), 0..120),
        size in prop_oneof![1 => Just(None), 3 => (0u32..130).prop_map(Some)],
        burst in 1u16..40,
        cut_reads in 0u32..4,
    ) {
        if let (Some(size), Some(field)) = (size, answer.get_mut(2..6)) {
            field.copy_from_slice(&size.to_be_bytes());
        }
        let script = Script { answers: vec![answer.clone()], ..Script::default() };
        let (model, mut clock) = Model::new(script, Faults { burst, cut_reads, ..Faults::default() });
        clock.step = 20_000;
        let mut tis = Tpm::probe(model.clone(), clock).expect("probe");
        let mut open = tis.open(Locality::L2).expect("open");
        let mut buf = [0; 100];
        let result = open.transmit(&any_command(), &mut buf, Duration::MEDIUM);
        drop(open);
        prop_assert_eq!(model.active(), None);
        prop_assert!(model.now() < 10_000_000);
        // The half of an answer that is twice as long as it says is not cut.
        let offered = |reading| if reading < cut_reads { answer.len() / 2 } else { answer.len() };
        let fits = |len| (10..=100).contains(&len) && size == u32::try_from(len).ok();
        prop_assert_eq!(result.is_ok(), (0..3).any(|reading| fits(offered(reading))));
        if let Ok(len) = result {
            prop_assert_eq!(&buf[..len], &answer[..len]);
        }
    }

    /// A TPM that answers at random gets an error, or an answer that fits the question.
    #[test]
    fn any_tpm(
        answers in vec((
            prop_oneof![Just(0x8001u16), Just(0x8002)],
            prop_oneof![4 => Just(0u32), 1 => Just(0x922), 1 => any::<u32>()],
            vec(prop_oneof![3 => 0u8..12, 1 => any::<u8>()], 0..60),
        ), 1..6),
        question in 0u8..3,
    ) {
        let answers = answers.iter().map(|(tag, rc, body)| {
            let body: &[u8] = if *rc == 0 { body } else { &[] };
            common::response(*tag, *rc, body)
        });
        let script = Script { answers: answers.collect(), repeat: true, ..Script::default() };
        let (model, mut clock) = Model::new(script, Faults::default());
        clock.step = 20_000;
        let mut tis = Tpm::probe(model.clone(), clock).expect("probe");
        let mut open = tis.open(Locality::L2).expect("open");
        match question {
            0 => {
                if let Ok(banks) = pcr_banks(&mut open) {
                    prop_assert!(!banks.is_empty());
                }
            }
            1 => {
                if let Ok(value) = pcr_read(&mut open, Pcr::CODE, HashAlg::SHA1) {
                    prop_assert_eq!(value.as_bytes().len(), 20);
                }
            }
            _ => {
                let mut banks = Banks::new();
                banks.push(HashAlg::SHA1).expect("room");
                let _ = pcr_extend(&mut open, Pcr::CODE, &Digests::capped(&banks));
            }
        }
        drop(open);
        prop_assert_eq!(model.active(), None);
    }
}

proptest! {
    #![proptest_config(cases(64))]

    /// One pass or many pieces: the same digests, each that of its bank alone.
    #[test]
    fn one_pass(banks in banks(), data in vec(any::<u8>(), 0..5000), cut in any::<prop::sample::Index>()) {
        let mut hash = HostHash::new();
        let all = hash.digest(&banks, &data);
        let (head, tail) = data.split_at(cut.index(data.len() + 1));
        hash.begin(&banks);
        hash.update(head);
        hash.update(tail);
        prop_assert_eq!(hash.finish(), all);
        for alg in banks.iter() {
            let mut bank = Banks::new();
            bank.push(alg).expect("room");
            let single = hash.digest(&bank, &data);
            prop_assert_eq!(single.find(alg.id()), all.find(alg.id()));
        }
    }
}
