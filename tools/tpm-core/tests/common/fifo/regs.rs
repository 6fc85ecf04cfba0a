// SPDX-License-Identifier: GPL-2.0

//! The state machine behind the registers, and the registers.

use super::super::sim::{split, Backend};
use super::{Faults, Model};
use std::cell::Cell;
use std::rc::Rc;
use tpm_core::Mmio;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    Idle,
    /// Ready from this time on.
    Ready(Option<u64>),
    Reception,
    /// Done at this time.
    Execution(Option<u64>),
    Completion,
}

pub(super) struct Inner<B> {
    pub(super) now: Rc<Cell<u64>>,
    pub(super) backend: B,
    pub(super) faults: Faults,
    pub(super) accesses: u64,
    pub(super) active: Option<u8>,
    /// Who becomes active, and when.
    pub(super) granting: Option<(u8, u64)>,
    pub(super) requested: [bool; 5],
    pub(super) seized: [bool; 5],
    pub(super) seizures: u32,
    pub(super) state: State,
    pub(super) command: Vec<u8>,
    pub(super) response: Vec<u8>,
    pub(super) read: usize,
    pub(super) burst_left: u16,
    pub(super) burst_at: Option<u64>,
    pub(super) valid_at: Option<u64>,
    pub(super) drtm: Option<Vec<u8>>,
    pub(super) established: bool,
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
    pub(super) fn settle(&mut self) {
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

    pub(super) fn request(&mut self, locality: u8) {
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

    pub(super) fn write_access(&mut self, locality: u8, value: u8) {
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
            self.response = super::super::response(0x8001, 0x909, &[]);
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
