// SPDX-License-Identifier: GPL-2.0

//! The parts of the driver: what stands between the TPM layer and the core.

pub(crate) mod bind;
mod clock;
mod hardware;
mod irq;
mod place;
mod quirks;
mod state;
#[cfg(CONFIG_TCG_PTP_KUNIT_TEST)]
mod tests;
