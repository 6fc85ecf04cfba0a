// SPDX-License-Identifier: GPL-2.0

//! The area that firmware has the arguments of a call in.

use super::super::bytes::{set_at, u64_at};
use super::marshal::{Caller, MarshalError};

/// The longest name of a variable, in bytes, with its end.
const MOST_NAME: usize = 4096;

/// Most capsules that are asked about in one call.
const MOST_CAPSULES: u64 = 8;

/// Bytes of the header of a capsule.
const CAPSULE_HEADER: usize = 28;

/// Alignment of what is in the area.
const ALIGN: usize = 8;

/// The area while arguments are put there.
#[derive(Debug)]
pub(super) struct Area<'a> {
    bytes: &'a mut [u8],
    /// Where firmware has it.
    base: u64,
    /// What is in use at its front.
    used: usize,
    /// Where the free part ends.
    end: usize,
}

impl<'a> Area<'a> {
    /// An area with nothing in it, which firmware has at `base`.
    pub(super) fn new(bytes: &'a mut [u8], base: u64) -> Self {
        Self {
            end: bytes.len(),
            bytes,
            base,
            used: 0,
        }
    }

    /// What is in the area.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes
    }

    /// A place of `size` bytes at the front, zeroed.
    pub(super) fn front(&mut self, size: usize) -> Result<usize, MarshalError> {
        let offset = self.claim(size)?;
        self.slice(offset, size)?.fill(0);
        Ok(offset)
    }

    /// A place of `size` bytes at the front, with what is there.
    fn claim(&mut self, size: usize) -> Result<usize, MarshalError> {
        let end = self.used.checked_add(size);
        let end = end.filter(|&end| end <= self.end);
        let end = end.ok_or(MarshalError::TooLarge)?;
        // The next place may begin behind the end, and then there is none.
        let next = end.checked_next_multiple_of(ALIGN);
        let next = next.ok_or(MarshalError::TooLarge)?;
        Ok(core::mem::replace(&mut self.used, next))
    }

    /// A place of `size` bytes at the back, zeroed.
    pub(super) fn back(&mut self, size: usize) -> Result<usize, MarshalError> {
        let start = self.claim_back(size)?;
        self.slice(start, size)?.fill(0);
        Ok(start)
    }

    /// A place of `size` bytes at the back, with what is there.
    pub(super) fn claim_back(&mut self, size: usize) -> Result<usize, MarshalError> {
        let start = self.end.checked_sub(size).ok_or(MarshalError::TooLarge)?;
        let start = start & !(ALIGN - 1);
        if start < self.used {
            return Err(MarshalError::TooLarge);
        }
        self.end = start;
        Ok(start)
    }

    fn slice(&mut self, offset: usize, size: usize) -> Result<&mut [u8], MarshalError> {
        let part = self.bytes.get_mut(offset..);
        part.and_then(|part| part.get_mut(..size))
            .ok_or(MarshalError::TooLarge)
    }

    /// Where firmware has what is at `offset`.
    pub(super) fn address(&self, offset: usize) -> Result<u64, MarshalError> {
        let offset = u64::try_from(offset).ok();
        offset
            .and_then(|offset| self.base.checked_add(offset))
            .ok_or(MarshalError::TooLarge)
    }

    /// Puts a number or a pointer at `offset`.
    pub(super) fn set(&mut self, offset: usize, value: u64) -> Result<(), MarshalError> {
        set_at(self.bytes, offset, &value.to_le_bytes()).ok_or(MarshalError::TooLarge)
    }

    /// Copies `size` bytes from `address` to the front.
    pub(super) fn take(
        &mut self,
        caller: &impl Caller,
        address: u64,
        size: usize,
    ) -> Result<usize, MarshalError> {
        let offset = self.claim(size)?;
        caller.read(address, self.slice(offset, size)?);
        Ok(offset)
    }

    /// Copies a name to the front.
    pub(super) fn take_name(
        &mut self,
        caller: &impl Caller,
        address: u64,
    ) -> Result<usize, MarshalError> {
        let start = self.used;
        let room = self.end.saturating_sub(start);
        let size = self.copy_name(caller, address, start, room.min(MOST_NAME))?;
        self.claim(size)
    }

    /// Copies a name, up to its end, to a place of `most` bytes, and returns how many it has.
    pub(super) fn copy_name(
        &mut self,
        caller: &impl Caller,
        address: u64,
        offset: usize,
        most: usize,
    ) -> Result<usize, MarshalError> {
        let place = self.slice(offset, most)?;
        let mut from = address;
        let mut size: usize = 0;
        while let Some(letter) = place.get_mut(size..).and_then(<[u8]>::first_chunk_mut::<2>) {
            caller.read(from, letter);
            size = size.saturating_add(2);
            from = from.checked_add(2).ok_or(MarshalError::Invalid)?;
            if *letter == [0; 2] {
                return Ok(size);
            }
        }
        Err(MarshalError::Invalid)
    }

    /// Copies pointers to headers of capsules, and these, to the front.
    pub(super) fn take_capsules(
        &mut self,
        caller: &impl Caller,
        address: u64,
        count: u64,
    ) -> Result<usize, MarshalError> {
        if !(1..=MOST_CAPSULES).contains(&count) {
            return Err(MarshalError::Unsupported);
        }
        let count = usize::try_from(count).map_err(|_| MarshalError::Unsupported)?;
        let array = self.take(caller, address, count.saturating_mul(8))?;
        let mut at = array;
        for _ in 0..count {
            let pointer = u64_at(self.bytes, at).ok_or(MarshalError::TooLarge)?;
            if pointer == 0 {
                return Err(MarshalError::Invalid);
            }
            let header = self.take(caller, pointer, CAPSULE_HEADER)?;
            let header = self.address(header)?;
            self.set(at, header)?;
            at = at.saturating_add(8);
        }
        Ok(array)
    }
}
