// SPDX-License-Identifier: GPL-2.0

//! A TPM as the rest of the kernel uses it.

use crate::{
    error::to_result,
    prelude::*,
    sync::aref::{
        ARef,
        AlwaysRefCounted, //
    },
    types::Opaque, //
};

use core::ptr::NonNull;

use super::{
    Locality,
    BUFFER_SIZE, //
};

/// A TPM, reference-counted.
///
/// # Invariants
///
/// The wrapped `struct tpm_chip` was allocated by `tpm_chip_alloc()`.
#[repr(transparent)]
pub struct Chip(Opaque<bindings::tpm_chip>);

// SAFETY: A chip is used and released by any thread; its own locks serialize them.
unsafe impl Send for Chip {}

// SAFETY: As above.
unsafe impl Sync for Chip {}

// SAFETY: The device in a chip counts the references to the chip, which is freed with the last one.
unsafe impl AlwaysRefCounted for Chip {
    fn inc_ref(&self) {
        // SAFETY: The shared reference shows that the count is not zero.
        unsafe { bindings::get_device(&raw mut (*self.as_raw()).dev) };
    }

    unsafe fn dec_ref(chip: NonNull<Self>) {
        // SAFETY: By the requirements of this function, there is a reference to give back.
        unsafe { bindings::put_device(&raw mut (*chip.cast::<bindings::tpm_chip>().as_ptr()).dev) };
    }
}

impl Chip {
    pub(super) fn as_raw(&self) -> *mut bindings::tpm_chip {
        self.0.get()
    }

    /// The first TPM of the machine, if one is registered.
    pub fn first() -> Option<ARef<Self>> {
        // SAFETY: The function has no requirements.
        let chip = NonNull::new(unsafe { bindings::tpm_default_chip() })?;
        // SAFETY: The chip comes with a reference, which the `ARef` takes over. `Chip` is a
        // transparent wrapper of it.
        Some(unsafe { ARef::from_raw(chip.cast()) })
    }

    /// Runs `f` with the TPM locked, and the commands that it sends coming from `locality`.
    ///
    /// The chip is locked throughout: nobody else's command goes to the TPM before it is free of
    /// `locality` again, whatever `f` returns. It may sleep.
    ///
    /// # Errors
    ///
    /// `EIO` if the TPM is suspended or its driver has gone, `EOPNOTSUPP` if its driver knows no
    /// other locality than 0, `ENOMEM`; what the driver says when the locality is not granted; what
    /// `f` returns.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use kernel::prelude::*;
    /// use kernel::tpm::{Chip, Locality};
    ///
    /// # fn get_random(command: &[u8; 12]) -> Result {
    /// let chip = Chip::first().ok_or(ENODEV)?;
    /// let mut response = [0; 64];
    /// let size = chip.at_locality(Locality::L2, |tpm| tpm.transmit(command, &mut response))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn at_locality<R>(
        &self,
        locality: Locality,
        f: impl FnOnce(&mut LockedChip<'_>) -> Result<R>,
    ) -> Result<R> {
        let mut locked = LockedChip::new(self)?;
        if locality != Locality::L0 {
            locked.change(locality)?;
        }
        f(&mut locked)
    }
}

/// A TPM that is locked, with a locality open. Everything is given back on drop.
///
/// # Invariants
///
/// `tpm_try_get_ops()` has locked the chip. Its `locality` is the one that is open, or -1.
pub struct LockedChip<'a> {
    chip: &'a Chip,
    buffer: KVec<u8>,
}

impl<'a> LockedChip<'a> {
    fn new(chip: &'a Chip) -> Result<Self> {
        let buffer = KVec::from_elem(0, BUFFER_SIZE, GFP_KERNEL)?;
        // SAFETY: The reference keeps the chip.
        to_result(unsafe { bindings::tpm_try_get_ops(chip.as_raw()) })?;
        // INVARIANT: Just locked; that has opened locality 0.
        Ok(Self { chip, buffer })
    }

    /// Gives the locality back and opens another. If that fails, no locality is open.
    fn change(&mut self, locality: Locality) -> Result {
        let raw = self.chip.as_raw();
        // SAFETY: The chip is locked, so it has operations, and they stay.
        let ops = unsafe { &*(*raw).ops };
        let (Some(request), Some(relinquish)) = (ops.request_locality, ops.relinquish_locality)
        else {
            return Err(EOPNOTSUPP);
        };
        // Drivers that count their localities, or have just one, do not say that they can do this.
        if ops.flags & bindings::TPM_OPS_FLAGS_TPM_OPS_LOCALITIES == 0 {
            return Err(EOPNOTSUPP);
        }
        if let Some(go_idle) = ops.go_idle {
            // SAFETY: The chip is locked, as all operations require. This is what
            // `tpm_chip_stop()` does too.
            to_result(unsafe { go_idle(raw) })?;
        }
        // SAFETY: The chip is locked, and this locality is the open one.
        let closed = to_result(unsafe { relinquish(raw, (*raw).locality) });
        // INVARIANT: No locality is open. `tpm_put_ops()` passes that on to a driver which, by its
        // flag, takes a negative locality for none.
        // SAFETY: The chip is locked, which guards the field.
        unsafe { (*raw).locality = -1 };
        closed?;
        // SAFETY: The chip is locked, and no locality is open.
        to_result(unsafe { request(raw, locality.number()) })?;
        // INVARIANT: The locality has been opened.
        // SAFETY: The chip is locked, which guards the field.
        unsafe { (*raw).locality = locality.number() };
        match ops.cmd_ready {
            // SAFETY: The chip is locked and the locality open, as in `tpm_chip_start()`.
            Some(cmd_ready) => to_result(unsafe { cmd_ready(raw) }),
            None => Ok(()),
        }
    }

    /// Whether the TPM is a TPM 2.0; a TPM 1.2 otherwise.
    pub fn is_tpm2(&self) -> bool {
        // SAFETY: The flag is set before the chip is registered, and not changed afterwards.
        let flags = unsafe { (*self.chip.as_raw()).flags };
        flags & bindings::tpm_chip_flags_TPM_CHIP_FLAG_TPM2 != 0
    }

    /// Sends `command`, puts the response into `response` and returns its size in bytes.
    ///
    /// A TPM 2.0 that asks for the command to be sent again is obeyed for some seconds. The
    /// response has at least a header, and exactly the length that its header says. It may be an
    /// error of the TPM, which is no error of this function.
    ///
    /// # Errors
    ///
    /// `E2BIG` if the command is larger than [`BUFFER_SIZE`] or what its header says, `EINVAL` if
    /// it has no header, `EMSGSIZE` if the response does not fit; what the driver returns.
    pub fn transmit(&mut self, command: &[u8], response: &mut [u8]) -> Result<usize> {
        if command.len() < bindings::TPM_HEADER_SIZE as usize {
            return Err(EINVAL);
        }
        self.buffer
            .get_mut(..command.len())
            .ok_or(E2BIG)?
            .copy_from_slice(command);
        // SAFETY: The chip is locked, and the buffer is as large as it says, and no smaller than
        // the header that the function reads before anything else.
        let ret = unsafe {
            bindings::tpm_transmit(
                self.chip.as_raw(),
                self.buffer.as_mut_ptr(),
                self.buffer.len(),
            )
        };
        let Ok(size) = usize::try_from(ret) else {
            return Err(c_int::try_from(ret).map_or(EIO, Error::from_errno));
        };
        let found = self.buffer.get(..size).ok_or(EIO)?;
        response
            .get_mut(..size)
            .ok_or(EMSGSIZE)?
            .copy_from_slice(found);
        Ok(size)
    }
}

impl Drop for LockedChip<'_> {
    fn drop(&mut self) {
        // SAFETY: The chip is locked by the type invariant. This gives its locality back, whichever
        // that is, before it unlocks the chip.
        unsafe { bindings::tpm_put_ops(self.chip.as_raw()) };
    }
}
