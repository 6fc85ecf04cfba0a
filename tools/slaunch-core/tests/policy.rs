// SPDX-License-Identifier: GPL-2.0

//! The launch plan: what a policy may do and what it may not.

mod common;

use common::*;
use slaunch_core::error::Error;
use slaunch_core::memmap::{kind, Descriptor, MemMap};
use slaunch_core::policy::{Entity, Extra, Label, Plan};
use slaunch_core::region::Region;
use slaunch_core::slrt::{entity, PolicyEntry, Table};

/// What comes out of a plan: PCR and label of each mandatory entity, and the extras.
type Outcome = (Vec<(u32, String)>, Vec<Extra>);

fn outcome(plan: &Plan<'_>) -> Outcome {
    let text = |label: &Label| String::from_utf8(label.as_bytes().to_vec()).unwrap();
    let mandatory = Entity::ALL.map(|e| (plan.choice(e).pcr, text(&plan.choice(e).label)));
    (mandatory.to_vec(), plan.extras().collect())
}

fn plan(policy: &[PolicyEntry]) -> Result<Outcome, Error> {
    let bytes = table(policy);
    let table = Table::parse(&bytes).unwrap();
    Plan::new(table.policy()).map(|plan| outcome(&plan))
}

fn extra(pcr: u16, base: u64, size: u64) -> PolicyEntry {
    PolicyEntry {
        pcr,
        entity_type: entity::UNSPECIFIED,
        flags: 0,
        size,
        entity: base,
        label: [0; 32],
    }
}

#[test]
fn the_order_and_the_defaults() {
    let (mandatory, extras) = plan(&default_policy()).unwrap();
    let expected = [
        (18, "Measured SLR Table"),
        (18, "Measured boot parameters"),
        (18, "Measured Kernel command line"),
        (18, "Measured Kernel setup_data"),
        (17, "Measured Kernel initrd"),
        (18, "Measured EFI memory map"),
    ];
    assert_eq!(mandatory, expected.map(|(pcr, text)| (pcr, text.into())));
    assert!(extras.is_empty());
}

#[test]
fn what_a_policy_omits_is_measured_all_the_same() {
    let reference = plan(&default_policy()).unwrap();
    assert_eq!(outcome(&Plan::new(None).unwrap()), reference);
    assert_eq!(plan(&[]).unwrap(), reference);
    for index in 0..6 {
        let mut policy = default_policy();
        policy.remove(index);
        assert_eq!(plan(&policy).unwrap(), reference);
        // Nor does it help to call it measured or unused, or to give it another order.
        let mut policy = default_policy();
        policy[index].flags |= 1;
        assert_eq!(plan(&policy).unwrap(), reference);
        policy[index].entity_type = entity::UNUSED;
        policy[index].pcr = 99;
        assert_eq!(plan(&policy).unwrap(), reference);
        let mut policy = default_policy();
        policy.rotate_left(index);
        assert_eq!(plan(&policy).unwrap(), reference);
    }
}

#[test]
fn pcr_boundaries() {
    for (pcr, good) in [
        (0, false),
        (16, false),
        (17, true),
        (18, true),
        (19, true),
        (20, true),
        (21, false),
        (23, false),
        (0x112, false), // 18 in the low byte
        (u16::MAX, false),
    ] {
        for index in 0..7 {
            let mut policy = default_policy();
            policy.push(extra(18, 0x1000, 1));
            policy[index].pcr = pcr;
            let made = plan(&policy);
            if !good {
                assert_eq!(made, Err(Error::PolicyPcr), "PCR {pcr}");
                continue;
            }
            let (mandatory, extras) = made.unwrap();
            let pcrs: Vec<u32> = mandatory
                .iter()
                .map(|m| m.0)
                .chain(extras.iter().map(|e| e.pcr))
                .collect();
            assert_eq!(pcrs[index], u32::from(pcr));
        }
    }
}

#[test]
fn a_mandatory_entity_occurs_once() {
    for index in 0..6 {
        let mut policy = default_policy();
        policy.push(policy[index]);
        assert_eq!(plan(&policy), Err(Error::PolicyEntry));
    }
}

#[test]
fn types_and_flags() {
    for (entity_type, good) in [
        (entity::UNSPECIFIED, true),
        (entity::MULTIBOOT2_INFO, true),
        (entity::MULTIBOOT2_MODULE, true),
        (9, false),
        (0xf, false),
        (entity::TXT_OS2MLE, true),
        (0x11, false),
        (0xfffe, false),
    ] {
        let mut entry = extra(18, 0x1000, 1);
        entry.entity_type = entity_type;
        assert_eq!(plan(&[entry]).is_ok(), good, "type {entity_type:#x}");
    }
    for flags in 0..8 {
        let mut entry = extra(18, 0x1000, 1);
        entry.flags = flags;
        assert_eq!(plan(&[entry]).is_ok(), flags < 4);
        let mut policy = default_policy();
        policy[3].flags = flags;
        assert_eq!(plan(&policy).is_ok(), flags < 4);
    }
}

#[test]
fn labels() {
    assert_eq!(Label::new(&[b'x'; 32]).as_bytes(), [b'x'; 32]);
    assert_eq!(Label::from_text(&[b'x'; 40]).as_bytes(), [b'x'; 32]);
    assert_eq!(Label::from_text(b"ab\0cd").as_bytes(), b"ab");
    assert!(Label::new(&[0; 32]).is_empty());
    let mut policy = default_policy();
    policy[2].label = [b'y'; 32];
    policy[3].label = [0; 32];
    policy[3].label[1] = b'z'; // begins with NUL: no label
    let (mandatory, _) = plan(&policy).unwrap();
    assert_eq!(mandatory[2].1, "y".repeat(32));
    assert_eq!(mandatory[3].1, "Measured Kernel setup_data");
}

#[test]
fn neither_redirected_nor_shrunk() {
    let bytes = |base, size| {
        let mut policy = default_policy();
        policy[4].entity = base;
        policy[4].size = size;
        table(&policy)
    };
    let check = |base, size| {
        let bytes = bytes(base, size);
        let table = Table::parse(&bytes).unwrap();
        let plan = Plan::new(table.policy()).unwrap();
        plan.choice(Entity::Initrd).check(0x5000, 0x100)
    };
    assert_eq!(check(0, 0), Ok(()));
    assert_eq!(check(0x5000, 0), Ok(()));
    assert_eq!(check(0, 0x100), Ok(()));
    assert_eq!(check(0x5000, 0x100), Ok(()));
    for (base, size) in [
        (0x4fff, 0x100),
        (0x5001, 0x100),
        (0x5000, 0xff),
        (0x5000, 0x101),
        (0x5000, 0x1_0000_0100), // the same in 32 bits
        (0x1_0000_5000, 0x100),
        (0, 1),
        (1, 0),
        (u64::MAX, u64::MAX),
    ] {
        assert_eq!(check(base, size), Err(Error::PolicyRedirect));
    }
}

#[test]
fn extras_follow_in_the_order_of_the_policy() {
    let mut policy = default_policy();
    policy.insert(0, extra(19, 0x3000, 3));
    policy.insert(4, extra(20, 0x1000, 1));
    policy.push(extra(17, 0x2000, 2));
    policy[8].label[..3].copy_from_slice(b"two");
    let (_, extras) = plan(&policy).unwrap();
    let seen: Vec<_> = extras
        .iter()
        .map(|e| (e.pcr, e.region.base(), e.region.size()))
        .collect();
    assert_eq!(seen, [(19, 0x3000, 3), (20, 0x1000, 1), (17, 0x2000, 2)]);
    assert_eq!(extras[2].label.as_bytes(), b"two");
    assert!(!extras[0].label.is_empty());
    // No bytes, or a wrap.
    assert_eq!(plan(&[extra(18, 0x1000, 0)]), Err(Error::PolicyEntry));
    assert_eq!(plan(&[extra(18, u64::MAX, 2)]), Err(Error::PolicyEntry));
}

#[test]
fn extras_lie_in_ram_and_apart() {
    let mut slots = [Descriptor::EMPTY; 4];
    let mut map = MemMap::new(&mut slots);
    map.push(descriptor(kind::CONVENTIONAL, 0x1_0000, 16))
        .unwrap();
    map.push(descriptor(kind::RUNTIME_SERVICES_DATA, 0x2_0000, 1))
        .unwrap();
    let launch = [Region::new(0x1_8000, 0x1000).unwrap()];
    for (base, size, expected) in [
        (0x1_0000, 0x8000, Ok(())),
        (0x1_0000, 0x8001, Err(Error::RegionOverlap)),
        (0xffff, 2, Err(Error::OutOfRam)),
        (0x1_8800, 1, Err(Error::RegionOverlap)),
        (0x1_9000, 0x7000, Ok(())),
        (0x1_9000, 0x7001, Err(Error::OutOfRam)),
        (0x2_0000, 1, Err(Error::OutOfRam)),
        (1 << 40, 1, Err(Error::OutOfRam)),
    ] {
        let extra = plan(&[extra(18, base, size)]).unwrap().1[0];
        assert_eq!(extra.check(&map, &launch), expected, "{base:#x}+{size:#x}");
    }
}
