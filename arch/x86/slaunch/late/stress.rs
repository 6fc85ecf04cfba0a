// SPDX-License-Identifier: GPL-2.0

//! A file for tests that makes the kernel record events, as fast as it can: `slaunch/extend` in
//! debugfs.
//!
//! A number N written to it records N events in PCR 18, with or without a launch. The data of the
//! i-th since boot, from 1, is i as 8 bytes, little endian. The write ends when all of them are
//! recorded.
//!
//! A number N written to `slaunch/hash` has the EFI gate compute its digests of the kernel's text
//! and read-only data N times, which is how the tests measure what one pass costs.
//!
//! Any number written to `slaunch/around` has the kernel call firmware around the gate, which is to
//! fail.

use super::{
    efi,
    events,
    tpm::{
        Pcr,
        EV_SLAUNCH, //
    }, //
};
use kernel::{
    debugfs::{
        Dir,
        File, //
    },
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    uaccess::UserSliceReader, //
};

/// Most events that one write asks for.
const MOST: u64 = 10_000;

/// Longest number that is read, in bytes.
const DIGITS: usize = 16;

/// The file, for as long as it is there.
pub(crate) struct Trigger {
    _file: Pin<KBox<File<Atomic<u64>>>>,
    _hash: Pin<KBox<File<Atomic<u64>>>>,
    _around: Pin<KBox<File<Atomic<u64>>>>,
}

impl Trigger {
    /// Creates the file.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        let dir = Dir::new(c"slaunch");
        let file = dir.write_callback_file(c"extend", Atomic::new(0u64), &extend);
        let hash = dir.write_callback_file(c"hash", Atomic::new(0u64), &hash);
        let around = dir.write_callback_file(c"around", Atomic::new(0u64), &around);
        Ok(Self {
            _file: KBox::pin_init(file, GFP_KERNEL)?,
            _hash: KBox::pin_init(hash, GFP_KERNEL)?,
            _around: KBox::pin_init(around, GFP_KERNEL)?,
        })
    }
}

/// Reads a number up to [`MOST`].
fn number(text: &mut UserSliceReader) -> Result<u64> {
    let mut buffer = [0; DIGITS];
    let size = text.len();
    let number = buffer.get_mut(..size).ok_or(EINVAL)?;
    text.read_slice(number)?;
    let number = core::str::from_utf8(number.trim_ascii()).map_err(|_| EINVAL)?;
    let number: u64 = number.parse().map_err(|_| EINVAL)?;
    match number {
        0..=MOST => Ok(number),
        _ => Err(EINVAL),
    }
}

fn hash(_: &Atomic<u64>, text: &mut UserSliceReader) -> Result {
    efi::passes(number(text)?);
    Ok(())
}

fn around(_: &Atomic<u64>, text: &mut UserSliceReader) -> Result {
    number(text)?;
    efi::around();
    Ok(())
}

fn extend(count: &Atomic<u64>, text: &mut UserSliceReader) -> Result {
    for _ in 0..number(text)? {
        let last = count.fetch_add(1, Relaxed);
        let data = last.wrapping_add(1).to_le_bytes();
        events::record(EV_SLAUNCH, Pcr::CONFIG, &data)?;
    }
    Ok(())
}
