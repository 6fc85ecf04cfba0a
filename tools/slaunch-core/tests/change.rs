// SPDX-License-Identifier: GPL-2.0

//! Changing the settings of the gate at run time.

use slaunch_core::change::Change;
use slaunch_core::gate::{Depth, Gate, Mode, Policy, Smm};

#[path = "common/gates.rs"]
mod gates;
use gates::all;

fn gate(mode: Mode, policy: Policy, depth: Depth) -> Gate {
    Gate {
        mode,
        policy,
        depth,
        ..Gate::new(mode)
    }
}

#[test]
fn what_is_not_said_stays() {
    let present = gate(Mode::Verify, Policy::Disable, Depth::Fast);
    let with = |request: &str| present.with(request.as_bytes());
    let trust = gate(Mode::Trust, Policy::Disable, Depth::Fast);
    assert_eq!(with("verify"), Some(present));
    assert_eq!(with("trust"), Some(trust));
    let panic = Gate {
        policy: Policy::Panic,
        ..trust
    };
    assert_eq!(with("trust,panic"), Some(panic));
    let full = gate(Mode::Trust, Policy::Panic, Depth::Full);
    assert_eq!(with("trust,full,panic"), Some(full));
    assert_eq!(with("off").map(|gate| gate.mode), Some(Mode::Off));
}

#[test]
fn garbage() {
    let present = Gate::new(Mode::Verify);
    for request in [
        "",
        ",",
        "Trust",
        "trust ",
        " trust",
        "trust\n",
        "trust\0",
        "trust,",
        "trust,,full",
        "trust,disable,panic",
        "trust,full,full",
        "trust,verify",
        "panic",
        "disable,trust",
        "isolate,fast",
        "verify,smm=allow",
        "0",
    ] {
        assert_eq!(present.with(request.as_bytes()), None, "{request:?}");
    }
}

#[test]
fn the_ways_that_there_are() {
    let (verify, trust) = (Gate::new(Mode::Verify), Gate::new(Mode::Trust));
    assert_eq!(verify.change_to(trust), Change::Relax(trust));
    assert_eq!(trust.change_to(verify), Change::Back);
    let disable = gate(Mode::Verify, Policy::Disable, Depth::Full);
    let fast = gate(Mode::Verify, Policy::Panic, Depth::Fast);
    assert_eq!(verify.change_to(disable), Change::Relax(disable));
    assert_eq!(verify.change_to(fast), Change::Relax(fast));
    assert_eq!(disable.change_to(verify), Change::Back);
    assert_eq!(fast.change_to(verify), Change::Back);
    // One thing better does not make up for another that is worse.
    assert_eq!(fast.change_to(disable), Change::Back);
    assert_eq!(fast.change_to(trust), Change::Back);
}

/// Firmware that was in user mode stays there; what it may do can only become more.
#[test]
fn isolate() {
    let isolate = Gate::new(Mode::Isolate);
    let deny = Gate {
        smm: Smm::Deny,
        ..isolate
    };
    assert_eq!(isolate.with(b"isolate,smm=deny"), Some(deny));
    assert_eq!(deny.with(b"isolate"), Some(deny));
    let allowed = deny.with(b"isolate,smm=allow").unwrap();
    assert_eq!(deny.change_to(allowed), Change::Relax(isolate));
    assert_eq!(isolate.change_to(deny), Change::Back);
    let identity = isolate.with(b"isolate,svam=identity").unwrap();
    assert_eq!(isolate.change_to(identity), Change::Back);
    assert_eq!(identity.change_to(isolate), Change::Back);
    let panic = isolate.with(b"isolate,panic").unwrap();
    assert_eq!(isolate.change_to(panic), Change::Back);
    assert_eq!(panic.change_to(isolate), Change::Relax(isolate));
    for other in [Mode::Verify, Mode::Trust] {
        for policy in [Policy::Panic, Policy::Disable] {
            let native = gate(other, policy, Depth::Full);
            assert_eq!(isolate.change_to(native), Change::Back);
            assert_eq!(native.change_to(isolate), Change::Back);
        }
    }
    // Nothing is left of what the other mode does not have.
    let fast = gate(Mode::Verify, Policy::Disable, Depth::Fast);
    assert_eq!(fast.with(b"isolate"), Some(isolate));
    let identity = Gate::parse(b"isolate,smm=deny,svam=identity");
    let verify = gate(Mode::Verify, Policy::Disable, Depth::Full);
    assert_eq!(identity.with(b"verify"), Some(verify));
}

/// From off there is no way, to it there is one from everywhere.
#[test]
fn off() {
    let off = Gate::new(Mode::Off);
    for from in all() {
        match from.mode {
            Mode::Off => assert_eq!(from.change_to(off), Change::Nothing),
            _ => {
                let to = gate(Mode::Off, from.policy, from.depth);
                assert_eq!(from.change_to(off), Change::Stop(to));
            }
        }
        if from.mode != Mode::Off {
            assert_eq!(off.change_to(from), Change::Back);
        }
    }
}

/// Whatever the steps are, none leads back to where somebody has been.
#[test]
fn never_back() {
    for from in all() {
        assert_eq!(from.change_to(from), Change::Nothing);
        for to in all() {
            let Change::Relax(new) = from.change_to(to) else {
                continue;
            };
            assert_eq!(new, to);
            for next in all() {
                match to.change_to(next) {
                    Change::Nothing => assert_eq!(next, to),
                    Change::Stop(gate) => assert_eq!(gate.mode, Mode::Off),
                    Change::Relax(last) => {
                        assert_ne!(last, from);
                        assert_eq!(from.change_to(last), Change::Relax(last));
                    }
                    Change::Back => {}
                }
            }
            assert_eq!(to.change_to(from), Change::Back);
        }
    }
}

#[test]
fn said() {
    let said = |gate: Gate| gate.said().collect::<Vec<_>>().join(",");
    assert_eq!(said(Gate::new(Mode::Off)), "off");
    assert_eq!(said(Gate::new(Mode::Verify)), "verify,panic,full");
    let trust = gate(Mode::Trust, Policy::Disable, Depth::Fast);
    assert_eq!(said(trust), "trust,disable,fast");
    let isolate = Gate::new(Mode::Isolate);
    assert_eq!(said(isolate), "isolate,disable,smm=allow,svam=auto");
}
