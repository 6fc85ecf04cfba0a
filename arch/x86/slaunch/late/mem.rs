// SPDX-License-Identifier: GPL-2.0

//! Reading physical memory.

use kernel::{
    bindings,
    prelude::*, //
};

/// Largest piece that is read, in bytes: far beyond any event log.
const MAX: usize = 16 << 20;

/// The memory type of RAM.
const WRITE_BACK: c_ulong = bindings::MEMREMAP_WB as c_ulong;

/// A mapping of physical memory, undone on drop.
///
/// # Invariants
///
/// `ptr` is what `memremap()` returned, and not NULL.
struct Mapping {
    ptr: *mut c_void,
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: Mapped by `memremap()`, and unmapped only here.
        unsafe { bindings::memunmap(self.ptr) };
    }
}

/// Copies `size` bytes from physical memory at `base`, which must be RAM that nothing else uses or
/// a table of the firmware.
///
/// A copy, so that what is checked is what is used, whoever may write to that memory.
///
/// # Errors
///
/// `EINVAL` if there is nothing to copy or far too much, `ENOMEM` if it cannot be mapped or stored.
pub(crate) fn read(base: u64, size: u64) -> Result<KVVec<u8>> {
    let size = usize::try_from(size)?;
    if size == 0 || size > MAX || base.checked_add(u64::try_from(size)?).is_none() {
        return Err(EINVAL);
    }
    let mut copy = KVVec::with_capacity(size, GFP_KERNEL)?;

    // SAFETY: Any range may be asked for; the result says whether it can be mapped.
    let ptr = unsafe { bindings::memremap(base, size, WRITE_BACK) };
    if ptr.is_null() {
        return Err(ENOMEM);
    }
    // INVARIANT: Not NULL, as just checked.
    let mapping = Mapping { ptr };

    for (i, byte) in copy.spare_capacity_mut().iter_mut().take(size).enumerate() {
        // SAFETY: The mapping has `size` bytes, and `i` is below that. The read is volatile: other
        // users of that memory cannot be excluded.
        byte.write(unsafe { mapping.ptr.cast::<u8>().add(i).read_volatile() });
    }
    // SAFETY: The capacity is at least `size`, and that many bytes were just written.
    unsafe { copy.inc_len(size) };
    Ok(copy)
}
