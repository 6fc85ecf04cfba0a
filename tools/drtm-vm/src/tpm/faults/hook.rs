// SPDX-License-Identifier: GPL-2.0
//! The faults of the data channel.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::Arc;
use std::time::Duration;

use super::{Fault, Match};
use crate::tpm::data::{Command, OnRequest, OnResponse, TpmHook};
use crate::tpm::kind::{TpmInterface, TpmVersion};

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
    interface: TpmInterface,
    version: TpmVersion,
    trigger: Trigger,
    hit: bool,
}

impl FaultHook {
    /// A hook for `fault` on such a TPM; `None` if that fault is not staged on the data channel.
    pub fn new(
        fault: &Fault,
        interface: TpmInterface,
        version: TpmVersion,
        trigger: Trigger,
    ) -> Option<Self> {
        let which = match fault {
            Fault::Absent | Fault::LocalityHeld(_) | Fault::Registers(..) => return None,
            Fault::Error(_, which)
            | Fault::Short(_, which)
            | Fault::Size(_, which)
            | Fault::Tag(_, which)
            | Fault::Delay(_, which)
            | Fault::Busy(which)
            | Fault::Vanish(which) => *which,
        };
        Some(FaultHook {
            fault: fault.clone(),
            which,
            interface,
            version,
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

/// Changes a field of a response's header.
fn put(response: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(field) = response.get_mut(at..at + bytes.len()) {
        field.copy_from_slice(bytes);
    }
}

impl TpmHook for FaultHook {
    fn request(&mut self, command: &Command) -> OnRequest {
        self.hit = self.hits(command);
        if !self.hit {
            return OnRequest::Forward;
        }
        match &self.fault {
            Fault::Error(code, _) => OnRequest::Answer(self.version.response(*code)),
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
                put(&mut response, 2, &size.to_be_bytes());
                OnResponse::Send(response)
            }
            Fault::Size(size, _) => {
                if self.interface != TpmInterface::Crb {
                    // QEMU waits for that many.
                    response.resize(*size as usize, 0);
                }
                put(&mut response, 2, &size.to_be_bytes());
                OnResponse::Send(response)
            }
            Fault::Tag(tag, _) => {
                put(&mut response, 0, &tag.to_be_bytes());
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

    fn hook(fault: &str) -> FaultHook {
        let fault = fault.parse().unwrap();
        let (interface, version) = (TpmInterface::default(), TpmVersion::default());
        FaultHook::new(&fault, interface, version, Trigger::default()).unwrap()
    }

    #[test]
    fn the_right_command_fails() {
        let mut hook = hook("error=0x101,cc=0x182,skip=1,count=1");
        assert_eq!(hook.request(&command(0x17a)), OnRequest::Forward);
        assert_eq!(hook.request(&command(0x182)), OnRequest::Forward);
        assert_eq!(
            hook.request(&command(0x182)),
            OnRequest::Answer(TpmVersion::V2_0.response(0x101))
        );
        assert_eq!(hook.request(&command(0x182)), OnRequest::Forward);
    }

    #[test]
    fn a_short_response_says_so() {
        let mut hook = hook("short=12");
        hook.request(&command(0x17e));
        let mut response = TpmVersion::V2_0.response(0);
        response.extend_from_slice(&[0; 20]);
        let OnResponse::Send(bytes) = hook.response(&command(0x17e), response) else {
            panic!("not sent");
        };
        assert_eq!(bytes.len(), 12);
        assert_eq!(bytes[2..6], [0, 0, 0, 12]);
    }
}
