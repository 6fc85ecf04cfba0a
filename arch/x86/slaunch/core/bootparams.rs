// SPDX-License-Identifier: GPL-2.0

//! The zero page: `struct boot_params`, what the loader tells the kernel.
//!
//! Documentation/arch/x86/zero-page.rst and boot.rst; offsets as in Linux 7.3. The canonical form
//! is a page of the same size. In it, fields are kept or zeroed:
//!
//! | offset | field | in the canonical form |
//! | --- | --- | --- |
//! | 000 | screen_info | kept (mode, frame buffer), but for the cursor's position (000-001) |
//! | 040 | apm_bios_info | kept |
//! | 058 | tboot_addr | must be zero: another launch environment |
//! | 060 | ist_info | kept |
//! | 070 | acpi_rsdp_addr | kept: the tables stay where they are, and the kernel goes by it |
//! | 080 | hd0_info, hd1_info, sys_desc_table, olpc_ofw_header | kept |
//! | 0c0 | ext_ramdisk_image, ext_ramdisk_size, ext_cmd_line_ptr | zeroed, see 218 and 228 |
//! | 13c | cc_blob_address | must be zero: a launch is not a confidential guest |
//! | 140 | edid_info | kept |
//! | 1c0 | efi_info: signature | kept, must be "EL64" |
//! | 1c4 | efi_info: systab, systab_hi (1d8) | kept: it lies in runtime services data |
//! | 1c8 | efi_info: memdesc_size, memdesc_version | kept |
//! | 1d0 | efi_info: memmap, memmap_size, memmap_hi (1dc) | zeroed: the map is measured itself |
//! | 1e0 | alt_mem_k | kept: memory size where there is no E820 table |
//! | 1e4 | scratch | zeroed: nobody reads it |
//! | 1e8 | e820_entries | that of the canonical table |
//! | 1e9 | eddbuf_entries, edd_mbr_sig_buf_entries | kept |
//! | 1eb | kbd_status | zeroed: which lock keys were on |
//! | 1ec | secure_boot | kept |
//! | 1ef | sentinel | must be zero: else the kernel would use something else than what was measured |
//! | 1f2 | root_flags | kept |
//! | 1f8 | ram_size, vid_mode, root_dev | kept |
//! | 202 | header, version (206) | zeroed; must be zero both, or "HdrS" and 2.12 at least |
//! | 210 | type_of_loader, loadflags | kept; the latter says whether KASLR is wanted |
//! | 218 | ramdisk_image, ramdisk_size (21c) | zeroed: the initrd is measured itself, as code |
//! | 226 | ext_loader_ver, ext_loader_type | kept |
//! | 228 | cmd_line_ptr | zeroed: the command line is measured itself |
//! | 236 | xloadflags | kept |
//! | 23c | hardware_subarch, hardware_subarch_data | kept; the first must be zero, a PC |
//! | 250 | setup_data | zeroed: the list is measured itself |
//! | 290 | edd_mbr_sig_buffer | kept |
//! | 2d0 | e820_table | sorted and merged, see [`super::e820`]; the rest zero |
//! | d00 | eddbuf | kept |
//!
//! All other bytes are zeroed: padding, and the fields of the setup header that describe the
//! kernel's file and its real-mode code (setup_sects, syssize, boot_flag, jump, realmode_swtch,
//! start_sys_seg, kernel_version, setup_move_size, code32_start, bootsect_kludge, heap_end_ptr,
//! initrd_addr_max, kernel_alignment, relocatable_kernel, min_alignment, cmdline_size,
//! payload_offset, payload_length, pref_address, init_size, handover_offset, kernel_info_offset).
//! The running kernel reads none of them, and a new kernel is not a new configuration.

use super::bytes::{array_at, put_zeros, set_at, slice_at, u16_at, u32_at, u64_at, u8_at, Sink};
use super::e820::{self, E820Entry};
use super::error::Error;
use super::region::Region;

/// Bytes of the zero page.
pub const SIZE: usize = 4096;

/// Entries that its E820 table has room for.
pub const E820_ENTRIES: u32 = 128;

mod offset {
    pub(super) const TBOOT_ADDR: usize = 0x058;
    pub(super) const EXT_RAMDISK_IMAGE: usize = 0x0c0;
    pub(super) const EXT_RAMDISK_SIZE: usize = 0x0c4;
    pub(super) const EXT_CMD_LINE_PTR: usize = 0x0c8;
    pub(super) const CC_BLOB_ADDRESS: usize = 0x13c;
    pub(super) const EFI_SIGNATURE: usize = 0x1c0;
    pub(super) const EFI_SYSTAB: usize = 0x1c4;
    pub(super) const EFI_MEMDESC_SIZE: usize = 0x1c8;
    pub(super) const EFI_MEMDESC_VERSION: usize = 0x1cc;
    pub(super) const EFI_MEMMAP: usize = 0x1d0;
    pub(super) const EFI_MEMMAP_SIZE: usize = 0x1d4;
    pub(super) const EFI_SYSTAB_HI: usize = 0x1d8;
    pub(super) const EFI_MEMMAP_HI: usize = 0x1dc;
    pub(super) const E820_ENTRIES: usize = 0x1e8;
    pub(super) const SENTINEL: usize = 0x1ef;
    pub(super) const HEADER: usize = 0x202;
    pub(super) const VERSION: usize = 0x206;
    pub(super) const TYPE_OF_LOADER: usize = 0x210;
    pub(super) const RAMDISK_IMAGE: usize = 0x218;
    pub(super) const RAMDISK_SIZE: usize = 0x21c;
    pub(super) const CMD_LINE_PTR: usize = 0x228;
    pub(super) const HARDWARE_SUBARCH: usize = 0x23c;
    pub(super) const SETUP_DATA: usize = 0x250;
    pub(super) const E820_TABLE: usize = 0x2d0;
}

/// The bytes that the canonical form keeps: from, up to but without. In ascending order.
const KEPT: [(usize, usize); 17] = [
    (0x002, 0x054), // screen_info but for the cursor, apm_bios_info
    (0x060, 0x078), // ist_info, acpi_rsdp_addr
    (0x080, 0x0c0), // hd0_info, hd1_info, sys_desc_table, olpc_ofw_header
    (0x140, 0x1d0), // edid_info, efi_info up to memdesc_version
    (0x1d8, 0x1dc), // efi_info: systab_hi
    (0x1e0, 0x1e4), // alt_mem_k
    (0x1e9, 0x1eb), // eddbuf_entries, edd_mbr_sig_buf_entries
    (0x1ec, 0x1ed), // secure_boot
    (0x1f2, 0x1f4), // root_flags
    (0x1f8, 0x1fe), // ram_size, vid_mode, root_dev
    (0x210, 0x212), // type_of_loader, loadflags
    (0x226, 0x228), // ext_loader_ver, ext_loader_type
    (0x236, 0x238), // xloadflags
    (0x23c, 0x248), // hardware_subarch, hardware_subarch_data
    (0x290, 0x2d0), // edd_mbr_sig_buffer
    (0xd00, 0xeec), // eddbuf
    (SIZE, SIZE),
];

/// `"EL64"`: the kernel was booted by 64-bit EFI.
const EFI_SIGNATURE: u32 = 0x3436_4c45;

/// `"HdrS"`: a setup header that was copied from the kernel's file.
const HEADER_MAGIC: u32 = 0x5372_6448;

/// The first boot protocol with the upper halves of addresses, 2.12.
const VERSION_MIN: u16 = 0x020c;

/// Where EFI left its memory map, and in which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EfiInfo {
    /// Physical address of the EFI system table.
    pub systab: u64,
    /// The raw memory map.
    pub memmap: Region,
    /// Bytes from one descriptor to the next.
    pub desc_size: u32,
    /// Version of the descriptors.
    pub desc_version: u32,
}

/// A zero page whose fields were checked as far as that goes without other memory.
#[derive(Clone, Copy, Debug)]
pub struct BootParams<'a> {
    page: &'a [u8; SIZE],
}

/// A number whose lower and upper halves are apart.
fn split(page: &[u8; SIZE], low: usize, high: usize) -> u64 {
    // In bounds: the offsets are constants.
    let half = |offset| u64::from(u32_at(page, offset).unwrap_or(0));
    half(low) | half(high) << 32
}

impl<'a> BootParams<'a> {
    /// Checks `page`, which should be a private copy: nobody else may change it afterwards.
    ///
    /// # Errors
    ///
    /// [`Error::BootParamsInvalid`] if a field that must be zero is not, the setup header is
    /// neither absent nor new enough, there is no EFI information, or the initrd has an address
    /// but no size or the other way round; [`Error::IntegerOverflow`] if initrd or memory map
    /// wrap; [`Error::E820Invalid`] if the E820 table has too many or wrapping entries.
    pub fn parse(page: &'a [u8; SIZE]) -> Result<Self, Error> {
        let params = Self { page };
        let zero = [
            params.u64(offset::TBOOT_ADDR),
            u64::from(params.u32(offset::CC_BLOB_ADDRESS)),
            u64::from(params.u8(offset::SENTINEL)),
            u64::from(params.u32(offset::HARDWARE_SUBARCH)),
        ];
        let version = u16_at(page, offset::VERSION).unwrap_or(0);
        let header_ok = match params.u32(offset::HEADER) {
            0 => version == 0,
            HEADER_MAGIC => version >= VERSION_MIN,
            _ => false,
        };
        if zero.iter().any(|field| *field != 0) || !header_ok {
            return Err(Error::BootParamsInvalid);
        }
        params.efi()?;
        params.initrd()?;
        let count = params.e820_count();
        if count > E820_ENTRIES {
            return Err(Error::E820Invalid);
        }
        for index in 0..count {
            params.e820(index)?;
        }
        Ok(params)
    }

    fn u8(&self, offset: usize) -> u8 {
        u8_at(self.page, offset).unwrap_or(0)
    }

    fn u32(&self, offset: usize) -> u32 {
        u32_at(self.page, offset).unwrap_or(0)
    }

    fn u64(&self, offset: usize) -> u64 {
        u64_at(self.page, offset).unwrap_or(0)
    }

    /// Physical address of the command line, 0 if there is none; see [`super::cmdline::read`].
    pub fn cmdline_address(&self) -> u64 {
        split(self.page, offset::CMD_LINE_PTR, offset::EXT_CMD_LINE_PTR)
    }

    /// Physical address of the first setup_data node, 0 if there is none.
    pub fn setup_data(&self) -> u64 {
        self.u64(offset::SETUP_DATA)
    }

    /// The initrd, if there is one. If there is none, see [`refuse_other_initrd`].
    ///
    /// # Errors
    ///
    /// None after [`BootParams::parse`].
    pub fn initrd(&self) -> Result<Option<Region>, Error> {
        let base = split(self.page, offset::RAMDISK_IMAGE, offset::EXT_RAMDISK_IMAGE);
        let size = split(self.page, offset::RAMDISK_SIZE, offset::EXT_RAMDISK_SIZE);
        match (base, size) {
            (0, 0) => Ok(None),
            // The kernel would complete half of one from elsewhere, or ignore it.
            (0, _) | (_, 0) => Err(Error::BootParamsInvalid),
            _ if self.u8(offset::TYPE_OF_LOADER) == 0 => Err(Error::BootParamsInvalid),
            _ => Region::new(base, size).map(Some),
        }
    }

    /// What EFI left.
    ///
    /// # Errors
    ///
    /// None after [`BootParams::parse`].
    pub fn efi(&self) -> Result<EfiInfo, Error> {
        if self.u32(offset::EFI_SIGNATURE) != EFI_SIGNATURE {
            return Err(Error::BootParamsInvalid);
        }
        let base = split(self.page, offset::EFI_MEMMAP, offset::EFI_MEMMAP_HI);
        let size = u64::from(self.u32(offset::EFI_MEMMAP_SIZE));
        if base == 0 || size == 0 {
            return Err(Error::BootParamsInvalid);
        }
        Ok(EfiInfo {
            systab: split(self.page, offset::EFI_SYSTAB, offset::EFI_SYSTAB_HI),
            memmap: Region::new(base, size)?,
            desc_size: self.u32(offset::EFI_MEMDESC_SIZE),
            desc_version: self.u32(offset::EFI_MEMDESC_VERSION),
        })
    }

    fn e820_count(&self) -> u32 {
        u32::from(self.u8(offset::E820_ENTRIES))
    }

    /// The entry of the E820 table with this number.
    fn e820(&self, index: u32) -> Result<E820Entry, Error> {
        let entry = usize::try_from(index)
            .ok()
            .and_then(|index| index.checked_mul(e820::ENTRY_SIZE))
            .and_then(|at| at.checked_add(offset::E820_TABLE))
            .and_then(|at| array_at(self.page, at))
            .ok_or(Error::E820Invalid)?;
        E820Entry::parse(&entry)
    }

    /// Gives the canonical form, [`SIZE`] bytes, to `sink`; see the module's description.
    ///
    /// # Errors
    ///
    /// None after [`BootParams::parse`].
    pub fn canonical(&self, sink: &mut impl Sink) -> Result<(), Error> {
        let count = self.e820_count();
        let get = |index| self.e820(index);
        // The number of entries comes before the entries, so count them first.
        let merged = e820::canonical(count, get, &mut |_: &[u8]| ())?;

        let mut at: usize = 0;
        for (from, to) in KEPT {
            // What lies before the next piece that is kept is zero, but for the two places where
            // the E820 table is.
            if at <= offset::E820_ENTRIES && offset::E820_ENTRIES < from {
                put_zeros(sink, offset::E820_ENTRIES.saturating_sub(at));
                sink.put(&merged.to_le_bytes()[..1]);
                at = offset::E820_ENTRIES + 1;
            }
            if at <= offset::E820_TABLE && offset::E820_TABLE < from {
                put_zeros(sink, offset::E820_TABLE.saturating_sub(at));
                let entries = e820::canonical(count, get, sink)?;
                let entries = usize::try_from(entries).map_err(|_| Error::E820Invalid)?;
                at = offset::E820_TABLE.saturating_add(entries.saturating_mul(e820::ENTRY_SIZE));
            }
            put_zeros(sink, from.saturating_sub(at));
            sink.put(slice_at(self.page, from, to.saturating_sub(from)).unwrap_or(&[]));
            at = to;
        }
        Ok(())
    }
}

/// Puts the address of another command line, for instance of a private copy, into `page`.
pub fn set_cmdline_address(page: &mut [u8; SIZE], address: u64) {
    let [low, high] = halves(address);
    let _ = set_at(page, offset::CMD_LINE_PTR, &low);
    let _ = set_at(page, offset::EXT_CMD_LINE_PTR, &high);
}

/// Puts an initrd into `page`, for the stub and for tests.
pub fn set_initrd(page: &mut [u8; SIZE], base: u64, size: u64) {
    let ([base, base_hi], [size, size_hi]) = (halves(base), halves(size));
    let _ = set_at(page, offset::RAMDISK_IMAGE, &base);
    let _ = set_at(page, offset::EXT_RAMDISK_IMAGE, &base_hi);
    let _ = set_at(page, offset::RAMDISK_SIZE, &size);
    let _ = set_at(page, offset::EXT_RAMDISK_SIZE, &size_hi);
}

/// Makes sure that a kernel whose `page` has no initrd uses none.
///
/// With no initrd in the zero page, the kernel takes one from the EFI configuration table
/// (LINUX_EFI_INITRD_MEDIA_GUID) or from `initrdmem=`, whose bytes nobody has measured; not,
/// however, if the loader has no type. To be called on the private copy, after it was measured,
/// if [`BootParams::initrd`] found none.
pub fn refuse_other_initrd(page: &mut [u8; SIZE]) {
    let _ = set_at(page, offset::TYPE_OF_LOADER, &[0]);
}

fn halves(value: u64) -> [[u8; 4]; 2] {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    [[a, b, c, d], [e, f, g, h]]
}
