// SPDX-License-Identifier: GPL-2.0

//! Why there was no launch: what the EFI stub left in an EFI configuration table.

use super::{
    mem,
    option, //
};
use kernel::{
    fmt,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    uapi, //
};

/// Physical address of the EFI configuration table with a `struct slaunch_status`; all ones without
/// one. Set by the EFI code when it goes through the tables.
#[no_mangle]
pub(crate) static slaunch_status_table: Atomic<usize> = Atomic::new(usize::MAX);

/// Why there was no launch.
#[derive(Clone, Copy)]
pub(crate) struct Reason {
    /// One of `SLAUNCH_REASON_*`.
    code: u32,
    /// A number that goes with it.
    detail: u32,
}

impl Reason {
    /// Finds the reason. The table comes from before the kernel, and is only good to be shown.
    pub(crate) fn get() -> Self {
        match slaunch_status_table.load(Relaxed) {
            usize::MAX if option::requested() => Self {
                code: uapi::SLAUNCH_REASON_NOT_EFI,
                detail: 0,
            },
            usize::MAX => Self {
                code: uapi::SLAUNCH_REASON_NONE,
                detail: 0,
            },
            table => Self::read(table).unwrap_or(Self {
                code: u32::MAX,
                detail: 0,
            }),
        }
    }

    /// Reads the table at the physical address `table`.
    fn read(table: usize) -> Result<Self> {
        let bytes = mem::read(u64::try_from(table)?, 16)?;
        let mut words = bytes
            .chunks_exact(4)
            .map(|word| <[u8; 4]>::try_from(word).map_or(0, u32::from_le_bytes));
        let mut next = || words.next().ok_or(EINVAL);
        if next()? != uapi::SLAUNCH_STATUS_MAGIC || next()? != uapi::SLAUNCH_STATUS_VERSION {
            return Err(EINVAL);
        }
        Ok(Self {
            code: next()?,
            detail: next()?,
        })
    }

    /// Writes the reason in words.
    pub(crate) fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.code {
            uapi::SLAUNCH_REASON_NONE => "not requested",
            uapi::SLAUNCH_REASON_OPTION => "unknown word in slaunch=",
            uapi::SLAUNCH_REASON_MIXED_MODE => "firmware is 32-bit",
            uapi::SLAUNCH_REASON_GUEST => "encrypted guest",
            uapi::SLAUNCH_REASON_VENDOR => "processor vendor not supported",
            uapi::SLAUNCH_REASON_NO_SVM => "processor has no SVM",
            uapi::SLAUNCH_REASON_NO_SKINIT => "processor has no SKINIT",
            uapi::SLAUNCH_REASON_SVM_DISABLED => "SVM is disabled by the firmware",
            uapi::SLAUNCH_REASON_NOT_BSP => "not on the boot processor",
            uapi::SLAUNCH_REASON_NO_APIC => "local APIC is disabled",
            uapi::SLAUNCH_REASON_MEM_ENCRYPT => "memory encryption is requested",
            uapi::SLAUNCH_REASON_NO_TPM => "no TPM",
            uapi::SLAUNCH_REASON_TPM_INTERFACE => "TPM interface not supported",
            uapi::SLAUNCH_REASON_TPM_BANKS => "TPM has no usable PCR bank",
            uapi::SLAUNCH_REASON_MEMORY => "not enough memory below 4 GiB",
            uapi::SLAUNCH_REASON_SLB => "malformed loader block",
            uapi::SLAUNCH_REASON_MLE_HEADER => "kernel image has no valid launch header",
            uapi::SLAUNCH_REASON_TABLES => "launch table or event log did not fit",
            uapi::SLAUNCH_REASON_NOT_EFI => "not started by the EFI stub",
            _ => "unknown",
        };
        f.write_str(text)?;
        if self.code != uapi::SLAUNCH_REASON_NONE {
            write!(f, " (reason {}, detail {:#x})", self.code, self.detail)?;
        }
        Ok(())
    }
}
