// SPDX-License-Identifier: GPL-2.0

//! TXT.ERRORCODE as `slaunch status` reads it on an Intel processor, of a window in the place of the registers.

use std::fs::File;
use std::os::unix::fs::FileExt;

use drtm_vm::qemu::hidden;
use drtm_vm::{Config, Machine, Outcome, TpmInterface};

use crate::common::{built, Run, Slot};
use crate::machine::{cases, config, share, Ended, Kernel};

/// Private and public window, 64 KiB each.
const WINDOWS: u32 = 0xfed2_0000;
const SIZE: u64 = 0x2_0000;
const PUBLIC: u64 = 0x1_0000;
/// Function 1 of a slot that is empty otherwise.
const SLOT: (u32, u32) = (0x1d, 1);

#[test]
fn errorcode() {
    let registers = tempfile::NamedTempFile::new().expect("a file");
    let file: &File = registers.as_file();
    file.set_len(SIZE).expect("its size");
    // SINIT: it was revoked. Vendor and device of a chipset.
    let put = |register: u64, value: u32| {
        let at = PUBLIC + register;
        file.write_all_at(&value.to_le_bytes(), at).expect("write");
    };
    put(0x30, 0xc000_2411);
    put(0x110, 0xb001_8086);

    let job = config(Kernel::C, TpmInterface::Tis, "txt");
    let config = Config {
        cpu: job.cpu.replace("+skinit", "vendor=GenuineIntel,+smx"),
        // Reading through /dev/mem ends where RAM does: some of it is above 4 GiB.
        memory_mib: 3072,
        extra: [
            job.extra.clone(),
            hidden("txt", SIZE, registers.path(), SLOT).into(),
            share("tool", &built("bin")).into(),
        ]
        .concat(),
        ..job
    };
    let _slot = Slot::take();
    let mut machine = Machine::start(&config).expect("starting the machine");
    machine.map_hidden(SLOT, WINDOWS).expect("the window");
    let outcome = machine.run();
    let run = Run::collect(&mut machine, outcome);
    let text = format!("{}\n{}", run.outcome.summary(), run.tail());
    assert!(matches!(run.outcome, Outcome::PoweredOff), "{text}");
    let all = ["status", "json", "locked_down"].map(|name| (name.to_owned(), Ended::Ok));
    assert_eq!(cases(&run, "txt"), all, "{}", run.text("job.txt"));
}
