// SPDX-License-Identifier: GPL-2.0

//! Gives each image the subsystem that tells the firmware where to load it.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-link-arg-bin=loader=/subsystem:efi_application");
    // The firmware keeps the memory of such an image for the operating system to call into.
    println!("cargo:rustc-link-arg-bin=driver=/subsystem:efi_runtime_driver");
}
