// SPDX-License-Identifier: GPL-2.0

//! The Secure Launch Resource Table (SLRT): what a loader tells the launched kernel.
//!
//! Layouts are those of TrenchBoot's Linux series v16 (`slr_table.h`) and, for AMD, of the Secure
//! Launch specification. All packed, all little endian. The table is written before the launch:
//! it is validated by [`Table::parse`], measured in the form of [`Table::canonical`], and believed
//! only where it cannot do harm.

mod build;
mod canonical;
mod entry;
mod policy;
mod table;

pub use build::Builder;
pub use entry::{AmdInfo, DlInfo, DlLayout, IntelInfo, LogInfo, UefiConfig, UefiConfigEntry};
pub use policy::{Policy, PolicyEntry};
pub use table::{Header, Table};

use super::error::Error;

/// Magic of the table.
pub const MAGIC: u32 = 0x4452_544d;

/// Revision of the table.
pub const REVISION: u16 = 1;

/// Bytes of the table's header:
/// `magic u32@0, revision u16@4, architecture u16@6, size u32@8, max_size u32@12`.
pub const HEADER_SIZE: usize = 16;

/// Bytes of an entry's header: `tag u32@0, size u32@4`; the size includes the header.
pub const ENTRY_HEADER_SIZE: usize = 8;

/// The largest table that is accepted: one page, which is what loaders give it.
pub const MAX_TABLE_SIZE: usize = 4096;

/// [`DlInfo::bootloader`]: GRUB.
pub const BOOTLOADER_GRUB: u16 = 1;

/// [`DlInfo::bootloader`]: the kernel's own EFI stub.
pub const BOOTLOADER_EFI_STUB: u16 = 0x4c;

/// [`LogInfo::format`]: TPM 1.2 container.
pub const LOG_TPM12: u16 = 1;

/// [`LogInfo::format`]: TPM 2.0, crypto agile.
pub const LOG_TPM20: u16 = 2;

/// Revision of the launch policy.
pub const POLICY_REVISION: u16 = 1;

/// Revision of the UEFI configuration entry.
pub const UEFI_CONFIG_REVISION: u16 = 1;

/// [`PolicyEntry::flags`]: already measured.
pub const FLAG_MEASURED: u16 = 1;

/// [`PolicyEntry::flags`]: the size is found in the entity itself.
pub const FLAG_IMPLICIT_SIZE: u16 = 2;

/// What an entry is: the values of its `tag`.
pub mod tag {
    /// The memory of the launch and the kernel.
    pub const DL_INFO: u32 = 1;
    /// The event log.
    pub const LOG_INFO: u32 = 2;
    /// The launch policy.
    pub const POLICY: u32 = 3;
    /// Intel TXT.
    pub const INTEL_INFO: u32 = 4;
    /// AMD SKINIT.
    pub const AMD_INFO: u32 = 5;
    /// Arm; no layout defined.
    pub const ARM_INFO: u32 = 6;
    /// UEFI; no layout defined.
    pub const UEFI_INFO: u32 = 7;
    /// UEFI configuration to measure.
    pub const UEFI_CONFIG: u32 = 8;
    /// The end of the table.
    pub const END: u32 = 0xffff;
}

/// What a policy entry is about: the values of its `entity_type`.
pub mod entity {
    /// Some memory.
    pub const UNSPECIFIED: u16 = 0;
    /// The launch table.
    pub const SLRT: u16 = 1;
    /// The zero page.
    pub const BOOT_PARAMS: u16 = 2;
    /// The setup_data list.
    pub const SETUP_DATA: u16 = 3;
    /// The kernel command line.
    pub const CMDLINE: u16 = 4;
    /// The EFI memory map.
    pub const UEFI_MEMMAP: u16 = 5;
    /// The initrd.
    pub const RAMDISK: u16 = 6;
    /// Multiboot2 information.
    pub const MULTIBOOT2_INFO: u16 = 7;
    /// A Multiboot2 module.
    pub const MULTIBOOT2_MODULE: u16 = 8;
    /// Intel TXT OS to MLE data.
    pub const TXT_OS2MLE: u16 = 0x10;
    /// An entry that is not used.
    pub const UNUSED: u16 = 0xffff;
}

/// The kind of launch a table is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Architecture {
    /// Intel TXT.
    IntelTxt = 1,
    /// AMD SKINIT.
    AmdSkinit = 2,
}

impl Architecture {
    /// The architecture with this number.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSlrt`] if there is none.
    pub const fn from_number(number: u16) -> Result<Self, Error> {
        match number {
            1 => Ok(Self::IntelTxt),
            2 => Ok(Self::AmdSkinit),
            _ => Err(Error::InvalidSlrt),
        }
    }
}
