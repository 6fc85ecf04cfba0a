// SPDX-License-Identifier: GPL-2.0
//! TPM faults.
//!
//! | fault | staged by |
//! | --- | --- |
//! | [`Fault::Absent`] | the chipset's PCIe configuration window is moved over the TPM's registers by qtest: reads give all ones, writes go nowhere, as on a board without a TPM |
//! | [`Fault::LocalityHeld`] | a locality is requested on the real TIS registers by qtest and never released, so that a lower one is not granted |
//! | [`Fault::Error`] | the response is replaced on the data channel; the TPM did not execute the command |
//! | [`Fault::Short`] | the TPM's response is cut, its header says the shorter size |
//! | [`Fault::Delay`] | the TPM's response is held back |
//! | [`Fault::Busy`] | the TPM never finishes the command: no data ever become available |
//! | [`Fault::Vanish`] | as `Absent`, but at the moment a command is executed |

use std::str::FromStr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::Arc;
use std::time::Duration;

use super::data::{Command, OnRequest, OnResponse, TpmHook};

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
    /// Responses come late.
    Delay(Duration, Match),
    /// Commands are never finished.
    Busy(Match),
    /// The TPM disappears while it executes a command.
    Vanish(Match),
}

/// Parses `absent`, `locality=N`, and `KIND[=VALUE][,cc=CODE][,skip=N][,count=N]` with KIND one of
/// `error` (value: response code), `short` (bytes), `delay` (milliseconds), `busy`, `vanish`.
impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let (kind, value) = split(parts.next().unwrap_or_default());
        let mut which = Match::ALL;
        for part in parts {
            match split(part) {
                ("cc", Some(value)) => which.code = Some(number(value)?),
                ("skip", Some(value)) => which.skip = number(value)?,
                ("count", Some(value)) => which.count = number(value)?,
                _ => return Err(format!("unknown fault option '{part}'")),
            }
        }
        let value = |what: &str| {
            let text = value.ok_or_else(|| format!("{kind} needs {what}: {kind}=..."))?;
            number(text)
        };
        Ok(match kind {
            "absent" => Fault::Absent,
            "locality" => Fault::LocalityHeld(
                u8::try_from(value("a locality")?)
                    .ok()
                    .filter(|locality| *locality < 4)
                    .ok_or("localities 0 to 3 can be held")?,
            ),
            "error" => Fault::Error(value("a response code")?, which),
            "short" => Fault::Short(value("a size")? as usize, which),
            "delay" => Fault::Delay(Duration::from_millis(value("a time")?.into()), which),
            "busy" => Fault::Busy(which),
            "vanish" => Fault::Vanish(which),
            _ => return Err(format!("unknown fault '{kind}'")),
        })
    }
}

fn split(part: &str) -> (&str, Option<&str>) {
    match part.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (part, None),
    }
}

fn number(text: &str) -> Result<u32, String> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    }
    .map_err(|e| format!("'{text}': {e}"))
}

/// Lets a hook, which runs beside the machine, ask the thread that owns the machine to remove the
/// TPM's registers, and wait until that is done.
#[derive(Debug, Clone, Default)]
pub struct Trigger(Arc<AtomicU8>);

const IDLE: u8 = 0;
const WANTED: u8 = 1;
const DONE: u8 = 2;

impl Trigger {
    fn fire(&self) {
        self.0.store(WANTED, Ordering::Release);
        for _ in 0..500 {
            if self.0.load(Ordering::Acquire) == DONE {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether the hook waits for the removal.
    pub fn wanted(&self) -> bool {
        self.0.load(Ordering::Acquire) == WANTED
    }

    /// Tells the hook that the registers are gone.
    pub fn done(&self) {
        self.0.store(DONE, Ordering::Release);
    }

    /// Whether nothing has been asked yet.
    pub fn idle(&self) -> bool {
        self.0.load(Ordering::Acquire) == IDLE
    }
}

/// The hook that stages the faults of the data channel.
#[derive(Debug)]
pub struct FaultHook {
    fault: Fault,
    which: Match,
    trigger: Trigger,
    hit: bool,
}

impl FaultHook {
    /// A hook for `fault`; `None` if that fault is not staged on the data channel.
    pub fn new(fault: &Fault, trigger: Trigger) -> Option<Self> {
        let which = match fault {
            Fault::Absent | Fault::LocalityHeld(_) => return None,
            Fault::Error(_, which)
            | Fault::Short(_, which)
            | Fault::Delay(_, which)
            | Fault::Busy(which)
            | Fault::Vanish(which) => *which,
        };
        Some(FaultHook {
            fault: fault.clone(),
            which,
            trigger,
            hit: false,
        })
    }

    fn hits(&mut self, command: &Command) -> bool {
        if self.which.code.is_some_and(|code| code != command.code) {
            return false;
        }
        if self.which.skip > 0 {
            self.which.skip -= 1;
            return false;
        }
        if self.which.count == 0 {
            return false;
        }
        self.which.count = self.which.count.saturating_sub(1);
        true
    }
}

/// A response that is a header only.
fn header(code: u32) -> Vec<u8> {
    let mut bytes = vec![0x80, 0x01, 0, 0, 0, 10];
    bytes.extend_from_slice(&code.to_be_bytes());
    bytes
}

impl TpmHook for FaultHook {
    fn request(&mut self, command: &Command) -> OnRequest {
        self.hit = self.hits(command);
        if !self.hit {
            return OnRequest::Forward;
        }
        match &self.fault {
            Fault::Error(code, _) => OnRequest::Answer(header(*code)),
            Fault::Busy(_) => OnRequest::Hang,
            Fault::Vanish(_) => {
                self.trigger.fire();
                OnRequest::Hang
            }
            _ => OnRequest::Forward,
        }
    }

    fn response(&mut self, _command: &Command, mut response: Vec<u8>) -> OnResponse {
        if !self.hit {
            return OnResponse::Send(response);
        }
        match &self.fault {
            Fault::Short(size, _) => {
                // QEMU's device reads as many bytes as the header says, so the header says less.
                response.truncate((*size).max(10));
                let size = u32::try_from(response.len()).unwrap_or(10);
                if let Some(field) = response.get_mut(2..6) {
                    field.copy_from_slice(&size.to_be_bytes());
                }
                OnResponse::Send(response)
            }
            Fault::Delay(delay, _) => OnResponse::After(*delay, response),
            _ => OnResponse::Send(response),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(code: u32) -> Command {
        Command {
            code,
            locality: 2,
            bytes: vec![0; 10],
        }
    }

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
        assert!("locality=4".parse::<Fault>().is_err());
        assert!("short".parse::<Fault>().is_err());
        assert!("short=12,what=1".parse::<Fault>().is_err());
    }

    #[test]
    fn the_right_command_fails() {
        let fault = "error=0x101,cc=0x182,skip=1,count=1".parse().unwrap();
        let mut hook = FaultHook::new(&fault, Trigger::default()).unwrap();
        assert_eq!(hook.request(&command(0x17a)), OnRequest::Forward);
        assert_eq!(hook.request(&command(0x182)), OnRequest::Forward);
        assert_eq!(
            hook.request(&command(0x182)),
            OnRequest::Answer(header(0x101))
        );
        assert_eq!(hook.request(&command(0x182)), OnRequest::Forward);
    }

    #[test]
    fn a_short_response_says_so() {
        let fault = "short=12".parse().unwrap();
        let mut hook = FaultHook::new(&fault, Trigger::default()).unwrap();
        hook.request(&command(0x17e));
        let mut response = header(0);
        response.extend_from_slice(&[0; 20]);
        let OnResponse::Send(bytes) = hook.response(&command(0x17e), response) else {
            panic!("not sent");
        };
        assert_eq!(bytes.len(), 12);
        assert_eq!(bytes[2..6], [0, 0, 0, 12]);
    }
}
