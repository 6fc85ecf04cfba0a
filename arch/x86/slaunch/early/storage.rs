// SPDX-License-Identifier: GPL-2.0

//! Memory of the early code: what it works in, and what it leaves to the kernel.

use super::slaunch::bootparams;
use super::slaunch::cmdline::COMMAND_LINE_SIZE;
use super::slaunch::memmap::{Descriptor, MAX_DESCRIPTORS};
use super::slaunch::slrt;

/// What is needed for the time being. In the BSS: zeroed by entry.S before, and by the kernel
/// after.
pub(crate) struct Work {
    /// A copy of the launch table.
    pub(crate) table: [u8; slrt::MAX_TABLE_SIZE],
    /// A copy of the memory map.
    pub(crate) map: [Descriptor; MAX_DESCRIPTORS],
}

static mut WORK: Work = Work {
    table: [0; slrt::MAX_TABLE_SIZE],
    map: [Descriptor::EMPTY; MAX_DESCRIPTORS],
};

/// What the kernel gets. Not in the BSS: the kernel clears that before it reads them.
#[repr(C, align(4096))]
pub(crate) struct Gift {
    /// The boot parameters.
    pub(crate) params: [u8; bootparams::SIZE],
    /// The command line. The kernel copies as many bytes as its own buffer has, which is this many.
    pub(crate) line: [u8; COMMAND_LINE_SIZE],
}

#[link_section = ".init.data"]
static mut GIFT: Gift = Gift {
    params: [0; bootparams::SIZE],
    line: [0; COMMAND_LINE_SIZE],
};

/// All of it.
///
/// # Safety
///
/// To be called once.
pub(crate) unsafe fn take() -> (&'static mut Work, &'static mut Gift) {
    let (work, gift) = (&raw mut WORK, &raw mut GIFT);
    // SAFETY: Only this function refers to them, and it is called once.
    unsafe { (&mut *work, &mut *gift) }
}
