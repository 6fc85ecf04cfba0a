// SPDX-License-Identifier: GPL-2.0

//! A conversation with the host over the console.
//!
//! With `talk=1` on the kernel command line every line that the host types is a command, and is answered by one
//! line that begins with `answer: `, then `ok` or `error` with the number of the error.
//!
//! | command | what |
//! | --- | --- |
//! | `read NAME` | reads a variable of the tests' vendor: its bytes in hexadecimal |
//! | `write NAME HEX` | writes one |
//! | `open NAME` | has one written by any user |
//! | `symbol NAME` | looks up a function of the kernel: its address |
//! | `cat PATH` | reads a file; line feeds come as ` / ` |
//! | `put PATH TEXT` | writes one |
//! | `count PATH` | counts the entries of a directory |
//! | `capsule NAME SIZE` | has a capsule loaded: the SHA-256 of it |
//! | `cpus` | does some work on every processor; their numbers |
//! | `as UID COMMAND` | does one of the above as another user |
//! | `start COMMAND` | begins one of the above, and waits for nothing |
//! | `join` | waits for all that were begun: their answers |
//! | `load COUNT` | so many threads that keep the machine busy |
//! | `progress` | how far each of them is |
//! | `hand` | hands over what a launch is judged by |
//! | `off`, `reboot` | ends |

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufRead, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::thread;

use anyhow::{Context, Result};
use rustix::fs::{ioctl_getflags, ioctl_setflags, IFlags};
use rustix::io::Errno;
use rustix::system::{reboot, RebootCommand};
use rustix::thread::{sched_getcpu, sched_setaffinity, CpuSet};

use crate::background::{become_user, Background};
use crate::handover::Port;
use crate::{capsule, send_launch, tpm};

/// Where variables are, and the vendor of those of the tests.
const VARIABLES: &str = "/sys/firmware/efi/efivars";
const VENDOR: &str = "5e3a1f60-7c1d-4b52-9a55-51a4c6e0f00d";

/// Attributes: for boot services and at run time, gone after a reset.
const ATTRIBUTES: [u8; 4] = [6, 0, 0, 0];

fn variable(name: &str) -> String {
    format!("{VARIABLES}/{name}-{VENDOR}")
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads by one system call: a second one would read the variable again.
fn read(name: &str) -> io::Result<String> {
    let mut buffer = [0u8; 8192];
    let count = File::open(variable(name))?.read(&mut buffer)?;
    Ok(hexadecimal(buffer.get(4..count).unwrap_or_default()))
}

/// Variables that are not known to be harmless are protected from accidents: not this one any more.
fn unprotect(path: &str) -> io::Result<()> {
    let Ok(file) = File::open(path) else {
        return Ok(());
    };
    if ioctl_getflags(&file)?.contains(IFlags::IMMUTABLE) {
        ioctl_setflags(&file, IFlags::empty())?;
    }
    Ok(())
}

fn open_to_all(name: &str) -> io::Result<String> {
    let path = variable(name);
    unprotect(&path)?;
    fs::set_permissions(path, Permissions::from_mode(0o666))?;
    Ok(String::new())
}

fn write(name: &str, data: &[u8]) -> io::Result<String> {
    let path = variable(name);
    unprotect(&path)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    file.write_all(&[&ATTRIBUTES[..], data].concat())?;
    Ok(String::new())
}

/// The address of a function of the kernel's.
fn symbol(name: &str) -> io::Result<String> {
    let text = fs::read_to_string("/proc/kallsyms")?;
    let mut lines = text.lines().map(|line| line.split_ascii_whitespace());
    let address = lines.find_map(|mut words| {
        let address = words.next()?;
        (words.nth(1)? == name).then(|| address.to_owned())
    });
    address.ok_or_else(|| Errno::NOENT.into())
}

/// Every processor runs this thread once, and does some system calls in it.
fn cpus() -> io::Result<String> {
    let mut alive = String::new();
    let online = fs::read_to_string("/proc/cpuinfo")?;
    for cpu in 0..online.matches("processor\t").count() {
        let mut set = CpuSet::new();
        set.set(cpu);
        sched_setaffinity(None, &set)?;
        for _ in 0..100 {
            fs::metadata("/proc/self/stat")?;
        }
        alive += &format!("{} ", sched_getcpu());
    }
    Ok(alive)
}

fn hand() -> io::Result<String> {
    let send = || -> Result<()> {
        let mut port = Port::open()?;
        let pcrs = tpm::read_all();
        send_launch(&mut port, pcrs.as_ref().ok())?;
        port.finish()
    };
    send().map_err(io::Error::other)?;
    Ok(String::new())
}

fn bytes(text: &str) -> io::Result<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    };
    digits
        .map(|pair| byte(pair).ok_or_else(|| Errno::INVAL.into()))
        .collect()
}

/// The words of a command: the first, the second, and all that follow.
fn words(line: &str) -> [&str; 3] {
    let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
    let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
    [command, first, second]
}

fn answer(line: &str) -> io::Result<String> {
    let [command, first, second] = words(line);
    match command {
        "read" => read(first),
        "write" => write(first, &bytes(second)?),
        "open" => open_to_all(first),
        "symbol" => symbol(first),
        "cat" => {
            let text = fs::read(first)?;
            let text = String::from_utf8_lossy(&text);
            Ok(text.trim_end().replace('\n', " / "))
        }
        "put" => fs::write(first, second).map(|()| String::new()),
        "count" => fs::read_dir(first).map(|dir| dir.count().to_string()),
        "capsule" => capsule::load(first, second),
        "cpus" => cpus(),
        "as" => {
            let (uid, command) = (first.to_owned(), second.to_owned());
            let thread = thread::spawn(move || become_user(&uid).and_then(|()| answer(&command)));
            thread.join().map_err(|_| Errno::IO)?
        }
        "hand" => hand(),
        "reboot" => {
            rustix::fs::sync();
            reboot(RebootCommand::Restart)?;
            Ok(String::new())
        }
        _ => Err(Errno::NOSYS.into()),
    }
}

/// The answer to a command as the host gets it.
fn say(answer: io::Result<String>) -> String {
    match answer {
        Ok(text) => format!("ok {text}"),
        Err(error) => format!("error {} ({error})", error.raw_os_error().unwrap_or(0)),
    }
}

/// The same for commands that have to do with others.
fn answer_all(line: &str, background: &mut Background) -> io::Result<String> {
    match words(line) {
        ["start", ..] => {
            let command = line["start".len()..].trim().to_owned();
            background.start(move || say(answer(&command)));
            Ok(String::new())
        }
        ["join", ..] => background.join(),
        ["load", threads, _] => background.load(threads).map(|()| String::new()),
        ["progress", ..] => Ok(background.progress()),
        _ => answer(line),
    }
}

/// Answers until it is told to end.
pub(crate) fn run() -> Result<()> {
    let mut background = Background::default();
    println!("answer: ready");
    for line in io::stdin().lock().lines() {
        let line = line.context("console")?;
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        if line == "off" {
            break;
        }
        println!("answer: {}", say(answer_all(line, &mut background)));
    }
    Ok(())
}
