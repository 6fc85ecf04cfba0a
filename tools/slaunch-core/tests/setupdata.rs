// SPDX-License-Identifier: GPL-2.0

//! The setup_data list.

mod common;

use common::*;
use slaunch_core::error::Error;
use slaunch_core::region::Region;
use slaunch_core::setupdata::{kind, Chain, MAX_NODES};

/// The canonical forms of all nodes.
fn forms(memory: &mut Memory, head: u64) -> Result<Vec<Vec<u8>>, Error> {
    let chain = Chain::check(memory, head, |_| Ok(()))?;
    let mut forms = Vec::new();
    chain.for_each(memory, |memory, node| {
        let mut bytes = Vec::new();
        node.canonical(memory, &mut |piece: &[u8]| bytes.extend_from_slice(piece))?;
        forms.push(bytes);
        Ok(())
    })?;
    assert_eq!(forms.len(), chain.nodes() as usize);
    Ok(forms)
}

fn single(kind: u32, data: &[u8]) -> Result<Vec<u8>, Error> {
    let mut memory = Memory::with(0x1000, &node(0, kind, data));
    forms(&mut memory, 0x1000).map(|mut forms| forms.remove(0))
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn e820(entries: &[(u64, u64, u32)]) -> Vec<u8> {
    entries
        .iter()
        .flat_map(|(addr, size, kind)| {
            [
                addr.to_le_bytes().to_vec(),
                size.to_le_bytes().to_vec(),
                kind.to_le_bytes().to_vec(),
            ]
            .concat()
        })
        .collect()
}

#[test]
fn no_list() {
    assert_eq!(forms(&mut Memory::default(), 0), Ok(vec![]));
}

#[test]
fn nodes_have_their_type_length_and_data() {
    let form = single(kind::DTB, b"tree").unwrap();
    assert_eq!(form, [words(&[2, 4]), b"tree".to_vec()].concat());
    assert_eq!(single(kind::NONE, b""), Ok(words(&[0, 0])));
    // A type that the kernel does not know is data all the same.
    assert_eq!(
        single(11, b"x"),
        Ok([words(&[11, 1]), b"x".to_vec()].concat())
    );
}

#[test]
fn a_seed_does_not_count() {
    assert_eq!(single(kind::RNG_SEED, &[1; 32]), Ok(words(&[9, 32])));
    assert_eq!(single(kind::RNG_SEED, &[2; 32]), Ok(words(&[9, 32])));
    assert_ne!(single(kind::RNG_SEED, &[1; 16]), Ok(words(&[9, 32])));
}

#[test]
fn indirect_nodes_have_the_data_of_their_target() {
    let with = |addr: u64, kind: u32, data: &[u8]| {
        let body = indirect(kind, data.len() as u64, addr);
        let mut memory = Memory::with(0x1000, &node(0, kind::INDIRECT, &body));
        memory.put(addr, data);
        forms(&mut memory, 0x1000).map(|mut forms| forms.remove(0))
    };
    let form = with(0x5000, kind::INDIRECT | kind::DTB, b"tree").unwrap();
    assert_eq!(
        form,
        [words(&[1 << 31, (1 << 31) | 2, 4, 0]), b"tree".to_vec()].concat()
    );
    // Not where it is.
    assert_eq!(
        with(0x1_0000_7000, kind::INDIRECT | kind::DTB, b"tree"),
        Ok(form.clone())
    );
    assert_ne!(with(0x5000, kind::INDIRECT | kind::DTB, b"tref"), Ok(form));
    // A seed is a seed.
    assert_eq!(
        with(0x5000, kind::INDIRECT | kind::RNG_SEED, b"abcd"),
        with(0x5000, kind::INDIRECT | kind::RNG_SEED, b"efgh")
    );
    // Nothing at all.
    assert_eq!(with(0x5000, kind::DTB, b""), Ok(words(&[1 << 31, 2, 0, 0])));
}

#[test]
fn e820_is_merged() {
    let one = e820(&[(0x1000, 0x2000, 1), (0x9000, 0x1000, 2)]);
    let other = e820(&[
        (0x9000, 0x1000, 2),
        (0x2000, 0x1000, 1),
        (0x1000, 0x1000, 1),
    ]);
    let form = single(kind::E820_EXT, &one).unwrap();
    assert_eq!(form, [words(&[1]), one].concat());
    assert_eq!(single(kind::E820_EXT, &other), Ok(form));
    assert_eq!(single(kind::E820_EXT, &[]), Ok(words(&[1])));
    for size in [1, 19, 21, 39] {
        let data = vec![0; size];
        assert_eq!(single(kind::E820_EXT, &data), Err(Error::SetupDataNode));
    }
    let wrapping = e820(&[(u64::MAX, 1, 1)]);
    assert_eq!(single(kind::E820_EXT, &wrapping), Err(Error::E820Invalid));
    let entries: Vec<_> = (0..513).map(|n| (n * 4096, 1, 1)).collect();
    assert!(single(kind::E820_EXT, &e820(&entries[..512])).is_ok());
    assert_eq!(
        single(kind::E820_EXT, &e820(&entries)),
        Err(Error::E820Invalid)
    );
}

#[test]
fn types_that_lead_to_unmeasured_memory_are_refused() {
    for refused in [kind::EFI, kind::CC_BLOB, kind::IMA, kind::KEXEC_KHO] {
        assert_eq!(single(refused, &[0; 32]), Err(Error::SetupDataType));
        for kind in [refused, refused | kind::INDIRECT] {
            let body = indirect(kind, 0, 0x5000);
            assert_eq!(single(kind::INDIRECT, &body), Err(Error::SetupDataType));
        }
    }
}

#[test]
fn malformed_indirect_nodes() {
    let good = indirect(kind::DTB, 0, 0);
    assert!(single(kind::INDIRECT, &good).is_ok());
    for size in [0, 1, 23] {
        assert_eq!(
            single(kind::INDIRECT, &good[..size]),
            Err(Error::SetupDataNode)
        );
    }
    let long = [good.clone(), vec![0]].concat();
    assert_eq!(single(kind::INDIRECT, &long), Err(Error::SetupDataNode));
    // Indirect again; reserved bytes set; wrapping.
    let again = indirect(kind::INDIRECT, 0, 0);
    assert_eq!(single(kind::INDIRECT, &again), Err(Error::SetupDataNode));
    let mut reserved = good;
    reserved[4] = 1;
    assert_eq!(single(kind::INDIRECT, &reserved), Err(Error::SetupDataNode));
    let wrap = indirect(kind::DTB, 2, u64::MAX);
    assert_eq!(single(kind::INDIRECT, &wrap), Err(Error::IntegerOverflow));
}

#[test]
fn cycles_and_long_lists_end() {
    // A node that leads to itself, two that lead to each other.
    let mut memory = Memory::with(0x1000, &node(0x1000, kind::DTB, b""));
    assert_eq!(forms(&mut memory, 0x1000), Err(Error::SetupDataCycle));
    let mut memory = Memory::with(0x1000, &node(0x2000, kind::DTB, b""));
    memory.put(0x2000, &node(0x1000, kind::DTB, b""));
    assert_eq!(forms(&mut memory, 0x1000), Err(Error::SetupDataCycle));
    assert!(memory.read <= u64::from(MAX_NODES) * 16);
    // As many nodes as allowed, and one more.
    for (count, good) in [(127, true), (128, true), (129, false)] {
        let mut memory = Memory::default();
        for n in 0..count {
            let next = if n + 1 == count { 0 } else { (n + 2) * 0x100 };
            memory.put((n + 1) * 0x100, &node(next, kind::DTB, &[7]));
        }
        let found = forms(&mut memory, 0x100);
        assert_eq!(found.is_ok(), good, "{count}");
        if !good {
            assert_eq!(found, Err(Error::SetupDataCycle));
        }
    }
}

#[test]
fn too_much_data() {
    // 128 MiB each by their own words; nothing of it is read before the list is refused.
    let header = |next: u64| {
        let mut bytes = node(next, kind::DTB, &[]);
        bytes[12..16].copy_from_slice(&(128u32 << 20).to_le_bytes());
        bytes
    };
    let mut memory = Memory::with(0x1000, &header(0x2000));
    memory.put(0x2000, &header(0));
    assert!(Chain::check(&mut memory, 0x1000, |_| Ok(())).is_ok());
    memory.put(0x2000, &header(0x3000));
    memory.put(0x3000, &node(0, kind::DTB, &[1]));
    assert_eq!(
        Chain::check(&mut memory, 0x1000, |_| Ok(())),
        Err(Error::SetupDataNode)
    );
}

#[test]
fn every_region_is_asked_about_before_it_is_read() {
    let body = indirect(kind::DTB, 5, 0x9000);
    let mut memory = Memory::with(0x1000, &node(0x3000, kind::INDIRECT, &body));
    memory.put(0x3000, &node(0, kind::DTB, b"abc"));
    let mut asked = Vec::new();
    Chain::check(&mut memory, 0x1000, |region| {
        asked.push((region.base(), region.size()));
        Ok(())
    })
    .unwrap();
    assert_eq!(
        asked,
        [
            (0x1000, 16),
            (0x1010, 24),
            (0x9000, 5),
            (0x3000, 16),
            (0x3010, 3)
        ]
    );
    // Whichever is refused, nothing of it was read.
    for refused in 0..asked.len() {
        let mut count = 0;
        let mut memory = memory.clone();
        let result = Chain::check(&mut memory, 0x1000, |_| {
            count += 1;
            if count > refused {
                return Err(Error::OutOfRam);
            }
            Ok(())
        });
        assert_eq!(result, Err(Error::OutOfRam));
        assert_eq!(count, refused + 1);
    }
    // A header at the end of the address space.
    assert_eq!(
        Chain::check(&mut memory, u64::MAX - 3, |_| Ok(())),
        Err(Error::IntegerOverflow)
    );
    let region = Region::new(u64::MAX - 16, 16);
    assert!(region.is_ok());
}

#[test]
fn a_list_that_changes_after_the_check() {
    let mut memory = Memory::with(0x1000, &node(0, kind::DTB, b"a"));
    let chain = Chain::check(&mut memory, 0x1000, |_| Ok(())).unwrap();
    memory.put(0x1000, &node(0x2000, kind::DTB, b"a"));
    let walked = chain.for_each(&mut memory, |_, _| Ok(()));
    assert_eq!(walked, Err(Error::SetupDataCycle));
}
