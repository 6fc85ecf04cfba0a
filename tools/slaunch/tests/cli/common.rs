// SPDX-License-Identifier: GPL-2.0

//! Running the program, and comparing what it prints.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The recorded launches.
pub const LAUNCHES: [&str; 4] = ["tis-2.0", "crb-2.0", "tis-1.2", "trust"];

/// A file among the recorded ones.
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

/// The bytes of a file among the recorded ones.
pub fn bytes(name: &str) -> Vec<u8> {
    fs::read(data(name)).unwrap()
}

/// Runs a program.
pub fn run(program: impl AsRef<Path>, args: &[&str]) -> Output {
    let program = program.as_ref();
    Command::new(program)
        .args(args)
        .env("NO_COLOR", "1")
        .output()
        .unwrap_or_else(|e| panic!("{}: {e}", program.display()))
}

/// What the program said.
pub struct Said {
    pub out: String,
    pub err: String,
    pub code: i32,
}

/// Runs `slaunch`.
pub fn slaunch(args: &[&str]) -> Said {
    let output = run(env!("CARGO_BIN_EXE_slaunch"), args);
    let said = Said {
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code().unwrap(),
    };
    assert!(!said.err.contains("panicked"), "{}", said.err);
    said
}

/// What `slaunch` prints when it answers with `code`.
pub fn answer(code: i32, args: &[&str]) -> String {
    let said = slaunch(args);
    assert_eq!(said.code, code, "{args:?}: {}{}", said.out, said.err);
    said.out
}

/// The same as a value.
pub fn json(code: i32, args: &[&str]) -> serde_json::Value {
    let text = answer(code, &[&["--json"], args].concat());
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{args:?}: {e}: {text}"))
}

/// Compares `text` with what the file has; writes it with SLAUNCH_GOLDEN=write.
pub fn golden(name: &str, text: &str) {
    let path = data("golden").join(name);
    if std::env::var_os("SLAUNCH_GOLDEN").is_some_and(|value| value == "write") {
        fs::write(&path, text).unwrap();
        return;
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        wanted == text,
        "{name} differs; now it is:\n{text}\n(SLAUNCH_GOLDEN=write keeps it)"
    );
}

/// A directory with a file of these bytes, and the file's path.
pub fn temporary(bytes: &[u8]) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, bytes).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (dir, path)
}
