// SPDX-License-Identifier: GPL-2.0

//! Has this driver's code executed by kernels that go by the memory attributes table.
//!
//! EDK II takes no note of the images of runtime drivers that are loaded by a boot loader: to it their memory
//! is data. So the table is replaced by one in which the code is code, at the last moment at which it can be.

use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use uefi_raw::table::boot::{BootServices, EventType, MemoryType, Tpl};
use uefi_raw::table::configuration::ConfigurationTable;
use uefi_raw::table::system::SystemTable;
use uefi_raw::{guid, Guid, Status};

const MEMORY_ATTRIBUTES: Guid = guid!("dcfa911d-26eb-469f-a220-38b7dc461220");

/// Attributes of a range: not to be executed, not to be written.
const EXECUTE_PROTECT: u64 = 0x4000;
const READ_ONLY: u64 = 0x20000;

/// Space for the new table, and the most entries it can have beside its head.
const SPACE: usize = 0x4000;
const PAGE: u64 = 4096;

/// The table: a head, then descriptors.
#[repr(C)]
struct Head {
    version: u32,
    count: u32,
    size: u32,
    flags: u32,
}

/// A descriptor; in the table there may be more behind it.
#[derive(Clone, Copy)]
#[repr(C)]
struct Entry {
    kind: u32,
    padding: u32,
    start: u64,
    virtual_start: u64,
    pages: u64,
    attributes: u64,
}

static SYSTEM: AtomicPtr<SystemTable> = AtomicPtr::new(ptr::null_mut());
static NEW: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
static CODE: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// The first range of code in an image, as its headers say.
///
/// # Safety
///
/// `base` must be that of a loaded image.
unsafe fn code(base: *const u8) -> Option<(u64, u64)> {
    const EXECUTE: u32 = 0x2000_0000;
    // SAFETY: The caller's promise; the headers are loaded with the image.
    unsafe {
        let word = |at: usize| base.add(at).cast::<u32>().read_unaligned();
        let short = |at: usize| usize::from(base.add(at).cast::<u16>().read_unaligned());
        let pe = word(0x3c) as usize;
        let sections = pe + 24 + short(pe + 20);
        (0..short(pe + 6))
            .map(|index| sections + 40 * index)
            .find(|at| word(at + 36) & EXECUTE != 0)
            .map(|at| {
                let start = base as u64 + u64::from(word(at + 12));
                let end = start + u64::from(word(at + 8));
                (start, end.next_multiple_of(PAGE))
            })
    }
}

/// Prepares the replacement.
///
/// # Safety
///
/// `base` must be that of this driver's image, the tables the firmware's.
pub unsafe fn prepare(base: *const u8, system: *mut SystemTable, boot: &BootServices) -> Status {
    // SAFETY: The caller's promise.
    let Some((start, end)) = (unsafe { code(base) }) else {
        return Status::UNSUPPORTED;
    };
    CODE[0].store(start, Ordering::Relaxed);
    CODE[1].store(end, Ordering::Relaxed);
    SYSTEM.store(system, Ordering::Relaxed);
    let mut space = ptr::null_mut();
    // SAFETY: A pointer to what the service asks for.
    let status = unsafe { (boot.allocate_pool)(MemoryType::ACPI_RECLAIM, SPACE, &mut space) };
    if status != Status::SUCCESS {
        return status;
    }
    NEW.store(space, Ordering::Relaxed);
    let mut event = ptr::null_mut();
    // SAFETY: The function stays in memory.
    unsafe {
        (boot.create_event)(
            EventType::SIGNAL_EXIT_BOOT_SERVICES,
            Tpl::NOTIFY,
            Some(replace),
            ptr::null_mut(),
            &mut event,
        )
    }
}

/// The parts that a range falls into.
fn parts(entry: Entry, start: u64, end: u64) -> [Entry; 3] {
    let last = entry.start + entry.pages * PAGE;
    let part = |from: u64, to: u64, attributes| Entry {
        start: from,
        pages: (to - from) / PAGE,
        attributes,
        ..entry
    };
    if start < entry.start || end > last {
        let none = part(last, last, entry.attributes);
        return [entry, none, none];
    }
    let code = entry.attributes & !EXECUTE_PROTECT | READ_ONLY;
    [
        part(entry.start, start, entry.attributes),
        part(start, end, code),
        part(end, last, entry.attributes),
    ]
}

unsafe extern "efiapi" fn replace(_event: *mut c_void, _context: *mut c_void) {
    let (start, end) = (
        CODE[0].load(Ordering::Relaxed),
        CODE[1].load(Ordering::Relaxed),
    );
    let new = NEW.load(Ordering::Relaxed);
    // SAFETY: The system table and those it names are the firmware's, which is in its last moments as the
    // master of the machine; the new table has space for what is written.
    unsafe {
        let system = SYSTEM.load(Ordering::Relaxed);
        let tables: *mut ConfigurationTable = (*system).configuration_table;
        let tables = core::slice::from_raw_parts_mut(
            tables,
            (*system).number_of_configuration_table_entries,
        );
        let Some(table) = tables
            .iter_mut()
            .find(|table| table.vendor_guid == MEMORY_ATTRIBUTES)
        else {
            return;
        };
        let old = table.vendor_table.cast::<u8>();
        let head = old.cast::<Head>().read_unaligned();
        let (size, mut count) = (head.size as usize, 0);
        for index in 0..head.count as usize {
            let entry = old.add(16 + index * size).cast::<Entry>().read_unaligned();
            for part in parts(entry, start, end) {
                let at = 16 + count * size;
                if part.pages != 0 && at + size <= SPACE {
                    new.add(at).cast::<Entry>().write_unaligned(part);
                    count += 1;
                }
            }
        }
        new.cast::<Head>().write_unaligned(Head {
            count: count as u32,
            ..head
        });
        table.vendor_table = new.cast();
    }
}
