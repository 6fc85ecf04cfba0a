// SPDX-License-Identifier: GPL-2.0

//! The parts of the EFI stub's side that need no firmware: its option, and the numbers of its reasons.

#![allow(dead_code, missing_docs)]

#[path = "../../../arch/x86/slaunch/stub/options.rs"]
mod options;
#[path = "../../../arch/x86/slaunch/stub/reason.rs"]
mod reason;

use options::{Mode, Options};
use reason::Reason;

const HEADER: &str = include_str!("../../../include/uapi/linux/slaunch.h");

fn parse(value: &str) -> Option<(Mode, bool)> {
    Options::parse(value.as_bytes()).map(|options| (options.mode, options.wait))
}

#[test]
fn known_words() {
    assert!(parse("off") == Some((Mode::Off, false)));
    assert!(parse("on") == Some((Mode::On, false)));
    assert!(parse("require") == Some((Mode::Require, false)));
    assert!(parse("on,wait") == Some((Mode::On, true)));
    assert!(parse("require,wait") == Some((Mode::Require, true)));
    assert!(parse("on,wait,wait") == Some((Mode::On, true)));
}

#[test]
fn a_spelling_mistake_is_not_half_an_option() {
    for value in [
        "",
        ",",
        "On",
        "on,",
        "on,,wait",
        "on wait",
        "on,wait,",
        "wait",
        "wait,on",
        "required",
        "o",
        "onn",
        "on,Wait",
        "off,waits",
        "1",
        "\0",
    ] {
        assert!(parse(value).is_none(), "{value:?}");
    }
    assert!(parse(&"on,".repeat(30)).is_none());
}

/// The number of a reason in the header.
fn number(name: &str) -> Option<u32> {
    HEADER.lines().find_map(|line| {
        let mut words = line
            .strip_prefix("#define SLAUNCH_REASON_")?
            .split_whitespace();
        (words.next()? == name).then(|| words.next()?.parse().ok())?
    })
}

#[test]
fn reasons_have_the_numbers_of_the_header() {
    let reasons = [
        (Reason::Option, "OPTION"),
        (Reason::MixedMode, "MIXED_MODE"),
        (Reason::Guest, "GUEST"),
        (Reason::Vendor, "VENDOR"),
        (Reason::NoSvm, "NO_SVM"),
        (Reason::NoSkinit, "NO_SKINIT"),
        (Reason::SvmDisabled, "SVM_DISABLED"),
        (Reason::NotBsp, "NOT_BSP"),
        (Reason::NoApic, "NO_APIC"),
        (Reason::MemEncrypt, "MEM_ENCRYPT"),
        (Reason::NoTpm, "NO_TPM"),
        (Reason::TpmInterface, "TPM_INTERFACE"),
        (Reason::TpmBanks, "TPM_BANKS"),
        (Reason::Memory, "MEMORY"),
        (Reason::Slb, "SLB"),
        (Reason::MleHeader, "MLE_HEADER"),
        (Reason::Tables, "TABLES"),
    ];
    for (reason, name) in reasons {
        assert_eq!(number(name), Some(reason as u32), "{name}");
        assert!(!reason.text().is_empty());
    }
    assert_eq!(number("NONE"), Some(0));
    // The one that only the kernel can give.
    assert_eq!(number("NOT_EFI"), Some(1 + reasons.len() as u32));
}
