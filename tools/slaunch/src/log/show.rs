// SPDX-License-Identifier: GPL-2.0

//! What the ways of showing a log have in common.

/// What to show.
#[derive(Clone, Debug)]
pub struct Filter {
    /// These PCRs only, or all.
    pub pcrs: Vec<u32>,
    /// This bank only, or all.
    pub bank: Option<u16>,
    /// Digests at all.
    pub digests: bool,
}

impl Filter {
    /// Whether to show this event.
    pub fn passes(&self, event: &tpm_core::Event<'_>) -> bool {
        self.pcrs.is_empty() || self.pcrs.contains(&event.pcr)
    }

    /// The digests to show.
    pub fn digests<'a>(
        &self,
        event: &tpm_core::Event<'a>,
    ) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        let (bank, wanted) = (self.bank, self.digests);
        event
            .digests
            .iter()
            .filter(move |(id, _)| wanted && bank.is_none_or(|bank| bank == *id))
    }
}

/// Appends `bytes` in hexadecimal.
pub(super) fn push_hex(text: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    text.extend(bytes.iter().flat_map(|byte| {
        [byte >> 4, byte & 15]
            .map(|nibble| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'?'))
    }));
}
