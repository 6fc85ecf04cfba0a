// SPDX-License-Identifier: GPL-2.0
//! Builds the test payload and machines for it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drtm_vm::{Config, Firmware};
use tempfile::TempDir;

/// Limits how many machines run at a time, whatever the number of test threads.
static SLOTS: (Mutex<usize>, Condvar) = (Mutex::new(2), Condvar::new());

fn slots() -> MutexGuard<'static, usize> {
    SLOTS.0.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A place among the machines that may run.
pub struct Slot(());

impl Slot {
    pub fn take() -> Self {
        let free = SLOTS.1.wait_while(slots(), |free| *free == 0);
        *free.unwrap_or_else(PoisonError::into_inner) -= 1;
        Slot(())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *slots() += 1;
        SLOTS.1.notify_one();
    }
}

fn tool(names: &[&str]) -> Command {
    let present = |name: &&&str| {
        Command::new(name)
            .arg("--version")
            .output()
            .is_ok_and(|output| output.status.success())
    };
    Command::new(names.iter().find(present).expect("clang and lld"))
}

fn run(command: &mut Command) {
    let output = command.output().expect("tool starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}");
}

/// A payload and a slot to run it in.
pub struct Payload {
    dir: TempDir,
    _slot: Slot,
}

impl Payload {
    /// Assembles the payload with these variants.
    pub fn build(variants: &[&str]) -> Self {
        let slot = Slot::take();
        let dir = tempfile::tempdir().expect("temporary directory");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/payload");
        let mut objects = Vec::new();
        for name in ["loader", "slb"] {
            let object = dir.path().join(name).with_extension("o");
            run(tool(&["clang-19", "clang"])
                .args(["--target=i386-none-elf", "-c", "-o"])
                .arg(&object)
                .args(variants.iter().map(|variant| format!("-D{variant}")))
                .arg(source.join(name).with_extension("S")));
            objects.push(object);
        }
        run(tool(&["ld.lld-19", "ld.lld"])
            .args(["-m", "elf_i386", "-T"])
            .arg(source.join("link.ld"))
            .arg("-o")
            .arg(dir.path().join("payload.elf"))
            .args(objects));
        Payload { dir, _slot: slot }
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("payload.elf")
    }

    /// A small machine for it.
    pub fn config(&self, cpus: usize) -> Config {
        Config {
            firmware: Firmware::SeaBios,
            kernel: self.path(),
            cpus,
            memory_mib: 64,
            limit: Duration::from_secs(60),
            ..Config::default()
        }
    }
}
