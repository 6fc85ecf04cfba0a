// SPDX-License-Identifier: GPL-2.0

//! Machines whose firmware needs something else than others.
//!
//! Which machine it is says the firmware, so an entry must not give it anything that makes a
//! difference to the kernel. What the kernel is told on its command line comes first.

use super::super::gate::Svam;
use kernel::{
    bindings,
    prelude::*, //
};

/// A machine, by what its SMBIOS table says.
struct Quirk {
    vendor: &'static CStr,
    /// The version of the product, in which Lenovo has the name that people know.
    version: &'static CStr,
    svam: Svam,
}

static QUIRKS: [Quirk; 1] = [
    // Its GetVariable() uses pointers that only SetVirtualAddressMap() makes usable.
    Quirk {
        vendor: c"LENOVO",
        version: c"ThinkPad W540",
        svam: Svam::Identity,
    },
];

impl Quirk {
    fn is_here(&self) -> bool {
        let matches = |field, text: &CStr| {
            // SAFETY: The text ends with a zero.
            unsafe { bindings::dmi_match(field, text.as_char_ptr()) }
        };
        matches(bindings::dmi_field_DMI_SYS_VENDOR, self.vendor)
            && matches(bindings::dmi_field_DMI_PRODUCT_VERSION, self.version)
    }
}

/// What the firmware of this machine is to be told about addresses.
pub(super) fn svam() -> Svam {
    match QUIRKS.iter().find(|quirk| quirk.is_here()) {
        Some(quirk) => {
            let version = quirk.version;
            pr_info!("{version:?}: its firmware is given virtual addresses, in user mode\n");
            quirk.svam
        }
        None => Svam::None,
    }
}
