// SPDX-License-Identifier: GPL-2.0
//! TPM faults.
//!
//! | fault | staged by |
//! | --- | --- |
//! | [`Fault::Absent`] | the chipset's PCIe configuration window is moved over the TPM's registers by qtest: reads give all ones, writes go nowhere, as on a board without a TPM |
//! | [`Fault::LocalityHeld`] | a locality is requested on the real registers by qtest and never released, so that a lower one is not granted |
//! | [`Fault::Error`] | the response is replaced on the data channel; the TPM did not execute the command |
//! | [`Fault::Short`] | the TPM's response is cut, its header says the shorter size |
//! | [`Fault::Size`], [`Fault::Tag`] | the response's header is changed |
//! | [`Fault::Delay`] | the TPM's response is held back; a command that software cancels meanwhile is answered as cancelled |
//! | [`Fault::Busy`] | the TPM never finishes the command: no data ever become available |
//! | [`Fault::Vanish`] | as `Absent`, but at the moment a command is executed |
//! | [`Fault::Registers`] | the model's own CRB misbehaves; over QEMU's TIS constant registers are laid |

mod hook;
mod registers;

use std::str::FromStr;
use std::time::Duration;

pub use hook::{FaultHook, Trigger};
pub use registers::{Register, RegisterFault, Step};

use crate::tpm::kind::TpmInterface;

/// Most bytes of a response that QEMU's devices take.
const QEMU_RESPONSE_MAX: u32 = 4096;

/// Which commands a fault applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    /// Only this command code.
    pub code: Option<u32>,
    /// Matching commands that pass unharmed first.
    pub skip: u32,
    /// How many commands are hit then.
    pub count: u32,
}

impl Match {
    /// Every command.
    pub const ALL: Match = Match {
        code: None,
        skip: 0,
        count: u32::MAX,
    };
}

/// Something wrong with the TPM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// No TPM answers at its addresses.
    Absent,
    /// This locality is active and not released.
    LocalityHeld(u8),
    /// Commands fail with this response code.
    Error(u32, Match),
    /// Responses are cut to this many bytes (at least the 10 of a header).
    Short(usize, Match),
    /// Responses claim to have this many bytes. QEMU's devices deliver as many; on the CRB nothing
    /// follows the real ones.
    Size(u32, Match),
    /// Responses have this tag.
    Tag(u16, Match),
    /// Responses come late.
    Delay(Duration, Match),
    /// Commands are never finished.
    Busy(Match),
    /// The TPM disappears while it executes a command.
    Vanish(Match),
    /// The registers misbehave. The match says after which commands, and must be
    /// [`Match::ALL`] on the TIS.
    Registers(RegisterFault, Match),
}

impl Fault {
    /// Why the fault cannot be staged on a TPM with `interface`, if it cannot.
    pub fn refused(&self, interface: TpmInterface) -> Option<String> {
        match self {
            Fault::Registers(fault, _) if !fault.suits(interface) => {
                Some(format!("this fault cannot be staged on a TPM '{interface}'"))
            }
            Fault::Registers(_, which) if interface == TpmInterface::Tis && *which != Match::ALL => {
                Some("a fault of the TIS's registers is there at once or not at all".into())
            }
            Fault::Registers(_, which) if which.count != u32::MAX => {
                Some("a fault of the registers does not end, so it takes no count".into())
            }
            Fault::Size(size, _)
                if interface != TpmInterface::Crb && !(10..=QEMU_RESPONSE_MAX).contains(size) =>
            {
                Some(format!(
                    "QEMU takes responses of 10 to {QEMU_RESPONSE_MAX} bytes, other sizes need the CRB"
                ))
            }
            Fault::LocalityHeld(_) if interface == TpmInterface::QemuCrb => {
                Some("QEMU's CRB has locality 0 only".into())
            }
            _ => None,
        }
    }
}

/// Parses `absent`, `locality=N`, and `KIND[=VALUE][,cc=CODE][,skip=N][,count=N]` with KIND one of
/// `error` (value: response code), `short`, `size` (bytes), `tag`, `delay` (milliseconds), `busy`,
/// `vanish`; or of the registers' faults `no-grant`, `never-ready`, `never-idle`, `grant-delay`,
/// `ready-delay`, `idle-delay` (milliseconds), `locality-invalid`, `sts-invalid`, `burst-zero`,
/// `fatal`, or a register's name with its value.
impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let (kind, value) = split(parts.next().unwrap_or_default());
        let mut which = Match::ALL;
        for part in parts {
            match split(part) {
                ("cc", Some(value)) => which.code = Some(short_number(value)?),
                ("skip", Some(value)) => which.skip = short_number(value)?,
                ("count", Some(value)) => which.count = short_number(value)?,
                _ => return Err(format!("unknown fault option '{part}'")),
            }
        }
        let value = |what: &str| {
            let text = value.ok_or_else(|| format!("{kind} needs {what}: {kind}=..."))?;
            number(text)
        };
        let fitting = |what: &str| {
            u32::try_from(value(what)?).map_err(|_| format!("{kind}: {what} is too large"))
        };
        Ok(match kind {
            "absent" => Fault::Absent,
            "locality" => Fault::LocalityHeld(
                u8::try_from(value("a locality")?)
                    .ok()
                    .filter(|locality| *locality < 4)
                    .ok_or("localities 0 to 3 can be held")?,
            ),
            "error" => Fault::Error(fitting("a response code")?, which),
            "short" => Fault::Short(fitting("a size")? as usize, which),
            "size" => Fault::Size(fitting("a size")?, which),
            "tag" => Fault::Tag(
                u16::try_from(value("a tag")?).map_err(|_| "a tag has 16 bits")?,
                which,
            ),
            "delay" => Fault::Delay(Duration::from_millis(value("a time")?), which),
            "busy" => Fault::Busy(which),
            "vanish" => Fault::Vanish(which),
            _ => Fault::Registers(register_fault(kind, value)?, which),
        })
    }
}

fn register_fault(
    kind: &str,
    value: impl Fn(&str) -> Result<u64, String>,
) -> Result<RegisterFault, String> {
    let late = |step| {
        Ok::<_, String>(RegisterFault::Late(
            step,
            Duration::from_millis(value("a time")?),
        ))
    };
    Ok(match kind {
        "no-grant" => RegisterFault::Never(Step::Grant),
        "never-ready" => RegisterFault::Never(Step::Ready),
        "never-idle" => RegisterFault::Never(Step::Idle),
        "grant-delay" => late(Step::Grant)?,
        "ready-delay" => late(Step::Ready)?,
        "idle-delay" => late(Step::Idle)?,
        "locality-invalid" => RegisterFault::LocalityInvalid,
        "sts-invalid" => RegisterFault::StsInvalid,
        "burst-zero" => RegisterFault::BurstZero,
        "fatal" => RegisterFault::Fatal,
        _ => {
            let found = Register::ALL.into_iter().find(|(name, _)| *name == kind);
            let (_, register) = found.ok_or_else(|| format!("unknown fault '{kind}'"))?;
            RegisterFault::Value(register, value("a value")?)
        }
    })
}

fn split(part: &str) -> (&str, Option<&str>) {
    match part.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (part, None),
    }
}

fn number(text: &str) -> Result<u64, String> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    }
    .map_err(|e| format!("'{text}': {e}"))
}

fn short_number(text: &str) -> Result<u32, String> {
    u32::try_from(number(text)?).map_err(|_| format!("'{text}' is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_parse() {
        assert_eq!("absent".parse(), Ok(Fault::Absent));
        assert_eq!("locality=3".parse(), Ok(Fault::LocalityHeld(3)));
        assert_eq!(
            "error=0x101,cc=0x182,skip=2,count=1".parse(),
            Ok(Fault::Error(
                0x101,
                Match {
                    code: Some(0x182),
                    skip: 2,
                    count: 1
                }
            ))
        );
        assert_eq!(
            "idle-delay=900".parse(),
            Ok(Fault::Registers(
                RegisterFault::Late(Step::Idle, Duration::from_millis(900)),
                Match::ALL
            ))
        );
        assert_eq!(
            "rsp-addr=0xffffffffffffffff".parse(),
            Ok(Fault::Registers(
                RegisterFault::Value(Register::RspAddr, u64::MAX),
                Match::ALL
            ))
        );
        assert!("locality=4".parse::<Fault>().is_err());
        assert!("short".parse::<Fault>().is_err());
        assert!("short=12,what=1".parse::<Fault>().is_err());
        assert!("tag=0x10000".parse::<Fault>().is_err());
        assert!("fatality".parse::<Fault>().is_err());
    }

    #[test]
    fn faults_know_where_they_can_be() {
        let refused = |text: &str, interface| {
            let fault: Fault = text.parse().unwrap();
            fault.refused(interface).is_some()
        };
        use TpmInterface::{Crb, QemuCrb, Tis};
        for both in ["never-ready", "locality-invalid", "tag=0", "size=4000"] {
            assert!(!refused(both, Tis) && !refused(both, Crb), "{both}");
        }
        for tis in ["burst-zero", "sts-invalid", "access=0"] {
            assert!(!refused(tis, Tis) && refused(tis, Crb), "{tis}");
        }
        for crb in [
            "never-idle",
            "fatal",
            "cmd-size=0",
            "size=5",
            "no-grant,skip=1",
        ] {
            assert!(refused(crb, Tis) && !refused(crb, Crb), "{crb}");
        }
        assert!(refused("no-grant,count=1", Crb));
        assert!(refused("never-ready", QemuCrb) && !refused("busy", QemuCrb));
    }
}
