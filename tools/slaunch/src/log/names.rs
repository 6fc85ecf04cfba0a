// SPDX-License-Identifier: GPL-2.0

//! Names of event types.

use tpm_core::{EV_CAP_VALUE, EV_NO_ACTION, EV_SLAUNCH, EV_SLAUNCH_END, EV_SLAUNCH_START};

/// Ours first; then those of the firmware (TCG PC Client Platform Firmware Profile, 10.4.1) and of Intel's
/// modules (TXT Software Development Guide, appendix G).
const NAMES: &[(u32, &str)] = &[
    (EV_SLAUNCH, "SLAUNCH"),
    (EV_SLAUNCH_START, "SLAUNCH_START"),
    (EV_SLAUNCH_END, "SLAUNCH_END"),
    (EV_CAP_VALUE, "CAP_VALUE"),
    (0x000, "PREBOOT_CERT"),
    (0x001, "POST_CODE"),
    (EV_NO_ACTION, "NO_ACTION"),
    (0x004, "SEPARATOR"),
    (0x005, "ACTION"),
    (0x006, "EVENT_TAG"),
    (0x007, "S_CRTM_CONTENTS"),
    (0x008, "S_CRTM_VERSION"),
    (0x009, "CPU_MICROCODE"),
    (0x00a, "PLATFORM_CONFIG_FLAGS"),
    (0x00b, "TABLE_OF_DEVICES"),
    (0x00c, "COMPACT_HASH"),
    (0x00d, "IPL"),
    (0x00e, "IPL_PARTITION_DATA"),
    (0x00f, "NONHOST_CODE"),
    (0x010, "NONHOST_CONFIG"),
    (0x011, "NONHOST_INFO"),
    (0x012, "OMIT_BOOT_DEVICE_EVENTS"),
    (0x013, "POST_CODE2"),
    (0x401, "TXT_PCR_MAPPING"),
    (0x402, "TXT_HASH_START"),
    (0x403, "TXT_COMBINED_HASH"),
    (0x404, "TXT_MLE_HASH"),
    (0x40a, "TXT_BIOSAC_REG_DATA"),
    (0x40b, "TXT_CPU_SCRTM_STAT"),
    (0x40c, "TXT_LCP_CONTROL_HASH"),
    (0x40d, "TXT_ELEMENTS_HASH"),
    (0x40e, "TXT_STM_HASH"),
    (0x40f, "TXT_OSSINITDATA_CAP_HASH"),
    (0x410, "TXT_SINIT_PUBKEY_HASH"),
    (0x411, "TXT_LCP_HASH"),
    (0x412, "TXT_LCP_DETAILS_HASH"),
    (0x413, "TXT_LCP_AUTHORITIES_HASH"),
    (0x414, "TXT_NV_INFO_HASH"),
    (0x415, "TXT_COLD_BOOT_BIOS_HASH"),
    (0x416, "TXT_KM_HASH"),
    (0x417, "TXT_BPM_HASH"),
    (0x418, "TXT_KM_INFO_HASH"),
    (0x419, "TXT_BPM_INFO_HASH"),
    (0x41a, "TXT_BOOT_POL_HASH"),
    (0x4fe, "TXT_RANDOM_VALUE"),
    (0x8000_0001, "EFI_VARIABLE_DRIVER_CONFIG"),
    (0x8000_0002, "EFI_VARIABLE_BOOT"),
    (0x8000_0003, "EFI_BOOT_SERVICES_APPLICATION"),
    (0x8000_0004, "EFI_BOOT_SERVICES_DRIVER"),
    (0x8000_0005, "EFI_RUNTIME_SERVICES_DRIVER"),
    (0x8000_0006, "EFI_GPT_EVENT"),
    (0x8000_0007, "EFI_ACTION"),
    (0x8000_0008, "EFI_PLATFORM_FIRMWARE_BLOB"),
    (0x8000_0009, "EFI_HANDOFF_TABLES"),
    (0x8000_000a, "EFI_PLATFORM_FIRMWARE_BLOB2"),
    (0x8000_000b, "EFI_HANDOFF_TABLES2"),
    (0x8000_000c, "EFI_VARIABLE_BOOT2"),
    (0x8000_000d, "EFI_GPT_EVENT2"),
    (0x8000_0010, "EFI_HCRTM_EVENT"),
    (0x8000_00e0, "EFI_VARIABLE_AUTHORITY"),
    (0x8000_00e1, "EFI_SPDM_FIRMWARE_BLOB"),
    (0x8000_00e2, "EFI_SPDM_FIRMWARE_CONFIG"),
];

/// The name of an event type; none if it is not known.
pub fn type_name(event_type: u32) -> Option<&'static str> {
    NAMES
        .iter()
        .find(|entry| entry.0 == event_type)
        .map(|entry| entry.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_once() {
        for (at, (number, name)) in NAMES.iter().enumerate() {
            assert_eq!(type_name(*number), Some(*name));
            assert!(NAMES.iter().skip(at + 1).all(|entry| entry.1 != *name));
        }
        assert_eq!(type_name(0xffff), None);
    }
}
