// SPDX-License-Identifier: GPL-2.0

//! Compiles the kernel's instruction decoder for the host.
//!
//! `KERNEL_SOURCE` names the kernel's source. Without it the crate is built all the same, but its tests say
//! that they lack the decoder.

use std::env;
use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

/// Where the kernel has what it takes from the decoder, from this package.
const HEADER: &str = "../../arch/x86/slaunch/efi/isolate";

fn main() {
    // Not as it was when this was compiled: checkouts share what is built.
    let package = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let header = PathBuf::from(package).join(HEADER);
    println!("cargo:rerun-if-env-changed=KERNEL_SOURCE");
    println!("cargo:rerun-if-changed=src/decoder.c");
    println!("cargo:rerun-if-changed={}/insn.h", header.display());
    let Some(source) = env::var_os("KERNEL_SOURCE") else {
        return;
    };
    let source = PathBuf::from(source);
    // The copies for programs, which the kernel's build compares with its own.
    let lib = source.join("tools/arch/x86/lib");
    for file in ["insn.c", "inat.c", "x86-opcode-map.txt"] {
        let path = lib.join(file);
        assert!(path.is_file(), "{} is missing: make kernel", path.display());
        println!("cargo:rerun-if-changed={}", path.display());
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let tables = File::create(out.join("inat-tables.c")).expect("a file in OUT_DIR");
    let status = Command::new("awk")
        .arg("-f")
        .arg(source.join("tools/arch/x86/tools/gen-insn-attr-x86.awk"))
        .arg(lib.join("x86-opcode-map.txt"))
        .stdout(tables)
        .status()
        .expect("awk runs");
    assert!(status.success(), "no tables for the decoder");
    cc::Build::new()
        .file("src/decoder.c")
        .flag("-iquote")
        .flag(header)
        .include(&lib)
        .include(source.join("tools/arch/x86/include"))
        .include(source.join("tools/include"))
        .include(&out)
        .warnings(false)
        .compile("decoder");
    println!("cargo:rustc-cfg=decoder");
}
