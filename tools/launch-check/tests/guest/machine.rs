// SPDX-License-Identifier: GPL-2.0

//! The guest that runs programs of the host, and the results of a job in it.

use std::path::{Path, PathBuf};

use drtm_vm::{Config, TpmInterface};

use crate::common::{self, built, Run};

/// Which of the two kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// The kernel under test.
    Own,
    /// The same with the C drivers.
    C,
}

impl Kernel {
    fn dir(self) -> PathBuf {
        built(match self {
            Self::Own => "kernel",
            Self::C => "kernel-c-tpm",
        })
    }
}

/// QEMU's arguments for a directory that the guest sees, read-only, at `/tag`.
pub fn share(tag: &str, dir: &Path) -> [String; 4] {
    let path = std::fs::canonicalize(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let path = path.display().to_string().replace(',', ",,");
    [
        "-fsdev".into(),
        format!("local,id={tag},path={path},security_model=none,readonly=on"),
        "-device".into(),
        format!("virtio-9p-pci,fsdev={tag},mount_tag={tag}"),
    ]
}

/// A machine that runs `job` of the folder beside this file. It sees the host's programs, the
/// jobs and the kernel's own tests, and nothing else of the host.
pub fn config(kernel: Kernel, interface: TpmInterface, job: &str) -> Config {
    let jobs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guest/job");
    let selftests = kernel.dir().join("source/tools/testing/selftests/tpm2");
    Config {
        kernel: kernel.dir().join("bzImage"),
        append: format!("console=ttyS0 quiet no_console_suspend tpm={interface} job={job}"),
        tpm_interface: interface,
        extra: [
            share("usr", Path::new("/usr")),
            share("job", &jobs),
            share("selftests", &selftests),
        ]
        .concat(),
        ..common::config()
    }
}

/// How a test case of a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    Ok,
    Failed,
    Skipped(String),
}

/// The cases of a job in its output, which is KTAP. Every case of the plan must be there, and the
/// job must have come to its end.
pub fn cases(run: &Run, job: &str) -> Vec<(String, Ended)> {
    let text = run.text("job.txt");
    let mut cases = Vec::new();
    for line in text.lines() {
        let (rest, ended) = match (line.strip_prefix("ok "), line.strip_prefix("not ok ")) {
            (Some(rest), _) => (rest, Ended::Ok),
            (_, Some(rest)) => (rest, Ended::Failed),
            _ => continue,
        };
        let (_number, rest) = rest.split_once(' ').expect("name of a case");
        cases.push(match rest.split_once(" # SKIP ") {
            Some((name, why)) => (name.to_owned(), Ended::Skipped(why.to_owned())),
            None => (rest.to_owned(), ended),
        });
    }
    let plan = format!("1..{}", cases.len());
    assert!(text.lines().any(|line| line == plan), "no {plan}:\n{text}");
    let status = format!("# job {job}: exit status: 0");
    assert!(text.lines().any(|line| line == status), "{text}");
    cases
}
