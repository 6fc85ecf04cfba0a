// SPDX-License-Identifier: GPL-2.0

//! `slaunch verify`: quotes of a TPM that went through a launch, by tpm2-tools, good ones and bad ones; and what
//! tpm2-tools say to the same.

use launch_data::log::{Event as Logged, Log};
use serde_json::{json, Value};
use slaunch::policy::Policy;
use slaunch::verify::{verify, Evidence, Key};
use tpm_core::EV_CAP_VALUE;

use crate::common::slaunch;
use crate::lab::{changed, lab, quote, rebuilt, Case, BOTH, KEYS, NONCE};

#[test]
fn good_quotes() {
    let lab = lab();
    for (name, _, hash) in KEYS {
        let case = Case::new(name);
        let verdict = case.good(&lab.tpm);
        assert_eq!(verdict["matched"], "good");
        assert_eq!(verdict["quote"]["nonce"], NONCE);
        let key = format!("{name}.tss");
        Case {
            key,
            ..case.clone()
        }
        .good(&lab.tpm);
        assert!(
            case.checkquote(&lab.tpm, hash, &format!("{name}.pcrs")),
            "{name}"
        );
    }
    // Without a nonce it is good, and said that it may be old.
    let case = Case {
        nonce: None,
        ..Case::new("p256")
    };
    let checks = case.good(&lab.tpm)["checks"].to_string();
    assert!(
        checks.contains("not made") && checks.contains("no --nonce"),
        "{checks}"
    );
    // More PCRs than the log speaks of: with their values.
    quote(&lab.tpm, "more", "p256", "sha256", "sha256:0,7,17,18,19");
    let pcrs = lab.tpm.tool("tpm2_pcrread sha256:0,7,17,18,19");
    lab.tpm.file("more.values", pcrs.as_bytes());
    let more = Case {
        key: "p256.pem".into(),
        pcrs: Some("more.values".into()),
        ..Case::new("more")
    };
    more.good(&lab.tpm);
    let without = Case {
        pcrs: None,
        ..more.clone()
    };
    without.bad(&lab.tpm, &["pcr-digest"], "PCR 0 of bank sha256");
    // The policy may ask for them, and judges by the values of the quote.
    let value = pcrs
        .lines()
        .find_map(|line| line.trim().strip_prefix("7 : 0x"));
    let value = value.unwrap().to_lowercase();
    let mut policy = lab.policy.clone();
    policy["accept"][0]["pcrs"]["sha256"]["7"] = json!(value);
    policy["accept"][0]["pcrs"]["sha256"]["19"] = json!("00".repeat(32));
    policy["accept"][0]["pcrs"]
        .as_object_mut()
        .unwrap()
        .remove("sha1");
    lab.tpm.file("more.policy", policy.to_string().as_bytes());
    let asked = Case {
        policy: "more.policy".into(),
        ..more.clone()
    };
    asked.good(&lab.tpm);
    policy["accept"][0]["pcrs"]["sha256"]["7"] = json!("11".repeat(32));
    lab.tpm.file("more.policy", policy.to_string().as_bytes());
    asked.bad(&lab.tpm, &["policy"], "PCR 7 (sha256): it is");
    // Values that are not those of the TPM.
    let other = pcrs.replacen("0x0", "0x1", 1);
    lab.tpm.file("other.values", other.as_bytes());
    let pcrs = Some("other.values".into());
    Case { pcrs, ..more }.bad(&lab.tpm, &["pcr-digest"], "not what the log");
}

#[test]
fn bad_quotes() {
    let lab = lab();
    let tpm = &lab.tpm;
    let good = Case::new("rsassa");
    let quote_of = |change: fn(&mut Vec<u8>)| Case {
        quote: changed(tpm, "rsassa.msg", change),
        ..good.clone()
    };
    let unreadable = ["quote", "signature"];
    let case = quote_of(|bytes| bytes[0] ^= 1);
    case.bad(tpm, &unreadable, "TPM_GENERATED_VALUE");
    let case = quote_of(|bytes| bytes[5] = 0x17);
    case.bad(tpm, &unreadable, "0x8017");
    let case = quote_of(|bytes| bytes.truncate(50));
    case.bad(tpm, &unreadable, "ends early");
    let case = quote_of(|bytes| bytes.push(0));
    case.bad(tpm, &unreadable, "1 bytes follow");
    // A changed clock: only the signature tells.
    let case = quote_of(|bytes| {
        let at = bytes.len() - 70;
        bytes[at] ^= 1;
    });
    assert!(case.verdict(tpm, 1)["failed"]
        .to_string()
        .contains("signature"));
    assert!(!case.checkquote(tpm, "sha256", "rsassa.pcrs"));
    // The digest of other values.
    let case = quote_of(|bytes| *bytes.last_mut().unwrap() ^= 1);
    case.bad(
        tpm,
        &["signature", "pcr-digest"],
        "not that of the RSA 2048 key",
    );
    assert!(!case.checkquote(tpm, "sha256", "rsassa.pcrs"));

    let nonce = Some("ff".repeat(16));
    let case = Case {
        nonce,
        ..good.clone()
    };
    case.bad(tpm, &["nonce"], "asked with ffff");
    assert!(!case.checkquote(tpm, "sha256", "rsassa.pcrs"));
    // An empty one is not none.
    let nonce = Some(String::new());
    Case {
        nonce,
        ..good.clone()
    }
    .bad(tpm, &["nonce"], "asked with");
}

#[test]
fn bad_signatures_and_keys() {
    let lab = lab();
    let tpm = &lab.tpm;
    for (name, _, hash) in KEYS {
        let case = Case {
            signature: changed(tpm, &format!("{name}.sig"), |bytes| {
                *bytes.last_mut().unwrap() ^= 1;
            }),
            ..Case::new(name)
        };
        case.bad(tpm, &["signature"], "not that of the");
        assert!(
            !case.checkquote(tpm, hash, &format!("{name}.pcrs")),
            "{name}"
        );
    }
    let good = Case::new("rsassa");
    let signature_of = |change: fn(&mut Vec<u8>)| Case {
        signature: changed(tpm, "rsassa.sig", change),
        ..good.clone()
    };
    let bad = |case: Case, words| case.bad(tpm, &["signature"], words);
    bad(signature_of(|bytes| bytes.truncate(90)), "ends early");
    bad(signature_of(|bytes| bytes.push(0)), "follow");
    bad(signature_of(|bytes| bytes[3] = 4), "SHA-1");
    bad(signature_of(|bytes| bytes[1] = 5), "scheme 0x0005");
    // Another scheme's padding; with the TPM's form of the key its one scheme is known.
    bad(signature_of(|bytes| bytes[1] = 0x16), "not that of the");
    let key = "rsassa.tss".to_owned();
    let case = signature_of(|bytes| bytes[1] = 0x16);
    bad(Case { key, ..case }, "scheme 0x0014 only");
    let with = |key: &str| Case {
        key: key.into(),
        ..good.clone()
    };
    bad(with("rsa512.pem"), "not that of the RSA 2048 key");
    assert!(!with("rsa512.pem").checkquote(tpm, "sha256", "rsassa.pcrs"));
    bad(with("p256.pem"), "the key is ECC P-256");
    let other = Case {
        key: "p384.pem".into(),
        ..Case::new("p256")
    };
    bad(other, "not that of the ECC P-384 key");
    let zero = Case {
        signature: changed(tpm, "p256.sig", |bytes| bytes[6..38].fill(0)),
        ..Case::new("p256")
    };
    bad(zero, "out of range");
    // A key that signs anything.
    quote(tpm, "loose", "loose", "sha256", BOTH);
    let loose = Case {
        key: "loose.tss".into(),
        ..Case::new("loose")
    };
    loose.bad(tpm, &["key"], "not restricted");
}

#[test]
fn bad_selections() {
    let lab = lab();
    let tpm = &lab.tpm;
    let with = |name: &str, pcrs: &str| {
        quote(tpm, name, "p256", "sha256", pcrs);
        Case {
            key: "p256.pem".into(),
            ..Case::new(name)
        }
    };
    with("only17", "sha256:17").bad(tpm, &["selection"], "needs PCR 17, 18");
    with("apart", "sha1:18+sha256:17").bad(tpm, &["selection"], "does not cover");
    // A bank that is weaker than the one the policy has.
    let sha1 = with("sha1", "sha1:17,18");
    sha1.bad(tpm, &["selection"], "in a bank of sha256");
    with("one", "sha256:17,18").good(tpm);
    // Unless it has no other.
    let mut policy = lab.policy.clone();
    let accept = &mut policy["accept"][0];
    accept["pcrs"].as_object_mut().unwrap().remove("sha256");
    accept.as_object_mut().unwrap().remove("events");
    tpm.file("sha1.policy", policy.to_string().as_bytes());
    let policy = "sha1.policy".to_owned();
    Case { policy, ..sha1 }.good(tpm);
}

#[test]
fn bad_logs() {
    let lab = lab();
    let tpm = &lab.tpm;
    let with = |bytes: &[u8]| Case {
        log: {
            tpm.file("log.changed", bytes);
            "log.changed".into()
        },
        ..Case::new("p256")
    };
    let events = |change: fn(&mut Vec<Logged>)| with(&rebuilt(&lab.log, change));
    events(|_| ()).good(tpm);
    let both = ["pcr-digest", "policy"];
    let case = events(|events| events[1].digests[1].1[0] ^= 1);
    case.bad(tpm, &both, "not what the log replays to");
    let case = events(|events| {
        events.remove(3);
    });
    case.bad(tpm, &both, "not what the log replays to");
    let case = events(|events| events.swap(3, 4));
    case.bad(tpm, &both, "not what the log replays to");
    let case = events(|events| {
        let more = events[1].clone();
        events.push(more);
    });
    case.bad(tpm, &both, "not what the log replays to");
    // With the TPM's values it can be told where they part.
    let pcrs = tpm.tool("tpm2_pcrread sha1:17,18+sha256:17,18");
    tpm.file("values", pcrs.as_bytes());
    let case = Case {
        pcrs: Some("values".into()),
        ..case
    };
    case.bad(tpm, &both, "event 8");
    // Events whose text is not what was measured; the digests are those of the launch.
    let case = events(|events| events[4].data = b"EFI gate: off,panic,full".to_vec());
    case.bad(tpm, &["event-data"], "something else");
    let case = events(|events| events[2].data = b"another text".to_vec());
    case.bad(tpm, &["event-data"], "something else");
    // A launch that did not come to its end.
    let case = events(|events| events.truncate(5));
    case.bad(tpm, &["launch", "pcr-digest", "policy"], "markers");
    let case = events(|events| {
        let mut cap = events[0].clone();
        cap.event_type = EV_CAP_VALUE;
        events.insert(2, cap);
    });
    case.bad(tpm, &["launch", "pcr-digest", "policy"], "it failed");
    // What cannot be read.
    with(&lab.log[..lab.log.len() - 1]).bad(tpm, &["log"], "damaged behind 7 events");
    with(&lab.log[..20]).bad(tpm, &["log"], "ends within the header");
    with(b"").bad(tpm, &["log"], "cannot be read");
    with(&[0; 200]).bad(tpm, &["log"], "not that of an event log");
}

#[test]
fn other_policies() {
    let lab = lab();
    let tpm = &lab.tpm;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut policy = lab.policy.clone();
        change(&mut policy["accept"][0]);
        tpm.file("changed.policy", policy.to_string().as_bytes());
        Case {
            policy: "changed.policy".into(),
            ..Case::new("p256")
        }
    };
    let zeros = "00".repeat(32);
    // Another command line: value and digest.
    let other = |accept: &mut Value| {
        accept["pcrs"]["sha256"]["18"] = json!(zeros);
        accept["events"]["18"][0]["digests"]["sha256"] = json!(zeros);
    };
    let case = with(&other);
    case.bad(
        tpm,
        &["policy"],
        "event 3, \"Measured Kernel command line\", has a digest",
    );
    // The value alone; the events alone.
    let case = with(&|accept| {
        accept["pcrs"]["sha256"]["17"] = json!(zeros);
        accept.as_object_mut().unwrap().remove("events");
    });
    case.bad(tpm, &["policy"], "and the policy has 0000");
    let case = with(&|accept| {
        accept.as_object_mut().unwrap().remove("pcrs");
        accept["events"]["17"].as_array_mut().unwrap().pop();
    });
    case.bad(tpm, &["policy"], "is more than the policy has");
    let case = with(&|accept| {
        accept.as_object_mut().unwrap().remove("pcrs");
        accept["events"]["17"].as_array_mut().unwrap().remove(1);
    });
    case.bad(
        tpm,
        &["policy"],
        "and the policy has \"Secure Launch start\" there",
    );
    let case = with(&|accept| {
        accept.as_object_mut().unwrap().remove("pcrs");
        accept["events"]["18"]
            .as_array_mut()
            .unwrap()
            .push(json!({"text": "more"}));
    });
    case.bad(tpm, &["policy"], "no \"more\" at its end");
    // What is left open may be anything, and any number of it.
    let case = with(&|accept| {
        accept.as_object_mut().unwrap().remove("pcrs");
        let first = &mut accept["events"]["18"][0];
        first.as_object_mut().unwrap().remove("digests");
        let any = json!({"text": "Measured Kernel setup_data", "any_number": true});
        let events = accept["events"]["18"].as_array_mut().unwrap();
        events.insert(1, any);
    });
    case.good(tpm);
    let case = with(&|accept| {
        accept.as_object_mut().unwrap().remove("pcrs");
        let first = &mut accept["events"]["18"][0];
        first.as_object_mut().unwrap().remove("digests");
        first["text"] = json!("Measured boot parameters");
    });
    case.bad(
        tpm,
        &["policy"],
        "event 3 is \"Measured Kernel command line\"",
    );
    // One of several.
    let mut policy = lab.policy.clone();
    let mut first = policy["accept"][0].clone();
    first["name"] = json!("yesterday");
    other(&mut first);
    policy["accept"].as_array_mut().unwrap().insert(0, first);
    tpm.file("changed.policy", policy.to_string().as_bytes());
    let verdict = case.good(tpm);
    assert_eq!(verdict["matched"], "good");

    // One's own files: an error, not an answer.
    for policy in [
        "",
        "{}",
        r#"{"format": "slaunch-policy", "version": 1, "accept": []}"#,
        r#"{"format": "slaunch-policy", "version": 1, "accept": [{"name": "x"}]}"#,
        r#"{"format": "slaunch-policy", "version": 2, "accept": [{"name": "x", "pcrs": {"sha1": {}}}]}"#,
        r#"{"format": "slaunch-policy", "version": 1, "accept": [{"name": "x", "pcr": {}}]}"#,
        r#"{"format": "slaunch-policy", "version": 1, "accept": [{"name": "x", "pcrs": {"sha256": {"17": "00"}}}]}"#,
        r#"{"format": "slaunch-policy", "version": 1, "accept": [{"name": "x", "events": {"17": [{"text": "x"}]}}]}"#,
    ] {
        tpm.file("changed.policy", policy.as_bytes());
        let args = case.args(tpm);
        let args: Vec<_> = args.iter().map(|arg| &**arg).collect();
        assert_eq!(slaunch(&args).code, 3, "{policy}");
    }
    let case = Case {
        key: "log".into(),
        ..Case::new("p256")
    };
    let args = case.args(tpm);
    let args: Vec<_> = args.iter().map(|arg| &**arg).collect();
    assert_eq!(slaunch(&args).code, 3);
}

/// One byte anywhere: what is still accepted has the same digests in the same PCRs.
#[test]
fn any_byte() {
    let lab = lab();
    let read = |name: &str| std::fs::read(lab.tpm.path(name)).unwrap();
    let key = Key::parse(&read("p256.pem")).unwrap();
    let policy = Policy::parse(&read("policy")).unwrap();
    let (quote, signature) = (read("p256.msg"), read("p256.sig"));
    let nonce = hex::decode(NONCE).unwrap();
    let good = |quote: &[u8], signature: &[u8], log: &[u8]| {
        let evidence = Evidence {
            quote,
            signature,
            log,
            pcrs: None,
            nonce: Some(&nonce),
            key: &key,
            policy: &policy,
        };
        verify(&evidence).good()
    };
    assert!(good(&quote, &signature, &lab.log));
    let flipped = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1 << (at % 8);
        bytes
    };
    for at in 0..quote.len() {
        assert!(!good(&flipped(&quote, at), &signature, &lab.log), "{at}");
    }
    for at in 0..signature.len() {
        assert!(!good(&quote, &flipped(&signature, at), &lab.log), "{at}");
    }
    let measured = |log: &[u8]| {
        let events = Log::parse(log).unwrap().events.into_iter();
        let measured = events.map(|event| (event.pcr, event.digests));
        measured.collect::<Vec<_>>()
    };
    let mut accepted = 0;
    for at in 0..lab.log.len() {
        let log = flipped(&lab.log, at);
        if good(&quote, &signature, &log) {
            accepted += 1;
            assert_eq!(measured(&log), measured(&lab.log), "{at}");
        }
        assert!(!good(&quote, &signature, &lab.log[..at]), "{at}");
    }
    // Texts of events are not measured, most of them.
    assert!(accepted < lab.log.len() / 2, "{accepted}");
}
