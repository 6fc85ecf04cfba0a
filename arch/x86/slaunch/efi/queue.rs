// SPDX-License-Identifier: GPL-2.0

//! Violations that are not on record yet.
//!
//! Without locks: something may go in at any time, even while the processor that is taking
//! something out has been stopped for good.

use core::{
    cell::UnsafeCell,
    ops::Deref, //
};

use super::{
    deviation::Violation,
    service::Service, //
};
use kernel::sync::atomic::{
    Acquire,
    Atomic,
    Relaxed,
    Release, //
};

/// How many there is room for. After the first there are no more calls, so there can hardly be a
/// second.
const SLOTS: usize = 4;

/// The slot is empty.
const FREE: u32 = 0;
/// Somebody is writing or reading the slot, and nobody else may.
const BUSY: u32 = 1;
/// There is a violation in the slot.
const READY: u32 = 2;

struct Slot {
    state: Atomic<u32>,
    /// Orders the violations.
    number: Atomic<u64>,
    /// Whether it was printed.
    announced: Atomic<bool>,
    violation: UnsafeCell<Violation>,
}

// SAFETY: The violation is accessed only by the one who made the state `BUSY`.
unsafe impl Sync for Slot {}

impl Slot {
    const fn empty() -> Self {
        Self {
            state: Atomic::new(FREE),
            number: Atomic::new(0),
            announced: Atomic::new(false),
            violation: UnsafeCell::new(Violation::new(Service::Other)),
        }
    }

    /// Whether the slot was in the state `from`, and is now the caller's.
    fn claim(&self, from: u32) -> bool {
        self.state.cmpxchg(from, BUSY, Acquire).is_ok()
    }
}

/// A queue of violations.
pub(crate) struct Queue {
    slots: [Slot; SLOTS],
    next: Atomic<u64>,
}

impl Queue {
    /// Nothing.
    pub(crate) const fn new() -> Self {
        Self {
            slots: [const { Slot::empty() }; SLOTS],
            next: Atomic::new(0),
        }
    }

    /// Whether nothing is there.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots
            .iter()
            .all(|slot| slot.state.load(Relaxed) == FREE)
    }

    /// Puts `violation` in; false if there is no room.
    pub(crate) fn push(&self, violation: Violation) -> bool {
        let Some(slot) = self.slots.iter().find(|slot| slot.claim(FREE)) else {
            return false;
        };
        // SAFETY: The slot was just claimed, so nobody else accesses what is in it.
        unsafe { *slot.violation.get() = violation };
        slot.announced.store(false, Relaxed);
        slot.number.store(self.next.fetch_add(1, Relaxed), Relaxed);
        slot.state.store(READY, Release);
        true
    }

    /// The oldest one that is at least the `number`th, and that nobody else is looking at.
    pub(crate) fn oldest(&self, number: u64) -> Option<Pending<'_>> {
        let ready =
            |slot: &&Slot| slot.state.load(Acquire) == READY && slot.number.load(Relaxed) >= number;
        let slot = self
            .slots
            .iter()
            .filter(ready)
            .min_by_key(|slot| slot.number.load(Relaxed))?;
        // Whoever is faster has the same to do.
        slot.claim(READY).then_some(Pending { slot })
    }
}

/// A violation in the queue. It stays there when this is dropped.
///
/// # Invariants
///
/// The state of the slot is `BUSY`, and its owner is this.
pub(crate) struct Pending<'a> {
    slot: &'a Slot,
}

impl Pending<'_> {
    /// Which one it is: the first since boot has number 0.
    pub(crate) fn number(&self) -> u64 {
        self.slot.number.load(Relaxed)
    }

    /// Whether it was not printed before; then it is now.
    pub(crate) fn to_announce(&self) -> bool {
        !self.slot.announced.xchg(true, Relaxed)
    }

    /// Takes it out of the queue.
    pub(crate) fn done(self) {
        self.slot.state.store(FREE, Release);
        core::mem::forget(self);
    }
}

impl Deref for Pending<'_> {
    type Target = Violation;

    fn deref(&self) -> &Violation {
        // SAFETY: Only the owner accesses it, by the type invariant.
        unsafe { &*self.slot.violation.get() }
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.slot.state.store(READY, Release);
    }
}
