// SPDX-License-Identifier: GPL-2.0
//! Client for QEMU's gdb stub: stop, step, breakpoints, registers and memory of each CPU.

mod packet;
mod regs;

pub use regs::{Reg, RegisterFile, GENERAL};

use std::os::unix::net::UnixStream;
use std::time::Duration;

use packet::Link;

use crate::error::{Blame, Error, Result, Side};

/// Time allowed for the answer to one request.
const ANSWER: Duration = Duration::from_secs(20);
/// Bytes of memory per packet; QEMU's packet buffer takes little more.
const CHUNK: usize = 1024;

/// Why the machine stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// Signal number of the stop reply: 5 after a breakpoint or step, 2 on request, 3 when the
    /// machine has shut down or was reset.
    pub signal: u8,
    /// CPU index, from 0.
    pub cpu: usize,
}

/// Signal of a stop by a breakpoint or a step.
pub const SIGTRAP: u8 = 5;

/// A connection to the stub.
#[derive(Debug)]
pub struct Gdb {
    link: Link,
    selected: Option<usize>,
    running: bool,
}

impl Gdb {
    /// Takes over a fresh connection. The machine stays as it is: stopped.
    pub fn new(stream: UnixStream) -> Result<Self> {
        let mut gdb = Gdb {
            link: Link::new(stream)?,
            selected: None,
            running: false,
        };
        // Advertising nothing keeps thread ids plain CPU numbers from 1.
        gdb.request("qSupported:swbreak+;hwbreak+")?;
        gdb.request("vCont?")?;
        Ok(gdb)
    }

    fn request(&mut self, body: &str) -> Result<Vec<u8>> {
        if self.running {
            return Err(Error::new(
                Side::Model,
                format!("gdb request '{body}' while the machine runs"),
            ));
        }
        self.link.send(body)?;
        self.link
            .receive(ANSWER)?
            .ok_or_else(|| Error::new(Side::Qemu, format!("gdb stub does not answer '{body}'")))
    }

    fn accept(&mut self, body: &str) -> Result<()> {
        let answer = self.request(body)?;
        if answer == b"OK" {
            return Ok(());
        }
        let shown = body.get(..40).unwrap_or(body);
        Err(Error::new(
            Side::Qemu,
            format!(
                "gdb stub answers '{shown}' with '{}'",
                String::from_utf8_lossy(&answer)
            ),
        ))
    }

    fn select(&mut self, cpu: usize) -> Result<()> {
        if self.selected != Some(cpu) {
            self.accept(&format!("Hg{:x}", cpu + 1))?;
            self.selected = Some(cpu);
        }
        Ok(())
    }

    /// Whether the machine was set running and has not reported a stop.
    pub fn running(&self) -> bool {
        self.running
    }

    /// Lets all CPUs run.
    pub fn resume(&mut self) -> Result<()> {
        self.link.send("vCont;c")?;
        self.running = true;
        Ok(())
    }

    /// Lets all CPUs but the first run for a moment; an interrupt that was sent to them arrives.
    pub fn run_others(&mut self, cpus: usize, time: Duration) -> Result<()> {
        let threads: String = (1..cpus).map(|cpu| format!(";c:{:x}", cpu + 1)).collect();
        if threads.is_empty() {
            return Ok(());
        }
        self.link.send(&format!("vCont{threads}"))?;
        self.running = true;
        if self.wait_stop(time)?.is_none() {
            self.interrupt()?;
            self.wait_stop(ANSWER)?
                .ok_or_else(|| Error::new(Side::Qemu, "QEMU does not stop when asked to"))?;
        }
        Ok(())
    }

    /// Executes one instruction of one CPU; all others stand still and no interrupt is taken.
    pub fn step(&mut self, cpu: usize) -> Result<Stop> {
        self.link.send(&format!("vCont;s:{:x}", cpu + 1))?;
        self.running = true;
        self.wait_stop(ANSWER)?
            .ok_or_else(|| Error::new(Side::Qemu, format!("CPU {cpu} does not finish a step")))
    }

    /// Asks a running machine to stop; the stop is reported by `wait_stop`.
    pub fn interrupt(&mut self) -> Result<()> {
        self.link.interrupt()
    }

    /// Waits for the machine to stop.
    pub fn wait_stop(&mut self, limit: Duration) -> Result<Option<Stop>> {
        if !self.running {
            return Err(Error::new(Side::Model, "waiting for a stopped machine"));
        }
        let Some(answer) = self.link.receive(limit)? else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(&answer);
        let stop = parse_stop(&text)
            .ok_or_else(|| Error::new(Side::Qemu, format!("unknown gdb stop reply '{text}'")))?;
        self.running = false;
        self.selected = None;
        Ok(Some(stop))
    }

    /// Sets a hardware breakpoint at a linear address, on all CPUs.
    pub fn insert_breakpoint(&mut self, address: u64) -> Result<()> {
        self.accept(&format!("Z1,{address:x},1"))
    }

    /// Removes a hardware breakpoint.
    pub fn remove_breakpoint(&mut self, address: u64) -> Result<()> {
        self.accept(&format!("z1,{address:x},1"))
    }

    /// Reads one register.
    pub fn register(&mut self, cpu: usize, reg: Reg) -> Result<u64> {
        self.select(cpu)?;
        let answer = self.request(&format!("p{:x}", reg.number()))?;
        let bytes = hex::decode(&answer).unwrap_or_default();
        if bytes.len() != reg.width() {
            return Err(Error::new(
                Side::Qemu,
                format!("register {reg:?}: '{}'", String::from_utf8_lossy(&answer)),
            ));
        }
        let mut value = [0_u8; 8];
        value[..bytes.len()].copy_from_slice(&bytes);
        Ok(u64::from_le_bytes(value))
    }

    /// Writes one register.
    pub fn set_register(&mut self, cpu: usize, reg: Reg, value: u64) -> Result<()> {
        self.select(cpu)?;
        let bytes = value.to_le_bytes();
        let digits = hex::encode(&bytes[..reg.width()]);
        self.accept(&format!("P{:x}={digits}", reg.number()))
    }

    /// Reads all registers of a CPU.
    pub fn registers(&mut self, cpu: usize) -> Result<RegisterFile> {
        RegisterFile::read(|reg| self.register(cpu, reg))
    }

    /// Reads memory at a linear address as `cpu` sees it.
    pub fn read(&mut self, cpu: usize, address: u64, length: usize) -> Result<Vec<u8>> {
        self.select(cpu)?;
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let want = CHUNK.min(length - bytes.len());
            let at = address.wrapping_add(bytes.len() as u64);
            let answer = self.request(&format!("m{at:x},{want:x}"))?;
            let got = hex::decode(&answer)
                .blame(Side::Guest, format_args!("memory at {at:#x} not readable"))?;
            if got.len() != want {
                return Err(Error::new(Side::Guest, format!("memory at {at:#x}: short")));
            }
            bytes.extend_from_slice(&got);
        }
        Ok(bytes)
    }

    /// Writes memory at a linear address as `cpu` sees it.
    pub fn write(&mut self, cpu: usize, address: u64, bytes: &[u8]) -> Result<()> {
        self.select(cpu)?;
        for (index, chunk) in bytes.chunks(CHUNK).enumerate() {
            let at = address.wrapping_add((index * CHUNK) as u64);
            let digits = hex::encode(chunk);
            self.accept(&format!("M{at:x},{:x}:{digits}", chunk.len()))?;
        }
        Ok(())
    }

    /// Whether a CPU is halted (waits for an interrupt or a start-up IPI).
    pub fn halted(&mut self, cpu: usize) -> Result<bool> {
        let answer = self.request(&format!("qThreadExtraInfo,{:x}", cpu + 1))?;
        let text = hex::decode(&answer).blame(Side::Qemu, "gdb thread information")?;
        Ok(String::from_utf8_lossy(&text).contains("halted"))
    }
}

/// Parses `Sxx`, `Txxthread:NN;...`; thread numbers count from 1.
fn parse_stop(text: &str) -> Option<Stop> {
    let kind = text.chars().next()?;
    let signal = u8::from_str_radix(text.get(1..3)?, 16).ok()?;
    let cpu = match kind {
        'S' => 0,
        'T' => text[3..]
            .split(';')
            .find_map(|pair| pair.strip_prefix("thread:"))
            .and_then(|id| usize::from_str_radix(id.trim_start_matches("p01."), 16).ok())
            .map_or(0, |id| id.saturating_sub(1)),
        _ => return None,
    };
    Some(Stop { signal, cpu })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_replies() {
        let stop = parse_stop("T05thread:02;hwbreak:;").unwrap();
        assert_eq!(
            stop,
            Stop {
                signal: SIGTRAP,
                cpu: 1
            }
        );
        assert_eq!(parse_stop("S03").unwrap().signal, 3);
        assert!(parse_stop("OK").is_none());
        assert!(parse_stop("").is_none());
    }
}
