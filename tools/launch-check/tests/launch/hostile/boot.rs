// SPDX-License-Identifier: GPL-2.0

//! The boot parameters and what they name.

use super::*;

#[test]
fn boot_params_above_four_gib() {
    slrt(&[Error::RegionAbove4Gb], |t| {
        t.set_field(tag::DL_INFO, DL_BOOT_PARAMS, &FOUR_GIB.to_le_bytes());
    });
}

#[test]
fn boot_params_in_the_kernel() {
    slrt(&[Error::MleOverlap, Error::RegionOverlap], |t| {
        let place = t.kernel() + 0x2000;
        t.set_field(tag::DL_INFO, DL_BOOT_PARAMS, &place.to_le_bytes());
    });
}

#[test]
fn boot_params_sentinel() {
    boot_params(&[Error::BootParamsInvalid], |page| {
        page.set(zero_page::SENTINEL, &[0xff]);
    });
}

#[test]
fn boot_params_too_many_e820_entries() {
    boot_params(&[Error::E820Invalid], |page| {
        page.set(zero_page::E820_ENTRIES, &[129]);
    });
}

#[test]
fn command_line_without_end() {
    boot_params(&[Error::CmdlineUnterminated], |page| {
        let place = page.free_ram(8192);
        page.machine().write(place, &[b'x'; 8192]).unwrap();
        page.set_split(zero_page::CMD_LINE_PTR, zero_page::EXT_CMD_LINE_PTR, place);
    });
}

#[test]
fn command_line_in_the_kernel() {
    rejected(&[Error::MleOverlap, Error::RegionOverlap], |machine| {
        let kernel = Slrt::read(machine).kernel();
        ZeroPage::of(machine).set_split(
            zero_page::CMD_LINE_PTR,
            zero_page::EXT_CMD_LINE_PTR,
            kernel + 64,
        );
    });
}

#[test]
fn initrd_beyond_memory() {
    boot_params(&[Error::OutOfRam, Error::InitrdTooBig], |page| {
        page.set_split(
            zero_page::RAMDISK_IMAGE,
            zero_page::EXT_RAMDISK_IMAGE,
            64 << 30,
        );
    });
}

#[test]
fn initrd_wrapping() {
    boot_params(&[Error::IntegerOverflow], |page| {
        page.set_split(
            zero_page::RAMDISK_IMAGE,
            zero_page::EXT_RAMDISK_IMAGE,
            u64::MAX - 4095,
        );
    });
}

#[test]
fn initrd_in_the_kernel() {
    rejected(&[Error::MleOverlap, Error::RegionOverlap], |machine| {
        let kernel = Slrt::read(machine).kernel();
        ZeroPage::of(machine).set_split(
            zero_page::RAMDISK_IMAGE,
            zero_page::EXT_RAMDISK_IMAGE,
            kernel,
        );
    });
}

/// Puts a setup_data node of type 7f at the head of the list.
fn setup_data(expected: &[Error], length: u32, next: impl FnOnce(u64) -> u64) {
    boot_params(expected, |page| {
        let place = page.free_ram(8192);
        let mut node = next(place).to_le_bytes().to_vec();
        node.extend_from_slice(&0x7fu32.to_le_bytes());
        node.extend_from_slice(&length.to_le_bytes());
        node.extend_from_slice(&[0x5a; 64]);
        page.machine().write(place, &node).unwrap();
        page.set(zero_page::SETUP_DATA, &place.to_le_bytes());
    });
}

#[test]
fn setup_data_cycle() {
    setup_data(
        &[Error::SetupDataCycle, Error::SetupDataType],
        64,
        |place| place,
    );
}

#[test]
fn setup_data_beyond_memory() {
    setup_data(
        &[Error::OutOfRam, Error::SetupDataMap, Error::SetupDataType],
        64,
        |_| 64 << 30,
    );
}

#[test]
fn setup_data_too_long() {
    setup_data(
        &[
            Error::OutOfRam,
            Error::RegionOverlap,
            Error::SetupDataNode,
            Error::SetupDataType,
        ],
        u32::MAX,
        |_| 0,
    );
}

#[test]
fn efi_map_with_small_descriptors() {
    boot_params(&[Error::MemoryMapInvalid], |page| {
        page.set(zero_page::EFI_DESC_SIZE, &8u32.to_le_bytes());
    });
}

#[test]
fn efi_map_in_the_kernel() {
    rejected(&[Error::MleOverlap, Error::RegionOverlap], |machine| {
        let kernel = Slrt::read(machine).kernel();
        ZeroPage::of(machine).set_split(
            zero_page::EFI_MEMMAP,
            zero_page::EFI_MEMMAP_HI,
            kernel + 0x3000,
        );
    });
}
