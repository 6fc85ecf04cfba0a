// SPDX-License-Identifier: GPL-2.0

//! The pure part of Secure Launch: formats, checks and decisions, no I/O.
//!
//! Everything here reads bytes that somebody else wrote, mostly before the launch, so all of it is
//! untrusted. The rules are the same in every module:
//!
//! * a constructor walks and checks the whole input once; what it returns cannot be out of bounds;
//! * an address and a size become a [`region::Region`] before anything else happens to them;
//! * every walk is bounded, advances, and ends in an [`error::Error`] with a code of its own;
//! * nothing allocates, prints, panics, or touches hardware. Memory comes in through
//!   [`physmem::PhysMem`], bytes to be hashed go out through [`bytes::Sink`].
//!
//! The same files are compiled into the EFI stub, the AMD loader block, the early kernel, the
//! kernel proper and a host crate, hence `super::` paths only.
//!
//! | module | format | source |
//! | --- | --- | --- |
//! | [`slrt`] | Secure Launch Resource Table | TrenchBoot Secure Launch specification, Linux series v16 |
//! | [`policy`] | what is measured, where, in which order | this project |
//! | [`mle`] | MLE header of the kernel image | Intel TXT Software Development Guide, 2.1 |
//! | [`slb`] | AMD Secure Loader Block | AMD APM volume 2, 15.27 |
//! | [`record`] | launch record left in memory | this project |
//! | [`handoff`] | what early tells late | this project |
//! | [`gate`] | the option `slaunch_efi=` | this project |
//! | [`change`] | changes of those settings | this project |
//! | [`service`] | services of firmware and their arguments | UEFI specification 8 |
//! | [`isolate`] | firmware in user mode | this project |
//! | [`bootparams`] | the zero page | Documentation/arch/x86/boot.rst, zero-page.rst |
//! | [`setupdata`] | setup_data list | Documentation/arch/x86/boot.rst |
//! | [`memmap`] | EFI memory map | UEFI specification 7.2.3 |
//! | [`e820`] | E820 table | Documentation/arch/x86/zero-page.rst |

#![forbid(unsafe_code)]
// Each root uses a part, most of them privately.
#![allow(dead_code, unreachable_pub, unused_imports)]

pub mod bootparams;
pub mod bytes;
pub mod change;
pub mod cmdline;
#[cfg(feature = "host")]
pub mod describe;
pub mod e820;
pub mod error;
pub mod gate;
pub mod handoff;
pub mod isolate;
pub mod memmap;
pub mod mle;
pub mod physmem;
pub mod policy;
pub mod record;
pub mod region;
pub mod service;
pub mod setupdata;
pub mod slb;
pub mod slrt;
