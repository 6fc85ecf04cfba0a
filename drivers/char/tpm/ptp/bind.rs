// SPDX-License-Identifier: GPL-2.0

//! Binding the driver to a device.

use super::{
    clock::KernelClock,
    hardware::{
        Hardware,
        Registers, //
    },
    irq::IrqHandler,
    place::Place,
    quirks::{
        self,
        Quirks, //
    },
    state::State, //
};
use crate::at_locality::to_errno;
use crate::tpm::{
    properties,
    Interface,
    Locality,
    Tpm,
    TpmFamily, //
};
use kernel::{
    device::{
        Bound,
        Device, //
    },
    irq::{
        self,
        IrqRequest, //
    },
    prelude::*,
    sync::Arc,
    tpm::{
        legacy_irqs,
        NewChip,
        Registration, //
    },
};

/// Timeouts before the TPM was asked for its own, in microseconds: the longer ones of either
/// family.
const TIMEOUTS_US: [u32; 4] = [750_000, 4_000_000, 750_000, 750_000];

/// A device that has a TPM2 table besides.
pub(crate) struct ByTable;

/// What a bus knows of a device.
pub(crate) struct Resources<'a, 'r> {
    /// Start and size of the memory resource with this index.
    pub(crate) range: &'r dyn Fn(u32) -> Option<(u64, u64)>,
    /// The interrupt.
    pub(crate) irq: Option<IrqRequest<'a>>,
    /// Nobody knows about an interrupt; ask the TPM.
    pub(crate) ask_irq: bool,
}

/// A device with the driver.
///
/// The order counts for dropping: the users first, then the interrupt.
pub(crate) struct Binding<'a> {
    _registration: Registration<'a, State<'a>>,
    _interrupt: Option<Interrupt<'a>>,
}

/// An interrupt in use.
struct Interrupt<'a> {
    state: Arc<State<'a>>,
    hardware: Arc<Hardware<'a>>,
    _handler: Pin<KBox<irq::Registration<'a, IrqHandler<'a>>>>,
}

impl Drop for Interrupt<'_> {
    fn drop(&mut self) {
        // Reports errors itself.
        let _ = self.state.with_locality0(|_| {
            self.hardware.disable_interrupt();
            Ok(())
        });
    }
}

/// Finds the TPM of a device and registers it.
///
/// # Errors
///
/// `ENODEV` if there is none, or none that this driver can speak to; `EBUSY` if its registers
/// belong to somebody else; those of the core.
pub(crate) fn bind<'a>(
    dev: &'a Device<Bound>,
    resources: Resources<'a, '_>,
    by_table: bool,
) -> Result<Binding<'a>> {
    let place = Place::find(dev, &resources, by_table)?;
    let hardware = Hardware::new(dev, place.window, place.areas, place.method)?;
    let registers = Registers(hardware.clone());
    let clock = KernelClock::new(hardware.clone());
    let mut tpm = match place.layout {
        Some(layout) => Tpm::with_crb(registers, clock, layout),
        None => Tpm::probe(registers, clock),
    }
    .map_err(|error| {
        dev_err!(dev, "no TPM: {:?}\n", error);
        to_errno(error)
    })?;

    let id = tpm.did_vid();
    let quirks = Quirks::of(id);
    hardware.set_poll_us(quirks.poll_us);
    let is_crb = matches!(tpm.interface(), Interface::Crb(_));
    let family = tpm
        .open(Locality::L0)
        .and_then(|open| {
            let family = crate::tpm::Transport::family(&open);
            open.close().map(|()| family)
        })
        .map_err(|error| {
            dev_err!(dev, "TPM does not work: {:?}\n", error);
            to_errno(error)
        })?;
    let version = match family {
        TpmFamily::Tpm12 => "1.2",
        TpmFamily::Tpm20 => "2.0",
    };
    dev_info!(
        dev,
        "TPM {} ({}, vendor {:#06x}, device {:#06x})\n",
        version,
        if is_crb { "CRB" } else { "FIFO" },
        id.vendor(),
        id.device()
    );

    let state = Arc::pin_init(State::new(dev, hardware.clone(), tpm, quirks), GFP_KERNEL)?;
    let mut chip = NewChip::new(dev, state.clone(), TIMEOUTS_US)?;
    if family == TpmFamily::Tpm20 {
        chip.set_tpm2();
    }
    if is_crb && quirks::is_amd() {
        // AMD's firmware TPMs stutter when they are asked for random numbers all the time
        // (https://www.amd.com/en/support/kb/faq/pa-410).
        chip.disable_hwrng();
    }
    chip.bootstrap()?;
    let interrupt = if is_crb || !crate::module_parameters::interrupts.value() {
        None
    } else {
        interrupt(dev, resources, &hardware, &state)
    };
    // SAFETY: The registration is part of the driver's data, which is dropped when the device is
    // unbound.
    let registration = unsafe { chip.register()? };
    Ok(Binding {
        _registration: registration,
        _interrupt: interrupt,
    })
}

/// Finds the interrupt; `None` if there is none that works.
fn interrupt<'a>(
    dev: &'a Device<Bound>,
    resources: Resources<'a, '_>,
    hardware: &Arc<Hardware<'a>>,
    state: &Arc<State<'a>>,
) -> Option<Interrupt<'a>> {
    let try_one = |request| try_interrupt(request, hardware, state);
    let found = match resources.irq {
        Some(request) => {
            let found = try_one(request);
            if found.is_none() {
                dev_warn!(dev, "[Firmware Bug]: the interrupt does not work\n");
            }
            found
        }
        None if resources.ask_irq => {
            legacy_irqs(dev, hardware.interrupt_vector()).find_map(try_one)
        }
        None => None,
    };
    match &found {
        Some(_) => dev_info!(dev, "interrupts are used\n"),
        None => dev_info!(dev, "no interrupt, polling\n"),
    }
    found
}

/// Sets up an interrupt, and sees whether it comes.
fn try_interrupt<'a>(
    request: IrqRequest<'a>,
    hardware: &Arc<Hardware<'a>>,
    state: &Arc<State<'a>>,
) -> Option<Interrupt<'a>> {
    let number = request.irq();
    // SAFETY: The registration is dropped below, or with the driver's data when the device is
    // unbound; nobody keeps either from that.
    let registration = unsafe {
        irq::Registration::new(
            request,
            irq::Flags::SHARED,
            crate::NAME,
            Ok::<_, Error>(IrqHandler(hardware.clone())),
        )
    };
    // Gone again, with the interrupt disabled, if it does not come.
    let interrupt = Interrupt {
        state: state.clone(),
        hardware: hardware.clone(),
        _handler: KBox::pin_init(registration, GFP_KERNEL).ok()?,
    };
    let works = state.with_locality0(|open| {
        hardware.enable_interrupt(number);
        // A command like any other, so there is an interrupt.
        properties(open).map(|_| hardware.interrupt_works())
    });
    matches!(works, Ok(true)).then_some(interrupt)
}
