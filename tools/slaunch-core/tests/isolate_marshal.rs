// SPDX-License-Identifier: GPL-2.0

//! Arguments of calls on their way into user mode, and what comes back.

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use slaunch_core::isolate::abort::Abort;
use slaunch_core::isolate::marshal::{Caller, MarshalError, Prepared};
use slaunch_core::isolate::prm::Guid;
use slaunch_core::service::Service;

const BASE: u64 = 0x7000_0000;
const FIRMWARE: u64 = 0xffff_fffe_0000_0000;
const PHYSICAL: u64 = 0x1f00_0000;
const AREA: usize = 0x2000;
const ERROR: u64 = 1 << 63;
const TOO_SMALL: u64 = ERROR | 5;

/// Memory of the kernel's: pieces by address. An access to anything else is a mistake.
#[derive(Default)]
struct Kernel {
    pieces: BTreeMap<u64, Vec<u8>>,
    /// Addresses and sizes that were written to.
    written: RefCell<Vec<(u64, usize)>>,
}

impl Kernel {
    fn with(pieces: &[(u64, &[u8])]) -> Self {
        let pieces = pieces.iter().map(|(at, bytes)| (*at, bytes.to_vec()));
        Self {
            pieces: pieces.collect(),
            ..Self::default()
        }
    }

    fn place(&self, address: u64, size: usize) -> (u64, usize) {
        let (start, bytes) = self.pieces.range(..=address).next_back().expect("mapped");
        let offset = (address - start) as usize;
        assert!(offset + size <= bytes.len(), "{size} bytes at {address:#x}");
        (*start, offset)
    }
}

impl Caller for Kernel {
    fn read(&self, address: u64, to: &mut [u8]) {
        let (start, offset) = self.place(address, to.len());
        to.copy_from_slice(&self.pieces[&start][offset..offset + to.len()]);
    }

    fn write(&mut self, address: u64, from: &[u8]) {
        let (start, offset) = self.place(address, from.len());
        let piece = self.pieces.get_mut(&start).unwrap();
        piece[offset..offset + from.len()].copy_from_slice(from);
        self.written.borrow_mut().push((address, from.len()));
    }

    /// Firmware has a page, at another address.
    fn physical(&self, address: u64) -> Option<u64> {
        let offset = address.checked_sub(FIRMWARE)?;
        (offset < 0x1000).then_some(PHYSICAL + offset)
    }

    fn extent(&self, address: u64) -> usize {
        self.pieces[&address].len()
    }
}

fn name(text: &str) -> Vec<u8> {
    let letters = text.encode_utf16().chain([0]);
    letters.flat_map(u16::to_le_bytes).collect()
}

/// Where in the area a pointer leads.
fn at(pointer: u64) -> usize {
    usize::try_from(pointer.checked_sub(BASE).expect("in the area")).unwrap()
}

fn prepare(
    service: Service,
    args: [u64; 6],
    kernel: &Kernel,
) -> Result<(Prepared, Vec<u8>), MarshalError> {
    let mut area = vec![0xee; AREA];
    Prepared::new(service, &args, kernel, &mut area, BASE).map(|prepared| (prepared, area))
}

const NAME: u64 = 0x1000;
const GUID: u64 = 0x2000;
const ATTRIBUTES: u64 = 0x3000;
const SIZE: u64 = 0x4000;
const DATA: u64 = 0x5000;

fn get_variable(size: usize) -> Kernel {
    Kernel::with(&[
        (NAME, &name("Boot0001")),
        (GUID, &[7; 16]),
        (ATTRIBUTES, &[0xaa; 4]),
        (SIZE, &(size as u64).to_le_bytes()),
        (DATA, &vec![0xbb; size]),
    ])
}

const GET: [u64; 6] = [NAME, GUID, ATTRIBUTES, SIZE, DATA, 0x1234];

/// What firmware does in a call of `GetVariable()`.
fn answer(prepared: &Prepared, area: &mut [u8], attributes: u32, size: u64, data: &[u8]) {
    let [_, _, at_attributes, at_size, at_data, _] = prepared.args;
    area[at(at_attributes)..][..4].copy_from_slice(&attributes.to_le_bytes());
    area[at(at_size)..][..8].copy_from_slice(&size.to_le_bytes());
    area[at(at_data)..][..data.len()].copy_from_slice(data);
}

#[test]
fn get_variable_goes_there_and_back() {
    let mut kernel = get_variable(100);
    let (prepared, mut area) = prepare(Service::GetVariable, GET, &kernel).unwrap();
    let args = prepared.args;
    assert_eq!(area[at(args[0])..][..18], name("Boot0001"));
    assert_eq!(area[at(args[1])..][..16], [7; 16]);
    assert_eq!(area[at(args[3])..][..8], 100u64.to_le_bytes());
    // Firmware does not see what the kernel has in its buffers.
    assert_eq!(area[at(args[2])..][..4], [0; 4]);
    assert_eq!(area[at(args[4])..][..100], [0; 100]);
    assert_eq!(args[5], 0);
    // The buffer ends where the area does, as far as its alignment allows.
    assert!(at(args[4]) + 100 > AREA - 8);
    answer(&prepared, &mut area, 7, 3, &[1, 2, 3, 4]);
    prepared.finish(0, &area, &mut kernel).unwrap();
    assert_eq!(kernel.pieces[&ATTRIBUTES], 7u32.to_le_bytes());
    assert_eq!(kernel.pieces[&SIZE], 3u64.to_le_bytes());
    assert_eq!(kernel.pieces[&DATA][..4], [1, 2, 3, 0xbb]);
}

#[test]
fn pointers_that_are_null() {
    let kernel = get_variable(0);
    let args = [NAME, GUID, 0, SIZE, 0, 0];
    let (prepared, mut area) = prepare(Service::GetVariable, args, &kernel).unwrap();
    assert_eq!((prepared.args[2], prepared.args[4]), (0, 0));
    let mut kernel = get_variable(0);
    area[at(prepared.args[3])..][..8].copy_from_slice(&50u64.to_le_bytes());
    prepared.finish(TOO_SMALL, &area, &mut kernel).unwrap();
    assert_eq!(kernel.pieces[&SIZE], 50u64.to_le_bytes());
    let (prepared, area) = prepare(Service::GetVariable, [0; 6], &kernel).unwrap();
    assert_eq!(prepared.args, [0; 6]);
    prepared.finish(0, &area, &mut Kernel::default()).unwrap();
}

#[test]
fn outputs_that_cannot_be() {
    let finish = |status, attributes, size| {
        let mut kernel = get_variable(16);
        let (prepared, mut area) = prepare(Service::GetVariable, GET, &kernel).unwrap();
        answer(&prepared, &mut area, attributes, size, &[9; 16]);
        let result = prepared.finish(status, &area, &mut kernel);
        let writes = kernel.written.borrow().len();
        assert!(result.is_ok() || writes == 0);
        (result, writes)
    };
    assert_eq!(finish(0, 0xff, 16), (Ok(()), 3));
    assert_eq!(finish(0, 7, 0), (Ok(()), 3));
    let larger = Abort::Output("data size", 16, 17);
    assert_eq!(finish(0, 7, 17).0, Err(larger));
    let wrong = Abort::Output("attributes", 0xff, 0x100);
    assert_eq!(finish(0, 0x100, 16).0, Err(wrong));
    // A size that is asked for, within reason.
    assert_eq!(finish(TOO_SMALL, 0x100, 17), (Ok(()), 1));
    assert_eq!(finish(TOO_SMALL, 7, 1 << 20), (Ok(()), 1));
    let huge = Abort::Output("data size", 16, u64::MAX);
    assert_eq!(finish(TOO_SMALL, 7, u64::MAX).0, Err(huge));
    // After other errors nothing is looked at.
    for code in [2, 3, 14, 0xff] {
        assert_eq!(finish(ERROR | code, u32::MAX, u64::MAX), (Ok(()), 0));
    }
    // A warning is a success.
    assert_eq!(finish(4, 7, 17).0, Err(larger));
    for status in [0x100, ERROR | 0x100, 0xdead_beef, u64::MAX, 1 << 62] {
        assert_eq!(finish(status, 7, 16), (Err(Abort::Status(status)), 0));
    }
}

fn next_name(buffer: &[u8]) -> Kernel {
    Kernel::with(&[
        (SIZE, &(buffer.len() as u64).to_le_bytes()),
        (NAME, buffer),
        (GUID, &[5; 16]),
    ])
}

const NEXT: [u64; 6] = [SIZE, NAME, GUID, 0, 0, 0];

#[test]
fn names_of_variables() {
    let service = Service::GetNextVariableName;
    let mut buffer = name("Lang");
    buffer.resize(64, 0x77);
    let mut kernel = next_name(&buffer);
    let (prepared, mut area) = prepare(service, NEXT, &kernel).unwrap();
    let [size, to, guid, ..] = prepared.args.map(|arg| at(arg.max(BASE)));
    // What is behind the name is the kernel's.
    assert_eq!(area[to..][..10], name("Lang"));
    assert!(!area[to + 10..][..54].contains(&0x77));
    assert_eq!(area[guid..][..16], [5; 16]);
    area[to..][..12].copy_from_slice(&name("Timeo"));
    area[guid..][..16].fill(6);
    area[size..][..8].copy_from_slice(&12u64.to_le_bytes());
    prepared.finish(0, &area, &mut kernel).unwrap();
    assert_eq!(kernel.pieces[&NAME][..12], name("Timeo"));
    // And what firmware has behind it is not for the kernel.
    assert_eq!(kernel.pieces[&NAME][12..], [0x77; 52]);
    assert_eq!(kernel.pieces[&GUID], [6; 16]);
    assert_eq!(kernel.pieces[&SIZE], 12u64.to_le_bytes());
    // A name without an end, of the right size.
    area[to..][..64].fill(0x41);
    area[size..][..8].copy_from_slice(&64u64.to_le_bytes());
    let endless = prepared.finish(0, &area, &mut kernel);
    assert_eq!(endless, Err(Abort::Output("name without an end", 64, 64)));
    prepared.finish(TOO_SMALL, &area, &mut kernel).unwrap();
    // The kernel's own mistakes.
    let endless = next_name(&[0x41; 64]);
    let invalid = prepare(service, NEXT, &endless).map(|_| ());
    assert_eq!(invalid, Err(MarshalError::Invalid));
    let long = Kernel::with(&[(NAME, &[0x41; 0x3000]), (GUID, &[0; 16])]);
    let long = prepare(Service::SetVariable, [NAME, GUID, 0, 0, 0, 0], &long).map(|_| ());
    assert_eq!(long, Err(MarshalError::Invalid));
}

#[test]
fn set_variable() {
    let data: Vec<u8> = (0..=255).collect();
    let kernel = Kernel::with(&[(NAME, &name("x")), (GUID, &[7; 16]), (DATA, &data)]);
    let args = [NAME, GUID, 7, 256, DATA, 0];
    let (prepared, area) = prepare(Service::SetVariable, args, &kernel).unwrap();
    assert_eq!(prepared.args[2..4], [7, 256]);
    assert_eq!(area[at(prepared.args[4])..][..256], data);
    // One that is deleted.
    let args = [NAME, GUID, 7, 0, 0, 0];
    assert!(prepare(Service::SetVariable, args, &kernel).is_ok());
    let args = [NAME, GUID, 7, 256, 0, 0];
    let (prepared, _) = prepare(Service::SetVariable, args, &kernel).unwrap();
    assert_eq!(prepared.args[4], 0);
}

#[test]
fn more_than_fits() {
    for size in [AREA as u64, AREA as u64 - 32, 1 << 40, u64::MAX] {
        let mut kernel = get_variable(16);
        let bytes = size.to_le_bytes().to_vec();
        kernel.pieces.insert(SIZE, bytes);
        let large = prepare(Service::GetVariable, GET, &kernel).map(|_| ());
        assert_eq!(large, Err(MarshalError::TooLarge), "{size:#x}");
        let args = [NAME, GUID, 7, size, DATA, 0];
        let large = prepare(Service::SetVariable, args, &kernel).map(|_| ());
        assert_eq!(large, Err(MarshalError::TooLarge), "{size:#x}");
    }
    let refused = prepare(Service::Other, [0; 6], &Kernel::default()).map(|_| ());
    assert_eq!(refused, Err(MarshalError::Unsupported));
}

const CONTEXT: u64 = 0x8000;
const RANGES: u64 = 0x9000;
const HANDLER: [u8; 16] = [
    0x33, 0x22, 0x11, 0, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff,
];

fn context(data: u64, ranges: u64) -> Vec<u8> {
    let mut bytes = b"PRMC\0\0\0\0".to_vec();
    bytes.extend(HANDLER);
    bytes.extend(data.to_le_bytes());
    bytes.extend(ranges.to_le_bytes());
    bytes
}

/// A list that says it has `count` ranges, and has two.
fn ranges(count: u64) -> Vec<u8> {
    let mut bytes = count.to_le_bytes().to_vec();
    for base in [0xfd00_0000u64, 0xfd10_0000] {
        bytes.extend(base.to_le_bytes());
        bytes.extend([0xee; 8]);
        bytes.extend(0x1000u32.to_le_bytes());
    }
    bytes
}

/// What a PRM handler is called with is copied as deep as it is, with physical addresses throughout.
#[test]
fn prm_handlers() {
    let parameters = FIRMWARE + 0x10;
    let call = |parameters, context: &[u8], list: &[u8]| {
        let kernel = Kernel::with(&[(CONTEXT, context), (RANGES, list)]);
        prepare(
            Service::PrmHandler,
            [parameters, CONTEXT, 0, 0, 0, 0],
            &kernel,
        )
    };
    let (prepared, area) =
        call(parameters, &context(FIRMWARE + 0xfff, RANGES), &ranges(2)).unwrap();
    assert_eq!(prepared.args[0], PHYSICAL + 0x10);
    let word = |at: usize| u64::from_le_bytes(area[at..][..8].try_into().unwrap());
    let copied = at(prepared.args[1]);
    assert_eq!(area[copied..][..24], context(0, 0)[..24]);
    assert_eq!(word(copied + 24), PHYSICAL + 0xfff);
    let list = at(word(copied + 32));
    assert_eq!(word(list), 2);
    for (index, base) in [0xfd00_0000, 0xfd10_0000].into_iter().enumerate() {
        let range = list + 8 + index * 20;
        assert_eq!((word(range), word(range + 8)), (base, base));
        assert_eq!(area[range + 16..][..4], 0x1000u32.to_le_bytes());
    }
    // All of it may be missing.
    let (prepared, area) = call(0, &context(0, 0), &[]).unwrap();
    assert_eq!(prepared.args[0], 0);
    assert_eq!(area[at(prepared.args[1])..][..40], context(0, 0));
    assert!(call(0, &context(0, RANGES), &ranges(0)).is_ok());

    let error =
        |parameters, context: &[u8], list: &[u8]| call(parameters, context, list).map(|_| ());
    // Parameters of the kernel's own, of a size that only it and the handler know.
    assert_eq!(
        error(DATA, &context(0, 0), &[]),
        Err(MarshalError::Unsupported)
    );
    let invalid = Err(MarshalError::Invalid);
    assert_eq!(error(0, &context(FIRMWARE + 0x1000, 0), &[]), invalid);
    // More ranges than were allocated, and than there can be.
    for count in [3, 257, 1 << 60, u64::MAX] {
        assert_eq!(error(0, &context(0, RANGES), &ranges(count)), invalid);
    }
}

#[test]
fn names_of_prm_handlers() {
    let kernel = Kernel::with(&[(CONTEXT, &context(0, 0))]);
    let handler = Guid::of_context(&kernel, CONTEXT);
    assert_eq!(handler, Guid(HANDLER));
    let mut text = String::new();
    handler.write(&mut text).unwrap();
    assert_eq!(text, "00112233-4455-6677-8899-aabbccddeeff");
}

#[test]
fn capsules() {
    let header = [3; 28];
    let kernel = Kernel::with(&[
        (
            DATA,
            &[0x9000u64.to_le_bytes(), 0xa000u64.to_le_bytes()].concat(),
        ),
        (0x9000, &header),
        (0xa000, &[4; 28]),
        (SIZE, &[0xaa; 8]),
        (ATTRIBUTES, &[0xaa; 4]),
    ]);
    let args = [DATA, 2, SIZE, ATTRIBUTES, 0, 0];
    let (prepared, area) = prepare(Service::QueryCapsuleCapabilities, args, &kernel).unwrap();
    let array = at(prepared.args[0]);
    for (index, byte) in [3, 4].into_iter().enumerate() {
        let pointer = area[array + index * 8..][..8].try_into().unwrap();
        let copied = at(u64::from_le_bytes(pointer));
        assert_eq!(area[copied..][..28], [byte; 28]);
    }
    let args = [DATA, 1, 0x1234_5000, 0, 0, 0];
    let (prepared, _) = prepare(Service::UpdateCapsule, args, &kernel).unwrap();
    assert_eq!(prepared.args[1..3], [1, 0x1234_5000]);
    for count in [0, 9, u64::MAX] {
        let args = [DATA, count, 0, 0, 0, 0];
        let refused = prepare(Service::UpdateCapsule, args, &kernel).map(|_| ());
        assert_eq!(refused, Err(MarshalError::Unsupported));
    }
    let none = Kernel::with(&[(DATA, &[0; 8])]);
    let refused = prepare(Service::UpdateCapsule, [DATA, 1, 0, 0, 0, 0], &none).map(|_| ());
    assert_eq!(refused, Err(MarshalError::Invalid));
}

#[test]
fn services_with_outputs_of_one_size() {
    for (service, sizes) in [
        (Service::GetTime, &[16usize, 12][..]),
        (Service::GetWakeupTime, &[1, 1, 16]),
        (Service::GetNextHighMonotonicCount, &[4]),
    ] {
        let mut kernel = Kernel::default();
        let mut args = [0; 6];
        for (index, size) in sizes.iter().enumerate() {
            args[index] = 0x1000 * (index as u64 + 1);
            kernel.pieces.insert(args[index], vec![0xcc; *size]);
        }
        let (prepared, mut area) = prepare(service, args, &kernel).unwrap();
        for (arg, size) in prepared.args.iter().zip(sizes) {
            assert_eq!(area[at(*arg)..][..*size], vec![0; *size]);
            area[at(*arg)..][..*size].fill(0x33);
        }
        prepared.finish(ERROR | 7, &area, &mut kernel).unwrap();
        assert!(kernel.written.borrow().is_empty());
        prepared.finish(0, &area, &mut kernel).unwrap();
        assert!(kernel.pieces.values().flatten().all(|byte| *byte == 0x33));
    }
}

/// Memory that has something at every address.
struct Everywhere {
    size: u64,
    written: Vec<(u64, usize)>,
}

impl Caller for Everywhere {
    fn read(&self, address: u64, to: &mut [u8]) {
        for (at, byte) in (address..).zip(&mut *to) {
            // Names end, after a while.
            *byte = if at % 64 < 2 { 0 } else { at as u8 };
        }
        if to.len() == 8 {
            to.copy_from_slice(&self.size.to_le_bytes());
        }
    }

    fn write(&mut self, address: u64, from: &[u8]) {
        self.written.push((address, from.len()));
    }

    fn physical(&self, address: u64) -> Option<u64> {
        (address % 3 != 0).then_some(BASE)
    }

    fn extent(&self, address: u64) -> usize {
        usize::try_from(address % 4096).unwrap()
    }
}

proptest! {
    /// Whatever the arguments are, all pointers lead into the area; whatever firmware leaves there, no output
    /// is longer than what the caller offers.
    #[test]
    fn any_call(
        service in 0..Service::COUNT, args in any::<[u32; 6]>(), nulls in any::<[bool; 6]>(),
        size in prop_oneof![0u64..600, any::<u64>()], length in 0usize..1024,
        status in prop_oneof![Just(0), Just(TOO_SMALL), any::<u64>(), (0u64..40).prop_map(|c| ERROR | c)],
        noise in vec((0usize..1024, any::<u8>()), 0..64),
    ) {
        let service = Service::ALL[service];
        let args: Vec<u64> = args.iter().zip(nulls)
            .map(|(arg, null)| if null { 0 } else { u64::from(*arg) % 2048 }).collect();
        let args: [u64; 6] = args.try_into().unwrap();
        let mut caller = Everywhere { size, written: Vec::new() };
        let mut area = vec![0xee; length];
        let Ok(prepared) = Prepared::new(service, &args, &caller, &mut area, BASE) else { return Ok(()) };
        for (index, (new, old)) in prepared.args.iter().zip(args).enumerate() {
            let used = *new != 0 && *new != old;
            prop_assert!(!used || (BASE..=BASE + length as u64).contains(new), "argument {}", index);
            prop_assert!(*new == 0 || old != 0);
        }
        for (offset, byte) in noise {
            if let Some(at) = area.get_mut(offset) { *at = byte }
        }
        let result = prepared.finish(status, &area, &mut caller);
        prop_assert!(result.is_ok() || caller.written.is_empty());
        for (address, length) in caller.written {
            prop_assert!(args.contains(&address));
            prop_assert!(length <= 16 || length as u64 <= size);
        }
    }
}
