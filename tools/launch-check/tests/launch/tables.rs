// SPDX-License-Identifier: GPL-2.0

//! The launch's tables in guest memory, as a hostile loader would find them.

use drtm_vm::Machine;

/// Entry tags of the launch table.
pub mod tag {
    pub const DL_INFO: u32 = 1;
    pub const LOG_INFO: u32 = 2;
    pub const POLICY: u32 = 3;
    pub const AMD_INFO: u32 = 5;
    pub const END: u32 = 0xffff;
}

/// Offsets in the entries, in bytes.
pub const DL_DLME_SIZE: usize = 24;
pub const DL_DLME_BASE: usize = 32;
pub const DL_DLME_HEADER: usize = 48;
pub const DL_BOOT_PARAMS: usize = 56;
pub const LOG_SIZE: usize = 12;
pub const LOG_ADDR: usize = 16;
pub const POLICY_REVISION: usize = 12;
pub const POLICY_COUNT: usize = 14;
pub const POLICY_HEAD: usize = 16;
pub const POLICY_ENTRY: usize = 56;

/// The launch table of a machine that stands at SKINIT.
pub struct Slrt {
    pub address: u64,
    pub bytes: Vec<u8>,
}

pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
}

pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

impl Slrt {
    /// Reads the page that the loader block's parameters name.
    pub fn read(machine: &mut Machine) -> Self {
        let block = machine.block().expect("loader block");
        let address = block.slrt().expect("loader block parameters");
        let bytes = machine.read(address, 4096).expect("launch table");
        Self { address, bytes }
    }

    /// Offset of the first entry with `tag`.
    pub fn entry(&self, tag: u32) -> usize {
        let mut at = 16;
        loop {
            let found = u32_at(&self.bytes, at);
            if found == tag {
                return at;
            }
            assert_ne!(found, tag::END, "the launch table has no entry {tag}");
            at += u32_at(&self.bytes, at + 4) as usize;
        }
    }

    /// A number in the entry with `tag`.
    pub fn field(&self, tag: u32, offset: usize) -> u64 {
        u64_at(&self.bytes, self.entry(tag) + offset)
    }

    /// Changes the table's copy.
    pub fn set(&mut self, at: usize, value: &[u8]) -> &mut Self {
        self.bytes[at..at + value.len()].copy_from_slice(value);
        self
    }

    /// Changes a field of the entry with `tag`.
    pub fn set_field(&mut self, tag: u32, offset: usize, value: &[u8]) -> &mut Self {
        let at = self.entry(tag) + offset;
        self.set(at, value)
    }

    /// Adds a policy entry behind the others and moves what follows.
    pub fn add_policy(&mut self, pcr: u16, kind: u16, size: u64, entity: u64, label: &[u8]) {
        let policy = self.entry(tag::POLICY);
        let count = u16_at(&self.bytes, policy + POLICY_COUNT);
        let size_at = policy + 4;
        let end = policy + u32_at(&self.bytes, size_at) as usize;
        let mut entry = Vec::new();
        entry.extend_from_slice(&pcr.to_le_bytes());
        entry.extend_from_slice(&kind.to_le_bytes());
        entry.extend_from_slice(&[0; 4]);
        entry.extend_from_slice(&size.to_le_bytes());
        entry.extend_from_slice(&entity.to_le_bytes());
        entry.extend_from_slice(label);
        entry.resize(POLICY_ENTRY, 0);
        self.bytes.splice(end..end, entry);
        self.bytes.truncate(4096);
        let entry_size = u32_at(&self.bytes, size_at) + POLICY_ENTRY as u32;
        let table_size = u32_at(&self.bytes, 8) + POLICY_ENTRY as u32;
        self.set(size_at, &entry_size.to_le_bytes());
        self.set(policy + POLICY_COUNT, &(count + 1).to_le_bytes());
        self.set(8, &table_size.to_le_bytes());
    }

    /// Offset of the policy entry for an entity type.
    pub fn policy_entry(&self, kind: u16) -> usize {
        let policy = self.entry(tag::POLICY);
        let count = usize::from(u16_at(&self.bytes, policy + POLICY_COUNT));
        (0..count)
            .map(|n| policy + POLICY_HEAD + n * POLICY_ENTRY)
            .find(|at| u16_at(&self.bytes, at + 2) == kind)
            .expect("policy entry")
    }

    /// Puts the changed table back.
    pub fn write(&self, machine: &mut Machine) {
        machine
            .write(self.address, &self.bytes)
            .expect("writing the launch table");
    }

    /// Where the kernel is.
    pub fn kernel(&self) -> u64 {
        self.field(tag::DL_INFO, DL_DLME_BASE)
    }

    /// Where the event log is.
    pub fn log(&self) -> u64 {
        self.field(tag::LOG_INFO, LOG_ADDR)
    }

    /// Where the boot parameters are.
    pub fn boot_params(&self) -> u64 {
        self.field(tag::DL_INFO, DL_BOOT_PARAMS)
    }
}

/// Fields of the boot parameters (Documentation/arch/x86/zero-page.rst).
pub mod zero_page {
    pub const EXT_RAMDISK_IMAGE: u64 = 0x0c0;
    pub const EXT_CMD_LINE_PTR: u64 = 0x0c8;
    pub const EFI_DESC_SIZE: u64 = 0x1c8;
    pub const EFI_MEMMAP: u64 = 0x1d0;
    pub const EFI_MEMMAP_SIZE: u64 = 0x1d4;
    pub const EFI_MEMMAP_HI: u64 = 0x1dc;
    pub const SENTINEL: u64 = 0x1ef;
    pub const SECURE_BOOT: u64 = 0x1ec;
    pub const E820_ENTRIES: u64 = 0x1e8;
    pub const RAMDISK_IMAGE: u64 = 0x218;
    pub const CMD_LINE_PTR: u64 = 0x228;
    pub const SETUP_DATA: u64 = 0x250;
}

/// Types and attributes of ranges in the EFI memory map.
pub mod kind {
    pub const RUNTIME_CODE: u32 = 5;
    pub const RUNTIME_DATA: u32 = 6;
    pub const CONVENTIONAL: u32 = 7;
    pub const RUNTIME: u64 = 1 << 63;
}

/// A range of the EFI memory map.
#[derive(Clone, Copy, Debug)]
pub struct UefiRange {
    pub kind: u32,
    pub base: u64,
    pub pages: u64,
    pub attributes: u64,
}

impl UefiRange {
    /// Code or data that stays in use by runtime services.
    pub fn is_runtime(&self) -> bool {
        [kind::RUNTIME_CODE, kind::RUNTIME_DATA].contains(&self.kind)
            && self.attributes & kind::RUNTIME != 0
    }
}

/// The boot parameters in guest memory.
pub struct ZeroPage<'a> {
    machine: &'a mut Machine,
    base: u64,
}

impl<'a> ZeroPage<'a> {
    pub fn of(machine: &'a mut Machine) -> Self {
        let base = Slrt::read(machine).boot_params();
        Self { machine, base }
    }

    pub fn u32(&mut self, offset: u64) -> u32 {
        let bytes = self.machine.read(self.base + offset, 4).unwrap();
        u32_at(&bytes, 0)
    }

    /// A number whose halves are apart.
    pub fn split(&mut self, low: u64, high: u64) -> u64 {
        u64::from(self.u32(low)) | u64::from(self.u32(high)) << 32
    }

    pub fn set(&mut self, offset: u64, bytes: &[u8]) {
        self.machine.write(self.base + offset, bytes).unwrap();
    }

    pub fn set_split(&mut self, low: u64, high: u64, value: u64) {
        let bytes = value.to_le_bytes();
        self.set(low, &bytes[..4]);
        self.set(high, &bytes[4..]);
    }

    /// The EFI memory map: where it is, and its ranges in their order.
    pub fn map(&mut self) -> (u64, Vec<UefiRange>) {
        let map = self.split(zero_page::EFI_MEMMAP, zero_page::EFI_MEMMAP_HI);
        let length = self.u32(zero_page::EFI_MEMMAP_SIZE) as usize;
        let step = self.u32(zero_page::EFI_DESC_SIZE) as usize;
        let bytes = self.machine.read(map, length).unwrap();
        let range = |d: &[u8]| UefiRange {
            kind: u32_at(d, 0),
            base: u64_at(d, 8),
            pages: u64_at(d, 24),
            attributes: u64_at(d, 32),
        };
        (map, bytes.chunks_exact(step).map(range).collect())
    }

    /// Changes a range of the EFI memory map.
    pub fn set_range(&mut self, index: usize, range: &UefiRange) {
        let step = u64::from(self.u32(zero_page::EFI_DESC_SIZE));
        let at = self.map().0 + index as u64 * step;
        for (offset, bytes) in [
            (0, &range.kind.to_le_bytes()[..]),
            (8, &range.base.to_le_bytes()),
            (24, &range.pages.to_le_bytes()),
            (32, &range.attributes.to_le_bytes()),
        ] {
            self.machine.write(at + offset, bytes).unwrap();
        }
    }

    /// The first page-aligned piece of free RAM of at least `size` bytes above 1 MiB.
    pub fn free_ram(&mut self, size: u64) -> u64 {
        let fits = |range: &UefiRange| {
            range.kind == kind::CONVENTIONAL && range.base >= 1 << 20 && range.pages * 4096 >= size
        };
        let (_, ranges) = self.map();
        ranges.into_iter().find(fits).expect("free RAM").base
    }

    pub fn machine(&mut self) -> &mut Machine {
        self.machine
    }
}
