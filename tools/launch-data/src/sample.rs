// SPDX-License-Identifier: GPL-2.0

//! Made-up kernel files, for tests: small ones, and hostile forms of them.
#![allow(missing_docs)]

use std::io::Write;

use object::pe;
use object::write::pe as write;

use crate::bzimage::{HDRS, MLE_UUID, SLB_INFO};

pub const LOAD: u64 = 0x100_0000;
pub const PAGE: usize = 4096;

/// How the payload is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    Gzip,
    Zstd,
    Xz,
}

impl Packing {
    pub const ALL: [Self; 3] = [Self::Gzip, Self::Zstd, Self::Xz];
}

/// What a made-up kernel is like.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Offset, address relative to the load address, and size of the one segment.
    pub segment: (u64, u64, u64),
    /// How often the segment's header is repeated.
    pub headers: u16,
    /// End of the measured image as its header says.
    pub end: u32,
    /// Unpacked size that the payload's last word says; none: the real one.
    pub size: Option<u32>,
    pub packing: Packing,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            segment: (0x1000, 0, 0x2000),
            headers: 1,
            end: 0x2000,
            size: None,
            packing: Packing::Gzip,
        }
    }
}

pub fn put(file: &mut [u8], at: usize, bytes: &[u8]) {
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

/// An ELF file with one segment of two pages, in the first of which is an MLE header.
pub fn elf(shape: &Shape) -> Vec<u8> {
    let mut file = vec![0u8; 5 * PAGE];
    put(&mut file, 0, b"\x7fELF\x02\x01\x01");
    put(&mut file, 16, &2u16.to_le_bytes());
    put(&mut file, 18, &62u16.to_le_bytes());
    put(&mut file, 20, &1u32.to_le_bytes());
    put(&mut file, 32, &64u64.to_le_bytes());
    put(&mut file, 52, &64u16.to_le_bytes());
    put(&mut file, 54, &56u16.to_le_bytes());
    put(&mut file, 56, &shape.headers.to_le_bytes());
    for number in 0..usize::from(shape.headers).min(50) {
        let at = 64 + 56 * number;
        let (offset, to, size) = shape.segment;
        put(&mut file, at, &1u32.to_le_bytes());
        put(&mut file, at + 8, &offset.to_le_bytes());
        put(&mut file, at + 24, &LOAD.wrapping_add(to).to_le_bytes());
        put(&mut file, at + 32, &size.to_le_bytes());
    }
    for (at, byte) in file[0x1000..0x3000].iter_mut().enumerate() {
        *byte = (at % 251) as u8;
    }
    put(&mut file, 0x1100, &MLE_UUID);
    put(&mut file, 0x1100 + 36, &shape.end.to_le_bytes());
    file
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// As the kernel's build does it: with the filter for the processor's jumps.
fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut options = lzma_rust2::XzOptions::with_preset(1);
    options.prepend_pre_filter(lzma_rust2::FilterType::BcjX86, 0);
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

/// A bzImage around `elf_file`.
pub fn bzimage(shape: &Shape, elf_file: &[u8]) -> Vec<u8> {
    let real = u32::try_from(elf_file.len()).unwrap();
    let size = shape.size.unwrap_or(real).to_le_bytes();
    let mut payload = match shape.packing {
        Packing::Gzip => gzip(elf_file),
        Packing::Zstd => [zstd(elf_file), size.to_vec()].concat(),
        Packing::Xz => [xz(elf_file), size.to_vec()].concat(),
    };
    let last = payload.len() - 4;
    put(&mut payload, last, &size);
    let mut file = vec![0u8; 1024];
    file[0x1f1] = 1;
    put(&mut file, 0x202, HDRS);
    put(&mut file, 0x24c, &(payload.len() as u32).to_le_bytes());
    put(&mut file, 0x258, &LOAD.to_le_bytes());
    // A loader block of 256 bytes.
    let mut block = vec![0u8; 256];
    put(&mut block, 0, &[32, 0, 0, 1, 64, 0]);
    put(&mut block, 64, SLB_INFO);
    put(&mut block, 72, &256u16.to_le_bytes());
    [file, payload, block].concat()
}

pub fn made(shape: &Shape) -> Vec<u8> {
    bzimage(shape, &elf(shape))
}

/// A PE program with these sections, and no code.
pub fn uki(sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = write::Writer::new(true, 0x1000, 0x200, &mut out);
    writer.reserve_dos_header_and_stub();
    writer.reserve_nt_headers(16);
    let mut ranges = Vec::new();
    let count = u16::try_from(sections.len()).unwrap();
    writer.reserve_section_headers(count);
    for (name, bytes) in sections {
        let mut padded = [0; 8];
        padded[..name.len()].copy_from_slice(name.as_bytes());
        let size = u32::try_from(bytes.len()).unwrap();
        let flags = pe::IMAGE_SCN_CNT_INITIALIZED_DATA | pe::IMAGE_SCN_MEM_READ;
        ranges.push(writer.reserve_section(padded, flags, size, size));
    }
    writer.write_dos_header_and_stub().unwrap();
    writer.write_nt_headers(write::NtHeaders {
        machine: pe::IMAGE_FILE_MACHINE_AMD64,
        time_date_stamp: 0,
        characteristics: pe::IMAGE_FILE_EXECUTABLE_IMAGE,
        major_linker_version: 0,
        minor_linker_version: 0,
        address_of_entry_point: 0,
        image_base: 0,
        major_operating_system_version: 0,
        minor_operating_system_version: 0,
        major_image_version: 0,
        minor_image_version: 0,
        major_subsystem_version: 0,
        minor_subsystem_version: 0,
        subsystem: pe::IMAGE_SUBSYSTEM_EFI_APPLICATION,
        dll_characteristics: 0,
        size_of_stack_reserve: 0,
        size_of_stack_commit: 0,
        size_of_heap_reserve: 0,
        size_of_heap_commit: 0,
    });
    writer.write_section_headers();
    for (range, (_, bytes)) in ranges.iter().zip(sections) {
        writer.write_section(range.file_offset, bytes);
    }
    out
}
