// SPDX-License-Identifier: GPL-2.0

//! One after the other: what firmware is known to do, and what it must not.

use insn_check::decode;
use slaunch_core::gate::Smm;
use slaunch_core::isolate::abort::Abort;
use slaunch_core::isolate::emulate::{Action, Emulator, Platform};
use slaunch_core::isolate::insn::{reg, Regs, Size};
use slaunch_core::service::Service;

use crate::machine::{emulator, Access, Log, PLATFORM, PM1, RETURN, TIMER};

/// Runs one instruction with DX, RAX and the rest 0.
fn run(
    emulator: &mut Emulator,
    machine: &mut Log,
    bytes: &[u8],
    dx: u64,
    ax: u64,
) -> (Action, Regs) {
    let mut regs = Regs {
        ip: 0x20_0000,
        ..Regs::default()
    };
    regs.general[reg::DX] = dx;
    regs.general[reg::AX] = ax;
    let insn = decode(bytes).expect("an instruction");
    let action = emulator.trap(&insn, &mut regs, machine);
    (action, regs)
}

const IN_AL: &[u8] = &[0xec];
const IN_EAX: &[u8] = &[0xed];
const OUT_AL: &[u8] = &[0xee];

/// As firmware reads the clock: index, byte, with the index where it was in between.
#[test]
fn the_clock() {
    let mut emulator = emulator(Service::GetTime, Smm::Deny);
    let mut log = Log::default();
    let resumed = |(action, regs): (Action, Regs)| {
        assert_eq!(action, Action::Resume);
        regs.general[reg::AX]
    };
    resumed(run(&mut emulator, &mut log, &[0xe6, 0x70], 0, 0x8a));
    assert_eq!(
        resumed(run(&mut emulator, &mut log, &[0xe4, 0x70], 0, 0)),
        0x8a
    );
    let read = run(&mut emulator, &mut log, &[0xe4, 0x71], 0, 0x1234);
    assert_eq!(resumed(read), 0x125a);
    resumed(run(&mut emulator, &mut log, &[0xe6, 0x70], 0, 0xb));
    resumed(run(&mut emulator, &mut log, OUT_AL, 0x71, 0xf2));
    assert_eq!(
        log.0,
        [Access::ClockRead(0xa), Access::ClockWrite(0xb, 0xa2)]
    );
    // Other memory of the clock is none of it.
    resumed(run(&mut emulator, &mut log, &[0xe6, 0x70], 0, 0x38));
    let (action, _) = run(&mut emulator, &mut log, &[0xe4, 0x71], 0, 0);
    let denied = Abort::Port {
        port: 0x71,
        size: 1,
        value: None,
    };
    assert_eq!(action, Action::Abort(denied));
    assert_eq!(log.0.len(), 2);
}

#[test]
fn reset_only_where_it_is_asked_for() {
    for (service, allowed) in [(Service::ResetSystem, true), (Service::SetVariable, false)] {
        for (bytes, port, value, size) in [
            (OUT_AL, 0xcf9, 0x6, Size::One),
            (OUT_AL, 0x64, 0xfe, Size::One),
            (&[0x66, 0xef], PM1, 0x2000, Size::Two),
        ] {
            let mut log = Log::default();
            let mut emulator = emulator(service, Smm::Allow);
            let (action, _) = run(&mut emulator, &mut log, bytes, port.into(), value);
            let (port, number) = (port, value as u32);
            if allowed {
                assert_eq!(action, Action::Resume);
                assert_eq!(log.0, [Access::PortWrite(port, size, number)]);
            } else {
                let size = size.bytes();
                let denied = Abort::Port {
                    port,
                    size,
                    value: Some(number),
                };
                assert_eq!(action, Action::Abort(denied));
                assert_eq!(log.0, []);
            }
        }
    }
}

/// A machine without system management mode has no port for it, and no port 0 either.
#[test]
fn no_system_management_mode() {
    let mut log = Log::default();
    let platform = Platform {
        smi_command: 0,
        ..PLATFORM
    };
    for port in [0, 1, 0xb2, 0xb3] {
        let mut emulator = Emulator::new(platform, Smm::Allow, RETURN);
        emulator.begin(Service::SetVariable);
        let (action, _) = run(&mut emulator, &mut log, &[0xe6, port], 0, 7);
        let denied = Abort::Port {
            port: port.into(),
            size: 1,
            value: Some(7),
        };
        assert_eq!(action, Action::Abort(denied));
    }
    assert_eq!(log.0, []);
}

#[test]
fn system_management_mode() {
    let mut log = Log::default();
    let mut deny = emulator(Service::SetVariable, Smm::Deny);
    let (action, _) = run(&mut deny, &mut log, &[0xe6, 0xb2], 0, 0);
    assert_eq!(action, Action::Abort(Abort::SmmDenied));
    let mut allow = emulator(Service::SetVariable, Smm::Allow);
    let (action, _) = run(&mut allow, &mut log, &[0xe6, 0xb2], 0, 2);
    assert_eq!(action, Action::Abort(Abort::SmmCommand(2)));
    assert_eq!(log.0, []);
    // A flood ends.
    let mut entries = 0;
    loop {
        match run(&mut allow, &mut log, &[0xe6, 0xb2], 0, 0).0 {
            Action::Resume => entries += 1,
            action => break assert_eq!(action, Action::Abort(Abort::SmmLimit)),
        }
    }
    assert_eq!((entries, allow.counts.smis, log.0.len()), (256, 256, 256));
    // The next call has as many.
    allow.begin(Service::SetVariable);
    assert_eq!(
        run(&mut allow, &mut log, &[0xe6, 0xb2], 0, 0).0,
        Action::Resume
    );
}

#[test]
fn nobody_there() {
    let mut log = Log::default();
    let mut emulator = emulator(Service::GetVariable, Smm::Allow);
    let read = |emulator: &mut Emulator, log: &mut Log, port| {
        let (action, regs) = run(emulator, log, IN_AL, port, 0);
        assert_eq!(action, Action::Resume);
        regs.general[reg::AX]
    };
    assert_eq!(read(&mut emulator, &mut log, 0x3fd), 0x60);
    assert_eq!(read(&mut emulator, &mut log, 0x3f8), 0);
    for port in [0x80, 0x3f8, 0x3fb] {
        let (action, _) = run(&mut emulator, &mut log, OUT_AL, port, 0x41);
        assert_eq!(action, Action::Resume);
    }
    assert_eq!(log.0, []);
    let timer = run(&mut emulator, &mut log, IN_EAX, TIMER.into(), u64::MAX);
    assert_eq!(timer.1.general[reg::AX], 0xa1b2_c3d4);
}

#[test]
fn constants_and_what_is_denied() {
    let mut log = Log::default();
    let mut emulator = emulator(Service::GetVariable, Smm::Allow);
    let (action, regs) = run(&mut emulator, &mut log, &[0x0f, 0x20, 0xc3], 0, 0);
    assert_eq!(
        (action, regs.general[reg::BX]),
        (Action::Resume, 0x8005_0033)
    );
    let (_, regs) = run(&mut emulator, &mut log, &[0x41, 0x0f, 0x20, 0xe1], 0, 0);
    assert_eq!(regs.general[9], 0x6e0);
    for (bytes, abort) in [
        (&[0x0f, 0x20, 0xd8][..], Abort::ControlRead(3)),
        (&[0x44, 0x0f, 0x20, 0xc0], Abort::ControlRead(8)),
        (&[0x0f, 0x22, 0xc0], Abort::ControlWrite(0)),
        (&[0x0f, 0x30], Abort::MsrWrite(0)),
        (&[0x0f, 0x32], Abort::MsrRead(0)),
        (&[0xf4], Abort::Halt),
        (&[0x0f, 0x01, 0x18], Abort::Instruction([0x0f, 0x01, 0x18])),
        (&[0x0f, 0x01, 0xd1], Abort::Instruction([0x0f, 0x01, 0xd1])),
        (&[0x0f, 0x23, 0xf8], Abort::Instruction([0x0f, 0x23, 0xf8])),
        (
            &[0x48, 0xa1, 0, 0, 0, 0, 0, 0, 0, 0x80],
            Abort::Instruction([0xa1, 0, 0]),
        ),
    ] {
        let (action, _) = run(&mut emulator, &mut log, bytes, 0, 0);
        assert_eq!(action, Action::Abort(abort), "{bytes:02x?}");
    }
    assert_eq!(log.0, []);
}

#[test]
fn virtual_interrupts_and_caches() {
    let mut log = Log::default();
    let mut emulator = emulator(Service::SetVariable, Smm::Allow);
    assert!(emulator.interrupts_on());
    run(&mut emulator, &mut log, &[0xfa], 0, 0);
    assert!(!emulator.interrupts_on());
    run(&mut emulator, &mut log, &[0xfb], 0, 0);
    assert!(emulator.interrupts_on());
    for _ in 0..100 {
        let (action, _) = run(&mut emulator, &mut log, &[0x0f, 0x09], 0, 0);
        assert_eq!(action, Action::Resume);
    }
    // No more than firmware can be in need of.
    assert_eq!(log.0, [(); 16].map(|()| Access::WriteBack));
}

#[test]
fn storms_end() {
    let mut log = Log::default();
    let mut emulator = emulator(Service::GetTime, Smm::Allow);
    let mut traps = 0u32;
    loop {
        match run(&mut emulator, &mut log, IN_AL, 0x70, 0).0 {
            Action::Resume => traps += 1,
            action => break assert_eq!(action, Action::Abort(Abort::TrapLimit)),
        }
    }
    assert_eq!(traps, 1_000_000);
    // The way back is open all the same.
    let mut regs = Regs {
        ip: RETURN,
        ..Regs::default()
    };
    let halt = decode(&[0xf4]).unwrap();
    assert_eq!(emulator.trap(&halt, &mut regs, &mut log), Action::Done(0));
}

/// REP OUTS to a port where nobody is: in parts, each of which counts.
#[test]
fn strings() {
    let mut log = Log::default();
    let mut emulator = emulator(Service::GetVariable, Smm::Allow);
    let mut regs = Regs {
        ip: 0x1000,
        flags: 2,
        ..Regs::default()
    };
    regs.general[reg::DX] = 0x3f8;
    regs.general[reg::CX] = 600;
    regs.general[reg::SI] = 0x5000;
    let insn = decode(&[0xf3, 0x6e]).unwrap();
    let mut parts = 0;
    while regs.ip == 0x1000 {
        assert_eq!(emulator.trap(&insn, &mut regs, &mut log), Action::Resume);
        parts += 1;
    }
    assert_eq!(
        (parts, regs.general[reg::CX], regs.general[reg::SI]),
        (3, 0, 0x5000 + 600)
    );
    let reads: Vec<_> = (0x5000..0x5000 + 600)
        .map(|at| Access::MemoryRead(at, Size::One))
        .collect();
    assert_eq!(log.0, reads);
    // Down, and with 32 bits.
    regs = Regs {
        ip: 0x1000,
        flags: 1 << 10,
        ..Regs::default()
    };
    regs.general[reg::DX] = 0x80;
    regs.general[reg::CX] = 0xffff_0000_0000_0002;
    regs.general[reg::SI] = 0xffff_0000_0000_0000;
    log.0.clear();
    let insn = decode(&[0x67, 0xf3, 0x6f]).unwrap();
    assert_eq!(emulator.trap(&insn, &mut regs, &mut log), Action::Resume);
    assert_eq!(regs.general[reg::SI], 0xffff_fff8);
    let four = |at| Access::MemoryRead(at, Size::Four);
    assert_eq!(log.0, [four(0), four(0xffff_fffc)]);
    // To the kernel.
    let kernel = 0xffff_8880_0000_0000;
    for (bytes, port) in [(&[0xf3, 0x6c], 0x3f8), (&[0xf3, 0x6e], 0x80)] {
        regs = Regs {
            ip: 0x1000,
            ..Regs::default()
        };
        regs.general[reg::DX] = port;
        regs.general[reg::CX] = 8;
        regs.general[reg::SI] = kernel;
        regs.general[reg::DI] = kernel;
        let insn = decode(bytes).unwrap();
        let action = emulator.trap(&insn, &mut regs, &mut log);
        assert_eq!(action, Action::Abort(Abort::Memory(kernel)));
    }
    // With nothing to do it does nothing, not even look at the port.
    regs = Regs {
        ip: 0x1000,
        ..Regs::default()
    };
    regs.general[reg::DX] = 0xcfc;
    let insn = decode(&[0xf3, 0x6e]).unwrap();
    assert_eq!(emulator.trap(&insn, &mut regs, &mut log), Action::Resume);
    assert_eq!(regs.ip, 0x1002);
}
