// SPDX-License-Identifier: GPL-2.0
//! A TPM with the Command Response Buffer interface and localities 0 to 4, which QEMU lacks.
//!
//! Its registers are a RAM window that a hidden PCI function puts at their address; a thread
//! behind the window plays the device.

mod client;
mod device;
mod hand;
pub mod registers;
mod window;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;

pub use client::Client;
pub use device::{Backend, Device, Pace};
pub use hand::Hand;
pub use window::{Window, SIZE};

use crate::error::Result;

/// A running device.
#[derive(Debug)]
pub struct Crb {
    hand: Hand,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Crb {
    /// Starts the device behind the window file at `path`: after a reset, or with `resume` in the
    /// state that the file tells.
    pub fn start<B: Backend + 'static>(path: &Path, resume: bool, backend: B) -> Result<Self> {
        let hand = Hand::default();
        let mut device = if resume {
            let window = Window::open(path)?;
            let state = window.load(0, registers::LOC_STATE);
            hand.set_established(state & registers::STATE_NOT_ESTABLISHED == 0);
            Device::resume(window, backend, hand.clone())
        } else {
            Device::new(Window::create(path)?, backend, hand.clone())
        };
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            // The kernel may round short sleeps up by 50 us otherwise; if it does, they are long.
            let _ = nix::sys::prctl::set_timerslack(1);
            let mut pace = Pace::default();
            while !stopped.load(Ordering::Relaxed) {
                let moved = device.step();
                pace.wait(moved, device.in_use());
            }
        });
        Ok(Crb {
            hand,
            stop,
            thread: Some(thread),
        })
    }

    /// The model's hand on it.
    pub fn hand(&self) -> &Hand {
        &self.hand
    }
}

impl Drop for Crb {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
