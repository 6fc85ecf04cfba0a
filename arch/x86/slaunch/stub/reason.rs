// SPDX-License-Identifier: GPL-2.0

//! Why a launch is not possible: numbers of `include/uapi/linux/slaunch.h`, and a text for each.

/// A reason, with the number under which other programs know it.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Reason {
    /// An unknown word in `slaunch=`.
    Option = 1,
    /// 32-bit firmware below a 64-bit kernel.
    MixedMode = 2,
    /// An encrypted guest.
    Guest = 3,
    /// Not an AMD (or Hygon) processor.
    Vendor = 4,
    /// No SVM.
    NoSvm = 5,
    /// No SKINIT.
    NoSkinit = 6,
    /// VM_CR.SVMDIS is set.
    SvmDisabled = 7,
    /// SKINIT works on the boot processor only.
    NotBsp = 8,
    /// Without a local APIC the other processors cannot be stopped.
    NoApic = 9,
    /// The kernel is to encrypt its memory (SME).
    MemEncrypt = 10,
    /// The firmware knows of no TPM.
    NoTpm = 11,
    /// The TPM has neither FIFO nor CRB, or not where they belong.
    TpmInterface = 12,
    /// The set of active PCR banks is unknown or has a bank unknown here.
    TpmBanks = 13,
    /// Not enough memory below 4 GiB.
    Memory = 14,
    /// The loader block is not well formed.
    Slb = 15,
    /// The kernel image has no valid MLE header.
    MleHeader = 16,
    /// The SLRT or the event log could not be written.
    Tables = 17,
}

impl Reason {
    /// The text for people. No end of line, no full stop.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Option => "unknown word in the option",
            Self::MixedMode => "32-bit firmware",
            Self::Guest => "the processor runs an encrypted guest",
            Self::Vendor => "not an AMD processor",
            Self::NoSvm => "the processor has no SVM",
            Self::NoSkinit => "the processor has no SKINIT",
            Self::SvmDisabled => "SVM is disabled by the firmware (VM_CR)",
            Self::NotBsp => "not on the boot processor",
            Self::NoApic => "no local APIC to stop the other processors with",
            Self::MemEncrypt => "not supported together with mem_encrypt=on",
            Self::NoTpm => "no TPM",
            Self::TpmInterface => "the TPM has no FIFO (TIS) or CRB interface",
            Self::TpmBanks => "unknown set of PCR banks",
            Self::Memory => "not enough memory below 4 GiB",
            Self::Slb => "malformed loader block",
            Self::MleHeader => "no valid MLE header in the kernel image",
            Self::Tables => "launch table or event log did not fit",
        }
    }
}

/// A refusal: why, and a number that goes with it (see the header for its meaning; else 0).
#[derive(Clone, Copy)]
pub(crate) struct Refusal {
    /// Why.
    pub(crate) reason: Reason,
    /// The number.
    pub(crate) detail: u32,
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self { reason, detail: 0 }
    }
}

impl Reason {
    /// This reason with a detail.
    pub(crate) const fn with(self, detail: u32) -> Refusal {
        Refusal {
            reason: self,
            detail,
        }
    }
}
