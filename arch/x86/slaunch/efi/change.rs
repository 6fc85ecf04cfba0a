// SPDX-License-Identifier: GPL-2.0

//! Changing the settings of the gate at run time: extend, log, act.

use super::text::Text;
use crate::{
    events,
    slaunch::change::Change,
    tpm::{
        Pcr,
        EV_SLAUNCH, //
    }, //
};
use kernel::{
    bindings,
    error::to_result,
    prelude::*, //
};

/// Changes the settings as `request` says. Not for several callers at the same time.
///
/// # Errors
///
/// Nothing has changed then.
///
/// - `EINVAL` if the request is not understood;
/// - `EPERM` if there is no way there, the caller may not change the settings, or the kernel is
///   locked down;
/// - `EAGAIN` if the TPM is not yet in the hands of its driver;
/// - those of [`events::record`].
pub(crate) fn change(request: &[u8]) -> Result {
    let from = super::settings();
    let wanted = from.with(request).ok_or(EINVAL)?;
    let (to, less_safe) = match from.change_to(wanted) {
        Change::Nothing => return Ok(()),
        Change::Back => return Err(EPERM),
        Change::Stop(to) => (to, false),
        Change::Relax(to) => (to, true),
    };
    may_change(less_safe)?;
    let mut text = Text::new();
    text.set_change(from, to);
    put_on_record(&text)?;
    super::set_settings(to);
    if !less_safe {
        super::stop();
    }
    Ok(())
}

/// Whether the present task may change what the gate does, to less safety than before if
/// `less_safe`.
///
/// # Errors
///
/// `EPERM`, if it may not.
pub(crate) fn may_change(less_safe: bool) -> Result {
    // CAST: A small number.
    // SAFETY: There is a current task.
    if !unsafe { bindings::capable(bindings::CAP_SYS_ADMIN as c_int) } {
        return Err(EPERM);
    }
    if !less_safe {
        return Ok(());
    }
    // What was stopped by a violation stays stopped.
    if super::stopped() {
        return Err(EPERM);
    }
    // SAFETY: One of the reasons that there are.
    to_result(unsafe {
        bindings::security_locked_down(bindings::lockdown_reason_LOCKDOWN_EFI_GATE)
    })
}

/// Extends and logs what is about to change, in words.
///
/// # Errors
///
/// `EAGAIN` if the TPM is not yet in the hands of its driver; those of [`events::record`].
pub(crate) fn put_on_record(text: &Text) -> Result {
    // The kernel's first event comes first.
    events::handed_over().ok_or(EAGAIN)??;
    events::record(EV_SLAUNCH, Pcr::CONFIG, text.as_bytes())?;
    pr_notice!("{}\n", text.as_str());
    Ok(())
}
