// SPDX-License-Identifier: GPL-2.0

//! What the register models share: a clock that stands still until the driver waits, and back ends.

use std::cell::Cell;
use std::rc::Rc;
use tpm_core::Clock;

/// How far each round of a wait moves the clock, in microseconds.
pub const STEP_US: u64 = 250;

/// A clock that the waits themselves move.
#[derive(Clone)]
pub struct TestClock {
    pub(super) now: Rc<Cell<u64>>,
    /// Microseconds that each round of a wait takes; 0: the clock stands still.
    pub step: u64,
    /// When nobody waits for responses any more.
    pub give_up_at: Rc<Cell<Option<u64>>>,
}

impl TestClock {
    /// At the beginning of time.
    pub fn new() -> Self {
        Self {
            now: Rc::default(),
            step: STEP_US,
            give_up_at: Rc::default(),
        }
    }
}

impl Clock for TestClock {
    fn elapsed_us(&self) -> u64 {
        self.now.get()
    }
    fn relax(&self, _waited_us: u64) {
        self.now.set(self.now.get() + self.step);
    }
    fn given_up(&self) -> bool {
        self.give_up_at.get().is_some_and(|at| at <= self.now.get())
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

/// Page and offset in it.
pub(super) fn split(offset: u32) -> (u8, u32) {
    let locality = u8::try_from(offset >> 12).expect("beyond the window");
    assert!(locality < 5, "beyond the window: {offset:#x}");
    (locality, offset & 0xfff)
}
