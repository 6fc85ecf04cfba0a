// SPDX-License-Identifier: GPL-2.0

//! The operations of the TPM layer.

use super::{
    clock::KernelClock,
    hardware::{
        Hardware,
        Registers, //
    },
    quirks::Quirks, //
};
use crate::{
    at_locality::to_errno,
    tpm::{
        Duration,
        Held,
        Locality,
        OpenLocality,
        Reader,
        Timeouts,
        Tpm,
        TpmError,
        TpmFamily,
        Transport, //
    }, //
};
use kernel::{
    device::{
        Bound,
        Device, //
    },
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    tpm::{
        self as layer,
        Call,
        BUFFER_SIZE, //
    },
};

/// An open locality of a TPM in the kernel.
pub(crate) type Open<'t, 'a> = OpenLocality<'t, Registers<'a>, KernelClock<'a>>;

/// What the driver knows of a chip.
#[pin_data]
pub(crate) struct State<'a> {
    dev: &'a Device<Bound>,
    hardware: Arc<Hardware<'a>>,
    quirks: Quirks,
    /// Never contended: the layer calls one operation at a time.
    #[pin]
    inner: Mutex<Inner<'a>>,
}

struct Inner<'a> {
    tpm: Tpm<Registers<'a>, KernelClock<'a>>,
    /// The locality that is open between two operations.
    held: Option<Held>,
    /// A copy of the command: the response goes where it came from.
    command: KVec<u8>,
    /// The last error that was reported, or 0.
    reported: u8,
}

impl<'a> State<'a> {
    /// Takes over a TPM.
    pub(crate) fn new(
        dev: &'a Device<Bound>,
        hardware: Arc<Hardware<'a>>,
        tpm: Tpm<Registers<'a>, KernelClock<'a>>,
        quirks: Quirks,
    ) -> impl PinInit<Self, Error> + 'a {
        try_pin_init!(Self {
            dev,
            hardware,
            quirks,
            inner <- new_mutex!(Inner {
                tpm,
                held: None,
                command: KVec::with_capacity(BUFFER_SIZE, GFP_KERNEL)?,
                reported: 0,
            }),
        })
    }

    /// Runs `f` with locality 0 open, outside of any operation: before the chip is registered, and
    /// after that has ended.
    pub(crate) fn with_locality0<R>(
        &self,
        f: impl FnOnce(&mut Open<'_, 'a>) -> Result<R, TpmError>,
    ) -> Result<R> {
        let mut inner = self.inner.lock();
        let result = match inner.tpm.open(Locality::L0) {
            Ok(mut open) => f(&mut open),
            Err(error) => Err(error),
        };
        self.check(&mut inner, result)
    }

    /// Makes an errno of an error of the core, and reports it unless that has just been done.
    fn check<R>(&self, inner: &mut Inner<'a>, result: Result<R, TpmError>) -> Result<R> {
        let error = match result {
            Ok(value) => {
                inner.reported = 0;
                return Ok(value);
            }
            Err(error) => error,
        };
        if inner.reported != error.code() {
            inner.reported = error.code();
            dev_err!(self.dev, "TPM: {:?}\n", error);
        }
        Err(to_errno(error))
    }
}

/// The core's name for a locality.
fn to_core(locality: layer::Locality) -> Locality {
    match locality {
        layer::Locality::L0 => Locality::L0,
        layer::Locality::L1 => Locality::L1,
        layer::Locality::L2 => Locality::L2,
        layer::Locality::L3 => Locality::L3,
        layer::Locality::L4 => Locality::L4,
    }
}

impl layer::Operations for State<'_> {
    fn transmit(&self, chip: Call<'_>, buffer: &mut [u8], len: usize) -> Result<usize> {
        let mut guard = self.inner.lock();
        let inner = &mut *guard;
        let command = buffer.get(..len).ok_or(EINVAL)?;
        inner.command.clear();
        inner.command.extend_from_slice(command, GFP_KERNEL)?;
        let mut reader = Reader::new(command);
        let ordinal = reader
            .array::<6>()
            .and_then(|_| reader.be32())
            .ok_or(EINVAL)?;
        let duration = Duration::from_us(chip.duration(ordinal));

        let held = inner.held.take().ok_or(EIO)?;
        let mut open = inner.tpm.resume(held);
        let result = open.transmit(&inner.command, buffer, duration);
        inner.held = Some(open.keep());
        self.check(inner, result)
    }

    fn request_locality(&self, chip: Call<'_>, locality: layer::Locality) -> Result {
        let mut guard = self.inner.lock();
        let inner = &mut *guard;
        let [a, b, c, d] = chip.timeouts();
        // Some TPMs 2.0 have longer pauses in a transfer than TIMEOUT_D of the specification.
        let d = match inner.tpm.family() {
            Some(TpmFamily::Tpm20) => d.max(a),
            _ => d,
        };
        inner.tpm.set_timeouts(Timeouts { a, b, c, d });
        let result = inner.tpm.open(to_core(locality)).map(OpenLocality::keep);
        inner.held = Some(self.check(inner, result)?);
        Ok(())
    }

    fn relinquish_locality(&self, _chip: Call<'_>, locality: layer::Locality) -> Result {
        let mut guard = self.inner.lock();
        let inner = &mut *guard;
        let held = inner.held.take().ok_or(EIO)?;
        if locality == layer::Locality::L0 && self.hardware.irq.is_on() {
            self.hardware.clear_interrupt();
        }
        let result = inner.tpm.resume(held).close();
        if self.quirks.settle_us > 0 {
            fsleep(Delta::from_micros(self.quirks.settle_us.into()));
        }
        self.check(inner, result)
    }

    fn resume(&self, _chip: Call<'_>) {
        // The firmware, or the loss of power, has disabled it.
        self.hardware.restore_interrupt();
    }

    fn timeouts(&self) -> Option<[u32; 4]> {
        self.quirks.timeouts
    }

    fn durations(&self, version: &mut dyn FnMut() -> Option<[u8; 4]>) -> Option<[u32; 3]> {
        let (of, durations) = self.quirks.durations?;
        (version()? == of).then_some(durations)
    }
}
