// SPDX-License-Identifier: GPL-2.0
//! A device and what stands on both of its sides.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

use drtm_vm::tpm::crb::registers as reg;
use drtm_vm::tpm::crb::{Backend, Device, Hand, Window};
use drtm_vm::Fault;
use tempfile::TempDir;

/// TPM2_GetRandom, 8 bytes.
pub const COMMAND: [u8; 12] = [0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 8];
pub const ANSWER: [u8; 10] = [0x80, 1, 0, 0, 0, 10, 0, 0, 0, 0];

/// A TPM that answers at the second look, or never.
#[derive(Debug, Default)]
pub struct Fake {
    log: Vec<(u8, Vec<u8>)>,
    looks: u32,
    running: bool,
    mute: bool,
    cancelled: Arc<AtomicU32>,
}

impl Backend for Fake {
    fn submit(&mut self, locality: u8, command: Vec<u8>) {
        assert!(!self.running, "one command at a time");
        assert!(locality < 4, "software has no locality 4");
        assert!((10..=reg::BUFFER_SIZE).contains(&command.len()));
        self.log.push((locality, command));
        (self.running, self.looks) = (true, 0);
    }

    fn poll(&mut self) -> Option<Vec<u8>> {
        assert!(self.running, "nobody asked");
        self.looks += 1;
        let done = self.looks > 1 && !self.mute;
        self.running = !done;
        done.then(|| ANSWER.to_vec())
    }

    fn cancel(&mut self) {
        self.cancelled.fetch_add(1, Ordering::Relaxed);
        self.mute = false;
    }

    fn reset_establishment(&mut self, locality: u8) -> bool {
        locality == 3
    }
}

/// A device and a guest's view of its registers.
pub struct Bench {
    pub dir: TempDir,
    pub device: Device<Fake>,
    pub guest: Window,
    pub hand: Hand,
    pub cancelled: Arc<AtomicU32>,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(Fake::default())
    }

    /// A device whose TPM answers only when it is told to cancel.
    pub fn mute() -> Self {
        Self::with(Fake {
            mute: true,
            ..Fake::default()
        })
    }

    fn with(fake: Fake) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("crb");
        let window = Window::create(&path).unwrap();
        let hand = Hand::default();
        let cancelled = Arc::clone(&fake.cancelled);
        Bench {
            device: Device::new(window, fake, hand.clone()),
            guest: Window::open(&path).unwrap(),
            dir,
            hand,
            cancelled,
        }
    }

    pub fn fault(&mut self, text: &str) {
        let Ok(Fault::Registers(fault, which)) = text.parse() else {
            panic!("{text} is no fault of the registers");
        };
        self.hand.set_fault(Some((fault, which)));
        self.settle();
    }

    /// Lets the device look until nothing changes.
    pub fn settle(&mut self) {
        for _ in 0..100 {
            if !self.device.step() && !self.device.step() {
                return;
            }
        }
        panic!("the device never comes to rest");
    }

    pub fn write(&mut self, page: usize, register: usize, value: u32) {
        self.guest.store(page, register, value);
        self.settle();
    }

    pub fn granted(&self, page: usize) -> bool {
        self.guest.load(page, reg::LOC_STS) & reg::STS_GRANTED != 0
    }

    /// Number of the active locality.
    pub fn active(&self) -> Option<u32> {
        let states: Vec<u32> = (0..reg::LOCALITIES)
            .map(|page| self.guest.load(page, reg::LOC_STATE))
            .collect();
        assert!(
            states.iter().all(|state| *state == states[0]),
            "{states:x?}"
        );
        let assigned = states[0] & reg::STATE_ASSIGNED != 0;
        assigned.then_some(states[0] >> reg::STATE_ACTIVE_SHIFT & 7)
    }

    pub fn ready(&mut self, page: usize) {
        self.write(page, reg::LOC_CTRL, reg::CTRL_REQUEST);
        self.write(page, reg::CTRL_REQ, reg::REQ_READY);
        assert_eq!(self.guest.load(page, reg::CTRL_REQ), 0);
    }

    pub fn start(&mut self, page: usize, command: &[u8]) {
        self.guest.write_buffer(page, command);
        self.write(page, reg::CTRL_START, 1);
    }

    pub fn started(&self, page: usize) -> bool {
        self.guest.load(page, reg::CTRL_START) != 0
    }
}
