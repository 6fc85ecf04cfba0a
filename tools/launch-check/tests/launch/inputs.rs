// SPDX-License-Identifier: GPL-2.0

//! One byte of one input changes: exactly the expected events change.

use std::sync::OnceLock;

use drtm_vm::{Machine, Snapshot};
use launch_check::bzimage;
use launch_check::log::Log;
use launch_check::verdict::{COMMAND_LINE, INITRD, KERNEL, SLB};

use crate::common::{kernel, Run, Slot, LIMIT};
use crate::hostile::snapshot;
use crate::tables::{zero_page, Slrt, ZeroPage};

/// Launches from `snapshot` after `change`; the machine must work all the same.
pub fn launch(snapshot: &Snapshot, change: impl FnOnce(&mut Machine)) -> (Run, Log) {
    let _slot = Slot::take();
    let mut machine = snapshot.case().expect("case from the snapshot");
    change(&mut machine);
    let outcome = match machine.launch() {
        Ok(()) => machine.wait_outcome(LIMIT),
        Err(outcome) => outcome,
    };
    let run = Run::collect(&mut machine, outcome);
    let log = run.expect_launched();
    (run, log)
}

/// The launch without any change.
fn unchanged() -> &'static (Run, Log) {
    static BASE: OnceLock<(Run, Log)> = OnceLock::new();
    BASE.get_or_init(|| launch(snapshot(), |_| ()))
}

/// The labels of the events in which two launches differ, and the PCRs.
pub fn differences(before: &(Run, Log), after: &(Run, Log)) -> (Vec<String>, Vec<u32>) {
    let labels = before.1.changed(&after.1).unwrap();
    let differs = |pcr: &u32| before.0.pcr("sha256", *pcr) != after.0.pcr("sha256", *pcr);
    (labels, [17, 18].into_iter().filter(differs).collect())
}

/// A change must show in the events `labels` and in the PCRs `pcrs`, nowhere else.
fn shows_in(labels: &[&str], pcrs: &[u32], change: impl FnOnce(&mut Machine)) {
    let changed = launch(snapshot(), change);
    let labels = labels.iter().map(|label| label.to_string()).collect();
    assert_eq!(differences(unchanged(), &changed), (labels, pcrs.to_vec()));
}

/// Flips a bit of the byte at `address`.
pub fn flip(machine: &mut Machine, address: u64) {
    let byte = machine.read(address, 1).unwrap()[0];
    machine.write(address, &[byte ^ 0x20]).unwrap();
}

/// Position of a text in `bytes`.
fn position(bytes: &[u8], text: &[u8]) -> usize {
    bytes
        .windows(text.len())
        .position(|window| window == text)
        .unwrap_or_else(|| panic!("no {:?}", String::from_utf8_lossy(text)))
}

#[test]
fn byte_of_the_loader_block() {
    shows_in(&[SLB], &[17], |machine| {
        // Reserved in its header: measured and not used. (A changed constant of the hash
        // function would make it log a wrong digest of itself, and the replay tell.)
        let block = machine.block().unwrap();
        flip(machine, block.base + 6);
    });
}

#[test]
fn byte_of_the_kernel() {
    shows_in(&[KERNEL], &[17], |machine| {
        let image = bzimage::image_as_loaded(&std::fs::read(kernel()).unwrap()).unwrap();
        let base = Slrt::read(machine).kernel();
        let at = position(&image, b"Linux version ");
        flip(machine, base + at as u64);
    });
}

#[test]
fn byte_of_the_initrd() {
    shows_in(&[INITRD], &[17], |machine| {
        let mut page = ZeroPage::of(machine);
        let base = page.split(zero_page::RAMDISK_IMAGE, zero_page::EXT_RAMDISK_IMAGE);
        // The modification time in the first header of the archive.
        flip_digit(page.machine(), base + 46);
    });
}

#[test]
fn byte_of_the_command_line() {
    shows_in(&[COMMAND_LINE], &[18], |machine| {
        let mut page = ZeroPage::of(machine);
        let base = page.split(zero_page::CMD_LINE_PTR, zero_page::EXT_CMD_LINE_PTR);
        let line = page.machine().read(base, 256).unwrap();
        // ",wait" becomes ",waiT": an option that only the stub reads.
        let at = position(&line, b",wait") + 4;
        flip(page.machine(), base + at as u64);
    });
}

#[test]
fn boot_parameter_that_matters() {
    shows_in(&["Measured boot parameters"], &[18], |machine| {
        let mut page = ZeroPage::of(machine);
        // 3: secure boot is on. It was off or unknown.
        page.set(zero_page::SECURE_BOOT, &[3]);
    });
}

#[test]
fn runtime_region() {
    shows_in(&["Measured EFI memory map"], &[18], |machine| {
        const RUNTIME_DATA: u32 = 6;
        let mut page = ZeroPage::of(machine);
        let map = page.split(zero_page::EFI_MEMMAP, zero_page::EFI_MEMMAP_HI);
        let length = page.u32(zero_page::EFI_MEMMAP_SIZE) as usize;
        let step = page.u32(zero_page::EFI_DESC_SIZE) as usize;
        let bytes = page.machine().read(map, length).unwrap();
        let at = bytes
            .chunks_exact(step)
            .position(|d| crate::tables::u32_at(d, 0) == RUNTIME_DATA)
            .expect("runtime data region");
        // Another bit among its attributes: read protection (EFI_MEMORY_RP).
        let attributes = map + (at * step) as u64 + 33;
        flip(page.machine(), attributes);
    });
}

/// Changes an octal or hexadecimal digit to another.
fn flip_digit(machine: &mut Machine, address: u64) {
    let byte = machine.read(address, 1).unwrap()[0];
    machine.write(address, &[byte ^ 1]).unwrap();
}
