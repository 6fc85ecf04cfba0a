// SPDX-License-Identifier: GPL-2.0

//! A capsule for the tests' firmware, by the kernel's loader.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};

use rustix::io::Errno;
use sha2::{Digest, Sha256};

const LOADER: &str = "/dev/efi_capsule_loader";

/// The vendor of the tests, in the order of memory.
const VENDOR: [u8; 16] = [
    0x60, 0x1f, 0x3a, 0x5e, 0x1d, 0x7c, 0x52, 0x4b, 0x9a, 0x55, 0x51, 0xa4, 0xc6, 0xe0, 0xf0, 0x0d,
];

/// Capsules that firmware looks for after a reset (UEFI specification, section 8.5.3).
const PERSIST_ACROSS_RESET: u32 = 0x10000;

/// Header, and the name of what firmware is to do with it.
const HEADER: u32 = 28;
const NAME: usize = 16;

/// Loads a capsule of so many bytes, which are random but for its head; their SHA-256.
pub(crate) fn load(name: &str, size: &str) -> io::Result<String> {
    let size: u32 = size.parse().map_err(|_| Errno::INVAL)?;
    let mut bytes = VENDOR.to_vec();
    for word in [HEADER, PERSIST_ACROSS_RESET, size] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(name.as_bytes());
    bytes.resize(bytes.len() + NAME - name.len().min(NAME - 1), 0);
    let rest = u64::from(size).checked_sub(bytes.len() as u64);
    let mut random = File::open("/dev/urandom")?.take(rest.ok_or(Errno::INVAL)?);
    random.read_to_end(&mut bytes)?;
    // The last write is the one that calls firmware.
    OpenOptions::new()
        .write(true)
        .open(LOADER)?
        .write_all(&bytes)?;
    let digest = Sha256::digest(&bytes);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}
