// SPDX-License-Identifier: GPL-2.0

//! The transports and the commands against a real TPM behind the register models.

mod common;

use common::{CrbFaults, CrbModel, Faults, Model, Swtpm, TestClock};
use tpm_core::{
    pcr_banks, pcr_extend, pcr_read, startup, tpm12_timeouts, Banks, Digest, Digests, EventLog,
    HashAlg, HostHash, Locality, LocalityRegs, LogFormat, LogReader, Mmio, MultiHash, Pcr,
    StartupType, Tpm, TpmError, TpmFamily, TpmRc, Transport, EV_SLAUNCH,
};

const SHA1: u16 = 0x04;
const SHA256: u16 = 0x0b;
const SHA384: u16 = 0x0c;
const SHA512: u16 = 0x0d;

/// A register model, for tests that do not care which.
trait Registers: Mmio + Clone {
    fn behind(backend: Swtpm) -> (Self, TestClock);
    /// The locality that is active.
    fn active(&self) -> Option<u8>;
    /// The hash sequence of a dynamic launch.
    fn launch(&mut self, block: &[u8]);
    fn is_established(&mut self) -> bool;
}

impl Registers for Model<Swtpm> {
    fn behind(backend: Swtpm) -> (Self, TestClock) {
        Self::new(backend, Faults::default())
    }
    fn active(&self) -> Option<u8> {
        Model::active(self)
    }
    fn launch(&mut self, block: &[u8]) {
        let mut regs = LocalityRegs::new(self, Locality::L4);
        regs.hash_start();
        for byte in block {
            regs.hash_data(*byte);
        }
        regs.hash_end();
    }
    fn is_established(&mut self) -> bool {
        LocalityRegs::new(self, Locality::L0)
            .access()
            .is_established()
    }
}

impl Registers for CrbModel<Swtpm> {
    fn behind(backend: Swtpm) -> (Self, TestClock) {
        Self::new(backend, CrbFaults::default())
    }
    fn active(&self) -> Option<u8> {
        CrbModel::active(self)
    }
    fn launch(&mut self, block: &[u8]) {
        self.measure(block);
    }
    fn is_established(&mut self) -> bool {
        LocalityRegs::new(self, Locality::L0)
            .locality_state()
            .is_established()
    }
}

fn start<R: Registers>(banks: &[u16]) -> (R, Tpm<R, TestClock>) {
    let (model, clock) = R::behind(Swtpm::start(banks));
    let tpm = Tpm::probe(model.clone(), clock).expect("probe");
    (model, tpm)
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

const SETS: [&[u16]; 4] = [
    &[SHA256],
    &[SHA1, SHA256],
    &[SHA256, SHA384, SHA512],
    &[SHA1, SHA256, SHA384, SHA512],
];

#[test]
fn banks_as_allocated() {
    banks_through::<Model<Swtpm>>();
    banks_through::<CrbModel<Swtpm>>();
}

fn banks_through<R: Registers>() {
    for wanted in SETS {
        let (_, mut tis) = start::<R>(wanted);
        let mut open = tis.open(Locality::L0).expect("locality 0");
        assert_eq!(open.family(), TpmFamily::Tpm20);
        assert_eq!(ids(&pcr_banks(&mut open).expect("banks")), wanted);
    }
}

/// A whole launch: hash sequence at locality 4, then measurements at locality 2, then the log replayed.
#[test]
fn launch() {
    for wanted in SETS {
        launch_with::<Model<Swtpm>>(wanted);
        launch_with::<CrbModel<Swtpm>>(wanted);
    }
}

fn launch_with<R: Registers>(wanted: &[u16]) {
    let (mut model, mut tis) = start::<R>(wanted);
    let block = vec![0x5a; 10_000];
    let kernel = vec![0xa5; 123_457];

    assert!(!model.is_established());
    model.launch(&block);
    assert!(model.is_established());

    let mut open = tis.open(Locality::L2).expect("locality 2");
    let banks = pcr_banks(&mut open).expect("banks");
    let mut hash = HostHash::new();
    let mut buf = vec![0xee; 4096];
    let mut log = EventLog::format(&mut buf, 0x1234_5000, &banks, LogFormat::Agile).expect("log");

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

/// Interfaces that do not tell the family: it is asked for, once.
#[test]
fn family_is_found_out() {
    let quiet = || Faults {
        tells_family: false,
        ..Faults::default()
    };
    let (model, clock) = Model::new(Swtpm::start(&[SHA256]), quiet());
    let mut tis = Tpm::probe(model.clone(), clock).expect("probe");
    assert_eq!(tis.family(), None);
    let mut open = tis.open(Locality::L0).expect("locality 0");
    assert_eq!(open.family(), TpmFamily::Tpm20);
    assert_eq!(ids(&pcr_banks(&mut open).expect("banks")), [SHA256]);

    // A TPM 1.2, found before it was started.
    let (mut model, clock) = Model::new(Swtpm::unstarted(TpmFamily::Tpm12), quiet());
    let mut tis = Tpm::probe(model.clone(), clock).expect("probe");
    let mut open = tis.open(Locality::L0).expect("locality 0");
    assert_eq!(open.family(), TpmFamily::Tpm12);
    startup(&mut open, StartupType::Clear).expect("startup");
    let timeouts = tpm12_timeouts(&mut open).expect("timeouts");
    open.close().expect("close");
    tis.set_timeouts(timeouts);

    let mut regs = LocalityRegs::new(&mut model, Locality::L4);
    regs.hash_start();
    regs.hash_data(1);
    regs.hash_end();
    let mut open = tis.open(Locality::L2).expect("locality 2");
    assert_eq!(open.family(), TpmFamily::Tpm12);
    let banks = pcr_banks(&mut open).expect("banks");
    assert_eq!(ids(&banks), [SHA1]);
    let mut hash = HostHash::new();
    let zero = Digest::zero(HashAlg::SHA1);
    let mut value = zero;
    for data in [&[1][..], b"kernel"] {
        let digests = hash.digest(&banks, data);
        if data.len() > 1 {
            pcr_extend(&mut open, Pcr::CODE, &digests).expect("extend");
        }
        value = extend(&value, digests.find(SHA1).expect("bank"));
    }
    let read = |open: &mut _, pcr| pcr_read(open, pcr, HashAlg::SHA1);
    assert_eq!(read(&mut open, Pcr::CODE), Ok(value));
    assert_eq!(read(&mut open, Pcr::CONFIG), Ok(zero));
    drop(open);
    assert_eq!(model.active(), None);
}

#[test]
fn wrong_locality_is_refused() {
    wrong_locality_through::<Model<Swtpm>>();
    wrong_locality_through::<CrbModel<Swtpm>>();
}

fn wrong_locality_through<R: Registers>() {
    let (model, mut tis) = start::<R>(&[SHA256]);
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
    read_without_through::<Model<Swtpm>>();
    read_without_through::<CrbModel<Swtpm>>();
}

fn read_without_through<R: Registers>() {
    let (_, mut tis) = start::<R>(&[SHA256]);
    let mut open = tis.open(Locality::L0).expect("locality 0");
    let value = pcr_read(&mut open, Pcr::CODE, HashAlg::SHA256).expect("read");
    assert_eq!(value.as_bytes(), [0xff; 32]);
    let absent = pcr_read(&mut open, Pcr::CODE, HashAlg::SHA384);
    assert_eq!(absent, Err(TpmError::Banks));
}

/// A digest for a bank that the TPM does not have, and one that is missing.
#[test]
fn banks_that_do_not_match() {
    banks_that_through::<Model<Swtpm>>();
    banks_that_through::<CrbModel<Swtpm>>();
}

fn banks_that_through<R: Registers>() {
    let (_, mut tis) = start::<R>(&[SHA1, SHA256]);
    let mut open = tis.open(Locality::L2).expect("locality 2");
    let mut banks = Banks::new();
    banks.push(HashAlg::SM3_256).expect("room");
    let refused = pcr_extend(&mut open, Pcr::CODE, &Digests::capped(&banks));
    assert!(matches!(refused, Err(TpmError::Rc(_))), "{refused:?}");
}
