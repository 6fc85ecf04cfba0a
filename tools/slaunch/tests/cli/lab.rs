// SPDX-License-Identifier: GPL-2.0

//! A TPM that went through a launch, with attestation keys, quotes by tpm2-tools, and what is handed to
//! `slaunch verify`.

use std::sync::{Mutex, MutexGuard, OnceLock};

use launch_data::digest::Alg;
use launch_data::log::{Event as Logged, Log};
use serde_json::{json, Value};
use slaunch::predict::{self, Event, Origin, Prediction, Stage};
use tpm_core::{Banks, EventLog, HashAlg, LogFormat, MultiHash, Pcr};

use crate::common::{answer, json};
use crate::swtpm::{Swtpm, BANKS};

pub const NONCE: &str = "00112233445566778899aabbccddeeff";
/// Attributes of an attestation key.
const RESTRICTED: &str = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign";
pub const BOTH: &str = "sha1:17,18+sha256:17,18";
/// Keys: name, template, hash.
pub const KEYS: [(&str, &str, &str); 5] = [
    ("rsassa", "rsa2048:rsassa-sha256:null", "sha256"),
    ("rsapss", "rsa2048:rsapss-sha384:null", "sha384"),
    ("rsa512", "rsa2048:rsassa-sha512:null", "sha512"),
    ("p256", "ecc256:ecdsa-sha256:null", "sha256"),
    ("p384", "ecc384:ecdsa-sha384:null", "sha384"),
];

/// The TPM, its log, and files of its directory.
pub struct Lab {
    pub tpm: Swtpm,
    pub log: Vec<u8>,
    pub policy: Value,
}

/// One at a time: the TPM is one.
pub fn lab() -> MutexGuard<'static, Lab> {
    static LAB: OnceLock<Mutex<Lab>> = OnceLock::new();
    let lab = LAB.get_or_init(|| {
        let tpm = Swtpm::start();
        let log = tpm.launch();
        tpm.file("log", &log);
        for (name, template, _) in KEYS {
            key(&tpm, name, template, RESTRICTED);
        }
        let loose = RESTRICTED.replace("|restricted", "");
        key(&tpm, "loose", KEYS[0].1, &loose);
        for (name, _, hash) in KEYS {
            quote(&tpm, name, name, hash, BOTH);
        }
        let prediction = serde_json::to_vec(&prediction(&Log::parse(&log).unwrap())).unwrap();
        let prediction = tpm.file("good.json", &prediction);
        let text = answer(0, &["policy", &prediction]);
        let policy = serde_json::from_str(&text).unwrap();
        tpm.file("policy", text.as_bytes());
        Mutex::new(Lab { tpm, log, policy })
    });
    lab.lock().unwrap_or_else(|e| e.into_inner())
}

pub fn key(tpm: &Swtpm, name: &str, template: &str, attributes: &str) {
    let line = format!("tpm2_createprimary -Q -C o -G {template} -a {attributes} -c {name}.ctx");
    tpm.tool(&line);
    tpm.tool("tpm2_flushcontext -t");
    for format in ["tss", "pem"] {
        tpm.tool(&format!(
            "tpm2_readpublic -Q -c {name}.ctx -f {format} -o {name}.{format}"
        ));
    }
    tpm.tool("tpm2_flushcontext -t");
}

/// Writes NAME.msg, NAME.sig and NAME.pcrs.
pub fn quote(tpm: &Swtpm, name: &str, key: &str, hash: &str, pcrs: &str) {
    let scheme = match key {
        "rsapss" => "--scheme rsapss",
        _ => "",
    };
    tpm.tool(&format!(
        "tpm2_quote -Q -c {key}.ctx -l {pcrs} -q {NONCE} -g {hash} -m {name}.msg -s {name}.sig -o {name}.pcrs {scheme}"
    ));
    tpm.tool("tpm2_flushcontext -t");
}

/// What would have been predicted of the launch with this log.
pub fn prediction(log: &Log) -> Prediction {
    let event = |event: &Logged| Event {
        pcr: event.pcr,
        event_type: event.event_type,
        text: event.label(),
        digests: event
            .digests
            .iter()
            .map(|(alg, digest)| (alg.name().into(), hex::encode(digest)))
            .collect(),
        origin: Origin::Recorded,
        any_number: false,
        stage: match event.label().as_str() {
            "TPM handed over to its driver" => Stage::Running,
            _ => Stage::Launch,
        },
        how: String::new(),
    };
    let events: Vec<_> = log.events.iter().map(event).collect();
    Prediction {
        format: predict::FORMAT.into(),
        version: predict::VERSION,
        vendor: "AMD".into(),
        complete: true,
        pcrs: predict::values(&log.banks, &events),
        events,
        open: Vec::new(),
        notes: Vec::new(),
    }
}

/// What is handed to the program: files of the TPM's directory.
#[derive(Clone)]
pub struct Case {
    pub quote: String,
    pub signature: String,
    pub key: String,
    pub nonce: Option<String>,
    pub log: String,
    pub policy: String,
    pub pcrs: Option<String>,
}

impl Case {
    pub fn new(name: &str) -> Self {
        Self {
            quote: format!("{name}.msg"),
            signature: format!("{name}.sig"),
            key: format!("{name}.pem"),
            nonce: Some(NONCE.into()),
            log: "log".into(),
            policy: "policy".into(),
            pcrs: None,
        }
    }

    pub fn args(&self, tpm: &Swtpm) -> Vec<String> {
        let mut args = vec!["verify".to_owned()];
        for (option, name) in [
            ("--quote", &self.quote),
            ("--signature", &self.signature),
            ("--key", &self.key),
            ("--log", &self.log),
            ("--policy", &self.policy),
        ] {
            args.extend([option.to_owned(), tpm.path(name)]);
        }
        if let Some(name) = &self.pcrs {
            args.extend(["--pcrs".to_owned(), tpm.path(name)]);
        }
        if let Some(nonce) = &self.nonce {
            args.extend(["--nonce".to_owned(), nonce.clone()]);
        }
        args
    }

    /// The verdict, as JSON and as an exit code.
    pub fn verdict(&self, tpm: &Swtpm, code: i32) -> Value {
        let args = self.args(tpm);
        let args: Vec<_> = args.iter().map(|arg| &**arg).collect();
        json(code, &args)
    }

    pub fn good(&self, tpm: &Swtpm) -> Value {
        let verdict = self.verdict(tpm, 0);
        assert_eq!(
            (&verdict["good"], &verdict["failed"]),
            (&json!(true), &json!([]))
        );
        verdict
    }

    /// Refused, by these checks and no others; the first of them says `words`.
    pub fn bad(&self, tpm: &Swtpm, failed: &[&str], words: &str) {
        let verdict = self.verdict(tpm, 1);
        assert_eq!(verdict["failed"], json!(failed), "{words}: {verdict:#}");
        assert_eq!(verdict["good"], false);
        assert!(verdict["matched"].is_null());
        let checks = verdict["checks"].as_array().unwrap();
        let first = checks
            .iter()
            .find(|check| check["check"] == failed[0])
            .unwrap();
        let text = first["text"].as_str().unwrap();
        assert!(text.contains(words), "{words}: {text}");
    }

    /// Whether tpm2_checkquote accepts it. That program does not know RSAPSS: there the TPM itself is asked
    /// about the signature.
    pub fn checkquote(&self, tpm: &Swtpm, hash: &str, pcrs: &str) -> bool {
        let (quote, signature) = (&self.quote, &self.signature);
        if self.key == "rsapss.pem" {
            let line = "tpm2_verifysignature -Q -c rsapss.ctx";
            let answer = tpm.says_yes(&format!("{line} -g {hash} -m {quote} -s {signature}"));
            tpm.tool("tpm2_flushcontext -t");
            return answer;
        }
        let nonce = self.nonce.as_ref().unwrap();
        tpm.says_yes(&format!(
            "tpm2_checkquote -Q -u {} -m {quote} -s {signature} -f {pcrs} -g {hash} -q {nonce}",
            self.key
        ))
    }
}

/// A file with some bytes changed.
pub fn changed(tpm: &Swtpm, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut bytes = std::fs::read(tpm.path(name)).unwrap();
    change(&mut bytes);
    let name = format!("{name}.changed");
    tpm.file(&name, &bytes);
    name
}

/// The log with its events changed.
pub fn rebuilt(log: &[u8], change: impl FnOnce(&mut Vec<Logged>)) -> Vec<u8> {
    let mut events = Log::parse(log).unwrap().events;
    change(&mut events);
    let mut banks = Banks::new();
    for alg in BANKS {
        banks.push(alg).unwrap();
    }
    let mut bytes = vec![0; 8192];
    let mut out = EventLog::format(&mut bytes, 0x1000, &banks, LogFormat::Agile).unwrap();
    for event in &events {
        let mut digests = tpm_core::HostHash::new().digest(&banks, b"");
        for (alg, value) in &event.digests {
            let alg = match alg {
                Alg::Sha1 => HashAlg::SHA1,
                _ => HashAlg::SHA256,
            };
            digests.set(alg, value);
        }
        out.append(
            Pcr::new(event.pcr).unwrap(),
            event.event_type,
            &digests,
            &event.data,
        )
        .unwrap();
    }
    let used = out.used();
    bytes.truncate(used);
    bytes
}
