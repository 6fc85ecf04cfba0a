// SPDX-License-Identifier: GPL-2.0

//! What the gate found, and what follows: extend, log, act.
//!
//! [`raise`] is for any context, and so it only takes note. [`settle`] does the rest where it may
//! sleep, and leaves it to a work item elsewhere. Before the TPM is handed over to its driver,
//! events cannot be extended: what comes up until then is settled right after that.

pub(crate) use super::deviation::{
    Deviation,
    Violation,
    What, //
};

use super::{
    queue::Queue,
    text::Text, //
};
use crate::{
    events,
    slaunch::gate::Policy,
    tpm::{
        Pcr,
        EV_SLAUNCH, //
    }, //
};
use kernel::{
    bindings,
    fmt,
    impl_has_work,
    new_mutex,
    new_work,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex,
        SetOnce, //
    },
    workqueue::{
        self,
        Work,
        WorkItem, //
    }, //
};

/// What is not on record yet.
static QUEUE: Queue = Queue::new();

/// Violations since boot.
static COUNT: Atomic<u64> = Atomic::new(0);

/// Those that there was no room for.
static LOST: Atomic<u64> = Atomic::new(0);

/// Who puts violations on record; none before the drivers are initialized.
static SETTLER: SetOnce<Arc<Settler>> = SetOnce::new();

#[pin_data]
struct Settler {
    /// The last violation that was settled. Locked while one is.
    #[pin]
    last: Mutex<Text>,
    #[pin]
    work: Work<Self>,
}

impl_has_work! {
    impl HasWork<Self> for Settler { self.work }
}

impl WorkItem for Settler {
    type Pointer = Arc<Self>;

    fn run(_this: Arc<Self>) {
        settle();
    }
}

/// Makes it possible to put violations on record.
///
/// # Errors
///
/// `ENOMEM`.
pub(crate) fn start() -> Result {
    let settler = pin_init!(Settler {
        last <- new_mutex!(Text::new()),
        work <- new_work!("slaunch::settle"),
    });
    SETTLER.populate(Arc::pin_init(settler, GFP_KERNEL)?);
    Ok(())
}

/// Takes note of a violation, in any context, and stops the runtime services for good. Nothing is
/// on record until [`settle`] is called.
pub(crate) fn raise(violation: Violation) {
    super::stop();
    COUNT.add(1, Relaxed);
    if !QUEUE.push(violation) {
        LOST.add(1, Relaxed);
    }
}

/// Whether something was raised that is not on record yet.
pub(crate) fn pending() -> bool {
    !QUEUE.is_empty()
}

/// Violations since boot.
pub(crate) fn count() -> u64 {
    COUNT.load(Relaxed)
}

/// Puts on record what was raised, and acts; this sleeps. Where that is impossible it prints what
/// was raised, and has a work item do the rest.
pub(crate) fn settle() {
    if !pending() {
        return;
    }
    let Some(settler) = SETTLER.as_ref() else {
        return announce();
    };
    // The kernel's first event comes first.
    if events::handed_over().is_none() {
        return announce();
    }
    if may_sleep() {
        return settler.settle();
    }
    announce();
    // The work would never be done.
    // SAFETY: It may always be called.
    if !unsafe { bindings::panic_in_progress() } {
        // It is fine if it is there already.
        let _ = workqueue::system_long().enqueue(settler.clone());
    }
}

impl Settler {
    fn settle(&self) {
        let mut last = self.last.lock();
        while let Some(pending) = QUEUE.oldest(0) {
            last.set_violation(&pending);
            let recorded = events::record(EV_SLAUNCH, Pcr::CONFIG, last.as_bytes());
            if pending.to_announce() {
                print(&last);
            }
            if let Err(error) = recorded {
                pr_err!("the violation could not be recorded: {error:?}\n");
            }
            pending.done();
            act();
        }
        let lost = LOST.xchg(0, Relaxed);
        if lost != 0 {
            pr_err!("{lost} more violations were not recorded\n");
        }
    }
}

/// Does what the policy says, once a violation is on record. The services were stopped before.
fn act() {
    match super::settings().policy {
        Policy::Panic => {
            // SAFETY: The text has nothing to be replaced.
            unsafe {
                bindings::panic(c"slaunch: EFI runtime services violated the kernel".as_char_ptr())
            }
        }
        Policy::Disable => pr_err!("EFI runtime services are off for good\n"),
    }
}

/// Prints what was not printed yet.
fn announce() {
    let mut text = Text::new();
    let mut next = 0;
    while let Some(pending) = QUEUE.oldest(next) {
        if pending.to_announce() {
            text.set_violation(&pending);
            print(&text);
        }
        next = pending.number() + 1;
    }
}

fn print(text: &Text) {
    // SAFETY: The name is a C string that lives for ever.
    let print = unsafe { bindings::__printk_ratelimit(c"slaunch".as_char_ptr()) };
    if print != 0 {
        pr_err!("{}\n", text.as_str());
    }
}

/// Whether the caller may sleep, as far as that can be known: never without preemption.
fn may_sleep() -> bool {
    // SAFETY: These may always be called.
    let free = unsafe { bindings::preemptible() && bindings::rcu_preempt_depth() == 0 };
    // SAFETY: A plain number, written by whoever brings the machine down.
    let oops = unsafe { (&raw const bindings::oops_in_progress).read_volatile() };
    // SAFETY: It may always be called.
    free && oops == 0 && !unsafe { bindings::panic_in_progress() }
}

/// Writes the text of the last violation, whether it is on record already or not; nothing if there
/// was none.
pub(crate) fn show_last(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Some(settler) = SETTLER.as_ref() else {
        return Ok(());
    };
    let mut last = settler.last.lock();
    let mut next = 0;
    while let Some(pending) = QUEUE.oldest(next) {
        last.set_violation(&pending);
        next = pending.number() + 1;
    }
    match last.as_str() {
        "" => Ok(()),
        text => writeln!(f, "{text}"),
    }
}
