// SPDX-License-Identifier: GPL-2.0

//! PCR values, and files with them.

use std::collections::BTreeMap;

use anyhow::{bail, ensure, Context, Result};

use crate::bank;

/// PCR values by bank (TPM_ALG_ID) and number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pcrs(BTreeMap<u16, BTreeMap<u32, Vec<u8>>>);

/// The same by names, as files have it.
type Named = BTreeMap<String, BTreeMap<String, String>>;

impl Pcrs {
    /// Reads what `tpm2_pcrread` prints, or the same in JSON: for each bank by its name the values by their
    /// numbers, in hexadecimal.
    ///
    /// # Errors
    ///
    /// It is something else.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(bytes).context("PCR values: no text")?;
        // Not by the parser of YAML: to it "0x00.." is a number, and "0 :" is a matter of taste.
        let named: Named = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).context("PCR values")?
        } else {
            yaml(text)?
        };
        let mut pcrs = Self::default();
        for (name, values) in named {
            let id = bank::id(&name).with_context(|| format!("PCR values: no bank {name:?}"))?;
            for (number, value) in values {
                let pcr = number.parse().ok().filter(|pcr| *pcr < 24);
                let pcr = pcr.with_context(|| format!("PCR values: no PCR {number:?}"))?;
                let value = value.strip_prefix("0x").unwrap_or(&value);
                let value = hex::decode(value).ok();
                let size = bank::known()
                    .find(|known| known.0 == id)
                    .map(|known| known.1);
                let value = value.filter(|value| size.is_none_or(|size| size == value.len()));
                let value =
                    value.with_context(|| format!("PCR values: {name} {pcr}: no digest"))?;
                pcrs.insert(id, pcr, value);
            }
        }
        ensure!(!pcrs.0.is_empty(), "PCR values: there are none");
        Ok(pcrs)
    }

    /// Adds a value.
    pub fn insert(&mut self, bank: u16, pcr: u32, value: Vec<u8>) {
        self.0.entry(bank).or_default().insert(pcr, value);
    }

    /// The value of one PCR.
    pub fn get(&self, bank: u16, pcr: u32) -> Option<&[u8]> {
        self.0.get(&bank)?.get(&pcr).map(|value| &**value)
    }

    /// The banks that there are values of.
    pub fn banks(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.keys().copied()
    }

    /// The values of one bank.
    pub fn bank(&self, bank: u16) -> impl Iterator<Item = (u32, &[u8])> {
        let values = self.0.get(&bank).into_iter().flatten();
        values.map(|(pcr, value)| (*pcr, &**value))
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.0.values().all(BTreeMap::is_empty)
    }
}

/// The lines of `tpm2_pcrread`: "sha256:", and below it "17: 0x0123".
fn yaml(text: &str) -> Result<Named> {
    let mut named = Named::new();
    let mut bank: Option<String> = None;
    for line in text.lines() {
        let line = line.split_once('#').map_or(line, |(line, _)| line).trim();
        if line.is_empty() || line == "---" {
            continue;
        }
        let (key, value) = line
            .split_once(':')
            .context("PCR values: a line without a colon")?;
        let clean = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
        let (key, value) = (clean(key), clean(value));
        if value.is_empty() {
            // A bank that is not active is listed without values.
            ensure!(!named.contains_key(&key), "PCR values: bank {key:?} twice");
            named.insert(key.clone(), BTreeMap::new());
            bank = Some(key);
            continue;
        }
        let values = bank.as_ref().and_then(|bank| named.get_mut(bank));
        let Some(values) = values else {
            bail!("PCR values: a value without a bank");
        };
        ensure!(
            values.insert(key.clone(), value).is_none(),
            "PCR values: PCR {key:?} twice"
        );
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_forms() {
        let value = "ab".repeat(32);
        let yaml = format!(
            "  sha1:\n  sha256:\n    0 : 0x{}\n    17: 0x{value}\n",
            value.to_uppercase()
        );
        let pcrs = Pcrs::parse(yaml.as_bytes()).unwrap();
        let json = format!("{{\"sha256\": {{\"0\": \"{value}\", \"17\": \"{value}\"}}}}");
        assert_eq!(Pcrs::parse(json.as_bytes()).unwrap(), pcrs);
        assert_eq!(pcrs.get(0x0b, 17), Some(&[0xab; 32][..]));
        assert_eq!(pcrs.get(0x0b, 18), None);
        assert_eq!(pcrs.banks().collect::<Vec<_>>(), [0x0b]);
    }

    #[test]
    fn what_is_refused() {
        for text in [
            "",
            "sha256:\n",
            "17: 0xab\n",
            "sha256:\n 17 0xab\n",
            "sha256:\n 17: 0xab\n",
            "md5:\n 17: 0xab\n",
            "sha256:\nsha256:\n",
            "{\"sha256\": 1}",
            "\u{0}",
        ] {
            assert!(Pcrs::parse(text.as_bytes()).is_err(), "{text:?}");
        }
        let value = "00".repeat(32);
        let twice = format!("sha256:\n 17: 0x{value}\n 17: 0x{value}\n");
        assert!(Pcrs::parse(twice.as_bytes()).is_err());
        let high = format!("sha256:\n 24: 0x{value}\n");
        assert!(Pcrs::parse(high.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn any_text(text in "[ a-z0-9:x{}\"\n]{0,200}") {
            let _ = Pcrs::parse(text.as_bytes());
        }

        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Pcrs::parse(&bytes);
        }
    }
}
