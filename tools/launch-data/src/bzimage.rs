// SPDX-License-Identifier: GPL-2.0

//! What a bzImage holds for a launch: the loader block and the kernel image.
//!
//! Written from the boot protocol (Documentation/arch/x86/boot.rst) and the
//! formats of the launch, and shares no code with the kernel side: what is
//! computed here from the file must meet what the launch measured.

use std::io::Read;

use anyhow::{anyhow, bail, ensure, Context, Result};
use object::elf::{FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};
use object::LittleEndian as LE;

/// "HdrS" at 0x202 marks a kernel of boot protocol 2.00 or later.
const HDRS: &[u8] = b"HdrS";
/// The loader block's information structure: magic, version 1, 16 bytes. The magic alone is part of the
/// stub's code too.
const SLB_INFO: &[u8] = b"SLBR\x01\x00\x10\x00";
/// Header of a measured launch environment: UUID, then eleven 32-bit fields.
const MLE_UUID: [u8; 16] = [
    0x5a, 0xac, 0x82, 0x90, 0x6f, 0x47, 0xa7, 0x74, 0x0f, 0x5c, 0x55, 0xa2, 0xcb, 0x51, 0xb6, 0x42,
];

fn u16_at(data: &[u8], at: usize) -> Result<u16> {
    let bytes = data.get(at..at + 2).context("file too short")?;
    Ok(u16::from_le_bytes(bytes.try_into()?))
}

fn u32_at(data: &[u8], at: usize) -> Result<u32> {
    let bytes = data.get(at..at + 4).context("file too short")?;
    Ok(u32::from_le_bytes(bytes.try_into()?))
}

fn u64_at(data: &[u8], at: usize) -> Result<u64> {
    let bytes = data.get(at..at + 8).context("file too short")?;
    Ok(u64::from_le_bytes(bytes.try_into()?))
}

/// All positions of `needle` in `hay`.
fn find_all<'a>(hay: &'a [u8], needle: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    hay.windows(needle.len())
        .enumerate()
        .filter(move |(_, window)| *window == needle)
        .map(|(at, _)| at)
}

/// The measured bytes of the AMD loader block inside the bzImage.
pub fn slb(file: &[u8]) -> Result<&[u8]> {
    let mut found = None;
    for at in find_all(file, SLB_INFO) {
        // The block's word at +4 is the offset of the structure just found.
        for offset in 6..at.min(0xffff) {
            let base = at - offset;
            if usize::from(u16_at(file, base + 4)?) != offset {
                continue;
            }
            let entry = usize::from(u16_at(file, base)?);
            let length = usize::from(u16_at(file, base + 2)?);
            if entry < length && offset < length && base + length <= file.len() {
                ensure!(
                    found.is_none(),
                    "the kernel file holds two loader blocks: cannot tell which is used"
                );
                found = Some(&file[base..base + length]);
            }
        }
    }
    found.context("the kernel file holds no loader block: built without CONFIG_SECURE_LAUNCH?")
}

/// The position in the file and the bytes of the compressed payload.
pub fn payload(file: &[u8]) -> Result<(usize, &[u8])> {
    ensure!(file.get(0x202..0x206) == Some(HDRS), "not a bzImage");
    let setup_sects = match file[0x1f1] {
        0 => 4,
        n => usize::from(n),
    };
    let start = (setup_sects + 1) * 512 + u32_at(file, 0x248)? as usize;
    let length = u32_at(file, 0x24c)? as usize;
    let bytes = file
        .get(start..start + length)
        .context("the payload lies outside the file")?;
    Ok((start, bytes))
}

/// Decompresses the payload; its last four bytes are the unpacked size.
fn unpack(payload: &[u8]) -> Result<Vec<u8>> {
    let (data, size) = payload.split_at(payload.len().checked_sub(4).context("empty payload")?);
    let size = u32::from_le_bytes(size.try_into()?) as usize;
    let mut out = Vec::with_capacity(size);
    match data {
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            ruzstd::decoding::StreamingDecoder::new(data)
                .map_err(|e| anyhow!("kernel payload: {e}"))?
                .read_to_end(&mut out)?;
        }
        // gzip keeps the size in its own trailer, which is the same word.
        [0x1f, 0x8b, ..] => {
            flate2::read::GzDecoder::new(payload).read_to_end(&mut out)?;
        }
        _ => bail!("unknown compression of the kernel payload"),
    }
    ensure!(
        out.len() == size,
        "payload unpacks to {} of {size} bytes",
        out.len()
    );
    Ok(out)
}

/// The kernel as it lies in memory when it is measured.
///
/// The decompressor unpacks the ELF file to the load address and then moves
/// each segment down to its place, in order; bytes between the segments keep
/// what unpacking left there.
pub fn image_as_loaded(file: &[u8]) -> Result<Vec<u8>> {
    let (_, payload) = payload(file)?;
    let elf_file = unpack(payload)?;
    let load_address = u64_at(file, 0x258)?;
    let elf = FileHeader64::<LE>::parse(&*elf_file).context("the payload is no ELF file")?;
    let mut memory = elf_file.clone();
    for segment in elf.program_headers(LE, &*elf_file)? {
        if segment.p_type(LE) != PT_LOAD {
            continue;
        }
        let to = segment
            .p_paddr(LE)
            .checked_sub(load_address)
            .context("segment below the load address")? as usize;
        let from = segment.p_offset(LE) as usize;
        let size = segment.p_filesz(LE) as usize;
        let end = to.max(from).checked_add(size).context("segment size")?;
        if end > memory.len() {
            memory.resize(end, 0);
        }
        memory.copy_within(from..from + size, to);
    }
    let at = mle_header(&memory)?;
    let end = u32_at(&memory, at + 36)? as usize;
    ensure!(
        end % 4096 == 0 && at + 52 <= end,
        "MLE header: end {end:#x}"
    );
    ensure!(
        end <= elf_file.len(),
        "the image ends at {end:#x}, past the unpacked file: its digest would depend on old memory"
    );
    memory.truncate(end);
    ensure!(
        find_all(&memory, &MLE_UUID).count() == 1,
        "the MLE UUID occurs more than once in what is measured"
    );
    Ok(memory)
}

/// Offset of the MLE header in the image. Behind the image may be another, in what is left of
/// the unpacked file.
fn mle_header(memory: &[u8]) -> Result<usize> {
    find_all(memory, &MLE_UUID)
        .next()
        .context("no MLE header in the kernel image")
}
