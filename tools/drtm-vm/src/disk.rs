// SPDX-License-Identifier: GPL-2.0
//! A boot disk: a FAT image with a loader, its driver, and the kernel with all that belongs to it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fatfs::{format_volume, FileSystem, FormatVolumeOptions, FsOptions};
use serde::Serialize;

use crate::config::Config;
use crate::error::{Blame, Result, Side};

/// Space beside the files, for what the file system keeps about them.
const SLACK: u64 = 8 << 20;

/// What is on a boot disk beside the kernel, its command line and its initrd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loader {
    /// The program that firmware starts: `\EFI\BOOT\BOOTX64.EFI`.
    pub program: PathBuf,
    /// A driver for it to start before the kernel: `\DRIVER.EFI`.
    pub driver: Option<PathBuf>,
    /// The driver's options: `\DRIVER.TXT`.
    pub options: String,
}

/// Writes the disk of `config` that `loader` starts from to `path`.
pub fn write(config: &Config, loader: &Loader, path: &Path) -> Result<()> {
    let mut files = vec![
        ("EFI/BOOT/BOOTX64.EFI", content(&loader.program)?),
        ("LINUX.EFI", content(&config.kernel)?),
        ("CMDLINE.TXT", config.append.clone().into_bytes()),
    ];
    if let Some(initrd) = &config.initrd {
        files.push(("INITRD", content(initrd)?));
    }
    if let Some(driver) = &loader.driver {
        files.push(("DRIVER.EFI", content(driver)?));
        files.push(("DRIVER.TXT", loader.options.clone().into_bytes()));
    }
    let size: u64 = files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    let mut image = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .blame(Side::Host, path.display())?;
    image
        .set_len((size + SLACK).next_multiple_of(1 << 20))
        .blame(Side::Host, path.display())?;
    fill(&mut image, &files).blame(Side::Host, path.display())
}

fn content(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).blame(Side::Host, path.display())
}

fn fill(image: &mut File, files: &[(&str, Vec<u8>)]) -> std::io::Result<()> {
    // Through a buffer in memory: the file system writes sector by sector.
    let mut buffer = Vec::new();
    image.read_to_end(&mut buffer)?;
    let mut memory = std::io::Cursor::new(buffer);
    format_volume(&mut memory, FormatVolumeOptions::new())?;
    let disk = FileSystem::new(&mut memory, FsOptions::new())?;
    for (path, bytes) in files {
        let root = disk.root_dir();
        for (at, _) in path.match_indices('/') {
            root.create_dir(&path[..at])?;
        }
        root.create_file(path)?.write_all(bytes)?;
    }
    disk.unmount()?;
    image.seek(SeekFrom::Start(0))?;
    image.write_all(memory.get_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let kernel = vec![0xa5; 3 << 20];
        let config = Config {
            kernel: file("kernel", &kernel),
            initrd: Some(file("initrd", b"initrd")),
            append: "quiet".into(),
            ..Config::default()
        };
        let loader = Loader {
            program: file("loader", b"MZ loader"),
            driver: None,
            options: String::new(),
        };
        let path = dir.path().join("disk");
        write(&config, &loader, &path).unwrap();
        let disk = FileSystem::new(File::open(&path).unwrap(), FsOptions::new()).unwrap();
        for (name, expected) in [
            ("EFI/BOOT/BOOTX64.EFI", &b"MZ loader"[..]),
            ("LINUX.EFI", &kernel),
            ("CMDLINE.TXT", b"quiet"),
            ("INITRD", b"initrd"),
        ] {
            let mut bytes = Vec::new();
            let mut file = disk.root_dir().open_file(name).unwrap();
            file.read_to_end(&mut bytes).unwrap();
            assert!(bytes == expected, "{name}");
        }
        assert!(disk.root_dir().open_file("DRIVER.EFI").is_err());
    }
}
