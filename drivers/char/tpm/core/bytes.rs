// SPDX-License-Identifier: GPL-2.0

//! Checked access to byte buffers: one decoder, one encoder, one copy.

/// Reads a wire format front to back. Every method returns `None`, and consumes nothing, when too
/// few bytes are left.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader over all of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Number of bytes not yet read.
    pub const fn left(&self) -> usize {
        self.rest.len()
    }

    /// The bytes not yet read.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.rest.split_first_chunk::<N>()?;
        self.rest = tail;
        Some(*head)
    }

    /// The next `len` bytes, borrowed.
    pub fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.rest.split_at_checked(len)?;
        self.rest = tail;
        Some(head)
    }

    /// The next byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(u8::from_le_bytes)
    }

    /// The next 16 bits, big endian (TPM commands).
    pub fn be16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// The next 32 bits, big endian (TPM commands).
    pub fn be32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// The next 16 bits, little endian (event log).
    pub fn le16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// The next 32 bits, little endian (event log).
    pub fn le32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// The next 64 bits, little endian (event log).
    pub fn le64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

/// Writes a wire format front to back into a buffer.
///
/// What does not fit makes the builder invalid for good, so that callers check once, at the end,
/// with [`Builder::finish`]. An invalid builder writes nothing more.
pub struct Builder<'a> {
    buf: &'a mut [u8],
    len: usize,
    valid: bool,
}

impl<'a> Builder<'a> {
    /// An empty builder over `buf`.
    pub fn new(buf: &'a mut [u8]) -> Self {
        Self {
            buf,
            len: 0,
            valid: true,
        }
    }

    /// Appends `bytes`.
    #[inline(never)] // Used in many places; the loader block must stay small.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        let end = self.len.checked_add(bytes.len());
        let room = end.and_then(|end| self.buf.get_mut(self.len..end));
        match (room, end) {
            (Some(room), Some(end)) if self.valid => {
                copy(room, bytes);
                self.len = end;
            }
            _ => self.valid = false,
        }
        self
    }

    /// Appends one byte.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes(&[value])
    }

    /// Appends 16 bits, big endian.
    pub fn be16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// Appends 32 bits, big endian.
    pub fn be32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// Appends 16 bits, little endian.
    pub fn le16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Appends 32 bits, little endian.
    pub fn le32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Appends 64 bits, little endian.
    pub fn le64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Marks the content as wrong; [`Builder::finish`] will refuse it.
    pub fn invalidate(&mut self) -> &mut Self {
        self.valid = false;
        self
    }

    /// Writes the number of bytes so far, as 32 bits big endian, at the offset `at`, and returns
    /// all of them. `None` if anything did not fit.
    pub fn sized(&mut self, at: usize) -> Option<&[u8]> {
        let len = u32::try_from(self.finish()?).ok()?;
        let field = self.buf.get_mut(..self.len)?.get_mut(at..)?;
        *field.first_chunk_mut()? = len.to_be_bytes();
        self.buf.get(..self.len)
    }

    /// The number of bytes written, or `None` if anything did not fit.
    pub fn finish(&self) -> Option<usize> {
        self.valid.then_some(self.len)
    }
}

/// Copies as many bytes as both sides have, without a length check that could panic.
#[inline(never)] // As above; and this way it is one call of memcpy.
pub(super) fn copy(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}
