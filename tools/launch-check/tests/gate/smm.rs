// SPDX-License-Identifier: GPL-2.0

//! Firmware in user mode that keeps its variables by system management mode: the other build of OVMF.

use drtm_vm::{Config, Firmware};

use crate::common::{Slot, LAUNCH};
use crate::isolate::ends_in;
use crate::talk::{config, Guest};

fn boot(words: &str) -> Guest {
    Guest::boot(&Config {
        firmware: Firmware::smm(),
        ..config(&format!("{LAUNCH} slaunch_efi={words}"))
    })
}

/// A variable that the firmware has.
const VARIABLE: &str =
    "/sys/firmware/efi/efivars/PlatformLang-8be4df61-93ca-11d2-aa0d-00e098032b8c";

/// With SMM all works, and it is left by itself if firmware wants nothing else any more.
#[test]
fn allowed() {
    let _slot = Slot::take();
    let mut guest = boot("isolate");
    assert!(guest.must(&format!("cat {VARIABLE}")).contains("en"));
    guest.must("read A00-nothing");
    assert_eq!(guest.gate("violations"), "0");
    ends_in(guest, "J11-smi-flood", &["SMM entered too often at 0x"]);
}

/// Without it the first call ends: there is no way to the variables, and the kernel does without them.
#[test]
fn denied() {
    let _slot = Slot::take();
    let mut guest = boot("isolate,smm=deny");
    let text = guest.gate("last");
    assert!(text.contains(": SMM denied at 0x"), "{text}");
    assert_eq!(guest.gate("violations"), "1");
    assert!(guest.ask(&format!("cat {VARIABLE}")).starts_with("error "));
    assert_eq!(guest.must("cpus"), "0 1");
    let state = guest.must("cat /sys/kernel/security/slaunch/state");
    let words = "efi_gate: isolate,disable,smm=deny,svam=auto / efi_services: stopped";
    assert!(state.contains(words), "{state}");
}

/// Firmware in the kernel has entered SMM, with all processors, before the second one starts.
#[test]
fn native() {
    let _slot = Slot::take();
    let mut guest = boot("trust");
    assert!(guest.must(&format!("cat {VARIABLE}")).contains("en"));
    assert_eq!(guest.must("cpus"), "0 1");
    assert_eq!(guest.gate("violations"), "0");
}
