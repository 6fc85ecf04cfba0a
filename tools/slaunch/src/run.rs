// SPDX-License-Identifier: GPL-2.0

//! From the command line to the exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::cli::{Cli, Command};
use crate::exit::{Answer, INPUT};
use crate::input::Root;
use crate::log;
use crate::manual;
use crate::out::{safe, Paint};
use crate::policy;
use crate::predict;
use crate::replay;
use crate::status;
use crate::verify;

fn dispatch(cli: &Cli, out: &mut dyn Write) -> Result<Answer> {
    let root = Root::new(cli.root.as_deref());
    let paint = Paint::new(cli.color);
    match &cli.command {
        Command::Log(args) => log::run(args, cli.json, &root, paint, out),
        Command::Status(args) => status::run(args, cli.json, &root, paint, out),
        Command::Replay(args) => replay::run(args, cli.json, &root, paint, out),
        Command::Predict(args) => predict::run(args, cli.json, &root, paint, out),
        Command::Policy(args) => policy::run(args, out),
        Command::Verify(args) => verify::run(args, cli.json, paint, out),
        Command::Completion(args) => manual::completion(args.shell, out),
        Command::Man(args) => manual::man(args.out.as_deref(), out),
    }
}

/// Whoever reads the output has gone away.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<io::Error>();
        io.is_some_and(|io| io.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = io::stdout().lock();
    match dispatch(&cli, &mut out)
        .and_then(|answer| out.flush().map(|()| answer).map_err(Into::into))
    {
        Ok(answer) => answer.into(),
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // The text may quote what was read.
            eprintln!("slaunch: {}", safe(&format!("{error:#}")));
            ExitCode::from(INPUT)
        }
    }
}
