// SPDX-License-Identifier: GPL-2.0

//! The setup_data list: what loaders attach to the zero page.
//!
//! A linked list in memory that somebody else wrote: `next u64@0, type u32@8, len u32@12`, then
//! `len` bytes. Documentation/arch/x86/boot.rst. Each node is one event. Canonical forms, where
//! numbers are little endian:
//!
//! | type | form |
//! | --- | --- |
//! | all others | `type u32, len u32`, data |
//! | [`kind::E820_EXT`] | `type u32`, entries in the form of [`super::e820`] |
//! | [`kind::RNG_SEED`] | `type u32, len u32`; not the seed, which is new at each boot |
//! | [`kind::INDIRECT`] | `type u32`, the target's `type u32, len u64`, data of the target |
//!
//! The addresses of nodes and targets are left out. Refused are the types by which a hypervisor or
//! a kernel that ran before hands over memory that is not measured: [`kind::EFI`],
//! [`kind::CC_BLOB`], [`kind::IMA`] and [`kind::KEXEC_KHO`].

use super::bytes::{u32_at, u64_at, Sink};
use super::e820::{self, E820Entry};
use super::error::Error;
use super::physmem::PhysMem;
use super::region::Region;

/// Types of nodes, as in Linux 7.3.
pub mod kind {
    /// Nothing.
    pub const NONE: u32 = 0;
    /// The entries of the E820 table that the zero page has no room for.
    pub const E820_EXT: u32 = 1;
    /// A device tree.
    pub const DTB: u32 = 2;
    /// The ROM of a PCI device.
    pub const PCI: u32 = 3;
    /// EFI addresses, from a kernel that ran before.
    pub const EFI: u32 = 4;
    /// Properties of Apple devices.
    pub const APPLE_PROPERTIES: u32 = 5;
    /// Data of the Jailhouse hypervisor.
    pub const JAILHOUSE: u32 = 6;
    /// Address of a confidential computing blob.
    pub const CC_BLOB: u32 = 7;
    /// Address of an IMA buffer, from a kernel that ran before.
    pub const IMA: u32 = 8;
    /// A seed for the random number generator.
    pub const RNG_SEED: u32 = 9;
    /// Addresses of what a kernel that ran before hands over.
    pub const KEXEC_KHO: u32 = 10;
    /// Flag, and as a type by itself: the data describes where the data is.
    pub const INDIRECT: u32 = 1 << 31;
}

/// Bytes before a node's data.
pub const HEADER_SIZE: usize = 16;

/// Bytes of an indirect node's data: `type u32@0, reserved u32@4, len u64@8, addr u64@16`.
pub const INDIRECT_SIZE: usize = 24;

/// Nodes a list may have. A machine has one for each PCI device with a ROM and a few more.
pub const MAX_NODES: u32 = 128;

/// Bytes that all nodes may have together, targets included.
pub const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// What an indirect node leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its type, with or without the [`kind::INDIRECT`] flag.
    pub kind: u32,
    /// Where it is; `None` if it has no bytes.
    pub region: Option<Region>,
}

/// A node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its physical address.
    pub address: u64,
    /// The address of the next node, 0 if this is the last.
    pub next: u64,
    /// Its type, one of [`kind`].
    pub kind: u32,
    /// Its data; `None` if it has no bytes.
    pub data: Option<Region>,
    /// What it leads to, if it is indirect.
    pub target: Option<Target>,
}

/// A region at `address`, which may be empty.
fn region_of(address: u64, size: u64) -> Result<Option<Region>, Error> {
    if size == 0 {
        return Ok(None);
    }
    Region::new(address, size).map(Some)
}

fn size_of_region(region: &Option<Region>) -> u64 {
    region.as_ref().map_or(0, Region::size)
}

/// True if a launch can accept a node, or the target of one, of this type.
fn acceptable(kind: u32) -> bool {
    !matches!(
        kind,
        kind::EFI | kind::CC_BLOB | kind::IMA | kind::KEXEC_KHO
    )
}

impl Node {
    /// Reads the node at `address`. `allow` is asked about each region before it is read or
    /// handed on.
    ///
    /// # Errors
    ///
    /// What `allow` and `memory` report; [`Error::IntegerOverflow`] if a region wraps;
    /// [`Error::SetupDataType`] if the type is refused; [`Error::SetupDataNode`] if the data has
    /// the wrong size for the type, or an indirect node leads to another.
    pub fn read<M: PhysMem>(
        memory: &mut M,
        address: u64,
        allow: &mut impl FnMut(&Region) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let mut header = [0; HEADER_SIZE];
        allow(&Region::new(address, HEADER_SIZE as u64)?)?;
        memory.read(address, &mut header)?;
        let len = u32_at(&header, 12).unwrap_or(0);
        let data_at = address
            .checked_add(HEADER_SIZE as u64)
            .ok_or(Error::IntegerOverflow)?;
        let mut node = Self {
            address,
            next: u64_at(&header, 0).unwrap_or(0),
            kind: u32_at(&header, 8).unwrap_or(0),
            data: region_of(data_at, u64::from(len))?,
            target: None,
        };
        if !acceptable(node.kind) {
            return Err(Error::SetupDataType);
        }
        if let Some(data) = &node.data {
            allow(data)?;
        }
        if node.kind == kind::INDIRECT {
            if usize::try_from(len) != Ok(INDIRECT_SIZE) {
                return Err(Error::SetupDataNode);
            }
            node.target = Some(Target::read(memory, data_at, allow)?);
        } else if node.kind == kind::E820_EXT && u64::from(len) % e820::ENTRY_SIZE as u64 != 0 {
            return Err(Error::SetupDataNode);
        }
        Ok(node)
    }

    /// Bytes of the node's data and of its target.
    fn size(&self) -> u64 {
        let target = self.target.as_ref().map(|target| &target.region);
        size_of_region(&self.data).saturating_add(target.map_or(0, size_of_region))
    }

    /// Gives the canonical form of the node to `sink`; see the module's description.
    ///
    /// # Errors
    ///
    /// What `memory` reports, [`Error::E820Invalid`].
    pub fn canonical<M: PhysMem>(&self, memory: &mut M, sink: &mut impl Sink) -> Result<(), Error> {
        let size = size_of_region(&self.data);
        sink.put(&self.kind.to_le_bytes());
        if let Some(target) = &self.target {
            sink.put(&target.kind.to_le_bytes());
            sink.put(&size_of_region(&target.region).to_le_bytes());
            let seed = target.kind & !kind::INDIRECT == kind::RNG_SEED;
            return match target.region {
                Some(region) if !seed => memory.for_each(region, |bytes| sink.put(bytes)),
                _ => Ok(()),
            };
        }
        if self.kind == kind::E820_EXT {
            return self.canonical_e820(memory, sink);
        }
        // Data is at most as long as a 32-bit number says.
        sink.put(&u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes());
        match self.data {
            Some(region) if self.kind != kind::RNG_SEED => {
                memory.for_each(region, |bytes| sink.put(bytes))
            }
            _ => Ok(()),
        }
    }

    fn canonical_e820<M: PhysMem>(
        &self,
        memory: &mut M,
        sink: &mut impl Sink,
    ) -> Result<(), Error> {
        let Some(data) = self.data else {
            return Ok(());
        };
        let count = data.size() / e820::ENTRY_SIZE as u64;
        let count = u32::try_from(count).map_err(|_| Error::E820Invalid)?;
        if count > e820::MAX_EXTENDED {
            return Err(Error::E820Invalid);
        }
        let get = |index: u32| {
            let mut bytes = [0; e820::ENTRY_SIZE];
            let offset = u64::from(index).saturating_mul(e820::ENTRY_SIZE as u64);
            memory.read(data.base().saturating_add(offset), &mut bytes)?;
            E820Entry::parse(&bytes)
        };
        e820::canonical(count, get, sink).map(|_| ())
    }
}

impl Target {
    fn read<M: PhysMem>(
        memory: &mut M,
        address: u64,
        allow: &mut impl FnMut(&Region) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let mut bytes = [0; INDIRECT_SIZE];
        memory.read(address, &mut bytes)?;
        let target = Self {
            kind: u32_at(&bytes, 0).unwrap_or(0),
            region: region_of(
                u64_at(&bytes, 16).unwrap_or(0),
                u64_at(&bytes, 8).unwrap_or(0),
            )?,
        };
        // The kernel takes a target that is indirect again for the node's own data.
        if target.kind == kind::INDIRECT || u32_at(&bytes, 4) != Some(0) {
            return Err(Error::SetupDataNode);
        }
        if !acceptable(target.kind & !kind::INDIRECT) {
            return Err(Error::SetupDataType);
        }
        if let Some(region) = &target.region {
            allow(region)?;
        }
        Ok(target)
    }
}

/// A list that was walked to its end once, every node read and allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    head: u64,
    nodes: u32,
}

impl Chain {
    /// Walks the list that begins at `head`, 0 if there is none. `allow` is asked about each
    /// region before it is read: it should refuse what is not RAM and what belongs to the launch.
    ///
    /// # Errors
    ///
    /// [`Error::SetupDataCycle`] if the list does not end within [`MAX_NODES`];
    /// [`Error::SetupDataNode`] if its nodes have more than [`MAX_BYTES`] together; those of
    /// [`Node::read`].
    pub fn check<M: PhysMem>(
        memory: &mut M,
        head: u64,
        mut allow: impl FnMut(&Region) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let mut nodes: u32 = 0;
        let mut bytes: u64 = 0;
        let mut address = head;
        while address != 0 {
            if nodes == MAX_NODES {
                return Err(Error::SetupDataCycle);
            }
            let node = Node::read(memory, address, &mut allow)?;
            nodes = nodes.saturating_add(1);
            bytes = bytes.saturating_add(node.size());
            address = node.next;
        }
        if bytes > MAX_BYTES {
            return Err(Error::SetupDataNode);
        }
        Ok(Self { head, nodes })
    }

    /// How many nodes the list has.
    pub const fn nodes(&self) -> u32 {
        self.nodes
    }

    /// Reads the nodes again, in order, and gives each to `visit`, with the memory to read its
    /// data from.
    ///
    /// # Errors
    ///
    /// What `visit` reports, and [`Error::SetupDataCycle`] if the list has changed meanwhile.
    pub fn for_each<M: PhysMem>(
        &self,
        memory: &mut M,
        mut visit: impl FnMut(&mut M, &Node) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut address = self.head;
        for _ in 0..self.nodes {
            if address == 0 {
                return Err(Error::SetupDataCycle);
            }
            // Allowed by `check`.
            let node = Node::read(memory, address, &mut |_: &Region| Ok(()))?;
            visit(memory, &node)?;
            address = node.next;
        }
        if address != 0 {
            return Err(Error::SetupDataCycle);
        }
        Ok(())
    }
}
