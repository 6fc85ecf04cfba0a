// SPDX-License-Identifier: GPL-2.0

//! The registers and buffers of a TPM.

use super::irq::Irq;
use crate::tpm::Mmio;
use kernel::{
    device::{
        Bound,
        Device, //
    },
    io::{
        mem::IoMem,
        Io, //
    },
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    tpm::Window, //
};

/// Where the core finds a buffer or control area that is not in the register window: these many
/// bytes from the one before. The window comes first.
const AREA: u32 = 1 << 20;

/// Where the core finds the control area of a CRB.
pub(crate) const CONTROL: u32 = AREA;
/// Where the core finds the command buffer of a CRB.
pub(crate) const COMMAND: u32 = 2 * AREA;
/// Where the core finds the response buffer of a CRB.
pub(crate) const RESPONSE: u32 = 3 * AREA;

/// The parts of a CRB that ACPI or the control area places somewhere in memory.
#[derive(Default)]
pub(crate) struct Areas<'a> {
    pub(crate) control: Option<IoMem<'a>>,
    pub(crate) command: Option<IoMem<'a>>,
    pub(crate) response: Option<IoMem<'a>>,
}

/// What the driver has mapped of a TPM.
///
/// The accessors may be called from any context, and by the interrupt handler beside the task that
/// works with the TPM: either has registers of its own.
#[pin_data]
pub(crate) struct Hardware<'a> {
    dev: &'a Device<Bound>,
    window: Option<Window<'a>>,
    areas: Areas<'a>,
    /// Whether an ACPI method starts the commands.
    method: bool,
    poll_us: Atomic<u32>,
    #[pin]
    pub(crate) irq: Irq,
}

impl<'a> Hardware<'a> {
    pub(crate) fn new(
        dev: &'a Device<Bound>,
        window: Option<Window<'a>>,
        areas: Areas<'a>,
        method: bool,
    ) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                dev,
                window,
                areas,
                method,
                poll_us: Atomic::new(0),
                irq <- Irq::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// The shortest pause between two looks at a register, in microseconds.
    pub(crate) fn poll_us(&self) -> u64 {
        self.poll_us.load(Relaxed).into()
    }

    pub(crate) fn set_poll_us(&self, us: u32) {
        self.poll_us.store(us, Relaxed);
    }

    /// What is at `offset`, and where in it that is.
    fn find(&self, offset: u32) -> Option<(&IoMem<'a>, usize)> {
        let io = match offset / AREA {
            0 => self.window.as_ref().map(Window::io),
            1 => self.areas.control.as_ref(),
            2 => self.areas.command.as_ref(),
            3 => self.areas.response.as_ref(),
            _ => None,
        };
        Some((io?, usize::try_from(offset % AREA).ok()?))
    }

    /// Waits until a write has arrived: a queue of them that is written in one go holds up the
    /// processor for longer than a real-time kernel may be.
    fn flush(&self) {
        if cfg!(CONFIG_PREEMPT_RT) {
            (&*self).read8(0);
        }
    }
}

/// What is not mapped reads as all ones and swallows writes, as on the bus.
impl Mmio for &Hardware<'_> {
    fn read8(&mut self, offset: u32) -> u8 {
        self.find(offset)
            .and_then(|(io, at)| io.try_read8(at).ok())
            .unwrap_or(u8::MAX)
    }

    fn read32(&mut self, offset: u32) -> u32 {
        self.find(offset)
            .and_then(|(io, at)| io.try_read32(at).ok())
            .unwrap_or(u32::MAX)
    }

    fn write8(&mut self, offset: u32, value: u8) {
        if let Some((io, at)) = self.find(offset) {
            let _ = io.try_write8(value, at);
            self.flush();
        }
    }

    fn write32(&mut self, offset: u32, value: u32) {
        if let Some((io, at)) = self.find(offset) {
            let _ = io.try_write32(value, at);
            self.flush();
        }
    }

    fn invoke(&mut self) -> bool {
        !self.method || kernel::tpm::acpi::call_start_method(self.dev).is_ok()
    }
}

/// The core's access to a TPM.
pub(crate) struct Registers<'a>(pub(crate) Arc<Hardware<'a>>);

impl Mmio for Registers<'_> {
    fn read8(&mut self, offset: u32) -> u8 {
        (&*self.0).read8(offset)
    }

    fn read32(&mut self, offset: u32) -> u32 {
        (&*self.0).read32(offset)
    }

    fn write8(&mut self, offset: u32, value: u8) {
        (&*self.0).write8(offset, value);
    }

    fn write32(&mut self, offset: u32, value: u32) {
        (&*self.0).write32(offset, value);
    }

    fn invoke(&mut self) -> bool {
        (&*self.0).invoke()
    }
}
