// SPDX-License-Identifier: GPL-2.0

//! The capsule services: capsules of the tests' vendor are taken, and read through once.
//!
//! Behind its header such a capsule has the name of what is to happen to it, see [`update`]. What was read of
//! it is the evidence: the beginning of a SHA-256, the bytes, the blocks and the pages of the list.

use core::mem::transmute;
use core::slice;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use hostile_firmware::TEST_VENDOR;
use sha2::{Digest, Sha256};
use uefi_raw::capsule::{CapsuleBlockDescriptor, CapsuleHeader};
use uefi_raw::table::runtime::{ResetType, RuntimeServices};
use uefi_raw::Status;

use crate::behaviours::evidence;
use crate::memory;

/// The firmware's own services, by address.
pub static UPDATE: AtomicUsize = AtomicUsize::new(0);
pub static QUERY: AtomicUsize = AtomicUsize::new(0);

/// Where the last capsule began.
static LAST: AtomicU64 = AtomicU64::new(0);

/// The greatest capsule that is taken.
const MOST: u64 = 64 << 20;

const HEADER: usize = size_of::<CapsuleHeader>();
const PAGE: u64 = 4096;

type Update = unsafe extern "efiapi" fn(*const *const CapsuleHeader, usize, u64) -> Status;
type Query = unsafe extern "efiapi" fn(
    *const *const CapsuleHeader,
    usize,
    *mut u64,
    *mut ResetType,
) -> Status;

/// Where the last capsule began.
pub fn last() -> u64 {
    LAST.load(Ordering::Relaxed)
}

/// The one capsule that is passed, if it is for this driver.
///
/// # Safety
///
/// `headers` must point to as many pointers to headers.
unsafe fn own<'a>(headers: *const *const CapsuleHeader, count: usize) -> Option<&'a [u8; HEADER]> {
    // SAFETY: The caller's promise.
    unsafe {
        let first = *headers;
        let own = count == 1 && (*first).capsule_guid == TEST_VENDOR;
        own.then(|| &*first.cast())
    }
}

/// Follows a list: each page of it, without a length, and each block.
///
/// # Safety
///
/// The list must be one, and be mapped where it says that it is.
unsafe fn walk(list: u64, mut each: impl FnMut(u64, Option<usize>)) {
    let mut at = list;
    each(at, None);
    loop {
        // SAFETY: The caller's promise.
        let CapsuleBlockDescriptor { length, address } =
            unsafe { (at as *const CapsuleBlockDescriptor).read_unaligned() };
        match (length, address) {
            (0, 0) => return,
            (0, next) => {
                at = next;
                each(at, None);
            }
            (length, block) => {
                each(block, Some(length as usize));
                at += size_of::<CapsuleBlockDescriptor>() as u64;
            }
        }
    }
}

/// The first page at or behind `at` that has nothing of what is in the list.
///
/// # Safety
///
/// As above.
unsafe fn beyond(list: u64, at: u64) -> u64 {
    let mut page = at.next_multiple_of(PAGE);
    loop {
        let mut used = false;
        // SAFETY: The caller's promise.
        unsafe { walk(list, |address, _| used |= address & !(PAGE - 1) == page) };
        if !used {
            return page;
        }
        page += PAGE;
    }
}

/// Takes a capsule, and does what its name says: `write` to it, `write-list`, read `beyond` it; all else is
/// nothing.
///
/// # Safety
///
/// Called by the kernel with what the service is defined to get.
unsafe extern "efiapi" fn update(
    headers: *const *const CapsuleHeader,
    count: usize,
    list: u64,
) -> Status {
    // SAFETY: The kernel's pointers, or the address that this driver keeps.
    let header = unsafe {
        let Some(header) = own(headers, count) else {
            let service: Update = transmute(UPDATE.load(Ordering::Relaxed));
            return service(headers, count, list);
        };
        header
    };
    let mut digest = Sha256::new();
    let (mut first, mut end, mut size, mut blocks, mut lists) = (0, 0, 0, 0, 0);
    // SAFETY: The kernel's list, whose blocks are mapped where it says.
    unsafe {
        walk(list, |address, length| {
            let Some(length) = length else {
                lists += 1;
                return;
            };
            if blocks == 0 {
                first = address;
            }
            end = address + length as u64;
            size += length as u64;
            blocks += 1;
            digest.update(slice::from_raw_parts(address as *const u8, length));
        });
    }
    LAST.store(first, Ordering::Relaxed);
    // SAFETY: The first block has a header, and a name behind it.
    let (copy, name) = unsafe {
        let start = first as *const u8;
        (
            slice::from_raw_parts(start, HEADER),
            slice::from_raw_parts(start.add(HEADER), 16),
        )
    };
    if copy != header {
        return Status::INVALID_PARAMETER;
    }
    let start = digest.finalize();
    let start = start
        .iter()
        .take(8)
        .rev()
        .fold(0, |n, byte| n << 8 | u64::from(*byte));
    evidence(start, size, blocks << 32 | lists);
    let name = name.split(|byte| *byte == 0).next();
    match name.unwrap_or(&[]) {
        // SAFETY: None. That is the point.
        b"write" => unsafe { (first as *mut u8).write_volatile(0) },
        // SAFETY: As above.
        b"write-list" => unsafe { (list as *mut u8).write_volatile(0) },
        // SAFETY: The list is still there.
        b"beyond" => evidence(0, memory::read(unsafe { beyond(list, end) }), end),
        _ => {}
    }
    Status::SUCCESS
}

/// # Safety
///
/// As above.
unsafe extern "efiapi" fn query(
    headers: *const *const CapsuleHeader,
    count: usize,
    size: *mut u64,
    reset: *mut ResetType,
) -> Status {
    // SAFETY: As above.
    unsafe {
        if own(headers, count).is_none() {
            let service: Query = transmute(QUERY.load(Ordering::Relaxed));
            return service(headers, count, size, reset);
        }
        *size = MOST;
        *reset = ResetType::COLD;
    }
    Status::SUCCESS
}

/// Puts this driver before the services of `runtime`, whose sum is not correct then.
///
/// # Safety
///
/// The table must be the firmware's.
pub unsafe fn install(runtime: *mut RuntimeServices) {
    // SAFETY: The caller's promise; functions that are called in the same way.
    unsafe {
        UPDATE.store((*runtime).update_capsule as usize, Ordering::Relaxed);
        QUERY.store(
            (*runtime).query_capsule_capabilities as usize,
            Ordering::Relaxed,
        );
        (*runtime).update_capsule = update;
        (*runtime).query_capsule_capabilities = query;
    }
}
