// SPDX-License-Identifier: GPL-2.0

//! What the kernel knows of the firmware: its runtime table and its memory.

use super::service::Service;
use kernel::bindings;

/// EfiRuntimeServicesCode (UEFI specification, section 7.2.1).
const RUNTIME_CODE: u32 = 5;

/// Size of the header of EFI_RUNTIME_SERVICES, in bytes.
const HEADER: usize = 24;

/// A region of the firmware's runtime code, in its address space.
#[derive(Clone, Copy)]
pub(crate) struct CodeRegion {
    /// Virtual address.
    pub(crate) start: usize,
    /// Size in pages.
    pub(crate) pages: usize,
}

/// The function pointers of the runtime table, in order, as firmware has them now.
pub(crate) fn runtime_table() -> impl Iterator<Item = u64> {
    // SAFETY: Set while there was one processor; the kernel calls through this table.
    let table: *const u8 = unsafe { bindings::efi.runtime }.cast();
    (0..14usize).map(move |index| {
        let at = table
            .wrapping_add(HEADER)
            .wrapping_add(index.wrapping_mul(8));
        match table.is_null() {
            true => 0,
            // SAFETY: Firmware's address space is active, and the table is in it.
            false => unsafe { at.cast::<u64>().read_unaligned() },
        }
    })
}

/// The service whose function is at this address, by the firmware's own table.
pub(crate) fn service_of(function: u64) -> Service {
    // In the order of EFI_RUNTIME_SERVICES (UEFI specification, section 4.5.1), whose pointers
    // follow a header of 24 bytes; the one between, ConvertPointer(), is none of the kernel's.
    const TABLE: [Option<Service>; 14] = [
        Some(Service::GetTime),
        Some(Service::SetTime),
        Some(Service::GetWakeupTime),
        Some(Service::SetWakeupTime),
        Some(Service::SetVirtualAddressMap),
        None,
        Some(Service::GetVariable),
        Some(Service::GetNextVariableName),
        Some(Service::SetVariable),
        Some(Service::GetNextHighMonotonicCount),
        Some(Service::ResetSystem),
        Some(Service::UpdateCapsule),
        Some(Service::QueryCapsuleCapabilities),
        Some(Service::QueryVariableInfo),
    ];
    TABLE
        .into_iter()
        .zip(runtime_table())
        .find(|&(_, pointer)| pointer == function)
        .and_then(|(service, _)| service)
        .unwrap_or(match is_prm_call() {
            true => Service::PrmHandler,
            false => Service::Other,
        })
}

/// Whether the present call is that of an ACPI PRM handler.
pub(crate) fn is_prm_call() -> bool {
    // SAFETY: An integer, written by whoever holds the lock of the runtime services.
    let id = unsafe { (&raw const bindings::efi_rts_work.efi_rts_id).read_volatile() };
    id == bindings::efi_rts_ids_EFI_ACPI_PRM_HANDLER
}

/// Whether the present thread is the one that makes calls for others, and may sleep.
pub(crate) fn may_sleep() -> bool {
    // SAFETY: Says which work item the present thread executes.
    let current = unsafe { bindings::current_work() };
    // SAFETY: Computes an address.
    core::ptr::eq(current, unsafe { &raw const bindings::efi_rts_work.work })
}

/// The regions of runtime code.
pub(crate) fn code_regions() -> impl Iterator<Item = CodeRegion> {
    // SAFETY: The map does not change any more once there are runtime services.
    let map = unsafe { bindings::efi.memmap };
    let count = usize::try_from(map.nr_map).unwrap_or(0);
    let stride = map.desc_size;
    let start: *const u8 = map.map.cast();
    (0..count).filter_map(move |index| {
        let at = start.wrapping_add(index.wrapping_mul(stride));
        // SAFETY: The map has so many descriptors of this size.
        let descriptor = unsafe { at.cast::<bindings::efi_memory_desc_t>().read_unaligned() };
        if descriptor.type_ != RUNTIME_CODE || descriptor.virt_addr == 0 {
            return None;
        }
        Some(CodeRegion {
            start: usize::try_from(descriptor.virt_addr).ok()?,
            pages: usize::try_from(descriptor.num_pages).ok()?,
        })
    })
}
