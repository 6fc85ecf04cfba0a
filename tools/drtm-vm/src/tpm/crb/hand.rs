// SPDX-License-Identifier: GPL-2.0
//! What the model tells a running CRB: faults, and that a launch has taken place.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use crate::tpm::data::lock;
use crate::tpm::faults::{Match, RegisterFault};

#[derive(Debug, Default)]
struct Shared {
    generation: AtomicU32,
    fault: Mutex<Option<(RegisterFault, Match)>>,
    established: AtomicBool,
}

/// The model's end; clones act on the same device.
#[derive(Debug, Clone, Default)]
pub struct Hand(Arc<Shared>);

impl Hand {
    /// Stages a fault, or removes it.
    pub fn set_fault(&self, fault: Option<(RegisterFault, Match)>) {
        *lock(&self.0.fault) = fault;
        self.0.generation.fetch_add(1, Ordering::Release);
    }

    /// Tells whether a dynamic launch has taken place.
    pub fn set_established(&self, established: bool) {
        self.0.established.store(established, Ordering::Release);
    }

    /// Whether one has.
    pub fn established(&self) -> bool {
        self.0.established.load(Ordering::Acquire)
    }

    /// Brings the device's copy up to date; whether anything was new.
    pub(super) fn refresh(&self, staging: &mut Staging) -> bool {
        let generation = self.0.generation.load(Ordering::Acquire);
        let established = self.established();
        let new = generation != staging.generation || established != staging.established;
        if generation != staging.generation {
            staging.fault = *lock(&self.0.fault);
            staging.generation = generation;
        }
        staging.established = established;
        new
    }
}

/// The device's copy: the fault, which counts down to its moment.
#[derive(Debug, Default)]
pub(super) struct Staging {
    generation: u32,
    established: bool,
    fault: Option<(RegisterFault, Match)>,
}

impl Staging {
    /// The fault, if its moment has come.
    pub(super) fn active(&self) -> Option<&RegisterFault> {
        match &self.fault {
            Some((fault, which)) if which.skip == 0 => Some(fault),
            _ => None,
        }
    }

    /// A command has been answered.
    pub(super) fn answered(&mut self, code: u32) {
        if let Some((_, which)) = &mut self.fault {
            if which.code.is_none_or(|wanted| wanted == code) {
                which.skip = which.skip.saturating_sub(1);
            }
        }
    }
}
