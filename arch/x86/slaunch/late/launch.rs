// SPDX-License-Identifier: GPL-2.0

//! What the early kernel says about the launch.

pub(crate) use super::slaunch::handoff::Launch;
use super::slaunch::{
    error::Error,
    handoff::Handoff, //
};

extern "C" {
    /// Filled in by the early kernel when everything was measured, or all zero as linked.
    static slaunch_handoff: Handoff;
}

/// The launch that started this kernel, or [`None`] if none did.
///
/// # Errors
///
/// [`Error::Handoff`] if the early kernel left nonsense.
pub(crate) fn get() -> Result<Option<Launch>, Error> {
    // SAFETY: It has the type it is declared with, all of whose bit patterns are valid, and was
    // written for the last time before the kernel proper started.
    unsafe { &slaunch_handoff }.validate()
}
