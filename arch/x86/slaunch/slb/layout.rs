// SPDX-License-Identifier: GPL-2.0

//! Where the parts of this image are: its own header says it, as it says it to the stub.

use super::slaunch::record;
use super::slaunch::region::{Region, PAGE_SIZE};
use super::slaunch::slb;

// Offsets of u16 fields, all in the measured part. The linker script fills them in, so they are
// right: Slb::parse() is for those who have to check.
const LENGTH: u64 = 2;
const PARAMS: u64 = INFO + 8;
const RECORD: u64 = INFO + 10;
const INFO: u64 = 8;

// The numbers of slb.h, which assembler and linker script use.
const _: () = {
    assert!(slb::MAX_TOTAL == 0xc000);
    assert!(slb::INFO_MAGIC == 0x5242_4c53 && slb::INFO_VERSION == 1 && slb::INFO_SIZE == 16);
    assert!(slb::PARAMS_SIZE == 16);
    assert!(record::MAGIC == 0x4352_4c53 && record::VERSION == 1 && record::SIZE == 64);
    assert!(super::Error::Exception as u32 == 0xc000_80a3);
    assert!(super::Error::CpuState as u32 == 0xc000_80a4);
    assert!(super::slaunch::slb::WINDOW % PAGE_SIZE == 0);
};

/// The image in memory.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    base: u64,
}

impl Layout {
    /// The image at `base`.
    ///
    /// # Safety
    ///
    /// This image is mapped there, and the measured part is never written.
    pub(crate) const unsafe fn new(base: u64) -> Self {
        Self { base }
    }

    /// The 64 KiB that the processor protects.
    pub(crate) fn window(&self) -> Result<Region, super::Error> {
        Region::new(self.base, slb::WINDOW)
    }

    /// What the processor measured. Nothing writes there.
    pub(crate) fn measured(&self) -> Result<Region, super::Error> {
        Region::new(self.base, self.field(LENGTH))
    }

    /// Address of the parameters, [`slb::PARAMS_SIZE`] bytes.
    pub(crate) fn params(&self) -> *const [u8; slb::PARAMS_SIZE] {
        self.base.wrapping_add(self.field(PARAMS)) as *const _
    }

    /// Address of the launch record, [`record::SIZE`] bytes.
    pub(crate) fn record(&self) -> *mut [u8; record::SIZE] {
        self.base.wrapping_add(self.field(RECORD)) as *mut _
    }

    fn field(&self, offset: u64) -> u64 {
        let field = self.base.wrapping_add(offset) as *const u16;
        // SAFETY: In the header, which `new` was told is there; aligned, as the base is.
        u64::from(unsafe { field.read() })
    }
}
