// SPDX-License-Identifier: GPL-2.0

//! The registers of a TPM with a command response buffer as PTP describes them, with time and faults under
//! control.
//!
//! What a driver must not do fails the test at once: write the buffer while a command runs, start without a
//! command or while another runs, sleep while a command runs, leave Completion for anything but Idle, touch the
//! control area of a locality that it knows it does not have, and so on.

mod regs;
mod state;

use super::sim::{Backend, TestClock};
use state::{Inner, State};
use std::cell::RefCell;
use std::rc::Rc;
use tpm_core::{CrbBuffer, CrbLayout};

/// Where the control area and the buffers of [`CrbFaults::bare`] are, beside the locality registers.
pub const BARE: CrbLayout = CrbLayout {
    localities: false,
    idles: false,
    control: Some(0x200),
    buffers: Some((
        CrbBuffer {
            offset: 0x1000,
            size: 0x400,
        },
        CrbBuffer {
            offset: 0x2000,
            size: 0x103,
        },
    )),
};

/// How the TPM misbehaves. The default is a good TPM.
#[derive(Clone)]
pub struct CrbFaults {
    /// The TPM vanishes after this many register accesses.
    pub vanish_after: Option<u64>,
    /// Locality 4 takes the TPM after this many register accesses.
    pub taken_after: Option<u64>,
    /// LOC_STATE becomes valid this late.
    pub state_valid_at: u64,
    /// Delay between a request, or a seizure, and the grant; None: never.
    pub grant_us: Option<u64>,
    /// When the locality that holds the TPM at first lets go of it.
    pub release_at: Option<u64>,
    /// Seizures are ignored.
    pub seize_ignored: bool,
    /// A locality once active stays so.
    pub stays_active: bool,
    /// Delay until cmdReady is granted; None: never.
    pub ready_us: Option<u64>,
    /// How much later tpmIdle is cleared; None: never.
    pub awake_us: Option<u64>,
    /// Delay until goIdle is granted; None: never.
    pub idle_us: Option<u64>,
    /// tpmIdle is set while the TPM is idle.
    pub tells_idle: bool,
    /// Execution takes so long; None: for ever.
    pub execute_us: Option<u64>,
    /// Delay until a cancelled command responds; None: the request is ignored.
    pub cancel_us: Option<u64>,
    /// Start is never set: the response buffer stays as it is.
    pub start_ignored: bool,
    /// tpmSts is set while the TPM is idle, or is ready, or has a response.
    pub fatal: [bool; 3],
    /// The platform refuses to start commands.
    pub invoke_refused: bool,
    /// Address and size of the command buffer and of the response buffer, as the registers have them; None:
    /// what PTP says, in the page.
    pub buffers: Option<[(u64, u32); 2]>,
    /// There are no locality registers and no idle state, and the rest is where [`BARE`] says.
    pub bare: bool,
    pub interface_id: u32,
    pub did_vid: u32,
}

impl Default for CrbFaults {
    fn default() -> Self {
        Self {
            vanish_after: None,
            taken_after: None,
            state_valid_at: 0,
            grant_us: Some(0),
            release_at: None,
            seize_ignored: false,
            stays_active: false,
            ready_us: Some(0),
            awake_us: Some(0),
            idle_us: Some(0),
            tells_idle: true,
            execute_us: Some(1000),
            cancel_us: Some(1000),
            start_ignored: false,
            fatal: [false; 3],
            invoke_refused: false,
            buffers: None,
            bare: false,
            interface_id: 0x0002_4111,
            did_vid: 0x0001_1014,
        }
    }
}

/// A handle on the model; clones look at the same TPM.
pub struct CrbModel<B>(Rc<RefCell<Inner<B>>>);

impl<B> Clone for CrbModel<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B: Backend> CrbModel<B> {
    /// A TPM and its clock.
    pub fn new(backend: B, faults: CrbFaults) -> (Self, TestClock) {
        let clock = TestClock::new();
        let inner = Inner::new(clock.now.clone(), backend, faults);
        (Self(Rc::new(RefCell::new(inner))), clock)
    }

    /// Changes the faults.
    pub fn set_faults(&self, change: impl FnOnce(&mut CrbFaults)) {
        change(&mut self.0.borrow_mut().faults);
    }

    /// Uses the back end.
    pub fn backend<T>(&self, f: impl FnOnce(&mut B) -> T) -> T {
        f(&mut self.0.borrow_mut().backend)
    }

    /// Makes a locality active, as somebody else would.
    pub fn hold(&self, locality: u8) {
        self.0.borrow_mut().grant(locality);
    }

    /// Another locality asks for the TPM.
    pub fn want(&self, locality: u8) {
        self.0.borrow_mut().request(locality);
    }

    /// The TPM is taken from the locality that holds it.
    pub fn seize(&self, by: u8) {
        self.0.borrow_mut().seize(by);
    }

    /// Somebody leaves a request to cancel behind.
    pub fn leave_cancel(&self) {
        self.0.borrow_mut().cancel = true;
    }

    /// The hardware starts a dynamic launch and measures `data`.
    pub fn measure(&self, data: &[u8]) {
        let tpm = &mut *self.0.borrow_mut();
        assert_eq!(tpm.active, None, "the hardware does not wait for software");
        tpm.backend.drtm(data);
        tpm.established = true;
    }

    /// The locality that is active.
    pub fn active(&self) -> Option<u8> {
        self.0.borrow_mut().settle();
        self.0.borrow().active
    }

    /// Whether any locality still asks for the TPM.
    pub fn is_wanted(&self) -> bool {
        self.0.borrow().requested.contains(&true)
    }

    /// Whether a locality lost the TPM, and has not asked for it again.
    pub fn was_seized(&self, locality: u8) -> bool {
        self.0.borrow().seized[usize::from(locality)]
    }

    /// How often the TPM was seized.
    pub fn seizures(&self) -> u32 {
        self.0.borrow().seizures
    }

    /// Whether it executes a command.
    pub fn is_executing(&self) -> bool {
        self.0.borrow_mut().settle();
        matches!(self.0.borrow().state, State::Execution(_))
    }

    /// Whether it was idle when it was given back the last time.
    pub fn was_released_idle(&self) -> bool {
        self.0.borrow().released_idle
    }

    /// How often the platform was told of a command.
    pub fn invocations(&self) -> u32 {
        self.0.borrow().invocations
    }

    /// Register accesses so far.
    pub fn accesses(&self) -> u64 {
        self.0.borrow().accesses
    }

    /// The time, in microseconds.
    pub fn now(&self) -> u64 {
        self.0.borrow().now.get()
    }
}
