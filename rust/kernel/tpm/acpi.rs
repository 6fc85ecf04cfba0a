// SPDX-License-Identifier: GPL-2.0

//! TPMs as ACPI describes them (TCG ACPI Specification 1.4, sections 7 and 8).

use crate::{
    bindings,
    device::{
        Bound,
        Device, //
    },
    io::PhysAddr,
    prelude::*, //
};

/// How a command is started, from the TPM2 table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StartMethod {
    /// FIFO registers (6).
    Fifo,
    /// Command response buffer (7).
    Crb,
    /// Command response buffer, and the ACPI method besides (8).
    CrbAndMethod,
    /// Just the ACPI method (2).
    Method,
    /// Others, by number: they belong to other platforms.
    Other(u32),
}

/// The TPM2 table.
#[derive(Clone, Copy, Debug)]
pub struct Tpm2Table {
    /// Physical address of the control area of a command response buffer.
    pub control_area: PhysAddr,
    /// How a command is started.
    pub start_method: StartMethod,
}

impl Tpm2Table {
    /// Reads the table.
    ///
    /// # Errors
    ///
    /// `ENODEV` if there is none, `EINVAL` if it is too short.
    pub fn read() -> Result<Self> {
        let mut header: *mut bindings::acpi_table_header = core::ptr::null_mut();
        // SAFETY: The signature is a string of four characters, and the pointer valid for a write.
        let status =
            unsafe { bindings::acpi_get_table(c"TPM2".as_char_ptr().cast_mut(), 1, &mut header) };
        if status != 0 || header.is_null() {
            return Err(ENODEV);
        }
        // SAFETY: The table is mapped, and has a header.
        let length = unsafe { (&raw const (*header).length).read_unaligned() };
        let result = if length as usize >= size_of::<bindings::acpi_table_tpm2>() {
            // SAFETY: The table is mapped and as large as its header says. It may be unaligned.
            let table = unsafe { header.cast::<bindings::acpi_table_tpm2>().read_unaligned() };
            Ok(Self {
                control_area: table.control_address,
                start_method: match table.start_method {
                    bindings::ACPI_TPM2_MEMORY_MAPPED => StartMethod::Fifo,
                    bindings::ACPI_TPM2_COMMAND_BUFFER => StartMethod::Crb,
                    bindings::ACPI_TPM2_COMMAND_BUFFER_WITH_START_METHOD => {
                        StartMethod::CrbAndMethod
                    }
                    bindings::ACPI_TPM2_START_METHOD => StartMethod::Method,
                    other => StartMethod::Other(other),
                },
            })
        } else {
            Err(EINVAL)
        };
        // SAFETY: The reference is that of `acpi_get_table()`.
        unsafe { bindings::acpi_put_table(header) };
        result
    }
}

/// The function of the start method: 6bbf6cab-5463-4714-b7cd-f0203c0368d4.
const START: bindings::guid_t = bindings::guid_t {
    b: [
        0xab, 0x6c, 0xbf, 0x6b, 0x63, 0x54, 0x14, 0x47, 0xb7, 0xcd, 0xf0, 0x20, 0x3c, 0x03, 0x68,
        0xd4,
    ],
};

/// Calls the device's ACPI method that starts, or cancels, a command.
///
/// # Errors
///
/// `ENXIO` if there is no such method, or it reports a failure.
pub fn call_start_method(dev: &Device<Bound>) -> Result {
    // SAFETY: The device is valid.
    let handle = unsafe { bindings::ACPI_HANDLE(dev.as_raw()) };
    // SAFETY: The GUID is valid, and there are no arguments. A NULL handle is refused.
    let object =
        unsafe { bindings::acpi_evaluate_dsm(handle, &START, 1, 1, core::ptr::null_mut()) };
    if object.is_null() {
        return Err(ENXIO);
    }
    // SAFETY: The object is valid, and its type the first field in each case.
    let done =
        unsafe { (*object).type_ == bindings::ACPI_TYPE_INTEGER && (*object).integer.value == 0 };
    // SAFETY: The object was allocated for the caller, and is not used again.
    unsafe { bindings::acpi_os_free(object.cast()) };
    if done {
        Ok(())
    } else {
        Err(ENXIO)
    }
}
