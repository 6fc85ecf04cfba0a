// SPDX-License-Identifier: GPL-2.0

//! The firmware's services, as far as they are used here (UEFI specification 2.10).
//!
//! What libstub already has a function for is called there. All of this is for the time before
//! `ExitBootServices()`; printing included.

use super::reason::Refusal;
use core::ffi::{c_int, c_void};
use core::mem::{offset_of, size_of};

/// `EFI_STATUS` (appendix D).
pub(crate) type Status = usize;

/// Bit that marks an error code.
const ERROR: Status = 1 << (usize::BITS - 1);
/// `EFI_SUCCESS`.
pub(crate) const SUCCESS: Status = 0;
/// `EFI_UNSUPPORTED`.
pub(crate) const UNSUPPORTED: Status = ERROR | 3;
/// `EFI_NOT_READY`.
pub(crate) const NOT_READY: Status = ERROR | 6;

/// `EfiLoaderCode` (section 7.2): the kernel.
pub(crate) const LOADER_CODE: c_int = 1;
/// `EfiLoaderData` (section 7.2): the kernel sees it as ordinary memory.
pub(crate) const LOADER_DATA: c_int = 2;
/// `EfiACPIReclaimMemory` (section 7.2): the kernel preserves it until it has read the tables.
const ACPI_RECLAIM_MEMORY: u32 = 9;

/// `EFI_GUID`, in the byte order of memory.
#[repr(C, align(8))]
pub(crate) struct Guid(pub(crate) [u8; 16]);

/// `EFI_TCG2_PROTOCOL_GUID`, 607f766c-7455-42be-930b-e4d76db2720f.
pub(crate) const TCG2_PROTOCOL: Guid = Guid([
    0x6c, 0x76, 0x7f, 0x60, 0x55, 0x74, 0xbe, 0x42, 0x93, 0x0b, 0xe4, 0xd7, 0x6d, 0xb2, 0x72, 0x0f,
]);

/// `EFI_TCG_PROTOCOL_GUID`, f541796d-a62e-4954-a775-9584f61b9cdd.
pub(crate) const TCG_PROTOCOL: Guid = Guid([
    0x6d, 0x79, 0x41, 0xf5, 0x2e, 0xa6, 0x54, 0x49, 0xa7, 0x75, 0x95, 0x84, 0xf6, 0x1b, 0x9c, 0xdd,
]);

/// `LINUX_EFI_SLAUNCH_STATUS_TABLE_GUID` of `include/linux/slaunch.h`.
const STATUS_TABLE: Guid = Guid([
    0x33, 0xfa, 0x1f, 0xc1, 0x8f, 0xce, 0x1d, 0x41, 0x99, 0x87, 0x9b, 0x01, 0x81, 0x3b, 0x04, 0x09,
]);

/// `EFI_SYSTEM_TABLE` (section 4.3).
#[repr(C)]
pub struct SystemTable {
    before: [u64; 12],
    boot_services: *const BootServices,
}

/// `EFI_BOOT_SERVICES` (section 4.4). What is not used is only counted.
#[repr(C)]
struct BootServices {
    to_allocate_pool: [u64; 8],
    /// Section 7.2.4.
    allocate_pool: extern "efiapi" fn(u32, usize, *mut *mut c_void) -> Status,
    to_install_configuration_table: [u64; 15],
    /// Section 7.5.5.
    install_configuration_table: extern "efiapi" fn(*const Guid, *const c_void) -> Status,
    to_locate_protocol: [u64; 15],
    /// Section 7.3.16.
    locate_protocol: extern "efiapi" fn(*const Guid, *mut c_void, *mut *mut c_void) -> Status,
}

const _: () = {
    assert!(offset_of!(SystemTable, boot_services) == 96);
    assert!(offset_of!(BootServices, allocate_pool) == 64);
    assert!(offset_of!(BootServices, install_configuration_table) == 192);
    assert!(offset_of!(BootServices, locate_protocol) == 320);
};

/// `struct slaunch_status` of `include/uapi/linux/slaunch.h`.
#[repr(C)]
struct StatusTable {
    magic: u32,
    version: u32,
    reason: u32,
    detail: u32,
}

const STATUS_MAGIC: u32 = u32::from_le_bytes(*b"SLST");
const STATUS_VERSION: u32 = 1;

/// `efi_input_key_t`.
#[repr(C)]
struct InputKey {
    scan_code: u16,
    unicode: u16,
}

extern "C" {
    fn efi_printk(fmt: *const u8, ...) -> c_int;
    fn efi_wait_for_key(usec: usize, key: *mut InputKey) -> Status;
    fn efi_free(size: usize, addr: usize);
    fn efi_random_alloc(
        size: usize,
        align: usize,
        addr: *mut usize,
        random_seed: usize,
        memory_type: c_int,
        min: usize,
        max: usize,
    ) -> Status;
}

/// Where in the firmware's memory map to look for a range.
pub(crate) struct Placement {
    /// Alignment in bytes, a power of two.
    pub(crate) align: usize,
    /// Chooses among the possible places, from 0 (lowest) to `u32::MAX` (highest).
    pub(crate) seed: usize,
    /// Lowest address.
    pub(crate) min: usize,
    /// Address of the highest byte allowed.
    pub(crate) max: usize,
    /// [`LOADER_CODE`] or [`LOADER_DATA`].
    pub(crate) memory_type: c_int,
}

/// Allocates `size` bytes of memory, not cleared.
pub(crate) fn allocate(size: usize, place: &Placement) -> Option<usize> {
    let mut addr = 0;
    // SAFETY: a function of libstub, with the contract of its C prototype; boot services run.
    let status = unsafe {
        efi_random_alloc(
            size,
            place.align,
            &mut addr,
            place.seed,
            place.memory_type,
            place.min,
            place.max,
        )
    };
    (status == SUCCESS).then_some(addr)
}

/// Gives memory of [`allocate`] back.
///
/// # Safety
///
/// `addr` and `size` are those of one allocation, and nothing refers to it any more.
pub(crate) unsafe fn free(size: usize, addr: usize) {
    // SAFETY: by the caller.
    unsafe { efi_free(size, addr) };
}

impl SystemTable {
    fn boot_services(&self) -> &BootServices {
        // SAFETY: the table is the firmware's, and boot services have not been left (module rule).
        unsafe { &*self.boot_services }
    }

    /// The first instance of a protocol, never null.
    ///
    /// # Errors
    ///
    /// The firmware's status.
    pub(crate) fn locate(&self, guid: &Guid) -> Result<*mut c_void, Status> {
        let mut interface = core::ptr::null_mut();
        let locate = self.boot_services().locate_protocol;
        match locate(guid, core::ptr::null_mut(), &mut interface) {
            SUCCESS if !interface.is_null() => Ok(interface),
            SUCCESS => Err(UNSUPPORTED),
            status => Err(status),
        }
    }

    /// Leaves the reason for the kernel to find. That this may fail changes nothing else.
    pub(crate) fn publish(&self, refusal: Refusal) {
        let services = self.boot_services();
        let mut memory = core::ptr::null_mut();
        let status =
            (services.allocate_pool)(ACPI_RECLAIM_MEMORY, size_of::<StatusTable>(), &mut memory);
        if status != SUCCESS || memory.is_null() {
            return;
        }
        // SAFETY: the pool is ours, large enough, and 8-byte aligned (section 7.2.4).
        unsafe {
            memory.cast::<StatusTable>().write(StatusTable {
                magic: STATUS_MAGIC,
                version: STATUS_VERSION,
                reason: refusal.reason as u32,
                detail: refusal.detail,
            });
        }
        (services.install_configuration_table)(&STATUS_TABLE, memory);
    }
}

/// Says why there is no launch, and what follows from it.
pub(crate) fn print_refusal(refusal: Refusal, consequence: &str) {
    let text = refusal.reason.text();
    // SAFETY: the format matches the arguments; each string comes with its length.
    unsafe {
        efi_printk(
            c"\x013slaunch: no launch: %.*s (reason %u, detail 0x%x)%.*s\n"
                .to_bytes_with_nul()
                .as_ptr(),
            text.len() as c_int,
            text.as_ptr(),
            refusal.reason as u32,
            refusal.detail,
            consequence.len() as c_int,
            consequence.as_ptr(),
        );
    }
}

/// Prints the address of the launch instruction and waits for a key.
pub(crate) fn wait_before(instruction: usize) {
    const PATIENCE_US: usize = 3_600_000_000;
    let mut key = InputKey {
        scan_code: 0,
        unicode: 0,
    };

    // What was typed before the question is no answer to it.
    for _ in 0..64 {
        // SAFETY: a function of libstub, with the contract of its C prototype.
        if unsafe { efi_wait_for_key(1, &mut key) } != SUCCESS {
            break;
        }
    }
    // SAFETY: the format matches the argument.
    unsafe {
        efi_printk(
            c"slaunch: SKINIT at 0x%016lx, press a key\n"
                .to_bytes_with_nul()
                .as_ptr(),
            instruction,
        );
    }
    const TIMEOUT: Status = ERROR | 18;
    // SAFETY: as above.
    while unsafe { efi_wait_for_key(PATIENCE_US, &mut key) } == TIMEOUT {}
}
