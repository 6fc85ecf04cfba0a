// SPDX-License-Identifier: GPL-2.0
//! Inter-processor interrupts, seen through QEMU's `apic_register_write` trace event. The event
//! fires for the MMIO registers and for the x2APIC MSRs alike: both end in one function.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use serde::Serialize;

use crate::error::{Blame, Result, Side};

/// Interrupt command register, low half; index as in the trace.
const ICR_LOW: u64 = 0x30;
/// Interrupt command register, high half: destination in xAPIC mode.
const ICR_HIGH: u64 = 0x31;

/// Kind of an inter-processor interrupt that starts or stops CPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IpiKind {
    /// INIT, level asserted.
    Init,
    /// INIT de-assert: ignored by all CPUs since the Pentium 4.
    InitDeassert,
    /// Start-up; the code begins at `vector << 12`.
    Startup,
    /// Non-maskable interrupt.
    Nmi,
}

/// Who receives an interrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Destination {
    /// The CPU with this APIC id.
    Cpu(u32),
    /// The sender.
    Itself,
    /// Every CPU.
    All,
    /// Every CPU but the sender.
    Others,
    /// A logical destination, not resolved here.
    Logical(u32),
}

impl Destination {
    /// Whether the application processor with APIC id `id` may be meant.
    pub fn reaches_ap(self, id: u32) -> bool {
        match self {
            Destination::Cpu(target) => target == id || target == 0xff,
            Destination::Itself => false,
            Destination::All | Destination::Others | Destination::Logical(_) => true,
        }
    }
}

/// One INIT, start-up or NMI interrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Ipi {
    /// Kind.
    pub kind: IpiKind,
    /// Receiver.
    pub to: Destination,
    /// Vector field; the start page for `Startup`.
    pub vector: u8,
}

/// Decodes a write of the interrupt command register (APM vol. 2, 16.5).
fn decode(value: u64, high: u32) -> Option<Ipi> {
    let low = value & 0xffff_ffff;
    let kind = match (low >> 8) & 7 {
        4 => IpiKind::Nmi,
        // Level triggered with the level bit clear is the de-assert form.
        5 if low & 0xc000 == 0x8000 => IpiKind::InitDeassert,
        5 => IpiKind::Init,
        6 => IpiKind::Startup,
        _ => return None,
    };
    let field = if value >> 32 != 0 {
        (value >> 32) as u32
    } else {
        high
    };
    let to = match (low >> 18) & 3 {
        1 => Destination::Itself,
        2 => Destination::All,
        3 => Destination::Others,
        _ if low & 0x800 != 0 => Destination::Logical(field),
        _ => Destination::Cpu(field),
    };
    Some(Ipi {
        kind,
        to,
        vector: low as u8,
    })
}

/// Follows the trace file of one QEMU.
#[derive(Debug)]
pub struct IpiTrace {
    path: PathBuf,
    position: u64,
    rest: String,
    high: u32,
}

impl IpiTrace {
    /// The trace written to `path`, from its beginning.
    pub fn new(path: PathBuf) -> Self {
        IpiTrace {
            path,
            position: 0,
            rest: String::new(),
            high: 0,
        }
    }

    /// Interrupts that were sent since the last call.
    pub fn poll(&mut self) -> Result<Vec<Ipi>> {
        let Ok(mut file) = File::open(&self.path) else {
            // QEMU creates it with the first event.
            return Ok(Vec::new());
        };
        file.seek(SeekFrom::Start(self.position))
            .blame(Side::Host, "trace file")?;
        let mut bytes = Vec::new();
        let count = file
            .read_to_end(&mut bytes)
            .blame(Side::Host, "trace file")?;
        self.position += count as u64;
        self.rest.push_str(&String::from_utf8_lossy(&bytes));
        let complete = self.rest.rfind('\n').map_or(0, |at| at + 1);
        let lines: String = self.rest.drain(..complete).collect();
        Ok(lines.lines().filter_map(|line| self.line(line)).collect())
    }

    /// One line: `apic_register_write register 0x30 = 0xc4500`, possibly with a time before it.
    fn line(&mut self, line: &str) -> Option<Ipi> {
        let (_, rest) = line.split_once("apic_register_write")?;
        let mut numbers = rest
            .split_whitespace()
            .filter_map(|word| word.strip_prefix("0x"))
            .filter_map(|digits| u64::from_str_radix(digits, 16).ok());
        let register = numbers.next()?;
        let value = numbers.next()?;
        match register {
            ICR_HIGH => {
                self.high = (value >> 24) as u32 & 0xff;
                None
            }
            ICR_LOW => decode(value, self.high),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interrupt_commands() {
        let init = decode(0xc4500, 0).unwrap();
        assert_eq!((init.kind, init.to), (IpiKind::Init, Destination::Others));
        let init = decode(0xc500, 3).unwrap();
        assert_eq!((init.kind, init.to), (IpiKind::Init, Destination::Cpu(3)));
        assert_eq!(decode(0x8500, 3).unwrap().kind, IpiKind::InitDeassert);
        let start = decode(0x2_0000_069f, 0).unwrap();
        assert_eq!(
            (start.kind, start.to, start.vector),
            (IpiKind::Startup, Destination::Cpu(2), 0x9f)
        );
        assert!(decode(0x40fd, 1).is_none());
    }

    #[test]
    fn a_trace_file_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trace");
        let mut trace = IpiTrace::new(path.clone());
        assert!(trace.poll().unwrap().is_empty());
        let text =
            "apic_register_write register 0x31 = 0x1000000\napic_register_write register 0x30";
        std::fs::write(&path, text).unwrap();
        assert!(trace.poll().unwrap().is_empty());
        std::fs::write(&path, format!("{text} = 0x4699\n")).unwrap();
        let ipis = trace.poll().unwrap();
        assert_eq!(ipis.len(), 1);
        assert_eq!(ipis[0].to, Destination::Cpu(1));
    }
}
