// SPDX-License-Identifier: GPL-2.0

//! Little-endian access to byte slices, checked, and the place hashed bytes go to.
//!
//! Nothing here can fail loudly: out of bounds is `None`, which the caller turns into the error
//! that fits its format.

/// Takes the bytes of a canonical form, in order, in pieces of any size.
///
/// Whatever cuts the same bytes into other pieces is the same form. Every `FnMut(&[u8])` is one.
pub trait Sink {
    /// Takes the next bytes.
    fn put(&mut self, bytes: &[u8]);
}

impl<F: FnMut(&[u8])> Sink for F {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self(bytes)
    }
}

/// Puts `count` zero bytes into `sink`.
pub fn put_zeros(sink: &mut impl Sink, count: usize) {
    const ZEROS: [u8; 64] = [0; 64];
    let mut left = count;
    while left > 0 {
        let step = left.min(ZEROS.len());
        sink.put(ZEROS.get(..step).unwrap_or(&ZEROS));
        left = left.saturating_sub(step);
    }
}

/// The `N` bytes at `offset`, copied out.
#[inline]
pub fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk::<N>().copied()
}

/// The byte at `offset`.
#[inline]
pub fn u8_at(bytes: &[u8], offset: usize) -> Option<u8> {
    bytes.get(offset).copied()
}

/// The little-endian 16-bit number at `offset`.
#[inline]
pub fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    array_at(bytes, offset).map(u16::from_le_bytes)
}

/// The little-endian 32-bit number at `offset`.
#[inline]
pub fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    array_at(bytes, offset).map(u32::from_le_bytes)
}

/// The little-endian 64-bit number at `offset`.
#[inline]
pub fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    array_at(bytes, offset).map(u64::from_le_bytes)
}

/// The `size` bytes at `offset`.
#[inline]
pub fn slice_at(bytes: &[u8], offset: usize, size: usize) -> Option<&[u8]> {
    bytes.get(offset..)?.get(..size)
}

/// Overwrites the bytes at `offset` with `value`; `None`, and nothing written, if they do not fit.
#[inline]
pub fn set_at(bytes: &mut [u8], offset: usize, value: &[u8]) -> Option<()> {
    let target = bytes.get_mut(offset..)?.get_mut(..value.len())?;
    copy(target, value);
    Some(())
}

/// Copies as many bytes as both slices have and returns how many these are.
#[inline]
pub fn copy(to: &mut [u8], from: &[u8]) -> usize {
    for (t, f) in to.iter_mut().zip(from) {
        *t = *f;
    }
    to.len().min(from.len())
}

/// The index of the first byte of `bytes` that is `byte`.
#[inline]
pub fn find(bytes: &[u8], byte: u8) -> Option<usize> {
    let mut index: usize = 0;
    for candidate in bytes {
        if *candidate == byte {
            return Some(index);
        }
        index = index.saturating_add(1);
    }
    None
}

/// The records of `N` bytes in a slice, copied out one after the other.
///
/// Unlike `chunks_exact()` and `enumerate()`, whose arithmetic is checked where overflow checks
/// are on, this cannot panic whatever the optimiser makes of it.
#[derive(Clone, Copy, Debug)]
pub struct Records<'a, const N: usize> {
    left: &'a [u8],
}

impl<'a, const N: usize> Records<'a, N> {
    /// The records in `bytes`; what is left at the end is ignored.
    #[inline]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }
}

impl<const N: usize> Iterator for Records<'_, N> {
    type Item = [u8; N];

    #[inline]
    fn next(&mut self) -> Option<[u8; N]> {
        let (record, left) = self.left.split_first_chunk::<N>()?;
        self.left = left;
        Some(*record)
    }
}

/// Reads numbers one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first of `bytes`.
    #[inline]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes were read.
    #[inline]
    pub const fn position(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    #[inline]
    pub const fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// The next `size` bytes.
    #[inline]
    pub fn take(&mut self, size: usize) -> Option<&'a [u8]> {
        let taken = slice_at(self.bytes, self.at, size)?;
        self.at = self.at.checked_add(size)?;
        Some(taken)
    }

    /// The next `N` bytes, copied out.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let value = array_at(self.bytes, self.at)?;
        self.at = self.at.checked_add(N)?;
        Some(value)
    }

    /// The next byte.
    #[inline]
    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    /// The next 16-bit number.
    #[inline]
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// The next 32-bit number.
    #[inline]
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// The next 64-bit number.
    #[inline]
    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

/// Writes numbers one after the other. The first one that does not fit makes the writer invalid
/// for good, so that one check in [`Writer::finish`] is enough.
#[derive(Debug)]
pub struct Writer<'a> {
    bytes: &'a mut [u8],
    at: usize,
    valid: bool,
}

impl<'a> Writer<'a> {
    /// Starts at the first of `bytes`.
    #[inline]
    pub fn new(bytes: &'a mut [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            valid: true,
        }
    }

    /// Appends `value`.
    #[inline]
    pub fn put(&mut self, value: &[u8]) {
        if !self.valid {
            return;
        }
        let end = self.at.checked_add(value.len());
        match (set_at(self.bytes, self.at, value), end) {
            (Some(()), Some(end)) => self.at = end,
            _ => self.valid = false,
        }
    }

    /// Appends a byte.
    #[inline]
    pub fn u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    /// Appends a 16-bit number.
    #[inline]
    pub fn u16(&mut self, value: u16) {
        self.put(&value.to_le_bytes());
    }

    /// Appends a 32-bit number.
    #[inline]
    pub fn u32(&mut self, value: u32) {
        self.put(&value.to_le_bytes());
    }

    /// Appends a 64-bit number.
    #[inline]
    pub fn u64(&mut self, value: u64) {
        self.put(&value.to_le_bytes());
    }

    /// How many bytes were written; `None` if something did not fit.
    #[inline]
    pub fn finish(self) -> Option<usize> {
        self.valid.then_some(self.at)
    }
}
