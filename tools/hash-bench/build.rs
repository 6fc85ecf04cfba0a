// SPDX-License-Identifier: GPL-2.0

//! Links the hash objects of a kernel build into the benchmark.
//!
//! `KERNEL_BUILD` names the output directory of a kernel built with CONFIG_SECURE_LAUNCH. Without it the
//! program is built all the same, but can only say that it lacks them.

use std::env;
use std::path::PathBuf;

/// The objects of `hash.o` in arch/x86/slaunch/Makefile.pi. They bring their own memory functions, since
/// what they use is hidden, that is, cannot come from a shared library.
const OBJECTS: [&str; 7] = [
    "hash-sha1.o",
    "hash-sha256.o",
    "hash-sha512.o",
    "hash-cpu.o",
    "hash-mem.o",
    "hash-sha1-ni.o",
    "hash-sha256-ni.o",
];

fn main() {
    println!("cargo:rerun-if-env-changed=KERNEL_BUILD");
    let Some(build) = env::var_os("KERNEL_BUILD") else {
        return;
    };
    let dir = PathBuf::from(build).join("arch/x86/slaunch/slb");
    for object in OBJECTS {
        let path = dir.join(object);
        assert!(
            path.is_file(),
            "{} is missing: build the kernel first (make kernel)",
            path.display()
        );
        println!("cargo:rerun-if-changed={}", path.display());
        println!("cargo:rustc-link-arg-bins={}", path.display());
    }
    println!("cargo:rustc-cfg=kernel_objects");
}
