// SPDX-License-Identifier: GPL-2.0

//! The settings of the gate around EFI runtime services: option, number, text.

use proptest::collection::vec;
use proptest::prelude::*;
use slaunch_core::gate::{Depth, Gate, Mode, Policy};

fn all() -> Vec<Gate> {
    let mut all = Vec::new();
    for mode in Mode::ALL {
        for policy in [Policy::Panic, Policy::Disable] {
            for depth in [Depth::Full, Depth::Fast] {
                all.push(Gate {
                    mode,
                    policy,
                    depth,
                });
            }
        }
    }
    all
}

fn text(gate: Gate) -> String {
    String::from_utf8(gate.text().as_bytes().to_vec()).unwrap()
}

const OFF: Gate = Gate::new(Mode::Off);

#[test]
fn settings_survive_number_option_and_text() {
    for gate in all() {
        assert_eq!(Gate::from_bits(gate.to_bits()), Some(gate));
        let words = gate.words_of().join(",");
        assert_eq!(Gate::parse(words.as_bytes()), gate);
        assert_eq!(text(gate), format!("EFI gate: {words}"));
    }
    let mut bits: Vec<_> = all().into_iter().map(Gate::to_bits).collect();
    bits.sort_unstable();
    bits.dedup();
    assert_eq!(bits.len(), all().len());
    assert_eq!(text(Gate::new(Mode::Verify)), "EFI gate: verify,panic,full");
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
        "isolate",
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
        Just("verify".to_owned()),
        Just("trust".to_owned()),
        Just("panic".to_owned()),
        Just("disable".to_owned()),
        Just("full".to_owned()),
        Just("fast".to_owned()),
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
            let [mode, policy, depth] = gate.words_of();
            // Whatever subset of the two words is given, the rest being the default.
            let mut given = Vec::new();
            if sorted.contains(&policy) || policy != "panic" { given.push(policy) }
            if sorted.contains(&depth) || depth != "full" { given.push(depth) }
            given.sort_unstable();
            first == mode && given == sorted
        });
        prop_assert_eq!(Gate::parse(value.as_bytes()), meant.unwrap_or(OFF));
    }

    #[test]
    fn the_last_option_counts(
        before in vec(other(), 0..4), values in vec(value(), 0..4), after in vec(other(), 0..4),
        default in 0usize..3,
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
    fn numbers_near_good_ones(index in 0usize..12, bit in 0u32..32) {
        let bits = all()[index].to_bits() ^ (1 << bit);
        if let Some(gate) = Gate::from_bits(bits) {
            prop_assert_eq!(gate.to_bits(), bits);
        }
    }
}
