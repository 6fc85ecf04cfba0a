// SPDX-License-Identifier: GPL-2.0

//! What is mapped for firmware in user mode.

use proptest::collection::vec;
use proptest::prelude::*;
use slaunch_core::isolate::map::{attributes, plan, Access, Cache, MapError, Mapping};
use slaunch_core::memmap::{kind, Descriptor, MemMap, ATTRIBUTE_RUNTIME};
use slaunch_core::region::Region;

const WB: u64 = 1 << 3;
const XP: u64 = 1 << 14;
const RO: u64 = 1 << 17;
const MMIO: u32 = 11;
const LIMIT: u64 = 0x7fff_ffff_f000;

fn descriptor(kind: u32, base: u64, pages: u64, attributes: u64) -> Descriptor {
    Descriptor {
        base,
        kind,
        attributes,
        pages,
    }
}

fn code(base: u64, pages: u64) -> Descriptor {
    let attributes = ATTRIBUTE_RUNTIME | WB;
    descriptor(kind::RUNTIME_SERVICES_CODE, base, pages, attributes)
}

fn data(base: u64, pages: u64) -> Descriptor {
    let attributes = ATTRIBUTE_RUNTIME | WB;
    descriptor(kind::RUNTIME_SERVICES_DATA, base, pages, attributes)
}

/// The plan: mappings and denied pages.
fn planned(
    map: &[Descriptor],
    table: Option<&[Descriptor]>,
    denied: &[Region],
) -> Result<(Vec<Mapping>, u64), MapError> {
    let mut more = [Descriptor::EMPTY; 64];
    let mut memory = [Descriptor::EMPTY; 64];
    let mut memmap = MemMap::new(&mut memory);
    map.iter().try_for_each(|d| memmap.push(*d)).unwrap();
    let mut attributes = MemMap::new(&mut more);
    let entries = table.unwrap_or(&[]);
    entries
        .iter()
        .try_for_each(|d| attributes.push(*d))
        .unwrap();
    let mut to = [Mapping::EMPTY; 64];
    let plan = plan(&memmap, table.map(|_| &attributes), denied, LIMIT, &mut to)?;
    Ok((plan.mappings.to_vec(), plan.denied))
}

fn lines(mappings: &[Mapping]) -> Vec<(u64, u64, Access)> {
    let line = |m: &Mapping| (m.start, m.pages, m.access);
    mappings.iter().map(line).collect()
}

/// As OVMF has it: code and data of images alternate in the region of code.
#[test]
fn the_table_splits_code() {
    use Access::{Read, ReadExecute, ReadWrite};
    let map = [data(0x10_0000, 4), code(0x20_0000, 8)];
    let entry = |base, pages, bits| descriptor(kind::RUNTIME_SERVICES_CODE, base, pages, bits);
    let table = [
        descriptor(kind::RUNTIME_SERVICES_DATA, 0x10_0000, 4, XP),
        entry(0x20_0000, 1, XP),
        entry(0x20_1000, 2, RO),
        entry(0x20_3000, 1, XP),
        entry(0x20_4000, 1, RO),
        entry(0x20_5000, 1, RO | XP),
        // The next page is nowhere, the last has neither.
        entry(0x20_7000, 1, 0),
    ];
    let (mappings, denied) = planned(&map, Some(&table), &[]).unwrap();
    let expected = [
        (0x10_0000, 4, ReadWrite),
        (0x20_0000, 1, ReadWrite),
        (0x20_1000, 2, ReadExecute),
        (0x20_3000, 1, ReadWrite),
        (0x20_4000, 1, ReadExecute),
        (0x20_5000, 1, Read),
        (0x20_6000, 2, ReadExecute),
    ];
    assert_eq!((lines(&mappings), denied), (expected.to_vec(), 0));
    assert!(mappings.iter().all(|m| m.cache == Cache::WriteBack));
    let of_code: Vec<_> = mappings.iter().map(|m| m.code).collect();
    assert_eq!(of_code, [false, true, true, true, true, true, true]);
}

#[test]
fn without_the_table() {
    let map = [code(0x20_0000, 8), data(0x10_0000, 4)];
    let (mappings, _) = planned(&map, None, &[]).unwrap();
    let expected = [
        (0x10_0000, 4, Access::ReadWrite),
        (0x20_0000, 8, Access::ReadExecute),
    ];
    assert_eq!(lines(&mappings), expected);
}

#[test]
fn registers_are_not_cached_and_not_executed() {
    let flash = descriptor(MMIO, 0xffc0_0000, 0x400, ATTRIBUTE_RUNTIME | WB);
    let table = [descriptor(MMIO, 0xffc0_0000, 0x400, RO)];
    let (mappings, _) = planned(&[code(0x20_0000, 1), flash], Some(&table), &[]).unwrap();
    assert_eq!(
        mappings[1],
        Mapping {
            start: 0xffc0_0000,
            pages: 0x400,
            access: Access::ReadWrite,
            cache: Cache::Uncached,
            code: false,
        }
    );
}

#[test]
fn what_no_firmware_gets() {
    // All of the area of the chipset's registers, and some.
    let claim = descriptor(MMIO, 0xfeb0_0000, 0x600, ATTRIBUTE_RUNTIME);
    let (mappings, denied) = planned(&[code(0x20_0000, 1), claim], None, &[]).unwrap();
    let given: Vec<_> = lines(&mappings[1..])
        .into_iter()
        .map(|(start, pages, _)| (start, start + pages * 4096))
        .collect();
    assert_eq!(
        given,
        [
            (0xfeb0_0000, 0xfec0_0000),
            (0xfed0_1000, 0xfed2_0000),
            (0xfed4_5000, 0xfed9_0000),
            (0xfed9_8000, 0xfee0_0000),
            (0xfef0_0000, 0xff10_0000),
        ]
    );
    let all: u64 = given.iter().map(|(start, end)| (end - start) / 4096).sum();
    assert_eq!(denied, 0x600 - all);
    // The page of NULL, memory above the limit, and what the kernel names.
    let map = [
        code(0x20_0000, 4),
        data(0, 2),
        data(LIMIT - 0x1000, 4),
        data(0x8000_0000_0000, 1),
    ];
    let ram = Region::new(0x20_1800, 0x1000).unwrap();
    let (mappings, denied) = planned(&map, None, &[ram]).unwrap();
    let expected = [
        (0x1000, 1, Access::ReadWrite),
        (0x20_0000, 1, Access::ReadExecute),
        (0x20_3000, 1, Access::ReadExecute),
        (LIMIT - 0x1000, 1, Access::ReadWrite),
    ];
    assert_eq!((lines(&mappings), denied), (expected.to_vec(), 7));
}

/// Memory that is the kernel's, or that somebody else claims too, is nobody's.
#[test]
fn other_memory() {
    let attributes = ATTRIBUTE_RUNTIME | WB;
    let mut map = vec![code(0x20_0000, 4)];
    for kind in [1, 2, 3, 4, 7, 8, 9, 12, 13, 14, 15, 0x8000_0000] {
        let base = 0x100_0000 + u64::from(kind & 0xff) * 0x1_0000;
        map.push(descriptor(kind, base, 2, attributes));
    }
    let (mappings, denied) = planned(&map, None, &[]).unwrap();
    assert_eq!((mappings.len(), denied), (1, 24));
    let map = [
        code(0x20_0000, 4),
        descriptor(kind::CONVENTIONAL, 0x20_2000, 16, WB),
        data(0x30_0000, 4),
        data(0x30_1000, 1),
    ];
    let (mappings, denied) = planned(&map, None, &[]).unwrap();
    let expected = [
        (0x20_0000, 2, Access::ReadExecute),
        (0x30_0000, 1, Access::ReadWrite),
        (0x30_2000, 2, Access::ReadWrite),
    ];
    assert_eq!((lines(&mappings), denied), (expected.to_vec(), 4));
    // Without the attribute there is nothing at run time.
    let later = descriptor(kind::RUNTIME_SERVICES_DATA, 0x40_0000, 1, WB);
    let (mappings, _) = planned(&[code(0x20_0000, 1), later], None, &[]).unwrap();
    assert_eq!(mappings.len(), 1);
}

#[test]
fn nothing_to_map() {
    assert_eq!(planned(&[], None, &[]), Err(MapError::NoCode));
    assert_eq!(
        planned(&[data(0x1000, 1)], None, &[]),
        Err(MapError::NoCode)
    );
    let all = Region::new(0, 1 << 40).unwrap();
    let denied = planned(&[code(0x20_0000, 1)], None, &[all]);
    assert_eq!(denied, Err(MapError::NoCode));
    let huge = descriptor(MMIO, 1 << 40, 1 << 30, ATTRIBUTE_RUNTIME);
    let large = planned(&[code(0x20_0000, 1), huge], None, &[]);
    assert_eq!(large, Err(MapError::TooLarge));
    let mut map = MemMapOf::default();
    for n in 0..10 {
        map.0.push(code(0x20_0000 + n * 0x2000, 1));
    }
    assert_eq!(map.with_slots(9), Err(MapError::TooMany));
    assert_eq!(map.with_slots(10), Ok(10));
}

#[derive(Default)]
struct MemMapOf(Vec<Descriptor>);

impl MemMapOf {
    fn with_slots(&self, count: usize) -> Result<usize, MapError> {
        let mut slots = vec![Descriptor::EMPTY; self.0.len()];
        let mut map = MemMap::new(&mut slots);
        self.0.iter().try_for_each(|d| map.push(*d)).unwrap();
        let mut to = vec![Mapping::EMPTY; count];
        plan(&map, None, &[], LIMIT, &mut to).map(|plan| plan.mappings.len())
    }
}

#[test]
fn what_may_be_called() {
    let map = [code(0x20_0000, 2), data(0x10_0000, 1)];
    let mut slots = [Descriptor::EMPTY; 4];
    let mut memory = MemMap::new(&mut slots);
    map.iter().try_for_each(|d| memory.push(*d)).unwrap();
    let mut to = [Mapping::EMPTY; 4];
    let plan = plan(&memory, None, &[], LIMIT, &mut to).unwrap();
    assert!(plan.is_code(0x20_0000) && plan.is_code(0x20_1fff));
    for wrong in [0, 0x10_0000, 0x1f_ffff, 0x20_2000, u64::MAX] {
        assert!(!plan.is_code(wrong), "{wrong:#x}");
    }
    assert!(plan.is_free(0x11_0000, 0xf_0000));
    assert!(!plan.is_free(0x11_0000, 0xf_0001));
    assert!(!plan.is_free(0x10_0fff, 1) && plan.is_free(0x10_1000, 1));
    assert!(!plan.is_free(0x20_1000, u64::MAX));
}

/// A table of these descriptors, whose size is `size`.
fn table(version: u32, count: u32, size: u32, entries: &[Descriptor]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in [version, count, size, 0] {
        bytes.extend(number.to_le_bytes());
    }
    for entry in entries {
        let start = bytes.len();
        bytes.extend(u64::from(entry.kind).to_le_bytes());
        for number in [entry.base, 0, entry.pages, entry.attributes] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.resize(start + size as usize, 0xcc);
    }
    bytes
}

#[test]
fn the_table_itself() {
    let entries = [code(0x20_0000, 2), data(0x10_0000, 1)];
    let read = |bytes: &[u8]| {
        let mut slots = [Descriptor::EMPTY; 4];
        attributes(bytes, &mut slots).map(|map| map.descriptors().to_vec())
    };
    let sorted = vec![entries[1], entries[0]];
    for (version, size) in [(1, 40), (2, 48)] {
        assert_eq!(read(&table(version, 2, size, &entries)), Ok(sorted.clone()));
    }
    for wrong in [
        table(0, 2, 48, &entries),
        table(3, 2, 48, &entries),
        table(1, 3, 48, &entries),
        table(1, 5, 48, &entries),
        table(1, u32::MAX, 48, &entries),
        table(1, 2, 39, &[]),
        table(1, 2, u32::MAX, &[]),
        table(1, 1, 48, &[code(0x20_0001, 1)]),
        table(1, 1, 48, &[code(0x20_0000, u64::MAX)]),
        table(1, 2, 48, &entries)[..100].to_vec(),
        vec![1, 0, 0],
    ] {
        assert_eq!(read(&wrong), Err(MapError::Attributes));
    }
}

/// Descriptors in a small part of memory, so that they meet, and at its end.
fn any_descriptor() -> impl Strategy<Value = Descriptor> {
    let base = prop_oneof![
        4 => (0u64..64).prop_map(|page| page * 4096),
        1 => (0u64..64).prop_map(|page| 0xfed0_0000 + page * 4096),
        1 => (0u64..64).prop_map(|page| LIMIT - 32 * 4096 + page * 4096),
        1 => Just(u64::MAX & !0xfff),
    ];
    let kind = prop_oneof![3 => Just(5u32), 3 => Just(6), 1 => 0u32..16];
    let bits =
        prop_oneof![4 => Just(ATTRIBUTE_RUNTIME | WB), 1 => Just(ATTRIBUTE_RUNTIME), 1 => Just(WB)];
    (base, kind, 1u64..16, bits).prop_map(|(base, kind, pages, bits)| {
        let most = (u64::MAX - base) / 4096;
        descriptor(kind, base, pages.min(most), bits)
    })
}

fn any_entry() -> impl Strategy<Value = Descriptor> {
    let bits = prop_oneof![Just(0), Just(XP), Just(RO), Just(XP | RO)];
    (0u64..64, 1u64..16, bits)
        .prop_map(|(page, pages, bits)| descriptor(5, page * 4096, pages, bits))
}

proptest! {
    /// Page by page, against what the rules say about one.
    #[test]
    fn each_page_gets_what_it_may(
        map in vec(any_descriptor(), 1..12), table in vec(any_entry(), 0..8),
        denied in vec((0u64..0x4_0000, 1u64..0x3000), 0..4),
    ) {
        let map: Vec<_> = map.into_iter().filter(|d| d.pages != 0).collect();
        let denied: Vec<_> = denied.into_iter().map(|(b, s)| Region::new(b, s).unwrap()).collect();
        let Ok((mappings, _)) = planned(&map, Some(&table), &denied) else { return Ok(()) };
        let mut last = 0;
        for mapping in &mappings {
            prop_assert!(mapping.start >= last && mapping.pages != 0 && mapping.end() <= LIMIT);
            last = mapping.end();
        }
        let mut pages: Vec<u64> = map.iter().flat_map(|d| (0..d.pages).map(|p| d.base + p * 4096)).collect();
        pages.extend(mappings.iter().flat_map(|m| (0..m.pages).map(|p| m.start + p * 4096)));
        for page in pages {
            let of: Vec<_> = map.iter().filter(|d| d.base <= page && page < d.end()).collect();
            let never = page < 0x1000
                || (0xfed0_0000..0xfed0_1000).contains(&page) || (0xfed2_0000..0xfed4_5000).contains(&page)
                || page >= LIMIT;
            let named = denied.iter().any(|r| r.base() < page + 4096 && page < r.end());
            let bits = table.iter().filter(|e| e.base <= page && page < e.end())
                .fold(0, |bits, e| bits | e.attributes);
            let expected = match of[..] {
                [d] if d.attributes & ATTRIBUTE_RUNTIME != 0 && [0, 5, 6, 10, 11].contains(&d.kind)
                    && !never && !named => Some(match (d.kind, bits & RO != 0, bits & XP != 0) {
                    (5, _, false) => Access::ReadExecute,
                    (11, _, _) | (_, false, _) => Access::ReadWrite,
                    _ => Access::Read,
                }),
                _ => None,
            };
            let found = mappings.iter().find(|m| m.start <= page && page < m.end());
            prop_assert_eq!(found.map(|m| m.access), expected, "page {:#x}", page);
            if let Some(found) = found {
                let cached = of[0].attributes & WB != 0 && of[0].kind != 11;
                prop_assert_eq!(found.cache == Cache::WriteBack, cached);
                prop_assert_eq!(found.code, of[0].kind == 5);
            }
        }
    }

    #[test]
    fn any_bytes_as_a_table(bytes in vec(any::<u8>(), 0..200), count in 0u32..6, size in 36u32..60) {
        let mut slots = [Descriptor::EMPTY; 4];
        let _ = attributes(&bytes, &mut slots);
        let mut good = table(1, count, size, &[]);
        good.extend(bytes);
        let _ = attributes(&good, &mut slots);
    }
}
