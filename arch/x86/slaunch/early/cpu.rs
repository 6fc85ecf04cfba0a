// SPDX-License-Identifier: GPL-2.0

//! Instructions, and the ways to reset the machine.

use core::arch::asm;

/// Diagnostic port: shown by boards that have a display for it.
const PORT_DIAGNOSTIC: u16 = 0x80;
/// A port without a device: a write to it takes about a microsecond.
const PORT_DELAY: u16 = 0xed;
/// Reset control of PC chipsets: bit 1 selects a full reset, bit 2 triggers it.
const PORT_RESET_CONTROL: u16 = 0xcf9;
/// Keyboard controller, command register; 0xfe pulses the reset line.
const PORT_KEYBOARD: u16 = 0x64;

/// Writes a byte to an I/O port.
///
/// # Safety
///
/// The caller knows what the device does with it.
unsafe fn outb(port: u16, value: u8) {
    // SAFETY: OUT touches no memory; the rest is up to the caller.
    unsafe {
        asm!("out dx, al", in("dx") port, in("al") value, options(nostack, preserves_flags));
    }
}

/// Shows `code` to whoever watches port 0x80.
pub(crate) fn post(code: u8) {
    // SAFETY: Nothing but a display listens there.
    unsafe { outb(PORT_DIAGNOSTIC, code) }
}

/// Resets the machine, one way after another until one works.
pub(crate) fn reset() -> ! {
    /// Time for one way to take effect, in writes to a port.
    const PATIENCE: u32 = 100_000;

    for (port, value) in [
        (PORT_RESET_CONTROL, 0x02),
        (PORT_RESET_CONTROL, 0x06),
        (PORT_KEYBOARD, 0xfe),
    ] {
        // SAFETY: These ports reset the machine, which is what is wanted.
        unsafe { outb(port, value) };
        for _ in 0..PATIENCE {
            // SAFETY: There is no device.
            unsafe { outb(PORT_DELAY, 0) };
        }
    }

    let empty = [0u8; 10];
    // SAFETY: Without an interrupt table no exception can be delivered, and the processor shuts
    // down, which resets every PC. LIDT reads the 10 bytes of `empty`.
    unsafe { asm!("lidt [{0}]", "ud2", in(reg) &empty, options(noreturn)) }
}

/// The time stamp counter.
pub(crate) fn tsc() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: Every 64-bit processor has it, and CR4.TSD is clear.
    unsafe {
        asm!("rdtsc", out("eax") low, out("edx") high, options(nomem, nostack, preserves_flags));
    }
    u64::from(high).wrapping_shl(32) | u64::from(low)
}

/// Drops all translations that are not global. entry.S makes no global ones.
pub(crate) fn flush_tlb() {
    // SAFETY: Loads CR3 with its own value.
    unsafe { asm!("mov {0}, cr3", "mov cr3, {0}", out(reg) _, options(nostack, preserves_flags)) };
}

/// EAX of a leaf of CPUID.
fn cpuid_eax(leaf: u32) -> u32 {
    let eax;
    // SAFETY: Every 64-bit processor has CPUID. RBX is not available as an operand, so it is kept
    // by hand.
    unsafe {
        asm!(
            "mov {keep}, rbx",
            "cpuid",
            "mov rbx, {keep}",
            keep = out(reg) _,
            inlateout("eax") leaf => eax,
            inlateout("ecx") 0 => _,
            lateout("edx") _,
            options(nomem, nostack, preserves_flags),
        );
    }
    eax
}

/// Bits of a physical address (APM volume 3, CPUID 8000_0008 EAX[7:0]).
pub(crate) fn address_bits() -> u32 {
    const HIGHEST_LEAF: u32 = 0x8000_0000;
    const LEAF: u32 = 0x8000_0008;
    /// What every 64-bit processor has.
    const LEAST: u32 = 36;
    /// What page tables can hold.
    const MOST: u32 = 52;

    if cpuid_eax(HIGHEST_LEAF) < LEAF {
        return LEAST;
    }
    (cpuid_eax(LEAF) & 0xff).clamp(LEAST, MOST)
}
