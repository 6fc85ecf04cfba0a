// SPDX-License-Identifier: GPL-2.0

//! A real TPM for the model: a private swtpm, ended with the test.
//!
//! swtpm has two sockets: commands and responses go over one, resets, localities and the hash sequence
//! of a dynamic launch over the other (its numbers are big endian; see swtpm's tpm_ioctl.h).

use super::sim::Backend;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tpm_core::TpmFamily;

const CMD_INIT: u32 = 2;
const CMD_SHUTDOWN: u32 = 3;
const CMD_SET_LOCALITY: u32 = 5;
const CMD_HASH_START: u32 = 6;
const CMD_HASH_DATA: u32 = 7;
const CMD_HASH_END: u32 = 8;

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Most bytes of one CMD_HASH_DATA.
const HASH_CHUNK: usize = 4096;

/// A running swtpm. Its state is in a temporary directory that goes with it.
pub struct Swtpm {
    process: Child,
    control: UnixStream,
    data: UnixStream,
    _directory: tempfile::TempDir,
}

impl Swtpm {
    /// Starts a TPM 2.0 with exactly these banks (TPM_ALG_ID) active.
    ///
    /// # Panics
    ///
    /// When there is no swtpm, or it does not do what it is told.
    pub fn start(banks: &[u16]) -> Self {
        let mut tpm = Self::spawn(TpmFamily::Tpm20);
        tpm.power_on();
        tpm.allocate(banks);
        tpm.command(&super::hex("8001 0000000c 00000145 0000"));
        tpm.power_on();
        tpm
    }

    /// A TPM of this family out of the box, that was reset but not started.
    ///
    /// # Panics
    ///
    /// When there is no swtpm, or it does not do what it is told.
    pub fn unstarted(family: TpmFamily) -> Self {
        let mut tpm = Self::spawn(family);
        tpm.reset();
        tpm
    }

    fn spawn(family: TpmFamily) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = |name: &str| directory.path().join(name);
        let process = Command::new("swtpm")
            // Should the test be killed, swtpm ends with the connection.
            .args(["socket", "--terminate"])
            .args((family == TpmFamily::Tpm20).then_some("--tpm2"))
            .arg("--tpmstate")
            .arg(format!("dir={}", directory.path().display()))
            .arg("--ctrl")
            .arg(format!("type=unixio,path={}", path("control").display()))
            .arg("--server")
            .arg(format!("type=unixio,path={}", path("data").display()))
            .stdin(Stdio::null())
            .spawn();
        let mut process = match process {
            Ok(process) => process,
            Err(error) => panic!("this test needs swtpm (Debian: apt install swtpm): {error}"),
        };
        let control = connect(&mut process, &path("control"));
        let data = connect(&mut process, &path("data"));
        Self {
            process,
            control,
            data,
            _directory: directory,
        }
    }

    /// Resets the TPM.
    pub fn reset(&mut self) {
        self.control(CMD_INIT, &0u32.to_be_bytes());
    }

    /// Reset, then TPM2_Startup(CLEAR).
    fn power_on(&mut self) {
        self.reset();
        self.command(&super::hex("8001 0000000c 00000144 0000"));
    }

    /// TPM2_PCR_Allocate: all PCRs in these banks, none in the others.
    fn allocate(&mut self, banks: &[u16]) {
        let all = [0x04u16, 0x0b, 0x0c, 0x0d];
        let mut command =
            super::hex("8002 00000037 0000012b 4000000c 00000009 40000009 0000 00 0000");
        command.extend(super::hex("00000004"));
        for alg in all {
            command.extend(alg.to_be_bytes());
            let map = if banks.contains(&alg) { 0xff } else { 0 };
            command.extend([3, map, map, map]);
        }
        let answer = self.command(&command);
        assert_eq!(answer.get(14), Some(&1), "swtpm did not take the banks");
    }

    /// Sends a command that must succeed.
    fn command(&mut self, command: &[u8]) -> Vec<u8> {
        let answer = self.execute(0, command);
        let rc = answer.get(6..10).expect("a response has a code");
        assert_eq!(rc, [0; 4], "swtpm refused {command:02x?}");
        answer
    }

    fn control(&mut self, code: u32, body: &[u8]) {
        let mut message = Vec::from(code.to_be_bytes());
        message.extend(body);
        self.control.write_all(&message).expect("swtpm is gone");
        let mut result = [0; 4];
        self.control.read_exact(&mut result).expect("swtpm is mute");
        assert_eq!(result, [0; 4], "swtpm refused control command {code}");
    }
}

fn connect(process: &mut Child, path: &Path) -> UnixStream {
    let start = Instant::now();
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => {
                let patience = Some(PATIENCE);
                stream.set_read_timeout(patience).expect("a timeout");
                stream.set_write_timeout(patience).expect("a timeout");
                return stream;
            }
            Err(_) if start.elapsed() < PATIENCE => {
                if let Ok(Some(status)) = process.try_wait() {
                    panic!("swtpm ended at its start: {status}");
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) => {
                let _ = process.kill();
                let _ = process.wait();
                panic!("swtpm does not answer at {}: {error}", path.display());
            }
        }
    }
}

impl Drop for Swtpm {
    fn drop(&mut self) {
        // Orderly first, but in any case.
        let _ = self.control.write_all(&CMD_SHUTDOWN.to_be_bytes());
        let _ = self.control.read(&mut [0; 4]);
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Backend for Swtpm {
    fn execute(&mut self, locality: u8, command: &[u8]) -> Vec<u8> {
        self.control(CMD_SET_LOCALITY, &[locality, 0, 0, 0]);
        self.data.write_all(command).expect("swtpm is gone");
        let mut answer = vec![0; 10];
        self.data.read_exact(&mut answer).expect("swtpm is mute");
        let size = answer[2..6].try_into().map(u32::from_be_bytes);
        let size = usize::try_from(size.expect("four bytes")).expect("fits");
        answer.resize(size, 0);
        self.data
            .read_exact(&mut answer[10..])
            .expect("swtpm is mute");
        answer
    }

    fn drtm(&mut self, data: &[u8]) {
        self.control(CMD_HASH_START, &[]);
        for chunk in data.chunks(HASH_CHUNK) {
            let len = u32::try_from(chunk.len()).expect("a chunk is small");
            let mut body = Vec::from(len.to_be_bytes());
            body.extend(chunk);
            self.control(CMD_HASH_DATA, &body);
        }
        self.control(CMD_HASH_END, &[]);
    }
}
