// SPDX-License-Identifier: GPL-2.0

//! The state machine behind the registers: localities, requests, commands.

use super::super::sim::Backend;
use super::CrbFaults;
use std::cell::Cell;
use std::rc::Rc;

const REQUEST: u32 = 1;
const RELINQUISH: u32 = 2;
const SEIZE: u32 = 4;
pub(super) const COMMAND_READY: u32 = 1;
pub(super) const GO_IDLE: u32 = 2;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    Idle,
    Ready,
    /// A command is being written.
    Reception,
    /// Done at this time.
    Execution(Option<u64>),
    Completion,
}

pub(super) struct Inner<B> {
    pub(super) now: Rc<Cell<u64>>,
    pub(super) backend: B,
    pub(super) faults: CrbFaults,
    pub(super) accesses: u64,
    pub(super) active: Option<u8>,
    /// Who becomes active, and when.
    pub(super) granting: Option<(u8, u64)>,
    pub(super) requested: [bool; 5],
    pub(super) seized: [bool; 5],
    /// The driver knows that this locality does not have the TPM.
    pub(super) told: [bool; 5],
    pub(super) seizures: u32,
    pub(super) state: State,
    /// Where an open request leads, and when. tpmIdle follows it.
    pub(super) pending: Option<(u32, Option<u64>)>,
    pub(super) awake_at: Option<u64>,
    /// The cancel register, and when the TPM acts on it.
    pub(super) cancel: bool,
    pub(super) cancelled_at: Option<u64>,
    /// Start was set, and the platform was not told yet.
    pub(super) uninvoked: bool,
    pub(super) invocations: u32,
    /// The TPM was idle when it was given back the last time.
    pub(super) released_idle: bool,
    pub(super) command: Vec<u8>,
    pub(super) response: Vec<u8>,
    pub(super) established: bool,
}

impl<B: Backend> Inner<B> {
    pub(super) fn new(now: Rc<Cell<u64>>, backend: B, faults: CrbFaults) -> Self {
        Self {
            now,
            backend,
            state: if faults.bare {
                State::Completion
            } else {
                State::Idle
            },
            active: faults.bare.then_some(0),
            faults,
            accesses: 0,
            granting: None,
            requested: [false; 5],
            seized: [false; 5],
            told: [true; 5],
            seizures: 0,
            pending: None,
            awake_at: None,
            cancel: false,
            cancelled_at: None,
            released_idle: true,
            uninvoked: false,
            invocations: 0,
            command: Vec::new(),
            // Nothing that looks like a response.
            response: vec![0x11; 0x1000],
            established: false,
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.now.get()
    }

    pub(super) fn after(&self, delay: Option<u64>) -> Option<u64> {
        delay.map(|delay| self.now() + delay)
    }

    pub(super) fn due(&self, at: Option<u64>) -> bool {
        at.is_some_and(|at| at <= self.now())
    }

    /// One access; whether it goes nowhere.
    pub(super) fn access(&mut self) -> bool {
        self.accesses += 1;
        self.settle();
        let accesses = self.accesses;
        if self.faults.taken_after.is_some_and(|n| accesses > n) {
            self.faults.taken_after = None;
            if let Some(holder) = self.active {
                self.seized[usize::from(holder)] = true;
            }
            self.abort();
            self.grant(4);
        }
        self.faults.vanish_after.is_some_and(|n| accesses > n)
    }

    /// What has become due.
    pub(super) fn settle(&mut self) {
        if self.due(self.faults.release_at) {
            self.faults.release_at = None;
            if let Some(holder) = self.active {
                self.release(holder);
            }
        }
        if let Some((locality, at)) = self.granting {
            if at <= self.now() {
                self.grant(locality);
            }
        }
        if let Some((request, at)) = self.pending {
            if self.due(at) {
                self.pending = None;
                if request == COMMAND_READY && self.state == State::Idle {
                    self.awake_at = self.faults.awake_us.zip(at).map(|(us, at)| at + us);
                } else if request == GO_IDLE {
                    self.state = State::Idle;
                }
            }
        }
        if self.state == State::Idle && self.due(self.awake_at) {
            self.awake_at = None;
            self.state = State::Ready;
        }
        if let State::Execution(end) = self.state {
            let first = end.unwrap_or(u64::MAX);
            if self.cancelled_at.is_some_and(|at| at < first) && self.due(self.cancelled_at) {
                self.complete(&super::super::response(0x8001, 0x909, &[]));
            } else if self.due(end) {
                let locality = self.active.unwrap_or(0);
                let answer = self.backend.execute(locality, &self.command);
                self.complete(&answer);
            }
        }
    }

    /// Puts an answer into the response buffer. What is behind it is what was there before.
    fn complete(&mut self, answer: &[u8]) {
        let shared = match self.faults.buffers {
            Some([to, from]) => to.0 == from.0,
            None => !self.faults.bare,
        };
        if shared {
            let len = self.command.len();
            self.response[..len].copy_from_slice(&self.command);
        }
        let len = answer.len().min(self.response.len());
        self.response[..len].copy_from_slice(&answer[..len]);
        self.cancelled_at = None;
        self.state = State::Completion;
    }

    pub(super) fn grant(&mut self, locality: u8) {
        let slot = usize::from(locality);
        self.active = Some(locality);
        self.granting = None;
        self.requested[slot] = false;
        self.told[slot] = false;
    }

    pub(super) fn request(&mut self, locality: u8) {
        assert_ne!(self.active, Some(locality), "request of what is granted");
        self.requested[usize::from(locality)] = true;
        self.seized[usize::from(locality)] = false;
        if let (None, Some(at)) = (self.active, self.after(self.faults.grant_us)) {
            self.granting = Some((locality, at));
        }
    }

    /// A command ends when its locality does.
    fn abort(&mut self) {
        self.pending = None;
        self.awake_at = None;
        self.cancel = false;
        self.cancelled_at = None;
        self.uninvoked = false;
        self.state = State::Idle;
    }

    /// The TPM is free; the highest locality that asks is next.
    fn release(&mut self, holder: u8) {
        assert_eq!(self.active, Some(holder));
        self.active = None;
        self.released_idle = self.state == State::Idle;
        self.abort();
        let next = (0u8..5).rev().find(|n| self.requested[usize::from(*n)]);
        if let Some(next) = next {
            self.request(next);
        }
    }

    pub(super) fn seize(&mut self, locality: u8) {
        self.seizures += 1;
        let holder = self.active.expect("nobody holds what is seized");
        assert!(holder < locality, "seized from an equal or higher locality");
        if !self.faults.seize_ignored {
            self.active = None;
            self.abort();
            self.request(locality);
            self.seized[usize::from(holder)] = true;
        }
    }

    pub(super) fn write_loc_ctrl(&mut self, locality: u8, value: u32) {
        match value {
            REQUEST => self.request(locality),
            SEIZE => self.seize(locality),
            RELINQUISH => {
                self.requested[usize::from(locality)] = false;
                if self.granting.is_some_and(|(to, _)| to == locality) {
                    self.granting = None;
                }
                if self.active == Some(locality) && !self.faults.stays_active {
                    self.release(locality);
                }
            }
            _ => panic!("LOC_CTRL written with {value:#x}: one bit at a time"),
        }
    }

    pub(super) fn start(&mut self) {
        assert_eq!(self.state, State::Reception, "start without a command");
        assert!(!self.cancel, "the command would be cancelled at once");
        let size = self.command[2..6].try_into().map(u32::from_be_bytes);
        let size = usize::try_from(size.expect("four bytes")).expect("fits");
        assert_eq!(self.command.len(), size, "start with half a command");
        self.uninvoked = true;
        if self.faults.start_ignored {
            self.complete(&[]);
        } else if self.faults.invoke_refused {
            self.state = State::Execution(None);
        } else {
            self.state = State::Execution(self.after(self.faults.execute_us));
        }
    }
}
