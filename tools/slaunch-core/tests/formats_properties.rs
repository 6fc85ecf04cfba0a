// SPDX-License-Identifier: GPL-2.0

//! Properties of tables, plan, regions and images, on generated input: never a panic, and what is
//! written is read back.

mod common;

use common::*;
use proptest::collection::vec;
use proptest::prelude::*;
use slaunch_core::bytes::{Reader, Records, Writer};
use slaunch_core::cmdline;
use slaunch_core::error::Error;
use slaunch_core::gate::{Gate, Mode};
use slaunch_core::handoff::{Handoff, RawRegion};
use slaunch_core::mle::{self, MleHeader};
use slaunch_core::policy::{Entity, Label, Plan};
use slaunch_core::record::{LaunchRecord, Stage};
use slaunch_core::region::Region;
use slaunch_core::slb::{Slb, SlbParams};
use slaunch_core::slrt::{
    AmdInfo, Architecture, Builder, DlInfo, DlLayout, LogInfo, PolicyEntry, Table,
};

/// Numbers with the edges more often than chance has it.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        0u64..0x1_0000,
        Just(u64::MAX),
        Just(u64::from(u32::MAX)),
        (0u32..64).prop_map(|bit| 1 << bit),
    ]
}

fn policy_entry() -> impl Strategy<Value = PolicyEntry> {
    let kind = prop_oneof![0u16..9, any::<u16>(), Just(0x10), Just(0xffff)];
    let pcr = prop_oneof![4 => 17u16..21, 1 => any::<u16>()];
    (pcr, kind, 0u16..5, number(), number(), any::<[u8; 32]>()).prop_map(
        |(pcr, entity_type, flags, size, entity, label)| PolicyEntry {
            pcr,
            entity_type,
            flags,
            size,
            entity,
            label,
        },
    )
}

/// Uses everything that a table gives out.
fn use_table(bytes: &[u8]) -> Result<usize, Error> {
    let table = Table::parse(bytes)?;
    let form = collect(|mut sink| table.canonical(&mut sink));
    if let Ok(info) = table.dl_info() {
        let _ = (info.dce(), info.dlme());
    }
    if let Ok(info) = table.log_info() {
        let _ = info.region();
    }
    let plan = Plan::new(table.policy())?;
    let used = Entity::ALL.map(|e| plan.choice(e).check(1, 2).is_ok());
    Ok(form.len() + plan.extras().count() + used.len())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_no_panic(bytes in vec(any::<u8>(), 0..700)) {
        let _ = use_table(&bytes);
        let _ = mle::find(&bytes);
        let _ = Slb::parse(&bytes);
        let _ = cmdline::length(&bytes);
        if let Some(bytes) = bytes.first_chunk() {
            let _ = SlbParams::parse(bytes);
        }
        if let Some(bytes) = bytes.first_chunk() {
            let _ = LaunchRecord::parse(bytes);
        }
        let mut reader = Reader::new(&bytes);
        while let Some(count) = reader.u8() {
            let _ = (reader.u64(), reader.take(usize::from(count)));
        }
        prop_assert_eq!(Records::<13>::new(&bytes).count(), bytes.len() / 13);
    }

    #[test]
    fn a_damaged_table_is_no_panic(
        policy in vec(policy_entry(), 0..8),
        damage in vec((0usize..1000, any::<u8>()), 0..4),
        cut in 0usize..1000,
    ) {
        let mut bytes = table(&policy);
        for (offset, value) in damage {
            let length = bytes.len();
            bytes[offset % length] = value;
        }
        bytes.truncate(cut.max(1));
        let _ = use_table(&bytes);
    }

    #[test]
    fn a_table_is_read_as_it_was_written(
        policy in vec(policy_entry(), 0..20),
        numbers in any::<[u64; 10]>(),
        v16 in any::<bool>(),
    ) {
        let [a, b, c, d, e, f, g, h, i, j] = numbers;
        let info = DlInfo {
            layout: if v16 { DlLayout::V16 } else { DlLayout::V15 },
            dce_size: a, dce_base: b, dlme_size: c, dlme_base: d, dlme_entry: e,
            dlme_header_offset: if v16 { f } else { 0 },
            dlme_config_table: if v16 { g } else { 0 },
            bootloader: 0x4c, context: h, dl_launch: i,
        };
        let log = LogInfo { format: 2, size: 0x1000, addr: j };
        let amd = AmdInfo {
            next: a, kind: 10, len: 32, slrt_size: b, slrt_base: c, boot_params: d, psp_version: 3,
        };
        let mut page = [0x55; 4096];
        let mut builder = Builder::new(&mut page, Architecture::AmdSkinit).unwrap();
        builder.policy(&policy).unwrap();
        builder.amd(&amd).unwrap();
        builder.dl_info(&info).unwrap();
        builder.log_info(&log).unwrap();
        let size = builder.finish().unwrap();
        for bytes in [&page[..size], &page[..]] {
            let table = Table::parse(bytes).unwrap();
            prop_assert_eq!(table.dl_info(), Ok(info));
            prop_assert_eq!(table.log_info(), Ok(log));
            prop_assert_eq!(table.amd(), Ok(amd));
            let read: Vec<_> = table.policy().unwrap().entries().collect();
            prop_assert_eq!(&read, &policy);
        }
    }

    /// Whatever a policy says: each mandatory entity is in the plan once, in a PCR of ours.
    #[test]
    fn a_plan_is_complete_or_an_error(policy in vec(policy_entry(), 0..10)) {
        let bytes = table(&policy);
        let table = Table::parse(&bytes).unwrap();
        if let Ok(plan) = Plan::new(table.policy()) {
            for entity in Entity::ALL {
                let choice = plan.choice(entity);
                prop_assert!((17..=20).contains(&choice.pcr));
                prop_assert!(!choice.label.is_empty());
                prop_assert!(!choice.label.as_bytes().contains(&0));
            }
            let extras = policy.iter().filter(|e| matches!(e.entity_type, 0 | 7 | 8 | 0x10));
            prop_assert_eq!(plan.extras().count(), extras.count());
            for extra in plan.extras() {
                prop_assert!((17..=20).contains(&extra.pcr));
            }
        }
    }

    #[test]
    fn labels_have_no_nul(bytes in any::<[u8; 32]>()) {
        let label = Label::new(&bytes);
        prop_assert!(!label.as_bytes().contains(&0));
        prop_assert!(bytes.starts_with(label.as_bytes()));
        prop_assert_eq!(Label::new(label.padded()), label);
    }

    #[test]
    fn regions_agree_with_arithmetic(
        a in number(), b in number(), c in number(), d in number(),
    ) {
        let wide = |base: u64, size: u64| u128::from(base) + u128::from(size);
        let made = Region::new(a, b);
        prop_assert_eq!(made.is_ok(), b > 0 && wide(a, b) <= u128::from(u64::MAX));
        if let (Ok(one), Ok(two)) = (made, Region::new(c, d)) {
            let overlap = wide(a, b) > u128::from(c) && wide(c, d) > u128::from(a);
            prop_assert_eq!(one.overlaps(&two), overlap);
            let inside = a <= c && wide(c, d) <= wide(a, b);
            prop_assert_eq!(one.contains(&two), inside);
            prop_assert_eq!(one.apart_from(&[two]).is_err(), overlap);
        }
        if let (Ok(one), Ok(part)) = (made, made.and_then(|one| one.part(c, d))) {
            prop_assert!(one.contains(&part));
        }
    }

    #[test]
    fn writers_do_not_overrun(sizes in vec(0usize..9, 0..12), room in 0usize..40) {
        let mut buffer = vec![0; room];
        let mut out = Writer::new(&mut buffer);
        for size in &sizes {
            out.put(&[1; 9][..*size]);
        }
        let total: usize = sizes.iter().sum();
        prop_assert_eq!(out.finish(), (total <= room).then_some(total));
    }

    #[test]
    fn an_mle_header_is_found_again(
        at in 0usize..100, entry in 0u32..0x2000, tail in 0usize..5000,
    ) {
        let header = MleHeader { entry, mle_end: 0x2000, capabilities: mle::CAPABILITIES };
        let mut image = vec![0xaa; 0x2000 + tail];
        let at = at * mle::ALIGNMENT;
        image[at..at + mle::SIZE].copy_from_slice(&header.to_bytes());
        prop_assert_eq!(mle::find(&image), Ok((at, header)));
    }

    #[test]
    fn records_round_trip(
        stage in 1u32..5, numbers in any::<[u32; 3]>(), details in any::<[u64; 2]>(),
    ) {
        let record = LaunchRecord {
            stage: Stage::from_number(stage).unwrap(),
            code: numbers[0], tpm_rc: numbers[1], events: numbers[2],
            detail0: details[0], detail1: details[1],
        };
        prop_assert_eq!(LaunchRecord::parse(&record.to_bytes()), Ok(record));
    }

    #[test]
    fn a_hand_over_is_sound_or_an_error(numbers in vec(number(), 10), vendor in 0u16..4) {
        let raw = |n: usize| RawRegion { base: numbers[n], size: numbers[n + 1] };
        let handoff = Handoff {
            magic: slaunch_core::handoff::MAGIC,
            version: 1, vendor, gate: Gate::new(Mode::Trust).to_bits(), events: 0,
            slrt: raw(0), log: raw(2), slb: raw(4), dlme: raw(6),
            record: numbers[8],
            complete: slaunch_core::handoff::COMPLETE,
        };
        if let Ok(Some(launch)) = handoff.validate() {
            prop_assert!(launch.slrt.apart_from(&[launch.log, launch.slb, launch.dlme]).is_ok());
            prop_assert!(launch.log.apart_from(&[launch.slb, launch.dlme]).is_ok());
            prop_assert!(launch.slb.apart_from(&[launch.dlme]).is_ok());
            prop_assert_eq!(Handoff::new(&launch), handoff);
        }
    }
}
