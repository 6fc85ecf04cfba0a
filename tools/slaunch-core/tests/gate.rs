// SPDX-License-Identifier: GPL-2.0

//! The settings of the gate around EFI runtime services: option, number, text.

use proptest::collection::vec;
use proptest::prelude::*;
use slaunch_core::gate::{Depth, Gate, Mode, Policy};

#[path = "common/gates.rs"]
mod gates;
use gates::all;

fn text(gate: Gate) -> String {
    String::from_utf8(gate.text().as_bytes().to_vec()).unwrap()
}

const OFF: Gate = Gate::new(Mode::Off);

#[test]
fn settings_survive_number_option_and_text() {
    for gate in all() {
        assert_eq!(Gate::from_bits(gate.to_bits()), Some(gate));
        let words = gate.words_of().collect::<Vec<_>>().join(",");
        assert_eq!(Gate::parse(words.as_bytes()), gate);
        assert_eq!(text(gate), format!("EFI gate: {words}"));
    }
    let mut bits: Vec<_> = all().into_iter().map(Gate::to_bits).collect();
    bits.sort_unstable();
    bits.dedup();
    assert_eq!(bits.len(), all().len());
    assert_eq!(text(Gate::new(Mode::Verify)), "EFI gate: verify,panic,full");
    assert_eq!(text(OFF), "EFI gate: off,panic,full");
    assert_eq!(
        text(Gate::new(Mode::Isolate)),
        "EFI gate: isolate,disable,smm=allow,svam=auto"
    );
}

/// What was handed over before there was the mode `isolate` means the same.
#[test]
fn numbers_of_other_modes_stay() {
    assert_eq!(Gate::new(Mode::Verify).to_bits(), 0x8002_0000);
    let trust = Gate::parse(b"trust,disable,fast");
    assert_eq!(trust.to_bits(), 0x8003_0101);
    assert_eq!(Gate::from_bits(0x8002_0002), None);
    assert_eq!(Gate::from_bits(0x8001_0106), None);
    assert_eq!(Gate::from_bits(0x8001_0200), None);
    assert_eq!(Gate::from_bits(0x8004_0000), None);
}

#[test]
fn words_of_isolate() {
    let parse = |value: &str| text(Gate::parse(value.as_bytes()));
    for (value, words) in [
        ("isolate", "isolate,disable,smm=allow,svam=auto"),
        ("isolate,svam=none", "isolate,disable,smm=allow,svam=none"),
        ("isolate,panic", "isolate,panic,smm=allow,svam=auto"),
        ("isolate,smm=deny", "isolate,disable,smm=deny,svam=auto"),
        (
            "isolate,svam=identity,disable,smm=allow",
            "isolate,disable,smm=allow,svam=identity",
        ),
    ] {
        assert_eq!(parse(value), format!("EFI gate: {words}"));
    }
    for wrong in [
        "isolate,full",
        "isolate,fast",
        "isolate,smm",
        "isolate,smm=",
        "isolate,smm=maybe",
        "isolate,smm=allow,smm=allow",
        "isolate,smm=allow,smm=deny",
        "isolate,svam=none,svam=identity",
        "isolate,svam=auto,svam=auto",
        "isolate,svam=virtual",
        "isolate,svam=none ",
        "verify,smm=allow",
        "verify,svam=none",
        "trust,smm=deny",
        "off,svam=none",
    ] {
        assert_eq!(parse(wrong), text(OFF), "{wrong:?}");
    }
}

#[test]
fn words() {
    let fast = Gate {
        depth: Depth::Fast,
        ..Gate::new(Mode::Verify)
    };
    let disable = Gate {
        policy: Policy::Disable,
        ..fast
    };
    let parse = |value: &str| Gate::parse(value.as_bytes());
    assert_eq!(parse("trust"), Gate::new(Mode::Trust));
    assert_eq!(parse("verify,fast"), fast);
    assert_eq!(parse("verify,fast,disable"), disable);
    assert_eq!(parse("verify,disable,fast"), disable);
    for wrong in [
        "",
        ",",
        "verify,",
        ",verify",
        "Verify",
        "verify ",
        "fast",
        "fast,verify",
        "verify,verify",
        "verify,trust",
        "trust,slow",
        "verify,panic,disable",
        "verify,disable,disable",
        "trust,full,fast",
        "\"verify\"",
        "verify\0",
        "isolated",
    ] {
        assert_eq!(parse(wrong), OFF, "{wrong:?}");
    }
}

#[test]
fn the_option_in_the_command_line() {
    let find = |line: &str, default| Gate::from_cmdline(line.as_bytes(), default);
    let trust = Gate::new(Mode::Trust);
    for default in Mode::ALL {
        for none in [
            "",
            " ",
            "quiet slaunch=on",
            "xslaunch_efi=trust",
            "slaunch_efix=trust",
            "slaunch.efi=trust",
            "slaunch_ef",
            "slaunch_efi.x",
            "init=/slaunch_efi=trust",
            "-- slaunch_efi=trust",
            "quiet\t--\tslaunch_efi=trust",
        ] {
            assert_eq!(find(none, default), Gate::new(default), "{none:?}");
        }
        for given in [
            "slaunch_efi=trust",
            "slaunch-efi=trust",
            "  slaunch_efi=trust  ",
            "a\tslaunch_efi=trust\nb",
            "slaunch_efi=off slaunch_efi=trust",
            "slaunch_efi=nonsense slaunch_efi=trust,panic",
            "slaunch_efi=trust -- slaunch_efi=off",
            "slaunch_efi=trust --x",
        ] {
            assert_eq!(find(given, default), trust, "{given:?}");
        }
        for malformed in [
            "slaunch_efi",
            "slaunch_efi=",
            "slaunch_efi=trust slaunch_efi=",
            "slaunch_efi=trust slaunch_efi",
            "slaunch_efi=\"trust\"",
            "\"slaunch_efi=trust\"",
            "slaunch_efi=trust, full",
        ] {
            assert_eq!(find(malformed, default), OFF, "{malformed:?}");
        }
    }
}

/// Values with many words that are right, and some that are not.
fn value() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("off".to_owned()),
        Just("isolate".to_owned()),
        Just("verify".to_owned()),
        Just("trust".to_owned()),
        Just("panic".to_owned()),
        Just("disable".to_owned()),
        Just("full".to_owned()),
        Just("fast".to_owned()),
        Just("smm=deny".to_owned()),
        Just("smm=allow".to_owned()),
        Just("svam=auto".to_owned()),
        Just("svam=none".to_owned()),
        Just("svam=identity".to_owned()),
        Just(String::new()),
        "[a-z]{1,6}",
    ];
    vec(word, 0..5).prop_map(|words| words.join(","))
}

/// Words of a command line that are not the option.
fn other() -> impl Strategy<Value = String> {
    "[a-z][a-z_=.]{0,12}".prop_filter("the option", |word| !word.starts_with("slaunch_efi"))
}

proptest! {
    #[test]
    fn a_value_is_what_its_words_say_or_off(value in value()) {
        let mut words: Vec<&str> = value.split(',').collect();
        let first = words.remove(0);
        let mut sorted = words.clone();
        sorted.sort_unstable();
        let meant = all().into_iter().find(|gate| {
            let of: Vec<_> = gate.words_of().collect();
            let default: Vec<_> = Gate::new(gate.mode).words_of().collect();
            let mode = of[0];
            // Whatever subset of the words is given, the rest being the default.
            let mut given: Vec<_> = of[1..]
                .iter()
                .copied()
                .filter(|word| sorted.contains(word) || !default.contains(word))
                .collect();
            given.sort_unstable();
            first == mode && given == sorted
        });
        prop_assert_eq!(Gate::parse(value.as_bytes()), meant.unwrap_or(OFF));
    }

    #[test]
    fn the_last_option_counts(
        before in vec(other(), 0..4), values in vec(value(), 0..4), after in vec(other(), 0..4),
        default in 0usize..4,
    ) {
        let default = Mode::ALL[default];
        let options = values.iter().map(|value| format!("slaunch_efi={value}"));
        let line: Vec<_> = before.into_iter().chain(options).chain(after).collect();
        let expected = values
            .last()
            .map_or(Gate::new(default), |value| Gate::parse(value.as_bytes()));
        prop_assert_eq!(Gate::from_cmdline(line.join(" ").as_bytes(), default), expected);
    }

    #[test]
    fn any_bytes_are_some_settings(line in vec(any::<u8>(), 0..200), bits in any::<u32>()) {
        let gate = Gate::from_cmdline(&line, Mode::Verify);
        prop_assert!(all().contains(&gate));
        if let Some(gate) = Gate::from_bits(bits) {
            prop_assert_eq!(gate.to_bits(), bits);
        }
    }

    #[test]
    fn numbers_near_good_ones(index in 0usize..20, bit in 0u32..32) {
        let bits = all()[index].to_bits() ^ (1 << bit);
        if let Some(gate) = Gate::from_bits(bits) {
            prop_assert_eq!(gate.to_bits(), bits);
        }
    }
}
