// SPDX-License-Identifier: GPL-2.0

//! Faults that meet a driver in use: the guest asks for each over its console, stages its part and
//! judges what user space sees.

use std::time::Duration;

use drtm_vm::{Fault, Heard, Machine, Outcome, TpmInterface};

use crate::common::{Run, Slot, LIMIT};
use crate::machine::{cases, config, Ended, Kernel};

/// How many cases every driver has to pass, so that none goes missing.
fn planned(interface: TpmInterface) -> usize {
    match interface {
        TpmInterface::Tis => 15,
        TpmInterface::Crb | TpmInterface::QemuCrb => 16,
    }
}

/// Stages what the guest asks for until it has no more wishes.
fn converse(machine: &mut Machine) -> Result<(), Outcome> {
    let mut from = 0;
    loop {
        // The longest that a case may take, and time to boot.
        let wish = match machine.wait_line(&mut from, "job: want ", Duration::from_secs(120)) {
            Heard::Line(wish) => wish,
            Heard::Ended(outcome) => return Err(outcome),
        };
        let Some((number, fault)) = wish.split_once(' ') else {
            continue;
        };
        match fault.parse::<Fault>() {
            Ok(fault) => machine.set_fault(&fault).expect("staging the fault"),
            Err(_) if fault == "clear" || fault == "end" => machine.clear_fault().expect("fault"),
            // A line that the kernel's log has torn is asked for again.
            Err(_) => continue,
        }
        machine.type_line(number).expect("answering the guest");
        if fault == "end" {
            return Ok(());
        }
    }
}

fn faults(kernel: Kernel, interface: TpmInterface) {
    let config = config(kernel, interface, "faults");
    let _slot = Slot::take();
    let mut machine = Machine::start(&config).expect("starting the machine");
    // At the end the TPM is stuck: what it takes to power off then is another matter.
    let ended = converse(&mut machine).and_then(|()| machine.wait_files(LIMIT));
    if let Err(outcome) = ended {
        panic!("{}\n{}", outcome.summary(), machine.console());
    }
    let run = Run::collect(&mut machine, Outcome::PoweredOff);
    let cases = cases(&run, "faults");
    let text = run.text("job.txt");
    assert_eq!(cases.len(), planned(interface), "{text}");
    let bad: Vec<_> = cases.iter().filter(|(_, e)| *e != Ended::Ok).collect();
    assert!(bad.is_empty(), "{bad:?}\n{text}");
}

#[test]
fn tis_c_driver() {
    faults(Kernel::C, TpmInterface::Tis);
}

#[test]
fn tis_own_driver() {
    faults(Kernel::Own, TpmInterface::Tis);
}

#[test]
fn crb_c_driver() {
    faults(Kernel::C, TpmInterface::Crb);
}

#[test]
fn crb_own_driver() {
    faults(Kernel::Own, TpmInterface::Crb);
}
