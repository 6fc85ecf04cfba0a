// SPDX-License-Identifier: GPL-2.0

//! The attestation key: PEM (SPKI), or as the TPM has it (TPM2B_PUBLIC).

use anyhow::{bail, ensure, Context, Result};
use p256::pkcs8::DecodePublicKey;
use rsa::traits::PublicKeyParts;
use rsa::{BigUint, RsaPublicKey};
use tpm_core::Reader;

use super::attest::sized;

/// TPM_ALG_ID of keys and of what their templates name.
const ALG_RSA: u16 = 0x0001;
const ALG_ECC: u16 = 0x0023;
const ALG_NULL: u16 = 0x0010;
const ALG_ECDAA: u16 = 0x001a;
/// TPM_ECC_CURVE.
const NIST_P256: u16 = 0x0003;
const NIST_P384: u16 = 0x0004;
/// TPMA_OBJECT: signs only what the TPM itself made; signs.
const RESTRICTED: u32 = 1 << 16;
const SIGN: u32 = 1 << 18;
/// Fewest bits of an RSA key.
const LEAST_BITS: usize = 2048;

/// The number in a key.
#[derive(Clone, Debug)]
pub enum Public {
    /// RSA.
    Rsa(Box<RsaPublicKey>),
    /// The NIST curve P-256.
    P256(p256::ecdsa::VerifyingKey),
    /// The NIST curve P-384.
    P384(p384::ecdsa::VerifyingKey),
}

/// An attestation key.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key.
    pub public: Public,
    /// The one scheme that it signs with, if the TPM says: TPM_ALG_ID.
    pub scheme: Option<u16>,
    /// Why it is not fit for quotes.
    pub unfit: Option<&'static str>,
}

impl Key {
    /// Reads a key.
    ///
    /// # Errors
    ///
    /// It is none, or of a kind that is not known.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(bytes).unwrap_or("");
        let mut key = if text.contains("-----BEGIN") {
            Self {
                public: pem(text.trim())?,
                scheme: None,
                unfit: None,
            }
        } else {
            template(bytes).context("neither PEM nor TPM2B_PUBLIC")?
        };
        if let Public::Rsa(rsa) = &key.public {
            if rsa.n().bits() < LEAST_BITS {
                key.unfit = Some("the key has less than 2048 bits");
            }
        }
        Ok(key)
    }

    /// What it is, in words.
    pub fn name(&self) -> String {
        match &self.public {
            Public::Rsa(rsa) => format!("RSA {}", rsa.n().bits()),
            Public::P256(_) => "ECC P-256".into(),
            Public::P384(_) => "ECC P-384".into(),
        }
    }
}

fn pem(text: &str) -> Result<Public> {
    if let Ok(key) = RsaPublicKey::from_public_key_pem(text) {
        return Ok(Public::Rsa(Box::new(key)));
    }
    if let Ok(key) = p256::ecdsa::VerifyingKey::from_public_key_pem(text) {
        return Ok(Public::P256(key));
    }
    if let Ok(key) = p384::ecdsa::VerifyingKey::from_public_key_pem(text) {
        return Ok(Public::P384(key));
    }
    bail!("the PEM file is no public key (SPKI) of RSA, P-256 or P-384")
}

/// A scheme of a template, with its hash; none for TPM_ALG_NULL.
fn scheme(reader: &mut Reader<'_>) -> Option<Option<u16>> {
    let scheme = reader.be16()?;
    if scheme == ALG_NULL {
        return Some(None);
    }
    reader.be16()?;
    if scheme == ALG_ECDAA {
        reader.be16()?;
    }
    Some(Some(scheme))
}

/// TPM2B_PUBLIC, or TPMT_PUBLIC without a size (Part 2, 12.2.4 and 12.2.5).
fn template(bytes: &[u8]) -> Result<Key> {
    const SHORT: &str = "it ends early";
    let mut reader = Reader::new(bytes);
    if let Some(body) = sized(&mut Reader::new(bytes)) {
        if body.len().checked_add(2) == Some(bytes.len()) {
            reader = Reader::new(body);
        }
    }
    let kind = reader.be16().context(SHORT)?;
    reader.be16().context(SHORT)?;
    let attributes = reader.be32().context(SHORT)?;
    sized(&mut reader).context(SHORT)?;
    // A symmetric algorithm: with one it is a storage key.
    ensure!(
        reader.be16() == Some(ALG_NULL),
        "it is a storage key, not a signing key"
    );
    let scheme = scheme(&mut reader).context(SHORT)?;
    let public = match kind {
        ALG_RSA => {
            reader.be16().context(SHORT)?;
            let exponent = reader.be32().context(SHORT)?;
            let exponent = if exponent == 0 { 65537 } else { exponent };
            let n = BigUint::from_bytes_be(sized(&mut reader).context(SHORT)?);
            let key = RsaPublicKey::new(n, exponent.into()).context("RSA key")?;
            Public::Rsa(Box::new(key))
        }
        ALG_ECC => {
            let curve = reader.be16().context(SHORT)?;
            let kdf = reader.be16().context(SHORT)?;
            if kdf != ALG_NULL {
                reader.be16().context(SHORT)?;
            }
            let x = sized(&mut reader).context(SHORT)?;
            let y = sized(&mut reader).context(SHORT)?;
            let point = |size| -> Result<Vec<u8>> {
                Ok([&[4][..], &padded(x, size)?, &padded(y, size)?].concat())
            };
            match curve {
                NIST_P256 => Public::P256(
                    p256::ecdsa::VerifyingKey::from_sec1_bytes(&point(32)?)
                        .ok()
                        .context("the point is not on P-256")?,
                ),
                NIST_P384 => Public::P384(
                    p384::ecdsa::VerifyingKey::from_sec1_bytes(&point(48)?)
                        .ok()
                        .context("the point is not on P-384")?,
                ),
                other => bail!("curve {other:#06x} is not known here"),
            }
        }
        other => bail!("a key of type {other:#06x}"),
    };
    ensure!(reader.left() == 0, "{} bytes follow it", reader.left());
    Ok(Key {
        public,
        scheme,
        unfit: match (attributes & RESTRICTED != 0, attributes & SIGN != 0) {
            (true, true) => None,
            (false, _) => {
                Some("the key is not restricted: it signs what looks like a quote and is none")
            }
            (_, false) => Some("the key is not for signing"),
        },
    })
}

/// A number with zeros before it.
pub(super) fn padded(number: &[u8], size: usize) -> Result<Vec<u8>> {
    let missing = size.checked_sub(number.len());
    let mut bytes = vec![0; missing.context("a number is too large for the curve")?];
    bytes.extend_from_slice(number);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_keys() {
        for bytes in [
            &b""[..],
            b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
            b"\0\x04\0\x01\0\x0b",
        ] {
            assert!(Key::parse(bytes).is_err());
        }
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Key::parse(&bytes);
        }

        #[test]
        fn any_point(x in proptest::collection::vec(any::<u8>(), 0..40), curve in 0u16..6) {
            let size = u16::try_from(x.len()).unwrap().to_be_bytes();
            let parts: [&[u8]; 8] = [
                &[0, 0x23, 0, 0x0b, 0, 5, 0, 0, 0, 0, 0, 0x10, 0, 0x10],
                &curve.to_be_bytes(),
                &[0, 0x10],
                &size,
                &x,
                &size,
                &x,
                &[],
            ];
            let _ = Key::parse(&parts.concat());
        }
    }
}
