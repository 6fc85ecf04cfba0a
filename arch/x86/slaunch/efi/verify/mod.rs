// SPDX-License-Identifier: GPL-2.0

//! The mode `verify`: firmware runs natively, and what it leaves is compared with what it found.
//!
//! A call runs on a stack of its own with interrupts off, so that no handler runs on what it may
//! leave, and writes its results into memory of the gate. After it, and before anything else runs
//! on that processor, [`control`] and [`msr`] put registers back, [`tables`] descriptor tables, and
//! [`frame`] and [`bounce`] say what the call has done to its stack and its results. Then [`tree`]
//! looks at page tables and [`memory`] at text, read-only data and the firmware's own code.
//!
//! There are three times. While the kernel boots, its text has digests and its page tables are not
//! final. Once it runs everything is checked. What cannot be prepared where the thread may not
//! sleep, is when one may.

use super::{
    backend::{
        Backend,
        Turn, //
    },
    depth,
    door::{
        Call,
        DEVICE_ERROR,
        OUT_OF_RESOURCES, //
    },
    gate::Depth,
    memmap,
    paging,
    service::Service,
    violation::{
        self,
        Deviation,
        Violation,
        What, //
    }, //
};
use core::cell::UnsafeCell;
use kernel::{
    bindings,
    page::PAGE_SIZE,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

mod bounce;
mod check;
mod compare;
mod compress;
mod control;
pub(crate) mod cpu;
mod entries;
mod frame;
mod memory;
mod msr;
mod recover;
mod tables;
mod tree;
mod watchdog;

pub(crate) use self::{
    check::{
        check,
        checks, //
    },
    memory::poked, //
};

/// In [`Depth::Fast`], how many calls have the digests checked once.
const EVERY: u32 = 64;

/// What is kept from call to call.
struct State {
    vectors: compare::Vectors,
    msrs: msr::Msrs,
    tables: tables::Tables,
    bounce: bounce::Bounce,
    tree: Option<tree::Tree>,
    pieces: KVVec<memory::Piece>,
    /// Whether the pieces are those of a kernel that has booted.
    complete: bool,
    /// Whether all of them have digests.
    digested: bool,
    /// Calls until the digests are due.
    due: u32,
}

/// The state, and what the call that is under way has changed.
struct Shared(UnsafeCell<(State, Violation)>);

// SAFETY: Used by whoever has the turn.
unsafe impl Sync for Shared {}

static STATE: Shared = Shared(UnsafeCell::new((
    STATE_BEFORE,
    Violation::new(Service::Other),
)));

const STATE_BEFORE: State = State {
    vectors: compare::Vectors::NONE,
    msrs: msr::Msrs::NONE,
    tables: tables::Tables::NONE,
    bounce: bounce::Bounce::EMPTY,
    tree: None,
    pieces: KVVec::new(),
    complete: false,
    digested: false,
    due: 0,
};

/// Whether there is nothing to prepare where the thread may sleep.
static READY: Atomic<u32> = Atomic::new(0);

/// Whether the kernel has booted: its memory is protected, and its descriptor tables are final.
pub(crate) fn booted() -> bool {
    // SAFETY: An integer.
    let state = unsafe { (&raw const bindings::system_state).read_volatile() };
    state >= bindings::system_states_SYSTEM_RUNNING
}

/// The backend.
pub(crate) struct Verify;

impl Backend for Verify {
    fn prepare(&self, sleeps: bool) {
        if !sleeps {
            return;
        }
        if READY.load(Relaxed) == 0 {
            if let Some(_turn) = Turn::take() {
                // SAFETY: This has the turn.
                let (state, _) = unsafe { &mut *STATE.0.get() };
                match state.prepare() {
                    Ok(()) => READY.store(u32::from(state.complete), Relaxed),
                    Err(_) => pr_err!("EFI: no memory to check it all\n"),
                }
            }
        }
        // SAFETY: A mutex of the kernel's; nobody who waits for it holds the lock of the runtime
        // services.
        unsafe { bindings::mutex_lock(&raw mut bindings::text_mutex) };
    }

    fn call(&self, call: &Call, service: Service) -> u64 {
        let off = cpu::InterruptsOff::new();
        // SAFETY: This has the turn.
        let (state, found) = unsafe { &mut *STATE.0.get() };
        found.begin(service);
        let status = state.call(call, service, found);
        drop(off);
        if found.is_empty() {
            return status;
        }
        violation::raise(*found);
        DEVICE_ERROR
    }

    fn finish(&self, sleeps: bool) {
        if sleeps {
            // SAFETY: Locked by `prepare()` in this thread.
            unsafe { bindings::mutex_unlock(&raw mut bindings::text_mutex) };
        }
    }
}

impl State {
    /// Gets the memory for digests, and takes stock once the kernel has booted.
    fn prepare(&mut self) -> Result {
        watchdog::prepare();
        if self.pieces.is_empty() {
            let text = memory::Piece::new("kernel text", memory::text())?;
            self.pieces.push(text, GFP_KERNEL)?;
        }
        if booted() && !self.complete {
            // What an attempt that failed has left.
            self.pieces.truncate(1);
            let data = memory::Piece::new("read-only data", memory::read_only_data())?;
            self.pieces.push(data, GFP_KERNEL)?;
            self.digested = false;
            self.add_code()?;
            self.vectors = compare::Vectors::find();
            self.tree = Some(tree::Tree::new()?);
            self.complete = true;
        }
        if let Some(tree) = &mut self.tree {
            tree.refresh()?;
        }
        Ok(())
    }

    /// Adds the firmware's code: the pages that its memory attributes table has made read-only.
    /// Firmware without such a table may lawfully write to all of its regions, and then none is
    /// code.
    fn add_code(&mut self) -> Result {
        for region in memmap::code_regions() {
            let page = |index: usize| region.start.saturating_add(index.saturating_mul(PAGE_SIZE));
            let mut index = 0usize;
            while index < region.pages {
                let first = index;
                while index < region.pages && tree::is_code(page(index)) {
                    index = index.saturating_add(1);
                }
                if index > first {
                    let piece = memory::Piece::new("firmware code", (page(first), page(index)))?;
                    self.pieces.push(piece.within(region.start), GFP_KERNEL)?;
                }
                index = index.saturating_add(1);
            }
        }
        Ok(())
    }

    /// One call and all the checks.
    fn call(&mut self, call: &Call, service: Service, found: &mut Violation) -> u64 {
        paging::find_doors(self.tree.is_some());
        let digests = self.digests_due();
        // SAFETY: The FPU section is the caller's, and firmware's address space is active.
        unsafe { self.begin() };

        let cpu = recover::this_cpu();
        // SAFETY: This has the turn.
        let checked = unsafe { frame::Checked::new(call, cpu) };
        let point = |arg, to| checked.set_arg(arg, to);
        // SAFETY: It is the kernel's own call of this service.
        if unsafe { self.bounce.prepare(service, call, point) }.is_err() {
            return OUT_OF_RESOURCES;
        }
        let watch = watchdog::Watch::new(service, cpu);
        self.msrs.find();
        let control = control::Control::read();
        self.msrs.read();
        self.tables.read(&control, self.tree.is_some());

        let open = paging::open();
        // SAFETY: Whoever called the door has prepared address space and FPU, and interrupts are
        // off.
        let status = unsafe { checked.run() };
        // From here on nothing is what it was until it is put back: no call of other kernel code
        // before.
        control.restore(&mut self.msrs, found);
        drop(open);
        // SAFETY: The FPU section is the caller's.
        unsafe { self.tables.restore(self.vectors, &control, found) };
        control.compare(found);

        let limit = watch.limit();
        drop(watch);
        let cut = recover::take();
        checked.compare(cut.is_none(), found);
        match cut {
            Some(recover::Cut::Fault(vector, instruction, address)) => {
                found.add(Deviation::new(What::Fault(vector), instruction, address));
            }
            Some(recover::Cut::TimeLimit(instruction)) => {
                found.add(Deviation::new(What::TimeLimit, limit.into(), instruction));
            }
            None => self.bounce.check(service, status, found),
        }
        // SAFETY: The FPU section is the caller's, and firmware's address space is active.
        unsafe {
            if let Some(tree) = &mut self.tree {
                if tree.compare(digests, found) {
                    READY.store(0, Relaxed);
                }
            }
            if digests {
                self.compare(found);
            }
        }
        if found.is_empty() {
            self.bounce.deliver();
        }
        self.bounce.finish();
        status
    }

    /// Whether the digests are to be checked with this call.
    fn digests_due(&mut self) -> bool {
        let full = depth() == Depth::Full;
        match self.due.checked_sub(1) {
            Some(due) if !full => {
                self.due = due;
                false
            }
            _ => {
                self.due = EVERY - 1;
                true
            }
        }
    }

    /// Brings the digests up to date before a call.
    ///
    /// # Safety
    ///
    /// The FPU may be used, and firmware's address space is active.
    unsafe fn begin(&mut self) {
        // SAFETY: By the requirement of this function.
        unsafe { self.update() };
        if let Some(tree) = &mut self.tree {
            // SAFETY: By the requirement of this function.
            unsafe { tree.begin() };
        }
    }

    /// Computes the digests that are not known, or not any more.
    ///
    /// # Safety
    ///
    /// As for [`begin`](Self::begin).
    unsafe fn update(&mut self) {
        if self.digested && !memory::any_poked() {
            return;
        }
        for piece in &mut self.pieces {
            // SAFETY: By the requirement of this function; the memory is always mapped.
            unsafe {
                piece.follow();
                piece.begin();
            }
        }
        self.digested = true;
    }

    /// Computes all digests and compares them.
    ///
    /// # Safety
    ///
    /// As for [`begin`](Self::begin).
    unsafe fn compare(&self, found: &mut Violation) {
        for piece in &self.pieces {
            // SAFETY: By the requirement of this function; the memory is always mapped.
            unsafe { piece.compare(found) };
        }
        check::count();
    }
}

/// Computes the digests of all text and read-only data so many times.
#[cfg(CONFIG_SECURE_LAUNCH_STRESS)]
pub(crate) fn passes(count: u64) {
    for _ in 0..count {
        for (start, end) in [memory::text(), memory::read_only_data()] {
            // SAFETY: The FPU is not in use: this is for a thread that was asked to do this. XMM
            // registers are what is needed.
            unsafe { bindings::kernel_fpu_begin_mask(FPU) };
            for address in (start..end).step_by(PAGE_SIZE) {
                // SAFETY: Kernel memory, in an FPU section.
                core::hint::black_box(unsafe { compress::page(address) });
            }
            // SAFETY: Begun above.
            unsafe { bindings::kernel_fpu_end() };
        }
    }
}

/// KFPU_387 and KFPU_MXCSR.
#[cfg(CONFIG_SECURE_LAUNCH_STRESS)]
const FPU: c_uint = 3;
