// SPDX-License-Identifier: GPL-2.0

//! PCR banks by name.

use std::borrow::Cow;

use launch_data::digest::Alg;

/// Names of the algorithms of the TCG registry that a bank may have, with their TPM_ALG_ID and digest size.
const NAMES: [(u16, &str, usize); 8] = [
    (0x04, "sha1", 20),
    (0x0b, "sha256", 32),
    (0x0c, "sha384", 48),
    (0x0d, "sha512", 64),
    (0x12, "sm3_256", 32),
    (0x27, "sha3_256", 32),
    (0x28, "sha3_384", 48),
    (0x29, "sha3_512", 64),
];

/// The name of the bank with this TPM_ALG_ID, or the number.
pub fn name(id: u16) -> Cow<'static, str> {
    NAMES
        .iter()
        .find(|entry| entry.0 == id)
        .map_or_else(|| format!("{id:#06x}").into(), |entry| entry.1.into())
}

/// The TPM_ALG_ID of the bank with this name.
pub fn id(name: &str) -> Option<u16> {
    let known = NAMES.iter().find(|entry| entry.1 == name);
    known.map(|entry| entry.0).or_else(|| {
        let number = name.strip_prefix("0x")?;
        u16::from_str_radix(number, 16).ok()
    })
}

/// All banks known here: TPM_ALG_ID and digest size.
pub fn known() -> impl Iterator<Item = (u16, usize)> {
    NAMES.iter().map(|entry| (entry.0, entry.2))
}

/// The algorithm of a bank that can be computed here, by its TPM_ALG_ID.
pub fn computable(id: u16) -> Option<Alg> {
    Alg::ALL.into_iter().find(|alg| *alg as u16 == id)
}

/// The algorithm of a bank that can be computed here, by its name. For the parser of arguments.
///
/// # Errors
///
/// The names that there are.
pub fn parse(text: &str) -> Result<Alg, String> {
    let found = Alg::ALL.into_iter().find(|alg| alg.name() == text);
    found.ok_or_else(|| format!("one of {}", Alg::ALL.map(Alg::name).join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for (id_, size) in known() {
            assert_eq!(id(&name(id_)), Some(id_));
            if let Some(alg) = computable(id_) {
                assert_eq!((alg.name(), alg.size()), (&*name(id_), size));
                assert_eq!(parse(alg.name()), Ok(alg));
            }
        }
        assert_eq!(name(0x1234), "0x1234");
        assert_eq!(id("0x1234"), Some(0x1234));
        assert_eq!(id("0x12345"), None);
        assert_eq!(id("md5"), None);
        assert!(parse("md5").is_err());
    }
}
