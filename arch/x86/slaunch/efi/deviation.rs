// SPDX-License-Identifier: GPL-2.0

//! What a call of firmware has changed.

use super::{
    isolate::abort::Abort,
    service::Service, //
};

/// What was found changed, or what else went wrong.
#[derive(Clone, Copy)]
pub(crate) enum What {
    /// A register or a part of the processor's state, by name.
    State(&'static str),
    /// One of several, by name and number, as in `IDT[14]`.
    Entry(&'static str, u32),
    /// Memory: what lies there, and the offset in it in bytes.
    Memory(&'static str, u64),
    /// An exception in firmware code, by vector; from: address of the instruction, to: address
    /// accessed.
    Fault(u32),
    /// The call did not return within the time limit; from: the limit in ms, to: where it was
    /// stopped.
    TimeLimit,
    /// An output of the service that cannot be; from: what was offered, to: what came back.
    Output(&'static str),
    /// Firmware in user mode did what it may not; from: address of the instruction.
    Abort(Abort),
}

/// One deviation.
#[derive(Clone, Copy)]
pub(crate) struct Deviation {
    /// What deviates.
    pub(crate) what: What,
    /// What it was.
    pub(crate) from: u64,
    /// What it became.
    pub(crate) to: u64,
    /// Whether the gate has put it back.
    pub(crate) restored: bool,
}

impl Deviation {
    /// A deviation that stays.
    pub(crate) const fn new(what: What, from: u64, to: u64) -> Self {
        Self {
            what,
            from,
            to,
            restored: false,
        }
    }

    /// A deviation that the gate has put back.
    pub(crate) const fn restored(what: What, from: u64, to: u64) -> Self {
        Self {
            restored: true,
            ..Self::new(what, from, to)
        }
    }
}

/// Most deviations of one call that are kept; the others are only counted.
pub(crate) const MOST: usize = 8;

/// What one call of firmware has changed.
#[derive(Clone, Copy)]
pub(crate) struct Violation {
    /// The service that was called.
    pub(crate) service: Service,
    deviations: [Deviation; MOST],
    /// How many there were, and that of them the first are in `deviations`.
    count: u32,
}

impl Violation {
    /// Nothing yet.
    pub(crate) const fn new(service: Service) -> Self {
        Self {
            service,
            deviations: [const { Deviation::new(What::TimeLimit, 0, 0) }; MOST],
            count: 0,
        }
    }

    /// Nothing any more, of another call.
    pub(crate) fn begin(&mut self, service: Service) {
        self.service = service;
        self.count = 0;
    }

    /// Adds a deviation.
    pub(crate) fn add(&mut self, deviation: Deviation) {
        let slot = usize::try_from(self.count).unwrap_or(usize::MAX);
        if let Some(slot) = self.deviations.get_mut(slot) {
            *slot = deviation;
        }
        self.count = self.count.saturating_add(1);
    }

    /// The deviations that were kept, in the order in which they were found.
    pub(crate) fn deviations(&self) -> impl Iterator<Item = &Deviation> {
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        self.deviations.iter().take(count)
    }

    /// How many more there were.
    pub(crate) fn left_out(&self) -> usize {
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        count.saturating_sub(self.deviations().count())
    }

    /// Whether nothing was found.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }
}
