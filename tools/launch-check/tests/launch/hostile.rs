// SPDX-License-Identifier: GPL-2.0

//! Hostile cases: what the stub prepared is changed between stub and launch.
//!
//! Every case starts from one machine frozen at SKINIT and must end in a
//! reset with the named error in the launch record: never in a running
//! kernel.

use std::sync::OnceLock;
use std::time::Duration;

use drtm_vm::{Fault, Machine, Outcome, Snapshot};
use slaunch_core::error::Error;

use crate::common::{config, Slot, LIMIT};
use crate::tables::{
    tag, u32_at, zero_page, Slrt, ZeroPage, DL_BOOT_PARAMS, DL_DLME_BASE, DL_DLME_HEADER,
    DL_DLME_SIZE, LOG_ADDR, LOG_SIZE, POLICY_COUNT, POLICY_REVISION,
};

/// Four GiB.
const FOUR_GIB: u64 = 1 << 32;

/// The machine that all cases start from.
pub fn snapshot() -> &'static Snapshot {
    static SNAPSHOT: OnceLock<Snapshot> = OnceLock::new();
    SNAPSHOT.get_or_init(|| {
        let _slot = Slot::take();
        Snapshot::take(&config()).unwrap_or_else(|outcome| panic!("{}", outcome.summary()))
    })
}

/// Lets `spoil` change a machine at SKINIT, launches it, and expects a reset
/// with one of `expected` in the record.
fn rejected(expected: &[Error], spoil: impl FnOnce(&mut Machine)) {
    let snapshot = snapshot();
    let _slot = Slot::take();
    let mut machine = snapshot.case().expect("case from the snapshot");
    spoil(&mut machine);
    let outcome = match machine.launch() {
        Ok(()) => machine.wait_outcome(LIMIT.min(Duration::from_secs(120))),
        Err(outcome) => outcome,
    };
    let Outcome::Reset { record: Some(record) } = &outcome else {
        panic!(
            "no reset with a record: {}\n{}",
            outcome.summary(),
            machine.console()
        );
    };
    let codes: Vec<_> = expected.iter().map(|e| e.code()).collect();
    assert!(
        codes.contains(&record.code),
        "record has {:#x} (stage {}, details {:x?}), expected {expected:?} {codes:x?}",
        record.code,
        record.stage,
        record.detail
    );
    assert!(record.stage < 4, "the launch was called complete");
    assert!(
        !machine.console().contains("Linux version"),
        "the kernel ran"
    );
}

/// Changes the launch table.
fn slrt(expected: &[Error], change: impl FnOnce(&mut Slrt)) {
    rejected(expected, |machine| {
        let mut table = Slrt::read(machine);
        change(&mut table);
        table.write(machine);
    });
}

/// Changes the boot parameters.
fn boot_params(expected: &[Error], change: impl FnOnce(&mut ZeroPage<'_>)) {
    rejected(expected, |machine| change(&mut ZeroPage::of(machine)));
}

/// Points the loader block's parameters elsewhere.
fn slrt_at(expected: &[Error], place: impl FnOnce(&mut Machine) -> u64) {
    rejected(expected, |machine| {
        let address = place(machine);
        let block = machine.block().unwrap();
        let params = block.params_offset().unwrap() as u64;
        machine
            .write(block.base + params + 8, &address.to_le_bytes())
            .unwrap();
    });
}

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
        t.set(8, &u32::MAX.to_le_bytes()).set(12, &u32::MAX.to_le_bytes());
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
    slrt(&[Error::SlrtEntry, Error::SlrtNoEnd, Error::SlrtDuplicate], |t| {
        let policy = t.entry(tag::POLICY);
        let size = u32_at(&t.bytes, policy + 4);
        t.set(policy + 4, &(size - 56).to_le_bytes());
    });
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

// The kernel's place.

#[test]
fn kernel_above_four_gib() {
    slrt(&[Error::RegionAbove4Gb], |t| {
        t.set_field(tag::DL_INFO, DL_DLME_BASE, &(FOUR_GIB * 2).to_le_bytes());
    });
}

#[test]
fn kernel_wrapping() {
    slrt(
        &[
            Error::IntegerOverflow,
            Error::RegionAbove4Gb,
            Error::RegionStraddle4Gb,
        ],
        |t| {
            t.set_field(tag::DL_INFO, DL_DLME_SIZE, &u64::MAX.to_le_bytes());
        },
    );
}

#[test]
fn kernel_over_the_loader_block() {
    rejected(&[Error::RegionOverlap, Error::MleOverlap], |machine| {
        let block = machine.block().unwrap().base;
        let mut table = Slrt::read(machine);
        let base = block & !0x1f_ffff;
        table.set_field(tag::DL_INFO, DL_DLME_BASE, &base.to_le_bytes());
        table.write(machine);
    });
}

#[test]
fn kernel_header_elsewhere() {
    slrt(&[Error::MleHeader], |t| {
        let header = t.field(tag::DL_INFO, DL_DLME_HEADER) + 4;
        t.set_field(tag::DL_INFO, DL_DLME_HEADER, &header.to_le_bytes());
    });
}

#[test]
fn kernel_header_outside() {
    slrt(&[Error::MleHeader, Error::MleBounds], |t| {
        t.set_field(tag::DL_INFO, DL_DLME_HEADER, &u64::MAX.to_le_bytes());
    });
}

/// Changes a field of the MLE header in the kernel's image.
fn mle_header(expected: &[Error], field: u64, value: u32) {
    rejected(expected, |machine| {
        let table = Slrt::read(machine);
        let header = table.kernel() + table.field(tag::DL_INFO, DL_DLME_HEADER);
        machine.write(header + field, &value.to_le_bytes()).unwrap();
    });
}

#[test]
fn kernel_end_beyond_its_memory() {
    mle_header(&[Error::MleBounds], 36, 0x7fff_f000);
}

#[test]
fn kernel_end_before_its_header() {
    mle_header(&[Error::MleBounds, Error::MleHeader], 36, 0);
}

#[test]
fn kernel_entry_outside() {
    mle_header(&[Error::MleBounds, Error::MleHeader], 24, 0x7fff_f000);
}

// The event log.

#[test]
fn log_above_four_gib() {
    slrt(&[Error::RegionAbove4Gb], |t| {
        t.set_field(tag::LOG_INFO, LOG_ADDR, &FOUR_GIB.to_le_bytes());
    });
}

#[test]
fn log_in_the_kernel() {
    slrt(
        &[
            Error::MleOverlap,
            Error::RegionOverlap,
            Error::EventLogOverlap,
        ],
        |t| {
            let place = t.kernel() + 0x1000;
            t.set_field(tag::LOG_INFO, LOG_ADDR, &place.to_le_bytes());
        },
    );
}

#[test]
fn log_over_the_launch_table() {
    slrt(&[Error::RegionOverlap, Error::EventLogOverlap], |t| {
        let place = t.address;
        t.set_field(tag::LOG_INFO, LOG_ADDR, &place.to_le_bytes());
    });
}

#[test]
fn log_without_room() {
    rejected(
        &[Error::EventLogTooSmall, Error::TpmLoggingFailed, Error::TpmBadLog],
        |machine| {
            let mut table = Slrt::read(machine);
            // Room for the first record and hardly more, in both places that say how much.
            let log = table.log();
            let first = machine.read(log, 128).unwrap();
            let used = 32 + u32_at(&first, 28);
            let size = used + 64;
            let container = log + u64::from(used) - 12;
            machine.write(container, &size.to_le_bytes()).unwrap();
            table.set_field(tag::LOG_INFO, LOG_SIZE, &size.to_le_bytes());
            table.write(machine);
        },
    );
}

/// Changes the first bytes of the event log.
fn log_header(change: impl FnOnce(&mut Vec<u8>, usize)) {
    rejected(&[Error::TpmBadLog], |machine| {
        let log = Slrt::read(machine).log();
        let mut bytes = machine.read(log, 128).unwrap();
        let used = 32 + u32_at(&bytes, 28) as usize;
        change(&mut bytes, used);
        machine.write(log, &bytes).unwrap();
    });
}

#[test]
fn log_signature() {
    log_header(|bytes, _| bytes[32] ^= 1);
}

#[test]
fn log_append_point_beyond_the_buffer() {
    log_header(|bytes, used| bytes[used - 4..used].copy_from_slice(&u32::MAX.to_le_bytes()));
}

#[test]
fn log_append_point_inside_the_header() {
    log_header(|bytes, used| bytes[used - 4..used].copy_from_slice(&40u32.to_le_bytes()));
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

// The boot parameters and what they name.

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
fn setup_data(
    expected: &[Error],
    length: u32,
    next: impl FnOnce(u64) -> u64,
) {
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
    setup_data(&[Error::SetupDataCycle, Error::SetupDataType], 64, |place| place);
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

// The TPM.

/// The launch meets a faulty TPM.
fn tpm(expected: &[Error], fault: &str) {
    rejected(expected, |machine| {
        let fault: Fault = fault.parse().unwrap();
        machine.set_fault(&fault).unwrap();
    });
}

#[test]
fn tpm_absent() {
    tpm(&[Error::TpmAbsent], "absent");
}

#[test]
fn tpm_refuses_the_locality() {
    tpm(&[Error::TpmLocality], "locality=3");
}

#[test]
fn tpm_busy() {
    tpm(&[Error::TpmTimeout], "busy");
}

#[test]
fn tpm_busy_in_the_early_kernel() {
    tpm(&[Error::TpmTimeout], "busy,cc=0x182,skip=2");
}

#[test]
fn tpm_answers_an_error() {
    tpm(&[Error::TpmResponse], "error=0x101");
}

#[test]
fn tpm_refuses_an_extend() {
    tpm(&[Error::TpmResponse, Error::TpmExtend], "error=0x907,cc=0x182");
}

#[test]
fn tpm_refuses_a_late_extend() {
    tpm(
        &[Error::TpmResponse, Error::TpmExtend],
        "error=0x907,cc=0x182,skip=4",
    );
}

#[test]
fn tpm_answers_short() {
    tpm(&[Error::TpmBadResponse], "short=12");
}

#[test]
fn tpm_vanishes() {
    tpm(
        &[Error::TpmTimeout, Error::TpmAbsent, Error::TpmBadResponse],
        "vanish,cc=0x182",
    );
}
