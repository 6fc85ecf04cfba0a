// SPDX-License-Identifier: GPL-2.0

//! Properties of what the kernel consumes, on generated input: never a panic, and canonical forms
//! that are the same where they must be and differ where they must.

mod common;

use common::*;
use proptest::collection::vec;
use proptest::prelude::*;
use slaunch_core::bootparams::{self, BootParams};
use slaunch_core::cmdline;
use slaunch_core::e820::{self, E820Entry};
use slaunch_core::error::Error;
use slaunch_core::memmap::{kind as efi, Descriptor, MemMap};
use slaunch_core::region::Region;
use slaunch_core::setupdata::{kind, Chain};

/// Ranges of memory that do not overlap: gaps, sizes and kinds, in pages.
fn layout() -> impl Strategy<Value = Vec<Descriptor>> {
    let kinds = prop_oneof![3 => Just(efi::CONVENTIONAL), 1 => 0u32..16];
    vec((0u64..3, 1u64..50, kinds, 0u64..16), 0..20).prop_map(|pieces| {
        let mut at = 0;
        pieces
            .into_iter()
            .map(|(gap, pages, kind, attributes)| {
                let base = at + gap * 4096;
                at = base + pages * 4096;
                Descriptor {
                    base,
                    kind,
                    attributes,
                    pages,
                }
            })
            .collect()
    })
}

fn map_form(descriptors: &[Descriptor]) -> Vec<u8> {
    let mut slots = vec![Descriptor::EMPTY; 128];
    let mut map = MemMap::new(&mut slots);
    for descriptor in descriptors {
        map.push(*descriptor).unwrap();
    }
    assert!(map.descriptors().windows(2).all(|pair| pair[0] <= pair[1]));
    collect(|mut sink| map.canonical(&mut sink))
}

fn e820_form(entries: &[E820Entry]) -> Vec<u8> {
    collect(|mut sink| {
        let get = |index: u32| Ok(entries[index as usize]);
        e820::canonical(entries.len() as u32, get, &mut sink).unwrap();
    })
}

fn e820_entry() -> impl Strategy<Value = E820Entry> {
    (0u64..200, 0u64..40, 1u32..4).prop_map(|(addr, size, kind)| E820Entry { addr, size, kind })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_zero_page_is_no_panic(
        bytes in vec(any::<u8>(), 4096), sane in any::<bool>(), entries in any::<u8>(),
    ) {
        let mut page = Page(Box::new(bytes.try_into().unwrap()));
        if sane {
            // Past the first checks.
            page.set64(0x58, 0);
            page.set32(0x13c, 0);
            page.set32(0x23c, 0);
            page.set8(0x1ef, 0);
            page.set32(0x202, 0);
            page.set16(0x206, 0);
            page.set32(0x1c0, 0x3436_4c45);
            page.set8(0x1e8, entries);
            bootparams::set_initrd(&mut page.0, 0, 0);
            for n in 0..128 {
                page.set32(0x2d0 + 20 * n + 4, 0);
                page.set32(0x2d0 + 20 * n + 12, 0);
            }
        }
        if let Ok(params) = BootParams::parse(&page.0) {
            let form = collect(|mut sink| params.canonical(&mut sink).unwrap());
            prop_assert_eq!(form.len(), 4096);
        }
    }

    /// Two boots of one configuration: everything that says where things lie is different.
    #[test]
    fn a_zero_page_is_measured_without_addresses(
        cmdline in any::<u64>(), setup_data in any::<u64>(), memmap in 1u64..1 << 40,
        size in 1u32..1000, kernel in any::<u32>(), keys in any::<u8>(), cursor in any::<u16>(),
        initrd in proptest::option::of((1u64..1 << 40, 1u64..1 << 32)),
    ) {
        let form = |page: &Page| {
            let params = BootParams::parse(&page.0).unwrap();
            collect(|mut sink| params.canonical(&mut sink).unwrap())
        };
        let reference = form(&Page::new());
        let mut page = Page::new();
        bootparams::set_cmdline_address(&mut page.0, cmdline);
        if let Some((base, size)) = initrd {
            bootparams::set_initrd(&mut page.0, base, size);
        }
        page.set64(0x250, setup_data);
        page.set32(0x1d0, memmap as u32);
        page.set32(0x1dc, (memmap >> 32) as u32);
        page.set32(0x1d4, size * 48);
        page.set32(0x214, kernel);
        page.set8(0x1eb, keys);
        page.set16(0, cursor);
        prop_assert_eq!(form(&page), reference);
    }

    #[test]
    fn e820_forms_are_the_union(
        entries in vec(e820_entry(), 0..24), seed in any::<prop::sample::Index>(),
    ) {
        let form = e820_form(&entries);
        // The same set of bytes of each type.
        let set = |entries: &[E820Entry]| {
            let mut set = std::collections::BTreeSet::new();
            for entry in entries {
                set.extend((entry.addr..entry.addr + entry.size).map(|at| (entry.kind, at)));
            }
            set
        };
        let read: Vec<E820Entry> = form
            .chunks(e820::ENTRY_SIZE)
            .map(|bytes| E820Entry::parse(bytes.try_into().unwrap()).unwrap())
            .collect();
        prop_assert_eq!(set(&read), set(&entries));
        // As few entries as possible, in order.
        for pair in read.windows(2) {
            let (one, two) = (pair[0], pair[1]);
            prop_assert!(
                one.kind < two.kind || (one.kind == two.kind && one.addr + one.size < two.addr)
            );
        }
        // In another order, and with one entry split, it is the same.
        let mut other = entries.clone();
        other.reverse();
        if !other.is_empty() {
            let index = seed.index(other.len());
            other.rotate_left(index);
            let entry = other[0];
            let half = entry.size / 2;
            other[0].size = half;
            other.push(E820Entry { addr: entry.addr + half, size: entry.size - half, ..entry });
        }
        prop_assert_eq!(e820_form(&other), form);
    }

    #[test]
    fn memory_map_forms_ignore_who_owns_free_memory(
        layout in layout(),
        owners in vec(prop_oneof![1u32..5, Just(7)], 20),
        cuts in vec(any::<u64>(), 20),
        turn in any::<prop::sample::Index>(),
    ) {
        let form = map_form(&layout);
        let mut other = Vec::new();
        for (descriptor, (owner, cut)) in layout.iter().zip(owners.iter().zip(&cuts)) {
            if !descriptor.is_ram() {
                other.push(*descriptor);
                continue;
            }
            let first = cut % descriptor.pages;
            other.push(Descriptor { kind: *owner, pages: first, ..*descriptor });
            other.push(Descriptor {
                base: descriptor.base + first * 4096,
                pages: descriptor.pages - first,
                ..*descriptor
            });
        }
        if !other.is_empty() {
            let turn = turn.index(other.len());
            other.rotate_left(turn);
        }
        prop_assert_eq!(map_form(&other), form);
    }

    #[test]
    fn memory_map_forms_tell_other_maps_apart(
        layout in layout(), which in any::<prop::sample::Index>(), how in 0..4,
    ) {
        prop_assume!(!layout.is_empty());
        let index = which.index(layout.len());
        let mut other = layout.clone();
        match how {
            // A page more at the end of memory, elsewhere a page less.
            0 => {
                let last = other.len() - 1;
                other[last].pages += 1;
            }
            1 => other[index].pages -= 1,
            2 => other[index].kind = if layout[index].is_ram() { 6 } else { 7 },
            _ => other[index].attributes ^= 1 << 16,
        }
        prop_assert_ne!(map_form(&other), map_form(&layout));
    }

    #[test]
    fn ram_is_what_the_map_says_of_every_page(
        layout in layout(), base in 0u64..200, pages in 1u64..40,
    ) {
        let mut slots = vec![Descriptor::EMPTY; 128];
        let mut map = MemMap::new(&mut slots);
        for descriptor in &layout {
            map.push(*descriptor).unwrap();
        }
        let region = Region::new(base * 4096, pages * 4096).unwrap();
        let expected = (base..base + pages).all(|page| {
            layout.iter().any(|d| d.is_ram() && d.base <= page * 4096 && page * 4096 < d.end())
        });
        prop_assert_eq!(map.is_ram(&region), expected);
    }

    #[test]
    fn any_memory_map_is_no_panic(
        bytes in vec(any::<u8>(), 1..600), desc_size in 30u32..100, version in 0u32..3,
    ) {
        let mut memory = Memory::with(0x1000, &bytes);
        let mut slots = [Descriptor::EMPTY; 16];
        let region = Region::new(0x1000, bytes.len() as u64).unwrap();
        if let Ok(map) = MemMap::read(&mut slots, &mut memory, region, desc_size, version) {
            let _ = collect(|mut sink| map.canonical(&mut sink));
            let _ = map.is_ram_or_acpi(&region);
        }
        prop_assert!(memory.read <= bytes.len() as u64);
    }

    /// Longer descriptors, and what is in the part that is not defined, change nothing.
    #[test]
    fn memory_maps_are_read_at_any_stride(layout in layout(), extra in 0usize..5) {
        prop_assume!(!layout.is_empty());
        let desc_size = 40 + 8 * extra;
        let raw = raw_map(&layout, desc_size);
        let mut memory = Memory::with(0x1000, &raw);
        let mut slots = vec![Descriptor::EMPTY; 32];
        let region = Region::new(0x1000, raw.len() as u64).unwrap();
        let map = MemMap::read(&mut slots, &mut memory, region, desc_size as u32, 1).unwrap();
        prop_assert_eq!(collect(|mut sink| map.canonical(&mut sink)), map_form(&layout));
    }

    /// Nodes that lead wherever: an end within bounds, no panic.
    #[test]
    fn any_setup_data_is_no_panic(
        nodes in vec((0u64..8, 0u32..12, vec(any::<u8>(), 0..60), any::<bool>()), 1..8),
    ) {
        let mut memory = Memory::default();
        for (index, (next, kind, data, indirect)) in nodes.iter().enumerate() {
            let kind = if *indirect { kind::INDIRECT } else { *kind };
            memory.put(0x1000 * (index as u64 + 1), &node(next * 0x1000, kind, data));
        }
        if let Ok(chain) = Chain::check(&mut memory, 0x1000, |_| Ok(())) {
            let _ = chain.for_each(&mut memory, |memory, node| {
                node.canonical(memory, &mut |_: &[u8]| ())
            });
        }
    }

    /// The same nodes elsewhere have the same forms.
    #[test]
    fn setup_data_is_measured_without_addresses(
        nodes in vec((0u32..4, vec(any::<u8>(), 0..40), any::<bool>()), 1..6),
        places in any::<[u16; 2]>(),
    ) {
        let forms = |start: u64| {
            let mut memory = Memory::default();
            let place = |index: usize| start + 0x1000 * index as u64;
            for (index, (kind, data, by_address)) in nodes.iter().enumerate() {
                let kind = if *kind == kind::E820_EXT { kind::PCI } else { *kind };
                let next = if index + 1 == nodes.len() { 0 } else { place(index + 1) };
                let bytes = if *by_address {
                    let at = place(index) + 0x800;
                    memory.put(at, data);
                    // The flag alone is no type.
                    let flag = if kind == kind::NONE { 0 } else { kind::INDIRECT };
                    let body = indirect(flag | kind, data.len() as u64, at);
                    node(next, kind::INDIRECT, &body)
                } else {
                    node(next, kind, data)
                };
                memory.put(place(index), &bytes);
            }
            let chain = Chain::check(&mut memory, start, |_| Ok(())).unwrap();
            let mut forms = Vec::new();
            chain.for_each(&mut memory, |memory, node| {
                let mut form = Vec::new();
                node.canonical(memory, &mut |piece: &[u8]| form.extend_from_slice(piece))?;
                forms.push(form);
                Ok(())
            }).unwrap();
            forms
        };
        let [one, two] = places.map(|place| 0x10_0000 + 0x10 * u64::from(place));
        prop_assert_eq!(forms(one).len(), nodes.len());
        prop_assert_eq!(forms(one), forms(two));
    }

    #[test]
    fn command_lines_are_read_to_the_nul(
        text in vec(1u8..=255, 0..2100), tail in vec(any::<u8>(), 0..100), shift in 0u64..64,
    ) {
        let mut bytes = text.clone();
        bytes.push(0);
        bytes.extend(&tail);
        let mut memory = Memory::with(0x1_0000 + shift, &bytes);
        // There is memory after the line.
        memory.pieces_after(0x1_0000 + shift + bytes.len() as u64);
        let mut buffer = [0xff; cmdline::COMMAND_LINE_SIZE];
        let read = cmdline::read(&mut memory, 0x1_0000 + shift, &mut buffer);
        if text.len() < cmdline::COMMAND_LINE_SIZE {
            prop_assert_eq!(read, Ok(text.len()));
            prop_assert_eq!(&buffer[..text.len()], &text[..]);
            prop_assert!(buffer[text.len()..].iter().all(|byte| *byte == 0));
            prop_assert_eq!(cmdline::length(&buffer), Ok(text.len()));
        } else {
            prop_assert_eq!(read, Err(Error::CmdlineUnterminated));
        }
    }
}
