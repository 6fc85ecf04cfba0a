// SPDX-License-Identifier: GPL-2.0

//! `slaunch policy`: the forms in which others take a prediction.

use std::collections::BTreeMap;

use launch_data::digest::Alg;
use launch_data::log::Log;
use serde_json::{json, Value};
use slaunch::predict;

use crate::common::{answer, slaunch};
use crate::lab::{lab, prediction, Case};

/// tpm2_createpolicy computes the same from the TPM's PCRs.
#[test]
fn policy_digest() {
    let lab = lab();
    let tpm = &lab.tpm;
    let prediction = tpm.path("good.json");
    let out = tpm.path("policies");
    // The tool leaves its sessions in the TPM.
    let create = |line: &str| {
        tpm.tool(&format!("tpm2_createpolicy -Q --policy-pcr {line}"));
        tpm.tool("tpm2_flushcontext -l");
    };
    for (bank, hash) in [
        ("sha256", "sha256"),
        ("sha1", "sha256"),
        ("sha256", "sha384"),
    ] {
        for pcrs in ["17,18", "17"] {
            create(&format!("-g {hash} -l {bank}:{pcrs} -L tool.digest"));
            let args = [
                "policy",
                &prediction,
                "--format",
                "tpm2",
                "--bank",
                bank,
                "--policy-hash",
                hash,
                "--pcr",
                pcrs,
            ];
            let wanted = std::fs::read(tpm.path("tool.digest")).unwrap();
            assert_eq!(answer(0, &args).trim(), hex::encode(&wanted));
            answer(0, &[&args[..], &["--out", &out]].concat());
            assert_eq!(
                std::fs::read(tpm.path("policies/policy.digest")).unwrap(),
                wanted
            );
            // The values in the form in which the tool takes them.
            create(&format!(
                "-g {hash} -l {bank}:{pcrs} -f policies/pcr.values -L tool.digest"
            ));
            assert_eq!(std::fs::read(tpm.path("tool.digest")).unwrap(), wanted);
        }
    }
}

#[test]
fn other_forms() {
    let lab = lab();
    let tpm = &lab.tpm;
    let good = tpm.path("good.json");
    let log = Log::parse(&lab.log).unwrap();
    // Keylime: values by PCR; of two predictions both.
    let mut second = prediction(&log);
    second.events[1]
        .digests
        .insert("sha256".into(), "11".repeat(32));
    second.pcrs = predict::values(&[Alg::Sha1, Alg::Sha256], &second.events);
    let second = tpm.file("second.json", &serde_json::to_vec(&second).unwrap());
    let text = answer(0, &["policy", &good, &second, "--format", "keylime"]);
    let value: Value = serde_json::from_str(&text).unwrap();
    let pcrs: Vec<_> = value.as_object().unwrap().keys().collect();
    assert_eq!(pcrs, ["17", "18"]);
    assert_eq!(value["17"].as_array().unwrap().len(), 2);
    assert_eq!(
        value["18"],
        json!([hex::encode(log.replay(Alg::Sha256, 18).unwrap())])
    );
    // systemd-cryptenroll: PCRs with their values.
    let text = answer(0, &["policy", &good, "--format", "cryptenroll"]);
    let value = |pcr| hex::encode(log.replay(Alg::Sha256, pcr).unwrap());
    let wanted = format!("17:sha256={}+18:sha256={}\n", value(17), value(18));
    assert_eq!(text, wanted);
    let args = ["policy", &good, &second, "--format", "cryptenroll"];
    assert!(slaunch(&args).err.contains("one launch at a time"));
    // systemd-pcrlock: the digests that are extended; two launches side by side.
    let out = tpm.path("pcrlock.d");
    let args = [
        "policy", &good, &second, "--format", "pcrlock", "--out", &out,
    ];
    let said = slaunch(&args);
    assert_eq!(said.code, 0);
    assert!(
        said.err.contains("leaves both out of its policy"),
        "{}",
        said.err
    );
    for (component, pcr) in [("830-slaunch-code", 17), ("840-slaunch-config", 18)] {
        let path = tpm.path(&format!("pcrlock.d/{component}.pcrlock.d/good.pcrlock"));
        assert!(std::path::Path::new(&path.replace("good", "second")).exists());
        let value: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let records = value["records"].as_array().unwrap();
        for alg in log.banks.iter().copied() {
            let mut pcr_value = vec![0; alg.size()];
            for record in records {
                assert_eq!(record["pcr"], pcr);
                let digests = record["digests"].as_array().unwrap();
                let mut found = digests.iter().filter(|d| d["hashAlg"] == alg.name());
                let digest = found.next().unwrap()["digest"].as_str().unwrap();
                pcr_value = alg.extend(&pcr_value, &hex::decode(digest).unwrap());
            }
            assert_eq!(pcr_value, log.replay(alg, pcr).unwrap());
        }
    }
    // Before the driver: one event less.
    let text = answer(0, &["policy", &good, "--stage", "launch", "--name", "x"]);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["accept"][0]["name"], "x");
    assert_eq!(
        value["accept"][0]["events"]["18"].as_array().unwrap().len(),
        3
    );
    // What is not known cannot be a policy, but for the events.
    let mut open = prediction(&log);
    open.events[3].digests = BTreeMap::new();
    open.pcrs = predict::values(&[Alg::Sha1, Alg::Sha256], &open.events);
    let open = tpm.file("open.json", &serde_json::to_vec(&open).unwrap());
    for format in ["pcrlock", "cryptenroll", "tpm2", "keylime"] {
        let args = ["policy", &open, "--format", format, "--out", &out];
        let said = slaunch(&args);
        assert!(said.code == 3 && said.err.contains("--log"), "{}", said.err);
        answer(0, &[&args[..], &["--pcr", "17"]].concat());
    }
    let text = answer(0, &["policy", &open]);
    tpm.file("open.policy", text.as_bytes());
    let policy = "open.policy".to_owned();
    Case {
        policy,
        ..Case::new("p256")
    }
    .good(tpm);
    // A prediction whose values were made up.
    let mut wrong = prediction(&log);
    wrong
        .pcrs
        .get_mut("sha256")
        .unwrap()
        .get_mut(&17)
        .unwrap()
        .running = Some("00".repeat(32));
    let wrong = tpm.file("wrong.json", &serde_json::to_vec(&wrong).unwrap());
    let said = slaunch(&["policy", &wrong]);
    assert!(
        said.code == 3 && said.err.contains("not those of its events"),
        "{}",
        said.err
    );
}
