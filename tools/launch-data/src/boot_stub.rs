// SPDX-License-Identifier: GPL-2.0

//! What the boot stub of a unified kernel image makes the kernel's initrd of.
//!
//! systemd-stub hands sections on to user space as files below `/.extra`: it packs each of them into a cpio
//! archive (Documentation/driver-api/early-userspace/buffer-format.rst) and puts these behind the initrd.
//! systemd-stub(7) says since which version it does so with which section.

use std::borrow::Cow;

use memchr::memmem;

/// The versions whose way of packing is the one below: the first with any of this, and the last that was tried.
const KNOWN: std::ops::RangeInclusive<u32> = 252..=257;
/// What the section `.sdmagic` begins with, before the version.
const MAGIC: &[u8] = b"#### LoaderInfo: systemd-stub ";

/// How a section gets into the initrd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// As it is, before all others.
    First,
    /// As a file of this name.
    File(&'static str),
}

/// Sections that become a part of the initrd, in the order of the initrd, and the first version for each.
const SECTIONS: [(&str, u32, How); 5] = [
    (".ucode", 256, How::First),
    (".pcrsig", 252, How::File("tpm2-pcr-signature.json")),
    (".pcrpkey", 252, How::File("tpm2-pcr-public-key.pem")),
    (".osrel", 257, How::File("os-release")),
    (".profile", 257, How::File("profile")),
];

/// The names of these sections.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    SECTIONS.iter().map(|(name, ..)| *name)
}

/// The version that a section `.sdmagic` tells, if it is one of those whose way is known.
pub(crate) fn version(magic: &[u8]) -> Option<u32> {
    let at = memmem::find(magic, MAGIC)?.checked_add(MAGIC.len())?;
    let digits: String = magic
        .get(at..)?
        .iter()
        .map_while(|byte| byte.is_ascii_digit().then_some(char::from(*byte)))
        .collect();
    digits
        .parse()
        .ok()
        .filter(|version| KNOWN.contains(version))
}

/// The initrd that this version of the stub makes of the image's own and of other sections; none if it is
/// empty.
pub(crate) fn initrd<'a>(
    version: u32,
    own: Option<&'a [u8]>,
    sections: &'a [(&'static str, Cow<'_, [u8]>)],
) -> Option<Cow<'a, [u8]>> {
    let mut parts: Vec<Cow<'a, [u8]>> = Vec::new();
    let mut own = own;
    for (name, since, how) in SECTIONS {
        if how != How::First {
            parts.extend(own.take().map(Cow::Borrowed));
        }
        let mut found = sections.iter().filter(|section| section.0 == name);
        let Some((_, bytes)) = found.next() else {
            continue;
        };
        if version < since || bytes.is_empty() {
            continue;
        }
        parts.push(match how {
            How::First => Cow::Borrowed(bytes),
            How::File(name) => archive(name, bytes).into(),
        });
    }
    parts.retain(|part| !part.is_empty());
    if parts.len() < 2 {
        return parts.pop();
    }
    let mut all = Vec::new();
    for part in &parts {
        all.extend_from_slice(part);
        pad(&mut all);
    }
    Some(all.into())
}

fn pad(archive: &mut Vec<u8>) {
    archive.resize(archive.len().next_multiple_of(4), 0);
}

/// Appends an entry of a cpio archive.
fn entry(archive: &mut Vec<u8>, inode: usize, mode: u32, path: &str, content: &[u8]) {
    let name = path.len().saturating_add(1);
    let size = content.len();
    // The record at the end is a constant in the stub, and has capitals.
    let name = match inode {
        0 => format!("{name:08X}"),
        _ => format!("{name:08x}"),
    };
    // Inode, mode, owner, group, links, time, size, devices, length of the name, checksum.
    let head = format!(
        "070701{inode:08x}{mode:08x}{0}{0}{1}{0}{size:08x}{0}{0}{0}{0}{name}{0}",
        "00000000", "00000001"
    );
    archive.extend_from_slice(head.as_bytes());
    archive.extend_from_slice(path.as_bytes());
    archive.push(0);
    pad(archive);
    archive.extend_from_slice(content);
    pad(archive);
}

/// An archive with a file in `/.extra`, which everybody may read.
fn archive(name: &str, content: &[u8]) -> Vec<u8> {
    let mut archive = Vec::new();
    entry(&mut archive, 1, 0o040_555, ".extra", &[]);
    entry(
        &mut archive,
        2,
        0o100_444,
        &format!(".extra/{name}"),
        content,
    );
    entry(&mut archive, 0, 0, "TRAILER!!!", &[]);
    archive
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(name: &'static str, bytes: &'static [u8]) -> (&'static str, Cow<'static, [u8]>) {
        (name, bytes.into())
    }

    #[test]
    fn versions() {
        let of = |text: &str| version(format!("#### LoaderInfo: {text} ####\0").as_bytes());
        assert_eq!(of("systemd-stub 252.39-1~deb12u2"), Some(252));
        assert_eq!(of("systemd-stub 257"), Some(257));
        for other in [
            "systemd-stub 251",
            "systemd-stub 999",
            "systemd-stub x",
            "systemd-boot 252",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn what_there_is() {
        let own = &b"initrd"[..];
        let osrel = [section(".osrel", b"ID=x\n")];
        assert_eq!(initrd(252, Some(own), &osrel).as_deref(), Some(own));
        assert_eq!(initrd(257, None, &[section(".osrel", b"")]), None);
        let made = initrd(257, Some(own), &osrel).unwrap();
        assert!(made.starts_with(b"initrd\0\x00070701") && made.len() % 4 == 0);
        let alone = initrd(257, None, &osrel).unwrap();
        assert_eq!(&made[8..], &*alone);
        let microcode = [section(".pcrsig", b"{}"), section(".ucode", b"new")];
        let made = initrd(256, Some(own), &microcode).unwrap();
        assert!(made.starts_with(b"new\0initrd\0\x00070701"));
        assert!(initrd(252, Some(own), &microcode)
            .unwrap()
            .starts_with(b"initrd\0\x00070701"));
    }

    /// What cpio makes of it.
    #[test]
    fn cpio_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("archive");
        std::fs::write(&path, archive("os-release", b"ID=x\n")).unwrap();
        let output = std::process::Command::new("cpio")
            .args(["--extract", "--to-stdout", "--quiet", ".extra/os-release"])
            .stdin(std::fs::File::open(&path).unwrap())
            .output()
            .unwrap();
        assert!(output.status.success());
        assert_eq!(output.stdout, b"ID=x\n");
    }
}
