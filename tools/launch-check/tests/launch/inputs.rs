// SPDX-License-Identifier: GPL-2.0

//! One byte of one input changes: exactly the expected events change.

use std::sync::OnceLock;

use drtm_vm::Machine;
use launch_check::bzimage;
use launch_check::log::Log;
use launch_check::verdict::{COMMAND_LINE, INITRD, KERNEL, SLB};

use crate::common::{kernel, Run, Slot, LIMIT};
use crate::hostile::snapshot;
use crate::tables::{zero_page, Slrt, ZeroPage};

/// Launches from the snapshot after `change`; the machine must work all the same.
fn launch(change: impl FnOnce(&mut Machine)) -> (Run, Log) {
    let snapshot = snapshot();
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
    BASE.get_or_init(|| launch(|_| ()))
}

/// A change must show in the events `labels` and in the PCRs `pcrs`, nowhere else.
fn shows_in(labels: &[&str], pcrs: &[u32], change: impl FnOnce(&mut Machine)) {
    let (base, base_log) = unchanged();
    let (run, log) = launch(change);
    assert_eq!(base_log.changed(&log).unwrap(), labels);
    for pcr in [17, 18] {
        let same = base.pcr("sha256", pcr) == run.pcr("sha256", pcr);
        assert_eq!(same, !pcrs.contains(&pcr), "PCR {pcr}");
    }
}

/// Flips a bit of the byte at `address`.
fn flip(machine: &mut Machine, address: u64) {
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
