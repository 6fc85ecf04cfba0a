// SPDX-License-Identifier: GPL-2.0

//! What the ways of showing a log have in common.

use anyhow::Result;

use super::walk::{Header, Item, Sink, Summary};

/// A way to show a log.
pub trait Shower: Sink {
    /// After all events.
    ///
    /// # Errors
    ///
    /// The output cannot be written.
    fn end(&mut self, summary: &Summary) -> Result<()>;

    /// Shows one event with some of its digests.
    ///
    /// # Errors
    ///
    /// The output cannot be written.
    fn event(&mut self, number: usize, event: &tpm_core::Event<'_>, filter: &Filter) -> Result<()>;
}

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

/// Shows what the filter lets through.
pub(super) struct Filtered<'a, 'b> {
    filter: &'a Filter,
    shower: &'a mut (dyn Shower + 'b),
}

impl<'a, 'b> Filtered<'a, 'b> {
    pub(super) fn new(filter: &'a Filter, shower: &'a mut (dyn Shower + 'b)) -> Self {
        Self { filter, shower }
    }
}

impl Sink for Filtered<'_, '_> {
    fn begin(&mut self, header: &Header) -> Result<()> {
        self.shower.begin(header)
    }

    fn item(&mut self, item: Item<'_>) -> Result<()> {
        match item {
            Item::Event(number, event) => {
                if self.filter.pcrs.is_empty() || self.filter.pcrs.contains(&event.pcr) {
                    self.shower.event(number, &event, self.filter)?;
                }
                Ok(())
            }
            Item::Damage(_) => self.shower.item(item),
        }
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
