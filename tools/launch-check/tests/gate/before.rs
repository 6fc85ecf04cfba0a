// SPDX-License-Identifier: GPL-2.0

//! Runtime services work as before: what a job finds in a plain boot it finds after a launch too, with the
//! firmware trusted or verified, and with mode `off` what it finds without runtime services.

use std::io::Write;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::OnceLock;

use drtm_vm::{Config, Firmware};
use tempfile::NamedTempFile;

use crate::common::Run;
use crate::machine::{cases, Ended as Case};
use crate::vm::{config, gate_is_content, Ended, Start};

const VERIFY: Start = Start::Launch("verify,full");
const FAST: Start = Start::Launch("verify,fast");
const TRUST: Start = Start::Launch("trust");
const OFF: Start = Start::Launch("off");
const ISOLATE: Start = Start::Launch("isolate");

/// How many cases the job has, so that none goes missing.
const CASES: usize = 16;

/// All cases of a job pass, and none is skipped.
fn all_pass(run: &Run, job: &str, planned: usize) {
    let cases = cases(run, job);
    let bad: Vec<_> = cases.iter().filter(|(_, e)| *e != Case::Ok).collect();
    assert!(bad.is_empty(), "{bad:?}\n{}", run.text("job.txt"));
    assert_eq!(cases.len(), planned);
}

/// The one run of the job `before` in a plain boot, for all that compare with it.
fn plain() -> &'static str {
    static RESULTS: OnceLock<Result<String, String>> = OnceLock::new();
    let run = || {
        let ended = Ended::boot(&config(Start::Plain, "before", ""));
        ended.expect_powered_off();
        all_pass(&ended.run, "before", CASES);
        ended.run.text("results.txt")
    };
    let results = RESULTS.get_or_init(|| {
        catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            text.unwrap_or_else(|| "the run failed".into())
        })
    });
    results.as_ref().unwrap_or_else(|text| panic!("{text}"))
}

fn same_as_plain(start: Start) {
    let ended = Ended::boot(&config(start, "before", ""));
    ended.expect_powered_off();
    all_pass(&ended.run, "before", CASES);
    assert_eq!(ended.run.text("results.txt"), plain());
    let calls = gate_is_content(start, &ended.run);
    assert!(calls > 100, "{calls} calls");
}

#[test]
fn plain_boot() {
    let results = plain();
    assert!(results.lines().count() > 20, "{results}");
}

#[test]
fn verify() {
    same_as_plain(VERIFY);
}

#[test]
fn trust() {
    same_as_plain(TRUST);
}

#[test]
fn isolate() {
    same_as_plain(ISOLATE);
}

/// Firmware that was relocated in user mode.
#[test]
fn isolate_identity() {
    same_as_plain(Start::Launch("isolate,svam=identity"));
}

/// Mode `off` is what `efi=noruntime` is.
#[test]
fn off() {
    let results = |start, more| {
        let ended = Ended::boot(&config(start, "off", more));
        ended.expect_powered_off();
        all_pass(&ended.run, "off", 3);
        gate_is_content(start, &ended.run);
        ended.run.text("results.txt")
    };
    let without = results(Start::Plain, "efi=noruntime");
    assert!(without.contains("efivarfs is not mounted"), "{without}");
    assert_eq!(results(OFF, ""), without);
}

/// Without a launch the door is open.
#[test]
fn around_the_door_plain_boot() {
    let ended = Ended::boot(&config(Start::Plain, "around", ""));
    ended.expect_powered_off();
    all_pass(&ended.run, "around", 1);
}

/// After one, nothing gets into firmware around it: that is a page fault with preemption off, and so a panic.
#[test]
fn around_the_door() {
    for start in [VERIFY, TRUST] {
        let ended = Ended::boot(&config(start, "around", "panic=-1"));
        ended.expect_reset();
        let wanted = "kernel tried to execute NX-protected page";
        assert!(ended.run.console.contains(wanted), "{}", ended.run.tail());
    }
}

/// Whether a variable store has a record of a panic.
fn has_record(variables: &[u8]) -> bool {
    let name = "dump-type0".encode_utf16().flat_map(u16::to_le_bytes);
    let name: Vec<_> = name.collect();
    variables.windows(name.len()).any(|at| at == name)
}

/// Ends a machine by a panic; the variable store that it leaves.
fn crash(start: Start) -> Vec<u8> {
    let crash = Ended::boot(&config(start, "crash", "panic=1"));
    crash.expect_reset();
    let console = &crash.run.console;
    assert!(console.contains("sysrq triggered crash"), "{console}");
    assert!(start != ISOLATE || !crash.in_firmware());
    crash.variables
}

/// The same after a panic in a plain boot, of which there is one.
fn plain_crash() -> &'static [u8] {
    static VARIABLES: OnceLock<Vec<u8>> = OnceLock::new();
    VARIABLES.get_or_init(|| crash(Start::Plain))
}

/// The records of a panic are there after the next boot: in these variables.
fn pstore(variables: &[u8], start: Start) {
    assert!(has_record(variables));
    let mut store = NamedTempFile::new().expect("a file");
    store.write_all(variables).expect("variable store");
    let next = config(start, "pstore", "");
    let Firmware::Ovmf { code, smm, .. } = next.firmware.clone() else {
        panic!("other firmware");
    };
    let vars = store.path().to_owned();
    let next = Config {
        firmware: Firmware::Ovmf { code, vars, smm },
        ..next
    };
    let ended = Ended::boot(&next);
    ended.expect_powered_off();
    all_pass(&ended.run, "pstore", 3);
    gate_is_content(start, &ended.run);
}

#[test]
fn pstore_plain_boot() {
    pstore(plain_crash(), Start::Plain);
}

#[test]
fn pstore_verify() {
    pstore(&crash(VERIFY), VERIFY);
}

#[test]
fn pstore_trust() {
    pstore(&crash(TRUST), TRUST);
}

/// Firmware in user mode gives back what another boot has left, and removes it.
#[test]
fn pstore_isolate() {
    pstore(plain_crash(), ISOLATE);
}

/// Ends a machine, and says whether it was the firmware that reset it.
fn reset(start: Start, more: &str) -> bool {
    let ended = Ended::boot(&config(start, "reboot", more));
    ended.expect_reset();
    ended.in_firmware()
}

/// That the firmware is asked shows: this kernel resets the machine by itself where it may choose.
#[test]
fn reboot_plain_boot() {
    assert!(!reset(Start::Plain, "reset=kernel"));
    assert!(reset(Start::Plain, "reset=kernel reboot=efi"));
}

#[test]
fn reboot_verify() {
    assert!(reset(VERIFY, "reset=kernel reboot=efi"));
    assert!(reset(FAST, "reset=warm"));
}

#[test]
fn reboot_trust() {
    assert!(reset(TRUST, "reset=kernel reboot=efi"));
    assert!(reset(TRUST, "reset=cold"));
}

/// Firmware in user mode is not what resets the machine, even where it is wanted to.
#[test]
fn reboot_isolate() {
    assert!(!reset(ISOLATE, "reset=kernel reboot=efi"));
    // Who asks for that service alone is refused.
    let ended = Ended::boot(&config(ISOLATE, "reboot", "reset=warm"));
    ended.expect_powered_off();
    let job = ended.run.text("job.txt");
    assert!(job.contains("exit status: 1"), "{job}");
}

/// Nor is it called in a panic, which the machine gets through, and of which there is no record then.
#[test]
fn crash_isolate() {
    assert!(!has_record(&crash(ISOLATE)));
}

/// Without runtime services the kernel finds another way.
#[test]
fn reboot_off() {
    assert!(!reset(OFF, "reset=kernel"));
}

#[test]
fn power_off_verify() {
    let ended = Ended::boot(&config(VERIFY, "reboot", "reset=off"));
    ended.expect_powered_off();
    assert!(ended.in_firmware());
}
