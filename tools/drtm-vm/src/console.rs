// SPDX-License-Identifier: GPL-2.0
//! The guest's serial ports: the console, and the port over which it hands files to the host.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Blame, Result, Side};

/// More output than this is dropped, so that a guest that prints for ever cannot fill memory.
const BUFFER_MAX: usize = 64 << 20;
/// Largest file a guest may hand over.
const FILE_MAX: usize = 16 << 20;

/// One captured serial port.
#[derive(Debug)]
pub struct Port {
    stream: UnixStream,
    buffer: Arc<Mutex<Vec<u8>>>,
}

fn lock(buffer: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    buffer.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Port {
    /// Captures everything from `stream`, and writes it to `log`, and with `echo` to the standard
    /// output, as it comes.
    pub fn new(stream: UnixStream, log: Option<&Path>, echo: bool) -> Result<Self> {
        let mut file = match log {
            Some(path) => Some(File::create(path).blame(Side::Host, path.display())?),
            None => None,
        };
        let buffer = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&buffer);
        let mut reader = stream.try_clone().blame(Side::Host, "serial socket")?;
        std::thread::spawn(move || {
            let mut chunk = [0_u8; 4096];
            while let Ok(count) = reader.read(&mut chunk) {
                if count == 0 {
                    break;
                }
                if echo {
                    // Nobody to tell when the output is closed.
                    let _ = std::io::stdout().write_all(&chunk[..count]);
                    let _ = std::io::stdout().flush();
                }
                let mut buffer = lock(&sink);
                if buffer.len() + count <= BUFFER_MAX {
                    buffer.extend_from_slice(&chunk[..count]);
                    if let Some(file) = &mut file {
                        // A full disk must not end the run; the buffer has it all.
                        let _ = file.write_all(&chunk[..count]);
                    }
                }
            }
        });
        Ok(Port { stream, buffer })
    }

    /// Types `bytes` into the port.
    pub fn send(&self, bytes: &[u8]) -> Result<()> {
        (&self.stream)
            .write_all(bytes)
            .blame(Side::Qemu, "serial socket")
    }

    /// Everything captured so far.
    pub fn bytes(&self) -> Vec<u8> {
        lock(&self.buffer).clone()
    }

    /// How many bytes have been captured.
    pub fn length(&self) -> usize {
        lock(&self.buffer).len()
    }

    /// Captured bytes from `position` on.
    pub fn since(&self, position: usize) -> Vec<u8> {
        lock(&self.buffer).get(position..).unwrap_or(&[]).to_vec()
    }

    /// Everything captured as text, terminal control sequences removed.
    pub fn text(&self) -> String {
        plain(&self.bytes())
    }

    /// Waits until nothing has arrived for a moment: the machine has stopped, but its last output
    /// may still be in the socket.
    pub fn drain(&self) {
        let mut last = self.length();
        for _ in 0..20 {
            std::thread::sleep(std::time::Duration::from_millis(25));
            let now = self.length();
            if now == last {
                return;
            }
            last = now;
        }
    }
}

/// Removes escape sequences (CSI and two-byte ones) and carriage returns.
pub fn plain(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        match byte {
            0x1b => {
                if rest.next() == Some(b'[') {
                    for byte in rest.by_ref() {
                        if (0x40..=0x7e).contains(&byte) {
                            break;
                        }
                    }
                }
            }
            b'\r' => {}
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Finds the stub's announcement of its launch instruction; the address it gives.
pub fn launch_prompt(text: &str) -> Option<u64> {
    const HEAD: &str = "slaunch: SKINIT at 0x";
    const TAIL: &str = ", press a key";
    text.match_indices(HEAD).find_map(|(at, _)| {
        let rest = text.get(at + HEAD.len()..)?;
        let (digits, rest) = rest.split_at_checked(16)?;
        if !rest.starts_with(TAIL) {
            return None;
        }
        u64::from_str_radix(digits, 16).ok()
    })
}

/// A file the guest handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestFile {
    /// Safe file name: letters, digits, `.`, `_`, `-`, not starting with a dot.
    pub name: String,
    /// Content.
    pub bytes: Vec<u8>,
}

fn safe_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// Extracts files from the raw output of the hand-over port: lines `SLFILE <name> <length>`, each
/// followed by exactly that many bytes. What lies between files (firmware writes to every serial
/// port) is skipped; an incomplete file is not returned.
pub fn guest_files(bytes: &[u8]) -> Vec<GuestFile> {
    const HEAD: &[u8] = b"SLFILE ";
    let mut files = Vec::new();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| rest.len() > HEAD.len()) {
        let Some(found) = rest.windows(HEAD.len()).position(|w| w == HEAD) else {
            break;
        };
        let body = at + found + HEAD.len();
        at = body;
        let header = &bytes[body..];
        let Some(end) = header.iter().take(100).position(|b| *b == b'\n') else {
            continue;
        };
        let Some((name, length)) = std::str::from_utf8(&header[..end])
            .ok()
            .and_then(|line| line.trim_end_matches('\r').split_once(' '))
        else {
            continue;
        };
        let Ok(length) = length.parse::<usize>() else {
            continue;
        };
        if !safe_name(name) || length > FILE_MAX {
            continue;
        }
        let start = body + end + 1;
        if let Some(content) = bytes.get(start..start + length) {
            files.push(GuestFile {
                name: name.to_owned(),
                bytes: content.to_vec(),
            });
            at = start + length;
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompt_among_escapes() {
        let raw =
            b"\x1b[2J\x1b[01;01Hslaunch: SKINIT at 0x\x1b[0m000000001e2f3a4b, press a key\r\n";
        assert_eq!(launch_prompt(&plain(raw)), Some(0x1e2f_3a4b));
        assert_eq!(
            launch_prompt("slaunch: SKINIT at 0x1234, press a key"),
            None
        );
    }

    #[test]
    fn files_between_noise() {
        let mut raw = b"BdsDxe: loading\r\nSLFILE eventlog.bin 12\n".to_vec();
        raw.extend_from_slice(b"SLFILE x 1\n\0\n");
        raw.extend_from_slice(b"SLFILE ../evil 1\nZ\nSLFILE pcrs.json 2\n{}\nSLFILE cut 10\nabc");
        let files = guest_files(&raw);
        let names: Vec<&str> = files.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["eventlog.bin", "pcrs.json"]);
        assert_eq!(files[0].bytes, b"SLFILE x 1\n\0");
    }
}
