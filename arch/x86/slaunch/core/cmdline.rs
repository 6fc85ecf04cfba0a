// SPDX-License-Identifier: GPL-2.0

//! The kernel command line: a NUL-terminated string in a buffer of fixed size.

use super::bytes::find;
use super::error::Error;
use super::physmem::PhysMem;

/// Bytes of the kernel's buffer, the NUL included (`COMMAND_LINE_SIZE` on x86).
pub const COMMAND_LINE_SIZE: usize = 2048;

/// Bytes fetched at a time. A line that ends at the end of memory must not make the reader go
/// past it, so this divides the page size, and [`read`] keeps the pieces aligned to it.
const STEP: usize = 64;

/// The length of the command line in `buffer`, its NUL not counted.
///
/// That many bytes are what is measured: without the NUL, as if the line were a file.
///
/// # Errors
///
/// [`Error::CmdlineUnterminated`] if there is no NUL in the first [`COMMAND_LINE_SIZE`] bytes.
pub fn length(buffer: &[u8]) -> Result<usize, Error> {
    let line = buffer.get(..COMMAND_LINE_SIZE).unwrap_or(buffer);
    find(line, 0).ok_or(Error::CmdlineUnterminated)
}

/// Copies the command line at `address` into `buffer` and returns its length, NUL not counted.
///
/// The rest of the buffer is zeroed. Reading stops at the first aligned 64-byte piece that has a
/// NUL. Address zero means that there is no command line; the kernel then takes it as empty, and
/// so does this.
///
/// # Errors
///
/// [`Error::CmdlineUnterminated`], [`Error::IntegerOverflow`] if the line would go past the end
/// of the address space, or what `memory` reports.
pub fn read<M: PhysMem>(
    memory: &mut M,
    address: u64,
    buffer: &mut [u8; COMMAND_LINE_SIZE],
) -> Result<usize, Error> {
    buffer.fill(0);
    if address == 0 {
        return Ok(0);
    }
    let mut at: usize = 0;
    while at < COMMAND_LINE_SIZE {
        let from = address
            .checked_add(at as u64)
            .ok_or(Error::IntegerOverflow)?;
        let past = usize::try_from(from % STEP as u64).unwrap_or(0);
        let aligned = STEP.saturating_sub(past);
        let step = aligned.min(COMMAND_LINE_SIZE.saturating_sub(at));
        let end = at.saturating_add(step);
        let piece = buffer.get_mut(at..end).ok_or(Error::CmdlineUnterminated)?;
        memory.read(from, piece)?;
        if let Some(nul) = find(piece, 0) {
            let length = at.saturating_add(nul);
            // What follows the NUL is not the command line and is not measured.
            if let Some(rest) = buffer.get_mut(length..) {
                rest.fill(0);
            }
            return Ok(length);
        }
        at = end;
    }
    Err(Error::CmdlineUnterminated)
}
