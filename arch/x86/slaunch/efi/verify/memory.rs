// SPDX-License-Identifier: GPL-2.0

//! Digests of memory that firmware must leave alone: kernel text, read-only data, and the
//! firmware's own code.
//!
//! Kernel text changes lawfully. All that changes it ends in `__text_poke()`, which says so by
//! [`poked`]: the pages it names get a new digest before the next call. While a call is under way
//! that may sleep before and after, `text_mutex` is held and nothing changes; where it cannot be
//! taken, a page that was poked in the meantime is not judged.

use super::{
    super::violation::{
        Deviation,
        Violation,
        What, //
    },
    compress::{
        self,
        PageDigest, //
    }, //
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// Words of the bitmap of poked pages: enough for 128 MiB of text.
const POKED_WORDS: usize = 512;

/// Pages of text that were poked since their digest was computed, a bit each.
static POKED: [Atomic<u64>; POKED_WORDS] = [const { Atomic::new(0) }; POKED_WORDS];

/// Whether any bit of [`POKED`] is set.
static ANY_POKED: Atomic<u32> = Atomic::new(0);

/// Notes that text was changed, in any context.
pub(crate) fn poked(address: usize, size: usize) {
    let Some(offset) = address.checked_sub(text().0) else {
        return;
    };
    let last = offset.saturating_add(size.saturating_sub(1)) / PAGE_SIZE;
    for page in offset / PAGE_SIZE..=last {
        if let Some(word) = POKED.get(page / 64) {
            let mut was = word.load(Relaxed);
            while let Err(now) = word.cmpxchg(was, was | 1 << (page % 64), Relaxed) {
                was = now;
            }
        }
    }
    ANY_POKED.store(1, Relaxed);
}

/// Whether text was poked since the digests were computed.
pub(crate) fn any_poked() -> bool {
    ANY_POKED.load(Relaxed) != 0
}

/// Whether a page of text was poked.
fn is_poked(page: usize) -> bool {
    POKED
        .get(page / 64)
        .is_some_and(|word| word.load(Relaxed) >> (page % 64) & 1 != 0)
}

extern "C" {
    static _text: [u8; 0];
    static _etext: [u8; 0];
    static __start_rodata: [u8; 0];
    static __end_rodata: [u8; 0];
}

/// Start and end of kernel text, virtual.
pub(crate) fn text() -> (usize, usize) {
    ((&raw const _text).addr(), (&raw const _etext).addr())
}

/// Start and end of read-only data, virtual.
pub(crate) fn read_only_data() -> (usize, usize) {
    (
        (&raw const __start_rodata).addr(),
        (&raw const __end_rodata).addr(),
    )
}

/// A piece of memory, and the digests of its pages.
pub(crate) struct Piece {
    name: &'static str,
    start: usize,
    digests: KVVec<PageDigest>,
    /// Where what it is a part of begins: offsets are from there.
    origin: usize,
    /// Whether its pages may be poked.
    is_text: bool,
    /// Whether the digests have been computed.
    ready: bool,
}

impl Piece {
    /// The whole pages from `start` to `end`, and the one that `end` lies in.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(name: &'static str, (start, end): (usize, usize)) -> Result<Self> {
        let pages = end.saturating_sub(start).div_ceil(PAGE_SIZE);
        Ok(Self {
            name,
            start,
            origin: start,
            digests: KVVec::from_elem([0; 8], pages, GFP_KERNEL)?,
            is_text: start == text().0,
            ready: false,
        })
    }

    /// The same, as a part of what begins at `origin`.
    pub(crate) fn within(self, origin: usize) -> Self {
        Self { origin, ..self }
    }

    fn address(&self, page: usize) -> usize {
        self.start.wrapping_add(page.wrapping_mul(PAGE_SIZE))
    }

    /// Computes all digests, unless they have been.
    ///
    /// # Safety
    ///
    /// The memory can be read, and the FPU be used.
    pub(crate) unsafe fn begin(&mut self) {
        if self.ready {
            return;
        }
        let start = self.start;
        for (page, digest) in self.digests.iter_mut().enumerate() {
            // SAFETY: By the requirement of this function.
            *digest = unsafe { compress::page(start.wrapping_add(page.wrapping_mul(PAGE_SIZE))) };
        }
        self.ready = true;
    }

    /// Computes the digests of the pages that were poked.
    ///
    /// # Safety
    ///
    /// As for [`begin`](Self::begin).
    pub(crate) unsafe fn follow(&mut self) {
        if !self.is_text || !self.ready || ANY_POKED.load(Relaxed) == 0 {
            return;
        }
        ANY_POKED.store(0, Relaxed);
        for (index, word) in POKED.iter().enumerate() {
            let mut bits = match word.load(Relaxed) {
                0 => continue,
                _ => word.xchg(0, Relaxed),
            };
            while bits != 0 {
                let page = index
                    .wrapping_mul(64)
                    .wrapping_add(bits.trailing_zeros() as usize);
                bits &= bits.wrapping_sub(1);
                let address = self.address(page);
                if let Some(digest) = self.digests.get_mut(page) {
                    // SAFETY: By the requirement of this function.
                    *digest = unsafe { compress::page(address) };
                }
            }
        }
    }

    /// Computes all digests and compares them.
    ///
    /// # Safety
    ///
    /// As for [`begin`](Self::begin).
    pub(crate) unsafe fn compare(&self, found: &mut Violation) {
        if !self.ready {
            return;
        }
        for (page, digest) in self.digests.iter().enumerate() {
            // SAFETY: By the requirement of this function.
            let now = unsafe { compress::page(self.address(page)) };
            if now != *digest && !(self.is_text && is_poked(page)) {
                let offset = self.address(page).wrapping_sub(self.origin);
                let offset = u64::try_from(offset).unwrap_or(u64::MAX);
                found.add(Deviation::new(
                    What::Memory(self.name, offset),
                    compress::shown(digest),
                    compress::shown(&now),
                ));
            }
        }
    }
}
