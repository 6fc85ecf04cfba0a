// SPDX-License-Identifier: GPL-2.0

//! What becomes of instructions, from their bytes on: decoded by the kernel's decoder, emulated by the core.

mod cases;
mod machine;
mod properties;
