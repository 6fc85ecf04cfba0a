// SPDX-License-Identifier: GPL-2.0

//! Why a call of firmware in user mode was given up.

use core::fmt::{self, Write};

/// What firmware did that it may not, or did not do that it must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abort {
    /// An access to an I/O port that it does not have.
    Port {
        /// The first port.
        port: u16,
        /// Number of bytes.
        size: u8,
        /// What was to be written; none for a read.
        value: Option<u32>,
    },
    /// Entering system management mode, where the settings deny it.
    SmmDenied,
    /// A command to system management mode that is the kernel's.
    SmmCommand(u8),
    /// Entering system management mode too often.
    SmmLimit,
    /// A read of an MSR that is none of its business.
    MsrRead(u32),
    /// A write to an MSR.
    MsrWrite(u32),
    /// A read of a control register that is none of its business.
    ControlRead(u8),
    /// A write to a control register.
    ControlWrite(u8),
    /// An instruction that user mode does not have: its opcode and ModRM.
    Instruction([u8; 3]),
    /// An instruction that could not be read or decoded.
    Unreadable,
    /// `HLT` elsewhere than where a call returns to.
    Halt,
    /// An I/O instruction with memory that firmware does not have, at this address.
    Memory(u64),
    /// More instructions that trap than any call needs.
    TrapLimit,
    /// A system call.
    SystemCall,
    /// An exception that firmware may not cause: vector, error code, and for a page fault the
    /// address.
    Exception {
        /// The vector.
        vector: u8,
        /// The error code.
        code: u32,
        /// The address that was accessed, where that is known.
        address: u64,
    },
    /// The call took longer than this many milliseconds.
    TimeLimit(u32),
    /// The thread that firmware runs in has ended.
    Ended,
    /// A status that is none.
    Status(u64),
    /// A size or another value that was returned and cannot be: which, what was offered, what came
    /// back.
    Output(&'static str, u64, u64),
    /// The function to be called is not in firmware's code.
    Function(u64),
}

impl Abort {
    /// Writes it in words: what follows `violation in GetVariable: ` on record.
    ///
    /// # Errors
    ///
    /// Those of `text`.
    pub fn write(&self, text: &mut impl Write) -> fmt::Result {
        match *self {
            Self::Port {
                port,
                size,
                value: Some(value),
            } => write!(text, "port {port:#x} written, {size} bytes, {value:#x}"),
            Self::Port {
                port,
                size,
                value: None,
            } => write!(text, "port {port:#x} read, {size} bytes"),
            Self::SmmDenied => text.write_str("SMM denied"),
            Self::SmmCommand(command) => write!(text, "SMM command {command:#x}"),
            Self::SmmLimit => text.write_str("SMM entered too often"),
            Self::MsrRead(number) => write!(text, "MSR {number:#x} read"),
            Self::MsrWrite(number) => write!(text, "MSR {number:#x} written"),
            Self::ControlRead(number) => write!(text, "CR{number} read"),
            Self::ControlWrite(number) => write!(text, "CR{number} written"),
            Self::Instruction([a, b, c]) => {
                write!(text, "privileged instruction {a:02x} {b:02x} {c:02x}")
            }
            Self::Unreadable => text.write_str("instruction not readable"),
            Self::Halt => text.write_str("HLT"),
            Self::Memory(address) => write!(text, "I/O with memory {address:#x}"),
            Self::TrapLimit => text.write_str("too many traps"),
            Self::SystemCall => text.write_str("system call"),
            Self::Exception {
                vector,
                code,
                address,
            } => write!(
                text,
                "exception {vector}, code {code:#x}, address {address:#x}"
            ),
            Self::TimeLimit(limit) => write!(text, "time limit {limit} ms"),
            Self::Ended => text.write_str("thread ended"),
            Self::Status(status) => write!(text, "status {status:#x}"),
            Self::Output(what, offered, returned) => {
                write!(text, "{what} {offered:#x} -> {returned:#x}")
            }
            Self::Function(address) => write!(text, "function {address:#x} not in code"),
        }
    }
}
