// SPDX-License-Identifier: GPL-2.0

//! Throughput of the hash code of the loader block and the early kernel, on this machine.
//!
//! The objects are those of a kernel build (see build.rs), the code in front of them is the kernel's too.
//! SHA-256 is compared with `openssl speed -evp sha256`, measured in turns with it since the machine may
//! have other work. With `--min-ratio R` the program fails if the kernel's code reaches less than R of
//! OpenSSL's throughput.

use std::process::ExitCode;

#[cfg(kernel_objects)]
mod bench;
#[cfg(kernel_objects)]
#[path = "../../../arch/x86/slaunch/hash/mod.rs"]
mod hash;
#[cfg(kernel_objects)]
use tpm_core as tpm;

#[cfg(not(kernel_objects))]
fn main() -> ExitCode {
    eprintln!("hash-bench: built without a kernel; set KERNEL_BUILD to its build directory");
    ExitCode::FAILURE
}

#[cfg(kernel_objects)]
fn main() -> ExitCode {
    match bench::run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("hash-bench: {message}");
            ExitCode::FAILURE
        }
    }
}
