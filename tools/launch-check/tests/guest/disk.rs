// SPDX-License-Identifier: GPL-2.0

//! An encrypted disk that is bound to a launch, over several boots of one machine with its TPM.

use std::path::Path;

use drtm_vm::{Config, Outcome, TpmInterface};

use crate::common::{Run, LAUNCH};
use crate::machine::{cases, config, share, Ended, Kernel};

/// A boot with this directory as `/disk` and this at the end of the command line.
fn boot(dir: &Path, tpm: &Path, more: &str) -> Run {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/slaunch");
    let job = config(Kernel::Own, TpmInterface::Tis, "disk");
    let run = Run::boot(&Config {
        append: format!("{LAUNCH} {}{more}", job.append),
        tpm_state: Some(tpm.to_owned()),
        extra: [
            job.extra.clone(),
            share("sample", &samples).into(),
            share("disk", dir).into(),
        ]
        .concat(),
        ..job
    });
    let summary = run.outcome.summary();
    assert!(
        matches!(run.outcome, Outcome::PoweredOff),
        "{summary}\n{}",
        run.tail()
    );
    let cases = cases(&run, "disk");
    let bad = cases.iter().find(|(_, ended)| *ended != Ended::Ok);
    assert!(
        bad.is_none() && !cases.is_empty(),
        "{bad:?}\n{}",
        run.text("job.txt")
    );
    run
}

#[test]
fn opens_after_the_same_launch_only() {
    let tpm = tempfile::tempdir().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let enrolled = boot(dir.path(), tpm.path(), "");
    std::fs::write(dir.path().join("disk"), enrolled.must("disk")).unwrap();
    for (more, answer) in [("", "opened\n"), (" loglevel=4", "refused\n")] {
        let run = boot(dir.path(), tpm.path(), more);
        assert_eq!(run.text("answer.txt"), answer, "{}", run.text("job.txt"));
    }
}
