// SPDX-License-Identifier: GPL-2.0

//! The MLE header: what the kernel image says about itself.
//!
//! Layout: Intel TXT Software Development Guide, section 2.1. The header is part of the image, so
//! it is measured with it; the loader block takes from it how much to hash and where to enter.

#[cfg(feature = "host")]
use super::bytes::Writer;
use super::bytes::{u32_at, Records};
use super::error::Error;
use super::region::PAGE_SIZE;

/// Bytes of the header.
pub const SIZE: usize = HEADER_LEN as usize;

const HEADER_LEN: u32 = 52;

/// The version, major in the high half. The newest that the TrenchBoot series uses.
pub const VERSION: u32 = 0x0002_0002;

/// Capabilities of our image: both ways to wake processors, page table pointer in ECX, details
/// and authorities PCRs, TCG event log.
pub const CAPABILITIES: u32 = 0x227;

/// What the header has to be aligned to, and the step of a search.
pub const ALIGNMENT: usize = 4;

/// The four words of the UUID, each combined with [`SCRAMBLE`].
///
/// The UUID must occur once in an image, in the header. If this code, which is part of the image,
/// held the 16 bytes as they are, there would be two.
const UUID_SCRAMBLED: [u32; 4] = [
    0x9082_ac5a ^ SCRAMBLE,
    0x74a7_476f ^ SCRAMBLE,
    0xa255_5c0f ^ SCRAMBLE,
    0x42b6_51cb ^ SCRAMBLE,
];

const SCRAMBLE: u32 = 0x5bd1_e995;

/// The fields of the header that have to do with a launch.
///
/// `uuid@0, header_len u32@16, version u32@20, entry u32@24, first_valid_page u32@28,
/// mle_start u32@32, mle_end u32@36, capabilities u32@40, cmdline_start u32@44,
/// cmdline_end u32@48`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MleHeader {
    /// Bytes from the start of the image to the 32-bit entry point.
    pub entry: u32,
    /// Bytes of the image that are measured, counted from its start: whole pages.
    pub mle_end: u32,
    /// What the image can do.
    pub capabilities: u32,
}

/// True if the UUID begins at `offset` of `image`.
fn uuid_at(image: &[u8], offset: usize) -> bool {
    let mut at = offset;
    for word in UUID_SCRAMBLED {
        match u32_at(image, at) {
            Some(found) if found ^ SCRAMBLE == word => at = at.saturating_add(4),
            _ => return false,
        }
    }
    true
}

impl MleHeader {
    /// Reads the header that begins at `offset` of `image` and checks what it says about itself.
    ///
    /// # Errors
    ///
    /// [`Error::MleHeader`] if UUID, length, version or capabilities are wrong, if the image
    /// begins elsewhere than at its first byte, or if size or entry are not plausible;
    /// [`Error::MleBounds`] if the header lies outside what is measured.
    pub fn parse_at(image: &[u8], offset: usize) -> Result<Self, Error> {
        if offset % ALIGNMENT != 0 || !uuid_at(image, offset) {
            return Err(Error::MleHeader);
        }
        let header = image.get(offset..).ok_or(Error::MleHeader)?;
        let field = |at| u32_at(header, at).ok_or(Error::MleHeader);
        let parsed = Self {
            entry: field(24)?,
            mle_end: field(36)?,
            capabilities: field(40)?,
        };
        let (first_valid_page, mle_start) = (field(28)?, field(32)?);
        let (cmdline_start, cmdline_end) = (field(44)?, field(48)?);
        if field(16)? != HEADER_LEN
            || field(20)? != VERSION
            || first_valid_page != 0
            || mle_start != 0
            || cmdline_start != 0
            || cmdline_end != 0
            || parsed.capabilities != CAPABILITIES
            || parsed.mle_end == 0
            || u64::from(parsed.mle_end) % PAGE_SIZE != 0
            || parsed.entry >= parsed.mle_end
        {
            return Err(Error::MleHeader);
        }
        let end = offset.checked_add(SIZE).ok_or(Error::MleBounds)?;
        if end > usize::try_from(parsed.mle_end).map_err(|_| Error::MleBounds)? {
            return Err(Error::MleBounds);
        }
        Ok(parsed)
    }

    /// Checks that what is measured lies in the `size` bytes that the image was loaded to.
    ///
    /// # Errors
    ///
    /// [`Error::MleBounds`].
    pub fn fits(&self, size: u64) -> Result<(), Error> {
        if u64::from(self.mle_end) > size {
            return Err(Error::MleBounds);
        }
        Ok(())
    }

    /// The header as bytes. Only for tests and tools: it puts the UUID into the object.
    #[cfg(feature = "host")]
    pub fn to_bytes(&self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        let mut out = Writer::new(&mut bytes);
        for word in UUID_SCRAMBLED {
            out.u32(word ^ SCRAMBLE);
        }
        out.u32(HEADER_LEN);
        out.u32(VERSION);
        out.u32(self.entry);
        out.u32(0);
        out.u32(0);
        out.u32(self.mle_end);
        out.u32(self.capabilities);
        bytes
    }
}

/// Finds the header in `image`: its offset, and what it says.
///
/// All that is measured is searched, at the header's alignment, to be sure that there is one
/// header only. What follows is not looked at: there, behind the image, the decompressor leaves
/// parts of the file, in which the header may show a second time.
///
/// # Errors
///
/// [`Error::MleHeader`] if there is none or it is malformed, [`Error::MleDuplicate`] if there are
/// two, [`Error::MleBounds`] as for [`MleHeader::parse_at`] and [`MleHeader::fits`].
pub fn find(image: &[u8]) -> Result<(usize, MleHeader), Error> {
    let mut found = None;
    let mut end = image.len();
    let first = UUID_SCRAMBLED[0] ^ SCRAMBLE;
    let mut offset: usize = 0;
    for word in Records::<ALIGNMENT>::new(image) {
        if offset >= end {
            break;
        }
        if u32::from_le_bytes(word) == first && uuid_at(image, offset) {
            if found.is_some() {
                return Err(Error::MleDuplicate);
            }
            let header = MleHeader::parse_at(image, offset)?;
            header.fits(u64::try_from(image.len()).map_err(|_| Error::MleBounds)?)?;
            end = usize::try_from(header.mle_end).map_err(|_| Error::MleBounds)?;
            found = Some((offset, header));
        }
        offset = offset.saturating_add(ALIGNMENT);
    }
    found.ok_or(Error::MleHeader)
}

/// How often the UUID occurs in `image`, at whatever alignment. A loader may search bytewise, so
/// a build should refuse an image where this is not one.
pub fn occurrences(image: &[u8]) -> usize {
    let mut count: usize = 0;
    for offset in 0..image.len() {
        if uuid_at(image, offset) {
            count = count.saturating_add(1);
        }
    }
    count
}
