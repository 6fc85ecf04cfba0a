// SPDX-License-Identifier: GPL-2.0

//! `slaunch policy`: turns predictions into what others consume.

mod formats;
mod model;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{bail, ensure, Context, Result};
use launch_data::digest::Alg;

use crate::cli::{PolicyArgs, PolicyFormat};
use crate::exit::Answer;
use crate::input;
use crate::predict::{Prediction, Stage};

pub use model::{Accept, Pattern, Policy, FORMAT, MOST_EVENTS, VERSION};

/// What systemd-pcrlock makes of its components; seen with version 257.
const PCRLOCK: &str =
    "systemd-pcrlock finds these events in a log, but it reckons with PCR 17 and 18 as they are \
    without a launch, and leaves both out of its policy: --format cryptenroll binds a disk";

/// A prediction with a name.
struct Named {
    name: String,
    prediction: Prediction,
}

fn read(path: &Path) -> Result<Named> {
    let bytes = input::read(path, input::SMALL)?;
    let prediction = Prediction::parse(&bytes).with_context(|| path.display().to_string())?;
    let name = path
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned());
    let name = name.filter(|name| name != "-" && !name.is_empty());
    Ok(Named {
        name: name.unwrap_or_else(|| "launch".into()),
        prediction,
    })
}

/// The values of the chosen PCRs in one bank; all have to be known.
fn chosen(
    prediction: &Prediction,
    alg: Alg,
    pcrs: &[u32],
    stage: Stage,
) -> Result<BTreeMap<u32, Vec<u8>>> {
    let bank = prediction.pcrs.get(alg.name());
    let bank = bank.with_context(|| format!("the prediction has no bank {}", alg.name()))?;
    let mut values = BTreeMap::new();
    for pcr in pcrs {
        let value = bank.get(pcr).and_then(|values| match stage {
            Stage::Launch => values.launch.as_ref(),
            Stage::Running => values.running.as_ref(),
        });
        let Some(value) = value else {
            bail!(
                "the prediction has no value of PCR {pcr} ({}): predict with --log, or choose PCRs with --pcr",
                alg.name()
            );
        };
        values.insert(*pcr, hex::decode(value).context("PCR value")?);
    }
    Ok(values)
}

/// Writes files below a directory, or their contents to `out` where there is none.
fn deliver(files: &[(String, Vec<u8>)], dir: Option<&Path>, out: &mut dyn Write) -> Result<()> {
    let Some(dir) = dir else {
        for (_, bytes) in files {
            out.write_all(bytes)?;
        }
        return Ok(());
    };
    for (name, bytes) in files {
        let path = dir.join(name);
        let parent = path.parent().unwrap_or(dir);
        fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
        fs::write(&path, bytes).with_context(|| path.display().to_string())?;
        writeln!(out, "{}", path.display())?;
    }
    Ok(())
}

/// Runs the command.
///
/// # Errors
///
/// A prediction is none, or lacks what the form needs.
pub fn run(args: &PolicyArgs, out: &mut dyn Write) -> Result<Answer> {
    let mut predictions = Vec::new();
    for path in &args.predictions {
        predictions.push(read(path)?);
    }
    if let (Some(name), [only]) = (&args.name, &mut *predictions) {
        only.name.clone_from(name);
    }
    ensure!(
        args.name.is_none() || predictions.len() == 1,
        "--name is for one prediction; the names of several are those of their files"
    );
    let stage = args.stage;
    let pcrs = if args.pcr.is_empty() {
        &[17, 18][..]
    } else {
        &args.pcr
    };
    let dir = args.out.as_deref();
    match args.format {
        PolicyFormat::Json => {
            let mut accept = Vec::new();
            for Named { name, prediction } in &predictions {
                let mut one = Accept::from_prediction(prediction, name, stage)?;
                if !args.pcr.is_empty() {
                    one.keep(pcrs);
                }
                accept.push(one);
            }
            let policy = Policy::new(accept);
            let mut text = serde_json::to_string_pretty(&policy)?;
            text.push('\n');
            // What comes out is what verify accepts.
            Policy::parse(text.as_bytes())?;
            deliver(
                &[("slaunch-policy.json".into(), text.into_bytes())],
                dir,
                out,
            )?;
        }
        PolicyFormat::Pcrlock => {
            let mut files = Vec::new();
            for Named { name, prediction } in &predictions {
                ensure!(
                    pcrs.iter().all(|pcr| [17, 18].contains(pcr)),
                    "there are components for PCR 17 and 18"
                );
                files.extend(formats::pcrlock(prediction, name, pcrs, stage)?);
            }
            ensure!(
                dir.is_some() || files.len() == 1,
                "there are {} components: --out says where to put them, or --pcr chooses one",
                files.len()
            );
            deliver(&files, dir, out)?;
            eprintln!("slaunch: note: {PCRLOCK}");
        }
        PolicyFormat::Cryptenroll => {
            let [Named { prediction, .. }] = &*predictions else {
                bail!("a disk is bound to one launch at a time: give one prediction");
            };
            let values = chosen(prediction, args.bank, pcrs, stage)?;
            let mut text = formats::cryptenroll(args.bank, &values);
            text.push('\n');
            deliver(&[("tpm2-pcrs".into(), text.into_bytes())], dir, out)?;
        }
        PolicyFormat::Tpm2 => {
            let [Named { prediction, .. }] = &*predictions else {
                bail!("a policy digest is that of one launch");
            };
            let values = chosen(prediction, args.bank, pcrs, stage)?;
            let files = formats::tpm2(args.bank, args.policy_hash, &values)?;
            match dir {
                Some(_) => deliver(&files, dir, out)?,
                None => {
                    let digest = files.first().map(|(_, bytes)| hex::encode(bytes));
                    writeln!(out, "{}", digest.unwrap_or_default())?;
                }
            }
        }
        PolicyFormat::Keylime => {
            let mut values = BTreeMap::new();
            for Named { prediction, .. } in &predictions {
                for (pcr, value) in chosen(prediction, args.bank, pcrs, stage)? {
                    let all: &mut Vec<Vec<u8>> = values.entry(pcr).or_default();
                    if !all.contains(&value) {
                        all.push(value);
                    }
                }
            }
            let text = formats::keylime(&values)?;
            deliver(&[("tpm_policy.json".into(), text.into_bytes())], dir, out)?;
        }
    }
    Ok(Answer::Yes)
}
