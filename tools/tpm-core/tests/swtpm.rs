// SPDX-License-Identifier: GPL-2.0

//! The transport and the commands against a real TPM 2.0 behind the register model.

mod common;

use common::{Faults, Model, Swtpm, TestTis};
use tpm_core::{
    pcr_banks, pcr_extend, pcr_read, Banks, Digest, Digests, EventLog, HashAlg, HostHash, Locality,
    LocalityRegs, LogReader, MultiHash, Pcr, Tis, TpmError, TpmFamily, TpmRc, EV_SLAUNCH,
};

const SHA1: u16 = 0x04;
const SHA256: u16 = 0x0b;
const SHA384: u16 = 0x0c;
const SHA512: u16 = 0x0d;

fn start(banks: &[u16]) -> (Model<Swtpm>, TestTis<Swtpm>) {
    let (model, clock) = Model::new(Swtpm::start(banks), Faults::default());
    let tis = Tis::probe(model.clone(), clock).expect("probe");
    (model, tis)
}

fn ids(banks: &Banks) -> Vec<u16> {
    banks.iter().map(HashAlg::id).collect()
}

/// PCR extend, computed here.
fn extend(old: &Digest, value: &Digest) -> Digest {
    let mut bank = Banks::new();
    bank.push(old.alg()).expect("one bank");
    let mut data = old.as_bytes().to_vec();
    data.extend(value.as_bytes());
    let digests = HostHash::new().digest(&bank, &data);
    *digests.find(old.alg().id()).expect("the bank is there")
}

#[test]
fn banks_as_allocated() {
    for wanted in [
        &[SHA256][..],
        &[SHA1, SHA256],
        &[SHA256, SHA384, SHA512],
        &[SHA1, SHA256, SHA384, SHA512],
    ] {
        let (_, mut tis) = start(wanted);
        let mut open = tis.open(Locality::L0).expect("locality 0");
        assert_eq!(open.family(), TpmFamily::Tpm20);
        assert_eq!(ids(&pcr_banks(&mut open).expect("banks")), wanted);
    }
}

/// A whole launch: hash sequence at locality 4, then measurements at locality 2, then the log replayed.
#[test]
fn launch() {
    for wanted in [
        &[SHA256][..],
        &[SHA1, SHA256],
        &[SHA256, SHA384, SHA512],
        &[SHA1, SHA256, SHA384, SHA512],
    ] {
        launch_with(wanted);
    }
}

fn launch_with(wanted: &[u16]) {
    let (mut model, mut tis) = start(wanted);
    let block = vec![0x5a; 10_000];
    let kernel = vec![0xa5; 123_457];

    let mut regs = LocalityRegs::new(&mut model, Locality::L4);
    assert!(!regs.access().is_established());
    regs.hash_start();
    for byte in &block {
        regs.hash_data(*byte);
    }
    regs.hash_end();
    assert!(regs.access().is_established());

    let mut open = tis.open(Locality::L2).expect("locality 2");
    let banks = pcr_banks(&mut open).expect("banks");
    let mut hash = HostHash::new();
    let mut buf = vec![0xee; 4096];
    let mut log = EventLog::format(&mut buf, 0x1234_5000, &banks).expect("log");

    // The block was extended by the hardware.
    let digests = hash.digest(&banks, &block);
    log.append(Pcr::CODE, EV_SLAUNCH, &digests, b"block")
        .expect("append");
    for (pcr, label) in [(Pcr::CODE, "kernel"), (Pcr::CONFIG, "command line")] {
        let digests = hash.digest(&banks, &kernel);
        pcr_extend(&mut open, pcr, &digests).expect("extend");
        log.append(pcr, EV_SLAUNCH, &digests, label.as_bytes())
            .expect("append");
    }

    // Replay from zero, as the hash sequence left the PCRs.
    let log = LogReader::new(&buf).expect("reader");
    assert_eq!(log.events().count(), 3);
    for alg in banks.iter() {
        for pcr in [Pcr::CODE, Pcr::CONFIG] {
            let mut value = Digest::zero(alg);
            for event in log.events().map(|event| event.expect("event")) {
                if event.pcr == pcr.index() {
                    let digest = event.digests.find(alg.id()).expect("digest");
                    value = extend(&value, &Digest::new(alg, digest).expect("size"));
                }
            }
            let read = pcr_read(&mut open, pcr, alg).expect("read");
            assert_eq!(read, value, "PCR {} in bank {:#x}", pcr.index(), alg.id());
        }
    }
    open.close().expect("close");
    assert_eq!(model.active(), None);
}

#[test]
fn wrong_locality_is_refused() {
    let (model, mut tis) = start(&[SHA256]);
    let mut open = tis.open(Locality::L0).expect("locality 0");
    let banks = pcr_banks(&mut open).expect("banks");
    let digests = Digests::capped(&banks);
    let refused = pcr_extend(&mut open, Pcr::CODE, &digests);
    assert_eq!(refused, Err(TpmError::Rc(TpmRc::LOCALITY)));
    // The TPM goes on.
    let pcr = Pcr::new(16).expect("PCR 16");
    pcr_extend(&mut open, pcr, &digests).expect("extend");
    drop(open);
    assert_eq!(model.active(), None);
}

/// Before a launch PCR 17 is all ones; a bank that is not active cannot be read.
#[test]
fn read_without_launch() {
    let (_, mut tis) = start(&[SHA256]);
    let mut open = tis.open(Locality::L0).expect("locality 0");
    let value = pcr_read(&mut open, Pcr::CODE, HashAlg::SHA256).expect("read");
    assert_eq!(value.as_bytes(), [0xff; 32]);
    let absent = pcr_read(&mut open, Pcr::CODE, HashAlg::SHA384);
    assert_eq!(absent, Err(TpmError::Banks));
}

/// A digest for a bank that the TPM does not have, and one that is missing.
#[test]
fn banks_that_do_not_match() {
    let (_, mut tis) = start(&[SHA1, SHA256]);
    let mut open = tis.open(Locality::L2).expect("locality 2");
    let mut banks = Banks::new();
    banks.push(HashAlg::SM3_256).expect("room");
    let refused = pcr_extend(&mut open, Pcr::CODE, &Digests::capped(&banks));
    assert!(matches!(refused, Err(TpmError::Rc(_))), "{refused:?}");
}
