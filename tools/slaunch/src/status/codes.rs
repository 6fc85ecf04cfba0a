// SPDX-License-Identifier: GPL-2.0

//! Error codes in words, with what to do about them.
//!
//! One 32-bit number has it all, on both vendors: bit 31 says that it is valid, bit 30 whether the processor
//! (0) or software (1) wrote it, bit 15 whether that was a module of Intel (0) or the launched code (1).

use slaunch_core::describe;
use slaunch_core::error::{Error, CODE_BASE};

/// What is to be said about a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The code.
    pub code: u32,
    /// Whether it is an error at all.
    pub is_error: bool,
    /// What it means.
    pub meaning: String,
    /// What to do; empty if there is nothing to say.
    pub advice: &'static str,
}

const VALID: u32 = 1 << 31;
const SOFTWARE: u32 = 1 << 30;
const LAUNCHED: u32 = 1 << 15;

/// What an Intel module writes when all went well.
const SINIT_SUCCESS: u32 = 0xc000_0001;

/// Explains a code: that of the launch record, of a cap event, or of TXT.ERRORCODE.
pub fn explain(code: u32) -> Explained {
    let make = |is_error, meaning: String, advice| Explained {
        code,
        is_error,
        meaning,
        advice,
    };
    if code & VALID == 0 {
        return match code {
            0 => make(false, "no error".into(), ""),
            _ => make(
                false,
                "not valid: bit 31 is clear".into(),
                "Look at where the number comes from.",
            ),
        };
    }
    if code & SOFTWARE == 0 {
        let (meaning, advice) = processor(code & 0x3fff_ffff);
        return make(
            true,
            format!("the processor shut the launch down: {meaning}"),
            advice,
        );
    }
    if code == SINIT_SUCCESS {
        return make(false, "SINIT has done its work: no error".into(), "");
    }
    if code & LAUNCHED == 0 {
        return make(true, module(code), MODULE);
    }
    match describe::from_code(code) {
        Some(error) => {
            let meaning = format!("{} ({error:?})", describe::description(error));
            make(true, meaning, advice(error))
        }
        None => {
            let number = code.wrapping_sub(CODE_BASE);
            let meaning =
                format!("error {number:#x} of the launched code, which this program does not know");
            make(
                true,
                meaning,
                "Use the slaunch program that belongs to the kernel.",
            )
        }
    }
}

/// Shutdowns by the processor (Intel SDM, volume 2, GETSEC; TXT Software Development Guide, appendix I).
const fn processor(number: u32) -> (&'static str, &'static str) {
    const MODULE: &str = "Use the SINIT module made for this processor and chipset, unchanged.";
    const FIRMWARE: &str = "Update the firmware; if it stays, report it with the machine's model.";
    const HARDWARE: &str = "Look for machine-check errors in the kernel log; reset firmware settings for overclocking.";
    match number {
        0x0 => ("legacy shutdown (triple fault)", "Power the machine off and on. If it comes back, report it with the console output."),
        0x5 => ("the memory type where the module lies is not write-back", FIRMWARE),
        0x6 => ("the module has a format that the processor does not support", MODULE),
        0x7 => ("the module's signature or key is wrong", MODULE),
        0x8 => ("the module's header is malformed", MODULE),
        0x9 => ("an unexpected cache hit on the module's memory", FIRMWARE),
        0xa => ("an event that is not allowed during a launch", "Power the machine off and on, and see that no other program uses virtualisation before the launch."),
        0xb => ("the structure for the other processors to join is malformed", FIRMWARE),
        0xc => ("a machine check that cannot be recovered from", HARDWARE),
        0xd => ("a VMX abort", FIRMWARE),
        0xe => ("the module changed while it was authenticated", HARDWARE),
        0xf => ("voltage or bus ratio is out of range", HARDWARE),
        0x10 => ("the module's security version is too old", MODULE),
        _ => ("for a reason that is not documented", FIRMWARE),
    }
}

const MODULE: &str = "The numbers are explained in the error list that comes with the module; get the module for this chipset, newest version.";

/// Errors of an Intel module.
fn module(code: u32) -> String {
    let name = match code & 0xf {
        0 => "the BIOS module",
        1 => "SINIT",
        _ => "an unknown module",
    };
    let (class, major, minor) = (code >> 4 & 0x3f, code >> 10 & 0x1f, code >> 16 & 0xfff);
    let known = match (class, major) {
        (1, 1) => ": it was not started by a launch",
        (1, 9) => ": it was revoked",
        (2, 1..=7) => ": the memory type ranges (MTRRs) are not as they must be",
        (4, 1) => ": a command of the TPM failed",
        (4, 0xf) => ": the TPM has more banks than it can handle",
        (4, 0x10) => ": a hash algorithm that is needed is missing",
        _ => "",
    };
    format!("{name} gave up with class {class:#x}, major {major:#x}, minor {minor:#x}{known}")
}

/// What to do about an error of ours.
const fn advice(error: Error) -> &'static str {
    use Error::*;
    match error {
        TpmInit | TpmAbsent | TpmLocality | TpmTimeout | TpmBadResponse => {
            "Power the machine off and on (not just a reboot). Look in the firmware's setup whether the TPM is enabled; update the TPM's firmware."
        }
        TpmResponse | TpmExtend => {
            "The TPM's response code says why (see there). Power the machine off and on; if it comes back, update the TPM's firmware."
        }
        TpmAlgorithms => "Reduce the active PCR banks to SHA-256 (tpm2_pcrallocate, or the firmware's setup).",
        TpmBadLog | TpmLoggingFailed | TpmDigestCount | TpmInvalidEvent | MissingEventLog
        | EventLogMap | EventLogTooSmall | EventLogOverlap => {
            "What ran before the launch spoiled the event log, or something wrote over it. Boot without other boot loaders in between; if it stays, do not trust the machine before you know why."
        }
        InvalidSlrt | SlrtMissingEntry | SlrtMap | SlrtEntry | SlrtDuplicate | SlrtNoEnd
        | Architecture => {
            "The launch table is not as the kernel's stub writes it. Boot the kernel by its own EFI stub; a boot loader that brings its own table must match the kernel."
        }
        PolicyRevision | PolicyEntry | PolicyPcr | PolicyRedirect => {
            "Correct the launch policy that the boot loader gives; without one the kernel measures all it must."
        }
        CmdlineUnterminated => "Shorten the kernel command line (at most 2047 bytes).",
        InitrdTooBig => "The initrd must lie in RAM below 4 GiB as it is, or be smaller.",
        BootParamsInvalid | SetupDataMap | SetupDataCycle | SetupDataNode | SetupDataType | E820Invalid
        | MemoryMapInvalid => {
            "Boot loader or firmware gave the kernel something that a launch does not accept; the details name the place. Try without a boot loader in between, and update the firmware."
        }
        MemoryMapTooLarge | BufferTooSmall => "The firmware's memory map is unusually large; update the firmware, and report it.",
        RegionStraddle4Gb | RegionAbove4Gb | RegionEmpty | RegionOverlap | OutOfRam | Unmapped
        | IntegerOverflow | MleOverlap => {
            "An address or a size from before the launch is impossible; the details have both. Somebody may have changed it. Try without a boot loader in between."
        }
        SlbHeader | SlbInfo | SlbParams | MleHeader | MleDuplicate | MleBounds => {
            "The kernel file is damaged, or was changed after it was built. Install it again."
        }
        LaunchRecord | Handoff => "Something wrote over the launch's memory. Power the machine off and on; if it comes back, report it.",
        MtrrInvalidCount | MtrrInvalidDefault | MtrrInvalidBase | MtrrInvalidMask
        | MsrInvalidMiscEnable => "The state that was saved before the launch is impossible. Boot the kernel by its own EFI stub.",
        HeapWalk | HeapMap | HeapInvalidDmar | HeapDmarSize | HeapDmarMap | HeapZeroOffset
        | OsSinitVersion => "The firmware's TXT heap is malformed. Update the firmware, and use the newest SINIT module.",
        HighPmrBase | HighPmrSize | LowPmrBase | LowPmrMle | BeyondPmr => {
            "The protection against DMA does not cover what it must. Update the firmware, and look whether VT-d is enabled in its setup."
        }
        WakeBlockTooSmall | InvalidApInterrupt => "Start with maxcpus=1 to see whether it is the other processors, and report it.",
        CpuState => "Look in the firmware's setup whether virtualisation (SVM, VT-x) is enabled, and switch a hypervisor below the kernel off.",
        Exception => "The details have vector and address: report them with the kernel's version.",
        Generic => "Report it with the console output.",
    }
}

/// A response code of the TPM, in words.
pub const fn tpm_response(code: u32) -> &'static str {
    match code {
        0 => "success",
        0x100 => "the TPM was not started by the firmware",
        0x101 => "the TPM failed, and waits for a reset",
        0x120 => "the TPM was disabled by the firmware",
        0x907 => "not allowed at this locality",
        0x908 | 0x909 => "the command was cancelled",
        0x90a => "the TPM is still testing itself",
        0x921 => "the TPM is locked out after wrong passwords",
        0x922 => "the TPM was busy and asked for another try",
        0x006 => "the TPM is deactivated",
        0x007 => "the TPM is disabled",
        0x01c => "the TPM's self test failed",
        0x026 => "the TPM was not started by the firmware",
        0x03d => "not allowed at this locality",
        _ => "see part 2 of the TPM specification",
    }
}

/// What to do about a launch that did not take place, by the number of the reason.
pub const fn reason_advice(reason: u32) -> &'static str {
    match reason {
        0 => "Put slaunch=on on the kernel command line.",
        1 => "slaunch= takes off, on or require, and wait behind a comma.",
        2 => "Start the kernel by 64-bit firmware.",
        3 => "A launch inside of an encrypted guest is not possible.",
        4 => "Launches are for AMD processors (SKINIT) so far.",
        5 | 6 => "This processor has no SKINIT, or a hypervisor hides it.",
        7 => "Enable SVM (virtualisation) in the firmware's setup.",
        8 | 9 => "The boot loader or firmware left the local APIC in another state; start the kernel by the firmware itself.",
        10 => "Take mem_encrypt=on from the command line.",
        11 => "Enable the TPM in the firmware's setup.",
        12 => "The TPM has neither of the interfaces (FIFO, CRB) that a launch can use. Look for an fTPM setting in the firmware's setup.",
        13 => "Activate the SHA-256 bank (tpm2_pcrallocate), and no bank but SHA-1, SHA-256, SHA-384 and SHA-512.",
        14 => "There is not enough free memory below 4 GiB: use a smaller kernel or initrd.",
        15 | 16 => "The kernel file is damaged. Install it again.",
        17 => "Report it with the firmware's memory map.",
        18 => "Start the kernel by its EFI stub: directly, or by systemd-boot or GRUB's chainloader, not by a loader that enters it elsewhere.",
        _ => "Use the slaunch program that belongs to the kernel.",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn codes_of_all_sorts() {
        assert!(!explain(0).is_error);
        assert!(!explain(SINIT_SUCCESS).is_error);
        assert!(explain(0x8000_000f).meaning.contains("voltage"));
        let tpm = explain(0xc922_0441);
        assert!(
            tpm.meaning.contains("SINIT") && tpm.meaning.contains("minor 0x922"),
            "{tpm:?}"
        );
        assert!(explain(0xc000_2411).meaning.contains("revoked"));
        assert!(explain(0xc000_80ff).meaning.contains("0xff"));
    }

    /// Each error of ours has a meaning of its own and an advice.
    #[test]
    fn every_error() {
        let mut seen = std::collections::BTreeSet::new();
        for error in describe::all() {
            let explained = explain(error.code());
            assert!(explained.is_error && !explained.advice.is_empty());
            assert!(seen.insert(explained.meaning));
        }
        for reason in 0..=18 {
            assert_ne!(reason_advice(reason), reason_advice(99));
        }
    }

    proptest! {
        #[test]
        fn any_code(code in any::<u32>()) {
            prop_assert!(!explain(code).meaning.is_empty());
        }
    }
}
