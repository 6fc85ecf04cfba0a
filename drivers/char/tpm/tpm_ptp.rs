// SPDX-License-Identifier: GPL-2.0

//! Driver for the TPMs of PCs: TPM 1.2 and 2.0, FIFO (TIS) and CRB.
//!
//! How to speak to a TPM is the business of the core in `drivers/char/tpm/core`, which also serves
//! a dynamic launch before the kernel starts. What is here:
//!
//! - binding: [`ptp::bind`] finds out by ACPI which interface a device has and where it is;
//! - the core's seams: registers ([`ptp::hardware`]) and time ([`ptp::clock`]), with interrupts
//!   ([`ptp::irq`]) where there are some;
//! - the operations of the TPM layer ([`ptp::state`]), and what is wrong with which TPM
//!   ([`ptp::quirks`]).
//!
//! References: TCG PC Client Platform TPM Profile (PTP) 1.05, TCG ACPI Specification 1.4.

use kernel::{
    acpi,
    device::Core,
    driver,
    io::Resource,
    platform,
    prelude::*,
    tpm::FixedDevice, //
};

mod at_locality;
#[path = "ptp/mod.rs"]
mod ptp;
#[path = "core/mod.rs"]
mod tpm;

use ptp::bind::{
    self,
    Binding, //
};

module! {
    type: PtpModule,
    name: "tpm_ptp",
    authors: ["The Secure Launch developers"],
    description: "TPM PC Client interfaces, FIFO and CRB",
    license: "GPL",
    params: {
        interrupts: bool {
            default: false,
            description: "Use interrupts if they are found to work",
        },
        force: bool {
            default: false,
            description: "Look for a TPM at the fixed address, whatever ACPI says",
        },
    },
}

const NAME: &CStr = c"tpm_ptp";

/// Start and size of a resource.
fn range(resource: &Resource) -> (u64, u64) {
    (resource.start(), resource.size())
}

#[pin_data]
struct PtpModule {
    #[pin]
    platform: driver::Registration<platform::Adapter<PlatformDriver>>,
    #[cfg(CONFIG_PNP)]
    #[pin]
    pnp: driver::Registration<kernel::pnp::Adapter<PnpDriver>>,
    // Goes last, after its driver.
    forced: Option<FixedDevice>,
}

impl kernel::InPlaceModule for PtpModule {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            forced: if module_parameters::force.value() {
                // It finds its driver by the name.
                Some(FixedDevice::new(
                    NAME,
                    tpm::TPM_BASE,
                    usize::try_from(tpm::TPM_SIZE)?,
                )?)
            } else {
                None
            },
            platform <- driver::Registration::new(NAME, module),
            #[cfg(CONFIG_PNP)]
            pnp <- driver::Registration::new(NAME, module),
        })
    }
}

/// Devices of ACPI with a TPM 2.0, and the one that is forced.
struct PlatformDriver;

kernel::acpi_device_table!(
    ACPI_IDS,
    <PlatformDriver as platform::Driver>::IdInfo,
    [(acpi::DeviceId::new(c"MSFT0101"), bind::ByTable)]
);

impl platform::Driver for PlatformDriver {
    type IdInfo = bind::ByTable;
    type Data<'bound> = Binding<'bound>;
    const ACPI_ID_TABLE: Option<acpi::IdTable<Self::IdInfo>> = Some(&ACPI_IDS);

    fn probe<'bound>(
        pdev: &'bound platform::Device<Core<'_>>,
        by_table: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        bind::bind(
            pdev.as_ref(),
            bind::Resources {
                range: &|index| pdev.resource_by_index(index).map(range),
                irq: pdev.optional_irq_by_index(0).ok(),
                ask_irq: by_table.is_none(),
            },
            by_table.is_some(),
        )
    }
}

/// Devices with a TPM 1.2, which ACPI leaves to the PNP bus.
#[cfg(CONFIG_PNP)]
struct PnpDriver;

#[cfg(CONFIG_PNP)]
impl kernel::pnp::Driver for PnpDriver {
    type Data<'bound> = Binding<'bound>;
    const ID_TABLE: &'static [kernel::pnp::DeviceId] = &[
        kernel::pnp::DeviceId::new(c"PNP0C31"),
        kernel::pnp::DeviceId::new(c"ATM1200"),
        kernel::pnp::DeviceId::new(c"IFX0102"),
        kernel::pnp::DeviceId::new(c"BCM0101"),
        kernel::pnp::DeviceId::new(c"BCM0102"),
        kernel::pnp::DeviceId::new(c"NSC1200"),
        kernel::pnp::DeviceId::new(c"ICO0102"),
        kernel::pnp::DeviceId::END,
    ];

    fn probe<'bound>(
        pdev: &'bound kernel::pnp::Device<Core<'_>>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        bind::bind(
            pdev.as_ref(),
            bind::Resources {
                range: &|index| pdev.resource_by_index(index).map(range),
                irq: pdev.irq_by_index(0),
                ask_irq: false,
            },
            false,
        )
    }
}
