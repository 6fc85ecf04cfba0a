// SPDX-License-Identifier: GPL-2.0

//! What the tests share: memory made of pieces, a zero page, a launch table.
#![allow(dead_code)]

use slaunch_core::error::Error;
use slaunch_core::memmap::Descriptor;
use slaunch_core::physmem::PhysMem;
use slaunch_core::policy::Entity;
use slaunch_core::region::Region;
use slaunch_core::slrt::{
    AmdInfo, Architecture, Builder, DlInfo, DlLayout, LogInfo, PolicyEntry, BOOTLOADER_EFI_STUB,
    LOG_TPM20,
};

/// Everything that `write` puts into a sink.
pub fn collect(write: impl FnOnce(&mut dyn FnMut(&[u8]))) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut |piece: &[u8]| bytes.extend_from_slice(piece));
    bytes
}

/// Physical memory that has something only where it was put. Gives out regions in small pieces.
#[derive(Default, Clone)]
pub struct Memory {
    pieces: Vec<(u64, Vec<u8>)>,
    /// Bytes read so far.
    pub read: u64,
}

impl Memory {
    pub fn put(&mut self, address: u64, bytes: &[u8]) {
        self.pieces.push((address, bytes.to_vec()));
    }

    /// Some memory from `address` on.
    pub fn pieces_after(&mut self, address: u64) {
        self.put(address, &[0xff; 128]);
    }

    pub fn with(address: u64, bytes: &[u8]) -> Self {
        let mut memory = Self::default();
        memory.put(address, bytes);
        memory
    }

    /// The bytes from `address` to the end of the piece put last that has it.
    fn bytes(&self, address: u64) -> Result<&[u8], Error> {
        self.pieces
            .iter()
            .rev()
            .find_map(|(base, bytes)| {
                let offset = usize::try_from(address.checked_sub(*base)?).ok()?;
                bytes.get(offset..).filter(|bytes| !bytes.is_empty())
            })
            .ok_or(Error::Unmapped)
    }
}

impl PhysMem for Memory {
    fn read(&mut self, address: u64, to: &mut [u8]) -> Result<(), Error> {
        let (mut address, mut to) = (address, to);
        while !to.is_empty() {
            let from = self.bytes(address)?;
            let count = from.len().min(to.len());
            let (now, later) = to.split_at_mut(count);
            now.copy_from_slice(&from[..count]);
            to = later;
            address = address.wrapping_add(count as u64);
            self.read += count as u64;
        }
        Ok(())
    }

    fn for_each(&mut self, region: Region, mut take: impl FnMut(&[u8])) -> Result<(), Error> {
        let mut address = region.base();
        while address < region.end() {
            let size = (region.end() - address).min(7) as usize;
            let mut piece = [0; 7];
            self.read(address, &mut piece[..size])?;
            take(&piece[..size]);
            address += size as u64;
        }
        Ok(())
    }
}

/// Writes numbers into a zero page.
pub struct Page(pub Box<[u8; 4096]>);

impl Page {
    /// The zero page of an EFI boot with 256 MiB, as the stub makes it.
    pub fn new() -> Self {
        let mut page = Self(Box::new([0; 4096]));
        page.set32(0x1c0, 0x3436_4c45); // "EL64"
        page.set32(0x1c4, 0x0f5e_c018);
        page.set32(0x1c8, 48);
        page.set32(0x1cc, 1);
        page.set32(0x1d0, 0x0e00_0018);
        page.set32(0x1d4, 48 * 100);
        page.set32(0x1e0, 32 * 1024);
        page.set8(0x210, 0x21);
        page.set8(0x211, 2); // KASLR_FLAG
        page.set16(0x1f2, 1);
        page.set16(0x1fa, 0xffff);
        page.set32(0x228, 0x0d00_0000);
        page.e820(&[
            (0, 0xa0000, 1),
            (0x10_0000, 0xff0_0000, 1),
            (0xb000_0000, 0x1000_0000, 2),
        ]);
        page
    }

    pub fn set8(&mut self, offset: usize, value: u8) {
        self.0[offset] = value;
    }

    pub fn set16(&mut self, offset: usize, value: u16) {
        self.0[offset..offset + 2].copy_from_slice(&value.to_le_bytes());
    }

    pub fn set32(&mut self, offset: usize, value: u32) {
        self.0[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
    }

    pub fn set64(&mut self, offset: usize, value: u64) {
        self.0[offset..offset + 8].copy_from_slice(&value.to_le_bytes());
    }

    pub fn e820(&mut self, entries: &[(u64, u64, u32)]) {
        self.0[0x2d0..0xcd0].fill(0);
        self.set8(0x1e8, u8::try_from(entries.len()).unwrap());
        for (index, (addr, size, kind)) in entries.iter().enumerate() {
            let at = 0x2d0 + index * 20;
            self.set64(at, *addr);
            self.set64(at + 8, *size);
            self.set32(at + 16, *kind);
        }
    }
}

pub const LOG: LogInfo = LogInfo {
    format: LOG_TPM20,
    size: 0x1_0000,
    addr: 0x700_0000,
};

pub const AMD: AmdInfo = AmdInfo {
    next: 0,
    kind: 0,
    len: 32,
    slrt_size: 4096,
    slrt_base: 0x710_0000,
    boot_params: 0x720_0000,
    psp_version: 0,
};

pub fn dl_info(layout: DlLayout) -> DlInfo {
    let v16 = layout == DlLayout::V16;
    DlInfo {
        layout,
        dce_size: 0x1_0000,
        dce_base: 0x600_0000,
        dlme_size: 0x200_0000,
        dlme_base: 0x300_0000,
        dlme_entry: 0x1234,
        dlme_header_offset: if v16 { 0x600 } else { 0 },
        dlme_config_table: if v16 { 0x720_0000 } else { 0 },
        bootloader: BOOTLOADER_EFI_STUB,
        context: 7,
        dl_launch: 9,
    }
}

pub fn default_policy() -> Vec<PolicyEntry> {
    Entity::ALL.iter().map(|e| e.policy_entry()).collect()
}

/// A table as the stub builds it, with this policy.
pub fn table(policy: &[PolicyEntry]) -> Vec<u8> {
    let mut page = vec![0xaa; 4096];
    let mut builder = Builder::new(&mut page, Architecture::AmdSkinit).unwrap();
    builder.dl_info(&dl_info(DlLayout::V16)).unwrap();
    builder.log_info(&LOG).unwrap();
    builder.policy(policy).unwrap();
    builder.amd(&AMD).unwrap();
    let size = builder.finish().unwrap();
    page.truncate(size);
    page
}

pub fn descriptor(kind: u32, base: u64, pages: u64) -> Descriptor {
    Descriptor {
        base,
        kind,
        attributes: 0xf,
        pages,
    }
}

/// A raw EFI memory map.
pub fn raw_map(descriptors: &[Descriptor], desc_size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for d in descriptors {
        let at = bytes.len();
        bytes.extend_from_slice(&d.kind.to_le_bytes());
        bytes.extend_from_slice(&[0xcc; 4]);
        bytes.extend_from_slice(&d.base.to_le_bytes());
        bytes.extend_from_slice(&[0xdd; 8]); // virtual_start
        bytes.extend_from_slice(&d.pages.to_le_bytes());
        bytes.extend_from_slice(&d.attributes.to_le_bytes());
        bytes.resize(at + desc_size, 0xee);
    }
    bytes
}

/// A setup_data node.
pub fn node(next: u64, kind: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&next.to_le_bytes());
    bytes.extend_from_slice(&kind.to_le_bytes());
    bytes.extend_from_slice(&u32::try_from(data.len()).unwrap().to_le_bytes());
    bytes.extend_from_slice(data);
    bytes
}

/// The data of an indirect node.
pub fn indirect(kind: u32, len: u64, addr: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&kind.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(&addr.to_le_bytes());
    bytes
}
