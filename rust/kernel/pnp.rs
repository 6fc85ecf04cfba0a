// SPDX-License-Identifier: GPL-2.0

//! Abstractions for the PNP bus: devices of the main board that ACPI, or the PNP BIOS, enumerates.
//!
//! C header: [`include/linux/pnp.h`](srctree/include/linux/pnp.h)

use crate::{
    bindings,
    device::{
        self,
        Bound, //
    },
    driver,
    error::{
        from_result,
        to_result, //
    },
    io::Resource,
    irq::IrqRequest,
    prelude::*,
    types::Opaque,
    ThisModule, //
};

use core::{
    marker::PhantomData,
    mem::offset_of, //
};

/// A PNP device id: three letters and four hexadecimal digits.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct DeviceId(bindings::pnp_device_id);

impl DeviceId {
    /// The end of a table.
    pub const END: Self = Self(pin_init::zeroed());

    /// Creates a device id from its text.
    #[inline(always)]
    pub const fn new(id: &'static CStr) -> Self {
        let src = id.to_bytes();
        build_assert!(src.len() == 7, "ID is not of 7 bytes");
        let mut pnp: bindings::pnp_device_id = pin_init::zeroed();
        let mut i = 0;
        while i < src.len() {
            pnp.id[i] = src[i];
            i += 1;
        }
        Self(pnp)
    }

    fn is_end(&self) -> bool {
        self.0.id.first().is_none_or(|first| *first == 0)
    }
}

/// An adapter for the registration of PNP drivers.
pub struct Adapter<T: Driver>(T);

// SAFETY:
// - `bindings::pnp_driver` is a C type declared as `repr(C)`.
// - `T::Data` is the type of the driver's device private data.
// - `struct pnp_driver` embeds a `struct device_driver`.
// - `DEVICE_DRIVER_OFFSET` is the correct byte offset to the embedded `struct device_driver`.
unsafe impl<T: Driver> driver::DriverLayout for Adapter<T> {
    type DriverType = bindings::pnp_driver;
    type DriverData<'bound> = T::Data<'bound>;
    const DEVICE_DRIVER_OFFSET: usize = offset_of!(Self::DriverType, driver);
}

// SAFETY: A call to `unregister` for a given instance of `DriverType` is guaranteed to be valid if
// a preceding call to `register` has been successful.
unsafe impl<T: Driver> driver::RegistrationOps for Adapter<T> {
    unsafe fn register(
        pdrv: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        // The C side goes through the table until its end.
        if !T::ID_TABLE.last().is_some_and(DeviceId::is_end) {
            return Err(EINVAL);
        }
        // SAFETY: It's safe to set the fields of `struct pnp_driver` on initialization.
        unsafe {
            (*pdrv.get()).name = name.as_char_ptr();
            (*pdrv.get()).id_table = T::ID_TABLE.as_ptr().cast();
            (*pdrv.get()).probe = Some(Self::probe_callback);
            (*pdrv.get()).remove = Some(Self::remove_callback);
            (*pdrv.get()).driver.owner = module.as_ptr();
        }
        // SAFETY: `pdrv` is guaranteed to be a valid `DriverType`.
        to_result(unsafe { bindings::pnp_register_driver(pdrv.get()) })
    }

    unsafe fn unregister(pdrv: &Opaque<Self::DriverType>) {
        // SAFETY: `pdrv` is guaranteed to be a valid `DriverType`.
        unsafe { bindings::pnp_unregister_driver(pdrv.get()) };
    }
}

impl<T: Driver> Adapter<T> {
    extern "C" fn probe_callback(
        pdev: *mut bindings::pnp_dev,
        _id: *const bindings::pnp_device_id,
    ) -> c_int {
        // SAFETY: The PNP bus only ever calls the probe callback with a valid pointer to a
        // `struct pnp_dev`.
        //
        // INVARIANT: `pdev` is valid for the duration of `probe_callback()`.
        let pdev = unsafe { &*pdev.cast::<Device<device::CoreInternal<'_>>>() };

        from_result(|| {
            let data = T::probe(pdev);

            pdev.as_ref().set_drvdata(data)?;
            Ok(0)
        })
    }

    /// The driver's data is dropped by the generic driver code.
    extern "C" fn remove_callback(_pdev: *mut bindings::pnp_dev) {}
}

/// The PNP driver trait.
///
/// Drivers must implement this trait in order to get a PNP driver registered. What is to be done
/// when a device is unbound belongs into the [`Drop`] implementation of [`Driver::Data`].
pub trait Driver {
    /// The type of the driver's bus device private data.
    type Data<'bound>: Send + 'bound;

    /// The table of device ids supported by the driver; the last one is [`DeviceId::END`].
    const ID_TABLE: &'static [DeviceId];

    /// PNP driver probe.
    ///
    /// Called when a new device is added or discovered, after its resources were activated.
    fn probe<'bound>(
        dev: &'bound Device<device::Core<'_>>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound;
}

/// The PNP device representation.
///
/// # Invariants
///
/// A [`Device`] instance represents a valid `struct pnp_dev` created by the C portion of the
/// kernel.
#[repr(transparent)]
pub struct Device<Ctx: device::DeviceContext = device::Normal>(
    Opaque<bindings::pnp_dev>,
    PhantomData<Ctx>,
);

impl<Ctx: device::DeviceContext> Device<Ctx> {
    fn as_raw(&self) -> *mut bindings::pnp_dev {
        self.0.get()
    }

    /// Returns the memory resource at `index`, if any.
    pub fn resource_by_index(&self, index: u32) -> Option<&Resource> {
        self.resource(bindings::IORESOURCE_MEM, index)
    }

    fn resource(&self, kind: u32, index: u32) -> Option<&Resource> {
        // CAST: No smaller than 32 bits.
        let kind = kind as c_ulong;
        // SAFETY: `self.as_raw()` returns a valid pointer to a `struct pnp_dev`.
        let resource = unsafe { bindings::pnp_get_resource(self.as_raw(), kind, index) };
        if resource.is_null() {
            return None;
        }
        // SAFETY: `resource` is a valid pointer to a `struct resource` of the device.
        Some(unsafe { Resource::from_raw(resource) })
    }
}

impl Device<Bound> {
    /// Returns an [`IrqRequest`] for the interrupt at `index`, if any.
    pub fn irq_by_index(&self, index: u32) -> Option<IrqRequest<'_>> {
        let resource = self.resource(bindings::IORESOURCE_IRQ, index)?;
        let irq = u32::try_from(resource.start()).ok()?;
        // SAFETY: The resource says that the device has this interrupt.
        Some(unsafe { IrqRequest::new(self.as_ref(), irq) })
    }
}

// SAFETY: `pnp::Device` is a transparent wrapper of `struct pnp_dev`.
// The offset is guaranteed to point to a valid device field inside `pnp::Device`.
unsafe impl<Ctx: device::DeviceContext> device::AsBusDevice<Ctx> for Device<Ctx> {
    const OFFSET: usize = offset_of!(bindings::pnp_dev, dev);
}

// SAFETY: `Device` is a transparent wrapper of a type that doesn't depend on `Device`'s generic
// argument.
kernel::impl_device_context_deref!(unsafe { Device });

impl<Ctx: device::DeviceContext> AsRef<device::Device<Ctx>> for Device<Ctx> {
    fn as_ref(&self) -> &device::Device<Ctx> {
        // SAFETY: By the type invariant of `Self`, `self.as_raw()` is a pointer to a valid
        // `struct pnp_dev`.
        let dev = unsafe { &raw mut (*self.as_raw()).dev };

        // SAFETY: `dev` points to a valid `struct device`.
        unsafe { device::Device::from_raw(dev) }
    }
}
