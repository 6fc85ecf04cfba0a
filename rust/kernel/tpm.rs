// SPDX-License-Identifier: GPL-2.0

//! TPM abstraction.
//!
//! For drivers: a driver implements [`Operations`], allocates a [`NewChip`] for its device, and
//! gets a [`Registration`] when the chip is ready for its users. From then on the chip has
//! `/dev/tpm*`, the resource manager, sysfs, and the kernel's own users, until the registration is
//! dropped.
//!
//! For other parts of the kernel: [`Chip::at_locality`] locks the chip at a locality of their
//! choice for the time of a closure, which sends commands through a [`LockedChip`].
//!
//! Around a driver that is bound to a device: [`acpi`] reads the TPM2 table, [`Window`] and [`map`]
//! map registers and buffers, [`Wake`] waits for an interrupt with a time limit.
//!
//! C headers: [`include/linux/tpm.h`](srctree/include/linux/tpm.h),
//! [`drivers/char/tpm/tpm.h`](srctree/drivers/char/tpm/tpm.h)

#[cfg(CONFIG_ACPI)]
pub mod acpi;
mod chip;
mod device;
mod driver;
#[cfg(CONFIG_RUST_TPM_KUNIT_TEST)]
mod tests;

pub use chip::{
    Chip,
    LockedChip, //
};
pub use device::{
    legacy_irqs,
    map,
    FixedDevice,
    Wake,
    Window, //
};
pub use driver::{
    Call,
    NewChip,
    Operations,
    Registration, //
};

use crate::prelude::*;

/// Size in bytes of the buffers in which the TPM layer keeps commands and responses.
///
/// No command and no response is larger.
pub const BUFFER_SIZE: usize = bindings::TPM_BUFSIZE as usize;

/// Who speaks to the TPM (TCG PC Client Platform TPM Profile, section 6.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Locality {
    /// The kernel at all times, and user space.
    L0,
    /// The operating system after a dynamic launch.
    L1,
    /// The environment that a dynamic launch has measured.
    L2,
    /// Authenticated code modules.
    L3,
    /// The hardware that starts a dynamic launch.
    L4,
}

impl Locality {
    /// The locality with this number, if there is one.
    pub const fn new(number: c_int) -> Option<Self> {
        Some(match number {
            0 => Self::L0,
            1 => Self::L1,
            2 => Self::L2,
            3 => Self::L3,
            4 => Self::L4,
            _ => return None,
        })
    }

    /// The number of the locality.
    pub const fn number(self) -> c_int {
        match self {
            Self::L0 => 0,
            Self::L1 => 1,
            Self::L2 => 2,
            Self::L3 => 3,
            Self::L4 => 4,
        }
    }
}
