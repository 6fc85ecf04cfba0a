// SPDX-License-Identifier: GPL-2.0

//! The EFI memory map.

mod common;

use common::*;
use slaunch_core::error::Error;
use slaunch_core::memmap::{
    kind, Descriptor, MemMap, ATTRIBUTE_RUNTIME, ATTRIBUTE_SPECIFIC_PURPOSE,
};
use slaunch_core::region::Region;

const MAP: u64 = 0x9000;

fn region(base: u64, size: u64) -> Region {
    Region::new(base, size).unwrap()
}

/// Reads a map back after writing it, and hands it to `look`.
fn with_map<T>(descriptors: &[Descriptor], look: impl FnOnce(&MemMap<'_>) -> T) -> T {
    let raw = raw_map(descriptors, 48);
    let mut memory = Memory::with(MAP, &raw);
    let mut slots = [Descriptor::EMPTY; 64];
    let map = MemMap::read(
        &mut slots,
        &mut memory,
        region(MAP, raw.len() as u64),
        48,
        1,
    )
    .unwrap();
    look(&map)
}

fn canonical(descriptors: &[Descriptor]) -> Vec<(u32, u64, u64, u64)> {
    let bytes = with_map(descriptors, |map| {
        collect(|mut sink| map.canonical(&mut sink))
    });
    let u64_at = |b: &[u8], o: usize| u64::from_le_bytes(b[o..o + 8].try_into().unwrap());
    bytes
        .chunks(28)
        .map(|b| {
            let kind = u32::from_le_bytes(b[..4].try_into().unwrap());
            (kind, u64_at(b, 4), u64_at(b, 12), u64_at(b, 20))
        })
        .collect()
}

/// A small machine.
fn machine() -> Vec<Descriptor> {
    vec![
        descriptor(kind::CONVENTIONAL, 0x10_0000, 0x100),
        descriptor(kind::LOADER_CODE, 0x20_0000, 0x100),
        descriptor(kind::LOADER_DATA, 0x30_0000, 0x10),
        descriptor(kind::BOOT_SERVICES_CODE, 0x31_0000, 0x10),
        descriptor(kind::BOOT_SERVICES_DATA, 0x32_0000, 0x10),
        descriptor(kind::ACPI_RECLAIM, 0x33_0000, 0x10),
        Descriptor {
            attributes: 0xf | ATTRIBUTE_RUNTIME,
            ..descriptor(kind::RUNTIME_SERVICES_DATA, 0x34_0000, 0x10)
        },
        descriptor(kind::CONVENTIONAL, 0x35_0000, 0x10),
    ]
}

#[test]
fn limits_of_the_raw_map() {
    let descriptors = machine();
    let read = |bytes: u64, desc_size: u32, version: u32, slots: usize| {
        let raw = raw_map(&descriptors, desc_size.clamp(40, 4096) as usize);
        let mut memory = Memory::with(MAP, &raw);
        let mut slots = vec![Descriptor::EMPTY; slots];
        MemMap::read(
            &mut slots,
            &mut memory,
            region(MAP, bytes),
            desc_size,
            version,
        )
        .map(|map| map.descriptors().len())
    };
    for (desc_size, good) in [(39, false), (40, true), (48, true), (56, true)] {
        let bytes = 8 * u64::from(desc_size);
        assert_eq!(read(bytes, desc_size, 1, 8).is_ok(), good, "{desc_size}");
    }
    assert_eq!(read(8 * 1024, 1024, 1, 8), Ok(8));
    assert_eq!(read(8 * 1025, 1025, 1, 8), Err(Error::MemoryMapInvalid));
    assert_eq!(read(0x1000, 0, 1, 8), Err(Error::MemoryMapInvalid));
    assert_eq!(read(0x1000, u32::MAX, 1, 8), Err(Error::MemoryMapInvalid));
    assert_eq!(read(8 * 48, 48, 0, 8), Err(Error::MemoryMapInvalid));
    assert_eq!(read(8 * 48, 48, 2, 8), Err(Error::MemoryMapInvalid));
    // A whole number of descriptors.
    assert_eq!(read(8 * 48 - 1, 48, 1, 8), Err(Error::MemoryMapInvalid));
    assert_eq!(read(7 * 48 + 1, 48, 1, 8), Err(Error::MemoryMapInvalid));
    assert_eq!(read(7 * 48, 48, 1, 8), Ok(7));
    // Beyond what can be read.
    assert_eq!(read(9 * 48, 48, 1, 9), Err(Error::Unmapped));
    // As many as there are slots.
    assert_eq!(read(8 * 48, 48, 1, 9), Ok(8));
    assert_eq!(read(8 * 48, 48, 1, 7), Err(Error::MemoryMapTooLarge));
    assert_eq!(read(8 * 48, 48, 1, 0), Err(Error::MemoryMapTooLarge));
}

#[test]
fn descriptors_that_cannot_be() {
    let mut slots = [Descriptor::EMPTY; 4];
    let mut map = MemMap::new(&mut slots);
    for (base, pages, expected) in [
        (0x1001, 1, Err(Error::MemoryMapInvalid)),
        (0x0fff, 1, Err(Error::MemoryMapInvalid)),
        (0, u64::MAX / 4096, Ok(())),
        (0x1000, u64::MAX / 4096, Err(Error::MemoryMapInvalid)),
        (0, 1 << 52, Err(Error::MemoryMapInvalid)),
        (0, u64::MAX, Err(Error::MemoryMapInvalid)),
        (0u64.wrapping_sub(4096), 1, Err(Error::MemoryMapInvalid)),
        (0u64.wrapping_sub(8192), 1, Ok(())),
    ] {
        let pushed = map.push(descriptor(kind::CONVENTIONAL, base, pages));
        assert_eq!(pushed, expected, "{base:#x} {pages:#x}");
    }
    // Without pages: left out.
    assert_eq!(map.descriptors().len(), 2);
    assert_eq!(map.push(descriptor(kind::CONVENTIONAL, 0, 0)), Ok(()));
    assert_eq!(map.descriptors().len(), 2);
}

#[test]
fn free_memory_is_one_and_the_rest_is_kept() {
    assert_eq!(
        canonical(&machine()),
        [
            (7, 8, 0x10_0000, 0x230),
            (7, 8, 0x35_0000, 0x10),
            (9, 0xf, 0x33_0000, 0x10),
            (6, 0xf | ATTRIBUTE_RUNTIME, 0x34_0000, 0x10),
        ]
    );
}

#[test]
fn who_allocated_what_does_not_count() {
    let reference = canonical(&machine());
    // Types of free memory changed, split, in another order, with attributes nobody goes by.
    for other in [1, 2, 3, 4, 7] {
        let mut map = machine();
        map[0].kind = other;
        map[2].kind = other;
        map[4].attributes = 8;
        map[0].pages = 0x7f;
        map.push(descriptor(other, 0x17_f000, 0x81));
        map.reverse();
        assert_eq!(canonical(&map), reference);
    }
    // An overlap of free memory with itself.
    let mut map = machine();
    map.push(descriptor(kind::LOADER_DATA, 0x11_0000, 0x100));
    assert_eq!(canonical(&map), reference);
}

#[test]
fn what_firmware_fixes_counts() {
    let reference = canonical(&machine());
    let differs = |change: fn(&mut Vec<Descriptor>)| {
        let mut map = machine();
        change(&mut map);
        assert_ne!(canonical(&map), reference);
    };
    differs(|map| map[0].base -= 0x1000);
    differs(|map| map[7].pages += 1);
    differs(|map| map[6].base -= 0x1000);
    differs(|map| map[6].pages -= 1);
    differs(|map| map[6].kind = kind::RUNTIME_SERVICES_CODE);
    differs(|map| map[6].attributes |= 0x4000);
    differs(|map| map[5].kind = 10);
    differs(|map| map[5].kind = kind::CONVENTIONAL);
    differs(|map| map[0].attributes |= ATTRIBUTE_SPECIFIC_PURPOSE);
    differs(|map| map[0].attributes |= 1 << 16);
    differs(|map| map[0].attributes |= ATTRIBUTE_RUNTIME);
    differs(|map| map[3].attributes = 7); // no write-back
    differs(|map| map.push(descriptor(11, 0xfee0_0000, 1)));
    differs(|map| map.push(descriptor(0x8000_0000, 0x36_0000, 1)));
}

#[test]
fn free_memory_with_other_attributes_is_apart() {
    let mut map = machine();
    map[1].attributes |= 1 << 16;
    assert_eq!(
        canonical(&map)[..4],
        [
            (7, 8, 0x10_0000, 0x100),
            (7, 8, 0x30_0000, 0x30),
            (7, 8, 0x35_0000, 0x10),
            (7, 0x1_0008, 0x20_0000, 0x100),
        ]
    );
}

#[test]
fn what_is_ram() {
    with_map(&machine(), |map| {
        for (base, end, ram, or_acpi) in [
            (0x10_0000, 0x33_0000, true, true),
            (0x0f_ffff, 0x10_0001, false, false),
            (0x10_0000, 0x10_0001, true, true),
            (0x1f_ffff, 0x20_0001, true, true),
            (0x32_ffff, 0x33_0000, true, true),
            (0x32_ffff, 0x33_0001, false, true),
            (0x33_0000, 0x34_0000, false, true),
            (0x33_0000, 0x34_0001, false, false),
            (0x34_0000, 0x34_0001, false, false),
            (0x35_0000, 0x36_0000, true, true),
            (0x35_0000, 0x36_0001, false, false),
            (0x10_0000, 0x36_0000, false, false),
            (0, 1, false, false),
            (1 << 60, (1 << 60) + 1, false, false),
            (0, u64::MAX, false, false),
        ] {
            let region = Region::from_bounds(base, end).unwrap();
            assert_eq!(map.is_ram(&region), ram, "{region:x?}");
            assert_eq!(map.is_ram_or_acpi(&region), or_acpi, "{region:x?}");
        }
    });
}

#[test]
fn ram_that_something_else_claims_too_is_not_ram() {
    let mut map = machine();
    map.push(descriptor(kind::RUNTIME_SERVICES_CODE, 0x18_0000, 1));
    with_map(&map, |map| {
        assert!(map.is_ram(&region(0x10_0000, 0x8_0000)));
        assert!(!map.is_ram(&region(0x10_0000, 0x8_0001)));
        assert!(!map.is_ram(&region(0x18_0fff, 1)));
        assert!(map.is_ram(&region(0x18_1000, 1)));
    });
    // A long range that a shorter one lies in does not lose what follows.
    let map = [
        descriptor(kind::CONVENTIONAL, 0x1000, 0x100),
        descriptor(kind::LOADER_DATA, 0x2000, 1),
    ];
    with_map(&map, |map| assert!(map.is_ram(&region(0x1000, 0x10_0000))));
    // An empty map has none.
    let mut slots = [];
    assert!(!MemMap::new(&mut slots).is_ram(&region(0, 1)));
}

/// A range of runtime services.
fn runtime(kind: u32, base: u64, pages: u64) -> Descriptor {
    Descriptor {
        attributes: 0xf | ATTRIBUTE_RUNTIME,
        ..descriptor(kind, base, pages)
    }
}

#[test]
fn ranges_of_runtime_services() {
    let code = runtime(kind::RUNTIME_SERVICES_CODE, 0x34_0000, 0x10);
    let data = runtime(kind::RUNTIME_SERVICES_DATA, 0x36_0000, 0x10);
    let high = runtime(kind::RUNTIME_SERVICES_CODE, 0x1_0000_0000, 0x10);
    let mmio = runtime(11, 0xffc0_0000, 0x400);
    // Not without the attribute, and not because of it.
    let idle = descriptor(kind::RUNTIME_SERVICES_CODE, 0x38_0000, 0x10);
    let free = runtime(kind::CONVENTIONAL, 0x3a_0000, 0x10);
    let all = [high, free, data, mmio, code, idle];
    with_map(&all, |map| {
        let found: Vec<_> = map.runtime().copied().collect();
        assert_eq!(found, [code, data, high]);
        for range in &found {
            let region = region(range.base, 0x1_0000);
            assert_eq!(map.check_runtime(range, &[]), Ok(region));
        }
        for other in [mmio, idle, free] {
            assert_eq!(map.check_runtime(&other, &[]), Err(Error::OutOfRam));
        }
    });
    let mut bytes = Vec::new();
    code.put_runtime(&mut |piece: &[u8]| bytes.extend_from_slice(piece));
    let mut expected = vec![5, 0, 0, 0, 0xf, 0, 0, 0, 0, 0, 0, 0x80];
    expected.extend_from_slice(&[0x10, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes, expected);
}

#[test]
fn ranges_of_runtime_services_are_apart() {
    let code = runtime(kind::RUNTIME_SERVICES_CODE, 0x34_0000, 0x10);
    let check = |others: &[Descriptor], launch: &[Region]| {
        let mut all = vec![code];
        all.extend_from_slice(others);
        with_map(&all, |map| map.check_runtime(&code, launch).map(|_| ()))
    };
    let free = |base, pages| descriptor(kind::CONVENTIONAL, base, pages);
    let touching = [free(0x30_0000, 0x40), free(0x35_0000, 1)];
    assert_eq!(check(&touching, &[]), Ok(()));
    for other in [
        free(0x30_0000, 0x41),
        free(0x34_f000, 1),
        free(0x34_8000, 1),
        free(0x30_0000, 0x100),
        runtime(kind::RUNTIME_SERVICES_DATA, 0x34_f000, 2),
        code,
    ] {
        assert_eq!(check(&[other], &[]), Err(Error::OutOfRam), "{other:x?}");
    }
    let own = |base, size| [region(0x1000, 1), region(base, size)];
    assert_eq!(check(&[], &own(0x33_0000, 0x1_0000)), Ok(()));
    assert_eq!(check(&[], &own(0x35_0000, 1)), Ok(()));
    for own in [
        own(0x33_0000, 0x1_0001),
        own(0x34_ffff, 1),
        own(0x34_0000, 0x1_0000),
        own(0, 1 << 40),
    ] {
        assert_eq!(check(&[], &own), Err(Error::RegionOverlap));
    }
}
