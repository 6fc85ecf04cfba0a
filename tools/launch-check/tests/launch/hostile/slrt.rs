// SPDX-License-Identifier: GPL-2.0

//! The launch table: its frame, its place, its policy.

use super::*;

// The launch table's frame.

#[test]
fn slrt_magic() {
    slrt(&[Error::InvalidSlrt], |t| {
        t.set(0, b"MTRX");
    });
}

#[test]
fn slrt_revision() {
    slrt(&[Error::InvalidSlrt], |t| {
        t.set(4, &2u16.to_le_bytes());
    });
}

#[test]
fn slrt_architecture() {
    slrt(&[Error::Architecture, Error::InvalidSlrt], |t| {
        t.set(6, &1u16.to_le_bytes());
    });
}

#[test]
fn slrt_size_zero() {
    slrt(&[Error::InvalidSlrt], |t| {
        t.set(8, &0u32.to_le_bytes());
    });
}

#[test]
fn slrt_size_above_its_maximum() {
    slrt(&[Error::InvalidSlrt], |t| {
        let max = u32_at(&t.bytes, 12);
        t.set(8, &(max + 8).to_le_bytes());
    });
}

#[test]
fn slrt_size_huge() {
    slrt(&[Error::InvalidSlrt], |t| {
        t.set(8, &u32::MAX.to_le_bytes())
            .set(12, &u32::MAX.to_le_bytes());
    });
}

#[test]
fn slrt_entry_of_size_zero() {
    slrt(&[Error::SlrtEntry], |t| {
        t.set_field(tag::LOG_INFO, 4, &0u32.to_le_bytes());
    });
}

#[test]
fn slrt_entry_beyond_the_table() {
    slrt(&[Error::SlrtEntry], |t| {
        t.set_field(tag::AMD_INFO, 4, &0x1000u32.to_le_bytes());
    });
}

#[test]
fn slrt_table_truncated() {
    slrt(
        &[Error::SlrtEntry, Error::SlrtNoEnd, Error::SlrtMissingEntry],
        |t| {
            let size = u32_at(&t.bytes, 8) - 12;
            t.set(8, &size.to_le_bytes());
        },
    );
}

#[test]
fn slrt_entry_overlapping_the_next() {
    slrt(
        &[Error::SlrtEntry, Error::SlrtNoEnd, Error::SlrtDuplicate],
        |t| {
            let policy = t.entry(tag::POLICY);
            let size = u32_at(&t.bytes, policy + 4);
            t.set(policy + 4, &(size - 56).to_le_bytes());
        },
    );
}

#[test]
fn slrt_entry_twice() {
    slrt(&[Error::SlrtDuplicate, Error::SlrtEntry], |t| {
        let (first, second) = (t.entry(tag::POLICY), t.entry(tag::AMD_INFO));
        assert!(first != second);
        let log = t.bytes[t.entry(tag::LOG_INFO)..][..24].to_vec();
        // The AMD entry has 56 bytes: a second log entry and filling.
        t.set(second, &log);
        t.set(second + 24, &0x7fu32.to_le_bytes());
        t.set(second + 28, &32u32.to_le_bytes());
    });
}

#[test]
fn slrt_without_end() {
    slrt(&[Error::SlrtNoEnd, Error::SlrtEntry], |t| {
        let end = t.entry(tag::END);
        t.set(end, &0x7fu32.to_le_bytes());
    });
}

#[test]
fn slrt_without_log() {
    slrt(&[Error::SlrtMissingEntry, Error::MissingEventLog], |t| {
        let log = t.entry(tag::LOG_INFO);
        t.set(log, &0x7fu32.to_le_bytes());
    });
}

// The launch table's place.

#[test]
fn slrt_above_four_gib() {
    slrt_at(&[Error::RegionAbove4Gb], |_| FOUR_GIB);
}

#[test]
fn slrt_straddling_four_gib() {
    slrt_at(&[Error::RegionStraddle4Gb, Error::RegionAbove4Gb], |_| {
        FOUR_GIB - 8
    });
}

#[test]
fn slrt_wrapping() {
    slrt_at(&[Error::IntegerOverflow, Error::RegionAbove4Gb], |_| {
        u64::MAX - 15
    });
}

#[test]
fn slrt_in_the_loader_block() {
    slrt_at(&[Error::RegionOverlap], |machine| {
        machine.block().unwrap().base + 0x8000
    });
}

#[test]
fn slrt_in_the_kernel() {
    rejected(&[Error::MleOverlap, Error::RegionOverlap], |machine| {
        let table = Slrt::read(machine);
        let place = table.kernel() + 0x10_0000;
        machine.write(place, &table.bytes).unwrap();
        let block = machine.block().unwrap();
        let params = block.params_offset().unwrap() as u64;
        machine
            .write(block.base + params + 8, &place.to_le_bytes())
            .unwrap();
    });
}

// The policy.

#[test]
fn policy_revision() {
    slrt(&[Error::PolicyRevision], |t| {
        t.set_field(tag::POLICY, POLICY_REVISION, &9u16.to_le_bytes());
    });
}

#[test]
fn policy_count_beyond_the_entry() {
    slrt(&[Error::SlrtEntry, Error::PolicyEntry], |t| {
        t.set_field(tag::POLICY, POLICY_COUNT, &u16::MAX.to_le_bytes());
    });
}

#[test]
fn policy_redirects_the_initrd() {
    slrt(&[Error::PolicyRedirect], |t| {
        let entry = t.policy_entry(6);
        t.set(entry + 16, &0x20_0000u64.to_le_bytes());
    });
}

#[test]
fn policy_shrinks_the_initrd() {
    slrt(&[Error::PolicyRedirect], |t| {
        let entry = t.policy_entry(6);
        t.set(entry + 8, &16u64.to_le_bytes());
    });
}

#[test]
fn policy_chooses_a_foreign_pcr() {
    slrt(&[Error::PolicyPcr], |t| {
        let entry = t.policy_entry(4);
        t.set(entry, &16u16.to_le_bytes());
    });
}

#[test]
fn policy_adds_the_kernel_itself() {
    slrt(&[Error::RegionOverlap, Error::MleOverlap], |t| {
        let kernel = t.kernel();
        t.add_policy(17, 0, 4096, kernel, b"kernel");
    });
}

#[test]
fn policy_adds_device_memory() {
    slrt(&[Error::OutOfRam], |t| {
        t.add_policy(18, 0, 4096, 0xfed4_0000, b"TPM");
    });
}

#[test]
fn policy_adds_a_wrapping_region() {
    slrt(&[Error::PolicyEntry, Error::IntegerOverflow], |t| {
        t.add_policy(18, 0, 4096, u64::MAX - 4, b"wrap");
    });
}
