// SPDX-License-Identifier: GPL-2.0

//! The task in which firmware runs, as seen by the thread that makes calls. What makes it is in
//! `task.c`.

use super::{
    super::{
        isolate::{
            abort::Abort,
            map::{
                Access,
                Cache,
                Mapping, //
            }, //
        },
        service::Service, //
    },
    trap::{
        self,
        Outcome, //
    }, //
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    error::to_result,
    page::PAGE_SIZE,
    prelude::*, //
};

/// What may be done with a range; see `task.h`.
pub(super) const READ: u32 = 0;
pub(super) const WRITE: u32 = 1;
pub(super) const EXEC: u32 = 2;
const UNCACHED: u32 = 4;
const FIRMWARE: u32 = 8;

/// How the task has ended: `struct slaunch_efi_end`.
#[derive(Default)]
#[repr(C)]
struct End {
    signal: u32,
    vector: u32,
    code: u32,
    reserved: u32,
    address: u64,
    ip: u64,
}

extern "C" {
    fn slaunch_efi_mm() -> *mut c_void;
    fn slaunch_efi_mm_put(mm: *mut c_void);
    fn slaunch_efi_map(
        mm: *mut c_void,
        start: c_ulong,
        size: c_ulong,
        phys: u64,
        flags: u32,
    ) -> c_int;
    fn slaunch_efi_unmap(mm: *mut c_void, start: c_ulong, size: c_ulong) -> c_int;
    fn slaunch_efi_start(mm: *mut c_void) -> c_int;
    fn slaunch_efi_run(ms: u32) -> bool;
    fn slaunch_efi_kill() -> bool;
    fn slaunch_efi_ended(end: *mut End);
    fn slaunch_efi_gone() -> bool;
    pub(super) fn slaunch_efi_pages(size: usize) -> *mut c_void;
    pub(super) fn slaunch_efi_pages_free(pages: *mut c_void, size: usize);
}

/// An address space: the task's, once there is one.
pub(super) struct Mm(NonNull<c_void>);

impl Mm {
    pub(super) fn new() -> Result<Self> {
        // SAFETY: It may always be called where it may sleep.
        Ok(Self(
            NonNull::new(unsafe { slaunch_efi_mm() }).ok_or(ENOMEM)?,
        ))
    }

    /// Maps physical memory.
    pub(super) fn map(&self, start: u64, size: usize, phys: u64, flags: u32) -> Result {
        // SAFETY: The memory is the firmware's or meant for it.
        to_result(unsafe { slaunch_efi_map(self.0.as_ptr(), start.try_into()?, size, phys, flags) })
    }

    /// Maps memory of the firmware's, code writable too if it is `relocated`.
    pub(super) fn map_firmware(&self, mapping: &Mapping, relocated: bool) -> Result {
        let mut flags = FIRMWARE;
        match mapping.access {
            Access::Read => (),
            Access::ReadWrite => flags |= WRITE,
            Access::ReadExecute => flags |= EXEC,
        }
        if mapping.cache == Cache::Uncached {
            flags |= UNCACHED;
        }
        if relocated && mapping.code {
            flags |= WRITE;
        }
        let size = usize::try_from(mapping.pages)?
            .checked_mul(PAGE_SIZE)
            .ok_or(EINVAL)?;
        self.map(mapping.start, size, mapping.start, flags)
    }

    /// Unmaps a range that was mapped as it is.
    pub(super) fn unmap(&self, start: u64, size: usize) -> Result {
        // SAFETY: Nothing uses what was mapped there: the task waits for a call.
        to_result(unsafe { slaunch_efi_unmap(self.0.as_ptr(), start.try_into()?, size) })
    }

    /// Starts the task.
    pub(super) fn start(&self) -> Result {
        // SAFETY: This is the thread that makes calls, which may sleep and has no address space.
        to_result(unsafe { slaunch_efi_start(self.0.as_ptr()) })
    }
}

impl Drop for Mm {
    fn drop(&mut self) {
        // SAFETY: This has a reference to it.
        unsafe { slaunch_efi_mm_put(self.0.as_ptr()) };
    }
}

/// Where firmware begins, and with what.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) ip: u64,
    pub(super) sp: u64,
    pub(super) args: [u64; 4],
}

/// How a call has ended.
pub(super) enum Ended {
    /// With this status.
    Returned(u64),
    /// It was given up, at this address. The task is no more.
    Aborted(Abort, u64),
}

/// Has the task make a call, which may take `limit` ms.
pub(super) fn run(service: Service, entry: Entry, limit: u32) -> Ended {
    // SAFETY: The task waits for a call.
    unsafe { trap::begin(service, entry) };
    // SAFETY: There is a task, and this is the thread that makes calls.
    let in_time = unsafe { slaunch_efi_run(limit) };
    if !in_time {
        kill();
        let end = ended();
        return Ended::Aborted(Abort::TimeLimit(limit), end.ip);
    }
    // SAFETY: The task waits for the next call, or it is no more.
    match unsafe { trap::outcome() } {
        Outcome::Returned(status) => Ended::Returned(status),
        Outcome::Aborted(abort, at) => Ended::Aborted(abort, at),
        Outcome::None => {
            let end = ended();
            Ended::Aborted(cause(&end), end.ip)
        }
    }
}

/// Ends the task.
pub(super) fn kill() {
    // SAFETY: There is a task.
    if !unsafe { slaunch_efi_kill() } {
        pr_err!("EFI: the firmware's task does not end\n");
    }
}

/// Whether the task does not run firmware any more.
pub(super) fn has_ended() -> bool {
    // SAFETY: It may always be called.
    unsafe { slaunch_efi_gone() }
}

/// How the task has ended.
fn ended() -> End {
    let mut end = End::default();
    // SAFETY: There is, or was, a task.
    unsafe { slaunch_efi_ended(&mut end) };
    end
}

/// Why the task has ended, when nothing of ours ended it.
fn cause(end: &End) -> Abort {
    match end.signal {
        bindings::SIGSYS => Abort::SystemCall,
        bindings::SIGKILL => Abort::Ended,
        _ => Abort::Exception {
            vector: u8::try_from(end.vector).unwrap_or(u8::MAX),
            code: end.code,
            address: end.address,
        },
    }
}
