// SPDX-License-Identifier: GPL-2.0

//! The program; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    slaunch::run::main()
}
