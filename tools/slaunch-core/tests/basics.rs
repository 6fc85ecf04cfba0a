// SPDX-License-Identifier: GPL-2.0

//! Bytes, regions, command line, error codes.

mod common;

use common::*;
use slaunch_core::bytes::{self, put_zeros, Reader, Records, Writer};
use slaunch_core::cmdline::{self, COMMAND_LINE_SIZE};
use slaunch_core::describe;
use slaunch_core::error::{Error, CODE_BASE};
use slaunch_core::region::{Class, Region, FOUR_GIB};

fn region(base: u64, size: u64) -> Region {
    Region::new(base, size).unwrap()
}

#[test]
fn numbers_at_the_end_of_a_slice() {
    let data = [1, 2, 3, 4, 5, 6, 7, 8];
    assert_eq!(bytes::u64_at(&data, 0), Some(0x0807_0605_0403_0201));
    assert_eq!(bytes::u64_at(&data, 1), None);
    assert_eq!(bytes::u32_at(&data, 4), Some(0x0807_0605));
    assert_eq!(bytes::u32_at(&data, 5), None);
    assert_eq!(bytes::u16_at(&data, 6), Some(0x0807));
    assert_eq!(bytes::u16_at(&data, 7), None);
    assert_eq!(bytes::u8_at(&data, 7), Some(8));
    assert_eq!(bytes::u8_at(&data, 8), None);
    assert_eq!(bytes::u8_at(&data, usize::MAX), None);
    assert_eq!(bytes::u64_at(&data, usize::MAX), None);
    assert_eq!(bytes::slice_at(&data, 8, 0), Some(&[][..]));
    assert_eq!(bytes::slice_at(&data, 8, 1), None);
    assert_eq!(bytes::slice_at(&data, 1, usize::MAX), None);
}

#[test]
fn reader_and_writer() {
    let mut buffer = [0; 15];
    let mut out = Writer::new(&mut buffer);
    out.u8(1);
    out.u16(2);
    out.u32(3);
    out.u64(4);
    assert_eq!(out.finish(), Some(15));
    let mut reader = Reader::new(&buffer);
    assert_eq!(reader.u8(), Some(1));
    assert_eq!(reader.u16(), Some(2));
    assert_eq!(reader.u32(), Some(3));
    assert_eq!(reader.u64(), Some(4));
    assert_eq!((reader.left(), reader.position()), (0, 15));
    assert_eq!(reader.u8(), None);
    assert_eq!(reader.take(0), Some(&[][..]));

    // Once something did not fit, nothing that follows counts.
    let mut small = [0; 3];
    let mut out = Writer::new(&mut small);
    out.u32(1);
    out.u8(7);
    assert_eq!(out.finish(), None);
    assert_eq!(small, [0; 3]);
}

#[test]
fn records_and_zeros() {
    let all: Vec<[u8; 3]> = Records::new(&[1, 2, 3, 4, 5, 6, 7]).collect();
    assert_eq!(all, [[1, 2, 3], [4, 5, 6]]);
    for count in [0, 1, 63, 64, 65, 128, 1000] {
        let zeros = collect(|mut sink| put_zeros(&mut sink, count));
        assert_eq!(zeros, vec![0; count]);
    }
}

#[test]
fn region_ends() {
    assert_eq!(Region::new(0, 0), Err(Error::RegionEmpty));
    assert_eq!(Region::new(7, 0), Err(Error::RegionEmpty));
    assert!(Region::new(0, u64::MAX).is_ok());
    assert_eq!(Region::new(1, u64::MAX), Err(Error::IntegerOverflow));
    assert!(Region::new(u64::MAX - 1, 1).is_ok());
    assert_eq!(Region::new(u64::MAX, 1), Err(Error::IntegerOverflow));
    assert_eq!(Region::from_bounds(5, 5), Err(Error::RegionEmpty));
    assert_eq!(Region::from_bounds(6, 5), Err(Error::RegionEmpty));
    assert_eq!(Region::from_bounds(5, 6), Region::new(5, 1));
}

#[test]
fn region_classes() {
    for (base, size, class) in [
        (0, FOUR_GIB - 1, Class::Below4G),
        (0, FOUR_GIB, Class::Below4G),
        (0, FOUR_GIB + 1, Class::Straddles4G),
        (FOUR_GIB - 1, 1, Class::Below4G),
        (FOUR_GIB - 1, 2, Class::Straddles4G),
        (FOUR_GIB, 1, Class::Above4G),
        (FOUR_GIB + 1, 1, Class::Above4G),
    ] {
        let region = region(base, size);
        assert_eq!(region.class(), class, "{region:?}");
        let below = match class {
            Class::Below4G => Ok(region),
            Class::Above4G => Err(Error::RegionAbove4Gb),
            Class::Straddles4G => Err(Error::RegionStraddle4Gb),
        };
        assert_eq!(region.below_4g(), below);
        assert_eq!(region.one_side().is_ok(), class != Class::Straddles4G);
    }
}

#[test]
fn region_relations() {
    let middle = region(100, 10);
    for (base, size, overlaps, contained) in [
        (90, 10, false, false),
        (90, 11, true, false),
        (99, 1, false, false),
        (100, 1, true, true),
        (100, 10, true, true),
        (100, 11, true, false),
        (99, 12, true, false),
        (109, 1, true, true),
        (109, 2, true, false),
        (110, 1, false, false),
    ] {
        let other = region(base, size);
        assert_eq!(middle.overlaps(&other), overlaps, "{other:?}");
        assert_eq!(other.overlaps(&middle), overlaps, "{other:?}");
        assert_eq!(middle.contains(&other), contained, "{other:?}");
        assert_eq!(middle.apart_from(&[other]).is_err(), overlaps);
    }
    assert!(!middle.contains_address(99) && middle.contains_address(100));
    assert!(middle.contains_address(109) && !middle.contains_address(110));
    assert_eq!(middle.part(2, 3), Ok(region(102, 3)));
    assert_eq!(middle.part(0, 10), Ok(middle));
    assert_eq!(middle.part(0, 11), Err(Error::IntegerOverflow));
    assert_eq!(middle.part(10, 1), Err(Error::IntegerOverflow));
    assert_eq!(middle.part(u64::MAX, 1), Err(Error::IntegerOverflow));
    assert_eq!(middle.part(1, 0), Err(Error::RegionEmpty));
}

#[test]
fn command_line_length() {
    let mut line = [b'x'; COMMAND_LINE_SIZE + 1];
    line[COMMAND_LINE_SIZE] = 0;
    assert_eq!(cmdline::length(&line), Err(Error::CmdlineUnterminated));
    line[COMMAND_LINE_SIZE - 1] = 0;
    assert_eq!(cmdline::length(&line), Ok(COMMAND_LINE_SIZE - 1));
    line[0] = 0;
    assert_eq!(cmdline::length(&line), Ok(0));
    assert_eq!(cmdline::length(b"abc"), Err(Error::CmdlineUnterminated));
    assert_eq!(cmdline::length(b""), Err(Error::CmdlineUnterminated));
}

#[test]
fn command_line_is_read_to_its_end_only() {
    let mut buffer = [0xff; COMMAND_LINE_SIZE];
    // No line at all.
    let mut memory = Memory::default();
    assert_eq!(cmdline::read(&mut memory, 0, &mut buffer), Ok(0));
    assert_eq!(buffer, [0; COMMAND_LINE_SIZE]);
    // A line that ends with the last byte of memory, at every alignment.
    for length in 0..200 {
        let mut bytes = vec![b'a'; length];
        bytes.push(0);
        let base = 0x2000 - bytes.len() as u64;
        let mut memory = Memory::with(base, &bytes);
        assert_eq!(cmdline::read(&mut memory, base, &mut buffer), Ok(length));
        assert_eq!(&buffer[..length], &bytes[..length]);
        assert!(buffer[length..].iter().all(|b| *b == 0));
    }
    // What follows the NUL is not copied.
    let mut memory = Memory::with(0x1000, &[b"a\0secret".as_slice(), &[7; 100]].concat());
    assert_eq!(cmdline::read(&mut memory, 0x1000, &mut buffer), Ok(1));
    assert!(buffer[1..].iter().all(|b| *b == 0));
    // As long as it may be, and one more.
    for (length, expected) in [
        (COMMAND_LINE_SIZE - 2, Ok(COMMAND_LINE_SIZE - 2)),
        (COMMAND_LINE_SIZE - 1, Ok(COMMAND_LINE_SIZE - 1)),
        (COMMAND_LINE_SIZE, Err(Error::CmdlineUnterminated)),
    ] {
        for base in [0x1000, 0x1001, 0x103f] {
            let mut bytes = vec![b'a'; length];
            bytes.resize(2 * COMMAND_LINE_SIZE, 0);
            let mut memory = Memory::with(base, &bytes);
            assert_eq!(cmdline::read(&mut memory, base, &mut buffer), expected);
            assert!(memory.read <= COMMAND_LINE_SIZE as u64);
        }
    }
    // Unreadable, and at the end of the address space.
    let mut memory = Memory::with(0x1000, &[b'a'; 64]);
    assert_eq!(
        cmdline::read(&mut memory, 0x1000, &mut buffer),
        Err(Error::Unmapped)
    );
    let mut memory = Memory::with(u64::MAX - 63, &[b'a'; 64]);
    assert_eq!(
        cmdline::read(&mut memory, u64::MAX - 63, &mut buffer),
        Err(Error::IntegerOverflow)
    );
}

#[test]
fn error_codes() {
    // Those that others use too.
    for (error, code) in [
        (Error::Generic, 0xc000_8001),
        (Error::TpmInit, 0xc000_8002),
        (Error::TpmExtend, 0xc000_8006),
        (Error::IntegerOverflow, 0xc000_800d),
        (Error::RegionAbove4Gb, 0xc000_8010),
        (Error::InitrdTooBig, 0xc000_8018),
        (Error::MleOverlap, 0xc000_801b),
        (Error::InvalidSlrt, 0xc000_8022),
        (Error::SlrtMissingEntry, 0xc000_8023),
        (Error::SlrtMap, 0xc000_8024),
        (Error::SetupDataMap, 0xc000_8026),
        (Error::TpmAbsent, 0xc000_8080),
    ] {
        assert_eq!(error.code(), code);
    }
    let mut last = CODE_BASE;
    for error in describe::all() {
        let low = error.code() - CODE_BASE;
        assert!(error.code() > last, "{error:?} is out of order");
        assert!((0x01..=0x26).contains(&low) || (0x80..=0xff).contains(&low));
        assert_eq!(u32::from(error.post_code()), low);
        assert_eq!(describe::from_code(error.code()), Some(error));
        assert_ne!(describe::description(error), "unknown error");
        last = error.code();
    }
    assert_eq!(describe::from_code(0), None);
    assert_eq!(describe::from_code(last + 1), None);
    // As many as the enumeration has: the compiler tells that names are unique, the source how
    // many there are.
    let source = include_str!("../../../arch/x86/slaunch/core/error.rs");
    assert_eq!(
        source.matches("= CODE_BASE +").count(),
        describe::all().count()
    );
}
