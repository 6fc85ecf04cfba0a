// SPDX-License-Identifier: GPL-2.0

//! Unified kernel images, put together as distributions do.

use std::path::{Path, PathBuf};
use std::process::Command;

use object::read::pe::{ImageOptionalHeader, PeFile64};

/// systemd's boot stub, as Debian packages it.
const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
/// Alignment of sections in memory.
const PAGE: u64 = 4096;

/// Where in memory the stub ends.
fn end_of_stub() -> u64 {
    let stub =
        std::fs::read(STUB).expect("the boot stub: is systemd-boot-efi installed? make deps");
    let pe = PeFile64::parse(&*stub).unwrap();
    let header = pe.nt_headers().optional_header;
    header.image_base() + u64::from(header.size_of_image())
}

/// An image of these files, with what `.osrel` of every image has.
pub fn uki(dir: &Path, kernel: &Path, initrd: &Path, line: &str) -> PathBuf {
    let write = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let release = "ID=slaunch\nNAME=\"Secure Launch\"\nVERSION_ID=1\n";
    let sections = [
        (".osrel", write("osrel", release)),
        (".cmdline", write("cmdline", line)),
        (".initrd", initrd.to_owned()),
        (".linux", kernel.to_owned()),
    ];
    let image = dir.join("image.efi");
    let mut command = Command::new("objcopy");
    let mut at = end_of_stub().next_multiple_of(PAGE);
    for (name, path) in &sections {
        command
            .arg("--add-section")
            .arg(format!("{name}={}", path.display()));
        command
            .arg("--change-section-vma")
            .arg(format!("{name}={at:#x}"));
        at += path.metadata().unwrap().len().next_multiple_of(PAGE);
    }
    let output = command.arg(STUB).arg(&image).output().expect("objcopy");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "objcopy: {error}");
    image
}
