// SPDX-License-Identifier: GPL-2.0

//! Ending the SKINIT state of each processor.
//!
//! `SKINIT` leaves the boot processor, and the first start-up IPI after it each application
//! processor, with interrupts held back (GIF = 0) and three bits set in the MSR VM_CR, among them
//! R_INIT, which turns INIT into an exception that nobody handles (AMD64 Architecture Programmer's
//! Manual, volume 2, section 15.27). The loader block has already set GIF on the boot processor.
//!
//! The firmware's EFI stub sent an INIT to all application processors before the launch. Until one
//! has run for the first time no further INIT may be sent to it: a start-up IPI alone wakes it.
//! Once it has cleared R_INIT, INIT does what it always does, so taking a processor offline and
//! online again, reboot and kexec need nothing special. Taking it online starts with an INIT and a
//! start-up IPI and runs [`slaunch_cpu_start`] again, which does no harm if there is nothing to
//! end.

use kernel::{
    bindings,
    prelude::*,
    sync::atomic::{
        Acquire,
        AtomicFlag,
        Relaxed,
        Release, //
    }, //
};

/// MSR that controls, among others, what INIT does.
const VM_CR: u32 = 0xc001_0114;

/// Bits of VM_CR that a launch sets: debug port disabled, INIT redirected, A20M disabled.
const VM_CR_LAUNCH: u32 = 7;

/// Number of possible processors.
const NR_CPUS: usize = bindings::NR_CPUS as usize;

/// Whether there was a launch.
static LAUNCHED: AtomicFlag = AtomicFlag::new(false);

/// By processor: whether its SKINIT state has been ended.
static ENDED: [AtomicFlag; NR_CPUS] = [const { AtomicFlag::new(false) }; NR_CPUS];

/// Notes that there was a launch. To be called before the first [`slaunch_cpu_start`].
pub(crate) fn launched() {
    LAUNCHED.store(true, Relaxed);
}

/// Ends the SKINIT state of the processor it runs on, whose number is `cpu`.
///
/// Called by each processor when its interrupt descriptor table is loaded, since what was held back
/// arrives now, and on the boot processor before any other is started. Does nothing if there was no
/// launch.
#[no_mangle]
pub(crate) extern "C" fn slaunch_cpu_start(cpu: c_uint) {
    if !LAUNCHED.load(Relaxed) {
        return;
    }

    // VM_CR goes first: an INIT that is pending is then an INIT, and not an exception. Nothing may
    // come between the two, so they are one piece of assembler.
    //
    // SAFETY: A launch by SKINIT implies a processor that has VM_CR and STGI, and this is kernel
    // mode. Interrupts can be taken: the caller has loaded the descriptor table.
    unsafe {
        core::arch::asm!(
            "rdmsr",
            "andl ${mask}, %eax",
            "wrmsr",
            "stgi",
            mask = const !VM_CR_LAUNCH,
            in("ecx") VM_CR,
            out("eax") _,
            out("edx") _,
            options(att_syntax, nostack)
        );
    }

    if let Some(ended) = usize::try_from(cpu).ok().and_then(|cpu| ENDED.get(cpu)) {
        ended.store(true, Release);
    }
}

/// Whether an INIT may be sent to the processor with the number `cpu`, which is not running.
#[no_mangle]
pub(crate) extern "C" fn slaunch_init_allowed(cpu: c_uint) -> bool {
    if !LAUNCHED.load(Relaxed) {
        return true;
    }
    usize::try_from(cpu)
        .ok()
        .and_then(|cpu| ENDED.get(cpu))
        .is_some_and(|ended| ended.load(Acquire))
}
