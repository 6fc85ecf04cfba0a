// SPDX-License-Identifier: GPL-2.0

//! Any bytes, and any registers. A second decoder, that of the crate `iced-x86`, says what the bytes are.
//! `PROPTEST_CASES` makes this run for as long as one likes.

use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};
use insn_check::decode;
use proptest::collection::vec;
use proptest::prelude::*;
use slaunch_core::gate::Smm;
use slaunch_core::isolate::emulate::Action;
use slaunch_core::isolate::insn::{reg, Insn, Memory, Port, Regs, Request, Size};
use slaunch_core::service::Service;

use crate::machine::{emulator, Access, Log, PM1, RETURN, TIMER};

/// The instruction that the second decoder sees.
fn iced(bytes: &[u8]) -> Instruction {
    let bytes = &bytes[..bytes.len().min(15)];
    Decoder::with_ip(64, bytes, 0, DecoderOptions::NONE).decode()
}

/// The name of an I/O port in an instruction, as both decoders have it.
fn port_of(insn: &Instruction, operand: u32) -> Option<Port> {
    match insn.op_kind(operand) {
        OpKind::Immediate8 => Some(Port::Fixed(insn.immediate8())),
        OpKind::Register if insn.op_register(operand) == Register::DX => Some(Port::Dx),
        _ => None,
    }
}

fn size_of(register: Register) -> Size {
    match register {
        Register::AL => Size::One,
        Register::AX => Size::Two,
        Register::EAX => Size::Four,
        other => panic!("I/O with {other:?}"),
    }
}

/// What the second decoder makes of it.
fn meant(insn: &Instruction) -> Request {
    let repeat = insn.has_rep_prefix() || insn.has_repne_prefix();
    let memory = |write, size, short| {
        Request::Memory(Memory {
            write,
            size,
            repeat,
            short,
        })
    };
    let short = |operand| {
        matches!(
            insn.op_kind(operand),
            OpKind::MemorySegESI | OpKind::MemoryESEDI
        )
    };
    match insn.mnemonic() {
        Mnemonic::In => Request::In(port_of(insn, 1).unwrap(), size_of(insn.op0_register())),
        Mnemonic::Out => Request::Out(port_of(insn, 0).unwrap(), size_of(insn.op1_register())),
        Mnemonic::Insb => memory(false, Size::One, short(0)),
        Mnemonic::Insw => memory(false, Size::Two, short(0)),
        Mnemonic::Insd => memory(false, Size::Four, short(0)),
        Mnemonic::Outsb => memory(true, Size::One, short(1)),
        Mnemonic::Outsw => memory(true, Size::Two, short(1)),
        Mnemonic::Outsd => memory(true, Size::Four, short(1)),
        Mnemonic::Hlt => Request::Halt,
        Mnemonic::Cli => Request::Interrupts(false),
        Mnemonic::Sti => Request::Interrupts(true),
        Mnemonic::Invd | Mnemonic::Wbinvd | Mnemonic::Wbnoinvd => Request::WriteBack,
        Mnemonic::Rdmsr => Request::MsrRead,
        Mnemonic::Wrmsr => Request::MsrWrite,
        Mnemonic::Mov => match insn.code() {
            Code::Mov_r64_cr => {
                let number = insn.op1_register() as u32 - Register::CR0 as u32;
                let register = insn.op0_register() as u32 - Register::RAX as u32;
                Request::ControlRead(number as u8, register as usize)
            }
            Code::Mov_cr_r64 => {
                let number = insn.op0_register() as u32 - Register::CR0 as u32;
                Request::ControlWrite(number as u8)
            }
            _ => Request::Other,
        },
        _ => Request::Other,
    }
}

/// Bytes that begin with something of interest more often than not.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let prefix = prop_oneof![
        4 => Just(0x66u8),
        2 => Just(0x67),
        2 => prop_oneof![Just(0xf2), Just(0xf3)],
        1 => prop_oneof![Just(0xf0u8), Just(0x2e), Just(0x64), Just(0x65)],
    ];
    let opcode = prop_oneof![
        4 => (0xe4u8..=0xe7).prop_map(|byte| vec![byte]),
        4 => (0xecu8..=0xef).prop_map(|byte| vec![byte]),
        4 => (0x6cu8..=0x6f).prop_map(|byte| vec![byte]),
        2 => prop_oneof![Just(0xf4u8), Just(0xfa), Just(0xfb)].prop_map(|byte| vec![byte]),
        6 => any::<u8>().prop_map(|byte| vec![0x0f, byte]),
        3 => prop_oneof![Just(0x20u8), Just(0x22), Just(0x30), Just(0x32), Just(8), Just(9)]
            .prop_map(|byte| vec![0x0f, byte]),
        1 => any::<[u8; 3]>().prop_map(|bytes| bytes.to_vec()),
    ];
    let rex = proptest::option::weighted(0.3, 0x40u8..=0x4f);
    (vec(prefix, 0..4), rex, opcode, any::<[u8; 8]>()).prop_map(|(prefixes, rex, opcode, rest)| {
        let mut bytes = prefixes;
        bytes.extend(rex);
        bytes.extend(opcode);
        bytes.extend(rest);
        bytes
    })
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![3 => bytes(), 1 => vec(any::<u8>(), 1..16)]
}

/// Registers whose parts are ports, MSRs and addresses that matter, more often than not.
fn regs() -> impl Strategy<Value = Regs> {
    let port = prop_oneof![
        Just(0x70u64),
        Just(0x71),
        Just(0x64),
        Just(0x80),
        Just(0xb2),
        Just(0xb3),
        Just(0xcf8),
        Just(0xcf9),
        Just(0xcfc),
        Just(0x3f8),
        Just(0x3fd),
        Just(u64::from(TIMER)),
        Just(u64::from(PM1)),
        any::<u64>(),
    ];
    let msr = prop_oneof![
        Just(0x10u64),
        Just(0x1b),
        Just(0xc000_0080),
        Just(3),
        any::<u64>()
    ];
    let ip = prop_oneof![Just(0x20_0000u64), Just(RETURN)];
    (any::<[u64; 16]>(), port, msr, ip, any::<bool>()).prop_map(
        |(mut general, port, msr, ip, down)| {
            general[reg::DX] = port;
            general[reg::CX] = msr;
            let flags = 0x202 | u64::from(down) << 10;
            Regs { general, ip, flags }
        },
    )
}

/// Whether firmware may have had this done in a call of `service`.
fn may(access: &Access, service: Service, smm: Smm) -> bool {
    let reset = service == Service::ResetSystem;
    match *access {
        Access::PortRead(port, size) => match port {
            TIMER => size == Size::Four,
            0xb2 | 0xb3 => smm == Smm::Allow && size == Size::One,
            0xcf9 | 0x64 => reset && size == Size::One,
            PM1 => reset && size != Size::One,
            _ => false,
        },
        Access::PortWrite(port, size, value) => match port {
            0xb3 => smm == Smm::Allow && size == Size::One,
            0xcf9 => reset && size == Size::One && value & !0xe == 0,
            0x64 => reset && size == Size::One && value == 0xfe,
            PM1 => reset && size != Size::One,
            _ => false,
        },
        Access::Smi(port, value) => smm == Smm::Allow && port == 0xb2 && ![2, 3].contains(&value),
        Access::ClockRead(index) => index <= 0xd || index == 0x32,
        Access::ClockWrite(index, value) => {
            index <= 9 || index == 0x32 || index == 0xb && value & 0x50 == 0
        }
        Access::Msr(number) => [0x10, 0x17, 0x8b, 0xce].contains(&number),
        Access::MemoryRead(..) | Access::MemoryWrite(..) | Access::WriteBack => true,
    }
}

proptest! {
    /// The two decoders agree about what an instruction is, wherever the emulator does anything about it.
    #[test]
    fn two_decoders(bytes in any_bytes()) {
        let Some(insn) = decode(&bytes) else { return Ok(()) };
        let other = iced(&bytes);
        let request = insn.request();
        let odd = insn.prefixes.iter().any(|prefix| [0xf0, 0x64, 0x65].contains(prefix));
        // A form that nobody writes, whose length the kernel's decoder has wrong: given up.
        let control = matches!(other.code(), Code::Mov_r64_cr | Code::Mov_cr_r64);
        let unusual = control && insn.modrm.is_none_or(|modrm| modrm < 0xc0);
        let wanted = if odd || unusual { Request::Other } else { meant(&other) };
        // A REX prefix that another prefix follows is void. The kernel's decoder takes it for an opcode.
        let rex = bytes.iter().position(|byte| byte & 0xf0 == 0x40);
        let void = rex.and_then(|at| bytes.get(at + 1)).is_some_and(|next| {
            matches!(next, 0x26 | 0x2e | 0x36 | 0x3e | 0x40..=0x4f | 0x64..=0x67 | 0xf0 | 0xf2 | 0xf3)
        });
        if void && request == Request::Other {
            return Ok(());
        }
        prop_assert_eq!(request, wanted, "{:02x?} {:?}", bytes, other.code());
        if request != Request::Other {
            prop_assert_eq!(usize::from(insn.length), other.len(), "{:02x?}", bytes);
        }
    }

    /// Whatever the bytes and the registers are: nothing is touched that firmware does not have, and no
    /// register changes but those of the instruction.
    #[test]
    fn any_instruction(
        bytes in any_bytes(), regs in regs(), more in vec((any_bytes(), any::<u32>()), 0..6),
        reset in any::<bool>(), allow in any::<bool>(),
    ) {
        let service = if reset { Service::ResetSystem } else { Service::GetVariable };
        let smm = if allow { Smm::Allow } else { Smm::Deny };
        let mut emulator = emulator(service, smm);
        let mut machine = Log::default();
        let mut now = regs;
        for (bytes, value) in std::iter::once((bytes, None))
            .chain(more.into_iter().map(|(bytes, value)| (bytes, Some(value))))
        {
            let Some(insn) = decode(&bytes) else { continue };
            if let Some(value) = value {
                now.general[reg::AX] = value.into();
            }
            let before = now;
            let action = emulator.trap(&insn, &mut now, &mut machine);
            prop_assert!(machine.0.iter().all(|access| may(access, service, smm)), "{:x?}", machine.0);
            let request = insn.request();
            prop_assert_eq!(now.flags, before.flags);
            match action {
                Action::Done(status) => {
                    prop_assert_eq!((request, before.ip, status), (Request::Halt, RETURN, before.general[reg::AX]));
                    prop_assert_eq!(now, before);
                    break;
                }
                Action::Resume => {
                    check_resumed(&insn, request, &before, &now)?;
                }
                Action::Abort(abort) => {
                    let mut text = String::new();
                    abort.write(&mut text).unwrap();
                    prop_assert!(!text.is_empty());
                    break;
                }
            }
        }
    }
}

/// Checks what has become of the registers.
fn check_resumed(
    insn: &Insn,
    request: Request,
    before: &Regs,
    now: &Regs,
) -> Result<(), TestCaseError> {
    let next = before.ip + u64::from(insn.length);
    let again = matches!(request, Request::Memory(memory) if memory.repeat) && now.ip == before.ip;
    prop_assert!(now.ip == next || again);
    let may_change = match request {
        Request::In(..) => vec![reg::AX],
        Request::MsrRead => vec![reg::AX, reg::DX],
        Request::Memory(_) => vec![reg::CX, reg::SI, reg::DI],
        Request::ControlRead(_, register) => vec![register],
        Request::Out(..) | Request::Interrupts(_) | Request::WriteBack => vec![],
        other => return Err(TestCaseError::fail(format!("{other:?} was done"))),
    };
    for register in 0..16 {
        let same = now.general[register] == before.general[register];
        prop_assert!(
            same || may_change.contains(&register),
            "register {}",
            register
        );
    }
    let (old, new) = (before.general[reg::AX], now.general[reg::AX]);
    match request {
        Request::In(_, Size::One) => prop_assert_eq!(old & !0xff, new & !0xff),
        Request::In(_, Size::Two) => prop_assert_eq!(old & !0xffff, new & !0xffff),
        Request::In(_, Size::Four) | Request::MsrRead => prop_assert_eq!(new >> 32, 0),
        _ => {}
    }
    Ok(())
}
