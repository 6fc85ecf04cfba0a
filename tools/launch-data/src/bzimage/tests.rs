// SPDX-License-Identifier: GPL-2.0

//! Kernel files that were made up: small good ones, and hostile forms of them.

use proptest::prelude::*;

use super::*;
use crate::sample::{bzimage, elf, made, put, Packing, Shape, LOAD};

/// What is wrong with a kernel of this shape.
fn problem(shape: Shape) -> String {
    format!("{:#}", image_as_loaded(&made(&shape)).unwrap_err())
}

#[test]
fn small_kernels() {
    for packing in Packing::ALL {
        let shape = Shape {
            packing,
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
    for packing in Packing::ALL {
        let with = |size| {
            problem(Shape {
                size: Some(size),
                packing,
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
    for packing in Packing::ALL {
        let shape = Shape {
            size: Some(8192),
            packing,
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
    // What looks like the header of one, in the packed kernel.
    let mut seems = good.clone();
    let before = seems.len() - 256 - 32;
    put(&mut seems, before, &[32, 0, 32, 1, 64 + 32, 0]);
    assert_eq!(slb(&seems).unwrap(), slb(&good).unwrap());
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
        packing in proptest::sample::select(&Packing::ALL),
    ) {
        let offset = if offset & 1 == 0 { offset % 0x6000 } else { offset };
        let to = if to & 1 == 0 { to % 0x8000 } else { to };
        let headers = if headers & 1 == 0 { headers % 4 } else { headers };
        let segment = (offset, to, size);
        let shape = Shape { segment, headers, end, size: None, packing };
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
