// SPDX-License-Identifier: GPL-2.0

//! PCR values as the kernel shows them in sysfs.

use std::fs;

use anyhow::{Context, Result};

use super::pcrs::Pcrs;
use crate::bank;
use crate::input::Root;

const DIRECTORY: &str = "/sys/class/tpm/tpm0";

/// The values; none if the kernel shows none.
pub(super) fn read(root: &Root) -> Result<Option<Pcrs>> {
    let mut pcrs = Pcrs::default();
    for (id, size) in bank::known() {
        let name = bank::name(id);
        let directory = format!("{DIRECTORY}/pcr-{name}");
        if fs::metadata(root.path(&directory)).is_err() {
            continue;
        }
        for pcr in 0..24 {
            let path = format!("{directory}/{pcr}");
            let Some(text) = root.text(&path)? else {
                continue;
            };
            let value = hex::decode(text.trim()).ok();
            let value = value.filter(|value| value.len() == size);
            let value = value.with_context(|| format!("{path} has no digest"))?;
            pcrs.insert(id, pcr, value);
        }
    }
    Ok((!pcrs.is_empty()).then_some(pcrs))
}
