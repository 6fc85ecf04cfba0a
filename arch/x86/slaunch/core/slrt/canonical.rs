// SPDX-License-Identifier: GPL-2.0

//! The form in which a table is measured.
//!
//! Entries in the order of their tags, whatever their order in the table; absent ones left out.
//! All numbers little endian. What is measured of each, and what is not:
//!
//! | entry | measured | left out, since it only says where things lie this time |
//! | --- | --- | --- |
//! | header | magic, revision, architecture | size, max_size |
//! | DL_INFO | tag, dce_size, bootloader | dce_base, dlme_base, dlme_config_table, context, dl_launch, which of the two layouts |
//! | LOG_INFO | tag, format, size | addr |
//! | POLICY | tag, revision, count, of each entry pcr, type, flags, label up to its NUL, and for entities that are not mandatory the size | entity; size of a mandatory entity |
//! | INTEL_INFO | tag, saved_misc_enable, default_mem_type, number of MTRRs, MTRRs | boot_params, txt_heap |
//! | AMD_INFO | tag, psp_version | next, type, len, slrt_size, slrt_base, boot_params |
//! | UEFI_CONFIG | tag, revision, count, of each entry pcr, size, label up to its NUL | cfg |
//! | unknown | nothing: the kernel does not read them | all |
//!
//! A label is preceded by its length in one byte. The dlme_size, dlme_entry and dlme_header_offset
//! of DL_INFO are properties of the kernel image; the loader block checks them against the image's
//! own header and measures that with the image as code. Here, among the configuration, they would
//! only make a new kernel look like a new configuration.

use super::super::bytes::Sink;
use super::super::policy::{is_mandatory, Label};
use super::{tag, Table, MAGIC, POLICY_REVISION, REVISION, UEFI_CONFIG_REVISION};

fn put_label(sink: &mut impl Sink, label: &[u8; 32]) {
    let label = Label::new(label);
    let bytes = label.as_bytes();
    // At most 32.
    sink.put(&[bytes.len().to_le_bytes()[0]]);
    sink.put(bytes);
}

fn put_count(sink: &mut impl Sink, count: usize) {
    // Tables have at most one page.
    sink.put(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

impl Table<'_> {
    /// Gives the form in which the table is measured to `sink`; see the module's description.
    pub fn canonical(&self, sink: &mut impl Sink) {
        sink.put(&MAGIC.to_le_bytes());
        sink.put(&REVISION.to_le_bytes());
        sink.put(&(self.header().architecture as u16).to_le_bytes());

        if let Ok(info) = self.dl_info() {
            sink.put(&tag::DL_INFO.to_le_bytes());
            sink.put(&info.dce_size.to_le_bytes());
            sink.put(&info.bootloader.to_le_bytes());
        }
        if let Ok(info) = self.log_info() {
            sink.put(&tag::LOG_INFO.to_le_bytes());
            sink.put(&info.format.to_le_bytes());
            sink.put(&info.size.to_le_bytes());
        }
        if let Some(policy) = self.policy() {
            sink.put(&tag::POLICY.to_le_bytes());
            sink.put(&POLICY_REVISION.to_le_bytes());
            put_count(sink, policy.len());
            for entry in policy.entries() {
                sink.put(&entry.pcr.to_le_bytes());
                sink.put(&entry.entity_type.to_le_bytes());
                sink.put(&entry.flags.to_le_bytes());
                if !is_mandatory(entry.entity_type) {
                    sink.put(&entry.size.to_le_bytes());
                }
                put_label(sink, &entry.label);
            }
        }
        if let Ok(info) = self.intel() {
            sink.put(&tag::INTEL_INFO.to_le_bytes());
            sink.put(&info.saved_misc_enable().to_le_bytes());
            sink.put(&info.default_mem_type().to_le_bytes());
            put_count(sink, info.mtrr_count());
            for (base, mask) in info.mtrrs() {
                sink.put(&base.to_le_bytes());
                sink.put(&mask.to_le_bytes());
            }
        }
        if let Ok(info) = self.amd() {
            sink.put(&tag::AMD_INFO.to_le_bytes());
            sink.put(&info.psp_version.to_le_bytes());
        }
        if let Some(config) = self.uefi_config() {
            sink.put(&tag::UEFI_CONFIG.to_le_bytes());
            sink.put(&UEFI_CONFIG_REVISION.to_le_bytes());
            put_count(sink, config.len());
            for entry in config.entries() {
                sink.put(&entry.pcr.to_le_bytes());
                sink.put(&entry.size.to_le_bytes());
                put_label(sink, &entry.label);
            }
        }
    }
}
