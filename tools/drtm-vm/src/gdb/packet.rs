// SPDX-License-Identifier: GPL-2.0
//! Framing of the GDB remote serial protocol (GDB manual, appendix E).

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::error::{Blame, Error, Result, Side};
use crate::wait::Deadline;

/// Sum of all bytes modulo 256, as two hex digits at the end of a packet.
fn checksum(body: &[u8]) -> u8 {
    body.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

/// Encodes one packet. The bodies sent here never hold a byte that needs escaping.
pub fn encode(body: &str) -> Vec<u8> {
    format!("${body}#{:02x}", checksum(body.as_bytes())).into_bytes()
}

/// Removes the first whole packet from `buffer`; its body with escapes resolved.
/// Acknowledgements and noise between packets are dropped.
pub fn decode(buffer: &mut Vec<u8>) -> Result<Option<Vec<u8>>> {
    let Some(start) = buffer.iter().position(|b| *b == b'$') else {
        buffer.clear();
        return Ok(None);
    };
    let Some(length) = buffer[start..].iter().position(|b| *b == b'#') else {
        return Ok(None);
    };
    let end = start + length;
    if buffer.len() < end + 3 {
        return Ok(None);
    }
    let body: Vec<u8> = buffer[start + 1..end].to_vec();
    let sum = std::str::from_utf8(&buffer[end + 1..end + 3])
        .ok()
        .and_then(|digits| u8::from_str_radix(digits, 16).ok());
    buffer.drain(..end + 3);
    if sum != Some(checksum(&body)) {
        return Err(Error::new(Side::Qemu, "gdb packet with a bad checksum"));
    }
    Ok(Some(unescape(&body)))
}

/// Resolves `}x` escapes and `c*n` run lengths.
fn unescape(body: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(body.len());
    let mut bytes = body.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'}' => out.extend(bytes.next().map(|b| b ^ 0x20)),
            b'*' => {
                let count = bytes.next().map_or(0, |n| n.saturating_sub(29));
                if let Some(last) = out.last().copied() {
                    out.extend(std::iter::repeat_n(last, usize::from(count)));
                }
            }
            other => out.push(*other),
        }
    }
    out
}

/// A stream of packets. Acknowledgements are off.
#[derive(Debug)]
pub struct Link {
    stream: UnixStream,
    buffer: Vec<u8>,
}

impl Link {
    /// Takes over a fresh connection and turns acknowledgements off.
    pub fn new(stream: UnixStream) -> Result<Self> {
        let mut link = Link {
            stream,
            buffer: Vec::new(),
        };
        link.send("QStartNoAckMode")?;
        link.receive(Duration::from_secs(20))?
            .ok_or_else(|| Error::new(Side::Qemu, "the gdb stub does not answer"))?;
        // The last acknowledgement: for the packet that turned them off.
        link.stream.write_all(b"+").blame(Side::Qemu, "gdb")?;
        Ok(link)
    }

    /// Sends one packet.
    pub fn send(&mut self, body: &str) -> Result<()> {
        self.stream
            .write_all(&encode(body))
            .blame(Side::Qemu, "gdb")
    }

    /// Sends the interrupt byte, which stops a running machine.
    pub fn interrupt(&mut self) -> Result<()> {
        self.stream.write_all(&[3]).blame(Side::Qemu, "gdb")
    }

    /// The next packet, or nothing within `limit`.
    pub fn receive(&mut self, limit: Duration) -> Result<Option<Vec<u8>>> {
        let deadline = Deadline::after(limit);
        let mut chunk = [0_u8; 8192];
        loop {
            if let Some(body) = decode(&mut self.buffer)? {
                return Ok(Some(body));
            }
            if deadline.over() {
                return Ok(None);
            }
            self.stream
                .set_read_timeout(Some(deadline.left()))
                .blame(Side::Host, "gdb socket")?;
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(Error::new(Side::Qemu, "the gdb connection closed")),
                Ok(count) => self.buffer.extend_from_slice(&chunk[..count]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::new(Side::Qemu, format!("gdb: {e}"))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_round_trip_in_pieces() {
        let bytes = encode("m1000,4");
        assert_eq!(bytes, b"$m1000,4#8e");
        let mut buffer = b"+".to_vec();
        for byte in &bytes[..bytes.len() - 1] {
            buffer.push(*byte);
            assert!(decode(&mut buffer).unwrap().is_none());
        }
        buffer.push(*bytes.last().unwrap());
        assert_eq!(decode(&mut buffer).unwrap().unwrap(), b"m1000,4");
        assert!(buffer.is_empty());
    }

    #[test]
    fn a_wrong_checksum_is_an_error() {
        assert!(decode(&mut b"$OK#00".to_vec()).is_err());
    }

    #[test]
    fn escapes_and_runs() {
        assert_eq!(unescape(b"a}\x03b"), b"a#b");
        assert_eq!(unescape(b"0* "), b"0000");
    }
}
