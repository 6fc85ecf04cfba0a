// SPDX-License-Identifier: GPL-2.0

//! The kernel's image and the event log.

use super::*;

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
        &[
            Error::EventLogTooSmall,
            Error::TpmLoggingFailed,
            Error::TpmBadLog,
        ],
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
