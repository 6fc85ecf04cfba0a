// SPDX-License-Identifier: GPL-2.0

//! The registers and buffers: what is where, and what it reads as.

use super::super::sim::{split, Backend};
use super::state::{Inner, State, COMMAND_READY, GO_IDLE};
use super::{CrbModel, BARE};
use tpm_core::{Mmio, TPM_BASE};

const ONES: u32 = 0xffff_ffff;

/// Control area and buffer of each page.
const CONTROL: u32 = 0x40;
const BUFFER: u32 = 0x80;
const BUFFER_SIZE: u32 = 0xf80;

/// What an offset is.
enum Register {
    /// Of a page: locality registers and identity.
    Locality(u8, u32),
    /// Of the control area, as a locality sees it.
    Control(u8, u32),
    Command(u8, usize),
    Response(u8, usize),
}

impl<B: Backend> Inner<B> {
    /// What any page says about who has the TPM.
    fn read_loc_state(&mut self) -> u32 {
        if self.now() < self.faults.state_valid_at {
            return 0;
        }
        for locality in (0u8..5).filter(|n| self.active != Some(*n)) {
            self.told[usize::from(locality)] = true;
        }
        let holder = self.active.map_or(0, |n| 2 | u32::from(n) << 2);
        0x80 | holder | u32::from(!self.established)
    }

    /// Whether `locality` has the TPM; the driver must not know already that it has not.
    fn is_mine(&self, locality: u8) -> bool {
        let mine = self.active == Some(locality);
        let told = self.told[usize::from(locality)];
        assert!(mine || !told, "control area of the inactive {locality}");
        mine
    }

    fn read_control(&self, offset: u32) -> u32 {
        let [command, response] = self.faults.buffers.unwrap_or_else(|| {
            let page = u64::from(self.active.unwrap_or(0)) << 12;
            [(TPM_BASE + page + u64::from(BUFFER), BUFFER_SIZE); 2]
        });
        let low = |phys: u64| u32::try_from(phys & 0xffff_ffff).expect("32 bits");
        let high = |phys: u64| u32::try_from(phys >> 32).expect("32 bits");
        let idle = self.state == State::Idle;
        match offset {
            0x00 => self.pending.map_or(0, |(request, _)| request),
            0x04 => {
                let fatal = match self.state {
                    State::Idle => self.faults.fatal[0],
                    State::Ready | State::Reception => self.faults.fatal[1],
                    State::Execution(_) => false,
                    State::Completion => self.faults.fatal[2],
                };
                u32::from(idle && self.faults.tells_idle) << 1 | u32::from(fatal)
            }
            0x0c => u32::from(matches!(self.state, State::Execution(_))),
            // Some TPMs forget these while they sleep.
            0x18..=0x2c if idle => 0,
            0x18 => command.1,
            0x1c => low(command.0),
            0x20 => high(command.0),
            0x24 => response.1,
            0x28 => low(response.0),
            0x2c => high(response.0),
            _ => panic!("control area read at {offset:#x}"),
        }
    }

    fn write_control(&mut self, offset: u32, value: u32) {
        match (offset, value) {
            (0x00, COMMAND_READY) => {
                assert!(
                    matches!(self.state, State::Idle | State::Ready),
                    "cmdReady in {:?}",
                    self.state
                );
                self.pending = Some((COMMAND_READY, self.after(self.faults.ready_us)));
            }
            (0x00, GO_IDLE) => {
                let running = matches!(self.state, State::Execution(_));
                assert!(!running, "goIdle while a command runs");
                assert!(self.state != State::Idle || !self.faults.tells_idle);
                self.pending = Some((GO_IDLE, self.after(self.faults.idle_us)));
            }
            (0x08, 0) => {
                self.cancel = false;
                self.cancelled_at = None;
            }
            (0x08, 1) => {
                let running = matches!(self.state, State::Execution(_));
                assert!(running, "cancel in {:?}", self.state);
                self.cancel = true;
                self.cancelled_at = self.after(self.faults.cancel_us);
                self.uninvoked = false;
            }
            (0x0c, 1) => self.start(),
            _ => panic!("control area written at {offset:#x} with {value:#x}"),
        }
    }

    fn write_buffer(&mut self, at: usize, bytes: &[u8]) {
        match self.state {
            // Without idle states a new command takes the place of the response.
            State::Completion if self.faults.bare => self.command.clear(),
            State::Ready => self.command.clear(),
            State::Reception => {}
            state => panic!("buffer written in {state:?}"),
        }
        self.state = State::Reception;
        assert_eq!(self.command.len(), at, "written out of order");
        self.command.extend(bytes);
        if let Some((_, size)) = self.faults.buffers.map(|[command, _]| command) {
            assert!(self.command.len() <= usize::try_from(size).expect("fits"));
        }
    }

    /// A response buffer of its own may be cleared before a command.
    fn clear_response(&mut self, at: usize, value: u32) {
        assert_eq!(value, 0, "response buffer written");
        assert!(self.state == State::Ready || self.faults.bare);
        self.response[at..at + 4].fill(0);
    }

    fn read_buffer(&self, at: usize) -> u32 {
        assert_eq!(self.state, State::Completion, "no response to be read");
        let bytes = self.response.get(at..at + 4);
        bytes.map_or(ONES, |bytes| {
            u32::from_le_bytes(bytes.try_into().expect("four bytes"))
        })
    }

    fn decode(&self, offset: u32) -> Register {
        let within = |start: u32, size: u32| {
            let at = offset.checked_sub(start).filter(|at| *at < size);
            at.map(|at| usize::try_from(at).expect("fits"))
        };
        if let (true, Some(control), Some((to, from))) =
            (self.faults.bare, BARE.control, BARE.buffers)
        {
            if let Some(at) = offset.checked_sub(control).filter(|at| *at < 0x30) {
                return Register::Control(0, at);
            }
            if let Some(at) = within(to.offset, to.size) {
                return Register::Command(0, at);
            }
            // Words: the last may be read to its end.
            if let Some(at) = within(from.offset, from.size.next_multiple_of(4)) {
                return Register::Response(0, at);
            }
            panic!("nothing at {offset:#x}");
        }
        let (locality, at) = split(offset);
        match at {
            0..CONTROL => Register::Locality(locality, at),
            CONTROL..BUFFER => Register::Control(locality, at - CONTROL),
            _ => {
                let [to, from] = self.faults.buffers.unwrap_or([(0, 0); 2]);
                // Every page has its buffers in the same places, whichever page the registers name.
                let behind = |(start, size): (u64, u32)| {
                    assert_eq!(start & !0x7fff, TPM_BASE, "nothing may go to {start:#x}");
                    let at = u64::from(at).checked_sub(start & 0xfff);
                    let at = at.filter(|at| *at < u64::from(size.next_multiple_of(4)));
                    at.map(|at| usize::try_from(at).expect("fits"))
                };
                if self.faults.buffers.is_none() {
                    let at = usize::try_from(at - BUFFER).expect("fits");
                    return match self.state {
                        State::Completion => Register::Response(locality, at),
                        _ => Register::Command(locality, at),
                    };
                }
                match (self.state, behind(to), behind(from)) {
                    (State::Completion, _, Some(at)) => Register::Response(locality, at),
                    (_, Some(at), _) => Register::Command(locality, at),
                    (_, None, Some(at)) => Register::Response(locality, at),
                    _ => panic!("no buffer at {offset:#x}"),
                }
            }
        }
    }
}

impl<B: Backend> Mmio for CrbModel<B> {
    fn read8(&mut self, offset: u32) -> u8 {
        assert_eq!(offset, 0, "byte read at {offset:#x}");
        self.read32(offset).to_le_bytes()[0]
    }

    fn read32(&mut self, offset: u32) -> u32 {
        let tpm = &mut *self.0.borrow_mut();
        assert_eq!(offset % 4, 0, "word read at {offset:#x}");
        if tpm.access() {
            return ONES;
        }
        match tpm.decode(offset) {
            Register::Locality(_, 0x00) => tpm.read_loc_state(),
            Register::Locality(locality, 0x0c) => {
                let granted = tpm.active == Some(locality);
                u32::from(granted) | u32::from(tpm.seized[usize::from(locality)]) << 1
            }
            Register::Locality(_, 0x30) => tpm.faults.interface_id,
            Register::Locality(_, 0x34) => tpm.faults.did_vid,
            Register::Control(locality, at) if tpm.is_mine(locality) => tpm.read_control(at),
            Register::Response(locality, at) if tpm.is_mine(locality) => tpm.read_buffer(at),
            Register::Command(locality, _) if tpm.is_mine(locality) => {
                panic!("there is no response in {:?}", tpm.state)
            }
            // All ones are what these tell of a locality that is lost, and no value of a good one.
            Register::Control(locality, 0x00..=0x0c) => {
                tpm.told[usize::from(locality)] = true;
                ONES
            }
            Register::Control(..) | Register::Response(..) | Register::Command(..) => ONES,
            Register::Locality(..) => panic!("word read at {offset:#x}"),
        }
    }

    fn write8(&mut self, offset: u32, value: u8) {
        let tpm = &mut *self.0.borrow_mut();
        if tpm.access() {
            return;
        }
        match tpm.decode(offset) {
            Register::Command(locality, at) if tpm.is_mine(locality) => {
                tpm.write_buffer(at, &[value]);
            }
            Register::Command(..) => {}
            _ => panic!("byte write of {value:#x} at {offset:#x}"),
        }
    }

    fn write32(&mut self, offset: u32, value: u32) {
        let tpm = &mut *self.0.borrow_mut();
        assert_eq!(offset % 4, 0, "word write at {offset:#x}");
        if tpm.access() {
            return;
        }
        match tpm.decode(offset) {
            Register::Locality(locality, 0x08) => tpm.write_loc_ctrl(locality, value),
            Register::Control(locality, at) if tpm.is_mine(locality) => {
                tpm.write_control(at, value);
            }
            Register::Command(locality, at) if tpm.is_mine(locality) => {
                tpm.write_buffer(at, &value.to_le_bytes());
            }
            Register::Response(locality, at) if tpm.is_mine(locality) => {
                tpm.clear_response(at, value);
            }
            Register::Control(..) | Register::Command(..) | Register::Response(..) => {}
            Register::Locality(..) => panic!("word write of {value:#x} at {offset:#x}"),
        }
    }

    fn invoke(&mut self) -> bool {
        let tpm = &mut *self.0.borrow_mut();
        let gone = tpm.faults.vanish_after.is_some_and(|n| tpm.accesses > n);
        let lost = tpm.active == Some(4);
        // It is called to cancel a command, too.
        let cancels = tpm.cancel && !tpm.uninvoked;
        assert!(
            gone || lost || tpm.uninvoked || cancels,
            "there is no command"
        );
        if !cancels {
            tpm.uninvoked = false;
            tpm.invocations += 1;
        }
        !tpm.faults.invoke_refused
    }
}
