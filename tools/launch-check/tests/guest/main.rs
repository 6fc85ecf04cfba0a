// SPDX-License-Identifier: GPL-2.0

//! The TPM driver in a booted guest: what the kernel's own tests, tpm2-tools
//! and sysfs show of it, with the project's driver and with the C drivers. And the files
//! of the EFI gate, and what `slaunch status` reads of TXT, which need programs of the host too.
//!
//! The kernels and the guest are those of `make kernel kernel-c-tpm tools`, found
//! below `out/` at the top of the tree, or where SLAUNCH_OUT says.

// The launch tests use more of it.
#[allow(dead_code)]
#[path = "../launch/common.rs"]
mod common;
mod disk;
mod faults;
mod files;
mod interrupts;
mod machine;
mod suite;
mod txt;
