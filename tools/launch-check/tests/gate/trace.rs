// SPDX-License-Identifier: GPL-2.0

//! At which privilege level firmware runs, as QEMU sees it, whatever the kernel says.
//!
//! QEMU writes down each block of instructions that it executes in the firmware's memory, with the registers
//! before it. It leaves out a block that follows another by a direct jump, which stays in the same privilege
//! level.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::{Path, PathBuf};

use drtm_vm::{Config, Machine, Reached};
use tempfile::TempDir;

use crate::common::{self, Slot, LAUNCH, LIMIT};
use crate::talk::Guest;

/// Where the kernel has firmware when it gives it virtual addresses
/// (Documentation/arch/x86/x86_64/mm.rst).
const WINDOW: Range<u64> = 0xffff_ffef_0000_0000..0xffff_ffff_0000_0000;

/// What QEMU looks at: that window, and memory above all programs that are linked to a place below.
const FILTER: &str = "0x2000000..0x1fffffff,0xffffffef00000000..0xfffffffeffffffff";

/// QEMU's arguments for that; they cost nothing until it looks.
pub fn filter() -> [String; 2] {
    ["-dfilter".into(), FILTER.into()]
}

/// A variable that the firmware has.
const VARIABLE: &str =
    "/sys/firmware/efi/efivars/PlatformLang-8be4df61-93ca-11d2-aa0d-00e098032b8c";

/// Blocks of firmware's code that were executed.
#[derive(Debug, Default)]
pub struct Blocks {
    /// In user mode.
    pub user: usize,
    /// At privilege level 0, by address; the first few.
    kernel: Vec<u64>,
    /// How many these are.
    pub kernel_count: usize,
}

/// Reads QEMU's log: for each block a line with its address, then the registers.
fn blocks(log: &Path, code: &[Range<u64>]) -> Blocks {
    let mut blocks = Blocks::default();
    let mut at = None;
    for line in BufReader::new(File::open(log).expect("QEMU's log")).split(b'\n') {
        let line = line.expect("QEMU's log");
        let line = String::from_utf8_lossy(&line);
        if let Some(rest) = line.strip_prefix("Trace ") {
            let address = rest.split('/').nth(1).expect("an address");
            at = Some(u64::from_str_radix(address, 16).expect("an address"));
        } else if let Some((_, rest)) = line.split_once(" CPL=") {
            let Some(at) = at.take() else { continue };
            if !code.iter().any(|range| range.contains(&at)) {
                continue;
            }
            match rest.as_bytes()[0] {
                b'3' => blocks.user += 1,
                _ => {
                    blocks.kernel_count += 1;
                    blocks.kernel.push(at);
                    blocks.kernel.truncate(8);
                }
            }
        }
    }
    blocks
}

/// Where firmware's code is, as the kernel was told before the launch.
pub fn code(guest: &mut Guest) -> Vec<Range<u64>> {
    let regions = guest.gate("regions");
    let mut code = vec![WINDOW];
    for region in regions.split(" / ") {
        let words: Vec<_> = region.split(' ').collect();
        if words[0] == "code" {
            let digits = words[1].strip_prefix("0x").expect("an address");
            let base = u64::from_str_radix(digits, 16).expect("an address");
            let pages: u64 = words[2].parse().expect("pages");
            code.push(base..base + pages * 4096);
        }
    }
    assert!(code.len() > 1, "{regions}");
    code
}

/// QEMU, writing down what is executed.
pub struct Watch {
    dir: TempDir,
}

impl Watch {
    /// Begins.
    pub fn begin(machine: &mut Machine) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let watch = Self { dir };
        let qmp = &mut machine.qemu().qmp;
        for command in [
            format!("logfile {}", watch.log().display()),
            "log exec,cpu".into(),
        ] {
            let said = qmp.monitor(&command).expect("QEMU's monitor");
            assert_eq!(said, "", "{command}");
        }
        watch
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("exec.log")
    }

    /// Ends; what was executed of firmware's `code`.
    pub fn end(self, machine: &mut Machine, code: &[Range<u64>]) -> Blocks {
        let qmp = &mut machine.qemu().qmp;
        qmp.monitor("log none").expect("QEMU's monitor");
        blocks(&self.log(), code)
    }
}

/// The blocks of firmware's code from the launch to the end of some use of it.
fn executed(mode: &str) -> Blocks {
    let config = Config {
        append: format!("{LAUNCH} slaunch_efi={mode} quiet talk=1"),
        extra: filter().into(),
        ..common::config()
    };
    let _slot = Slot::take();
    let mut machine = Machine::start(&config).expect("starting the machine");
    match machine.run_to_skinit(LIMIT).expect("the launch") {
        Reached::Skinit => {}
        Reached::Ended(outcome) => panic!("{}", outcome.summary()),
    }
    let watch = Watch::begin(&mut machine);
    if let Err(outcome) = machine.launch() {
        panic!("{}", outcome.summary());
    }
    // Mounting the file system has read the names of all variables.
    let mut guest = Guest::launched(machine);
    guest.must(&format!("cat {VARIABLE}"));
    // This firmware has no use for a variable that is not kept, but is asked.
    assert!(guest.ask("write trace 00").starts_with("error "));
    let code = code(&mut guest);
    let blocks = watch.end(&mut guest.machine, &code);
    println!("{mode}: {blocks:x?}");
    blocks
}

fn none_at_level_0(mode: &str) {
    let blocks = executed(mode);
    assert!(blocks.user > 1000, "{blocks:x?}");
    assert_eq!(blocks.kernel_count, 0, "{blocks:x?}");
}

#[test]
fn no_firmware_at_level_0() {
    none_at_level_0("isolate");
}

/// Nor when it relocates itself.
#[test]
fn no_relocation_at_level_0() {
    none_at_level_0("isolate,svam=identity");
}

/// The same look at firmware that is trusted finds it there.
#[test]
fn the_look_itself() {
    let blocks = executed("trust");
    assert!(blocks.kernel_count > 1000, "{blocks:x?}");
    assert_eq!(blocks.user, 0, "{blocks:x?}");
}
