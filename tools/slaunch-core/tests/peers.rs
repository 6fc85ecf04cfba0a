// SPDX-License-Identifier: GPL-2.0

//! One test for each defect that earlier implementations of Secure Launch have in what is this
//! crate's business, named after it.

mod common;

use common::*;
use slaunch_core::bootparams::BootParams;
use slaunch_core::error::Error;
use slaunch_core::memmap::{kind as efi, Descriptor, MemMap};
use slaunch_core::policy::{Entity, Label, Plan};
use slaunch_core::region::{Class, Region, FOUR_GIB};
use slaunch_core::setupdata::{kind, Chain};
use slaunch_core::slrt::{
    entity, tag, Architecture, Builder, DlInfo, IntelInfo, PolicyEntry, Table, MAX_TABLE_SIZE,
};

/// A region above 4 GiB that was allowed fell through into the test for the low one.
#[test]
fn an_allowed_high_region_is_not_tested_as_low() {
    let region = Region::new(FOUR_GIB, 0x1000).unwrap();
    assert_eq!(region.class(), Class::Above4G);
    assert_eq!(region.one_side(), Ok(region));
    assert_eq!(region.below_4g(), Err(Error::RegionAbove4Gb));
}

/// `base + size` was compared without looking for a wrap.
#[test]
fn base_plus_size_does_not_wrap() {
    assert_eq!(
        Region::new(0xffff_ffff_ffff_f000, 0x2000),
        Err(Error::IntegerOverflow)
    );
    let info = DlInfo {
        dlme_base: u64::MAX - 1,
        dlme_size: 2,
        ..dl_info(slaunch_core::slrt::DlLayout::V16)
    };
    assert_eq!(info.dlme(), Err(Error::IntegerOverflow));
    let mut page = Page::new();
    slaunch_core::bootparams::set_initrd(&mut page.0, u64::MAX, 2);
    assert_eq!(
        BootParams::parse(&page.0).err(),
        Some(Error::IntegerOverflow)
    );
}

/// A region that ends exactly at the limit was refused.
#[test]
fn a_region_may_end_at_the_limit() {
    let region = Region::new(FOUR_GIB - 0x1000, 0x1000).unwrap();
    assert_eq!(region.below_4g(), Ok(region));
    let mut slots = [Descriptor::EMPTY; 1];
    let mut map = MemMap::new(&mut slots);
    map.push(descriptor(efi::CONVENTIONAL, 0x1000, 1)).unwrap();
    assert!(map.is_ram(&Region::new(0x1000, 0x1000).unwrap()));
    assert!(!map.is_ram(&Region::new(0x1000, 0x1001).unwrap()));
}

/// An indirect setup_data node was hashed too after its target, with the address in it.
#[test]
fn an_indirect_node_is_hashed_once_and_without_its_address() {
    let form = |addr: u64| {
        let body = indirect(kind::INDIRECT | kind::DTB, 4, addr);
        let mut memory = Memory::with(0x1000, &node(0, kind::INDIRECT, &body));
        memory.put(addr, b"tree");
        let chain = Chain::check(&mut memory, 0x1000, |_| Ok(())).unwrap();
        let (mut visits, mut bytes) = (0, Vec::new());
        chain
            .for_each(&mut memory, |memory, node| {
                visits += 1;
                node.canonical(memory, &mut |piece: &[u8]| bytes.extend_from_slice(piece))
            })
            .unwrap();
        assert_eq!(visits, 1);
        bytes
    };
    assert_eq!(form(0x1234_5678), form(0x8765_4321));
    assert!(form(0x1234_5678).ends_with(b"tree"));
}

/// A cycle in the setup_data list never ended.
#[test]
fn a_setup_data_cycle_ends() {
    let mut memory = Memory::with(0x1000, &node(0x2000, kind::DTB, b"a"));
    memory.put(0x2000, &node(0x1000, kind::DTB, b"b"));
    assert_eq!(
        Chain::check(&mut memory, 0x1000, |_| Ok(())),
        Err(Error::SetupDataCycle)
    );
}

/// An entry of size zero made the walk over the launch table stand still.
#[test]
fn a_launch_table_entry_of_size_zero_is_an_error() {
    let mut bytes = table(&default_policy());
    bytes[20..24].fill(0);
    assert_eq!(Table::parse(&bytes).err(), Some(Error::SlrtEntry));
}

/// The sizes of entries were not bounded by the table's.
#[test]
fn launch_table_entries_do_not_leave_the_table() {
    let good = table(&default_policy());
    for size in [0x8000_0000, u32::MAX, good.len() as u32 - 15] {
        let mut bytes = good.clone();
        bytes[20..24].copy_from_slice(&size.to_le_bytes());
        assert_eq!(Table::parse(&bytes).err(), Some(Error::SlrtEntry));
    }
}

/// The number of policy entries was not bounded by the size of the entry.
#[test]
fn policy_entries_do_not_leave_their_entry() {
    let good = table(&default_policy());
    let count = 16 + 88 + 24 + 14;
    for number in [0u16, 5, 7, 0xffff] {
        let mut bytes = good.clone();
        bytes[count..count + 2].copy_from_slice(&number.to_le_bytes());
        assert_eq!(Table::parse(&bytes).err(), Some(Error::SlrtEntry));
    }
}

/// The size of the table itself was not bounded.
#[test]
fn the_launch_table_is_bounded() {
    let mut bytes = table(&default_policy());
    bytes.resize(2 * MAX_TABLE_SIZE, 0);
    bytes[8..12].copy_from_slice(&8192u32.to_le_bytes());
    bytes[12..16].copy_from_slice(&8192u32.to_le_bytes());
    assert_eq!(Table::parse(&bytes).err(), Some(Error::InvalidSlrt));
}

/// 72 and 88 byte DL_INFO have the same table revision; a reader that took one for the other read
/// past it.
#[test]
fn dl_info_is_told_by_its_size() {
    let mut page = [0; 4096];
    let mut builder = Builder::new(&mut page, Architecture::AmdSkinit).unwrap();
    let old = dl_info(slaunch_core::slrt::DlLayout::V15);
    builder.dl_info(&old).unwrap();
    let size = builder.finish().unwrap();
    assert_eq!(size, 16 + 72 + 8);
    assert_eq!(Table::parse(&page[..size]).unwrap().dl_info().unwrap(), old);
}

/// A size of 64 bits was passed on in 32: 4 GiB and a bit became a bit.
#[test]
fn sizes_above_4_gib_are_not_cut() {
    let policy = [PolicyEntry {
        pcr: 18,
        entity_type: entity::UNSPECIFIED,
        flags: 0,
        size: FOUR_GIB + 0x10,
        entity: 0x1000,
        label: [0; 32],
    }];
    let bytes = table(&policy);
    let table = Table::parse(&bytes).unwrap();
    let plan = Plan::new(table.policy()).unwrap();
    assert_eq!(plan.extras().next().unwrap().region.size(), FOUR_GIB + 0x10);
    let mut page = Page::new();
    slaunch_core::bootparams::set_initrd(&mut page.0, 0x1000, FOUR_GIB + 0x10);
    let initrd = BootParams::parse(&page.0).unwrap().initrd().unwrap();
    assert_eq!(initrd.unwrap().size(), FOUR_GIB + 0x10);
}

/// `strlen()` was called on a label of 32 bytes that need not have a NUL.
#[test]
fn a_label_without_nul_ends_with_its_field() {
    let mut policy = default_policy();
    policy[0].label = [b'A'; 32];
    // Whatever follows: the next entry's PCR is not zero.
    let bytes = table(&policy);
    let table = Table::parse(&bytes).unwrap();
    let plan = Plan::new(table.policy()).unwrap();
    assert_eq!(plan.choice(Entity::Slrt).label, Label::new(&[b'A'; 32]));
    assert_eq!(plan.choice(Entity::Slrt).label.as_bytes().len(), 32);
}

/// The loader chose PCRs freely, firmware's among them.
#[test]
fn a_policy_cannot_name_firmware_pcrs() {
    for pcr in (0..17).chain(21..24) {
        let mut policy = default_policy();
        policy[4].pcr = pcr;
        let bytes = table(&policy);
        let table = Table::parse(&bytes).unwrap();
        assert_eq!(Plan::new(table.policy()).err(), Some(Error::PolicyPcr));
    }
}

/// What was measured was what the policy pointed to, not what the kernel used.
#[test]
fn a_policy_cannot_point_elsewhere() {
    for index in 0..6 {
        let mut policy = default_policy();
        policy[index].entity = 0xdead_0000;
        let bytes = table(&policy);
        let table = Table::parse(&bytes).unwrap();
        let plan = Plan::new(table.policy()).unwrap();
        assert_eq!(
            plan.choice(Entity::ALL[index]).check(0x1000, 0x1000),
            Err(Error::PolicyRedirect)
        );
    }
}

/// The number of saved MTRRs was used before it was checked.
#[test]
fn the_number_of_mtrrs_is_checked_on_reading() {
    let mut entry = vec![0; IntelInfo::SIZE];
    entry[..4].copy_from_slice(&tag::INTEL_INFO.to_le_bytes());
    entry[40] = 33;
    assert_eq!(IntelInfo::parse(&entry), Err(Error::MtrrInvalidCount));
    entry[40] = 32;
    assert_eq!(IntelInfo::parse(&entry).unwrap().mtrrs().count(), 32);
}

/// Additional entities were read without looking where they are.
#[test]
fn additional_entities_are_checked_against_the_memory_map() {
    let policy = [PolicyEntry {
        pcr: 18,
        entity_type: entity::UNSPECIFIED,
        flags: 0,
        size: 0x1000,
        entity: 0xfed4_0000, // the TPM's registers
        label: [0; 32],
    }];
    let bytes = table(&policy);
    let table = Table::parse(&bytes).unwrap();
    let plan = Plan::new(table.policy()).unwrap();
    let mut slots = [Descriptor::EMPTY; 1];
    let mut map = MemMap::new(&mut slots);
    map.push(descriptor(efi::CONVENTIONAL, 0, 0x10_0000))
        .unwrap();
    let extra = plan.extras().next().unwrap();
    assert!(map.is_ram(&extra.region));
    let mut slots = [Descriptor::EMPTY; 2];
    let mut map = MemMap::new(&mut slots);
    map.push(descriptor(efi::CONVENTIONAL, 0, 0xc0000)).unwrap();
    map.push(descriptor(11, 0xfed4_0000, 5)).unwrap();
    assert_eq!(extra.check(&map, &[]), Err(Error::OutOfRam));
}

/// A chain of tags ended in a null pointer that was followed.
#[test]
fn a_launch_table_without_end_is_an_error() {
    let bytes = table(&default_policy());
    for cut in 1..=bytes.len() {
        assert!(Table::parse(&bytes[..bytes.len() - cut]).is_err());
    }
}
