// SPDX-License-Identifier: GPL-2.0

//! The registers of a FIFO TPM as PTP describes them, with time and faults under control.
//!
//! Time passes only when the driver waits ([`TestClock`]), so every timeout is exact. What a driver must
//! not do (seize from an equal locality, write beyond the burst count, ...) fails the test at once.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use tpm_core::{Clock, Mmio};

/// How far each round of a wait moves the clock, in microseconds.
pub const STEP_US: u64 = 250;

/// A clock that the waits themselves move.
#[derive(Clone)]
pub struct TestClock {
    now: Rc<Cell<u64>>,
    /// Microseconds that each round of a wait takes; 0: the clock stands still.
    pub step: u64,
}

impl Clock for TestClock {
    fn elapsed_us(&self) -> u64 {
        self.now.get()
    }
    fn relax(&self) {
        self.now.set(self.now.get() + self.step);
    }
}

/// What is behind the registers.
pub trait Backend {
    /// Executes a command that came from `locality`.
    fn execute(&mut self, locality: u8, command: &[u8]) -> Vec<u8>;
    /// A dynamic launch measured `data`.
    fn drtm(&mut self, data: &[u8]);
}

/// A back end that answers from a list, and keeps what it was asked.
#[derive(Default)]
pub struct Script {
    pub answers: Vec<Vec<u8>>,
    /// Begin again at the end.
    pub repeat: bool,
    pub asked: Vec<(u8, Vec<u8>)>,
}

impl Backend for Script {
    fn execute(&mut self, locality: u8, command: &[u8]) -> Vec<u8> {
        self.asked.push((locality, command.to_vec()));
        assert!(!self.answers.is_empty(), "the script is at its end");
        let answer = self.answers.remove(0);
        if self.repeat {
            self.answers.push(answer.clone());
        }
        answer
    }
    fn drtm(&mut self, _data: &[u8]) {}
}

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

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Idle,
    /// Ready from this time on.
    Ready(Option<u64>),
    Reception,
    /// Done at this time.
    Execution(Option<u64>),
    Completion,
}

struct Inner<B> {
    now: Rc<Cell<u64>>,
    backend: B,
    faults: Faults,
    accesses: u64,
    active: Option<u8>,
    /// Who becomes active, and when.
    granting: Option<(u8, u64)>,
    requested: [bool; 5],
    seized: [bool; 5],
    seizures: u32,
    state: State,
    command: Vec<u8>,
    response: Vec<u8>,
    read: usize,
    burst_left: u16,
    burst_at: Option<u64>,
    valid_at: Option<u64>,
    drtm: Option<Vec<u8>>,
    established: bool,
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
        let clock = TestClock {
            now: Rc::default(),
            step: STEP_US,
        };
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

impl<B: Backend> Inner<B> {
    fn now(&self) -> u64 {
        self.now.get()
    }

    fn after(&self, delay: Option<u64>) -> Option<u64> {
        delay.map(|delay| self.now() + delay)
    }

    fn due(&self, at: Option<u64>) -> bool {
        at.is_some_and(|at| at <= self.now())
    }

    fn vanished(&mut self) -> bool {
        self.accesses += 1;
        let accesses = self.accesses;
        self.faults.vanish_after.is_some_and(|n| accesses > n)
    }

    /// What has become due.
    fn settle(&mut self) {
        if self.due(self.faults.release_at) {
            self.faults.release_at = None;
            if let Some(holder) = self.active {
                self.release(holder);
            }
        }
        if let Some((locality, at)) = self.granting {
            if at <= self.now() {
                self.active = Some(locality);
                self.requested[usize::from(locality)] = false;
                self.granting = None;
            }
        }
        if let State::Execution(at) = self.state {
            if self.due(at) {
                self.response = self
                    .backend
                    .execute(self.active.unwrap_or(0), &self.command);
                self.complete();
            }
        }
    }

    fn complete(&mut self) {
        self.read = 0;
        self.state = State::Completion;
        self.transferred();
    }

    /// STS takes a while to be valid again, and the next bytes to come.
    fn transferred(&mut self) {
        self.valid_at = self.after(self.faults.valid_us);
        self.new_burst();
    }

    fn new_burst(&mut self) {
        self.burst_left = self.faults.burst;
        self.burst_at = self.after(self.faults.burst_us);
    }

    fn request(&mut self, locality: u8) {
        self.requested[usize::from(locality)] = true;
        if let (None, Some(at)) = (self.active, self.after(self.faults.grant_us)) {
            self.granting = Some((locality, at));
        }
    }

    /// The TPM is free; the highest locality that asks is next.
    fn release(&mut self, holder: u8) {
        assert_eq!(self.active, Some(holder));
        self.active = None;
        self.state = State::Idle;
        let next = (0u8..5).rev().find(|n| self.requested[usize::from(*n)]);
        if let Some(next) = next {
            self.request(next);
        }
    }

    fn write_access(&mut self, locality: u8, value: u8) {
        match value {
            0x02 => self.request(locality),
            0x08 => {
                self.seizures += 1;
                let holder = self.active.expect("nobody holds what is seized");
                assert!(holder < locality, "seized from an equal or higher locality");
                if !self.faults.seize_ignored {
                    self.seized[usize::from(holder)] = true;
                    self.active = None;
                    self.state = State::Idle;
                    self.request(locality);
                }
            }
            0x10 => self.seized[usize::from(locality)] = false,
            0x20 => {
                self.requested[usize::from(locality)] = false;
                if self.granting.is_some_and(|(to, _)| to == locality) {
                    self.granting = None;
                }
                if self.active == Some(locality) && !self.faults.stays_active {
                    self.release(locality);
                }
            }
            _ => panic!("ACCESS written with {value:#x}: one bit at a time"),
        }
    }

    fn read_access(&self, locality: u8) -> u8 {
        let mut value = 0;
        if self.now() >= self.faults.access_valid_at {
            value |= 0x80;
        }
        if self.active == Some(locality) {
            value |= 0x20;
        }
        if self.seized[usize::from(locality)] {
            value |= 0x10;
        }
        if (0u8..5).any(|n| n != locality && self.requested[usize::from(n)]) {
            value |= 0x04;
        }
        if self.requested[usize::from(locality)] {
            value |= 0x02;
        }
        value | u8::from(!self.established)
    }

    fn read_sts(&mut self, locality: u8) -> u32 {
        if self.active != Some(locality) {
            return 0xffff_ffff;
        }
        let mut value = 0;
        if self.due(self.valid_at) {
            value |= 0x80;
        }
        match self.state {
            State::Ready(at) if self.due(at) => value |= 0x40,
            State::Reception => value |= u32::from(self.expects()) << 3,
            State::Completion if self.read < self.available() => value |= 0x10,
            _ => {}
        }
        if self.burst_left == 0 {
            self.new_burst();
        }
        if self.due(self.burst_at) {
            value |= u32::from(self.burst_left) << 8;
        }
        value | u32::from(self.faults.tells_family) << 26
    }

    fn expects(&self) -> bool {
        let size = self.command.get(2..6).map(|size| {
            let size = u32::from_be_bytes(size.try_into().expect("four bytes"));
            usize::try_from(size).expect("fits")
        });
        let natural = size.is_none_or(|size| self.command.len() < size);
        self.faults.expect.unwrap_or(natural)
    }

    /// How many response bytes this reading will deliver.
    fn available(&self) -> usize {
        if self.faults.cut_reads > 0 {
            self.response.len() / 2
        } else {
            self.response.len()
        }
    }

    fn write_sts(&mut self, locality: u8, value: u8) {
        if self.active != Some(locality) {
            return;
        }
        match value {
            0x40 => {
                let idle = self.state == State::Completion && self.faults.idle_after;
                self.command.clear();
                self.state = match self.state {
                    State::Completion if idle => State::Idle,
                    State::Ready(at) => State::Ready(at),
                    _ => State::Ready(self.after(self.faults.ready_us)),
                };
                self.new_burst();
            }
            0x20 => {
                assert!(!self.expects(), "go with a command that is not complete");
                self.state = State::Execution(self.after(self.faults.execute_us));
            }
            0x02 => {
                assert_eq!(self.state, State::Completion, "retry of no response");
                self.faults.cut_reads = self.faults.cut_reads.saturating_sub(1);
                self.complete();
            }
            _ => panic!("STS written with {value:#x}: one bit at a time"),
        }
    }

    fn cancel(&mut self, locality: u8) {
        if self.active != Some(locality) || self.faults.cancel_us.is_none() {
            return;
        }
        if let State::Execution(_) = self.state {
            // Done, with another result than otherwise: the back end never sees the command.
            self.response = super::response(0x8001, 0x909, &[]);
            self.complete();
            self.valid_at = self.after(self.faults.cancel_us);
        }
    }

    fn take_burst(&mut self) {
        assert!(
            self.due(self.burst_at) && self.burst_left > 0,
            "transfer beyond the burst count"
        );
        self.burst_left -= 1;
    }

    fn write_fifo(&mut self, locality: u8, value: u8) {
        if self.active != Some(locality) {
            return;
        }
        match self.state {
            State::Ready(at) if self.due(at) => self.state = State::Reception,
            State::Reception => {}
            state => panic!("FIFO written in the state {state:?}"),
        }
        self.take_burst();
        self.command.push(value);
        self.valid_at = self.after(self.faults.valid_us);
    }

    fn read_fifo(&mut self, locality: u8) -> u8 {
        if self.active != Some(locality) {
            return 0xff;
        }
        assert_eq!(
            self.state,
            State::Completion,
            "FIFO read without a response"
        );
        self.take_burst();
        let byte = match self.response.get(self.read) {
            Some(byte) if self.read < self.available() => *byte,
            _ => 0xff,
        };
        self.read += 1;
        self.valid_at = self.after(self.faults.valid_us);
        byte
    }

    fn write_hash(&mut self, offset: u32, value: u8) {
        match (offset, &mut self.drtm) {
            (0x28, drtm) => *drtm = Some(Vec::new()),
            (0x24, Some(data)) => data.push(value),
            (0x20, drtm) => {
                let data = drtm.take().expect("HASH_END without HASH_START");
                self.backend.drtm(&data);
                self.established = true;
            }
            _ => panic!("hash register {offset:#x} out of order"),
        }
    }
}

fn split(offset: u32) -> (u8, u32) {
    let locality = u8::try_from(offset >> 12).expect("beyond the window");
    assert!(locality < 5, "beyond the window: {offset:#x}");
    (locality, offset & 0xfff)
}

impl<B: Backend> Mmio for Model<B> {
    fn read8(&mut self, offset: u32) -> u8 {
        let tpm = &mut *self.0.borrow_mut();
        if tpm.vanished() {
            return 0xff;
        }
        tpm.settle();
        match split(offset) {
            (locality, 0x00) => tpm.read_access(locality),
            (locality, 0x24) => tpm.read_fifo(locality),
            _ => panic!("byte read at {offset:#x}"),
        }
    }

    fn read32(&mut self, offset: u32) -> u32 {
        let tpm = &mut *self.0.borrow_mut();
        if tpm.vanished() {
            return 0xffff_ffff;
        }
        tpm.settle();
        match split(offset) {
            (_, 0x14) => 0x3000_0697,
            (locality, 0x18) => tpm.read_sts(locality),
            (_, 0x30) => tpm.faults.interface_id,
            (_, 0xf00) => tpm.faults.did_vid,
            _ => panic!("word read at {offset:#x}"),
        }
    }

    fn write8(&mut self, offset: u32, value: u8) {
        let tpm = &mut *self.0.borrow_mut();
        if tpm.vanished() {
            return;
        }
        tpm.settle();
        match split(offset) {
            (4, 0x20 | 0x24 | 0x28) => tpm.write_hash(offset & 0xfff, value),
            (locality, 0x00) => tpm.write_access(locality, value),
            (locality, 0x18) => tpm.write_sts(locality, value),
            (locality, 0x1b) if value == 1 => tpm.cancel(locality),
            (locality, 0x24) => tpm.write_fifo(locality, value),
            _ => panic!("byte write of {value:#x} at {offset:#x}"),
        }
    }

    fn write32(&mut self, offset: u32, value: u32) {
        panic!("word write of {value:#x} at {offset:#x}");
    }
}
