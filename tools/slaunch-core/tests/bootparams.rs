// SPDX-License-Identifier: GPL-2.0

//! The zero page and the E820 table.

mod common;

use common::*;
use slaunch_core::bootparams::{self, BootParams, SIZE};
use slaunch_core::e820::{self, E820Entry};
use slaunch_core::error::Error;
use slaunch_core::region::Region;

fn canonical(page: &Page) -> Vec<u8> {
    let params = BootParams::parse(&page.0).unwrap();
    let bytes = collect(|mut sink| params.canonical(&mut sink).unwrap());
    assert_eq!(bytes.len(), SIZE);
    bytes
}

fn parse(page: &Page) -> Result<(), Error> {
    BootParams::parse(&page.0).map(|_| ())
}

/// What happens to each byte of the page, written out independently of the code.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Kept,
    Zeroed,
    /// Something else must hold; tested on its own.
    Special,
}

fn fate(offset: usize) -> Fate {
    use Fate::*;
    match offset {
        0x000..=0x001 => Zeroed,  // orig_x, orig_y
        0x002..=0x053 => Kept,    // screen_info, apm_bios_info
        0x054..=0x057 => Zeroed,  // pad
        0x058..=0x05f => Special, // tboot_addr
        0x060..=0x077 => Kept,    // ist_info, acpi_rsdp_addr
        0x078..=0x07f => Zeroed,  // pad
        0x080..=0x0bf => Kept,    // hd info, sys_desc_table, olpc
        0x0c0..=0x0c7 => Special, // ext_ramdisk
        0x0c8..=0x0cb => Zeroed,  // ext_cmd_line_ptr
        0x0cc..=0x13b => Zeroed,  // pad
        0x13c..=0x13f => Special, // cc_blob_address
        0x140..=0x1bf => Kept,    // edid_info
        0x1c0..=0x1c3 => Special, // efi signature
        0x1c4..=0x1cf => Kept,    // systab, memdesc_size, memdesc_version
        0x1d0..=0x1d7 => Zeroed,  // memmap, memmap_size
        0x1d8..=0x1db => Kept,    // systab_hi
        0x1dc..=0x1df => Zeroed,  // memmap_hi
        0x1e0..=0x1e3 => Kept,    // alt_mem_k
        0x1e4..=0x1e7 => Zeroed,  // scratch
        0x1e8 => Special,         // e820_entries
        0x1e9..=0x1ea => Kept,    // edd
        0x1eb => Zeroed,          // kbd_status
        0x1ec => Kept,            // secure_boot
        0x1ed..=0x1ee => Zeroed,  // pad
        0x1ef => Special,         // sentinel
        0x1f0..=0x1f1 => Zeroed,  // pad, setup_sects
        0x1f2..=0x1f3 => Kept,    // root_flags
        0x1f4..=0x1f7 => Zeroed,  // syssize
        0x1f8..=0x1fd => Kept,    // ram_size, vid_mode, root_dev
        0x1fe..=0x201 => Zeroed,  // boot_flag, jump
        0x202..=0x207 => Special, // header, version
        0x208..=0x20f => Zeroed,  // realmode_swtch, start_sys_seg, kernel_version
        0x210..=0x211 => Kept,    // type_of_loader, loadflags
        0x212..=0x217 => Zeroed,  // setup_move_size, code32_start
        0x218..=0x21f => Special, // ramdisk
        0x220..=0x225 => Zeroed,  // bootsect_kludge, heap_end_ptr
        0x226..=0x227 => Kept,    // ext_loader
        0x228..=0x235 => Zeroed,  // cmd_line_ptr .. min_alignment
        0x236..=0x237 => Kept,    // xloadflags
        0x238..=0x23b => Zeroed,  // cmdline_size
        0x23c..=0x23f => Special, // hardware_subarch
        0x240..=0x247 => Kept,    // hardware_subarch_data
        0x248..=0x28f => Zeroed,  // payload .. kernel_info_offset, pad; setup_data
        0x290..=0x2cf => Kept,    // edd_mbr_sig_buffer
        0x2d0..=0xccf => Special, // e820_table
        0xcd0..=0xcff => Zeroed,  // pad
        0xd00..=0xeeb => Kept,    // eddbuf
        _ => Zeroed,
    }
}

#[test]
fn every_byte_has_its_fate() {
    let page = Page::new();
    let reference = canonical(&page);
    for offset in 0..SIZE {
        let mut changed = Page(page.0.clone());
        changed.0[offset] ^= 0x40;
        match fate(offset) {
            Fate::Special => continue,
            Fate::Kept => {
                let mut expected = reference.clone();
                expected[offset] ^= 0x40;
                assert_eq!(canonical(&changed), expected, "{offset:#x}");
            }
            Fate::Zeroed => {
                assert_eq!(canonical(&changed), reference, "{offset:#x}");
                assert_eq!(reference[offset], 0, "{offset:#x}");
            }
        }
    }
}

#[test]
fn fields_that_must_be_zero() {
    for offset in (0x58..0x60)
        .chain(0x13c..0x140)
        .chain(0x23c..0x240)
        .chain([0x1ef])
    {
        let mut page = Page::new();
        page.set8(offset, 1);
        assert_eq!(parse(&page), Err(Error::BootParamsInvalid), "{offset:#x}");
    }
}

#[test]
fn setup_header_is_absent_or_new() {
    for (magic, version, good) in [
        (0, 0, true),
        (0, 1, false),
        (0x5372_6448, 0, false),
        (0x5372_6448, 0x020b, false),
        (0x5372_6448, 0x020c, true),
        (0x5372_6448, 0x020f, true),
        (0x5372_6449, 0x020f, false),
    ] {
        let mut page = Page::new();
        page.set32(0x202, magic);
        page.set16(0x206, version);
        assert_eq!(parse(&page).is_ok(), good, "{magic:#x} {version:#x}");
        if good {
            // A header copied from the kernel's file is no other configuration.
            assert_eq!(canonical(&page), canonical(&Page::new()));
        }
    }
}

#[test]
fn efi_information_is_needed() {
    for (offset, value) in [(0x1c0, 0), (0x1c0, 0x3233_4c45), (0x1d0, 0), (0x1d4, 0)] {
        let mut page = Page::new();
        page.set32(offset, value);
        assert_eq!(parse(&page), Err(Error::BootParamsInvalid), "{offset:#x}");
    }
    let mut page = Page::new();
    page.set32(0x1d8, 1);
    page.set32(0x1dc, 2);
    let efi = BootParams::parse(&page.0).unwrap().efi().unwrap();
    assert_eq!(efi.systab, 0x1_0f5e_c018);
    assert_eq!(efi.memmap, Region::new(0x2_0e00_0018, 4800).unwrap());
    assert_eq!((efi.desc_size, efi.desc_version), (48, 1));
    page.set32(0x1d0, u32::MAX);
    page.set32(0x1dc, u32::MAX);
    assert_eq!(parse(&page), Err(Error::IntegerOverflow));
}

#[test]
fn initrd_is_whole_or_absent() {
    let with = |base: u64, size: u64| {
        let mut page = Page::new();
        bootparams::set_initrd(&mut page.0, base, size);
        let found = BootParams::parse(&page.0).and_then(|params| params.initrd());
        (page, found)
    };
    assert_eq!(with(0, 0).1, Ok(None));
    assert_eq!(with(0, 1).1, Err(Error::BootParamsInvalid));
    assert_eq!(with(1, 0).1, Err(Error::BootParamsInvalid));
    assert_eq!(with(0, 1 << 32).1, Err(Error::BootParamsInvalid));
    assert_eq!(with(1 << 32, 0).1, Err(Error::BootParamsInvalid));
    assert_eq!(with(u64::MAX, 1).1, Err(Error::IntegerOverflow));
    // The upper halves count.
    let big = Region::new(0x1_0000_2000, 0x2_0000_0003);
    let (page, found) = with(0x1_0000_2000, 0x2_0000_0003);
    assert_eq!(found, big.map(Some));
    // It is measured itself; where and how long it is changes nothing here.
    assert_eq!(canonical(&page), canonical(&Page::new()));
    // A loader without a type makes the kernel ignore it: then it may not be there either.
    let (mut page, _) = with(0x1000, 0x1000);
    page.set8(0x210, 0);
    assert_eq!(parse(&page), Err(Error::BootParamsInvalid));
}

#[test]
fn an_initrd_from_elsewhere_is_refused() {
    let mut page = Page::new();
    assert_eq!(
        BootParams::parse(&page.0).and_then(|params| params.initrd()),
        Ok(None)
    );
    bootparams::refuse_other_initrd(&mut page.0);
    assert_eq!(page.0[0x210], 0);
}

#[test]
fn pointers() {
    let mut page = Page::new();
    bootparams::set_cmdline_address(&mut page.0, 0x12_3456_7890);
    page.set64(0x250, 0xfedc_ba98_7654_3210);
    let params = BootParams::parse(&page.0).unwrap();
    assert_eq!(params.cmdline_address(), 0x12_3456_7890);
    assert_eq!(params.setup_data(), 0xfedc_ba98_7654_3210);
    assert_eq!(canonical(&page), canonical(&Page::new()));
}

#[test]
fn e820_count_and_wraps() {
    let entry = |n: u64| (n * 0x2000, 0x1000, 1);
    for (count, expected) in [
        (0, Ok(())),
        (1, Ok(())),
        (127, Ok(())),
        (128, Ok(())),
        (129, Err(Error::E820Invalid)),
        (255, Err(Error::E820Invalid)),
    ] {
        let mut page = Page::new();
        page.e820(&(0..count.min(128)).map(entry).collect::<Vec<_>>());
        page.set8(0x1e8, u8::try_from(count).unwrap());
        assert_eq!(parse(&page), expected, "{count}");
        if expected.is_ok() {
            let bytes = canonical(&page);
            assert_eq!(u64::from(bytes[0x1e8]), count);
            assert_eq!(bytes[0x2d0..0xcd0], page.0[0x2d0..0xcd0]);
        }
    }
    for (addr, size, good) in [
        (u64::MAX, 0, true),
        (u64::MAX, 1, false),
        (u64::MAX - 1, 1, true),
        (1, u64::MAX, false),
    ] {
        let mut page = Page::new();
        page.e820(&[(addr, size, 1)]);
        assert_eq!(parse(&page).is_ok(), good);
    }
}

fn e820_canonical(entries: &[(u64, u64, u32)]) -> Vec<(u64, u64, u32)> {
    let mut merged = 0;
    let bytes = collect(|mut sink| {
        let get = |index: u32| {
            let (addr, size, kind) = entries[index as usize];
            Ok(E820Entry { addr, size, kind })
        };
        merged = e820::canonical(entries.len() as u32, get, &mut sink).unwrap();
    });
    assert_eq!(bytes.len(), merged as usize * e820::ENTRY_SIZE);
    bytes
        .chunks(e820::ENTRY_SIZE)
        .map(|bytes| E820Entry::parse(bytes.try_into().unwrap()).unwrap())
        .map(|entry| (entry.addr, entry.size, entry.kind))
        .collect()
}

#[test]
fn e820_is_merged_and_sorted() {
    assert_eq!(e820_canonical(&[]), []);
    assert_eq!(e820_canonical(&[(5, 0, 1)]), []);
    // Adjacent, overlapping, contained, in any order.
    let whole = [(0x1000, 0x3000, 1)];
    assert_eq!(
        e820_canonical(&[(0x1000, 0x1000, 1), (0x2000, 0x2000, 1)]),
        whole
    );
    assert_eq!(
        e820_canonical(&[(0x3000, 0x1000, 1), (0x1000, 0x2800, 1)]),
        whole
    );
    assert_eq!(
        e820_canonical(&[(0x2000, 1, 1), (0x1000, 0x3000, 1), (0x1000, 1, 1)]),
        whole
    );
    // One byte apart, or of another type, they stay apart; ordered by type.
    assert_eq!(
        e820_canonical(&[(20, 9, 1), (10, 9, 1), (5, 5, 2), (29, 1, 3)]),
        [(10, 9, 1), (20, 9, 1), (5, 5, 2), (29, 1, 3)]
    );
    // Another type in between does not keep two from being merged.
    assert_eq!(
        e820_canonical(&[(0, 10, 1), (10, 10, 1), (5, 10, 2)]),
        [(0, 20, 1), (5, 10, 2)]
    );
}

#[test]
fn e820_memory_size_counts() {
    let reference = canonical(&Page::new());
    let mut page = Page::new();
    page.e820(&[
        (0, 0xa0000, 1),
        (0x10_0000, 0x1ff0_0000, 1),
        (0xb000_0000, 0x1000_0000, 2),
    ]);
    assert_ne!(canonical(&page), reference);
    // Free memory in pieces is the same memory.
    page.e820(&[
        (0x80_0000, 0xf80_0000, 1),
        (0xb000_0000, 0x1000_0000, 2),
        (0x10_0000, 0x70_0000, 1),
        (0, 0xa0000, 1),
    ]);
    assert_eq!(canonical(&page), reference);
}
