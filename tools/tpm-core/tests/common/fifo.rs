// SPDX-License-Identifier: GPL-2.0

//! The registers of a FIFO TPM as PTP describes them, with time and faults under control.
//!
//! Time passes only when the driver waits ([`TestClock`]), so every timeout is exact. What a driver must
//! not do (seize from an equal locality, write beyond the burst count, ...) fails the test at once.

mod regs;

use super::sim::{Backend, TestClock};
use regs::{Inner, State};
use std::cell::RefCell;
use std::rc::Rc;

/// How the TPM misbehaves. The default is a good TPM.
#[derive(Clone)]
pub struct Faults {
    /// The TPM vanishes after this many register accesses.
    pub vanish_after: Option<u64>,
    /// ACCESS becomes valid this late.
    pub access_valid_at: u64,
    /// Delay between a request, or a seizure, and the grant; None: never.
    pub grant_us: Option<u64>,
    /// When the locality that holds the TPM at first lets go of it.
    pub release_at: Option<u64>,
    /// Seizures are ignored.
    pub seize_ignored: bool,
    /// A locality once active stays so.
    pub stays_active: bool,
    /// Delay until the TPM is ready for a command; None: never.
    pub ready_us: Option<u64>,
    /// Completion goes to Idle, not to Ready.
    pub idle_after: bool,
    /// How many bytes go at once.
    pub burst: u16,
    /// Delay until the burst count is not zero again; None: never.
    pub burst_us: Option<u64>,
    /// STS is valid this long after each transfer; None: never.
    pub valid_us: Option<u64>,
    /// Expect is never set, or always.
    pub expect: Option<bool>,
    /// Execution takes so long; None: for ever.
    pub execute_us: Option<u64>,
    /// Delay until a cancelled command responds; None: the request is ignored.
    pub cancel_us: Option<u64>,
    /// The first so many reads of a response are cut to half.
    pub cut_reads: u32,
    /// The interface tells that it is a TPM 2.0.
    pub tells_family: bool,
    pub interface_id: u32,
    pub did_vid: u32,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            vanish_after: None,
            access_valid_at: 0,
            grant_us: Some(0),
            release_at: None,
            seize_ignored: false,
            stays_active: false,
            ready_us: Some(0),
            idle_after: false,
            burst: 64,
            burst_us: Some(0),
            valid_us: Some(0),
            expect: None,
            execute_us: Some(1000),
            cancel_us: Some(1000),
            cut_reads: 0,
            tells_family: true,
            interface_id: 0,
            did_vid: 0x0001_1014,
        }
    }
}
/// A handle on the model; clones look at the same TPM.
pub struct Model<B>(Rc<RefCell<Inner<B>>>);

impl<B> Clone for Model<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B: Backend> Model<B> {
    /// A TPM and its clock.
    pub fn new(backend: B, faults: Faults) -> (Self, TestClock) {
        let clock = TestClock::new();
        let inner = Inner {
            now: clock.now.clone(),
            backend,
            burst_left: faults.burst,
            faults,
            accesses: 0,
            active: None,
            granting: None,
            requested: [false; 5],
            seized: [false; 5],
            seizures: 0,
            state: State::Idle,
            command: Vec::new(),
            response: Vec::new(),
            read: 0,
            burst_at: Some(0),
            valid_at: Some(0),
            drtm: None,
            established: false,
        };
        (Self(Rc::new(RefCell::new(inner))), clock)
    }

    /// Changes the faults.
    pub fn set_faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.0.borrow_mut().faults);
    }

    /// Uses the back end.
    pub fn backend<T>(&self, f: impl FnOnce(&mut B) -> T) -> T {
        f(&mut self.0.borrow_mut().backend)
    }

    /// Makes a locality active, as somebody else would.
    pub fn hold(&self, locality: u8) {
        self.0.borrow_mut().active = Some(locality);
    }

    /// Another locality asks for the TPM.
    pub fn want(&self, locality: u8) {
        self.0.borrow_mut().request(locality);
    }

    /// The TPM is taken from the locality that holds it.
    pub fn seize(&self, by: u8) {
        self.0.borrow_mut().write_access(by, 0x08);
    }

    /// The locality that is active.
    pub fn active(&self) -> Option<u8> {
        self.0.borrow_mut().settle();
        self.0.borrow().active
    }

    /// Whether any locality still asks for the TPM.
    pub fn is_wanted(&self) -> bool {
        self.0.borrow().requested.contains(&true)
    }

    /// Whether a locality lost the TPM, and has not acknowledged that.
    pub fn was_seized(&self, locality: u8) -> bool {
        self.0.borrow().seized[usize::from(locality)]
    }

    /// How often the TPM was seized.
    pub fn seizures(&self) -> u32 {
        self.0.borrow().seizures
    }

    /// Whether it executes a command.
    pub fn is_executing(&self) -> bool {
        matches!(self.0.borrow().state, State::Execution(_))
    }

    /// Register accesses so far.
    pub fn accesses(&self) -> u64 {
        self.0.borrow().accesses
    }

    /// The time, in microseconds.
    pub fn now(&self) -> u64 {
        self.0.borrow().now.get()
    }
}
