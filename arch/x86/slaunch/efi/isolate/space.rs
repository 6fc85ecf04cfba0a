// SPDX-License-Identifier: GPL-2.0

//! The address space of the firmware: its own memory at its physical addresses, and four things of
//! the kernel's.

use super::{
    super::{
        gate::Svam,
        isolate::{
            map::{
                self,
                MapError,
                Mapping,
                Plan, //
            },
            marshal::ARGS, //
        },
        regions::Regions, //
    },
    denied,
    machine,
    task::{
        self,
        Entry, //
    },
    trap, //
};
use crate::{
    mem,
    slaunch::memmap::{
        Descriptor,
        MemMap,
        DESCRIPTOR_VERSION, //
    }, //
};
use kernel::{
    bindings,
    fmt,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        SetOnce, //
    }, //
};

/// Where a call returns to: a page that begins with `HLT`. Everything else of the kernel's is
/// behind it, so that one page of page tables is enough, and more than a page away from each other.
pub(super) const RETURN: u64 = 0x7e00_0000_0000;

/// The stack.
const STACK: u64 = RETURN + 0x1_0000;
const STACK_SIZE: usize = 32 << 10;

/// The area for arguments and results.
pub(super) const AREA: u64 = RETURN + 0x2_0000;
const AREA_SIZE: usize = 128 << 10;

/// `HLT`, which user mode does not have.
const HLT: u8 = 0xf4;

/// Most ranges of firmware's.
const MAPPINGS: usize = 256;

/// Most descriptors of a memory map.
const DESCRIPTORS: usize = 512;

/// Why there is no address space for firmware.
#[derive(Clone, Copy)]
pub(super) enum Failed {
    /// An error of the kernel's.
    Error(Error),
    /// The firmware's memory makes no sense.
    Map(MapError),
    /// The kernel does not call this firmware in 64-bit mode, or it is not called through the
    /// table.
    Unsupported,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => write!(f, "no user mode for the firmware: {error:?}"),
            Self::Map(why) => f.write_str(why.text()),
            Self::Unsupported => f.write_str("this firmware cannot run in user mode"),
        }
    }
}

/// Memory of the kernel's that firmware has too.
///
/// # Invariants
///
/// `size` bytes at `start` are this one's.
struct Pages {
    start: *mut u8,
    size: usize,
}

impl Pages {
    fn new(size: usize) -> Result<Self> {
        // SAFETY: It may always be called.
        let start: *mut u8 = unsafe { task::slaunch_efi_pages(size) }.cast();
        match start.is_null() {
            true => Err(ENOMEM),
            // INVARIANT: Just allocated.
            false => Ok(Self { start, size }),
        }
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: By the type invariant. While the task runs nothing of the kernel uses the memory.
        unsafe { core::slice::from_raw_parts_mut(self.start, self.size) }
    }

    fn physical(&self) -> u64 {
        // SAFETY: A number that does not change.
        let base = unsafe { bindings::page_offset_base };
        u64::try_from(self.start.addr().wrapping_sub(base)).unwrap_or(u64::MAX)
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: Allocated with this size, and there is no mapping any more.
        unsafe { task::slaunch_efi_pages_free(self.start.cast(), self.size) };
    }
}

/// The address space, with the task that has it.
pub(super) struct Space {
    mm: task::Mm,
    area: Pages,
    stack: Pages,
    _return: Pages,
    mappings: &'static [Mapping],
}

/// What is mapped of the firmware's memory, once it is.
static MAPPED: SetOnce<KVec<Mapping>> = SetOnce::new();

/// Pages that firmware wanted to have and did not get.
static DENIED: Atomic<u64> = Atomic::new(0);

/// What is mapped of the firmware's memory, and how many pages are not.
pub(super) fn mapped() -> (&'static [Mapping], u64) {
    let mapped = MAPPED.as_ref().map_or(&[][..], |mapped| mapped);
    (mapped, DENIED.load(Relaxed))
}

// SAFETY: The pointers are to memory that is its own.
unsafe impl Send for Space {}

impl Space {
    /// Makes the address space and the task, for firmware that is told about addresses as `svam`
    /// says.
    pub(super) fn start(svam: Svam) -> Result<Self, Failed> {
        if !super::table::in_use() {
            return Err(Failed::Unsupported);
        }
        let (mappings, denied) = plan()?;
        let mut page = Pages::new(PAGE_SIZE)?;
        if let Some(first) = page.bytes().first_mut() {
            *first = HLT;
        }
        let mut space = Self {
            mm: task::Mm::new()?,
            area: Pages::new(AREA_SIZE)?,
            stack: Pages::new(STACK_SIZE)?,
            _return: page,
            mappings: &[],
        };
        let mm = &space.mm;
        mm.map(RETURN, PAGE_SIZE, space._return.physical(), task::EXEC)?;
        mm.map(STACK, STACK_SIZE, space.stack.physical(), task::WRITE)?;
        mm.map(AREA, AREA_SIZE, space.area.physical(), task::WRITE)?;
        space.map_firmware(mappings, denied, svam == Svam::Identity)?;
        trap::init(machine::platform());
        space.mm.start()?;
        let (_, denied) = mapped();
        let pages: u64 = space.mappings.iter().map(|mapping| mapping.pages).sum();
        pr_info!(
            "firmware runs in user mode: {pages} pages in {} ranges, {denied} pages denied\n",
            space.mappings.len()
        );
        Ok(space)
    }

    /// Maps what firmware has, but for what turns out to be the kernel's; code writable too if it
    /// is to be relocated.
    fn map_firmware(
        &mut self,
        mut mappings: KVec<Mapping>,
        mut denied: u64,
        relocated: bool,
    ) -> Result {
        let mm = &self.mm;
        let mut result = Ok(());
        mappings.retain(|mapping| {
            if result.is_err() {
                return false;
            }
            if denied::is_ram(mapping.start, mapping.pages) {
                denied = denied.saturating_add(mapping.pages);
                return false;
            }
            result = mm.map_firmware(mapping, relocated);
            true
        });
        result?;
        MAPPED.populate(mappings);
        DENIED.store(denied, Relaxed);
        (self.mappings, _) = mapped();
        Ok(())
    }

    /// Ends the time in which code can be written to.
    pub(super) fn protect_code(&self) -> Result {
        for mapping in self.mappings.iter().filter(|mapping| mapping.code) {
            let size = usize::try_from(mapping.pages)?
                .checked_mul(PAGE_SIZE)
                .ok_or(EINVAL)?;
            self.mm.unmap(mapping.start, size)?;
            self.mm.map_firmware(mapping, false)?;
        }
        Ok(())
    }

    /// Lets firmware read physical memory at its address, until it is [unmapped](Self::unmap).
    pub(super) fn map(&self, start: u64, size: usize) -> Result {
        self.mm.map(start, size, start, task::READ)
    }

    /// Ends that.
    pub(super) fn unmap(&self, start: u64, size: usize) -> Result {
        self.mm.unmap(start, size)
    }

    /// Whether there is a function at this address.
    pub(super) fn is_function(&self, address: u64) -> bool {
        let plan = Plan {
            mappings: self.mappings,
            denied: 0,
        };
        plan.is_code(address)
    }

    /// The area for arguments and results, where firmware has it at [`AREA`].
    pub(super) fn area(&mut self) -> &mut [u8] {
        self.area.bytes()
    }

    /// Prepares the stack for a call of `function`, as the x64 convention of Microsoft has it.
    pub(super) fn enter(&mut self, function: u64, args: &[u64; ARGS]) -> Entry {
        // The return address, room for four arguments, and the fifth and sixth; such that the stack
        // was aligned before the return address.
        const FRAME: usize = 0x48;
        let [a, b, c, d, fifth, sixth] = *args;
        let words = [RETURN, 0, 0, 0, 0, fifth, sixth];
        let stack = self.stack.bytes();
        let at = stack.len().wrapping_sub(FRAME);
        if let Some(frame) = stack.get_mut(at..) {
            for (place, word) in frame.chunks_exact_mut(8).zip(words) {
                place.copy_from_slice(&word.to_le_bytes());
            }
        }
        Entry {
            ip: function,
            sp: STACK + (STACK_SIZE - FRAME) as u64, // CAST: Small numbers.
            args: [a, b, c, d],
        }
    }
}

/// What is to be mapped of the firmware's memory, and how many pages are not.
fn plan() -> Result<(KVec<Mapping>, u64), Failed> {
    let mut slots =
        KVVec::from_elem(Descriptor::EMPTY, DESCRIPTORS, GFP_KERNEL).map_err(Error::from)?;
    let mut memory = MemMap::new(&mut slots);
    for region in Regions::new() {
        let descriptor = Descriptor {
            base: region.phys_addr,
            kind: region.type_,
            attributes: region.attribute,
            pages: region.num_pages,
        };
        memory.push(descriptor).map_err(|_| EINVAL)?;
    }
    let mut attribute_slots =
        KVVec::from_elem(Descriptor::EMPTY, DESCRIPTORS, GFP_KERNEL).map_err(Error::from)?;
    let table = attributes_table();
    let attributes = match &table {
        Some(table) => Some(map::attributes(table, &mut attribute_slots).map_err(Failed::Map)?),
        None => None,
    };
    let denied = denied::regions()?;
    let mut mappings =
        KVec::from_elem(Mapping::EMPTY, MAPPINGS, GFP_KERNEL).map_err(Error::from)?;
    let plan = map::plan(&memory, attributes.as_ref(), &denied, RETURN, &mut mappings);
    let plan = plan.map_err(Failed::Map)?;
    let (used, pages) = (plan.mappings.len(), plan.denied);
    mappings.truncate(used);
    Ok((mappings, pages))
}

/// What firmware is told in SetVirtualAddressMap(): that its virtual addresses are the physical
/// ones.
pub(super) struct IdentityMap(KVVec<bindings::efi_memory_desc_t>);

impl IdentityMap {
    /// The arguments of the call.
    pub(super) fn args(&self) -> [u64; ARGS] {
        let size = size_of::<bindings::efi_memory_desc_t>() as u64; // CAST: A small number.
        let count = u64::try_from(self.0.len()).unwrap_or(0);
        let map = u64::try_from(self.0.as_ptr().expose_provenance()).unwrap_or(0);
        [
            count.saturating_mul(size),
            size,
            DESCRIPTOR_VERSION.into(),
            map,
            0,
            0,
        ]
    }
}

/// Makes that map.
pub(super) fn identity_map() -> Result<IdentityMap> {
    const RUNTIME: u64 = 1 << 63;
    let mut map = KVVec::new();
    for mut region in Regions::new() {
        if region.attribute & RUNTIME != 0 {
            region.virt_addr = region.phys_addr;
            map.push(region, GFP_KERNEL)?;
        }
    }
    Ok(IdentityMap(map))
}

/// The memory attributes table (UEFI specification, section 4.6), if there is one.
fn attributes_table() -> Option<KVVec<u8>> {
    const HEADER: u64 = 16;
    // SAFETY: Written while the kernel boots.
    let address = u64::try_from(unsafe { bindings::efi_mem_attr_table }).ok()?;
    if address == u64::MAX {
        return None;
    }
    let header = mem::read(address, HEADER).ok()?;
    let word = |at: usize| {
        let bytes = header.get(at..at.checked_add(4)?)?;
        Some(u64::from(u32::from_le_bytes(bytes.try_into().ok()?)))
    };
    let size = word(4)?.checked_mul(word(8)?)?.checked_add(HEADER)?;
    mem::read(address, size).ok()
}
