// SPDX-License-Identifier: GPL-2.0

//! What firmware writes to: memory of the gate, between canaries, from where it is copied once it was checked.

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
    cpu, //
};
use kernel::prelude::*;

/// Size of the area. What does not fit, with room behind it that an overrun goes to, is allocated.
const AREA: usize = 16 << 10;

/// Room behind the last output.
const ROOM: usize = 4096;

/// Bytes of canary in front of and behind each output.
const CANARY: usize = 16;

/// Most that is passed on.
const MOST: usize = 1 << 20;

/// The area.
#[repr(C, align(64))]
pub(crate) struct Area([u8; AREA]);

impl Area {
    /// An empty area.
    pub(crate) const EMPTY: Self = Self([0; AREA]);
}

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

/// The outputs of a call.
pub(crate) struct Bounce<'a> {
    area: &'a mut [u8],
    /// Memory to be used instead of the area, unless empty.
    large: KVec<u8>,
    /// A byte of canary, another for each call.
    byte: u8,
    outputs: [Option<Output>; 6],
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

impl<'a> Bounce<'a> {
    /// Gives each output of `call` a place of its own and lets the call point there.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is more than can be passed on.
    ///
    /// # Safety
    ///
    /// It is a call of the kernel's of this service.
    pub(crate) unsafe fn new(
        area: &'a mut Area,
        service: Service,
        call: &mut Call,
    ) -> Result<Self> {
        let mut outputs = [None; 6];
        let mut end = CANARY;
        let args = service.args();
        for (slot, (kind, (index, &to))) in outputs
            .iter_mut()
            .zip(args.iter().zip(call.args.iter().enumerate()))
        {
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
            *slot = Some(Output {
                arg: index,
                to,
                offset: end,
                size,
            });
            end = end
                .saturating_add(size.next_multiple_of(16))
                .saturating_add(CANARY);
        }
        let needed = end.saturating_add(ROOM);
        let mut bounce = Self {
            area: &mut area.0,
            large: match needed <= AREA {
                true => KVec::new(),
                false => KVec::from_elem(0, needed, GFP_ATOMIC)?,
            },
            byte: low_byte(cpu::tsc()),
            outputs,
        };
        bounce.fill(end, call);
        Ok(bounce)
    }

    fn bytes(&self) -> &[u8] {
        match self.large.is_empty() {
            true => self.area,
            false => &self.large,
        }
    }

    /// Writes canaries, copies what the caller has in its outputs, and points the call here.
    fn fill(&mut self, end: usize, call: &mut Call) {
        let mut gap = 0;
        let area: &mut [u8] = match self.large.is_empty() {
            true => self.area,
            false => &mut self.large,
        };
        for output in self.outputs.iter().flatten() {
            if let Some(canary) = area.get_mut(gap..output.offset) {
                canary.fill(self.byte);
            }
            gap = output.offset.saturating_add(output.size);
            if let Some(place) = area.get_mut(output.offset..gap) {
                // SAFETY: The caller offers so many bytes there.
                unsafe {
                    core::ptr::copy_nonoverlapping(
                        address(output.to),
                        place.as_mut_ptr(),
                        place.len(),
                    )
                };
                if let Some(arg) = call.args.get_mut(output.arg) {
                    *arg = u64::try_from(place.as_ptr().expose_provenance()).unwrap_or(0);
                }
            }
        }
        if let Some(canary) = area.get_mut(gap..end.saturating_add(CANARY)) {
            canary.fill(self.byte);
        }
    }

    /// Whether all canaries live, and where the first dead one is in the area.
    fn dead_canary(&self) -> Option<(usize, u8)> {
        let mut gap = 0usize;
        let mut ends = self.outputs.iter().flatten().map(|o| (o.offset, o.size));
        loop {
            let next = ends.next();
            let until = next.map_or(gap.saturating_add(CANARY), |(offset, _)| offset);
            let canary = self.bytes().get(gap..until).unwrap_or(&[]);
            if let Some(at) = canary.iter().position(|&byte| byte != self.byte) {
                return Some((gap.saturating_add(at), canary.get(at).copied().unwrap_or(0)));
            }
            match next {
                Some((offset, size)) => gap = offset.saturating_add(size),
                None => return None,
            }
        }
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
            let output = |arg| self.outputs.iter().flatten().find(move |o| o.arg == arg);
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
        for output in self.outputs.iter().flatten() {
            let end = output.offset.saturating_add(output.size);
            if let Some(place) = self.bytes().get(output.offset..end) {
                // SAFETY: The caller offers so many bytes there.
                unsafe {
                    core::ptr::copy_nonoverlapping(place.as_ptr(), address(output.to), place.len())
                };
            }
        }
    }
}
