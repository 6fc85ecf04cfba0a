// SPDX-License-Identifier: GPL-2.0

//! What the linker put together: the loader block's image, and the launch instruction.

use super::memory::{view, GdtPointer};
use core::arch::asm;

extern "C" {
    static slaunch_slb_image: u8;
    static slaunch_slb_image_end: u8;
    static slaunch_skinit_insn: u8;

    fn slaunch_skinit(slb: u32, gdt: *const GdtPointer) -> !;
}

/// The address of a symbol, relative to the instruction pointer. (An ordinary reference may go
/// through a table of addresses, which nobody would fill in here.)
macro_rules! address_of {
    ($symbol:ident) => {{
        let address: usize;
        // SAFETY: computes an address.
        unsafe {
            asm!("lea {}, [rip + {}]", out(reg) address, sym $symbol,
                 options(pure, nomem, nostack, preserves_flags));
        }
        address
    }};
}

/// The loader block as built: its measured part.
pub(crate) fn slb() -> &'static [u8] {
    let start = address_of!(slaunch_slb_image);
    let end = address_of!(slaunch_slb_image_end);
    // SAFETY: the symbols enclose constant data.
    unsafe { view(start, end.wrapping_sub(start)) }
}

/// The address of the one SKINIT instruction.
pub(crate) fn launch_instruction() -> usize {
    address_of!(slaunch_skinit_insn)
}

/// Executes it.
///
/// # Safety
///
/// What `skinit.S` says: `slb` is a complete loader block, the other processors wait for SIPI,
/// interrupts are off, EFER.SVME is on, `gdt` is an operand for LGDT.
pub(crate) unsafe fn launch(slb: u32, gdt: *const GdtPointer) -> ! {
    // SAFETY: by the caller.
    unsafe { slaunch_skinit(slb, gdt) }
}
