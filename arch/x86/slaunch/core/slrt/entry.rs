// SPDX-License-Identifier: GPL-2.0

//! The entries of the table, except the policy.
//!
//! Each `parse` takes the bytes of a whole entry, header included, whose size the table has
//! checked against its own. What is in the header is not looked at again.

use super::super::bytes::{array_at, slice_at, u16_at, u32_at, u64_at, Records, Writer};
use super::super::error::Error;
use super::super::region::Region;
use super::{LOG_TPM12, LOG_TPM20, UEFI_CONFIG_REVISION};

fn number16(bytes: &[u8], offset: usize) -> Result<u16, Error> {
    u16_at(bytes, offset).ok_or(Error::SlrtEntry)
}

fn number32(bytes: &[u8], offset: usize) -> Result<u32, Error> {
    u32_at(bytes, offset).ok_or(Error::SlrtEntry)
}

fn number64(bytes: &[u8], offset: usize) -> Result<u64, Error> {
    u64_at(bytes, offset).ok_or(Error::SlrtEntry)
}

/// Which layout a DL_INFO entry has. The table's revision is the same; the size tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DlLayout {
    /// 72 bytes: the specification and the series up to v15.
    V15,
    /// 88 bytes: the series from v16 on.
    V16,
}

impl DlLayout {
    /// Bytes of the entry.
    pub const fn size(self) -> usize {
        match self {
            Self::V15 => 72,
            Self::V16 => 88,
        }
    }

    /// The layout of an entry, which its size tells.
    pub(super) const fn of(entry: &[u8]) -> Result<Self, Error> {
        match entry.len() {
            72 => Ok(Self::V15),
            88 => Ok(Self::V16),
            _ => Err(Error::SlrtEntry),
        }
    }
}

/// DL_INFO: the memory of the launch.
///
/// `dce_size u64@8, dce_base u64@16, dlme_size u64@24, dlme_base u64@32, dlme_entry u64@40`, then
/// in v16 `dlme_header_offset u64@48, dlme_config_table u64@56, bootloader u16@64, context u64@72,
/// dl_launch u64@80`, in v15 `bootloader u16@48, context u64@56, dl_handler u64@64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DlInfo {
    /// The layout it was read in, or is to be written in.
    pub layout: DlLayout,
    /// Bytes of the launch environment (AMD: the loader block's window; Intel: SINIT).
    pub dce_size: u64,
    /// Physical address of the launch environment.
    pub dce_base: u64,
    /// Bytes reserved for the kernel.
    pub dlme_size: u64,
    /// Physical address of the kernel.
    pub dlme_base: u64,
    /// Bytes from the kernel's address to its entry point.
    pub dlme_entry: u64,
    /// Bytes from the kernel's address to its MLE header. Zero in v15.
    pub dlme_header_offset: u64,
    /// Physical address of the boot parameters. Zero in v15.
    pub dlme_config_table: u64,
    /// Who wrote the table, for example [`super::BOOTLOADER_EFI_STUB`].
    pub bootloader: u16,
    /// For the boot loader's own use.
    pub context: u64,
    /// Address of the boot loader's function that launches. Zero if there is none.
    pub dl_launch: u64,
}

impl DlInfo {
    /// Reads an entry.
    ///
    /// # Errors
    ///
    /// [`Error::SlrtEntry`] if it has neither of the two sizes.
    pub fn parse(entry: &[u8]) -> Result<Self, Error> {
        let layout = DlLayout::of(entry)?;
        let (header_offset, config_table, context_at) = match layout {
            DlLayout::V15 => (0, 0, 48),
            DlLayout::V16 => (number64(entry, 48)?, number64(entry, 56)?, 64),
        };
        let context = entry.get(context_at..).ok_or(Error::SlrtEntry)?;
        Ok(Self {
            layout,
            dce_size: number64(entry, 8)?,
            dce_base: number64(entry, 16)?,
            dlme_size: number64(entry, 24)?,
            dlme_base: number64(entry, 32)?,
            dlme_entry: number64(entry, 40)?,
            dlme_header_offset: header_offset,
            dlme_config_table: config_table,
            bootloader: number16(context, 0)?,
            context: number64(context, 8)?,
            dl_launch: number64(context, 16)?,
        })
    }

    /// The launch environment.
    ///
    /// # Errors
    ///
    /// Those of [`Region::new`].
    pub const fn dce(&self) -> Result<Region, Error> {
        Region::new(self.dce_base, self.dce_size)
    }

    /// The memory reserved for the kernel.
    ///
    /// # Errors
    ///
    /// Those of [`Region::new`].
    pub const fn dlme(&self) -> Result<Region, Error> {
        Region::new(self.dlme_base, self.dlme_size)
    }

    pub(super) fn write_body(&self, out: &mut Writer<'_>) {
        out.u64(self.dce_size);
        out.u64(self.dce_base);
        out.u64(self.dlme_size);
        out.u64(self.dlme_base);
        out.u64(self.dlme_entry);
        if self.layout == DlLayout::V16 {
            out.u64(self.dlme_header_offset);
            out.u64(self.dlme_config_table);
        }
        out.u16(self.bootloader);
        out.put(&[0; 6]);
        out.u64(self.context);
        out.u64(self.dl_launch);
    }
}

/// LOG_INFO: the event log. `format u16@8, size u32@12, addr u64@16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogInfo {
    /// [`LOG_TPM12`] or [`LOG_TPM20`].
    pub format: u16,
    /// Bytes of the buffer.
    pub size: u32,
    /// Physical address of the buffer.
    pub addr: u64,
}

impl LogInfo {
    /// Bytes of the entry.
    pub const SIZE: usize = 24;

    /// Reads an entry.
    ///
    /// # Errors
    ///
    /// [`Error::SlrtEntry`] if size or format are wrong.
    pub fn parse(entry: &[u8]) -> Result<Self, Error> {
        let info = Self {
            format: number16(entry, 8)?,
            size: number32(entry, 12)?,
            addr: number64(entry, 16)?,
        };
        if entry.len() != Self::SIZE || !matches!(info.format, LOG_TPM12 | LOG_TPM20) {
            return Err(Error::SlrtEntry);
        }
        Ok(info)
    }

    /// The buffer.
    ///
    /// # Errors
    ///
    /// Those of [`Region::new`].
    pub fn region(&self) -> Result<Region, Error> {
        Region::new(self.addr, u64::from(self.size))
    }

    pub(super) fn write_body(&self, out: &mut Writer<'_>) {
        out.u16(self.format);
        out.u16(0);
        out.u32(self.size);
        out.u64(self.addr);
    }
}

/// AMD_INFO: `next u64@8, type u32@16, len u32@20, slrt_size u64@24, slrt_base u64@32,
/// boot_params u64@40, psp_version u16@48`.
///
/// The first three make the entry usable as a setup_data node in older kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AmdInfo {
    /// Physical address of the next setup_data node.
    pub next: u64,
    /// Type of the node.
    pub kind: u32,
    /// Bytes of the node's data.
    pub len: u32,
    /// Bytes of the launch table.
    pub slrt_size: u64,
    /// Physical address of the launch table.
    pub slrt_base: u64,
    /// Physical address of the boot parameters.
    pub boot_params: u64,
    /// Version of the security processor's interface, 0 if it takes no part.
    pub psp_version: u16,
}

impl AmdInfo {
    /// Bytes of the entry.
    pub const SIZE: usize = 56;

    /// Reads an entry.
    ///
    /// # Errors
    ///
    /// [`Error::SlrtEntry`] if its size is wrong.
    pub fn parse(entry: &[u8]) -> Result<Self, Error> {
        if entry.len() != Self::SIZE {
            return Err(Error::SlrtEntry);
        }
        Ok(Self {
            next: number64(entry, 8)?,
            kind: number32(entry, 16)?,
            len: number32(entry, 20)?,
            slrt_size: number64(entry, 24)?,
            slrt_base: number64(entry, 32)?,
            boot_params: number64(entry, 40)?,
            psp_version: number16(entry, 48)?,
        })
    }

    pub(super) fn write_body(&self, out: &mut Writer<'_>) {
        out.u64(self.next);
        out.u32(self.kind);
        out.u32(self.len);
        out.u64(self.slrt_size);
        out.u64(self.slrt_base);
        out.u64(self.boot_params);
        out.u16(self.psp_version);
        out.put(&[0; 6]);
    }
}

/// INTEL_INFO: `boot_params u64@8, txt_heap u64@16, saved_misc_enable u64@24,
/// default_mem_type u64@32, mtrr_vcnt u64@40, 32 x {base u64, mask u64}@48`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntelInfo<'a> {
    entry: &'a [u8],
    mtrr_vcnt: usize,
}

impl<'a> IntelInfo<'a> {
    /// Bytes of the entry.
    pub const SIZE: usize = 560;

    /// The most MTRR pairs it has room for.
    pub const MAX_MTRRS: usize = 32;

    /// Reads an entry.
    ///
    /// # Errors
    ///
    /// [`Error::SlrtEntry`] if its size is wrong, [`Error::MtrrInvalidCount`] if it claims more
    /// MTRRs than it has room for.
    pub fn parse(entry: &'a [u8]) -> Result<Self, Error> {
        if entry.len() != Self::SIZE {
            return Err(Error::SlrtEntry);
        }
        match usize::try_from(number64(entry, 40)?) {
            Ok(mtrr_vcnt) if mtrr_vcnt <= Self::MAX_MTRRS => Ok(Self { entry, mtrr_vcnt }),
            _ => Err(Error::MtrrInvalidCount),
        }
    }

    fn field(&self, offset: usize) -> u64 {
        // In bounds: the size was checked, all offsets are below it.
        u64_at(self.entry, offset).unwrap_or(0)
    }

    /// Physical address of the boot parameters.
    pub fn boot_params(&self) -> u64 {
        self.field(8)
    }

    /// Physical address of the TXT heap.
    pub fn txt_heap(&self) -> u64 {
        self.field(16)
    }

    /// IA32_MISC_ENABLE as it was before the launch.
    pub fn saved_misc_enable(&self) -> u64 {
        self.field(24)
    }

    /// IA32_MTRR_DEF_TYPE as it was before the launch.
    pub fn default_mem_type(&self) -> u64 {
        self.field(32)
    }

    /// How many variable MTRRs there are.
    pub const fn mtrr_count(&self) -> usize {
        self.mtrr_vcnt
    }

    /// The variable MTRRs as they were before the launch: base and mask.
    pub fn mtrrs(&self) -> impl Iterator<Item = (u64, u64)> + 'a {
        let size = self.mtrr_vcnt.saturating_mul(16);
        let pairs = slice_at(self.entry, 48, size).unwrap_or(&[]);
        Records::<16>::new(pairs).map(|pair| {
            let half = |offset| u64_at(&pair, offset).unwrap_or(0);
            (half(0), half(8))
        })
    }
}

/// UEFI_CONFIG: `revision u16@12, nr_entries u16@14`, then entries of 48 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UefiConfig<'a> {
    entries: &'a [u8],
}

/// An entry of [`UefiConfig`]: `pcr u16@0, size u32@4, cfg u64@8, evt_info [u8; 32]@16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UefiConfigEntry {
    /// The PCR to extend.
    pub pcr: u16,
    /// Bytes at [`UefiConfigEntry::cfg`].
    pub size: u32,
    /// Physical address, or the value itself.
    pub cfg: u64,
    /// The label, NUL padded, not necessarily terminated.
    pub label: [u8; 32],
}

impl<'a> UefiConfig<'a> {
    /// Bytes before the entries.
    pub const HEAD_SIZE: usize = 16;

    /// Bytes of an entry.
    pub const ENTRY_SIZE: usize = 48;

    /// Reads an entry of the table.
    ///
    /// # Errors
    ///
    /// [`Error::SlrtEntry`] if the revision is unknown or the size does not fit the number of
    /// entries.
    pub fn parse(entry: &'a [u8]) -> Result<Self, Error> {
        let count = usize::from(number16(entry, 14)?);
        let entries = entry.get(Self::HEAD_SIZE..).ok_or(Error::SlrtEntry)?;
        if number16(entry, 12)? != UEFI_CONFIG_REVISION
            || count.checked_mul(Self::ENTRY_SIZE) != Some(entries.len())
        {
            return Err(Error::SlrtEntry);
        }
        Ok(Self { entries })
    }

    /// How many entries there are.
    pub const fn len(&self) -> usize {
        self.entries.len() / Self::ENTRY_SIZE
    }

    /// True if there are none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entries.
    pub fn entries(&self) -> impl Iterator<Item = UefiConfigEntry> + 'a {
        Records::<{ UefiConfig::ENTRY_SIZE }>::new(self.entries).map(|entry| UefiConfigEntry {
            pcr: u16_at(&entry, 0).unwrap_or(0),
            size: u32_at(&entry, 4).unwrap_or(0),
            cfg: u64_at(&entry, 8).unwrap_or(0),
            label: array_at(&entry, 16).unwrap_or([0; 32]),
        })
    }
}
