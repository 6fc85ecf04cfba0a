// SPDX-License-Identifier: GPL-2.0

//! Machines whose firmware needs virtual addresses, which it is given in user mode.

use launch_check::log::Log;

use crate::common::{Slot, LAUNCH};
use crate::talk::{config, Guest};

/// A variable that the firmware has.
const VARIABLE: &str =
    "/sys/firmware/efi/efivars/PlatformLang-8be4df61-93ca-11d2-aa0d-00e098032b8c";

/// How often firmware got virtual addresses, and the mode on record, of a machine that says it is a ThinkPad W540.
fn machine(words: &str) -> (u64, String) {
    let mut config = config(&format!("{LAUNCH} slaunch_efi={words}"));
    let smbios = "type=1,manufacturer=LENOVO,version=ThinkPad W540";
    config.extra.extend(["-smbios".into(), smbios.into()]);
    let _slot = Slot::take();
    let mut guest = Guest::boot(&config);
    assert!(guest.must(&format!("cat {VARIABLE}")).contains("en"));
    guest.must("read A00-nothing");
    assert_eq!(guest.gate("violations"), "0");
    let calls = guest.gate("calls");
    let count = calls
        .split("SetVirtualAddressMap ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next()?.parse().ok());
    let run = guest.end();
    let log = Log::parse(run.must("eventlog.bin")).expect("event log");
    let text = log.events.iter().map(|event| event.label());
    let text = text.filter(|text| text.starts_with("EFI gate: ")).collect();
    (count.unwrap_or_else(|| panic!("{calls}")), text)
}

/// The kernel knows it; what is on record is that it was asked to.
#[test]
fn known_machine() {
    let text = "EFI gate: isolate,disable,smm=allow,svam=auto";
    assert_eq!(machine("isolate"), (1, text.into()));
}

/// Whoever knows better is obeyed.
#[test]
fn overridden() {
    let text = "EFI gate: isolate,disable,smm=allow,svam=none";
    assert_eq!(machine("isolate,svam=none"), (0, text.into()));
}
