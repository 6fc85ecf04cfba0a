// SPDX-License-Identifier: GPL-2.0

//! `slaunch log`: the event log as a table, JSON or YAML, one event after the other.

mod json;
mod names;
mod readable;
mod show;
mod table;
mod walk;
mod yaml;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::cli::LogArgs;
use crate::exit::Answer;
use crate::input::{self, Root};
use crate::out::Paint;

pub use names::type_name;
pub use readable::Readable;
pub use show::{Filter, Shower};
pub use walk::{explain, walk, Damage, Format, Header, Item, Sink, Summary};

/// Where a launched kernel publishes its log.
pub const PUBLISHED: &str = "/sys/kernel/security/slaunch/eventlog";

/// The log that was named, or the one of the machine.
pub fn path(file: Option<&Path>, root: &Root) -> PathBuf {
    file.map_or_else(|| root.path(PUBLISHED), Path::to_path_buf)
}

/// Reads the log that was named, or the one of the machine.
///
/// # Errors
///
/// It cannot be read.
pub fn read(file: Option<&Path>, root: &Root) -> Result<Vec<u8>> {
    input::read(&path(file, root), input::LOG).map_err(|e| match file {
        None => {
            e.context("no log: was there a launch? \"slaunch status\" tells, and root may read it")
        }
        Some(_) => e,
    })
}

/// Runs the command.
///
/// # Errors
///
/// The log cannot be read, or the output not be written. What is in the log is no error.
pub fn run(
    args: &LogArgs,
    json: bool,
    root: &Root,
    paint: Paint,
    out: &mut dyn Write,
) -> Result<Answer> {
    let bytes = read(args.file.as_deref(), root)?;
    let filter = Filter {
        pcrs: args.pcr.clone(),
        bank: args.bank.map(|alg| alg as u16),
        digests: !args.no_digests,
    };
    let mut out = std::io::BufWriter::with_capacity(1 << 16, out);
    let mut shower: Box<dyn Shower + '_> = match (json, args.yaml) {
        (true, _) => Box::new(json::Json::new(&mut out)),
        (false, true) => Box::new(yaml::Yaml::new(&mut out)),
        (false, false) => Box::new(table::Table::new(&mut out, paint)),
    };
    let mut sink = show::Filtered::new(&filter, &mut *shower);
    let summary = walk(&bytes, &mut sink)?;
    shower.end(&summary)?;
    drop(shower);
    out.flush()?;
    Ok(Answer::Yes)
}
