// SPDX-License-Identifier: GPL-2.0

//! Tells the tests whether the program they time is optimised.

fn main() {
    let level = std::env::var("OPT_LEVEL").unwrap_or_default();
    println!("cargo:rustc-env=SLAUNCH_OPT_LEVEL={level}");
    println!("cargo:rerun-if-changed=build.rs");
}
