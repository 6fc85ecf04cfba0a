// SPDX-License-Identifier: GPL-2.0

//! The signature over a quote: TPMT_SIGNATURE (TCG TPM 2.0 Library, Part 2, 11.3.4).

use anyhow::{bail, ensure, Context, Result};
use launch_data::digest::Alg;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rsa::traits::PublicKeyParts;
use rsa::{Pkcs1v15Sign, Pss, RsaPublicKey};
use sha2::{Sha256, Sha384, Sha512};
use tpm_core::Reader;

use super::attest::sized;
use super::key::{padded, Key, Public};
use crate::bank;

/// TPM_ALG_ID of schemes.
const RSASSA: u16 = 0x0014;
const RSAPSS: u16 = 0x0016;
const ECDSA: u16 = 0x0018;

/// The numbers of a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Rsassa(Vec<u8>),
    Rsapss(Vec<u8>),
    Ecdsa(Vec<u8>, Vec<u8>),
}

/// A signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    value: Value,
    /// The hash over what is signed.
    pub hash: Alg,
}

impl Signature {
    /// Reads TPMT_SIGNATURE.
    ///
    /// # Errors
    ///
    /// It is something else, or of a scheme that is not accepted.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        const SHORT: &str = "it ends early";
        let mut reader = Reader::new(bytes);
        let scheme = reader.be16().context(SHORT)?;
        ensure!(
            matches!(scheme, RSASSA | RSAPSS | ECDSA),
            "scheme {scheme:#06x} is not RSASSA, RSAPSS or ECDSA; or it is no TPMT_SIGNATURE"
        );
        let id = reader.be16().context(SHORT)?;
        let hash = match bank::computable(id) {
            Some(Alg::Sha1) => bail!("it is over SHA-1, which is not accepted"),
            Some(alg) => alg,
            None => bail!("it is over {}, which is not accepted", bank::name(id)),
        };
        let first = sized(&mut reader).context(SHORT)?.to_vec();
        let value = match scheme {
            RSASSA => Value::Rsassa(first),
            RSAPSS => Value::Rsapss(first),
            _ => Value::Ecdsa(first, sized(&mut reader).context(SHORT)?.to_vec()),
        };
        ensure!(reader.left() == 0, "{} bytes follow its end", reader.left());
        Ok(Self { value, hash })
    }

    fn scheme(&self) -> u16 {
        match self.value {
            Value::Rsassa(_) => RSASSA,
            Value::Rsapss(_) => RSAPSS,
            Value::Ecdsa(..) => ECDSA,
        }
    }

    /// In words.
    pub fn name(&self) -> String {
        let scheme = match self.value {
            Value::Rsassa(_) => "RSASSA",
            Value::Rsapss(_) => "RSAPSS",
            Value::Ecdsa(..) => "ECDSA",
        };
        format!("{scheme} with {}", self.hash.name())
    }

    /// Whether the key signed `message`.
    ///
    /// # Errors
    ///
    /// It did not.
    pub fn check(&self, key: &Key, message: &[u8]) -> Result<()> {
        if let Some(scheme) = key.scheme {
            ensure!(
                scheme == self.scheme(),
                "the key signs with scheme {scheme:#06x} only, and this is {}",
                self.name()
            );
        }
        let hash = self.hash.hash(message);
        let wrong = || format!("it is not that of the {} key over this quote", key.name());
        match (&self.value, &key.public) {
            (Value::Rsassa(value), Public::Rsa(rsa)) => {
                let scheme = match self.hash {
                    Alg::Sha384 => Pkcs1v15Sign::new::<Sha384>(),
                    Alg::Sha512 => Pkcs1v15Sign::new::<Sha512>(),
                    _ => Pkcs1v15Sign::new::<Sha256>(),
                };
                rsa.verify(scheme, &hash, value).ok().with_context(wrong)
            }
            (Value::Rsapss(value), Public::Rsa(rsa)) => {
                ensure!(pss(rsa, self.hash, &hash, value), wrong());
                Ok(())
            }
            (Value::Ecdsa(r, s), Public::P256(ecc)) => {
                let numbers = [padded(r, 32)?, padded(s, 32)?].concat();
                let value = p256::ecdsa::Signature::from_slice(&numbers);
                let value = value.ok().context("its numbers are out of range")?;
                ecc.verify_prehash(&hash, &value).ok().with_context(wrong)
            }
            (Value::Ecdsa(r, s), Public::P384(ecc)) => {
                let numbers = [padded(r, 48)?, padded(s, 48)?].concat();
                let value = p384::ecdsa::Signature::from_slice(&numbers);
                let value = value.ok().context("its numbers are out of range")?;
                ecc.verify_prehash(&hash, &value).ok().with_context(wrong)
            }
            _ => bail!("it is {}, and the key is {}", self.name(), key.name()),
        }
    }
}

/// A TPM uses a salt as long as the digest or as long as fits (Part 1, B.7).
fn pss(key: &RsaPublicKey, alg: Alg, hash: &[u8], value: &[u8]) -> bool {
    let encoded = key.n().bits().saturating_sub(1).div_ceil(8);
    let longest = encoded
        .checked_sub(alg.size())
        .and_then(|left| left.checked_sub(2));
    [Some(alg.size()), longest]
        .into_iter()
        .flatten()
        .any(|salt| {
            let scheme = match alg {
                Alg::Sha384 => Pss::new_with_salt::<Sha384>(salt),
                Alg::Sha512 => Pss::new_with_salt::<Sha512>(salt),
                _ => Pss::new_with_salt::<Sha256>(salt),
            };
            key.verify(scheme, hash, value).is_ok()
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn forms() {
        let good = [0, 0x14, 0, 0x0b, 0, 1, 5];
        assert_eq!(
            Signature::parse(&good).unwrap().name(),
            "RSASSA with sha256"
        );
        for length in 0..good.len() {
            assert!(Signature::parse(&good[..length]).is_err());
        }
        let problem = |bytes: &[u8]| Signature::parse(bytes).unwrap_err().to_string();
        assert!(problem(&[0, 0x14, 0, 0x0b, 0, 1, 5, 0]).contains("follow"));
        assert!(problem(&[0, 0x14, 0, 4, 0, 1, 5]).contains("SHA-1"));
        assert!(problem(&[0, 0x14, 0, 0x12, 0, 1, 5]).contains("sm3_256"));
        assert!(problem(&[0x30, 0x45, 2, 0x21]).contains("TPMT_SIGNATURE"));
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Signature::parse(&bytes);
        }
    }
}
