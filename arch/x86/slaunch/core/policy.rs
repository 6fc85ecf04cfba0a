// SPDX-License-Identifier: GPL-2.0

//! The launch plan: what is measured, in which order, into which PCR, with which label.
//!
//! The mandatory entities are measured always, in the order of [`Entity::ALL`], and where they are
//! is taken from the boot parameters that the kernel will use. The policy in the launch table
//! comes from before the launch, so it has little to say: it may choose among PCR 17 to 20 and set
//! a label, and it may add entities, which are measured as they are, after the mandatory ones. An
//! address or a size that it gives for a mandatory entity must be the real one.

use super::bytes::find;
use super::error::Error;
use super::memmap::MemMap;
use super::region::Region;
use super::slrt::{entity, Policy, PolicyEntry, FLAG_IMPLICIT_SIZE, FLAG_MEASURED};

/// The PCR of code, by default.
pub const PCR_CODE: u32 = 17;

/// The PCR of configuration, by default.
pub const PCR_CONFIG: u32 = 18;

/// The PCRs that a policy may choose among.
pub const PCR_RANGE: core::ops::RangeInclusive<u16> = 17..=20;

/// Bytes of a label at most.
pub const LABEL_SIZE: usize = 32;

/// A label: the data of the event in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    bytes: [u8; LABEL_SIZE],
}

impl Label {
    /// The label in `bytes`: all that precedes the first NUL, or all if there is none.
    pub fn new(bytes: &[u8; LABEL_SIZE]) -> Self {
        let mut bytes = *bytes;
        let length = text_length(&bytes);
        for byte in bytes.iter_mut().skip(length) {
            *byte = 0;
        }
        Self { bytes }
    }

    /// A label of at most 32 bytes of text; what is more is cut off.
    pub const fn from_text(text: &[u8]) -> Self {
        let mut bytes = [0; LABEL_SIZE];
        let mut index = 0;
        while index < LABEL_SIZE && index < text.len() {
            bytes[index] = text[index];
            index += 1;
        }
        Self { bytes }
    }

    /// The label's text, without NUL: what goes into the log.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes
            .get(..text_length(&self.bytes))
            .unwrap_or(&self.bytes)
    }

    /// The label padded with NUL, as it is in a policy entry.
    pub const fn padded(&self) -> &[u8; LABEL_SIZE] {
        &self.bytes
    }

    /// True if the label has no text.
    pub fn is_empty(&self) -> bool {
        self.bytes.first() == Some(&0)
    }
}

fn text_length(bytes: &[u8; LABEL_SIZE]) -> usize {
    find(bytes, 0).unwrap_or(LABEL_SIZE)
}

/// A mandatory entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entity {
    /// The launch table, in the form of [`super::slrt::Table::canonical`]. Size: the table's.
    Slrt = 0,
    /// The zero page, in the form of [`super::bootparams::BootParams::canonical`]. Size: 4096.
    BootParams = 1,
    /// The command line without its NUL. Size: its length.
    Cmdline = 2,
    /// The setup_data list, one event a node, in the form of [`super::setupdata`]. Address: that
    /// of the first node. Size: 0, it is implicit.
    SetupData = 3,
    /// The initrd as it is. Not measured, no event, if there is none.
    Initrd = 4,
    /// The EFI memory map, in the form of [`MemMap::canonical`]. Size: that of the raw map.
    EfiMemmap = 5,
}

/// How many mandatory entities there are.
const COUNT: usize = 6;

/// Type, default PCR and default label of each, in the order of [`Entity`]. No pointers, so that
/// nothing needs relocating.
const DEFAULTS: [(u16, u32, Label); COUNT] = [
    (
        entity::SLRT,
        PCR_CONFIG,
        Label::from_text(b"Measured SLR Table"),
    ),
    (
        entity::BOOT_PARAMS,
        PCR_CONFIG,
        Label::from_text(b"Measured boot parameters"),
    ),
    (
        entity::CMDLINE,
        PCR_CONFIG,
        Label::from_text(b"Measured Kernel command line"),
    ),
    (
        entity::SETUP_DATA,
        PCR_CONFIG,
        Label::from_text(b"Measured Kernel setup_data"),
    ),
    (
        entity::RAMDISK,
        PCR_CODE,
        Label::from_text(b"Measured Kernel initrd"),
    ),
    (
        entity::UEFI_MEMMAP,
        PCR_CONFIG,
        Label::from_text(b"Measured EFI memory map"),
    ),
];

/// The label of an additional entity that has none.
const EXTRA_LABEL: Label = Label::from_text(b"Measured additional entity");

impl Entity {
    /// All of them, in the order in which they are measured.
    pub const ALL: [Self; COUNT] = [
        Self::Slrt,
        Self::BootParams,
        Self::Cmdline,
        Self::SetupData,
        Self::Initrd,
        Self::EfiMemmap,
    ];

    fn default(self) -> (u16, u32, Label) {
        match self {
            Self::Slrt => DEFAULTS[0],
            Self::BootParams => DEFAULTS[1],
            Self::Cmdline => DEFAULTS[2],
            Self::SetupData => DEFAULTS[3],
            Self::Initrd => DEFAULTS[4],
            Self::EfiMemmap => DEFAULTS[5],
        }
    }

    /// The number that a policy entry has for it.
    pub fn entity_type(self) -> u16 {
        self.default().0
    }

    /// A policy entry that changes nothing: what a loader writes that has no wishes.
    pub fn policy_entry(self) -> PolicyEntry {
        let (entity_type, pcr, label) = self.default();
        PolicyEntry {
            pcr: u16::try_from(pcr).unwrap_or(0),
            entity_type,
            flags: FLAG_IMPLICIT_SIZE,
            size: 0,
            entity: 0,
            label: *label.padded(),
        }
    }
}

/// True if `entity_type` is that of a mandatory entity.
pub fn is_mandatory(entity_type: u16) -> bool {
    DEFAULTS.iter().any(|entry| entry.0 == entity_type)
}

/// What the plan says about a mandatory entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The PCR to extend.
    pub pcr: u32,
    /// The label of its events.
    pub label: Label,
    claimed_base: u64,
    claimed_size: u64,
}

impl Choice {
    /// Checks what the policy claims, if it does, against where the entity really is.
    ///
    /// # Errors
    ///
    /// [`Error::PolicyRedirect`] if the policy gives another address or size.
    pub fn check(&self, base: u64, size: u64) -> Result<(), Error> {
        let base_ok = self.claimed_base == 0 || self.claimed_base == base;
        let size_ok = self.claimed_size == 0 || self.claimed_size == size;
        if !base_ok || !size_ok {
            return Err(Error::PolicyRedirect);
        }
        Ok(())
    }
}

/// An entity that the policy adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extra {
    /// The PCR to extend.
    pub pcr: u32,
    /// The label of the event.
    pub label: Label,
    /// Where the entity is.
    pub region: Region,
}

impl Extra {
    /// Checks that the entity may be read: that it is in RAM, and apart from the launch's own
    /// memory.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRam`], [`Error::RegionOverlap`].
    pub fn check(&self, map: &MemMap<'_>, launch: &[Region]) -> Result<(), Error> {
        if !map.is_ram(&self.region) {
            return Err(Error::OutOfRam);
        }
        self.region.apart_from(launch).map(|_| ())
    }

    fn from_entry(entry: &PolicyEntry) -> Result<Self, Error> {
        let label = Label::new(&entry.label);
        Ok(Self {
            pcr: u32::from(entry.pcr),
            label: if label.is_empty() { EXTRA_LABEL } else { label },
            region: Region::new(entry.entity, entry.size).map_err(|_| Error::PolicyEntry)?,
        })
    }
}

/// The launch plan.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    choices: [Choice; COUNT],
    policy: Option<Policy<'a>>,
}

/// True for the types that name additional memory.
fn is_extra(entity_type: u16) -> bool {
    matches!(
        entity_type,
        entity::UNSPECIFIED
            | entity::MULTIBOOT2_INFO
            | entity::MULTIBOOT2_MODULE
            | entity::TXT_OS2MLE
    )
}

impl<'a> Plan<'a> {
    /// Makes the plan from the policy of the launch table, or from none.
    ///
    /// A mandatory entity that the policy does not mention, or calls already measured, is
    /// measured all the same.
    ///
    /// # Errors
    ///
    /// [`Error::PolicyPcr`] if an entry names a PCR that is not ours; [`Error::PolicyEntry`] if
    /// its type or flags are unknown, if a mandatory entity occurs twice, or if an additional one
    /// has no bytes or wraps.
    pub fn new(policy: Option<&Policy<'a>>) -> Result<Self, Error> {
        let mut choices = Entity::ALL.map(|entity| {
            let (_, pcr, label) = entity.default();
            Choice {
                pcr,
                label,
                claimed_base: 0,
                claimed_size: 0,
            }
        });
        let mut seen = [false; COUNT];

        for entry in policy.iter().flat_map(|policy| policy.entries()) {
            if entry.entity_type == entity::UNUSED {
                continue;
            }
            if !PCR_RANGE.contains(&entry.pcr) {
                return Err(Error::PolicyPcr);
            }
            if entry.flags & !(FLAG_MEASURED | FLAG_IMPLICIT_SIZE) != 0 {
                return Err(Error::PolicyEntry);
            }
            if is_extra(entry.entity_type) {
                Extra::from_entry(&entry)?;
                continue;
            }
            let (choice, seen) = choices
                .iter_mut()
                .zip(seen.iter_mut())
                .zip(DEFAULTS.iter())
                .find(|(_, defaults)| defaults.0 == entry.entity_type)
                .map(|(found, _)| found)
                .ok_or(Error::PolicyEntry)?;
            if *seen {
                return Err(Error::PolicyEntry);
            }
            *seen = true;
            choice.pcr = u32::from(entry.pcr);
            let label = Label::new(&entry.label);
            if !label.is_empty() {
                choice.label = label;
            }
            choice.claimed_base = entry.entity;
            choice.claimed_size = entry.size;
        }
        Ok(Self {
            choices,
            policy: policy.copied(),
        })
    }

    /// What the plan says about `entity`.
    pub fn choice(&self, entity: Entity) -> &Choice {
        match entity {
            Entity::Slrt => &self.choices[0],
            Entity::BootParams => &self.choices[1],
            Entity::Cmdline => &self.choices[2],
            Entity::SetupData => &self.choices[3],
            Entity::Initrd => &self.choices[4],
            Entity::EfiMemmap => &self.choices[5],
        }
    }

    /// The additional entities, in the order of the policy. Each is to be checked,
    /// [`Extra::check`], before it is read.
    pub fn extras(&self) -> impl Iterator<Item = Extra> + 'a {
        self.policy
            .into_iter()
            .flat_map(|policy| policy.entries())
            .filter(|entry| is_extra(entry.entity_type))
            // Does not fail: `new` did the same.
            .filter_map(|entry| Extra::from_entry(&entry).ok())
    }
}
