// SPDX-License-Identifier: GPL-2.0

//! What is wrong with which TPM.

use crate::tpm::DidVid;
use kernel::bindings;

const ATMEL: u16 = 0x1114;
const STM: u16 = 0x104a;
const WINBOND: u16 = 0x1050;

/// What a driver has to do differently.
#[derive(Clone, Copy)]
pub(crate) struct Quirks {
    /// The shortest pause between two looks at a register, in microseconds.
    pub(crate) poll_us: u32,
    /// How long to leave the TPM alone after a locality was given back, in microseconds.
    pub(crate) settle_us: u32,
    /// The timeouts A to D of a TPM 1.2 that reports wrong ones, in microseconds.
    pub(crate) timeouts: Option<[u32; 4]>,
    /// A version (major, minor, revision) and the durations of that version of a TPM 1.2, which
    /// reports wrong ones: short, medium and long, in microseconds.
    pub(crate) durations: Option<([u8; 4], [u32; 3])>,
}

impl Quirks {
    const NONE: Self = Self {
        poll_us: 0,
        settle_us: 0,
        timeouts: None,
        durations: None,
    };

    /// The quirks of a TPM.
    pub(crate) fn of(id: DidVid) -> Self {
        TABLE
            .iter()
            .find(|(vendor, device, _)| {
                *vendor == id.vendor() && device.is_none_or(|device| device == id.device())
            })
            .map_or(Self::NONE, |(_, _, quirks)| *quirks)
    }
}

/// Vendor, device or all of them, quirks. The first that matches holds.
const TABLE: &[(u16, Option<u16>, Quirks)] = &[
    // Reports all timeouts too short. Looking at its registers more often than every 15 ms makes it
    // fail.
    (
        ATMEL,
        Some(0x3204),
        Quirks {
            poll_us: ATMEL_POLL_US,
            timeouts: Some([750_000, 2_000_000, 750_000, 750_000]),
            ..Quirks::NONE
        },
    ),
    // The others look the same in the latter.
    (
        ATMEL,
        None,
        Quirks {
            poll_us: ATMEL_POLL_US,
            ..Quirks::NONE
        },
    ),
    // Version 1.2.8.28 reports all durations too short.
    (
        STM,
        Some(0x0000),
        Quirks {
            durations: Some(([1, 2, 8, 28], [120_000_000; 3])),
            ..Quirks::NONE
        },
    ),
    // Loses a request for a locality that comes right after one was given back.
    (
        WINBOND,
        Some(0x00fe),
        Quirks {
            settle_us: 5_000,
            ..Quirks::NONE
        },
    ),
];

const ATMEL_POLL_US: u32 = 14_700;

/// Whether this is a processor of AMD.
pub(crate) fn is_amd() -> bool {
    // SAFETY: The kernel fills this in before any driver, and does not change it afterwards. All
    // parts of the union have the vendor in the same place.
    let vendor = unsafe {
        bindings::boot_cpu_data
            .__bindgen_anon_1
            .__bindgen_anon_1
            .x86_vendor
    };
    u32::from(vendor) == bindings::X86_VENDOR_AMD
}
