// SPDX-License-Identifier: GPL-2.0
//! Faults of the registers between software and TPM.
//!
//! On the CRB, which is the model's own, each is exact and may wait for a number of commands. On
//! the TIS a window of constant registers is laid over QEMU's device, so that everything else
//! about it stops working too.

use std::time::Duration;

use crate::tpm::crb::registers as crb;
use crate::tpm::kind::TpmInterface;

/// A step of the handshakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Access is granted to a locality that requests it.
    Grant,
    /// The TPM becomes ready for a command.
    Ready,
    /// The TPM becomes idle (CRB).
    Idle,
}

/// A register with a value of the fault's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Register {
    Access,
    Sts,
    LocState,
    LocSts,
    Interface,
    CtrlSts,
    CmdSize,
    CmdAddr,
    RspSize,
    RspAddr,
}

impl Register {
    /// All of them, with the names they have in a fault.
    pub const ALL: [(&'static str, Register); 10] = [
        ("access", Register::Access),
        ("sts", Register::Sts),
        ("loc-state", Register::LocState),
        ("loc-sts", Register::LocSts),
        ("interface", Register::Interface),
        ("ctrl-sts", Register::CtrlSts),
        ("cmd-size", Register::CmdSize),
        ("cmd-addr", Register::CmdAddr),
        ("rsp-size", Register::RspSize),
        ("rsp-addr", Register::RspAddr),
    ];

    /// Offset and bytes in a page of the CRB; none for registers of the TIS.
    fn crb(self) -> Option<(usize, usize)> {
        Some(match self {
            Register::Access | Register::Sts => return None,
            Register::LocState => (crb::LOC_STATE, 4),
            Register::LocSts => (crb::LOC_STS, 4),
            Register::Interface => (crb::INTERFACE_ID, 8),
            Register::CtrlSts => (crb::CTRL_STS, 4),
            Register::CmdSize => (crb::CMD_SIZE, 4),
            Register::CmdAddr => (crb::CMD_ADDR, 8),
            Register::RspSize => (crb::RSP_SIZE, 4),
            Register::RspAddr => (crb::RSP_ADDR, 8),
        })
    }
}

/// Something wrong with the registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegisterFault {
    /// A step never happens.
    Never(Step),
    /// A step takes this long (CRB).
    Late(Step, Duration),
    /// `ACCESS` (TIS) or `LOC_STATE` (CRB) never says that it is valid.
    LocalityInvalid,
    /// `STS` never says that it is valid (TIS).
    StsInvalid,
    /// The TPM never takes a byte: burst count 0 (TIS).
    BurstZero,
    /// The TPM reports a fatal error and executes nothing (CRB).
    Fatal,
    /// A register reads as this value.
    Value(Register, u64),
}

impl RegisterFault {
    /// Whether it can be staged there.
    pub fn suits(&self, interface: TpmInterface) -> bool {
        let both = matches!(
            self,
            RegisterFault::Never(Step::Grant | Step::Ready) | RegisterFault::LocalityInvalid
        );
        let tis = matches!(
            self,
            RegisterFault::StsInvalid
                | RegisterFault::BurstZero
                | RegisterFault::Value(Register::Access | Register::Sts, _)
        );
        match interface {
            TpmInterface::Tis => tis || both,
            TpmInterface::Crb => !tis,
            TpmInterface::QemuCrb => false,
        }
    }

    /// What the CRB's register at `offset` reads instead of its own value.
    pub(crate) fn reads(&self, offset: usize) -> Option<u32> {
        let RegisterFault::Value(register, value) = self else {
            return None;
        };
        let (start, bytes) = register.crb()?;
        let within = offset.checked_sub(start).filter(|within| *within < bytes)?;
        Some((value >> (8 * within)) as u32)
    }

    /// `ACCESS` and `STS` of every locality of the TIS. `family` holds the version's bits of
    /// `STS`.
    pub(crate) fn tis(&self, family: u32) -> Option<(u8, u32)> {
        // ACCESS: valid, active, no launch yet. STS: valid, ready, burst count 64.
        const ACCESS: u8 = 0xa1;
        const STS: u32 = 64 << 8 | 0xc0;
        let (access, sts) = match self {
            RegisterFault::Never(Step::Grant) => (0x81, STS),
            RegisterFault::LocalityInvalid => (ACCESS & !0x80, STS),
            RegisterFault::Never(Step::Ready) => (ACCESS, STS & !0x40),
            RegisterFault::StsInvalid => (ACCESS, STS & !0x80),
            RegisterFault::BurstZero => (ACCESS, STS & 0xff),
            RegisterFault::Value(Register::Access, value) => (*value as u8, STS),
            RegisterFault::Value(Register::Sts, value) => return Some((ACCESS, *value as u32)),
            _ => return None,
        };
        Some((access, sts | family))
    }
}
