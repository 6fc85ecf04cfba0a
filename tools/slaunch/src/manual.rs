// SPDX-License-Identifier: GPL-2.0

//! `slaunch completion` and `slaunch man`: from the definition of the command line.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::roff::{roman, Roff};
use clap_mangen::Man;

use crate::cli::Cli;
use crate::exit::{self, Answer};

/// Writes a completion script.
///
/// # Errors
///
/// The output cannot be written.
pub fn completion(shell: Shell, out: &mut dyn Write) -> Result<Answer> {
    // The generator takes any failure to write for a bug.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "slaunch", &mut script);
    out.write_all(&script)?;
    Ok(Answer::Yes)
}

/// One page, with a section about exit codes.
fn page(command: Command) -> Result<Vec<u8>> {
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in exit::CODES {
        roff.control("TP", []);
        roff.text([roman(code.to_string())]);
        roff.text([roman(*meaning)]);
    }
    roff.to_writer(&mut page)?;
    if command.get_version().is_some() {
        man.render_version_section(&mut page)?;
    }
    Ok(page)
}

/// Writes the page of the program, or one for each command into a directory.
///
/// # Errors
///
/// The output cannot be written.
pub fn man(dir: Option<&Path>, out: &mut dyn Write) -> Result<Answer> {
    let mut command = Cli::command().after_help("");
    command.build();
    let Some(dir) = dir else {
        out.write_all(&page(command)?)?;
        return Ok(Answer::Yes);
    };
    fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    let mut pages = vec![("slaunch.1".to_owned(), command.clone())];
    for sub in command.get_subcommands() {
        if sub.get_name() == "help" {
            continue;
        }
        let name = format!("slaunch-{}", sub.get_name());
        pages.push((format!("{name}.1"), sub.clone()));
    }
    for (name, command) in pages {
        let path = dir.join(name);
        fs::write(&path, page(command)?).with_context(|| path.display().to_string())?;
        writeln!(out, "{}", path.display())?;
    }
    Ok(Answer::Yes)
}
