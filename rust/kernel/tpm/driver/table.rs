// SPDX-License-Identifier: GPL-2.0

//! The functions through which the C side calls a driver.

use super::*;

/// The `struct tpm_class_ops` of a driver.
pub(super) fn operations<T: Operations>() -> *const bindings::tpm_class_ops {
    &Of::<T>::OPERATIONS
}

/// The type of a chip's own device, which brings it through system suspend: just the chip, since
/// the device below it belongs to its bus.
pub(super) fn device_type<T: Operations>() -> *const bindings::device_type {
    &Of::<T>::DEVICE_TYPE
}

struct Of<T>(PhantomData<T>);

impl<T: Operations> Of<T> {
    const OPERATIONS: bindings::tpm_class_ops = bindings::tpm_class_ops {
        flags: bindings::TPM_OPS_FLAGS_TPM_OPS_AUTO_STARTUP
            | bindings::TPM_OPS_FLAGS_TPM_OPS_LOCALITIES,
        send: Some(send::<T>),
        cancel: Some(cancel),
        update_timeouts: Some(update_timeouts::<T>),
        update_durations: Some(update_durations::<T>),
        request_locality: Some(request_locality::<T>),
        relinquish_locality: Some(relinquish_locality::<T>),
        ..pin_init::zeroed()
    };

    const POWER: bindings::dev_pm_ops = bindings::dev_pm_ops {
        suspend: Some(bindings::tpm_pm_suspend),
        freeze: Some(bindings::tpm_pm_suspend),
        poweroff: Some(bindings::tpm_pm_suspend),
        resume: Some(resume::<T>),
        thaw: Some(resume::<T>),
        restore: Some(resume::<T>),
        ..pin_init::zeroed()
    };

    const DEVICE_TYPE: bindings::device_type = bindings::device_type {
        pm: &Self::POWER,
        ..pin_init::zeroed()
    };
}

/// The chip in a call, and the state of its driver.
///
/// # Safety
///
/// `chip` must be one whose operations are those of `T`, in a call of one of them.
unsafe fn called<'a, T: Operations>(chip: *mut bindings::tpm_chip) -> (Call<'a>, &'a T) {
    // SAFETY: `Chip` is a transparent wrapper, and the caller of the operation holds a reference.
    let chip = unsafe { &*chip.cast::<Chip>() };
    // SAFETY: `NewChip::new` has put a pointer to the state there. The state is not dropped before
    // the operations have been taken away from the chip, which waits for calls.
    let state = unsafe { &*(*chip.as_raw()).dev.platform_data.cast::<T>() };
    // INVARIANT: By the requirement of this function.
    (Call(chip), state)
}

/// # Safety
///
/// Only for the TPM layer, as an operation of a chip with the state `T`: `buf` is a buffer of
/// `capacity` bytes, of which `len` are the command.
unsafe extern "C" fn send<T: Operations>(
    chip: *mut bindings::tpm_chip,
    buf: *mut u8,
    capacity: usize,
    len: usize,
) -> c_int {
    // SAFETY: By the requirement of this function.
    let (call, state) = unsafe { called::<T>(chip) };
    // SAFETY: By the requirement of this function; nobody else uses the buffer during the call.
    let buffer = unsafe { core::slice::from_raw_parts_mut(buf, capacity) };
    from_result(|| Ok(c_int::try_from(state.transmit(call, buffer, len)?)?))
}

/// A command ends before its call does, and no operation is called during another one: whoever asks
/// for the cancellation of a command comes when it is over.
///
/// # Safety
///
/// None; the type is that of the operation.
unsafe extern "C" fn cancel(_chip: *mut bindings::tpm_chip) {}

/// # Safety
///
/// Only for the TPM layer, as an operation of a chip with the state `T`.
unsafe extern "C" fn request_locality<T: Operations>(
    chip: *mut bindings::tpm_chip,
    number: c_int,
) -> c_int {
    // SAFETY: By the requirement of this function.
    let (call, state) = unsafe { called::<T>(chip) };
    from_result(|| {
        let locality = Locality::new(number).ok_or(EINVAL)?;
        state.request_locality(call, locality)?;
        Ok(number)
    })
}

/// # Safety
///
/// Only for the TPM layer, as an operation of a chip with the state `T`.
unsafe extern "C" fn relinquish_locality<T: Operations>(
    chip: *mut bindings::tpm_chip,
    number: c_int,
) -> c_int {
    // SAFETY: By the requirement of this function.
    let (call, state) = unsafe { called::<T>(chip) };
    from_result(|| {
        // -1 is what the layer passes when it has no locality to give back.
        if let Some(locality) = Locality::new(number) {
            state.relinquish_locality(call, locality)?;
        }
        Ok(0)
    })
}

/// # Safety
///
/// Only for the TPM layer, as an operation of a chip with the state `T`: `us` are four timeouts.
unsafe extern "C" fn update_timeouts<T: Operations>(
    chip: *mut bindings::tpm_chip,
    us: *mut c_ulong,
) {
    // SAFETY: By the requirement of this function.
    let (_, state) = unsafe { called::<T>(chip) };
    let timeouts = state.timeouts();
    // SAFETY: By the requirement of this function.
    unsafe {
        (*chip).timeout_adjusted = timeouts.is_some();
        if let Some(timeouts) = timeouts {
            us.cast::<[c_ulong; 4]>()
                // CAST: No smaller than 32 bits.
                .write(timeouts.map(|us| us as c_ulong));
        }
    }
}

/// # Safety
///
/// Only for the TPM layer, as an operation of a chip with the state `T`: `jiffies` are three
/// durations. No other operation is running, so commands may be sent.
unsafe extern "C" fn update_durations<T: Operations>(
    chip: *mut bindings::tpm_chip,
    jiffies: *mut c_ulong,
) {
    // SAFETY: By the requirement of this function.
    let (_, state) = unsafe { called::<T>(chip) };
    // SAFETY: By the requirement of this function.
    let durations = state.durations(&mut || unsafe { version(chip) });
    // SAFETY: By the requirement of this function.
    unsafe {
        (*chip).duration_adjusted = durations.is_some();
        if let Some(durations) = durations {
            jiffies.cast::<[c_ulong; 3]>().write(durations.map(from_us));
        }
    }
}

/// Asks a TPM 1.2 for its version.
///
/// # Safety
///
/// `chip` must be ready for commands, and locked.
unsafe fn version(chip: *mut bindings::tpm_chip) -> Option<[u8; 4]> {
    let mut cap: bindings::cap_t = pin_init::zeroed();
    let mut ask = |capability: u32, size: usize| {
        // SAFETY: The chip is ready. `cap` is large enough for every capability.
        let ret =
            unsafe { bindings::tpm1_getcap(chip, capability, &mut cap, core::ptr::null(), size) };
        ret == 0
    };
    let version = if ask(
        bindings::tpm_capabilities_TPM_CAP_VERSION_1_2,
        size_of::<bindings::tpm1_version2>(),
    ) {
        // SAFETY: All bytes of the union are initialized, and any are a version.
        unsafe { cap.version2.version }
    } else if ask(
        bindings::tpm_capabilities_TPM_CAP_VERSION_1_1,
        size_of::<bindings::tpm1_version>(),
    ) {
        // SAFETY: As above.
        unsafe { cap.version1 }
    } else {
        return None;
    };
    Some([
        version.major,
        version.minor,
        version.rev_major,
        version.rev_minor,
    ])
}

/// # Safety
///
/// Only for power management, as a callback of the device in a chip with the state `T`.
unsafe extern "C" fn resume<T: Operations>(dev: *mut bindings::device) -> c_int {
    // SAFETY: `NewChip::new` has put the chip there.
    let chip = unsafe { bindings::dev_get_drvdata(dev) }.cast::<bindings::tpm_chip>();
    // SAFETY: The chip is valid; its device is in power management only while it is registered.
    // Others find the chip suspended and stay away, so this is as good as a call. What is started
    // is stopped.
    unsafe {
        let ret = bindings::tpm_chip_start(chip);
        if ret != 0 {
            return ret;
        }
        let (call, state) = called::<T>(chip);
        state.resume(call);
        // A TPM 1.2 wants a self-test after it was without power. It reports by itself.
        if (*chip).flags & bindings::tpm_chip_flags_TPM_CHIP_FLAG_TPM2 == 0 {
            bindings::tpm1_do_selftest(chip);
        }
        bindings::tpm_chip_stop(chip);
        bindings::tpm_pm_resume(dev)
    }
}
