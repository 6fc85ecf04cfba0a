// SPDX-License-Identifier: GPL-2.0

//! ACPI's Platform Runtime Mechanism: a handler in the firmware's runtime code, called by a method.
//!
//! OVMF has no handlers, so this machine is given one: `PRMT` names an address at the end of a
//! runtime driver's code, where a boot before has found room, an SSDT has the method, and the host writes the
//! handler to memory before there is a launch.

use std::path::Path;
use std::time::Duration;

use drtm_vm::{Config, Heard, Machine, Outcome, Reached};

use launch_check::log::Log;

use crate::common::{Run, Slot, LIMIT};
use crate::machine::{cases, Ended as Case};
use crate::vm::{config, gate_is_content, Start};

/// Returns the first letter of its second argument, the context, plus the number of ranges in the list that
/// the context leads to, which is 0.
///
/// `mov rax, [rdx+32]; mov rax, [rax]; movzx ecx, byte [rdx]; add eax, ecx; ret`
const HANDLER: [u8; 13] = [
    0x48, 0x8b, 0x42, 0x20, 0x48, 0x8b, 0x00, 0x0f, 0xb6, 0x0a, 0x01, 0xc8, 0xc3,
];
/// Module and handler, in the layout of ACPI.
const MODULE: [u8; 16] = *b"gate test module";
const GUID: [u8; 16] = *b"gate test handle";
const PAGE: usize = 4096;

/// An ACPI table around `body`.
fn table(signature: &[u8; 4], revision: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(36 + body.len()).expect("length");
    let mut bytes = signature.to_vec();
    bytes.extend(length.to_le_bytes());
    bytes.extend([revision, 0]);
    bytes.extend(b"GATE  GATETEST");
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(b"GATE");
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(body);
    bytes[9] = bytes.iter().fold(0_u8, |sum, b| sum.wrapping_sub(*b));
    bytes
}

/// `PRMT` with one module and one handler (Platform Runtime Mechanism specification, 4.1).
fn prmt(handler: u64) -> Vec<u8> {
    let mut body = [0x11; 16].to_vec();
    // Where the modules begin, and how many there are.
    body.extend(60_u32.to_le_bytes());
    body.extend(1_u32.to_le_bytes());
    // A module: revision, length, name, version, one handler 38 bytes on, no list of registers.
    body.extend([0, 0, 82, 0]);
    body.extend(MODULE);
    body.extend([1, 0, 0, 0, 1, 0, 38, 0, 0, 0]);
    body.extend([0; 8]);
    // Its handler: revision, length, name, address, neither static data nor parameters.
    body.extend([0, 0, 44, 0]);
    body.extend(GUID);
    body.extend(handler.to_le_bytes());
    body.extend([0; 16]);
    table(b"PRMT", 0, &body)
}

/// An operator of AML with its length, which counts itself and is two bytes long here.
fn package(operator: &[u8], content: &[u8]) -> Vec<u8> {
    let length = content.len() + 2;
    let lead = [0x40 | (length & 0xf) as u8, (length >> 4) as u8];
    [operator, &lead, content].concat()
}

/// ```asl
/// Scope (\_SB) {
///     Device (PRMD) {
///         Name (_HID, "PRMT0001")
///         OperationRegion (PRMR, 0x0B, 0, 26)
///         Field (PRMR, BufferAcc, NoLock, Preserve) { PRMF, 208 }
///         Method (_SUN, 0, Serialized) {
///             Local0 = Buffer (26) { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, GUID }
///             Local1 = (PRMF = Local0)
///             CreateDWordField (Local1, 1, EFIS)
///             Return (EFIS)
///         }
///     }
/// }
/// ```
fn ssdt() -> Vec<u8> {
    let mut device = b"PRMD".to_vec();
    device.extend(b"\x08_HID\x0dPRMT0001\0");
    device.extend(b"\x5b\x80PRMR\x0b\0\x0a\x1a");
    // Two bytes are the length of the field: 208 bits.
    device.extend(package(b"\x5b\x81", b"PRMR\x05PRMF\x40\x0d"));
    let buffer = [&[0x0a, 26], [0; 10].as_slice(), &GUID].concat();
    let mut method = b"_SUN\x08".to_vec();
    // StoreOp source target; Local0 and Local1 are 0x60 and 0x61.
    method.extend([0x70]);
    method.extend(package(&[0x11], &buffer));
    method.extend([0x60]);
    method.extend(b"\x70\x70\x60PRMF\x61");
    method.extend(b"\x8a\x61\x01EFIS\xa4EFIS");
    device.extend(package(&[0x14], &method));
    let mut scope = b"\\_SB_".to_vec();
    scope.extend(package(&[0x5b, 0x82], &device));
    table(b"SSDT", 2, &package(&[0x10], &scope))
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
    usize::try_from(u32::from_le_bytes(bytes)).ok()
}

/// Offset of room for the handler in `code`: zeros that fill the last page of a section that is executed,
/// in an image at the start of a page.
fn room(code: &[u8]) -> Option<usize> {
    (0..code.len()).step_by(PAGE).find_map(|image| {
        if !code[image..].starts_with(b"MZ") {
            return None;
        }
        let pe = image + word(code, image + 0x3c)?;
        if code.get(pe..pe + 4)? != b"PE\0\0" {
            return None;
        }
        let sections = word(code, pe + 6)? & 0xffff;
        let first = pe + 24 + (word(code, pe + 20)? & 0xffff);
        (0..sections).find_map(|n| {
            let header = first + n * 40;
            let end = image + word(code, header + 8)? + word(code, header + 12)?;
            let end = end.next_multiple_of(PAGE);
            let executed = word(code, header + 36)? & 0x2000_0000 != 0;
            let free = code.get(end - 64..end)?.iter().all(|b| *b == 0);
            (executed && free).then_some(end - 32)
        })
    })
}

/// A machine whose tables have a handler at `handler`, and its job.
fn prepare(start: Start, handler: u64, dir: &Path) -> Config {
    // Before a launch the machine stops by itself.
    let more = match start {
        Start::Plain => "efi=debug",
        Start::Launch(_) => "efi=debug prm=there",
    };
    let mut config = config(start, "prm", more);
    for (name, table) in [("prmt", prmt(handler)), ("ssdt", ssdt())] {
        let path = dir.join(name);
        std::fs::write(&path, table).expect(name);
        let file = format!("file={}", path.display());
        config.extra.extend(["-acpitable".into(), file]);
    }
    config
}

/// Waits for the job; the runtime code, as ranges of physical addresses.
fn ranges(machine: &mut Machine) -> Vec<(u64, usize)> {
    let mut from = 0;
    loop {
        let line = match machine.wait_line(&mut from, "job: want prm ", LIMIT) {
            Heard::Line(line) => line,
            Heard::Ended(outcome) => panic!("{}\n{}", outcome.summary(), machine.console()),
        };
        let Some(line) = line.strip_suffix("end") else {
            continue;
        };
        let number = |text: &str| u64::from_str_radix(text, 16).expect("address");
        let range = |text: &str| {
            let (first, last) = text.split_once('-').expect("range");
            let (first, last) = (number(first), number(last));
            (first, usize::try_from(last - first).expect("size") + 1)
        };
        return line.split_whitespace().map(range).collect();
    }
}

/// An address for the handler.
fn scout(dir: &Path) -> u64 {
    let _slot = Slot::take();
    let machine = Machine::start(&prepare(Start::Plain, 0, dir));
    let mut machine = machine.expect("starting the machine");
    let found = ranges(&mut machine).into_iter().find_map(|(first, size)| {
        let code = machine.read(first, size).expect("memory");
        room(&code).map(|at| first + at as u64)
    });
    found.unwrap_or_else(|| panic!("no room\n{}", machine.console()))
}

/// A boot in which the handler is called; its log, after a launch.
fn prm(start: Start) -> Option<Log> {
    let dir = tempfile::tempdir().expect("a directory");
    let handler = scout(dir.path());
    let _slot = Slot::take();
    let machine = Machine::start(&prepare(start, handler, dir.path()));
    let mut machine = machine.expect("starting the machine");
    if start != Start::Plain {
        match machine.run_to_skinit(LIMIT).expect("run") {
            Reached::Skinit => {}
            Reached::Ended(outcome) => panic!("{}", outcome.summary()),
        }
        machine.write(handler, &HANDLER).expect("handler");
        if let Err(outcome) = machine.launch() {
            panic!("{}", outcome.summary());
        }
    }
    if start == Start::Plain {
        let ranges = ranges(&mut machine);
        let inside =
            |(first, size): &(u64, usize)| (*first..*first + *size as u64).contains(&handler);
        assert!(ranges.iter().any(inside), "{handler:#x}: {ranges:x?}");
        machine.write(handler, &HANDLER).expect("handler");
        machine.type_line("there").expect("answering the guest");
    }
    let outcome = machine.wait_outcome(Duration::from_secs(120));
    let run = Run::collect(&mut machine, outcome);
    let text = format!("{}\n{}", run.outcome.summary(), run.tail());
    assert!(matches!(run.outcome, Outcome::PoweredOff), "{text}");
    let cases = cases(&run, "prm");
    let passed = cases.iter().filter(|(_, e)| *e == Case::Ok).count();
    let expected = match start {
        Start::Launch("isolate") => 5,
        _ => 2,
    };
    assert_eq!(
        (passed, cases.len()),
        (expected, expected),
        "{}",
        run.text("job.txt")
    );
    gate_is_content(start, &run);
    (start != Start::Plain).then(|| Log::parse(run.must("eventlog.bin")).expect("event log"))
}

#[test]
fn plain_boot() {
    prm(Start::Plain);
}

#[test]
fn verify() {
    prm(Start::Launch("verify,full"));
}

#[test]
fn trust() {
    prm(Start::Launch("trust"));
}

/// In user mode a handler is called once root has allowed it, which is on record.
#[test]
fn isolate() {
    let log = prm(Start::Launch("isolate")).expect("a launch");
    let texts: Vec<_> = log.events.iter().map(|event| event.label()).collect();
    let wanted = "EFI gate: PRM handler 65746167-7420-7365-7420-68616e646c65 allowed";
    assert_eq!(
        texts.iter().filter(|text| *text == wanted).count(),
        1,
        "{log}"
    );
    assert_eq!(texts.last().map(String::as_str), Some(wanted));
}
