// SPDX-License-Identifier: GPL-2.0
//! Which TPM a machine has: the interface between software and TPM, and the TPM's version.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// The register interface of the TPM (TCG PC Client Platform TPM Profile).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TpmInterface {
    /// FIFO, localities 0 to 4: QEMU's `tpm-tis`.
    #[default]
    Tis,
    /// Command Response Buffer, localities 0 to 4: the model's own device.
    Crb,
    /// Command Response Buffer, locality 0 only: QEMU's `tpm-crb`. No launch can extend its PCRs
    /// from locality 2; for comparison.
    QemuCrb,
}

impl TpmInterface {
    /// All interfaces.
    pub const ALL: [TpmInterface; 3] =
        [TpmInterface::Tis, TpmInterface::Crb, TpmInterface::QemuCrb];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            TpmInterface::Tis => "tis",
            TpmInterface::Crb => "crb",
            TpmInterface::QemuCrb => "qemu-crb",
        }
    }
}

impl fmt::Display for TpmInterface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for TpmInterface {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        TpmInterface::ALL
            .into_iter()
            .find(|interface| interface.name() == text)
            .ok_or_else(|| format!("unknown TPM interface '{text}' (tis, crb, qemu-crb)"))
    }
}

/// The family of the TPM.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub enum TpmVersion {
    /// TPM 1.2: one bank, SHA-1; the FIFO interface only.
    #[serde(rename = "1.2")]
    V1_2,
    /// TPM 2.0.
    #[default]
    #[serde(rename = "2.0")]
    V2_0,
}

impl TpmVersion {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            TpmVersion::V1_2 => "1.2",
            TpmVersion::V2_0 => "2.0",
        }
    }

    /// A response without parameters.
    pub fn response(self, code: u32) -> Vec<u8> {
        // TPM_TAG_RSP_COMMAND, TPM_ST_NO_SESSIONS
        let tag: u16 = match self {
            TpmVersion::V1_2 => 0x00c4,
            TpmVersion::V2_0 => 0x8001,
        };
        let mut bytes = tag.to_be_bytes().to_vec();
        bytes.extend_from_slice(&10_u32.to_be_bytes());
        bytes.extend_from_slice(&code.to_be_bytes());
        bytes
    }

    /// Response code of a cancelled command: `TPM_FAIL`, `TPM_RC_CANCELED`.
    pub fn cancelled(self) -> u32 {
        match self {
            TpmVersion::V1_2 => 0x9,
            TpmVersion::V2_0 => 0x909,
        }
    }
}

impl fmt::Display for TpmVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for TpmVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [TpmVersion::V1_2, TpmVersion::V2_0]
            .into_iter()
            .find(|version| version.name() == text)
            .ok_or_else(|| format!("unknown TPM version '{text}' (1.2, 2.0)"))
    }
}
