// SPDX-License-Identifier: GPL-2.0
//! QEMU's qtest line protocol, used as a hand on the machine: physical memory, MMIO with its side
//! effects and ports, at any time, whether the guest runs or not.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use base64::prelude::{Engine, BASE64_STANDARD};

use crate::error::{Blame, Error, Result, Side};

/// Bytes per bulk request.
const CHUNK: usize = 1 << 20;
/// Time allowed for the answer to one request.
const ANSWER: Duration = Duration::from_secs(20);

/// A qtest connection.
#[derive(Debug)]
pub struct Qtest {
    stream: UnixStream,
    reader: BufReader<UnixStream>,
}

impl Qtest {
    /// Takes over a fresh connection.
    pub fn new(stream: UnixStream) -> Result<Self> {
        stream
            .set_read_timeout(Some(ANSWER))
            .blame(Side::Host, "qtest socket")?;
        let reader = BufReader::new(stream.try_clone().blame(Side::Host, "qtest socket")?);
        Ok(Qtest { stream, reader })
    }

    fn request(&mut self, line: &str) -> Result<String> {
        let shown = line.get(..40).unwrap_or(line);
        let context = || format!("qtest '{shown}'");
        self.stream
            .write_all(line.as_bytes())
            .and_then(|()| self.stream.write_all(b"\n"))
            .blame(Side::Qemu, context())?;
        let mut answer = String::new();
        let got = self
            .reader
            .read_line(&mut answer)
            .blame(Side::Qemu, context())?;
        if got == 0 {
            return Err(Error::new(Side::Qemu, "the qtest connection closed"));
        }
        let answer = answer.trim_end();
        match answer.strip_prefix("OK") {
            Some(rest) => Ok(rest.trim_start().to_owned()),
            None => Err(Error::new(Side::Qemu, format!("{}: {answer}", context()))),
        }
    }

    fn number(&mut self, line: &str) -> Result<u64> {
        let answer = self.request(line)?;
        let digits = answer.trim_start_matches("0x");
        u64::from_str_radix(digits, 16).blame(Side::Qemu, format_args!("qtest '{line}'"))
    }

    /// Reads physical memory.
    pub fn read(&mut self, address: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let want = CHUNK.min(length - bytes.len());
            let at = address + bytes.len() as u64;
            let text = self.request(&format!("b64read {at:#x} {want:#x}"))?;
            let got = BASE64_STANDARD
                .decode(text.as_bytes())
                .blame(Side::Qemu, "qtest b64read")?;
            if got.len() != want {
                return Err(Error::new(Side::Qemu, "qtest b64read: wrong length"));
            }
            bytes.extend_from_slice(&got);
        }
        Ok(bytes)
    }

    /// Writes physical memory; translated code of the range is dropped by QEMU.
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> Result<()> {
        for (index, chunk) in bytes.chunks(CHUNK).enumerate() {
            let at = address + (index * CHUNK) as u64;
            let text = BASE64_STANDARD.encode(chunk);
            self.request(&format!("b64write {at:#x} {:#x} {text}", chunk.len()))?;
        }
        Ok(())
    }

    /// One 8-bit read with side effects.
    pub fn readb(&mut self, address: u64) -> Result<u8> {
        Ok(self.number(&format!("readb {address:#x}"))? as u8)
    }

    /// One 8-bit write with side effects.
    pub fn writeb(&mut self, address: u64, value: u8) -> Result<()> {
        self.request(&format!("writeb {address:#x} {value:#x}"))?;
        Ok(())
    }

    /// One 32-bit read with side effects.
    pub fn readl(&mut self, address: u64) -> Result<u32> {
        Ok(self.number(&format!("readl {address:#x}"))? as u32)
    }

    /// One 32-bit write with side effects.
    pub fn writel(&mut self, address: u64, value: u32) -> Result<()> {
        self.request(&format!("writel {address:#x} {value:#x}"))?;
        Ok(())
    }

    /// 32-bit port output.
    pub fn outl(&mut self, port: u16, value: u32) -> Result<()> {
        self.request(&format!("outl {port:#x} {value:#x}"))?;
        Ok(())
    }

    /// 32-bit port input.
    pub fn inl(&mut self, port: u16) -> Result<u32> {
        Ok(self.number(&format!("inl {port:#x}"))? as u32)
    }
}
