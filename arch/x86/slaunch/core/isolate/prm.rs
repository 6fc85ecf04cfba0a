// SPDX-License-Identifier: GPL-2.0

//! The context that a handler of ACPI's Platform Runtime Mechanism is called with (Platform Runtime
//! Mechanism specification, section 3.1).
//!
//! `signature u32, revision u16, reserved u16, handler GUID, static data u64, list of ranges u64`.
//! The list has `count u64` and as many of `physical address u64, virtual address u64, length u32`:
//! registers that the handler's module may use. All pointers in it are virtual addresses of the
//! kernel's, and firmware in user mode has physical ones.

use super::super::bytes::u64_at;
use super::area::Area;
use super::marshal::{Caller, MarshalError};
use core::fmt::{self, Write};

/// Bytes of a context.
const CONTEXT: usize = 40;

/// Where its parts are.
const GUID_AT: u64 = 8;
const STATIC_DATA_AT: usize = 24;
const RANGES_AT: usize = 32;

/// Bytes of a range.
const RANGE: usize = 20;

/// Where a range has its virtual address.
const VIRTUAL_AT: usize = 8;

/// Most ranges.
const MOST_RANGES: u64 = 256;

/// The name of a handler, with its bytes in the order of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guid(pub [u8; 16]);

impl Guid {
    /// That of the handler which is called with the context at `context`.
    pub fn of_context(caller: &impl Caller, context: u64) -> Self {
        let mut bytes = [0; 16];
        caller.read(context.saturating_add(GUID_AT), &mut bytes);
        Self(bytes)
    }

    /// Writes it as `01234567-89ab-cdef-0123-456789abcdef`, where the first three parts are
    /// numbers.
    ///
    /// # Errors
    ///
    /// Those of `text`.
    pub fn write(&self, text: &mut impl Write) -> fmt::Result {
        let [a3, a2, a1, a0, b1, b0, c1, c0, d0, d1, node @ ..] = self.0;
        let first = u32::from_be_bytes([a0, a1, a2, a3]);
        let [second, third, fourth] = [[b0, b1], [c0, c1], [d0, d1]].map(u16::from_be_bytes);
        write!(text, "{first:08x}-{second:04x}-{third:04x}-{fourth:04x}-")?;
        node.iter().try_for_each(|byte| write!(text, "{byte:02x}"))
    }
}

/// Copies the context at `address`, and the list that it leads to, to the front of `area`.
///
/// # Errors
///
/// [`MarshalError::Invalid`] if static data is not the firmware's, or the list is longer than any;
/// [`MarshalError::TooLarge`] if the area has no room for it.
pub(super) fn take_context(
    area: &mut Area<'_>,
    caller: &impl Caller,
    address: u64,
) -> Result<usize, MarshalError> {
    let context = area.take(caller, address, CONTEXT)?;
    let word = |area: &Area<'_>, at: usize| {
        u64_at(area.bytes(), context.saturating_add(at)).ok_or(MarshalError::Invalid)
    };
    let data = word(area, STATIC_DATA_AT)?;
    if data != 0 {
        let data = caller.physical(data).ok_or(MarshalError::Invalid)?;
        area.set(context.saturating_add(STATIC_DATA_AT), data)?;
    }
    let list = word(area, RANGES_AT)?;
    if list != 0 {
        let list = take_ranges(area, caller, list)?;
        let list = area.address(list)?;
        area.set(context.saturating_add(RANGES_AT), list)?;
    }
    Ok(context)
}

/// Copies the list of ranges at `address`. What firmware gets of them is what is mapped for it
/// anyway: registers that its memory map has for run time.
fn take_ranges(
    area: &mut Area<'_>,
    caller: &impl Caller,
    address: u64,
) -> Result<usize, MarshalError> {
    const COUNT: usize = 8;
    let mut count = [0; COUNT];
    caller.read(address, &mut count);
    let count = u64::from_le_bytes(count);
    if count > MOST_RANGES {
        return Err(MarshalError::Invalid);
    }
    let count = usize::try_from(count).map_err(|_| MarshalError::Invalid)?;
    let size = count.saturating_mul(RANGE).saturating_add(COUNT);
    if size > caller.extent(address) {
        return Err(MarshalError::Invalid);
    }
    let list = area.take(caller, address, size)?;
    for index in 0..count {
        let at = index.saturating_mul(RANGE).saturating_add(COUNT);
        let at = list.saturating_add(at);
        let physical = u64_at(area.bytes(), at).ok_or(MarshalError::Invalid)?;
        area.set(at.saturating_add(VIRTUAL_AT), physical)?;
    }
    // As it was when its size was computed.
    area.set(list, u64::try_from(count).unwrap_or(0))?;
    Ok(list)
}
