// SPDX-License-Identifier: GPL-2.0
//! The CRB as a state machine over shared memory.
//!
//! Every handshake of the interface is "set a bit, poll it", so a thread that looks at the window
//! often enough is a TPM. Registers that hardware would not let software write are put right with
//! every change of state; the device itself never believes them.
//!
//! The device is stricter than a TPM has to be: an idle TPM starts no command, `goIdle` and a
//! change of locality wipe the buffer, and software gets nothing at locality 4. It takes a command
//! right after another, without `cmdReady`, because Linux sends them so.

use std::time::{Duration, Instant};

use super::hand::{Hand, Staging};
use super::registers as reg;
use super::window::Window;
use crate::tpm::faults::{RegisterFault, Step};
use crate::tpm::kind::TpmVersion;

/// `TPM_RC_COMMAND_SIZE`
const RC_COMMAND_SIZE: u32 = 0x142;
/// Bytes of a command's header: tag, size, code.
const HEADER: usize = 10;
/// Software may use the localities below this one.
const HARDWARE: usize = 4;

/// What executes the commands.
pub trait Backend: Send {
    /// Begins a command; one at a time.
    fn submit(&mut self, locality: u8, command: Vec<u8>);
    /// The response to it, once there is one.
    fn poll(&mut self) -> Option<Vec<u8>>;
    /// Asks for its early end.
    fn cancel(&mut self);
    /// `TPM_ESTABLISHED` is to be reset; whether it was.
    fn reset_establishment(&mut self, locality: u8) -> bool;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Ready,
}

#[derive(Debug)]
struct Execution {
    page: usize,
    code: u32,
    cancelled: bool,
    abandoned: bool,
}

/// The device.
#[derive(Debug)]
pub struct Device<B> {
    window: Window,
    backend: B,
    hand: Hand,
    staging: Staging,
    active: Option<usize>,
    requested: [Option<Instant>; reg::LOCALITIES],
    seized: [bool; reg::LOCALITIES],
    state: State,
    execution: Option<Execution>,
    /// When a request in CTRL_REQ was first seen.
    asked: Option<Instant>,
}

impl<B: Backend> Device<B> {
    /// A device after a reset.
    pub fn new(window: Window, backend: B, hand: Hand) -> Self {
        let mut device = Device {
            window,
            backend,
            staging: Staging::default(),
            hand,
            active: None,
            requested: [None; reg::LOCALITIES],
            seized: [false; reg::LOCALITIES],
            state: State::Idle,
            execution: None,
            asked: None,
        };
        device.publish();
        device
    }

    /// A device in the state its registers tell: that of a machine whose window was copied while
    /// no command ran.
    pub fn resume(window: Window, backend: B, hand: Hand) -> Self {
        let state = window.load(0, reg::LOC_STATE);
        let assigned = state & reg::STATE_ASSIGNED != 0;
        let active = (state >> reg::STATE_ACTIVE_SHIFT & 7) as usize;
        let idle = window.load(0, reg::CTRL_STS) & reg::STS_IDLE != 0;
        let seized =
            std::array::from_fn(|page| window.load(page, reg::LOC_STS) & reg::STS_SEIZED != 0);
        let mut device = Self::new(window, backend, hand);
        device.active = (assigned && active < HARDWARE).then_some(active);
        device.seized = seized;
        device.state = if idle { State::Idle } else { State::Ready };
        device.publish();
        device
    }

    /// Looks at every register once and does what was asked for; whether that was anything.
    pub fn step(&mut self) -> bool {
        let mut moved = false;
        if self.hand.refresh(&mut self.staging) {
            self.publish();
            moved = true;
        }
        moved |= self.localities();
        moved |= self.answer();
        for page in 0..reg::LOCALITIES {
            moved |= self.request(page);
            moved |= self.start(page);
        }
        moved
    }

    /// Whether somebody uses the device, so that its next register access may come soon.
    pub fn in_use(&self) -> bool {
        self.active.is_some() || self.execution.is_some()
    }

    fn fault(&self) -> Option<&RegisterFault> {
        self.staging.active()
    }

    /// Whether the fault in place holds `step` back that has been due since `since`.
    fn held(&self, step: Step, since: Instant) -> bool {
        match self.fault() {
            Some(RegisterFault::Never(held)) => *held == step,
            Some(RegisterFault::Late(held, delay)) => *held == step && since.elapsed() < *delay,
            _ => false,
        }
    }

    fn localities(&mut self) -> bool {
        let mut moved = false;
        for page in 0..reg::LOCALITIES {
            let bits = self.window.take(page, reg::LOC_CTRL);
            if bits == 0 {
                continue;
            }
            moved = true;
            if page == HARDWARE {
                continue;
            }
            if bits & reg::CTRL_RESET_ESTABLISHMENT != 0 && self.active == Some(page) && page == 3 {
                let reset = self.backend.reset_establishment(page as u8);
                self.hand.set_established(!reset && self.hand.established());
            }
            if bits & reg::CTRL_RELINQUISH != 0 {
                self.requested[page] = None;
                if self.active == Some(page) {
                    self.leave();
                }
            }
            if bits & reg::CTRL_REQUEST != 0 && self.active != Some(page) {
                self.requested[page].get_or_insert_with(Instant::now);
            }
            if bits & reg::CTRL_SEIZE != 0 && self.active.is_none_or(|active| active < page) {
                if let Some(active) = self.active {
                    self.seized[active] = true;
                    self.leave();
                }
                self.requested[page].get_or_insert_with(Instant::now);
            }
        }
        moved |= self.grant();
        if moved {
            self.publish();
        }
        moved
    }

    /// The highest locality that asks becomes active when none is.
    fn grant(&mut self) -> bool {
        if self.active.is_some() {
            return false;
        }
        for page in (0..HARDWARE).rev() {
            match self.requested[page] {
                Some(since) if !self.held(Step::Grant, since) => {}
                _ => continue,
            }
            self.requested[page] = None;
            self.seized[page] = false;
            self.active = Some(page);
            return true;
        }
        false
    }

    /// The active locality loses the TPM, and with it a command that runs.
    fn leave(&mut self) {
        let Some(page) = self.active.take() else {
            return;
        };
        self.become_idle(page);
        if let Some(execution) = &mut self.execution {
            if !execution.abandoned {
                execution.abandoned = true;
                self.backend.cancel();
            }
        }
        self.window.store(page, reg::CTRL_START, 0);
    }

    fn become_idle(&mut self, page: usize) {
        self.state = State::Idle;
        self.window.write_buffer(page, &[0; reg::BUFFER_SIZE]);
    }

    /// Whether `page` is the active locality. A write to one of its other registers has been
    /// seen, so what it wrote to LOC_CTRL before that can be seen now, if not earlier.
    fn is_active(&mut self, page: usize) -> bool {
        self.localities();
        self.active == Some(page)
    }

    /// `cmdReady` and `goIdle`.
    fn request(&mut self, page: usize) -> bool {
        let bits = self.window.load(page, reg::CTRL_REQ) & (reg::REQ_READY | reg::REQ_IDLE);
        if bits == 0 || self.execution.is_some() {
            return false;
        }
        if !self.is_active(page) {
            self.window.clear(page, reg::CTRL_REQ, bits);
            return true;
        }
        let since = *self.asked.get_or_insert_with(Instant::now);
        let mut done = 0;
        if bits & reg::REQ_IDLE != 0 && !self.held(Step::Idle, since) {
            self.become_idle(page);
            done |= reg::REQ_IDLE;
        }
        if bits & reg::REQ_READY != 0 && !self.held(Step::Ready, since) {
            self.state = State::Ready;
            done |= reg::REQ_READY;
        }
        if done != 0 {
            self.asked = None;
            self.publish();
            self.window.clear(page, reg::CTRL_REQ, done);
        }
        done != 0
    }

    fn start(&mut self, page: usize) -> bool {
        if self.window.load(page, reg::CTRL_START) & 1 == 0 || self.execution.is_some() {
            return false;
        }
        let fatal = matches!(self.fault(), Some(RegisterFault::Fatal));
        if !self.is_active(page) || self.state == State::Idle || fatal {
            self.window.store(page, reg::CTRL_START, 0);
            return true;
        }
        let header = self.window.read_buffer(page, HEADER);
        let word = |at: usize| u32::from_be_bytes([0, 1, 2, 3].map(|i| header[at + i]));
        let size = word(2) as usize;
        if !(HEADER..=reg::BUFFER_SIZE).contains(&size) {
            // The buffer cannot hold it: no TPM gets to see such a command.
            self.complete(page, &TpmVersion::V2_0.response(RC_COMMAND_SIZE));
            return true;
        }
        self.execution = Some(Execution {
            page,
            code: word(6),
            cancelled: false,
            abandoned: false,
        });
        let command = self.window.read_buffer(page, size);
        self.backend.submit(page as u8, command);
        true
    }

    fn answer(&mut self) -> bool {
        let Some(execution) = &mut self.execution else {
            return false;
        };
        let page = execution.page;
        if !execution.cancelled
            && !execution.abandoned
            && self.window.load(page, reg::CTRL_CANCEL) & 1 != 0
        {
            execution.cancelled = true;
            self.backend.cancel();
        }
        let Some(response) = self.backend.poll() else {
            return false;
        };
        let (code, abandoned) = (execution.code, execution.abandoned);
        self.execution = None;
        self.staging.answered(code);
        if abandoned {
            self.publish();
        } else {
            self.complete(page, &response);
        }
        true
    }

    fn complete(&mut self, page: usize, response: &[u8]) {
        self.window.write_buffer(page, response);
        self.publish();
        self.window.store(page, reg::CTRL_START, 0);
    }

    /// Puts all registers right that software only reads.
    fn publish(&mut self) {
        for page in 0..reg::LOCALITIES {
            for offset in reg::READ_ONLY {
                let value = match self.fault() {
                    Some(fault) => fault.reads(offset).unwrap_or(self.value(page, offset)),
                    None => self.value(page, offset),
                };
                self.window.store(page, offset, value);
            }
        }
    }

    fn value(&self, page: usize, offset: usize) -> u32 {
        let when = |condition: bool, bit: u32| if condition { bit } else { 0 };
        match offset {
            reg::LOC_STATE => {
                let invalid = matches!(self.fault(), Some(RegisterFault::LocalityInvalid));
                let number = self.active.unwrap_or(0) as u32;
                when(!self.hand.established(), reg::STATE_NOT_ESTABLISHED)
                    | when(self.active.is_some(), reg::STATE_ASSIGNED)
                    | number << reg::STATE_ACTIVE_SHIFT
                    | when(!invalid, reg::STATE_VALID)
            }
            reg::LOC_STS => {
                when(self.active == Some(page), reg::STS_GRANTED)
                    | when(self.seized[page], reg::STS_SEIZED)
            }
            reg::INTERFACE_ID => reg::IDENTITY as u32,
            0x34 => (reg::IDENTITY >> 32) as u32,
            reg::CTRL_STS => {
                let fatal = matches!(self.fault(), Some(RegisterFault::Fatal));
                when(self.state == State::Idle, reg::STS_IDLE) | when(fatal, reg::STS_FATAL)
            }
            reg::CMD_SIZE | reg::RSP_SIZE => reg::BUFFER_SIZE as u32,
            reg::CMD_ADDR | reg::RSP_ADDR => reg::buffer_address(page),
            _ => 0,
        }
    }
}

/// The pace at which the window is looked at.
#[derive(Debug)]
pub struct Pace {
    last: Instant,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            last: Instant::now(),
        }
    }
}

impl Pace {
    /// After every step: waits for as long as the guest will not notice. Soon after something
    /// happened the next access is near; a TPM that nobody uses is looked at every millisecond.
    pub fn wait(&mut self, moved: bool, in_use: bool) {
        if moved {
            self.last = Instant::now();
        }
        let quiet = self.last.elapsed();
        if quiet < Duration::from_micros(100) {
            std::thread::yield_now();
            return;
        }
        let pause = match (quiet < Duration::from_millis(50), in_use) {
            (true, _) => 20,
            (false, true) => 250,
            (false, false) => 1000,
        };
        std::thread::sleep(Duration::from_micros(pause));
    }
}
