// SPDX-License-Identifier: GPL-2.0
//! QEMU Machine Protocol client (docs/interop/qmp-spec of QEMU).

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use serde_json::{json, Value};

use crate::error::{Blame, Error, Result, Side};
use crate::wait::Deadline;

/// Time allowed for the answer to one command.
const ANSWER: Duration = Duration::from_secs(20);

/// A connection after capability negotiation.
#[derive(Debug)]
pub struct Qmp {
    stream: UnixStream,
    messages: Receiver<Value>,
    events: Vec<Value>,
}

fn gone() -> Error {
    Error::new(Side::Qemu, "the QMP connection closed")
}

impl Qmp {
    /// Takes over a fresh connection and leaves negotiation mode.
    pub fn new(stream: UnixStream) -> Result<Self> {
        let reader = stream.try_clone().blame(Side::Host, "QMP socket")?;
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(reader).lines() {
                let Ok(line) = line else { break };
                let Ok(value) = serde_json::from_str(&line) else {
                    continue;
                };
                if sender.send(value).is_err() {
                    break;
                }
            }
        });
        let mut qmp = Qmp {
            stream,
            messages,
            events: Vec::new(),
        };
        qmp.command("qmp_capabilities", Value::Null)?;
        Ok(qmp)
    }

    /// Executes one command and returns its `return` value.
    pub fn command(&mut self, name: &str, arguments: Value) -> Result<Value> {
        let mut request = json!({ "execute": name });
        if !arguments.is_null() {
            request["arguments"] = arguments;
        }
        writeln!(self.stream, "{request}").blame(Side::Qemu, "QMP")?;
        let deadline = Deadline::after(ANSWER);
        loop {
            let message = match self.messages.recv_timeout(deadline.left()) {
                Ok(message) => message,
                Err(RecvTimeoutError::Disconnected) => return Err(gone()),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(Error::new(Side::Qemu, format!("no answer to QMP {name}")))
                }
            };
            if let Some(answer) = message.get("return") {
                return Ok(answer.clone());
            }
            if let Some(error) = message.get("error") {
                return Err(Error::new(
                    Side::Qemu,
                    format!("QMP {name} failed: {}", error["desc"]),
                ));
            }
            if message.get("event").is_some() {
                self.events.push(message);
            }
        }
    }

    /// A command of the human monitor; returns its text.
    pub fn monitor(&mut self, line: &str) -> Result<String> {
        let answer = self.command("human-monitor-command", json!({ "command-line": line }))?;
        Ok(answer.as_str().unwrap_or_default().to_owned())
    }

    /// How many processors the machine has.
    pub fn processors(&mut self) -> Result<usize> {
        let answer = self.command("query-cpus-fast", Value::Null)?;
        Ok(answer.as_array().map_or(0, Vec::len))
    }

    /// Events that have arrived since the last call.
    pub fn events(&mut self) -> Result<Vec<Value>> {
        loop {
            match self.messages.try_recv() {
                Ok(message) if message.get("event").is_some() => self.events.push(message),
                Ok(_) => {}
                Err(TryRecvError::Empty) => return Ok(std::mem::take(&mut self.events)),
                Err(TryRecvError::Disconnected) if self.events.is_empty() => return Err(gone()),
                Err(TryRecvError::Disconnected) => return Ok(std::mem::take(&mut self.events)),
            }
        }
    }
}
