// SPDX-License-Identifier: GPL-2.0

//! What follows from the files and the command line alone.

use std::borrow::Cow;

use anyhow::{bail, ensure, Context, Result};
use launch_data::bzimage;
use launch_data::uki::{KernelFile, Uki};
use slaunch_core::cmdline::COMMAND_LINE_SIZE;
use slaunch_core::slrt::{
    entity, AmdInfo, Architecture, Builder, DlInfo, DlLayout, LogInfo, PolicyEntry, Table,
    BOOTLOADER_EFI_STUB, LOG_TPM12, LOG_TPM20, MAX_TABLE_SIZE,
};

use crate::out::safe;

/// Something that is measured, and how it was found.
pub(super) struct Measured<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    pub(super) how: String,
}

/// What is known of the initrd.
pub(super) enum Initrd<'a> {
    None,
    Known(Measured<'a>),
    /// The boot stub makes it, in a form that depends on its version.
    Open {
        may_be_missing: bool,
        why: String,
    },
}

/// The contents of the files.
pub(super) struct Files<'a> {
    pub(super) block: Measured<'a>,
    pub(super) image: Measured<'a>,
    pub(super) initrd: Initrd<'a>,
    pub(super) cmdline: Measured<'a>,
    pub(super) notes: Vec<String>,
}

/// Where a part of a file is in it.
fn offset(file: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr().saturating_sub(file.as_ptr().addr())
}

/// Looks at the files.
pub(super) fn look<'a>(
    kernel: &'a KernelFile<'a>,
    initrd: Option<&'a [u8]>,
    cmdline: Option<&'a str>,
) -> Result<Files<'a>> {
    let file = kernel.bzimage();
    let block = bzimage::slb(file)?;
    let (at, payload) = bzimage::payload(file)?;
    let image = bzimage::image_as_loaded(file)?;
    let within = match kernel {
        KernelFile::BzImage(_) => "of the bzImage",
        KernelFile::Uki(_) => "of section .linux of the unified kernel image",
    };
    let mut notes = Vec::new();
    let block = Measured {
        how: format!(
            "the {} bytes of the loader block at {:#x} {within}, as SKINIT gives them to the TPM",
            block.len(),
            offset(file, block)
        ),
        bytes: block.into(),
    };
    let image = Measured {
        how: format!(
            "the payload at {at:#x} {within}, {} bytes, decompressed, its segments moved to their places, \
             up to the end that the MLE header gives: {} bytes",
            payload.len(),
            image.len()
        ),
        bytes: image.into(),
    };
    let uki = match kernel {
        KernelFile::BzImage(_) => None,
        KernelFile::Uki(uki) => Some(uki),
    };
    let initrd = find_initrd(uki, initrd, &mut notes);
    let cmdline = find_cmdline(uki, cmdline, &mut notes)?;
    Ok(Files {
        block,
        image,
        initrd,
        cmdline,
        notes,
    })
}

fn find_initrd<'a>(
    uki: Option<&'a Uki<'a>>,
    given: Option<&'a [u8]>,
    notes: &mut Vec<String>,
) -> Initrd<'a> {
    if let Some(bytes) = given {
        if uki.is_some_and(|uki| uki.initrd.is_some()) {
            notes.push("--initrd is taken in place of section .initrd".into());
        }
        let how = format!("the file of --initrd, {} bytes", bytes.len());
        let bytes = bytes.into();
        return Initrd::Known(Measured { bytes, how });
    }
    let Some(uki) = uki else {
        return Initrd::None;
    };
    let names: Vec<_> = uki.added.iter().map(|(name, _)| *name).collect();
    let names = names.join(", ");
    let Some(bytes) = uki.whole_initrd() else {
        return Initrd::Open {
            may_be_missing: uki.initrd.is_none(),
            why: format!(
                "initrd: the image has {names}, from which its boot stub may make more of it, in a form that \
                 depends on the stub, and this one is not known; --initrd with all that the kernel gets says \
                 what it is",
            ),
        };
    };
    notes.push(
        "the initrd is made of sections alone: holds if the boot stub finds no credentials and no \
         extensions beside the image"
            .into(),
    );
    let Some(bytes) = bytes else {
        return Initrd::None;
    };
    let how = match uki.stub.filter(|_| !names.is_empty()) {
        None => format!("section .initrd, {} bytes", bytes.len()),
        Some(version) => format!(
            "what systemd-stub {version} makes of section .initrd and {names}, {} bytes",
            bytes.len()
        ),
    };
    Initrd::Known(Measured { bytes, how })
}

/// The command line as the stub of the kernel hands it on: it ends at a NUL or at the end of a line.
fn find_cmdline<'a>(
    uki: Option<&'a Uki<'a>>,
    given: Option<&'a str>,
    notes: &mut Vec<String>,
) -> Result<Measured<'a>> {
    let section = uki.and_then(|uki| uki.cmdline.as_deref());
    let (line, from) = match (given, section) {
        (Some(line), _) => {
            let end = line.find(['\n', '\0']).unwrap_or(line.len());
            let (line, rest) = line.split_at(end);
            ensure!(
                rest.trim_matches(['\n', '\0']).is_empty(),
                "the command line has several lines: the kernel's EFI stub takes the first"
            );
            (line, "the command line that was given")
        }
        (None, Some(section)) => {
            let end = section.iter().position(|byte| *byte == 0);
            let line = section.get(..end.unwrap_or(section.len()));
            let line = std::str::from_utf8(line.unwrap_or(section))
                .context("section .cmdline is no text")?
                .trim_end();
            // What boot stubs make of these has changed from version to version.
            ensure!(
                !line.contains(char::is_control) && !line.starts_with(' '),
                "section .cmdline has several lines or leading space: give --cmdline as the kernel gets it"
            );
            (line, "section .cmdline without space at its end")
        }
        (None, None) => bail!("--cmdline or --cmdline-file is needed"),
    };
    ensure!(
        line.len() < COMMAND_LINE_SIZE,
        "the command line has {} bytes, and the kernel takes {} at most",
        line.len(),
        COMMAND_LINE_SIZE.saturating_sub(1)
    );
    if !asks_for_launch(line) {
        notes.push(
            "the command line does not ask the kernel's EFI stub for a launch (slaunch=on or \
             slaunch=require)"
                .into(),
        );
    }
    Ok(Measured {
        bytes: line.as_bytes().into(),
        how: format!("{from}, {} bytes: \"{}\"", line.len(), safe(line)),
    })
}

/// Whether the last `slaunch=` says so.
fn asks_for_launch(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace().rev();
    let last = words.find_map(|word| word.strip_prefix("slaunch="));
    let mode = last.and_then(|value| value.split(',').next());
    matches!(mode, Some("on" | "require"))
}

/// Options that the kernel's EFI stub reads and that change the boot parameters or the memory map.
const FOR_THE_STUB: [&str; 6] = [
    "nokaslr",
    "efi=",
    "video=efifb:",
    "mem=",
    "memmap=",
    "hugepages=",
];

/// The options of the command line that have an effect on more than its own measurement.
pub(super) fn for_the_stub(line: &str) -> Vec<&str> {
    let words = line.split_ascii_whitespace();
    words
        .filter(|word| FOR_THE_STUB.iter().any(|option| word.starts_with(option)))
        .collect()
}

/// Bytes of the event log and of the window of the loader block, as the stub has them.
const WINDOW: u32 = 0x10000;

/// The canonical form of the launch table that the kernel's EFI stub writes.
pub(super) fn table_of_stub(tpm12: bool) -> Result<Vec<u8>> {
    let fail = |error| anyhow::anyhow!("launch table: {error:?}");
    let mut buffer = [0; MAX_TABLE_SIZE];
    let mut builder = Builder::new(&mut buffer, Architecture::AmdSkinit).map_err(fail)?;
    // Addresses are not measured, nor what the loader block checks against the kernel.
    let info = DlInfo {
        layout: DlLayout::V16,
        dce_size: WINDOW.into(),
        dce_base: 0,
        dlme_size: 0,
        dlme_base: 0,
        dlme_entry: 0,
        dlme_header_offset: 0,
        dlme_config_table: 0,
        bootloader: BOOTLOADER_EFI_STUB,
        context: 0,
        dl_launch: 0,
    };
    builder.dl_info(&info).map_err(fail)?;
    let log = LogInfo {
        format: if tpm12 { LOG_TPM12 } else { LOG_TPM20 },
        size: WINDOW,
        addr: 0,
    };
    builder.log_info(&log).map_err(fail)?;
    let policy = [
        (entity::SLRT, 18),
        (entity::BOOT_PARAMS, 18),
        (entity::CMDLINE, 18),
        (entity::SETUP_DATA, 18),
        (entity::RAMDISK, 17),
        (entity::UEFI_MEMMAP, 18),
    ]
    .map(|(entity_type, pcr)| PolicyEntry {
        pcr,
        entity_type,
        flags: 0,
        size: 0,
        entity: 0,
        label: [0; 32],
    });
    builder.policy(&policy).map_err(fail)?;
    let amd = AmdInfo {
        next: 0,
        kind: 0,
        len: 0,
        slrt_size: 0,
        slrt_base: 0,
        boot_params: 0,
        psp_version: 0,
    };
    builder.amd(&amd).map_err(fail)?;
    let size = builder.finish().map_err(fail)?;
    let bytes = buffer.get(..size).unwrap_or(&buffer);
    let mut canonical = Vec::new();
    let table = Table::parse(bytes).map_err(fail)?;
    table.canonical(&mut |piece: &[u8]| canonical.extend_from_slice(piece));
    Ok(canonical)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn launch_or_not() {
        for line in [
            "slaunch=on",
            "a slaunch=on,wait b",
            "slaunch=off slaunch=require",
        ] {
            assert!(asks_for_launch(line), "{line}");
        }
        for line in ["", "slaunch=off", "xslaunch=on", "slaunch=on slaunch=off"] {
            assert!(!asks_for_launch(line), "{line}");
        }
        assert_eq!(
            for_the_stub("quiet nokaslr efi=debug"),
            ["nokaslr", "efi=debug"]
        );
    }

    #[test]
    fn lines() {
        let line = |text| {
            let found = find_cmdline(None, Some(text), &mut Vec::new());
            found.map(|line| String::from_utf8_lossy(&line.bytes).into_owned())
        };
        assert_eq!(line("quiet slaunch=on \n").unwrap(), "quiet slaunch=on ");
        assert!(line("a\nb").is_err());
        assert!(line(&"x".repeat(2048)).is_err());
        assert!(find_cmdline(None, None, &mut Vec::new()).is_err());
    }
}
