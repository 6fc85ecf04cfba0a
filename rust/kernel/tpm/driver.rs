// SPDX-License-Identifier: GPL-2.0

//! A TPM as its driver offers it.

use crate::{
    device::{
        Bound,
        Device, //
    },
    error::{
        from_err_ptr,
        from_result,
        to_result, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
};

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

use super::{
    Chip,
    Locality, //
};

mod table;

/// What a driver does for the TPM layer.
///
/// The layer never calls two of these functions at once for one chip, but for
/// [`Operations::resume`], which comes when user space is frozen. A command is one call: the driver
/// sends it and waits for the response.
pub trait Operations: Send + Sync {
    /// Sends the command in the first `len` bytes of `buffer`, and puts the response in its place.
    ///
    /// Returns the size of the response in bytes. A locality is open.
    fn transmit(&self, chip: Call<'_>, buffer: &mut [u8], len: usize) -> Result<usize>;

    /// Opens a locality. None is open.
    fn request_locality(&self, chip: Call<'_>, locality: Locality) -> Result;

    /// Gives the open locality back.
    fn relinquish_locality(&self, chip: Call<'_>, locality: Locality) -> Result;

    /// Sets the device up again after a suspension. Locality 0 is open.
    fn resume(&self, chip: Call<'_>) {
        let _ = chip;
    }

    /// The timeouts A to D of a TPM 1.2 that reports wrong ones, in microseconds.
    fn timeouts(&self) -> Option<[u32; 4]> {
        None
    }

    /// The durations of short, medium and long commands of a TPM 1.2 that reports wrong ones, in
    /// microseconds. `version` asks the TPM for its version: major, minor, and the two bytes of the
    /// vendor's revision.
    fn durations(&self, version: &mut dyn FnMut() -> Option<[u8; 4]>) -> Option<[u32; 3]> {
        let _ = version;
        None
    }
}

/// A chip inside one of its driver's operations.
///
/// # Invariants
///
/// The TPM layer is in a call of an operation of this chip, so it holds what guards the chip.
#[derive(Clone, Copy)]
pub struct Call<'a>(&'a Chip);

impl Call<'_> {
    /// The timeouts A to D, in microseconds.
    pub fn timeouts(&self) -> [u64; 4] {
        let raw = self.0.as_raw();
        // SAFETY: By the type invariant nobody changes these fields.
        let jiffies = unsafe {
            [
                (*raw).timeout_a,
                (*raw).timeout_b,
                (*raw).timeout_c,
                (*raw).timeout_d,
            ]
        };
        jiffies.map(to_us)
    }

    /// How long the command with this ordinal may take, in microseconds.
    pub fn duration(&self, ordinal: u32) -> u64 {
        // SAFETY: The function reads fields that by the type invariant nobody changes.
        to_us(unsafe { bindings::tpm_calc_ordinal_duration(self.0.as_raw(), ordinal) })
    }
}

/// In microseconds. Not by `HZ`, which in the bindings is user space's.
fn to_us(jiffies: c_ulong) -> u64 {
    // CAST: No larger than 64 bits.
    (jiffies as u64).saturating_mul(1_000_000) / u64::from(bindings::CONFIG_HZ)
}

/// From microseconds.
fn from_us(us: u32) -> c_ulong {
    // SAFETY: The function has no requirements.
    unsafe { bindings::__usecs_to_jiffies(us) }
}

/// A chip that is not registered yet, with its driver's state.
///
/// # Invariants
///
/// - The operations in `chip` are those of `T`, and its device points to `state`.
/// - Nobody else uses the chip.
pub struct NewChip<'a, T: Operations + 'a> {
    pub(super) chip: ARef<Chip>,
    state: Arc<T>,
    parent: PhantomData<&'a Device<Bound>>,
}

impl<'a, T: Operations + 'a> NewChip<'a, T> {
    /// Allocates a chip for the device `parent`.
    ///
    /// `state` goes to the operations as long as the chip is registered. `timeouts` are those that
    /// hold until the TPM was asked for its own, in microseconds.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, `ENOSPC`.
    pub fn new(parent: &'a Device<Bound>, state: Arc<T>, timeouts: [u32; 4]) -> Result<Self> {
        // SAFETY: The device is bound, and the operations live as long as the driver's code.
        let raw = from_err_ptr(unsafe {
            bindings::tpm_chip_alloc(parent.as_raw(), table::operations::<T>())
        })?;
        let [a, b, c, d] = timeouts.map(from_us);
        // SAFETY: The chip is new, nobody else knows it.
        unsafe {
            let dev = &raw mut (*raw).dev;
            // This is where `tpm_pm_suspend()` and `tpm_pm_resume()` look for the chip.
            bindings::dev_set_drvdata(dev, raw.cast());
            // Which leaves the platform data, that a device without a bus has no use for.
            (*dev).platform_data = Arc::as_ptr(&state).cast_mut().cast();
            (*dev).type_ = table::device_type::<T>();
            #[cfg(CONFIG_ACPI)]
            {
                (*raw).acpi_dev_handle = bindings::ACPI_HANDLE(parent.as_raw());
            }
            (*raw).flags |= bindings::tpm_chip_flags_TPM_CHIP_FLAG_SYNC;
            (*raw).timeout_a = a;
            (*raw).timeout_b = b;
            (*raw).timeout_c = c;
            (*raw).timeout_d = d;
        }
        // INVARIANT: Both done above.
        Ok(Self {
            // SAFETY: The chip has been allocated, so it is not NULL; and it comes with a
            // reference.
            chip: unsafe { ARef::from_raw(NonNull::new_unchecked(raw.cast())) },
            state,
            parent: PhantomData,
        })
    }

    /// Has the chip offer no random numbers to the kernel.
    pub fn disable_hwrng(&mut self) {
        // SAFETY: Nobody else uses the chip.
        unsafe {
            (*self.chip.as_raw()).flags |= bindings::tpm_chip_flags_TPM_CHIP_FLAG_HWRNG_DISABLED
        };
    }

    /// Makes the chip a TPM 2.0.
    pub fn set_tpm2(&mut self) {
        // SAFETY: Nobody else uses the chip.
        unsafe { (*self.chip.as_raw()).flags |= bindings::tpm_chip_flags_TPM_CHIP_FLAG_TPM2 };
    }

    /// Starts the TPM up: its timeouts, self-test, and banks.
    ///
    /// # Errors
    ///
    /// What the driver returns; `ENODEV` and others if the TPM refuses.
    pub fn bootstrap(&mut self) -> Result {
        // SAFETY: Nobody else uses the chip, and its operations work.
        to_result(unsafe { bindings::tpm_chip_bootstrap(self.chip.as_raw()) })
    }

    /// Gives the chip to its users.
    ///
    /// # Errors
    ///
    /// Those of [`NewChip::bootstrap`], if that was not called before; of the files of the chip.
    ///
    /// # Safety
    ///
    /// Callers must not `mem::forget()` the registration or otherwise prevent its [`Drop`]
    /// implementation from running: the state may depend on the device being bound.
    pub unsafe fn register(self) -> Result<Registration<'a, T>> {
        let raw = self.chip.as_raw();
        // SAFETY: The chip is complete.
        if let Err(error) = to_result(unsafe { bindings::tpm_chip_register(raw) }) {
            // Whoever has opened the chip in between must not get to the driver's state.
            // SAFETY: The chip is valid, and the semaphore guards the field. Afterwards no
            // operation runs, and none can be called.
            unsafe {
                bindings::down_write(&raw mut (*raw).ops_sem);
                (*raw).ops = core::ptr::null();
                bindings::up_write(&raw mut (*raw).ops_sem);
            }
            return Err(error);
        }
        // INVARIANT: Just registered. The operations lead to the state by the invariant of `Self`.
        Ok(Registration {
            chip: self.chip,
            _state: self.state,
            parent: PhantomData,
        })
    }
}

/// The registration of a chip; ends on drop.
///
/// # Invariants
///
/// The chip is registered, with operations that lead to `_state`.
pub struct Registration<'a, T: Operations + 'a> {
    chip: ARef<Chip>,
    _state: Arc<T>,
    parent: PhantomData<&'a Device<Bound>>,
}

impl<T: Operations> Drop for Registration<'_, T> {
    fn drop(&mut self) {
        // SAFETY: The chip is registered by the type invariant. Afterwards no operation runs, and
        // none can be called: whoever still has the chip open finds it without operations.
        unsafe { bindings::tpm_chip_unregister(self.chip.as_raw()) };
    }
}
