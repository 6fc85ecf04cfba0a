// SPDX-License-Identifier: GPL-2.0

//! What a bzImage holds for a launch: the loader block and the kernel image.
//!
//! Written from the boot protocol (Documentation/arch/x86/boot.rst) and the
//! formats of the launch, and shares no code with the kernel side: what is
//! computed here from the file must meet what the launch measured.

use std::io::Read;

use anyhow::{anyhow, bail, ensure, Context, Result};
use memchr::memmem;
use object::elf::{FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};
use object::LittleEndian as LE;

/// "HdrS" at 0x202 marks a kernel of boot protocol 2.00 or later.
pub(crate) const HDRS: &[u8] = b"HdrS";
/// The loader block's information structure: magic, version 1, 16 bytes. The magic alone is part of the
/// stub's code too.
pub(crate) const SLB_INFO: &[u8] = b"SLBR\x01\x00\x10\x00";
/// Header of a measured launch environment: UUID, then eleven 32-bit fields.
pub(crate) const MLE_UUID: [u8; 16] = [
    0x5a, 0xac, 0x82, 0x90, 0x6f, 0x47, 0xa7, 0x74, 0x0f, 0x5c, 0x55, 0xa2, 0xcb, 0x51, 0xb6, 0x42,
];

/// Most bytes that a payload may unpack to. The size that the file gives is anything.
const MOST_UNPACKED: usize = 1 << 30;
/// Most places that are looked at as a loader block's information structure: each costs a search.
const MOST_BLOCKS: usize = 16;

fn array_at<const N: usize>(data: &[u8], at: usize) -> Result<[u8; N]> {
    let bytes = data.get(at..).and_then(|rest| rest.first_chunk());
    bytes.copied().context("file too short")
}

fn u16_at(data: &[u8], at: usize) -> Result<u16> {
    array_at(data, at).map(u16::from_le_bytes)
}

fn u32_at(data: &[u8], at: usize) -> Result<u32> {
    array_at(data, at).map(u32::from_le_bytes)
}

fn u64_at(data: &[u8], at: usize) -> Result<u64> {
    array_at(data, at).map(u64::from_le_bytes)
}

/// The bytes `at` a place, `length` of them.
fn slice_at(data: &[u8], at: usize, length: usize) -> Option<&[u8]> {
    data.get(at..)?.get(..length)
}

/// The measured bytes of the AMD loader block inside the bzImage.
///
/// # Errors
///
/// There is none, or there are two.
pub fn slb(file: &[u8]) -> Result<&[u8]> {
    let mut found = None;
    for (number, at) in memmem::find_iter(file, SLB_INFO).enumerate() {
        ensure!(
            number < MOST_BLOCKS,
            "the kernel file looks like a loader block in more than {MOST_BLOCKS} places"
        );
        // The block's word at +4 is the offset of the structure just found; so, once in a while, is one in the
        // packed kernel before it. The structure's word at +8 is the length of the block, behind which its
        // parameters are.
        let Ok(end) = u16_at(file, at.saturating_add(8)) else {
            break;
        };
        for offset in 6..at.min(0xffff) {
            let Some(base) = at.checked_sub(offset) else {
                break;
            };
            let Some(header) = slice_at(file, base, 6) else {
                break;
            };
            if usize::from(u16_at(header, 4)?) != offset {
                continue;
            }
            let entry = usize::from(u16_at(header, 0)?);
            let length = usize::from(u16_at(header, 2)?);
            let block = slice_at(file, base, length);
            let fits = entry < length && offset < length && length == usize::from(end);
            if let (Some(block), true) = (block, fits) {
                ensure!(
                    found.is_none(),
                    "the kernel file holds two loader blocks: cannot tell which is used"
                );
                found = Some(block);
            }
        }
    }
    found.context("the kernel file holds no loader block: built without CONFIG_SECURE_LAUNCH?")
}

/// Whether the file has the setup header of a bzImage.
pub fn is_bzimage(file: &[u8]) -> bool {
    slice_at(file, 0x202, HDRS.len()) == Some(HDRS)
}

/// The position in the file and the bytes of the compressed payload.
///
/// # Errors
///
/// The file is no bzImage, or shorter than its header says.
pub fn payload(file: &[u8]) -> Result<(usize, &[u8])> {
    ensure!(is_bzimage(file), "not a bzImage");
    let [setup_sects] = array_at(file, 0x1f1)?;
    let setup_sects = match setup_sects {
        0 => 4,
        n => usize::from(n),
    };
    let offset = usize::try_from(u32_at(file, 0x248)?)?;
    let length = usize::try_from(u32_at(file, 0x24c)?)?;
    // At most 256 sectors.
    let start = ((setup_sects + 1) * 512)
        .checked_add(offset)
        .context("the payload lies outside the file")?;
    let bytes = slice_at(file, start, length).context("the payload lies outside the file")?;
    Ok((start, bytes))
}

/// Decompresses the payload; its last four bytes are the unpacked size.
///
/// Memory is taken as bytes come out, not as the file promises them, and no more than it says.
fn unpack(payload: &[u8]) -> Result<Vec<u8>> {
    let (data, size) = payload
        .split_last_chunk::<4>()
        .context("the payload is empty")?;
    let size = usize::try_from(u32::from_le_bytes(*size))?;
    ensure!(
        size <= MOST_UNPACKED,
        "the payload says that it unpacks to {size} bytes: more than {MOST_UNPACKED}"
    );
    let limit = u64::try_from(size)?.saturating_add(1);
    let mut out = Vec::new();
    match data {
        [0x28, 0xb5, 0x2f, 0xfd, ..] => ruzstd::decoding::StreamingDecoder::new(data)
            .map_err(|e| anyhow!("kernel payload: {e}"))?
            .take(limit)
            .read_to_end(&mut out),
        // gzip keeps the size in its own trailer, which is the same word.
        [0x1f, 0x8b, ..] => flate2::read::GzDecoder::new(payload)
            .take(limit)
            .read_to_end(&mut out),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => lzma_rust2::XzReader::new(data, false)
            .take(limit)
            .read_to_end(&mut out),
        _ => bail!("unknown compression of the kernel payload: only zstd, xz and gzip are known"),
    }
    .context("kernel payload")?;
    ensure!(
        out.len() <= size,
        "the payload unpacks to more than the {size} bytes that it says"
    );
    ensure!(
        out.len() == size,
        "payload unpacks to {} of {size} bytes",
        out.len()
    );
    Ok(out)
}

/// A piece of the unpacked file that the decompressor moves.
struct Segment {
    from: usize,
    to: usize,
    size: usize,
}

/// The segments to be moved, in order.
fn segments(elf_file: &[u8], load_address: u64) -> Result<Vec<Segment>> {
    let elf = FileHeader64::<LE>::parse(elf_file).context("the payload is no ELF file")?;
    let mut segments = Vec::new();
    let mut total: usize = 0;
    for segment in elf.program_headers(LE, elf_file).context("payload")? {
        if segment.p_type(LE) != PT_LOAD {
            continue;
        }
        let to = segment
            .p_paddr(LE)
            .checked_sub(load_address)
            .context("segment below the load address")?;
        let segment = Segment {
            to: usize::try_from(to)?,
            from: usize::try_from(segment.p_offset(LE))?,
            size: usize::try_from(segment.p_filesz(LE))?,
        };
        ensure!(
            slice_at(elf_file, segment.from, segment.size).is_some(),
            "a segment lies outside the unpacked file"
        );
        // Segments do not share bytes; many that do would only cost time.
        total = total.saturating_add(segment.size);
        ensure!(
            total <= elf_file.len(),
            "the segments are larger than the unpacked file"
        );
        let end = segment.to.checked_add(segment.size);
        ensure!(
            end.is_some_and(|end| end <= MOST_UNPACKED),
            "a segment goes to {:#x}: too far from the load address",
            segment.to
        );
        segments.push(segment);
    }
    Ok(segments)
}

/// The kernel as it lies in memory when it is measured.
///
/// The decompressor unpacks the ELF file to the load address and then moves
/// each segment down to its place, in order; bytes between the segments keep
/// what unpacking left there.
///
/// # Errors
///
/// The file is no bzImage of a kernel that can be launched.
pub fn image_as_loaded(file: &[u8]) -> Result<Vec<u8>> {
    let (_, payload) = payload(file)?;
    let mut memory = unpack(payload)?;
    let unpacked = memory.len();
    for Segment { from, to, size } in segments(&memory, u64_at(file, 0x258)?)? {
        // `segments` has looked at all of these numbers.
        let end = to.saturating_add(size);
        if end > memory.len() {
            memory.resize(end, 0);
        }
        memory.copy_within(from..from.saturating_add(size), to);
    }
    let at = mle_header(&memory)?;
    let end = usize::try_from(u32_at(memory.get(at..).unwrap_or(&[]), 36)?)?;
    ensure!(
        end % 4096 == 0 && at.saturating_add(52) <= end,
        "MLE header: end {end:#x}"
    );
    ensure!(
        end <= unpacked,
        "the image ends at {end:#x}, past the unpacked file: its digest would depend on old memory"
    );
    memory.truncate(end);
    ensure!(
        memmem::find_iter(&memory, &MLE_UUID).take(2).count() == 1,
        "the MLE UUID occurs more than once in what is measured"
    );
    Ok(memory)
}

/// Offset of the MLE header in the image. Behind the image may be another, in what is left of
/// the unpacked file.
fn mle_header(memory: &[u8]) -> Result<usize> {
    memmem::find(memory, &MLE_UUID).context("no MLE header in the kernel image")
}

#[cfg(test)]
mod tests;
