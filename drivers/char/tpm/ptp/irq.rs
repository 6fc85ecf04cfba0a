// SPDX-License-Identifier: GPL-2.0

//! Interrupts of the FIFO interface (PTP 1.05 section 6.5.2.8 and after).
//!
//! They belong to locality 0: its registers work only while it is open, and commands from other
//! localities end without an interrupt. What is enabled are the two events that may take long, a
//! response and the readiness for a command; whatever is waited for, the wait looks at the register
//! as well, so a lost interrupt costs time and nothing else.

use super::hardware::Hardware;
use crate::tpm::{
    Interrupts,
    Locality,
    LocalityRegs, //
};
use kernel::{
    irq::{
        Handler,
        IrqReturn, //
    },
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    time::Delta,
    tpm::Wake, //
};

/// What the TPM is to interrupt for.
const USED: Interrupts = Interrupts::DATA_AVAIL.with(Interrupts::COMMAND_READY);

/// The interrupt of a TPM.
#[pin_data]
pub(crate) struct Irq {
    on: Atomic<bool>,
    seen: Atomic<bool>,
    number: Atomic<u32>,
    #[pin]
    wake: Wake,
}

impl Irq {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            on: Atomic::new(false),
            seen: Atomic::new(false),
            number: Atomic::new(0),
            wake <- Wake::new(),
        })
    }

    /// Whether waits may rely on the interrupt.
    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Relaxed)
    }

    /// Waits for the interrupt.
    pub(crate) fn wait(&self, us: u64) {
        let us = i64::try_from(us).unwrap_or(i64::MAX);
        self.wake.wait(Delta::from_micros(us));
    }
}

// Locality 0 is open in all of these but the first, and the handler's.
impl Hardware<'_> {
    /// The number of the interrupt that the firmware has chosen; 0 if it has not.
    pub(crate) fn interrupt_vector(&self) -> u32 {
        LocalityRegs::new(&mut &*self, Locality::L0)
            .interrupt_vector()
            .into()
    }

    /// Has the TPM send its interrupt, with this number.
    pub(crate) fn enable_interrupt(&self, number: u32) {
        let mut io = self;
        let mut regs = LocalityRegs::new(&mut io, Locality::L0);
        // What is no ISA interrupt is wired, and the TPM need not know its number.
        if let Ok(vector @ 0..=15) = u8::try_from(number) {
            regs.set_interrupt_vector(vector);
        }
        let pending = regs.interrupts_pending();
        regs.clear_interrupts(pending.reasons());
        let firmware = regs.interrupts_enabled();
        let used = USED.supported(regs.intf_caps());
        regs.enable_interrupts(used.armed(firmware));
        self.irq.number.store(number, Relaxed);
        self.irq.on.store(true, Relaxed);
    }

    /// Enables the interrupt again where it was before the TPM was without power.
    pub(crate) fn restore_interrupt(&self) {
        if self.irq.is_on() {
            self.enable_interrupt(self.irq.number.load(Relaxed));
        }
    }

    /// Has the TPM send none.
    pub(crate) fn disable_interrupt(&self) {
        self.irq.on.store(false, Relaxed);
        LocalityRegs::new(&mut &*self, Locality::L0).enable_interrupts(Interrupts::NONE);
        self.clear_interrupt();
    }

    /// Takes back what the TPM has signalled, if it has. Once its locality is closed nobody can.
    pub(crate) fn clear_interrupt(&self) -> bool {
        let mut io = self;
        let mut regs = LocalityRegs::new(&mut io, Locality::L0);
        let pending = regs.interrupts_pending();
        if pending.is_none() {
            return false;
        }
        regs.clear_interrupts(pending.reasons());
        // The write must have arrived before the interrupt is unmasked.
        regs.interrupts_pending();
        true
    }

    /// Whether the TPM has sent an interrupt since it was enabled; waits a little for one.
    pub(crate) fn interrupt_works(&self) -> bool {
        if !self.irq.seen.load(Relaxed) {
            self.irq.wait(10_000);
        }
        self.irq.seen.load(Relaxed)
    }
}

/// The interrupt handler.
pub(crate) struct IrqHandler<'a>(pub(crate) Arc<Hardware<'a>>);

impl Handler for IrqHandler<'_> {
    fn handle(&self) -> IrqReturn {
        if !self.0.clear_interrupt() {
            return IrqReturn::None;
        }
        self.0.irq.seen.store(true, Relaxed);
        self.0.irq.wake.wake();
        IrqReturn::Handled
    }
}
