// SPDX-License-Identifier: GPL-2.0

//! What firmware writes to: memory of the gate, between canaries, from where it is copied once it
//! was checked.

use super::{
    super::{
        door::Call,
        service::{
            Arg,
            Service, //
        },
        violation::{
            Deviation,
            Violation,
            What, //
        }, //
    },
    compare,
    cpu, //
};
use kernel::prelude::*;

/// Size of the area. What does not fit, with room behind it that an overrun goes to, is allocated.
const AREA: usize = 16 << 10;

/// Room behind the last output.
const ROOM: usize = 4096;

/// Bytes of canary in front of and behind each output.
const CANARY: usize = 8;

/// Most that is passed on.
const MOST: usize = 1 << 20;

/// Most outputs of a call: all of its arguments.
const OUTPUTS: usize = 6;

/// One output.
#[derive(Clone, Copy)]
struct Output {
    /// Which argument.
    arg: usize,
    /// Where the caller wants it.
    to: u64,
    /// Where it is in the area.
    offset: usize,
    /// Its size in bytes.
    size: usize,
}

impl Output {
    const NONE: Self = Self {
        arg: 0,
        to: 0,
        offset: 0,
        size: 0,
    };

    /// Behind its last byte. Neither is greater than what all outputs may have.
    fn end(&self) -> usize {
        self.offset.wrapping_add(self.size)
    }
}

/// The memory, and the outputs of the call that is under way.
#[repr(C, align(64))]
pub(crate) struct Bounce {
    area: [u8; AREA],
    /// Memory to be used instead of the area, unless empty.
    large: KVec<u8>,
    /// A byte of canary, another for each call.
    byte: u8,
    outputs: [Output; OUTPUTS],
    /// How many of them there are.
    count: usize,
    /// Behind the last canary.
    end: usize,
}

/// The lowest byte, with no value that memory is often filled with.
fn low_byte(word: u64) -> u8 {
    let [low, ..] = word.to_le_bytes();
    match low {
        0 | 0xff => 0x5c,
        low => low,
    }
}

/// The size that the caller has put at `pointer`.
///
/// # Safety
///
/// The pointer is an argument of the kernel's own call that points to a size, or NULL.
unsafe fn size_at(pointer: u64) -> usize {
    let pointer: *const usize = address(pointer);
    match pointer.is_null() {
        true => 0,
        // SAFETY: By the requirement of this function.
        false => unsafe { pointer.read_unaligned() },
    }
}

fn address<T>(pointer: u64) -> *mut T {
    core::ptr::with_exposed_provenance_mut(usize::try_from(pointer).unwrap_or(0))
}

impl Bounce {
    /// No outputs.
    pub(crate) const EMPTY: Self = Self {
        area: [0; AREA],
        large: KVec::new(),
        byte: 0,
        outputs: [Output::NONE; OUTPUTS],
        count: 0,
        end: 0,
    };

    /// Gives each output of `call` a place of its own, and lets `point` change the call's argument
    /// of that number to where that is.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is more than can be passed on.
    ///
    /// # Safety
    ///
    /// It is a call of the kernel's of this service.
    pub(crate) unsafe fn prepare(
        &mut self,
        service: Service,
        call: &Call,
        point: impl FnMut(usize, u64),
    ) -> Result {
        self.count = 0;
        self.end = CANARY;
        for (kind, (arg, &to)) in service.args().iter().zip(call.args.iter().enumerate()) {
            let size = match *kind {
                Arg::In => continue,
                _ if to == 0 => continue,
                Arg::Out(size) => size,
                Arg::Buffer(size) => {
                    let at = call.args.get(size).copied().unwrap_or(0);
                    // SAFETY: By the requirement of this function.
                    unsafe { size_at(at) }
                }
            };
            if size > MOST {
                return Err(ENOMEM);
            }
            if let Some(slot) = self.outputs.get_mut(self.count) {
                *slot = Output {
                    arg,
                    to,
                    offset: self.end,
                    size,
                };
                self.count = self.count.wrapping_add(1);
                // Far from what would wrap: there are few outputs of at most `MOST` bytes.
                self.end = slot.end().wrapping_add(2 * CANARY - 1) & !(CANARY - 1);
            }
        }
        let needed = self.end.saturating_add(ROOM);
        if needed > AREA {
            self.large = KVec::from_elem(0, needed, GFP_ATOMIC)?;
        }
        self.byte = low_byte(cpu::tsc());
        self.fill(point);
        Ok(())
    }

    /// Frees what was allocated for a call that is over.
    pub(crate) fn finish(&mut self) {
        if !self.large.is_empty() {
            self.large = KVec::new();
        }
    }

    fn outputs(&self) -> impl Iterator<Item = &Output> {
        self.outputs.iter().take(self.count)
    }

    fn bytes(&self) -> &[u8] {
        match self.large.is_empty() {
            true => &self.area,
            false => &self.large,
        }
    }

    /// Writes canaries, copies what the caller has in its outputs, and lets `point` point the call
    /// here.
    fn fill(&mut self, mut point: impl FnMut(usize, u64)) {
        let area: &mut [u8] = match self.large.is_empty() {
            true => &mut self.area,
            false => &mut self.large,
        };
        if let Some(used) = area.get_mut(..self.end) {
            compare::fill(used, self.byte);
        }
        for output in self.outputs.iter().take(self.count) {
            if let Some(place) = area.get_mut(output.offset..output.end()) {
                // SAFETY: The caller offers so many bytes there.
                unsafe { compare::copy_bytes(address(output.to), place.as_mut_ptr(), place.len()) };
                let place = place.as_ptr().expose_provenance();
                point(output.arg, u64::try_from(place).unwrap_or(0));
            }
        }
    }

    /// Whether all canaries live, and where the first dead one is in the area.
    fn dead_canary(&self) -> Option<(usize, u8)> {
        let bytes = self.bytes();
        let mut start = 0;
        for output in self.outputs() {
            let canary = bytes.get(start..output.offset).unwrap_or(&[]);
            if !compare::filled(canary, self.byte) {
                return self.first_other(start, canary);
            }
            start = output.end();
        }
        let canary = bytes.get(start..self.end).unwrap_or(&[]);
        match compare::filled(canary, self.byte) {
            true => None,
            false => self.first_other(start, canary),
        }
    }

    #[cold]
    fn first_other(&self, start: usize, canary: &[u8]) -> Option<(usize, u8)> {
        let at = canary.iter().position(|&byte| byte != self.byte)?;
        Some((start.saturating_add(at), canary.get(at).copied()?))
    }

    /// Checks what firmware has written, against the size that was offered.
    pub(crate) fn check(&self, service: Service, status: u64, found: &mut Violation) {
        if let Some((at, byte)) = self.dead_canary() {
            found.add(Deviation::new(
                What::Memory("output buffer", u64::try_from(at).unwrap_or(u64::MAX)),
                self.byte.into(),
                byte.into(),
            ));
        }
        if status != 0 {
            return;
        }
        for (index, kind) in service.args().iter().enumerate() {
            let Arg::Buffer(size) = *kind else { continue };
            let output = |arg| self.outputs().find(move |o| o.arg == arg);
            let Some(buffer) = output(index) else {
                continue;
            };
            let Some(size) = output(size) else { continue };
            let Some(now) = self.size_in(size) else {
                continue;
            };
            if now > buffer.size {
                found.add(Deviation::new(
                    What::Output("data size"),
                    u64::try_from(buffer.size).unwrap_or(u64::MAX),
                    u64::try_from(now).unwrap_or(u64::MAX),
                ));
            }
        }
    }

    /// The size that firmware has left in an output.
    fn size_in(&self, output: &Output) -> Option<usize> {
        let end = output.offset.checked_add(size_of::<usize>())?;
        let bytes = self.bytes().get(output.offset..end)?;
        Some(usize::from_ne_bytes(bytes.try_into().ok()?))
    }

    /// Copies the outputs to the caller's.
    pub(crate) fn deliver(&self) {
        let bytes = self.bytes();
        for output in self.outputs() {
            if let Some(place) = bytes.get(output.offset..output.end()) {
                // SAFETY: The caller offers so many bytes there.
                unsafe { compare::copy_bytes(place.as_ptr(), address(output.to), place.len()) };
            }
        }
    }
}
