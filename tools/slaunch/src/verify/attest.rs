// SPDX-License-Identifier: GPL-2.0

//! What a TPM attests: TPMS_ATTEST of a quote (TCG TPM 2.0 Library, Part 2, 10.12).

use anyhow::{bail, ensure, Context, Result};
use tpm_core::Reader;

/// TPM_GENERATED_VALUE: a TPM made this itself.
const GENERATED: u32 = 0xff54_4347;
/// TPM_ST_ATTEST_QUOTE.
const QUOTE: u16 = 0x8018;
/// Most bank selections: there are not more algorithms.
const MOST_BANKS: u32 = 16;
/// Most bytes of a selection: 32 PCRs.
const MOST_SELECT: u8 = 4;

/// The PCRs of one bank, in ascending order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The bank, as TPM_ALG_ID.
    pub bank: u16,
    /// The PCRs.
    pub pcrs: Vec<u32>,
}

/// A quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// The nonce of whoever asked for it.
    pub nonce: Vec<u8>,
    /// Milliseconds that the TPM has counted.
    pub clock: u64,
    /// Number of resets of the TPM.
    pub resets: u32,
    /// Number of restarts (hibernation) since then.
    pub restarts: u32,
    /// Version of the TPM's firmware.
    pub firmware: u64,
    /// What was quoted, in this order.
    pub selections: Vec<Selection>,
    /// The digest of the values.
    pub digest: Vec<u8>,
}

/// A TPM2B.
pub(super) fn sized<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let size = reader.be16()?;
    reader.bytes(usize::from(size))
}

fn be64(reader: &mut Reader<'_>) -> Option<u64> {
    reader.array().map(u64::from_be_bytes)
}

fn selections(reader: &mut Reader<'_>) -> Result<Vec<Selection>> {
    let count = reader.be32().context("it ends early")?;
    ensure!(count <= MOST_BANKS, "it selects PCRs of {count} banks");
    let mut selections = Vec::new();
    for _ in 0..count {
        let bank = reader.be16().context("it ends early")?;
        let size = reader.u8().context("it ends early")?;
        ensure!(size <= MOST_SELECT, "a selection has {size} bytes");
        let bits = reader.bytes(usize::from(size)).context("it ends early")?;
        let numbers = (0u32..).zip(
            bits.iter()
                .flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1)),
        );
        selections.push(Selection {
            bank,
            pcrs: numbers
                .filter(|(_, bit)| *bit == 1)
                .map(|(pcr, _)| pcr)
                .collect(),
        });
    }
    Ok(selections)
}

impl Quote {
    /// Reads TPMS_ATTEST.
    ///
    /// # Errors
    ///
    /// It is not one of a quote.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        const SHORT: &str = "it ends early";
        let mut reader = Reader::new(bytes);
        let magic = reader.be32().context(SHORT)?;
        ensure!(
            magic == GENERATED,
            "it begins with {magic:#010x}, not with TPM_GENERATED_VALUE: no TPM made it"
        );
        let kind = reader.be16().context(SHORT)?;
        ensure!(
            kind == QUOTE,
            "it is of type {kind:#06x}, not TPM_ST_ATTEST_QUOTE: the TPM attested something else"
        );
        sized(&mut reader).context(SHORT)?;
        let nonce = sized(&mut reader).context(SHORT)?.to_vec();
        let clock = be64(&mut reader).context(SHORT)?;
        let resets = reader.be32().context(SHORT)?;
        let restarts = reader.be32().context(SHORT)?;
        let safe = reader.u8().context(SHORT)?;
        ensure!(safe <= 1, "its clock is neither safe nor unsafe");
        let firmware = be64(&mut reader).context(SHORT)?;
        let selections = selections(&mut reader)?;
        let digest = sized(&mut reader).context(SHORT)?.to_vec();
        if reader.left() != 0 {
            bail!("{} bytes follow its end", reader.left());
        }
        Ok(Self {
            nonce,
            clock,
            resets,
            restarts,
            firmware,
            selections,
            digest,
        })
    }

    /// Whether it has these PCRs of a bank.
    pub fn covers(&self, bank: u16, pcrs: impl IntoIterator<Item = u32>) -> bool {
        let has = |pcr| {
            let of_bank = self.selections.iter().filter(|s| s.bank == bank);
            of_bank.flat_map(|s| &s.pcrs).any(|p| *p == pcr)
        };
        pcrs.into_iter().all(has)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A quote of PCR 17 and 18 in the SHA-256 bank.
    pub(crate) fn quote() -> Vec<u8> {
        let parts: [&[u8]; 9] = [
            &GENERATED.to_be_bytes(),
            &QUOTE.to_be_bytes(),
            &[0, 2, 1, 2],
            &[0, 3, 7, 8, 9],
            &[0; 16],
            &[1],
            &[0; 8],
            &[0, 0, 0, 1, 0, 0x0b, 3, 0, 0, 6],
            &[0, 2, 0xaa, 0xbb],
        ];
        parts.concat()
    }

    #[test]
    fn fields() {
        let quote = Quote::parse(&quote()).unwrap();
        assert_eq!(
            (&*quote.nonce, &*quote.digest),
            (&[7, 8, 9][..], &[0xaa, 0xbb][..])
        );
        assert_eq!(
            quote.selections,
            [Selection {
                bank: 0x0b,
                pcrs: vec![17, 18]
            }]
        );
        assert!(quote.covers(0x0b, [17, 18]) && quote.covers(0x0b, [18]));
        assert!(!quote.covers(0x0b, [17, 19]) && !quote.covers(0x04, [17]));
    }

    #[test]
    fn each_length() {
        let good = quote();
        for length in 0..good.len() {
            assert!(Quote::parse(&good[..length]).is_err(), "{length}");
        }
        assert!(Quote::parse(&[&good[..], &[0]].concat()).is_err());
    }

    proptest! {
        #[test]
        fn any_change(at in 0usize..60, byte in any::<u8>()) {
            let mut bytes = quote();
            let length = bytes.len();
            bytes[at % length] = byte;
            let _ = Quote::parse(&bytes);
        }

        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Quote::parse(&bytes);
        }
    }
}
