// SPDX-License-Identifier: GPL-2.0

//! The launch table: layouts, limits, what is measured.

mod common;

use common::*;
use slaunch_core::error::Error;
use slaunch_core::policy::Entity;
use slaunch_core::slrt::*;

fn canonical(bytes: &[u8]) -> Vec<u8> {
    collect(|mut sink| Table::parse(bytes).unwrap().canonical(&mut sink))
}

fn set32(bytes: &mut [u8], offset: usize, value: u32) {
    bytes[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
}

fn parse(bytes: &[u8]) -> Result<(), Error> {
    Table::parse(bytes).map(|_| ())
}

/// A table with these entries, given as tag and body.
fn raw(entries: &[(u32, &[u8])]) -> Vec<u8> {
    let mut page = vec![0; 4096];
    let mut builder = Builder::new(&mut page, Architecture::AmdSkinit).unwrap();
    for (tag, body) in entries {
        builder.raw(*tag, body).unwrap();
    }
    let size = builder.finish().unwrap();
    page.truncate(size);
    page
}

#[test]
fn round_trip() {
    let policy = default_policy();
    let bytes = table(&policy);
    let parsed = Table::parse(&bytes).unwrap();
    assert_eq!(parsed.header().architecture, Architecture::AmdSkinit);
    assert_eq!(parsed.header().size as usize, bytes.len());
    assert_eq!(parsed.header().max_size, 4096);
    assert_eq!(parsed.dl_info().unwrap(), dl_info(DlLayout::V16));
    assert_eq!(parsed.log_info().unwrap(), LOG);
    assert_eq!(parsed.amd().unwrap(), AMD);
    let read: Vec<_> = parsed.policy().unwrap().entries().collect();
    assert_eq!(read, policy);
    assert_eq!(parsed.policy().unwrap().len(), Entity::ALL.len());
    assert_eq!(parsed.intel().unwrap_err(), Error::SlrtMissingEntry);
    assert!(parsed.uefi_config().is_none());
    assert_eq!(parsed.expect(Architecture::AmdSkinit), Ok(()));
    assert_eq!(
        parsed.expect(Architecture::IntelTxt),
        Err(Error::Architecture)
    );
}

/// The bytes of the entries, written out by hand from the published layouts.
#[test]
fn layouts_are_those_of_v16() {
    let bytes = table(&default_policy());
    let u32_at = |o: usize| u32::from_le_bytes(bytes[o..o + 4].try_into().unwrap());
    let u64_at = |o: usize| u64::from_le_bytes(bytes[o..o + 8].try_into().unwrap());
    assert_eq!(&bytes[..4], b"MTRD");
    assert_eq!(&bytes[4..8], &[1, 0, 2, 0]);
    // DL_INFO.
    assert_eq!((u32_at(16), u32_at(20)), (1, 88));
    let dl = dl_info(DlLayout::V16);
    let expected = [
        dl.dce_size,
        dl.dce_base,
        dl.dlme_size,
        dl.dlme_base,
        dl.dlme_entry,
        dl.dlme_header_offset,
        dl.dlme_config_table,
        u64::from(dl.bootloader),
        dl.context,
        dl.dl_launch,
    ];
    for (index, value) in expected.iter().enumerate() {
        assert_eq!(u64_at(16 + 8 + index * 8), *value, "DL_INFO field {index}");
    }
    // LOG_INFO.
    let log = 16 + 88;
    assert_eq!((u32_at(log), u32_at(log + 4)), (2, 24));
    assert_eq!(&bytes[log + 8..log + 12], &[2, 0, 0, 0]);
    assert_eq!((u32_at(log + 12), u64_at(log + 16)), (LOG.size, LOG.addr));
    // POLICY.
    let policy = log + 24;
    assert_eq!((u32_at(policy), u32_at(policy + 4)), (3, 16 + 6 * 56));
    assert_eq!(&bytes[policy + 8..policy + 16], &[0, 0, 0, 0, 1, 0, 6, 0]);
    assert_eq!(&bytes[policy + 16..policy + 22], &[18, 0, 1, 0, 2, 0]);
    assert_eq!(&bytes[policy + 40..policy + 58], b"Measured SLR Table");
    // AMD_INFO.
    let amd = policy + 16 + 6 * 56;
    assert_eq!((u32_at(amd), u32_at(amd + 4)), (5, 56));
    assert_eq!(u64_at(amd + 24), AMD.slrt_size);
    assert_eq!(u64_at(amd + 32), AMD.slrt_base);
    assert_eq!(u64_at(amd + 40), AMD.boot_params);
    // END.
    assert_eq!((u32_at(amd + 56), u32_at(amd + 60)), (0xffff, 8));
    assert_eq!(bytes.len(), amd + 64);
}

#[test]
fn dl_info_of_either_size() {
    for layout in [DlLayout::V15, DlLayout::V16] {
        let mut page = [0; 4096];
        let mut builder = Builder::new(&mut page, Architecture::AmdSkinit).unwrap();
        builder.dl_info(&dl_info(layout)).unwrap();
        builder.finish().unwrap();
        let parsed = Table::parse(&page).unwrap();
        assert_eq!(parsed.dl_info().unwrap(), dl_info(layout));
    }
    for body in [56, 63, 65, 72, 79, 81, 88] {
        let bytes = raw(&[(tag::DL_INFO, &vec![0; body])]);
        assert_eq!(parse(&bytes), Err(Error::SlrtEntry), "body of {body}");
    }
}

#[test]
fn header_boundaries() {
    let good = table(&default_policy());
    let size = good.len() as u32;
    let with = |offset: usize, value: u32| {
        let mut bytes = good.clone();
        set32(&mut bytes, offset, value);
        parse(&bytes)
    };
    assert_eq!(with(0, 0x4452_544d), Ok(()));
    assert_eq!(with(0, 0x4452_544c), Err(Error::InvalidSlrt));
    // Revision and architecture share a word.
    for (value, expected) in [
        (0x2_0000, Err(Error::InvalidSlrt)),
        (0x2_0001, Ok(())),
        (0x2_0002, Err(Error::InvalidSlrt)),
        (0x1, Err(Error::InvalidSlrt)),
        (0x1_0001, Ok(())),
        (0x3_0001, Err(Error::InvalidSlrt)),
    ] {
        assert_eq!(with(4, value), expected, "{value:#x}");
    }
    // The size is the end of the end entry, and nothing else.
    for value in [0, 8, 16, 23, size - 8, size - 1] {
        assert!(with(8, value).is_err(), "{value}");
    }
    assert_eq!(with(8, size), Ok(()));
    assert_eq!(with(8, size + 1), Err(Error::InvalidSlrt));
    assert_eq!(with(8, u32::MAX), Err(Error::InvalidSlrt));
    // The buffer holds the table and is a page at most.
    assert_eq!(with(12, size - 1), Err(Error::InvalidSlrt));
    assert_eq!(with(12, size), Ok(()));
    assert_eq!(with(12, 4096), Ok(()));
    assert_eq!(with(12, 4097), Err(Error::InvalidSlrt));
    // Fewer bytes than the header promises.
    for length in 0..good.len() {
        assert!(parse(&good[..length]).is_err(), "{length}");
    }
}

#[test]
fn entry_size_boundaries() {
    let good = table(&default_policy());
    let with = |value: u32| {
        let mut bytes = good.clone();
        set32(&mut bytes, 16 + 4, value);
        parse(&bytes)
    };
    for value in [0, 1, 7, 8, 87, 89, good.len() as u32, u32::MAX] {
        assert_eq!(with(value), Err(Error::SlrtEntry), "{value}");
    }
    assert_eq!(with(88), Ok(()));
}

#[test]
fn end_is_needed_and_last() {
    let mut bytes = table(&default_policy());
    // The end entry becomes one that is not known: nothing is left for an end.
    let end = bytes.len() - 8;
    set32(&mut bytes, end, 0x7777);
    assert_eq!(parse(&bytes), Err(Error::SlrtNoEnd));
    // An end entry with a body, and one before the end.
    assert_eq!(parse(&raw(&[(tag::END, &[0; 4])])), Err(Error::SlrtEntry));
    assert_eq!(parse(&raw(&[(tag::END, &[])])), Err(Error::SlrtNoEnd));
    assert_eq!(parse(&raw(&[])), Ok(()));
}

#[test]
fn singletons() {
    let amd = [0; 48];
    let once = raw(&[(tag::AMD_INFO, &amd)]);
    let twice = raw(&[(tag::AMD_INFO, &amd), (tag::AMD_INFO, &amd)]);
    assert_eq!(parse(&once), Ok(()));
    assert_eq!(parse(&twice), Err(Error::SlrtDuplicate));
}

#[test]
fn unknown_entries_are_skipped() {
    let bytes = raw(&[
        (0x1234, &[1, 2, 3]),
        (tag::UEFI_INFO, &[]),
        (tag::ARM_INFO, &[0; 99]),
        (tag::AMD_INFO, &[0; 48]),
        (0x1234, &[]),
    ]);
    assert!(Table::parse(&bytes).unwrap().amd().is_ok());
}

#[test]
fn policy_head_boundaries() {
    let body = |revision: u16, count: u16, bytes: usize| {
        let mut body = vec![0; 8 + bytes];
        body[4..6].copy_from_slice(&revision.to_le_bytes());
        body[6..8].copy_from_slice(&count.to_le_bytes());
        parse(&raw(&[(tag::POLICY, &body)]))
    };
    assert_eq!(body(1, 0, 0), Ok(()));
    assert_eq!(body(1, 1, 56), Ok(()));
    assert_eq!(body(0, 1, 56), Err(Error::PolicyRevision));
    assert_eq!(body(2, 1, 56), Err(Error::PolicyRevision));
    assert_eq!(body(1, 1, 55), Err(Error::SlrtEntry));
    assert_eq!(body(1, 1, 57), Err(Error::SlrtEntry));
    assert_eq!(body(1, 2, 56), Err(Error::SlrtEntry));
    assert_eq!(body(1, 0, 56), Err(Error::SlrtEntry));
    assert_eq!(body(1, u16::MAX, 56), Err(Error::SlrtEntry));
}

#[test]
fn intel_and_uefi_entries() {
    let mut intel = vec![0; 552];
    let count = |intel: &mut Vec<u8>, n: u64| intel[32..40].copy_from_slice(&n.to_le_bytes());
    intel[40] = 0x11;
    intel[48] = 0x22;
    for (n, expected) in [
        (0, Ok(())),
        (32, Ok(())),
        (33, Err(Error::MtrrInvalidCount)),
        (u64::MAX, Err(Error::MtrrInvalidCount)),
    ] {
        count(&mut intel, n);
        assert_eq!(parse(&raw(&[(tag::INTEL_INFO, &intel)])), expected);
    }
    count(&mut intel, 2);
    let bytes = raw(&[(tag::INTEL_INFO, &intel)]);
    let parsed = Table::parse(&bytes).unwrap();
    let mtrrs: Vec<_> = parsed.intel().unwrap().mtrrs().collect();
    assert_eq!(mtrrs, [(0x11, 0x22), (0, 0)]);
    // The specification's layout, without the boot parameters, is another.
    assert_eq!(
        parse(&raw(&[(tag::INTEL_INFO, &intel[8..])])),
        Err(Error::SlrtEntry)
    );

    let mut config = vec![0; 8 + 48];
    config[4] = 1;
    config[6] = 1;
    config[8] = 18;
    config[24..27].copy_from_slice(b"cfg");
    let bytes = raw(&[(tag::UEFI_CONFIG, &config)]);
    let parsed = Table::parse(&bytes).unwrap();
    let entries: Vec<_> = parsed.uefi_config().unwrap().entries().collect();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].pcr, 18);
    assert_eq!(&entries[0].label[..4], b"cfg\0");
    config[6] = 2;
    assert_eq!(
        parse(&raw(&[(tag::UEFI_CONFIG, &config)])),
        Err(Error::SlrtEntry)
    );
}

#[test]
fn builder_refuses_what_does_not_fit() {
    let mut buffer = [0; 23];
    assert!(Builder::new(&mut buffer, Architecture::AmdSkinit).is_err());
    let mut buffer = [0; 4097];
    assert!(Builder::new(&mut buffer, Architecture::AmdSkinit).is_err());
    for size in 24..=16 + 88 + 8 {
        let mut buffer = vec![0; size];
        let mut builder = Builder::new(&mut buffer, Architecture::AmdSkinit).unwrap();
        let appended = builder.dl_info(&dl_info(DlLayout::V16));
        let finished = builder.finish();
        let fits = size == 16 + 88 + 8;
        assert_eq!(appended.is_ok() && finished.is_ok(), fits, "{size}");
        // Even without the entry, what was built is a table.
        if finished.is_ok() {
            assert_eq!(parse(&buffer), Ok(()));
        }
    }
}

#[test]
fn canonical_form_has_no_addresses() {
    let base = table(&default_policy());
    let reference = canonical(&base);
    // Offsets of addresses and context, eight bytes each.
    let (dl, log, policy) = (16, 16 + 88, 16 + 88 + 24);
    let amd = policy + 16 + 6 * 56;
    let mut offsets = vec![dl + 16, dl + 32, dl + 56, dl + 72, dl + 80, log + 16];
    offsets.extend([amd + 8, amd + 32, amd + 40]);
    offsets.extend((0..6).map(|n| policy + 16 + n * 56 + 16));
    for offset in offsets {
        let mut bytes = base.clone();
        bytes[offset] ^= 0x5a;
        assert_eq!(canonical(&bytes), reference, "offset {offset}");
    }
    // Neither does it matter where in the table an entry is, nor how large the buffer is.
    let mut page = [0; 2048];
    let mut builder = Builder::new(&mut page, Architecture::AmdSkinit).unwrap();
    builder.amd(&AMD).unwrap();
    builder.raw(0x4444, &[1; 20]).unwrap();
    builder.policy(&default_policy()).unwrap();
    builder.log_info(&LOG).unwrap();
    builder.dl_info(&dl_info(DlLayout::V16)).unwrap();
    builder.finish().unwrap();
    assert_eq!(canonical(&page), reference);
}

#[test]
fn canonical_form_has_what_matters() {
    let reference = canonical(&table(&default_policy()));
    for change in [
        |e: &mut PolicyEntry| e.pcr = 19,
        |e: &mut PolicyEntry| e.flags = 0,
        |e: &mut PolicyEntry| e.label[0] = b'm',
        |e: &mut PolicyEntry| e.entity_type = entity::UNSPECIFIED,
    ] {
        for index in 0..6 {
            let mut policy = default_policy();
            change(&mut policy[index]);
            assert_ne!(canonical(&table(&policy)), reference);
        }
    }
    assert_ne!(canonical(&table(&default_policy()[1..])), reference);
    // The size of an additional entity counts, that of a mandatory one does not.
    let mut policy = default_policy();
    policy[0].size = 1;
    assert_eq!(canonical(&table(&policy)), reference);
    policy.push(PolicyEntry {
        entity_type: entity::UNSPECIFIED,
        ..policy[0]
    });
    let with_extra = canonical(&table(&policy));
    policy[6].size = 2;
    assert_ne!(canonical(&table(&policy)), with_extra);
    // Bytes of a label after its NUL do not count.
    let mut policy = default_policy();
    policy[0].label[31] = 9;
    assert_eq!(canonical(&table(&policy)), reference);
}
