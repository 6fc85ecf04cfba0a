// SPDX-License-Identifier: GPL-2.0

//! TXT.ERRORCODE: why the last launch on an Intel processor was given up.
//!
//! The register keeps its value over a reset until the power goes off, and everybody may read it, in the public
//! window of the TXT registers (Intel TXT Software Development Guide, appendix B.1). No kernel publishes it as a
//! file, so it is read through `/dev/mem`.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;

use anyhow::{Context, Result};

use crate::input::Root;

/// The public window of the registers.
const PUBLIC: u64 = 0xfed3_0000;
const ERRORCODE: u64 = PUBLIC + 0x30;
/// Device and vendor of the chipset, the vendor in the low half.
const DIDVID: u64 = PUBLIC + 0x110;
const INTEL: u32 = 0x8086;

/// The register; none if the machine has no TXT, or the kernel no `/dev/mem`.
///
/// # Errors
///
/// It is there, and cannot be read.
pub(super) fn errorcode(root: &Root) -> Result<Option<u32>> {
    let processor = root.text("/proc/cpuinfo")?;
    if !processor.is_some_and(|text| has_smx(&text)) {
        return Ok(None);
    }
    let path = root.path("/dev/mem");
    let memory = match File::open(&path) {
        Ok(memory) => memory,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    let register = |address| -> Result<u32> {
        let mut bytes = [0; 4];
        memory
            .read_exact_at(&mut bytes, address)
            .with_context(|| format!("{}, {address:#x}", path.display()))?;
        Ok(u32::from_le_bytes(bytes))
    };
    // A chipset without TXT answers with all bits set there, or has something else.
    if register(DIDVID)? & 0xffff != INTEL {
        return Ok(None);
    }
    register(ERRORCODE).map(Some)
}

/// Whether `/proc/cpuinfo` is that of an Intel processor with GETSEC.
fn has_smx(cpuinfo: &str) -> bool {
    let value = |name: &str| {
        let mut fields = cpuinfo.lines().filter_map(|line| line.split_once(':'));
        fields.find(|field| field.0.trim() == name).map(|f| f.1)
    };
    value("vendor_id").is_some_and(|vendor| vendor.trim() == "GenuineIntel")
        && value("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "smx"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn processors() {
        let cpuinfo = |vendor, flags| {
            format!("processor\t: 0\nvendor_id\t: {vendor}\nflags\t\t: fpu {flags} est\n\n")
        };
        assert!(has_smx(&cpuinfo("GenuineIntel", "vmx smx")));
        assert!(!has_smx(&cpuinfo("GenuineIntel", "vmx smxx")));
        assert!(!has_smx(&cpuinfo("AuthenticAMD", "smx")));
        assert!(!has_smx(""));
    }

    proptest! {
        #[test]
        fn any_text(text in "[a-z_:\t\n ]{0,200}") {
            has_smx(&text);
        }
    }
}
