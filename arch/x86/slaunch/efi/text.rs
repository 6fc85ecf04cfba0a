// SPDX-License-Identifier: GPL-2.0

//! What the gate puts on record, in words. No more than that: the file is compiled for the host
//! too, to be tested there.

use core::fmt::{
    self,
    Write, //
};

use super::{
    deviation::{
        Deviation,
        Violation,
        What, //
    },
    gate::{
        Gate,
        Mode, //
    },
    isolate::prm::Guid, //
};

/// Bytes that the longest text may have.
pub(crate) const SIZE: usize = 896;

/// A text. What does not fit is left out.
pub(crate) struct Text {
    bytes: [u8; SIZE],
    used: usize,
}

impl Text {
    /// Nothing.
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; SIZE],
            used: 0,
        }
    }

    /// The text.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or(&[])
    }

    /// The text. It is ASCII, as all names are.
    pub(crate) fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or("")
    }

    /// Becomes the text of a violation.
    pub(crate) fn set_violation(&mut self, violation: &Violation) {
        self.set(|text| write_violation(violation, text));
    }

    /// Becomes the text of a change of the settings.
    pub(crate) fn set_change(&mut self, from: Gate, to: Gate) {
        self.set(|text| write_change(from, to, text));
    }

    /// Becomes the text of a handler of ACPI's Platform Runtime Mechanism that is let in.
    pub(crate) fn set_prm_handler(&mut self, handler: Guid) {
        self.set(|text| {
            text.write_str("EFI gate: PRM handler ")?;
            handler.write(text)?;
            text.write_str(" allowed")
        });
    }

    fn set(&mut self, write: impl FnOnce(&mut Self) -> fmt::Result) {
        self.used = 0;
        // There is no error but that of a buffer that is full.
        let _ = write(self);
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.used..).ok_or(fmt::Error)?;
        for (to, &from) in room.iter_mut().zip(text.as_bytes()) {
            *to = from;
            self.used += 1;
        }
        match self.used == SIZE {
            true => Err(fmt::Error),
            false => Ok(()),
        }
    }
}

/// `EFI gate: violation in GetVariable: CR0 0x80050033 -> 0x80040033 (restored); +3 more`
fn write_violation(violation: &Violation, text: &mut Text) -> fmt::Result {
    let service = violation.service.name();
    write!(text, "EFI gate: violation in {service}: ")?;
    for (number, deviation) in violation.deviations().enumerate() {
        if number != 0 {
            text.write_str("; ")?;
        }
        write_deviation(deviation, text)?;
    }
    match violation.left_out() {
        0 => Ok(()),
        more => write!(text, "; +{more} more"),
    }
}

fn write_deviation(deviation: &Deviation, text: &mut Text) -> fmt::Result {
    let Deviation { from, to, .. } = *deviation;
    match deviation.what {
        What::Abort(abort) => {
            abort.write(text)?;
            write!(text, " at {from:#x}")?;
        }
        What::State(name) | What::Output(name) => text.write_str(name)?,
        What::Entry(name, number) => write!(text, "{name}[{number}]")?,
        What::Memory(name, offset) => write!(text, "{name}+{offset:#x}")?,
        What::Fault(vector) => {
            write_vector(vector, text)?;
            write!(text, " at {from:#x}")?;
            if vector == PAGE_FAULT {
                write!(text, ", address {to:#x}")?;
            }
        }
        What::TimeLimit => write!(text, "time limit {from} ms, stopped at {to:#x}")?,
    }
    // Of a page of memory only the digests differ, which are not given.
    let told = matches!(
        deviation.what,
        What::Abort(_) | What::Fault(_) | What::TimeLimit
    );
    if !told && from != to {
        write!(text, " {from:#x} -> {to:#x}")?;
    }
    match deviation.restored {
        true => text.write_str(" (restored)"),
        false => Ok(()),
    }
}

/// The exception that comes with an address.
const PAGE_FAULT: u32 = 14;

/// The name of an exception.
fn write_vector(vector: u32, text: &mut Text) -> fmt::Result {
    text.write_str(match vector {
        0 => "#DE",
        1 => "#DB",
        2 => "NMI",
        3 => "#BP",
        4 => "#OF",
        5 => "#BR",
        6 => "#UD",
        7 => "#NM",
        8 => "#DF",
        10 => "#TS",
        11 => "#NP",
        12 => "#SS",
        13 => "#GP",
        PAGE_FAULT => "#PF",
        16 => "#MF",
        17 => "#AC",
        18 => "#MC",
        19 => "#XM",
        20 => "#VE",
        21 => "#CP",
        29 => "#VC",
        _ => return write!(text, "vector {vector}"),
    })
}

/// `EFI gate: verify -> trust`, or with all words if it is not only the mode that changes.
fn write_change(from: Gate, to: Gate, text: &mut Text) -> fmt::Result {
    text.write_str("EFI gate: ")?;
    let only_mode = Gate {
        mode: to.mode,
        ..from
    } == to;
    if only_mode || to.mode == Mode::Off {
        return write!(text, "{} -> {}", from.mode.name(), to.mode.name());
    }
    write_words(from, text)?;
    text.write_str(" -> ")?;
    write_words(to, text)
}

/// The words of the option for `gate`, with commas between them.
pub(crate) fn write_words(gate: Gate, text: &mut impl Write) -> fmt::Result {
    for (number, word) in gate.said().enumerate() {
        if number != 0 {
            text.write_str(",")?;
        }
        text.write_str(word)?;
    }
    Ok(())
}
