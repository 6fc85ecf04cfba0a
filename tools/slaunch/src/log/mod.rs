// SPDX-License-Identifier: GPL-2.0

//! `slaunch log`: the event log as a table, JSON or YAML, one event after the other.

mod document;
mod names;
mod readable;
mod show;
mod table;
mod walk;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_saphyr::{ser, SerializerOptions};

use crate::cli::LogArgs;
use crate::exit::Answer;
use crate::input::{self, Root};
use crate::out::Paint;

use document::Document;
use table::Table;

pub use names::type_name;
pub use readable::Readable;
pub use show::Filter;
pub use walk::{explain, header, walk, Damage, Format, Header, Item, Sink, Summary};

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

/// Writes YAML.
fn yaml(mut out: &mut dyn Write, document: &Document<'_>) -> Result<()> {
    // A digest stays on its line, however long it is.
    let options = SerializerOptions {
        prefer_block_scalars: false,
        ..SerializerOptions::default()
    };
    serde_saphyr::to_io_writer_with_options(&mut out, document, options).map_err(|e| match e {
        ser::Error::IO { error } => error.into(),
        other => other.into(),
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
    let log = &bytes;
    let filter = &filter;
    if json {
        serde_json::to_writer_pretty(&mut out, &Document { log, filter })
            .map_err(io::Error::from)?;
        writeln!(out)?;
    } else if args.yaml {
        yaml(&mut out, &Document { log, filter })?;
    } else {
        let mut table = Table::new(&mut out, paint, filter);
        let summary = walk(log, &mut table)?;
        table.end(&summary)?;
    }
    out.flush()?;
    Ok(Answer::Yes)
}
