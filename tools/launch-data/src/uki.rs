// SPDX-License-Identifier: GPL-2.0

//! Kernel files: a bzImage, or a unified kernel image (UKI) around one.
//!
//! A UKI is a PE program with a boot stub, and with kernel, initrd and command line as sections (UAPI group
//! specification 5). The stub starts the kernel from its section, so that a launch measures what is in there.

use std::borrow::Cow;

use anyhow::{ensure, Context, Result};
use object::pe::ImageSectionHeader;
use object::read::pe::PeFile64;
use object::LittleEndian as LE;

use crate::{boot_stub, bzimage};

/// Most bytes that a section may have in memory behind those in the file: the rest of its last page.
const PADDING: usize = 4096;

/// What a UKI has for a launch.
#[derive(Clone, Debug)]
pub struct Uki<'a> {
    /// The kernel, a bzImage.
    pub linux: Cow<'a, [u8]>,
    /// The initrd, without what the stub may add to it.
    pub initrd: Option<Cow<'a, [u8]>>,
    /// The command line, as it is in the section.
    pub cmdline: Option<Cow<'a, [u8]>>,
    /// Sections from which the stub may make more initrd, by their names.
    pub added: Vec<(&'static str, Cow<'a, [u8]>)>,
    /// The version of systemd-stub, if it is the stub and what that version makes of the sections is known.
    pub stub: Option<u32>,
}

/// A kernel file.
#[derive(Clone, Debug)]
pub enum KernelFile<'a> {
    /// A kernel alone.
    BzImage(&'a [u8]),
    /// A kernel with what it is started with.
    Uki(Uki<'a>),
}

impl<'a> KernelFile<'a> {
    /// Finds out what a file is.
    ///
    /// # Errors
    ///
    /// It is no kernel, or a UKI whose contents are ambiguous.
    pub fn parse(file: &'a [u8]) -> Result<Self> {
        // A kernel with an EFI stub is a PE program too, without a section for a kernel.
        if let Some(uki) = Uki::parse(file)? {
            return Ok(Self::Uki(uki));
        }
        ensure!(
            bzimage::is_bzimage(file),
            "neither a bzImage nor a unified kernel image"
        );
        Ok(Self::BzImage(file))
    }

    /// The bzImage.
    pub fn bzimage(&self) -> &[u8] {
        match self {
            Self::BzImage(file) => file,
            Self::Uki(uki) => &uki.linux,
        }
    }
}

/// A section as it is in memory: what there is in the file, and zeros.
fn contents<'a>(file: &'a [u8], header: &ImageSectionHeader) -> Result<Cow<'a, [u8]>> {
    let size = usize::try_from(header.virtual_size.get(LE))?;
    let (offset, raw) = (
        usize::try_from(header.pointer_to_raw_data.get(LE))?,
        usize::try_from(header.size_of_raw_data.get(LE))?,
    );
    let in_file = file
        .get(offset..)
        .and_then(|rest| rest.get(..raw.min(size)))
        .context("lies outside the file")?;
    let missing = size.saturating_sub(in_file.len());
    if missing == 0 {
        return Ok(Cow::Borrowed(in_file));
    }
    ensure!(
        missing < PADDING,
        "has {size} bytes in memory and only {raw} in the file"
    );
    let mut bytes = in_file.to_vec();
    bytes.resize(size, 0);
    Ok(Cow::Owned(bytes))
}

impl<'a> Uki<'a> {
    /// Reads a UKI; none if the file is something else.
    ///
    /// # Errors
    ///
    /// A section lies outside the file, or occurs twice.
    pub fn parse(file: &'a [u8]) -> Result<Option<Self>> {
        let Ok(pe) = PeFile64::parse(file) else {
            return Ok(None);
        };
        let table = pe.section_table();
        let find = |name: &str| -> Result<Option<Cow<'a, [u8]>>> {
            let mut found = table
                .iter()
                .filter(|header| header.raw_name() == name.as_bytes());
            let Some(header) = found.next() else {
                return Ok(None);
            };
            ensure!(
                found.next().is_none(),
                "unified kernel image: section {name} occurs twice; one with several profiles is not supported"
            );
            let bytes = contents(file, header)
                .with_context(|| format!("unified kernel image: section {name}"))?;
            Ok(Some(bytes))
        };
        let Some(linux) = find(".linux")? else {
            return Ok(None);
        };
        ensure!(
            bzimage::is_bzimage(&linux),
            "unified kernel image: section .linux holds no bzImage"
        );
        let mut added = Vec::new();
        for name in boot_stub::names() {
            added.extend(find(name)?.map(|bytes| (name, bytes)));
        }
        Ok(Some(Self {
            linux,
            initrd: find(".initrd")?,
            cmdline: find(".cmdline")?,
            added,
            stub: find(".sdmagic")?.and_then(|magic| boot_stub::version(&magic)),
        }))
    }

    /// The initrd that the stub gives to the kernel, where nothing comes from outside of the image: none of
    /// its own, and none at all, are told apart.
    pub fn whole_initrd(&self) -> Option<Option<Cow<'_, [u8]>>> {
        let own = self.initrd.as_deref();
        match (self.stub, &*self.added) {
            (_, []) => Some(own.map(Cow::Borrowed)),
            (Some(version), added) => Some(boot_stub::initrd(version, own, added)),
            (None, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample::uki;

    /// As much of a bzImage as it takes to be one.
    fn kernel(size: usize) -> Vec<u8> {
        let mut file = vec![0x5a; size];
        file[0x202..0x206].copy_from_slice(b"HdrS");
        file
    }

    fn problem(file: &[u8]) -> String {
        format!("{:#}", KernelFile::parse(file).unwrap_err())
    }

    #[test]
    fn sections() {
        let linux = kernel(0x400);
        let file = uki(&[
            (".linux", &linux),
            (".initrd", b"archive"),
            (".cmdline", b"quiet\n"),
            (".osrel", b"ID=x\n"),
        ]);
        let KernelFile::Uki(found) = KernelFile::parse(&file).unwrap() else {
            panic!("not a UKI");
        };
        assert_eq!(*found.linux, *linux);
        assert_eq!(found.initrd.as_deref(), Some(&b"archive"[..]));
        assert_eq!(found.cmdline.as_deref(), Some(&b"quiet\n"[..]));
        assert_eq!(found.added, [(".osrel", b"ID=x\n"[..].into())]);
        assert_eq!(found.whole_initrd(), None);

        let magic = b"#### LoaderInfo: systemd-stub 252.1 ####";
        let file = uki(&[
            (".linux", &linux),
            (".initrd", b"archive"),
            (".osrel", b"ID=x\n"),
            (".sdmagic", magic),
        ]);
        let KernelFile::Uki(found) = KernelFile::parse(&file).unwrap() else {
            panic!("not a UKI");
        };
        let whole = found.whole_initrd().unwrap();
        assert_eq!(whole.as_deref(), Some(&b"archive"[..]));

        let file = uki(&[(".linux", &linux)]);
        let KernelFile::Uki(found) = KernelFile::parse(&file).unwrap() else {
            panic!("not a UKI");
        };
        assert!(found.initrd.is_none() && found.cmdline.is_none() && found.added.is_empty());
    }

    #[test]
    fn something_else() {
        let linux = kernel(0x400);
        assert!(matches!(
            KernelFile::parse(&linux).unwrap(),
            KernelFile::BzImage(_)
        ));
        assert!(problem(b"").contains("neither"));
        assert!(problem(&uki(&[(".text", b"x")])).contains("neither"));
        assert!(problem(&uki(&[(".linux", b"x")])).contains("no bzImage"));
        let twice = uki(&[(".linux", &linux), (".linux", &linux)]);
        assert!(problem(&twice).contains("twice"));
        let file = uki(&[(".linux", &linux)]);
        assert!(problem(&file[..file.len() - 1]).contains("outside the file"));
    }

    /// Where the header of the first section is.
    fn header(file: &[u8]) -> usize {
        memchr::memmem::find(file, b".linux\0\0").unwrap()
    }

    #[test]
    fn sizes() {
        let linux = kernel(0x400);
        let with = |size: u32| {
            let mut file = uki(&[(".linux", &linux)]);
            let at = header(&file) + 8;
            file[at..at + 4].copy_from_slice(&size.to_le_bytes());
            file
        };
        assert!(problem(&with(u32::MAX)).contains("only"));
        assert!(problem(&with(0x400 + 4096)).contains("only"));
        let padded = with(0x500);
        let bytes = KernelFile::parse(&padded).unwrap().bzimage().to_vec();
        assert_eq!(bytes, [&linux[..], &[0; 0x100]].concat());
        let short = with(0x300);
        assert_eq!(
            KernelFile::parse(&short).unwrap().bzimage(),
            &linux[..0x300]
        );
    }

    proptest! {
        #[test]
        fn any_change(at in 0usize..0x400, bytes in proptest::collection::vec(any::<u8>(), 1..16)) {
            let linux = kernel(0x400);
            let mut file = uki(&[(".linux", &linux), (".cmdline", b"quiet")]);
            let end = (at + bytes.len()).min(file.len());
            file[at..end].copy_from_slice(&bytes[..end - at]);
            let _ = KernelFile::parse(&file);
        }

        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
            let _ = KernelFile::parse(&bytes);
        }
    }
}
