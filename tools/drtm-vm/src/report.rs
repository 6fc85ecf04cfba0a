// SPDX-License-Identifier: GPL-2.0
//! The report of a run: `report.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::amd::observe::WatchReport;
use crate::amd::skinit::SkinitReport;
use crate::config::Config;
use crate::console::GuestFile;
use crate::error::{Blame, Result, Side};
use crate::outcome::Outcome;
use crate::tpm::CommandRecord;

/// Version of the report's layout.
const VERSION: u32 = 1;

/// Everything known about one run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Layout version of this report.
    pub version: u32,
    /// How the run ended.
    pub outcome: Option<Outcome>,
    /// The outcome in words.
    pub summary: String,
    /// The machine.
    pub config: Config,
    /// Address of the launch instruction that the guest announced.
    pub announced: Option<u64>,
    /// The launch instruction.
    pub launch: Option<SkinitReport>,
    /// What followed it.
    pub after_launch: Option<WatchReport>,
    /// Remarks that did not fail the run.
    pub remarks: Vec<String>,
    /// TPM commands before the launch (or all, without one), count by command code.
    pub tpm_before: BTreeMap<String, usize>,
    /// TPM commands after the launch, in order.
    pub tpm_after: Vec<CommandRecord>,
    /// Milliseconds since the start of the run, by milestone.
    pub timings_ms: BTreeMap<&'static str, u64>,
    /// Instructions executed by all CPUs since reset, by milestone; only when they are counted.
    pub instructions: BTreeMap<&'static str, u64>,
    /// Names of files that the guest handed over.
    pub files: Vec<String>,
}

impl Report {
    /// An empty report for a machine.
    pub fn new(config: &Config) -> Self {
        Report {
            version: VERSION,
            outcome: None,
            summary: String::new(),
            config: config.clone(),
            announced: None,
            launch: None,
            after_launch: None,
            remarks: Vec::new(),
            tpm_before: BTreeMap::new(),
            tpm_after: Vec::new(),
            timings_ms: BTreeMap::new(),
            instructions: BTreeMap::new(),
            files: Vec::new(),
        }
    }

    /// Writes `report.json` and the guest's files below `out`.
    pub fn write(&self, out: &Path, files: &[GuestFile]) -> Result<()> {
        let text = serde_json::to_string_pretty(self).blame(Side::Model, "report")?;
        let path = out.join("report.json");
        std::fs::write(&path, text + "\n").blame(Side::Host, path.display())?;
        for file in files {
            let path = out.join(&file.name);
            std::fs::write(&path, &file.bytes).blame(Side::Host, path.display())?;
        }
        Ok(())
    }
}
