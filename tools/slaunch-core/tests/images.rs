// SPDX-License-Identifier: GPL-2.0

//! MLE header, loader block, launch record, hand-over.

use slaunch_core::error::Error;
use slaunch_core::gate::{Gate, Mode};
use slaunch_core::handoff::{Handoff, Launch, RawRegion, VENDOR_AMD};
use slaunch_core::mle::{self, MleHeader, CAPABILITIES};
use slaunch_core::record::{LaunchRecord, Stage};
use slaunch_core::region::Region;
use slaunch_core::slb::{Slb, SlbInfo, SlbParams, HEADER_SIZE, INFO_SIZE, MAX_TOTAL};

const HEADER: MleHeader = MleHeader {
    entry: 0x200,
    mle_end: 0x2000,
    capabilities: CAPABILITIES,
};

fn image(offset: usize, header: &MleHeader) -> Vec<u8> {
    let mut image = vec![0x90; 0x3000];
    image[offset..offset + mle::SIZE].copy_from_slice(&header.to_bytes());
    image
}

fn with(offset: usize, value: u32) -> Result<(usize, MleHeader), Error> {
    let mut image = image(0x100, &HEADER);
    image[0x100 + offset..0x104 + offset].copy_from_slice(&value.to_le_bytes());
    mle::find(&image)
}

#[test]
fn mle_header_layout() {
    let bytes = HEADER.to_bytes();
    let words: Vec<u32> = bytes
        .chunks(4)
        .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
        .collect();
    assert_eq!(
        words,
        [
            0x9082_ac5a,
            0x74a7_476f,
            0xa255_5c0f,
            0x42b6_51cb,
            52,
            0x0002_0002,
            0x200,
            0,
            0,
            0x2000,
            0x227,
            0,
            0
        ]
    );
}

#[test]
fn mle_header_is_found_where_it_is() {
    for offset in [0, 4, 0x100, 0x2000 - mle::SIZE] {
        assert_eq!(mle::find(&image(offset, &HEADER)), Ok((offset, HEADER)));
    }
    // Not all of it is measured; not aligned; cut off.
    let late = image(0x2000 - mle::SIZE + 4, &HEADER);
    assert_eq!(mle::find(&late), Err(Error::MleBounds));
    assert_eq!(mle::find(&image(0x102, &HEADER)), Err(Error::MleHeader));
    assert_eq!(mle::find(&[]), Err(Error::MleHeader));
    let bytes = HEADER.to_bytes();
    for length in 0..mle::SIZE {
        assert_eq!(
            mle::find(&bytes[..length]),
            Err(Error::MleHeader),
            "{length}"
        );
    }
}

#[test]
fn mle_header_fields() {
    // UUID, length, version, first page, start, capabilities, command line.
    for offset in [0, 4, 8, 12, 16, 20, 28, 32, 40, 44, 48] {
        let expected = Err(Error::MleHeader);
        assert_eq!(with(offset, 0x1000), expected, "field at {offset}");
    }
    for (end, expected) in [
        (0, Some(Error::MleHeader)),
        (0xfff, Some(Error::MleHeader)),
        (0x1000, None),
        (0x1001, Some(Error::MleHeader)),
        (0x3000, None),
        (0x4000, Some(Error::MleBounds)),
        (0xffff_f000, Some(Error::MleBounds)),
    ] {
        assert_eq!(with(36, end).err(), expected, "mle_end {end:#x}");
    }
    for (entry, expected) in [
        (0, None),
        (0x1fff, None),
        (0x2000, Some(Error::MleHeader)),
        (u32::MAX, Some(Error::MleHeader)),
    ] {
        assert_eq!(with(24, entry).err(), expected, "entry {entry:#x}");
    }
    assert_eq!(HEADER.fits(0x1fff), Err(Error::MleBounds));
    assert_eq!(HEADER.fits(0x2000), Ok(()));
}

#[test]
fn mle_header_is_unique() {
    let mut image = image(0x100, &HEADER);
    assert_eq!(mle::occurrences(&image), 1);
    image[0x1001..0x1011].copy_from_slice(&HEADER.to_bytes()[..16]);
    // A bytewise search would find the second; the loader's does not, the build's check does.
    assert_eq!(mle::occurrences(&image), 2);
    assert!(mle::find(&image).is_ok());
    // Behind what is measured may lie leftovers of decompression.
    image[0x2000..0x2010].copy_from_slice(&HEADER.to_bytes()[..16]);
    assert!(mle::find(&image).is_ok());
    image[0x1ff0..0x2000].copy_from_slice(&HEADER.to_bytes()[..16]);
    assert_eq!(mle::find(&image), Err(Error::MleDuplicate));
}

const INFO: SlbInfo = SlbInfo {
    params_offset: 0x1000,
    record_offset: 0x1010,
    total: 0x8000,
};

fn slb(entry: u16, length: u16, info_at: u16, info: &SlbInfo) -> Vec<u8> {
    let mut image = vec![0; 0x1000];
    for (index, word) in [entry, length, info_at].iter().enumerate() {
        image[index * 2..index * 2 + 2].copy_from_slice(&word.to_le_bytes());
    }
    let at = usize::from(info_at);
    if let Some(place) = image.get_mut(at..at + INFO_SIZE) {
        place.copy_from_slice(&info.to_bytes());
    }
    image
}

#[test]
fn loader_block() {
    let good = slb(0x40, 0x1000, 0x20, &INFO);
    assert_eq!(&good[0x20..0x24], b"SLBR");
    let parsed = Slb::parse(&good).unwrap();
    assert_eq!((parsed.entry, parsed.length), (0x40, 0x1000));
    assert_eq!(parsed.info, INFO);
    for (entry, length, info_at, expected) in [
        (5, 0x1000, 0x20, Some(Error::SlbHeader)),
        (HEADER_SIZE as u16, 0x1000, 0x20, None),
        (0xfff, 0x1000, 0x20, None),
        (0x1000, 0x1000, 0x20, Some(Error::SlbHeader)),
        (0x40, 0, 0x20, Some(Error::SlbHeader)),
        (0x40, 3, 0x20, Some(Error::SlbHeader)),
        (0x40, 0x1001, 0x20, Some(Error::SlbHeader)), // longer than the file
        (0x40, 0xffff, 0x20, Some(Error::SlbHeader)),
        (0x40, 0x1000, 0xff0, None),
        (0x40, 0x1000, 0xff1, Some(Error::SlbHeader)),
        (0x40, 0x1000, 0xffff, Some(Error::SlbHeader)),
    ] {
        let image = slb(entry, length, info_at, &INFO);
        assert_eq!(
            Slb::parse(&image).err(),
            expected,
            "{entry:#x} {length:#x} {info_at:#x}"
        );
    }
    for length in 0..0x1000 {
        assert!(Slb::parse(&good[..length]).is_err(), "{length:#x}");
    }
    for offset in 0x20..0x28 {
        let mut image = good.clone();
        image[offset] ^= 1;
        assert_eq!(Slb::parse(&image), Err(Error::SlbInfo), "{offset:#x}");
    }
}

#[test]
fn loader_block_offsets() {
    let check = |params_offset, record_offset, total| {
        let info = SlbInfo {
            params_offset,
            record_offset,
            total,
        };
        Slb::parse(&slb(0x40, 0x1000, 0x20, &info)).is_ok()
    };
    assert!(check(0x1000, 0x1010, 0x1050));
    assert!(!check(0x0fff, 0x1010, 0x8000)); // parameters measured
    assert!(!check(0x1010, 0x0fff, 0x8000)); // record measured
    assert!(!check(0x1000, 0x100f, 0x8000)); // overlap
    assert!(check(0x1040, 0x1000, 0x8000));
    assert!(!check(0x103f, 0x1000, 0x8000)); // overlap
    assert!(!check(0x1000, 0x1010, 0x104f)); // record outside
    assert!(!check(0xffff, 0x1010, 0x8000)); // parameters outside
    assert!(check(0x1000, 0x1010, MAX_TOTAL));
    assert!(!check(0x1000, 0x1010, MAX_TOTAL + 1));
    assert!(!check(0x1000, 0x1010, 0));
}

#[test]
fn loader_block_parameters() {
    let params = SlbParams { slrt: 0xffff_f000 };
    let bytes = params.to_bytes();
    assert_eq!(&bytes[..8], b"SLBP\x10\0\0\0");
    assert_eq!(SlbParams::parse(&bytes), Ok(params));
    for offset in 0..8 {
        let mut bytes = bytes;
        bytes[offset] ^= 0x10;
        assert_eq!(SlbParams::parse(&bytes), Err(Error::SlbParams));
    }
    let high = SlbParams { slrt: 1 << 32 };
    assert_eq!(
        SlbParams::parse(&high.to_bytes()),
        Err(Error::RegionAbove4Gb)
    );
}

#[test]
fn launch_record() {
    let mut record = LaunchRecord::new(Stage::Early);
    record.events = 12;
    record.tpm_rc = 0x101;
    record.fail(Error::OutOfRam, 0x1234, 0x5678);
    let bytes = record.to_bytes();
    assert_eq!(&bytes[..8], b"SLRC\x01\0\x40\0");
    assert_eq!(&bytes[8..16], &[3, 0, 0, 0, 0x87, 0x80, 0, 0xc0]);
    assert_eq!(&bytes[40..], &[0; 24]);
    assert_eq!(LaunchRecord::parse(&bytes), Ok(record));
    for offset in 0..12 {
        let mut bytes = bytes;
        bytes[offset] ^= 0x80;
        assert_eq!(LaunchRecord::parse(&bytes), Err(Error::LaunchRecord));
    }
    for number in 0..10 {
        let stage = Stage::from_number(number);
        assert_eq!(stage.is_some(), (1..=4).contains(&number));
        assert_eq!(stage.map_or(number, |stage| stage as u32), number);
    }
}

fn launch() -> Launch {
    let region = |base, size| Region::new(base, size).unwrap();
    Launch {
        vendor: VENDOR_AMD,
        gate: Gate::new(Mode::Verify),
        events: 11,
        slrt: region(0x1000, 0x1000),
        log: region(0x2000, 0x1_0000),
        slb: region(0x2_0000, 0x1_0000),
        dlme: region(0x10_0000, 0x100_0000),
        record: 0x2_1000,
    }
}

#[test]
fn hand_over() {
    assert_eq!(Handoff::EMPTY.validate(), Ok(None));
    let good = Handoff::new(&launch());
    assert_eq!(good.validate(), Ok(Some(launch())));
    let bad = |change: fn(&mut Handoff)| {
        let mut handoff = good;
        change(&mut handoff);
        assert_eq!(handoff.validate(), Err(Error::Handoff));
    };
    bad(|h| h.magic = 0);
    bad(|h| h.magic ^= 1);
    bad(|h| h.version = 2);
    bad(|h| h.vendor = 0);
    bad(|h| h.vendor = 3);
    bad(|h| h.gate = 0);
    bad(|h| h.gate ^= 1 << 31);
    bad(|h| h.gate |= 1 << 24);
    bad(|h| h.gate |= 0xff);
    bad(|h| h.complete = 0);
    bad(|h| h.slrt = RawRegion::NONE);
    bad(|h| h.log.size = 0);
    bad(|h| h.slb.base = u64::MAX);
    bad(|h| h.dlme.size = u64::MAX);
    bad(|h| h.log.base = 0x1fff); // overlaps the table
    bad(|h| h.dlme.base = 0x2_0000); // overlaps the loader block
    bad(|h| h.record = 0x1_ffff);
    bad(|h| h.record = 0x3_0000);
}
