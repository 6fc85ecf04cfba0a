// SPDX-License-Identifier: GPL-2.0
//! TPMs other than QEMU's TIS with a TPM 2.0 in a machine, and faults of the registers.

mod common;

use std::time::{Duration, Instant};

use common::Payload;
use drtm_vm::tpm::crb::registers as reg;
use drtm_vm::{Bank, Config, Fault, Machine, Outcome, Reached, Snapshot, TpmInterface, TpmVersion};
use sha1::Sha1;
use sha2::{Digest, Sha256};

const LIMIT: Duration = Duration::from_secs(60);
const BASE: u64 = 0xfed4_0000;
/// TPM2_Startup(CLEAR).
const STARTUP: [u8; 12] = [0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x44, 0, 0];
/// TPM2_GetRandom, 8 bytes.
const GET_RANDOM: [u8; 12] = [0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 8];

/// TPM2_PCR_Extend of the SHA-256 bank with zeros.
fn extend(pcr: u8) -> Vec<u8> {
    let mut command = vec![0x80, 2, 0, 0, 0, 65, 0, 0, 1, 0x82, 0, 0, 0, pcr];
    command.extend([0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0]);
    command.extend([0, 0, 0, 1, 0, 0xb]);
    command.extend([0; 32]);
    command
}

fn code(response: &[u8]) -> u32 {
    u32::from_be_bytes(response[6..10].try_into().expect("four bytes"))
}

fn config(payload: &Payload, interface: TpmInterface) -> Config {
    Config {
        tpm_interface: interface,
        ..payload.config(1)
    }
}

/// PCR 17 after the launch of the block at 2 MiB.
fn expected(machine: &mut Machine) -> Vec<u8> {
    let block = machine.read(0x20_0000, 0x1_0000).expect("memory");
    let length = usize::from(u16::from_le_bytes([block[2], block[3]]));
    let digest = Sha256::digest(&block[..length]);
    let value = Sha256::new().chain_update([0; 32]).chain_update(digest);
    value.finalize().to_vec()
}

fn stage(machine: &mut Machine, fault: &str) {
    let fault: Fault = fault.parse().expect("fault");
    machine.set_fault(&fault).expect("fault staged");
}

#[test]
fn a_launch_with_the_crb() {
    let payload = Payload::build(&[]);
    let mut machine = Machine::start(&config(&payload, TpmInterface::Crb)).expect("machine");
    // SeaBIOS does not start a TPM without a log area.
    let response = machine.tpm_transact(0, &STARTUP).expect("startup");
    assert_eq!(code(&response), 0);
    let outcome = machine.run();
    assert!(matches!(outcome, Outcome::PoweredOff), "{outcome:?}");
    let pcr = machine.read_pcr(Bank::Sha256, 17).expect("PCR 17");
    assert_eq!(pcr, expected(&mut machine));
    let state = machine.qemu().qtest.readl(BASE).expect("qtest");
    assert_eq!(state & reg::STATE_NOT_ESTABLISHED, 0, "a launch took place");

    // The localities are the TPM's own: PCR 17 belongs to 2 and above, PCR 18 too.
    let rc = |machine: &mut Machine, locality, pcr| {
        code(
            &machine
                .tpm_transact(locality, &extend(pcr))
                .expect("answer"),
        )
    };
    assert_eq!(rc(&mut machine, 0, 17), 0x907);
    assert_eq!(rc(&mut machine, 2, 17), 0);
    assert_eq!(rc(&mut machine, 3, 18), 0);
    let records = machine.tpm_commands();
    let last: Vec<_> = records[records.len() - 3..]
        .iter()
        .map(|record| (record.locality, record.code, record.rc))
        .collect();
    let extend = 0x182;
    assert_eq!(
        last,
        [
            (0, extend, Some(0x907)),
            (2, extend, Some(0)),
            (3, extend, Some(0))
        ]
    );
}

#[test]
fn cases_with_the_crb_are_independent() {
    let payload = Payload::build(&[]);
    let snapshot = Snapshot::take_with(&config(&payload, TpmInterface::Crb), |machine| {
        machine.tpm_transact(0, &STARTUP)?;
        machine.tpm_transact(0, &extend(16))?;
        Ok(())
    })
    .expect("snapshot");
    let mut values = Vec::new();
    for pcr in [16, 23, 16] {
        let mut case = snapshot.case().expect("case");
        assert_eq!(
            code(&case.tpm_transact(0, &extend(pcr)).expect("answer")),
            0
        );
        case.launch().expect("launch");
        let outcome = case.wait_outcome(LIMIT);
        assert!(matches!(outcome, Outcome::PoweredOff), "{outcome:?}");
        let pcr = case.read_pcr(Bank::Sha256, 17).expect("PCR 17");
        assert_eq!(pcr, expected(&mut case));
        values.push([16, 23].map(|pcr| case.read_pcr(Bank::Sha256, pcr).expect("PCR")));
    }
    assert_eq!(values[0], values[2]);
    assert_ne!(values[0], values[1]);
    let once = Sha256::digest([0; 64]).to_vec();
    let twice = Sha256::new()
        .chain_update(&once)
        .chain_update([0; 32])
        .finalize()
        .to_vec();
    assert_eq!(
        values[0],
        [twice, vec![0; 32]],
        "frozen after the first extend"
    );
    assert_eq!(values[1], [once.clone(), once]);
}

/// Writes a register of locality 1, if there is a value, and reads it some time after that.
fn register(machine: &mut Machine, offset: usize, value: Option<u32>) -> u32 {
    let at = BASE + 0x1000 + offset as u64;
    let qtest = &mut machine.qemu().qtest;
    if let Some(value) = value {
        qtest.writel(at, value).expect("qtest");
    }
    std::thread::sleep(Duration::from_millis(250));
    qtest.readl(at).expect("qtest")
}

/// Starts a command at locality 1.
fn begin(machine: &mut Machine) {
    register(machine, reg::LOC_CTRL, Some(reg::CTRL_REQUEST));
    assert_eq!(register(machine, reg::CTRL_REQ, Some(reg::REQ_READY)), 0);
    machine.write(BASE + 0x1080, &GET_RANDOM).expect("buffer");
    assert_eq!(register(machine, reg::CTRL_START, Some(1)), 1);
}

#[test]
fn faults_of_the_crb() {
    let payload = Payload::build(&[]);
    let start = || {
        let mut machine = Machine::start(&config(&payload, TpmInterface::Crb)).expect("machine");
        machine.tpm_transact(0, &STARTUP).expect("startup");
        machine
    };
    let mut machine = start();
    stage(&mut machine, "error=0x922,cc=0x17b,count=1");
    let random = |machine: &mut Machine| machine.tpm_transact(2, &GET_RANDOM);
    assert_eq!(code(&random(&mut machine).expect("answer")), 0x922);
    assert_eq!(code(&random(&mut machine).expect("answer")), 0);
    stage(&mut machine, "short=11");
    assert_eq!(random(&mut machine).expect("answer").len(), 11);
    stage(&mut machine, "tag=0xffff");
    assert_eq!(random(&mut machine).expect("answer")[..2], [0xff, 0xff]);
    stage(&mut machine, "size=0xffffffff");
    let error = random(&mut machine).expect_err("too long");
    assert!(error.what.contains("4294967295 bytes"), "{error}");
    machine.clear_fault().expect("cleared");
    stage(&mut machine, "delay=300");
    let started = Instant::now();
    random(&mut machine).expect("answer");
    assert!(started.elapsed() >= Duration::from_millis(300));
    machine.clear_fault().expect("cleared");

    stage(&mut machine, "delay=60000,count=1");
    begin(&mut machine);
    register(&mut machine, reg::CTRL_CANCEL, Some(1));
    assert_eq!(register(&mut machine, reg::CTRL_START, None), 0);
    let answer = machine.read(BASE + 0x1080, 10).expect("buffer");
    assert_eq!(code(&answer), 0x909, "cancelled");
    register(&mut machine, reg::CTRL_CANCEL, Some(0));
    stage(&mut machine, "busy");
    begin(&mut machine);
    assert_eq!(register(&mut machine, reg::CTRL_START, None), 1);

    let mut machine = start();
    stage(&mut machine, "locality=3");
    let state = machine.qemu().qtest.readl(BASE).expect("qtest");
    assert_eq!(state >> reg::STATE_ACTIVE_SHIFT & 7, 3);
    stage(&mut machine, "absent");
    assert_eq!(machine.qemu().qtest.readl(BASE).expect("qtest"), u32::MAX);
}

#[test]
fn registers_laid_over_the_tis() {
    let payload = Payload::build(&["HANG"]);
    let mut machine = Machine::start(&payload.config(1)).expect("machine");
    // Past the firmware, which puts the chipset's windows where they belong.
    let reached = machine.run_to_skinit(LIMIT).expect("boots");
    assert!(matches!(reached, Reached::Skinit));
    machine.launch().expect("launch");
    let status = BASE + 0x2018;
    for (fault, access, sts) in [
        ("no-grant", 0x81, 0x0400_40c0),
        ("locality-invalid", 0x21, 0x0400_40c0),
        ("never-ready", 0xa1, 0x0400_4080),
        ("sts-invalid", 0xa1, 0x0400_4040),
        ("burst-zero", 0xa1, 0x0400_00c0),
        ("sts=0x12345678", 0xa1, 0x1234_5678),
    ] {
        let identity = machine.qemu().qtest.readl(BASE + 0xf00).expect("qtest");
        stage(&mut machine, fault);
        let qtest = &mut machine.qemu().qtest;
        assert_eq!(
            qtest.readb(BASE + 0x2000).expect("qtest"),
            access,
            "{fault}"
        );
        assert_eq!(qtest.readl(status).expect("qtest"), sts, "{fault}");
        assert_eq!(qtest.readl(BASE + 0xf00).expect("qtest"), identity);
        machine.clear_fault().expect("cleared");
        let qtest = &mut machine.qemu().qtest;
        assert_eq!(
            qtest.readl(BASE + 0x2018).expect("qtest"),
            u32::MAX,
            "{fault}"
        );
    }
    // What the guest writes does not last while the machine runs.
    stage(&mut machine, "burst-zero");
    machine.qemu().qtest.writeb(status, 0x40).expect("qtest");
    let outcome = machine.wait_outcome(Duration::from_millis(500));
    assert!(matches!(outcome, Outcome::Hang { .. }), "{outcome:?}");
    assert_eq!(
        machine.qemu().qtest.readl(status).expect("qtest"),
        0x0400_00c0
    );
}

#[test]
fn a_launch_with_a_tpm_1_2() {
    let payload = Payload::build(&[]);
    let mut config = payload.config(1);
    config.tpm_version = TpmVersion::V1_2;
    let mut machine = Machine::start(&config).expect("machine");
    let outcome = machine.run();
    assert!(matches!(outcome, Outcome::PoweredOff), "{outcome:?}");
    assert_eq!(machine.report().config.banks, [Bank::Sha1]);
    let block = machine.read(0x20_0000, 0x1_0000).expect("memory");
    let length = usize::from(u16::from_le_bytes([block[2], block[3]]));
    let digest = Sha1::digest(&block[..length]);
    let value = Sha1::new().chain_update([0; 20]).chain_update(digest);
    let pcr = machine.read_pcr(Bank::Sha1, 17).expect("PCR 17");
    assert_eq!(pcr, value.finalize().to_vec());
    let pcr = machine.read_pcr(Bank::Sha1, 18).expect("PCR 18");
    assert_eq!(pcr, [0; 20]);
    // SeaBIOS measured something: the TPM is enabled and active.
    let pcr = machine.read_pcr(Bank::Sha1, 4).expect("PCR 4");
    assert_ne!(pcr, [0; 20]);
    assert!(machine.read_pcr(Bank::Sha256, 17).is_err());
    stage(&mut machine, "error=0x3");
    let read = [0, 0xc1, 0, 0, 0, 14, 0, 0, 0, 0x15, 0, 0, 0, 0];
    let answer = machine.tpm_transact(0, &read).expect("answer");
    assert_eq!(answer, [0, 0xc4, 0, 0, 0, 10, 0, 0, 0, 3]);

    config.tpm_interface = TpmInterface::Crb;
    let error = Machine::start(&config).expect_err("no such TPM");
    assert!(error.what.contains("TPM 1.2"), "{error}");
}

#[test]
fn responses_of_the_tis_can_be_changed() {
    let payload = Payload::build(&[]);
    let mut machine = Machine::start(&payload.config(1)).expect("machine");
    stage(&mut machine, "size=600,count=1");
    let answer = machine.tpm_transact(2, &GET_RANDOM).expect("answer");
    assert_eq!((answer.len(), &answer[2..6]), (600, &[0, 0, 2, 0x58][..]));
    stage(&mut machine, "tag=0xc4,count=1");
    let answer = machine.tpm_transact(3, &GET_RANDOM).expect("answer");
    assert_eq!(answer[..2], [0, 0xc4]);
    let records = machine.tpm_commands();
    let seen: Vec<u8> = records.iter().rev().take(2).map(|r| r.locality).collect();
    assert_eq!(seen, [3, 2]);
    for fault in ["size=4097", "fatal", "burst-zero,skip=1"] {
        let fault: Fault = fault.parse().expect("fault");
        assert!(machine.set_fault(&fault).is_err(), "{fault:?}");
    }

    // commandReady while a command runs cancels it.
    stage(&mut machine, "delay=60000");
    let (access, status, fifo) = (BASE, BASE + 0x18, BASE + 0x24);
    let qtest = &mut machine.qemu().qtest;
    qtest.writeb(access, 2).expect("qtest");
    qtest.writeb(status, 0x40).expect("qtest");
    for byte in GET_RANDOM {
        qtest.writeb(fifo, byte).expect("qtest");
    }
    qtest.writeb(status, 0x20).expect("qtest");
    assert_eq!(qtest.readb(status).expect("qtest") & 0x50, 0, "busy");
    qtest.writeb(status, 0x40).expect("qtest");
    // Far from the delay, however busy this machine is.
    let deadline = Instant::now() + Duration::from_secs(20);
    while qtest.readb(status).expect("qtest") & 0x40 == 0 {
        assert!(Instant::now() < deadline, "not ready");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(
        machine.tpm_commands().last().and_then(|record| record.rc),
        Some(0x909)
    );
}
