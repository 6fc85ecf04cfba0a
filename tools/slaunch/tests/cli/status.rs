// SPDX-License-Identifier: GPL-2.0

//! `slaunch status`.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::common::{answer, bytes, data, golden, json};

/// A copy of the files of a machine.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With what a recorded launch left.
    fn of(launch: &str) -> Self {
        let machine = Self::new();
        let published = "sys/kernel/security/slaunch";
        machine.put(
            &format!("{published}/state"),
            &bytes(&format!("{launch}/state.txt")),
        );
        machine.put("proc/cmdline", &bytes(&format!("{launch}/cmdline.txt")));
        if let Ok(log) = fs::read(data(launch).join("eventlog.bin")) {
            machine.put(&format!("{published}/eventlog"), &log);
        }
        if let Ok(pcrs) = fs::read(data(launch).join("pcrs.json")) {
            let pcrs: Value = serde_json::from_slice(&pcrs).unwrap();
            for (bank, values) in pcrs.as_object().unwrap() {
                for (pcr, value) in values.as_object().unwrap() {
                    let file = format!("sys/class/tpm/tpm0/pcr-{bank}/{pcr}");
                    machine.put(&file, value.as_str().unwrap().to_uppercase().as_bytes());
                }
            }
        }
        machine
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Adds the files of the gate.
    fn efi(&self, violations: &str, last: &str) {
        let efi = "sys/kernel/security/slaunch/efi";
        self.put(&format!("{efi}/mode"), b"verify,panic,full\n");
        self.put(
            &format!("{efi}/calls"),
            b"GetTime 3 0\nSetTime 0 0\nGetVariable 53 2\n",
        );
        self.put(&format!("{efi}/violations"), violations.as_bytes());
        self.put(&format!("{efi}/last"), last.as_bytes());
        self.put(
            &format!("{efi}/regions"),
            b"data 0x1000 1 0x8000000000000000\ncode 0x2000 1 0x8000000000000000 unreadable\n",
        );
    }

    /// Another state.
    fn state(&self, from: &str, to: &str) {
        let path = Path::new("sys/kernel/security/slaunch/state");
        let text = fs::read_to_string(self.0.path().join(path)).unwrap();
        assert!(text.contains(from));
        self.put(path.to_str().unwrap(), text.replace(from, to).as_bytes());
    }

    fn text(&self, code: i32) -> String {
        answer(code, &["--root", self.0.path().to_str().unwrap(), "status"])
    }

    fn json(&self, code: i32) -> Value {
        json(code, &["--root", self.0.path().to_str().unwrap(), "status"])
    }

    /// All troubles, as one text.
    fn troubles(&self) -> String {
        let value = self.json(1);
        assert_eq!(value["good"], false);
        value["troubles"].to_string()
    }
}

#[test]
fn recorded_launches() {
    for launch in ["tis-2.0", "crb-2.0", "tis-1.2", "trust"] {
        let machine = Machine::of(launch);
        machine.efi("0\n", "\n");
        golden(&format!("{launch}.status"), &machine.text(0));
        let value = machine.json(0);
        assert_eq!(
            (&value["launched"], &value["good"]),
            (&true.into(), &true.into())
        );
        assert_eq!(value["state"]["vendor"], "AMD");
        assert_eq!(value["efi"]["calls"]["GetVariable"]["refused"], 2);
        // sysfs has no PCRs of a TPM 1.2 in this form; here it was given them.
        assert_eq!(value["replay"], "equals the TPM");
    }
}

#[test]
fn no_launch() {
    let machine = Machine::of("no-tpm");
    golden("no-tpm.status", &machine.text(1));
    let value = machine.json(1);
    assert_eq!(value["launched"], false);
    assert!(machine.troubles().contains("Enable the TPM"));
    machine.state(
        "no TPM (reason 11, detail 0xe)",
        "SVM is disabled by the firmware (reason 7, detail 0x10)",
    );
    assert!(machine.troubles().contains("Enable SVM"));
}

/// The register as `/dev/mem` has it; the file has a hole before it.
#[test]
fn errorcode_of_txt() {
    let mem = |machine: &Machine, didvid: u32, code: u32| {
        machine.put("dev/mem", b"");
        let file = fs::File::options()
            .write(true)
            .open(machine.0.path().join("dev/mem"));
        let file = file.unwrap();
        file.write_all_at(&code.to_le_bytes(), 0xfed3_0030).unwrap();
        file.write_all_at(&didvid.to_le_bytes(), 0xfed3_0110)
            .unwrap();
    };
    let cpuinfo = b"vendor_id\t: GenuineIntel\nflags\t\t: vmx smx est\n";

    let machine = Machine::of("no-tpm");
    mem(&machine, 0xb001_8086, 0xc000_2411);
    assert_eq!(machine.json(1)["txt_errorcode"], Value::Null);
    machine.put("proc/cpuinfo", cpuinfo);
    assert!(machine.troubles().contains("revoked"));
    golden("errorcode.status", &machine.text(1));
    assert_eq!(machine.json(1)["txt_errorcode"]["code"], 0xc000_2411_u32);
    // All went well, so far as this register tells.
    mem(&machine, 0xb001_8086, 0xc000_0001);
    assert!(!machine.troubles().contains("ERRORCODE"));
    // A chipset without TXT.
    mem(&machine, u32::MAX, u32::MAX);
    assert_eq!(machine.json(1)["txt_errorcode"], Value::Null);
    // A kernel that does not let it be read; that alone makes no launch a bad one.
    let machine = Machine::of("crb-2.0");
    machine.efi("0\n", "\n");
    machine.put("proc/cpuinfo", cpuinfo);
    machine.put("dev/mem", b"too short");
    assert!(machine.text(0).contains("txt_errorcode     cannot be read"));
    assert!(machine.json(0)["txt_errorcode"]["unreadable"].is_string());
}

#[test]
fn another_kernel() {
    let machine = Machine::new();
    golden("nothing.status", &machine.text(1));
    assert_eq!(machine.json(1)["launched"], Value::Null);
}

#[test]
fn what_is_wrong() {
    let machine = Machine::of("crb-2.0");
    machine.efi("1\n", "EFI gate: violation in GetTime: CR0 0x1 -> 0x2\n");
    assert!(machine.troubles().contains("violation in GetTime"));
    golden("violation.status", &machine.text(1));

    let machine = Machine::of("crb-2.0");
    machine.state("error: none", "error: 0xc0008083 tpm 0x922 detail 0x11 0x0");
    machine.state("stage: complete", "stage: early kernel");
    let text = machine.troubles();
    for words in [
        "TPM answered a command with an error",
        "busy",
        "early kernel",
    ] {
        assert!(text.contains(words), "{text}");
    }

    let machine = Machine::of("crb-2.0");
    machine.put(
        "sys/class/tpm/tpm0/pcr-sha256/17",
        "AB".repeat(32).as_bytes(),
    );
    assert!(machine.troubles().contains("not that of the TPM"));

    let machine = Machine::of("crb-2.0");
    machine.put("sys/kernel/security/slaunch/eventlog", b"x");
    assert!(machine.troubles().contains("ends within the header"));
}

#[test]
fn nothing_for_the_terminal_to_obey() {
    let machine = Machine::of("crb-2.0");
    machine.efi("1\n", "EFI gate: \x1b[2J\n");
    machine.state("vendor: AMD", "vendor: \x1b]0;x\x07");
    assert!(!machine.text(1).contains('\x1b'));
}

#[test]
fn codes() {
    let text = answer(1, &["status", "--explain", "0xc0008080"]);
    assert!(text.starts_with("0xc0008080: No TPM answers"), "{text}");
    let value = json(1, &["status", "--explain", "0x80000007"]);
    assert!(value["meaning"].as_str().unwrap().contains("signature"));
    assert_eq!(
        json(0, &["status", "--explain", "0xc0000001"])["is_error"],
        false
    );
    assert_eq!(
        crate::common::slaunch(&["status", "--explain", "x"]).code,
        2
    );
}
