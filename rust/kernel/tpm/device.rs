// SPDX-License-Identifier: GPL-2.0

//! What a TPM driver needs of its device, and no other abstraction has.

use crate::{
    device::{
        Bound,
        Device, //
    },
    error::from_err_ptr,
    io::{
        mem::{
            IoMem,
            IoRequest, //
        },
        resource::{
            Flags,
            Region, //
        },
        PhysAddr,
        Resource,
        ResourceSize, //
    },
    irq::IrqRequest,
    prelude::*,
    time::Delta,
    types::Opaque, //
};

use core::ptr::NonNull;

/// The resource for `size` bytes of memory at `start`; nobody owns it.
fn memory(start: PhysAddr, size: usize) -> Result<bindings::resource> {
    let size = PhysAddr::try_from(size)?;
    let last = size.checked_sub(1).ok_or(EINVAL)?;
    Ok(bindings::resource {
        start,
        end: start.checked_add(last).ok_or(EINVAL)?,
        // CAST: No smaller than 32 bits.
        flags: bindings::IORESOURCE_MEM as c_ulong,
        ..pin_init::zeroed()
    })
}

/// Maps `size` bytes at the physical address `start` that belong to `dev` but are not among its
/// resources, such as buffers that its registers point to.
///
/// Memory that the kernel uses as such is not mapped.
///
/// # Errors
///
/// `EINVAL` if there is no such range, `ENOMEM` if it cannot be mapped.
pub fn map<'a>(dev: &'a Device<Bound>, start: PhysAddr, size: usize) -> Result<IoMem<'a>> {
    let mut resource = memory(start, size)?;
    // SAFETY: The resource is valid, and used for the mapping only, not afterwards.
    let request = unsafe { IoRequest::new(dev, Resource::from_raw(&mut resource)) };
    request.iomap()
}

/// The ISA interrupts that a device can have whose firmware does not describe it: the one with the
/// number that the device itself has, or any if that is 0.
pub fn legacy_irqs(dev: &Device<Bound>, number: u32) -> impl Iterator<Item = IrqRequest<'_>> + '_ {
    let numbers = if number == 0 { 3..=15 } else { number..=number };
    numbers
        .filter(|number| *number <= 15)
        // SAFETY: These are the numbers of the ISA interrupts. Whether it is the right one shows
        // when the device sends it.
        .map(|number| unsafe { IrqRequest::new(dev, number) })
}

/// A range of registers that is mapped for one driver alone.
pub struct Window<'a> {
    io: IoMem<'a>,
    _region: Region,
}

impl<'a> Window<'a> {
    /// Claims and maps `size` bytes at the physical address `start`, which `dev` consists of.
    ///
    /// # Errors
    ///
    /// `EBUSY` if a part of it belongs to somebody else, `EINVAL` if there is no such range,
    /// `ENOMEM`.
    pub fn new(dev: &'a Device<Bound>, start: PhysAddr, size: usize) -> Result<Self> {
        let name = dev.name().to_cstring()?;
        // SAFETY: The root of all memory resources is always there, and has a lock of its own.
        let all = unsafe { Resource::from_raw(&raw mut bindings::iomem_resource) };
        // A claim has to be made in this tree: not every bus puts its devices' resources there.
        let region = all
            .request_region(
                start,
                ResourceSize::try_from(size)?,
                name,
                Flags::IORESOURCE_MEM,
            )
            .ok_or(EBUSY)?;
        Ok(Self {
            io: map(dev, start, size)?,
            _region: region,
        })
    }

    /// The registers.
    pub fn io(&self) -> &IoMem<'a> {
        &self.io
    }
}

/// A platform device with one range of memory, for hardware that no firmware describes; removed on
/// drop.
///
/// # Invariants
///
/// The pointer is to a registered platform device, which is owned.
pub struct FixedDevice(NonNull<bindings::platform_device>);

// SAFETY: A platform device may be removed by any thread.
unsafe impl Send for FixedDevice {}

// SAFETY: Nothing can be done with a shared one.
unsafe impl Sync for FixedDevice {}

impl FixedDevice {
    /// Registers a device of this name with `size` bytes at the physical address `start`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there is no such range, `EBUSY` if it belongs to something else, `EEXIST`,
    /// `ENOMEM`.
    pub fn new(name: &CStr, start: PhysAddr, size: usize) -> Result<Self> {
        let resource = memory(start, size)?;
        let info = bindings::platform_device_info {
            name: name.as_char_ptr(),
            id: bindings::PLATFORM_DEVID_NONE,
            res: &resource,
            num_res: 1,
            ..pin_init::zeroed()
        };
        // SAFETY: The description is complete, and copied with what it points to.
        let device = from_err_ptr(unsafe { bindings::platform_device_register_full(&info) })?;
        // INVARIANT: Just registered.
        Ok(Self(NonNull::new(device).ok_or(ENOMEM)?))
    }
}

impl Drop for FixedDevice {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::platform_device_unregister(self.0.as_ptr()) };
    }
}

/// Something that an interrupt handler reports and a task waits for.
#[pin_data]
pub struct Wake {
    #[pin]
    completion: Opaque<bindings::completion>,
}

// SAFETY: Completions are used by any thread, and have a lock of their own.
unsafe impl Send for Wake {}

// SAFETY: As above.
unsafe impl Sync for Wake {}

impl Wake {
    /// Creates an initializer.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            completion <- Opaque::ffi_init(|slot: *mut bindings::completion| {
                // SAFETY: `slot` is a valid pointer to an uninitialized `struct completion`.
                unsafe { bindings::init_completion(slot) };
            }),
        })
    }

    /// Wakes the task that waits, or the next one that will. May be called in an interrupt.
    pub fn wake(&self) {
        // SAFETY: The completion is initialized.
        unsafe { bindings::complete(self.completion.get()) };
    }

    /// Waits until [`Wake::wake`] is called, if that has not been done since the last wait, and at
    /// most this long. The granularity is that of jiffies. Returns whether it was called.
    pub fn wait(&self, limit: Delta) -> bool {
        let us = u32::try_from(limit.as_micros_ceil()).unwrap_or(u32::MAX);
        // SAFETY: The function has no requirements.
        let jiffies = unsafe { bindings::__usecs_to_jiffies(us) };
        // SAFETY: The completion is initialized.
        unsafe { bindings::wait_for_completion_timeout(self.completion.get(), jiffies) != 0 }
    }
}
