// SPDX-License-Identifier: GPL-2.0

//! A TPM 2.0 (swtpm) that has gone through a launch, for tpm2-tools and for the program itself.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tpm_core::{
    Banks, EventLog, HashAlg, HostHash, LogFormat, MultiHash, Pcr, TpmError, TpmFamily, Transport,
    EV_SLAUNCH, EV_SLAUNCH_END, EV_SLAUNCH_START,
};

/// What is measured: PCR, type, data, and what the digest is of if not of the data.
pub const EVENTS: [(u32, u32, &str, Option<&[u8]>); 8] = [
    (17, EV_SLAUNCH, "Measured SLB", Some(b"loader block")),
    (17, EV_SLAUNCH, "Measured Kernel image", Some(b"kernel")),
    (17, EV_SLAUNCH_START, "Secure Launch start", None),
    (
        18,
        EV_SLAUNCH,
        "Measured Kernel command line",
        Some(b"quiet"),
    ),
    (18, EV_SLAUNCH, "EFI gate: verify,panic,full", None),
    (17, EV_SLAUNCH_END, "Secure Launch end", None),
    (18, EV_SLAUNCH_END, "Secure Launch end", None),
    (18, EV_SLAUNCH, "TPM handed over to its driver", None),
];

const SET_LOCALITY: u32 = 5;
const HASH_START: u32 = 6;
const HASH_DATA: u32 = 7;
const HASH_END: u32 = 8;

/// The banks of the TPM and of the log.
pub const BANKS: [HashAlg; 2] = [HashAlg::SHA1, HashAlg::SHA256];

/// A running TPM. It ends with this.
pub struct Swtpm {
    child: Child,
    port: u16,
    dir: TempDir,
}

impl Drop for Swtpm {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// A shell that has a TPM for as long as somebody has the other end of its standard input: the TPM that
/// all tests share is in a static variable, which nobody drops at the end. It ends with the TPM, too.
const KEEPER: &str = r#"
"$@" < /dev/null & tpm=$!
exec 3<&0
{ read -r _ <&3; kill $tpm; } 2> /dev/null & reader=$!
wait $tpm
kill $reader 2> /dev/null
rm -rf -- "$0"
"#;

/// Starts a TPM that has its state in `dir`.
fn spawn(dir: &TempDir, more: &[&str]) -> Child {
    let state = dir.path().display();
    Command::new("sh")
        .args([
            "-c",
            KEEPER,
            &state.to_string(),
            "swtpm",
            "socket",
            "--tpm2",
        ])
        .args(["--tpmstate", &format!("dir={state}")])
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh")
}

fn connect(port: u16) -> TcpStream {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => return stream,
            Err(e) => assert!(Instant::now() < end, "swtpm: {e}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A control command.
fn control(stream: &mut TcpStream, command: u32, body: &[u8]) {
    let request = [&command.to_be_bytes()[..], body].concat();
    stream.write_all(&request).unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, [0; 4], "control command {command}");
}

/// The data channel as the core's transport.
struct Data(TcpStream);

impl Transport for Data {
    fn family(&self) -> TpmFamily {
        TpmFamily::Tpm20
    }
    fn transmit(
        &mut self,
        command: &[u8],
        response: &mut [u8],
        _: tpm_core::Duration,
    ) -> Result<usize, TpmError> {
        self.0.write_all(command).unwrap();
        self.0.read_exact(&mut response[..10]).unwrap();
        let length = u32::from_be_bytes(response[2..6].try_into().unwrap()) as usize;
        self.0.read_exact(&mut response[10..length]).unwrap();
        Ok(length)
    }
    fn pause(&mut self, _: u64) -> Result<(), TpmError> {
        Ok(())
    }
}

impl Swtpm {
    /// Makes a TPM and starts it.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().to_str().unwrap().to_owned();
        let setup = Command::new("swtpm_setup")
            .args(["--tpm2", "--tpmstate", &state, "--pcr-banks", "sha1,sha256"])
            .stdout(Stdio::null())
            .status();
        assert!(setup.expect("swtpm_setup").success());
        // Two ports in a row. Somebody else may be faster; then once more.
        for _ in 0..20 {
            let free = TcpListener::bind(("127.0.0.1", 0)).unwrap();
            let port = free.local_addr().unwrap().port();
            let next = TcpListener::bind(("127.0.0.1", port.wrapping_add(1)));
            if port == u16::MAX || next.is_err() {
                continue;
            }
            drop((free, next));
            let server = format!("type=tcp,port={port}");
            let ctrl = format!("type=tcp,port={}", port + 1);
            let ports = ["--server", &server, "--ctrl", &ctrl];
            let flags = ["--flags", "not-need-init,startup-clear"];
            let mut child = spawn(&dir, &[&ports[..], &flags[..]].concat());
            std::thread::sleep(Duration::from_millis(200));
            if child.try_wait().unwrap().is_none() {
                return Self { child, port, dir };
            }
        }
        panic!("swtpm does not start");
    }

    /// Goes through a launch, and returns its log.
    pub fn launch(&self) -> Vec<u8> {
        let mut ctrl = connect(self.port + 1);
        let mut data = Data(connect(self.port));
        let mut banks = Banks::new();
        for alg in BANKS {
            banks.push(alg).unwrap();
        }
        let mut bytes = vec![0; 4096];
        let mut log = EventLog::format(&mut bytes, 0x1000, &banks, LogFormat::Agile).unwrap();
        for (number, (pcr, event_type, label, of)) in EVENTS.into_iter().enumerate() {
            let measured = of.unwrap_or(label.as_bytes());
            let digests = HostHash::new().digest(&banks, measured);
            let index = Pcr::new(pcr).unwrap();
            if number == 0 {
                // The processor does this one.
                control(&mut ctrl, HASH_START, &[]);
                let length = u32::try_from(measured.len()).unwrap().to_be_bytes();
                control(&mut ctrl, HASH_DATA, &[&length[..], measured].concat());
                control(&mut ctrl, HASH_END, &[]);
                control(&mut ctrl, SET_LOCALITY, &[2]);
            } else {
                tpm_core::pcr_extend(&mut data, index, &digests).unwrap();
            }
            log.append(index, event_type, &digests, label.as_bytes())
                .unwrap();
        }
        let used = log.used();
        bytes.truncate(used);
        control(&mut ctrl, SET_LOCALITY, &[0]);
        bytes
    }

    /// The directory of this TPM, for keys and quotes.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The path of a file there.
    pub fn path(&self, name: &str) -> String {
        self.dir().join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file there.
    pub fn file(&self, name: &str, bytes: &[u8]) -> String {
        std::fs::write(self.dir().join(name), bytes).unwrap();
        self.path(name)
    }

    /// How programs over tpm2-tss reach this TPM.
    pub fn tcti(&self) -> String {
        format!("swtpm:port={}", self.port)
    }

    /// Runs one of tpm2-tools on this TPM, in its directory.
    pub fn tool(&self, line: &str) -> String {
        let output = self.run(line);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {err}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Whether one of tpm2-tools says yes.
    pub fn says_yes(&self, line: &str) -> bool {
        self.run(line).status.success()
    }

    fn run(&self, line: &str) -> Output {
        let mut words = line.split_ascii_whitespace();
        Command::new(words.next().unwrap())
            .args(words)
            .current_dir(self.dir())
            .env("TPM2TOOLS_TCTI", self.tcti())
            .output()
            .unwrap()
    }
}

/// A TPM that listens on a socket of the file system, as `--tpm` takes it.
pub fn listening() -> (Swtpm, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("socket");
    let server = format!("type=unixio,path={}", socket.display());
    let child = spawn(&dir, &["--flags", "startup-clear", "--server", &server]);
    let tpm = Swtpm {
        child,
        port: 0,
        dir,
    };
    let end = Instant::now() + Duration::from_secs(20);
    while !socket.exists() {
        assert!(Instant::now() < end, "swtpm does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    (tpm, socket)
}
