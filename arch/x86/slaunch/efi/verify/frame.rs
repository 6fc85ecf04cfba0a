// SPDX-License-Identifier: GPL-2.0

//! What the assembler in `entry.S` calls firmware with, and what firmware came back with.

use super::{
    super::{
        door::Call,
        violation::{
            Deviation,
            Violation,
            What, //
        }, //
    },
    compare, //
};
use core::{
    cell::UnsafeCell,
    mem::offset_of, //
};

/// Size of the stack that firmware runs on. The UEFI specification asks for 4 KiB (section 2.3.4).
const STACK: usize = 16 << 10;

/// Words of canary at each end of the stack.
const CANARY: usize = 4;

/// A word of canary.
const WORD: u64 = 0x7d3b_96a5_c15a_e04f;

/// What firmware finds below its return address: room for the four register arguments, and two
/// more.
const ARGUMENTS: usize = 6;

/// What a canary is like.
const WORDS: [u64; CANARY] = [WORD; CANARY];

/// Words above the stack pointer of a call.
const ABOVE: usize = ARGUMENTS + CANARY;

/// General registers that firmware must keep.
#[repr(C)]
struct Registers([u64; 8]);

const REGISTERS: [&str; 8] = ["RBX", "RBP", "R12", "R13", "R14", "R15", "RDI", "RSI"];

/// A call, as `entry.S` knows it.
#[repr(C)]
struct Frame {
    call: Call,
    stack: u64,
    kernel_rsp: u64,
    status: u64,
    rsp: u64,
    rflags: u64,
    before: Registers,
    after: Registers,
    gs_before: u64,
    gs_after: u64,
    armed: u64,
    /// The processor that executes the call. Not for the assembler.
    cpu: u32,
}

const _: () = assert!(offset_of!(Frame, stack) == 0x38);
const _: () = assert!(offset_of!(Frame, kernel_rsp) == 0x40);
const _: () = assert!(offset_of!(Frame, status) == 0x48);
const _: () = assert!(offset_of!(Frame, rsp) == 0x50);
const _: () = assert!(offset_of!(Frame, rflags) == 0x58);
const _: () = assert!(offset_of!(Frame, before) == 0x60);
const _: () = assert!(offset_of!(Frame, after) == 0xa0);
const _: () = assert!(offset_of!(Frame, gs_before) == 0xe0);
const _: () = assert!(offset_of!(Frame, gs_after) == 0xe8);
const _: () = assert!(offset_of!(Frame, armed) == 0xf0);

/// Shared with the assembler.
#[repr(transparent)]
struct Shared<T>(UnsafeCell<T>);

// SAFETY: Used by the one call that is under way, and by what interrupts it on its own processor.
unsafe impl<T> Sync for Shared<T> {}

#[no_mangle]
static slaunch_efi_frame: Shared<Frame> = Shared(UnsafeCell::new(Frame {
    call: Call {
        function: 0,
        args: [0; 6],
    },
    stack: 0,
    kernel_rsp: 0,
    status: 0,
    rsp: 0,
    rflags: 0,
    before: Registers([0; 8]),
    after: Registers([0; 8]),
    gs_before: 0,
    gs_after: 0,
    armed: 0,
    cpu: 0,
}));

#[repr(C, align(64))]
struct Stack([u64; STACK / 8]);

static STACK_AREA: Shared<Stack> = Shared(UnsafeCell::new(Stack([0; STACK / 8])));

/// The lowest word of the stack.
fn stack() -> *mut u64 {
    STACK_AREA.0.get().cast()
}

/// The canaries at both ends of the stack.
fn canaries() -> [*mut u64; 2] {
    [stack(), stack().wrapping_add(STACK / 8 - CANARY)]
}

extern "C" {
    /// Calls firmware as the frame says.
    fn slaunch_efi_checked();
}

/// A pointer to a field of the frame.
macro_rules! field {
    ($($name:ident).+) => {
        // The frame is always there, and no reference to it is ever made.
        (&raw mut (*slaunch_efi_frame.0.get()).$($name).+)
    };
}

/// Whether firmware has the present processor.
pub(crate) fn is_armed() -> bool {
    // SAFETY: Aligned words.
    unsafe {
        field!(armed).read_volatile() != 0
            && field!(cpu).read_volatile() == super::recover::this_cpu()
    }
}

/// Firmware does not have it any more.
pub(crate) fn disarm() {
    // SAFETY: An aligned word.
    unsafe { field!(armed).write_volatile(0) };
}

/// The kernel's stack pointer.
pub(crate) fn kernel_rsp() -> usize {
    // SAFETY: An aligned word.
    let rsp = unsafe { field!(kernel_rsp).read_volatile() };
    usize::try_from(rsp).unwrap_or(0)
}

/// The call that is under way.
pub(crate) struct Checked(());

impl Checked {
    /// Prepares a call on this processor, `cpu`, and the stack for it.
    ///
    /// # Safety
    ///
    /// No other is under way.
    pub(crate) unsafe fn new(call: &Call, cpu: u32) -> Self {
        let top = stack().wrapping_add(STACK / 8 - ABOVE);
        // SAFETY: Within the stack, which is in use by this call only. Canaries are written once: a
        // call that kills one is the last.
        unsafe {
            if field!(stack).read_volatile() == 0 {
                for canary in canaries() {
                    compare::copy(WORDS.as_ptr(), canary, CANARY);
                }
            }
            field!(call).write_volatile(*call);
            field!(cpu).write_volatile(cpu);
            field!(stack).write_volatile(u64::try_from(top.expose_provenance()).unwrap_or(0));
        }
        Self(())
    }

    /// Changes an argument.
    pub(crate) fn set_arg(&self, index: usize, value: u64) {
        if index < 6 {
            // SAFETY: Within the arguments, which nobody uses before the call.
            unsafe {
                let args: *mut u64 = field!(call.args).cast();
                args.wrapping_add(index).write_volatile(value);
            }
        }
    }

    /// Calls firmware. Returns its status.
    ///
    /// # Safety
    ///
    /// Address space and FPU are prepared for it, and interrupts are off.
    pub(crate) unsafe fn run(&self) -> u64 {
        // SAFETY: By the requirement of this function. What firmware changes is what this is all
        // about.
        unsafe {
            slaunch_efi_checked();
            field!(status).read_volatile()
        }
    }

    /// Finds what firmware has not kept. `returned`: it did return, so that registers mean
    /// something.
    pub(crate) fn compare(&self, returned: bool, found: &mut Violation) {
        /// TF, IF, DF, IOPL, NT, AC
        const FLAGS: u64 = 0x47700;
        // SAFETY: Aligned words that nobody writes at this time.
        let (gs, gs_now, flags, rsp, stack) = unsafe {
            (
                field!(gs_before).read_volatile(),
                field!(gs_after).read_volatile(),
                field!(rflags).read_volatile(),
                field!(rsp).read_volatile(),
                field!(stack).read_volatile(),
            )
        };
        if gs_now != gs {
            found.add(Deviation::restored(What::State("GS_BASE"), gs, gs_now));
        }
        if flags & FLAGS != 0 {
            found.add(Deviation::restored(
                What::State("RFLAGS"),
                flags & !FLAGS,
                flags,
            ));
        }
        if returned {
            self.compare_registers(found);
            if rsp != stack {
                found.add(Deviation::restored(What::State("RSP"), stack, rsp));
            }
        }
        self.compare_canaries(found);
    }

    fn compare_registers(&self, found: &mut Violation) {
        // SAFETY: Computes addresses.
        let (before, after) = unsafe { (field!(before), field!(after)) };
        let (before, after): (*const u64, *const u64) = (before.cast(), after.cast());
        // SAFETY: Arrays of words that nobody writes at this time.
        if unsafe { compare::equal(before, after, REGISTERS.len()) } {
            return;
        }
        for (index, name) in REGISTERS.iter().enumerate() {
            // SAFETY: See above.
            let (from, to) = unsafe {
                (
                    before.wrapping_add(index).read_volatile(),
                    after.wrapping_add(index).read_volatile(),
                )
            };
            if from != to {
                found.add(Deviation::restored(What::State(name), from, to));
            }
        }
    }

    fn compare_canaries(&self, found: &mut Violation) {
        for canary in canaries() {
            // SAFETY: Within the stack.
            if unsafe { compare::equal(canary, WORDS.as_ptr(), CANARY) } {
                continue;
            }
            for index in 0..CANARY {
                // SAFETY: Within the stack.
                let now = unsafe { canary.wrapping_add(index).read_volatile() };
                if now != WORD {
                    found.add(Deviation::new(What::State("stack canary"), WORD, now));
                    return;
                }
            }
        }
    }
}
