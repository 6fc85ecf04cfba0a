// SPDX-License-Identifier: GPL-2.0

//! The forms in which others take a policy.

use std::collections::BTreeMap;

use anyhow::{ensure, Context, Result};
use launch_data::digest::Alg;
use serde_json::json;

use crate::predict::{Prediction, Stage};

/// TPM_CC_PolicyPCR.
const POLICY_PCR: u32 = 0x0000_017f;
/// Bytes of a PCR selection: 24 PCRs.
const SELECT: usize = 3;

/// Components of systemd-pcrlock, one for each PCR: the digests that are extended, in order.
///
/// A variant of each component is a file in a directory of the component's name, so that several launches
/// can be allowed side by side.
pub(super) fn pcrlock(
    prediction: &Prediction,
    name: &str,
    pcrs: &[u32],
    stage: Stage,
) -> Result<Vec<(String, Vec<u8>)>> {
    ensure!(
        !name.starts_with('.') && !name.contains('/'),
        "{name:?} cannot be the name of a file"
    );
    let mut files = Vec::new();
    for pcr in pcrs {
        let mut records = Vec::new();
        for event in &prediction.events {
            if event.pcr != *pcr || event.stage > stage {
                continue;
            }
            ensure!(
                !event.any_number,
                "the number of events \"{}\" is not known: predict with --log",
                event.text
            );
            let digests: Vec<_> = event
                .digests
                .iter()
                .map(|(bank, digest)| json!({ "hashAlg": bank, "digest": digest }))
                .collect();
            ensure!(
                !digests.is_empty(),
                "\"{}\" is not known: predict with --log, or choose PCRs with --pcr",
                event.text
            );
            records.push(json!({ "pcr": pcr, "digests": digests }));
        }
        let component = match pcr {
            17 => "830-slaunch-code",
            _ => "840-slaunch-config",
        };
        let mut text = serde_json::to_string_pretty(&json!({ "records": records }))?;
        text.push('\n');
        let file = format!("{component}.pcrlock.d/{name}.pcrlock");
        files.push((file, text.into_bytes()));
    }
    Ok(files)
}

/// PCRs with their values as systemd-cryptenroll takes them.
pub(super) fn cryptenroll(bank: Alg, values: &BTreeMap<u32, Vec<u8>>) -> String {
    let values: Vec<_> = values
        .iter()
        .map(|(pcr, value)| format!("{pcr}:{}={}", bank.name(), hex::encode(value)))
        .collect();
    values.join("+")
}

/// The digest of TPM2_PolicyPCR, as `tpm2_createpolicy --policy-pcr` gives it, and the values in the form in
/// which that program takes them (TCG TPM 2.0 Library, Part 3, 23.7).
pub(super) fn tpm2(
    bank: Alg,
    hash: Alg,
    values: &BTreeMap<u32, Vec<u8>>,
) -> Result<Vec<(String, Vec<u8>)>> {
    let mut select = [0u8; SELECT];
    for pcr in values.keys() {
        let index = usize::try_from(*pcr / 8)?;
        let byte = select.get_mut(index).context("no such PCR")?;
        *byte |= 1 << (pcr % 8);
    }
    let concatenated = values.values().flatten().copied().collect::<Vec<_>>();
    let mut message = vec![0; hash.size()];
    message.extend(POLICY_PCR.to_be_bytes());
    message.extend(1u32.to_be_bytes());
    message.extend((bank as u16).to_be_bytes());
    message.push(u8::try_from(SELECT)?);
    message.extend(select);
    message.extend(hash.hash(&concatenated));
    let digest = hash.hash(&message);
    Ok(vec![
        ("policy.digest".into(), digest),
        ("pcr.values".into(), concatenated),
    ])
}

/// `tpm_policy` for Keylime's tenant: the values that each PCR may have. The tenant itself adds the mask of PCRs
/// that the verifier asks the agent for, and takes nothing but PCRs.
pub(super) fn keylime(values: &BTreeMap<u32, Vec<Vec<u8>>>) -> Result<String> {
    let mut object = serde_json::Map::new();
    for (pcr, values) in values {
        let values: Vec<_> = values.iter().map(hex::encode).collect();
        object.insert(pcr.to_string(), json!(values));
    }
    let mut text = serde_json::to_string_pretty(&object)?;
    text.push('\n');
    Ok(text)
}
