// SPDX-License-Identifier: GPL-2.0

//! Registers that read as anything: what a good TPM would say, with anything else in between. There are no
//! rules, only a record of what was done.

use super::sim::split;
use tpm_core::{Mmio, TPM_BASE, TPM_SIZE};

/// A source of values: each register read takes the next choice of a list, again from its start at the end.
pub struct Noise {
    /// Which of the plausible values, the good one first; and the value if it is none of them.
    choices: Vec<(u8, u32)>,
    next: usize,
    stuck: Option<Stuck>,
    crb: bool,
    /// What a good FIFO would be doing.
    fifo: Fifo,
    written: u8,
    read: u8,
    /// Register accesses so far.
    pub accesses: u64,
    /// The last write that claims or gives back a locality: which one, and the value.
    pub last_claim: Option<(u8, u32)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Fifo {
    Ready,
    Reception,
    Completion,
}

/// A register that reads as one thing only: its offset in a page, from which access on, and the choice.
pub type Stuck = (u32, u64, (u8, u32));

/// The commands that noise is tested with, and a response.
const COMMAND: u8 = 12;
const RESPONSE: [u8; 14] = [0x80, 0x01, 0, 0, 0, 14, 0, 0, 0, 0, 1, 2, 3, 4];

impl Noise {
    /// Registers of a CRB, or of a FIFO.
    pub fn new(crb: bool, choices: Vec<(u8, u32)>, stuck: Option<Stuck>) -> Self {
        Self {
            choices,
            next: 0,
            stuck,
            crb,
            fifo: Fifo::Ready,
            written: 0,
            read: 0,
            accesses: 0,
            last_claim: None,
        }
    }

    /// One of these, or any value.
    fn pick(&mut self, register: u32, plausible: &[u32]) -> u32 {
        let (choice, any) = match self.stuck {
            Some((stuck, from, choice)) if stuck == register && from < self.accesses => choice,
            _ => self.choices[self.next % self.choices.len()],
        };
        self.next += 1;
        let value = plausible.get(usize::from(choice)).copied();
        value.unwrap_or(any)
    }

    fn crb_word(&mut self, locality: u8, offset: u32) -> u32 {
        let mine = 0x83 | u32::from(locality) << 2;
        let buffer = TPM_BASE + (u64::from(locality) << 12) + 0x80;
        let [low, high] = [buffer & 0xffff_ffff, buffer >> 32]
            .map(|half| u32::try_from(half).expect("half a word"));
        match offset {
            // Often ours, so that more than the claim is reached; and who asks may be any page.
            0x00 => self.pick(offset, &[mine, 0x81, 0x8b, 0x80, 0x83, 0x93, u32::MAX, 0]),
            0x30 => 1,
            0x40 => self.pick(offset, &[0, 1, 2, 3, 1, 2, u32::MAX]),
            0x44 => self.pick(offset, &[0, 2, 2, 1, 2, 2, u32::MAX]),
            0x4c => self.pick(offset, &[0, 1, 1, 1, 1, 1, u32::MAX]),
            0x58 | 0x64 => self.pick(offset, &[0xf80, 0x80, 12, 9, 0, 0x1000, u32::MAX]),
            0x5c | 0x68 => self.pick(
                offset,
                &[low, low + 0x800, low + 1, low - 0x80, low - 0x1000],
            ),
            0x60 | 0x6c => self.pick(offset, &[high, 1]),
            // A header: tag and half of the size, the other half and half of the code.
            0x80 => self.pick(offset, &[0x0000_0180, 0x0000_0280, 0, u32::MAX]),
            0x84 => self.pick(
                offset,
                &[
                    0x0000_0e00,
                    0x0000_0a00,
                    0x0000_0900,
                    0,
                    0x6400,
                    0x6500,
                    u32::MAX,
                ],
            ),
            _ => self.pick(offset, &[]),
        }
    }
}

impl Mmio for Noise {
    fn read8(&mut self, offset: u32) -> u8 {
        self.accesses += 1;
        assert!(offset < TPM_SIZE);
        let (_, register) = split(offset);
        let value = match register {
            0x00 if self.crb => 0x81,
            0x00 => self.pick(register, &[0xa1, 0x81, 0x85, 0x91, 0x82, 0x81, 0xff, 0]),
            0x24 => {
                let byte = RESPONSE.get(usize::from(self.read)).copied();
                self.read = self.read.saturating_add(1);
                self.pick(
                    register,
                    &[byte.unwrap_or(0xff).into(), 0, 0x80, 1, 10, 100, 0xff],
                )
            }
            _ => self.pick(register, &[]),
        };
        value.to_le_bytes()[0]
    }

    fn read32(&mut self, offset: u32) -> u32 {
        self.accesses += 1;
        assert!(offset < TPM_SIZE && offset % 4 == 0);
        let (locality, register) = split(offset);
        if self.crb {
            return self.crb_word(locality, register);
        }
        match register {
            0x18 => {
                let status = match self.fifo {
                    Fifo::Ready => 0x40c0,
                    Fifo::Reception if self.written < COMMAND => 0x4088,
                    Fifo::Completion if usize::from(self.read) < RESPONSE.len() => 0x4090,
                    _ => 0x4080,
                };
                self.pick(
                    register,
                    &[
                        0x0400_0000 | status,
                        status,
                        0x0400_4000, // not valid
                        0x0400_0090, // no burst
                        0x0400_4088, // expects more
                        0x0400_4090, // response bytes
                        0x0400_fff0, // any burst
                        u32::MAX,
                    ],
                )
            }
            0x30 => 0,
            0xf00 => 0x0001_1014,
            _ => self.pick(register, &[]),
        }
    }

    fn write8(&mut self, offset: u32, value: u8) {
        self.accesses += 1;
        assert!(offset < TPM_SIZE);
        match split(offset) {
            (locality, 0x00) if value & 0x2a != 0 => {
                self.last_claim = Some((locality, value.into()));
            }
            (_, 0x18) if value == 0x40 => (self.fifo, self.written) = (Fifo::Ready, 0),
            (_, 0x18) => (self.fifo, self.read) = (Fifo::Completion, 0),
            (_, 0x24) => {
                self.fifo = Fifo::Reception;
                self.written = self.written.saturating_add(1);
            }
            _ => {}
        }
    }

    fn write32(&mut self, offset: u32, value: u32) {
        self.accesses += 1;
        assert!(offset < TPM_SIZE && offset % 4 == 0 && self.crb);
        match split(offset) {
            (locality, 0x08) => self.last_claim = Some((locality, value)),
            (_, 0x40 | 0x48 | 0x4c | 0x80..) => {}
            (_, register) => panic!("{value:#x} written to {register:#x}"),
        }
    }

    fn invoke(&mut self) -> bool {
        self.pick(u32::MAX, &[1, 1, 1, 1, 1, 1, 1, 0]) != 0
    }
}
