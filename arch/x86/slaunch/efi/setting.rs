// SPDX-License-Identifier: GPL-2.0

//! What the gate is set to, and whether there is anything left behind it.

use super::{
    gate::{
        Depth,
        Gate,
        Mode, //
    },
    text, //
};
use kernel::{
    bindings,
    fmt,
    sync::atomic::{
        Acquire,
        Atomic,
        AtomicFlag,
        Relaxed,
        Release, //
    }, //
};

/// The settings, as [`Gate::to_bits`] has them; 0 until they are known.
static SETTINGS: Atomic<u32> = Atomic::new(0);

/// Whether the runtime services were stopped.
static STOPPED: AtomicFlag = AtomicFlag::new(false);

/// The settings of the gate. For any context.
pub(crate) fn settings() -> Gate {
    // Nothing but valid settings is ever stored.
    Gate::from_bits(SETTINGS.load(Relaxed)).unwrap_or(Gate::new(Mode::Verify))
}

/// How much is checked in the mode `verify`. For any context.
pub(crate) fn depth() -> Depth {
    settings().depth
}

/// The settings that the launch began with, unless others are there already.
pub(crate) fn init_settings(gate: Gate) {
    let _ = SETTINGS.cmpxchg(0, gate.to_bits(), Relaxed);
}

/// Sets them, without asking.
pub(crate) fn set_settings(gate: Gate) {
    SETTINGS.store(gate.to_bits(), Relaxed);
}

/// Stops the runtime services for good, in any context: there are no more calls from now on.
///
/// The kernel's own flag stays, since the thread that makes calls would go to sleep for ever at the
/// end of the present one, and let its caller wait. All calls are refused at the door instead.
pub(crate) fn stop() {
    STOPPED.store(true, Release);
}

/// Whether a call that was given up may have been so because of that.
#[no_mangle]
extern "C" fn slaunch_efi_stopped() -> bool {
    stopped()
}

/// Whether the runtime services were stopped.
pub(crate) fn stopped() -> bool {
    STOPPED.load(Acquire)
}

/// Writes the lines that `slaunch/state` has of the gate.
pub(crate) fn show_settings(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("efi_gate: ")?;
    text::write_words(settings(), f)?;
    let flag = 1 << bindings::EFI_RUNTIME_SERVICES;
    // SAFETY: A plain number, which others may write to.
    let flags = unsafe { (&raw const bindings::efi.flags).read_volatile() };
    let services = match stopped() || flags & flag == 0 {
        true => "stopped",
        false => "available",
    };
    writeln!(f, "\nefi_services: {services}")
}

/// Whether the settings are known: there was a launch.
pub(crate) fn is_set() -> bool {
    SETTINGS.load(Relaxed) != 0
}
