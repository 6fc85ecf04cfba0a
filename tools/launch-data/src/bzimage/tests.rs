// SPDX-License-Identifier: GPL-2.0

//! Kernel files that were made up: small good ones, and hostile forms of them.

use std::io::Write;

use proptest::prelude::*;

use super::*;

const LOAD: u64 = 0x100_0000;
const PAGE: usize = 4096;

/// What a made-up kernel is like.
#[derive(Clone, Debug)]
struct Shape {
    /// Offset, address relative to the load address, and size of the one segment.
    segment: (u64, u64, u64),
    /// How often the segment's header is repeated.
    headers: u16,
    /// End of the measured image as its header says.
    end: u32,
    /// Unpacked size that the payload's last word says; none: the real one.
    size: Option<u32>,
    zstd: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            segment: (0x1000, 0, 0x2000),
            headers: 1,
            end: 0x2000,
            size: None,
            zstd: false,
        }
    }
}

fn put(file: &mut [u8], at: usize, bytes: &[u8]) {
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

/// An ELF file with one segment of two pages, in the first of which is an MLE header.
fn elf(shape: &Shape) -> Vec<u8> {
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

/// A bzImage around `elf_file`.
fn bzimage(shape: &Shape, elf_file: &[u8]) -> Vec<u8> {
    let real = u32::try_from(elf_file.len()).unwrap();
    let size = shape.size.unwrap_or(real).to_le_bytes();
    let mut payload = match shape.zstd {
        true => [zstd(elf_file), size.to_vec()].concat(),
        false => gzip(elf_file),
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
    [file, payload, block].concat()
}

fn made(shape: &Shape) -> Vec<u8> {
    bzimage(shape, &elf(shape))
}

/// What is wrong with a kernel of this shape.
fn problem(shape: Shape) -> String {
    format!("{:#}", image_as_loaded(&made(&shape)).unwrap_err())
}

#[test]
fn small_kernels() {
    for zstd in [false, true] {
        let shape = Shape {
            zstd,
            ..Shape::default()
        };
        let file = made(&shape);
        assert_eq!(
            image_as_loaded(&file).unwrap(),
            elf(&shape)[0x1000..0x3000].to_vec()
        );
        let block = slb(&file).unwrap();
        assert_eq!((block.len(), &block[64..72]), (256, SLB_INFO));
    }
}

#[test]
fn promised_sizes() {
    for zstd in [false, true] {
        let with = |size| {
            problem(Shape {
                size: Some(size),
                zstd,
                ..Shape::default()
            })
        };
        assert!(with(u32::MAX).contains("more than"), "{}", with(u32::MAX));
        // Allowed, but not what comes out; for gzip its own trailer is wrong then.
        assert!(!with(1 << 30).is_empty());
        assert!(with(4096).contains("payload"), "{}", with(4096));
        assert!(with(0).contains("payload"), "{}", with(0));
    }
}

/// A payload that says it is small, and is not: no more than the size is unpacked.
#[test]
fn bomb() {
    let zeros = vec![0u8; 64 << 20];
    for zstd in [false, true] {
        let shape = Shape {
            size: Some(8192),
            zstd,
            ..Shape::default()
        };
        let error = image_as_loaded(&bzimage(&shape, &zeros)).unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains("unpacks to more than the 8192"), "{error}");
    }
}

#[test]
fn segments_that_go_astray() {
    let with = |segment| {
        problem(Shape {
            segment,
            ..Shape::default()
        })
    };
    assert!(with((0x1000, 0, 0x5000)).contains("outside"));
    assert!(with((u64::MAX, 0, 1)).contains("outside"));
    assert!(with((0x1000, 1 << 40, 0x2000)).contains("too far"));
    assert!(with((0x1000, u64::MAX - LOAD, 0x2000)).contains("too far"));
    assert!(with((0x1000, 0u64.wrapping_sub(1), 0x2000)).contains("below"));
    let many = problem(Shape {
        headers: 50,
        ..Shape::default()
    });
    assert!(many.contains("larger than"), "{many}");
    let beyond = problem(Shape {
        headers: u16::MAX,
        ..Shape::default()
    });
    assert!(!beyond.is_empty());
}

#[test]
fn ends_of_the_image() {
    for (end, words) in [
        (0x2001, "end 0x2001"),
        (0, "end 0x0"),
        (0x6000, "past the unpacked"),
    ] {
        let text = problem(Shape {
            end,
            ..Shape::default()
        });
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn loader_blocks() {
    let none = made(&Shape::default());
    let none = &none[..none.len() - 256];
    assert!(slb(none).unwrap_err().to_string().contains("no loader"));
    let good = made(&Shape::default());
    let two = [&good[..], &good[good.len() - 256..]].concat();
    assert!(slb(&two).unwrap_err().to_string().contains("two"));
    // As many as there is room for: an answer all the same, and soon.
    let many = SLB_INFO.repeat(1 << 20);
    assert!(slb(&many).unwrap_err().to_string().contains("16 places"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_change(at in 0usize..1024, bytes in proptest::collection::vec(any::<u8>(), 1..16)) {
        let mut file = made(&Shape::default());
        put(&mut file[at..], 0, &bytes);
        let _ = image_as_loaded(&file);
        let _ = slb(&file);
    }

    #[test]
    fn any_shape(
        offset in any::<u64>(),
        to in any::<u64>(),
        size in 0u64..0x8000,
        headers in any::<u16>(),
        end in any::<u32>(),
        zstd in any::<bool>(),
    ) {
        let offset = if offset & 1 == 0 { offset % 0x6000 } else { offset };
        let to = if to & 1 == 0 { to % 0x8000 } else { to };
        let headers = if headers & 1 == 0 { headers % 4 } else { headers };
        let segment = (offset, to, size);
        let shape = Shape { segment, headers, end, size: None, zstd };
        let _ = image_as_loaded(&made(&shape));
    }

    #[test]
    fn any_elf(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
        let file = bzimage(&Shape::default(), &bytes);
        prop_assert!(image_as_loaded(&file).is_err());
    }

    #[test]
    fn any_end(length in 0usize..3000) {
        let file = made(&Shape::default());
        let cut = &file[..length.min(file.len() - 257)];
        prop_assert!(image_as_loaded(cut).is_err() && slb(cut).is_err());
    }

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
        prop_assert!(image_as_loaded(&bytes).is_err() && slb(&bytes).is_err());
    }
}
