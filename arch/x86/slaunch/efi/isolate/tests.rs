// SPDX-License-Identifier: GPL-2.0

//! Tests of what the mode `isolate` asks of this kernel and of the machine. What needs neither is
//! tested on the host.

use kernel::prelude::*;

#[kunit_tests(rust_slaunch_isolate)]
mod cases {
    use super::super::{
        super::{
            gate::Smm,
            isolate::{
                abort::Abort,
                emulate::{
                    Action,
                    Emulator, //
                },
                insn::{
                    reg,
                    Insn,
                    Regs, //
                },
                prm::Guid, //
            },
            service::Service, //
        },
        denied,
        machine::{
            platform,
            Ports, //
        },
        prm, //
    };
    use kernel::{
        page::PAGE_SIZE,
        prelude::*, //
    };

    /// A call that does what any call may, one instruction after the other.
    struct Call {
        emulator: Emulator,
        regs: Regs,
    }

    impl Call {
        fn new() -> Self {
            let mut emulator = Emulator::new(platform(), Smm::Deny, 0);
            emulator.begin(Service::GetVariable);
            let regs = Regs {
                general: [0; 16],
                ip: 0x1000,
                flags: 0,
            };
            Self { emulator, regs }
        }

        /// An instruction of at most two bytes of opcode, and a byte of operand behind them.
        fn act(&mut self, opcode: &[u8], operand: u8) -> Action {
            let mut insn = Insn {
                prefixes: [0; 4],
                rex: 0,
                extended: false,
                opcode: [0; 3],
                opcode_bytes: if opcode.len() == 1 { 1 } else { 2 },
                modrm: None,
                immediate: operand.into(),
                length: 2,
            };
            for (to, from) in insn.opcode.iter_mut().zip(opcode) {
                *to = *from;
            }
            self.emulator.trap(&insn, &mut self.regs, &mut Ports)
        }
    }

    const IN: [u8; 1] = [0xe4];
    const OUT: [u8; 1] = [0xe6];
    const RDMSR: [u8; 2] = [0x0f, 0x32];

    /// Memory that is in no table is not for firmware either.
    #[test]
    fn registers_are_denied() -> Result {
        let regions = denied::regions()?;
        let page = u64::try_from(PAGE_SIZE)?;
        for address in [0xfee0_0000, 0xfec0_0000, 0xfed0_0000, 0xfed4_0000] {
            let covers =
                |base: u64, end: u64| base <= address && address.saturating_add(page) <= end;
            assert!(regions.iter().any(|it| covers(it.base(), it.end())));
        }
        for region in &regions {
            assert!(region.base() % page == 0 && region.end() % page == 0);
        }
        Ok(())
    }

    /// The kernel lies above the first MiB, and nothing else is where the local APIC is.
    #[test]
    fn memory_of_the_kernel_is_known() {
        assert!(denied::is_ram(0x10_0000, 1));
        assert!(denied::is_all_ram(0x10_0000, PAGE_SIZE));
        assert!(!denied::is_ram(0xfee0_0000, 1));
        assert!(denied::is_ram(0, u64::MAX));
        assert!(!denied::is_all_ram(0xfedf_f000, 2 * PAGE_SIZE));
    }

    /// Register D of the clock says that its battery is good.
    #[test]
    fn the_clock_is_read() {
        let mut call = Call::new();
        call.regs.set(reg::AX, 0x0d);
        assert_eq!(call.act(&OUT, 0x70), Action::Resume);
        assert_eq!(call.act(&IN, 0x71), Action::Resume);
        assert_eq!(call.regs.get(reg::AX), 0x80);
        assert_eq!(call.regs.ip, 0x1004);
    }

    #[test]
    fn msrs_are_not_read() {
        let mut call = Call::new();
        call.regs.set(reg::CX, 0xc000_0082);
        let denied = Action::Abort(Abort::MsrRead(0xc000_0082));
        assert_eq!(call.act(&RDMSR, 0), denied);
    }

    #[test]
    fn the_machine_is_not_reset() {
        let mut call = Call::new();
        call.regs.set(reg::AX, 6);
        call.regs.set(reg::DX, 0xcf9);
        let denied = Action::Abort(Abort::Port {
            port: 0xcf9,
            size: 1,
            value: Some(6),
        });
        // OUT DX, AL.
        assert_eq!(call.act(&[0xee], 0), denied);
    }

    #[test]
    fn guids_are_parsed() -> Result {
        let guid = prm::parse(b"00112233-4455-6677-8899-aabbccddeeff")?;
        let bytes = [
            0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd,
            0xee, 0xff,
        ];
        assert_eq!(guid, Guid(bytes));
        let long = b"00112233-4455-6677-8899-aabbccddeeff0";
        assert!(prm::parse(long).is_err());
        assert!(prm::parse(b"00112233445566778899aabbccddeeff").is_err());
        assert!(prm::parse(b"00112233-4455-6677-8899-aabbccddeefg").is_err());
        Ok(())
    }
}
