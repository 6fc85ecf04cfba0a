// SPDX-License-Identifier: GPL-2.0

//! The control state of the processor: registers of ring 0 and model-specific registers.

use super::{
    super::violation::{
        Deviation,
        Violation,
        What, //
    },
    cpu::{
        self,
        TableRegister, //
    },
    msr::Msrs, //
};

/// CR4.OSXSAVE: there is XCR0.
const OSXSAVE: u64 = 1 << 18;

/// Registers before a call.
#[derive(Clone, Copy)]
pub(crate) struct Control {
    cr0: u64,
    cr3: u64,
    cr4: u64,
    cr8: u64,
    xcr0: u64,
    dr: [u64; 4],
    dr7: u64,
    /// GDTR.
    pub(crate) gdtr: TableRegister,
    /// IDTR.
    pub(crate) idtr: TableRegister,
    ldtr: u16,
    /// TR.
    pub(crate) tr: u16,
    cs: u16,
    segments: [u16; 5],
}

/// Names of `segments`.
const SEGMENTS: [&str; 5] = ["DS", "ES", "SS", "FS", "GS"];

/// Names of `dr`.
const BREAKPOINTS: [&str; 4] = ["DR0", "DR1", "DR2", "DR3"];

impl Control {
    /// Reads all of them.
    pub(crate) fn read() -> Self {
        let cr4 = cpu::cr4();
        Self {
            cr0: cpu::cr0(),
            cr3: cpu::cr3(),
            cr4,
            cr8: cpu::cr8(),
            xcr0: match cr4 & OSXSAVE {
                0 => 0,
                // SAFETY: Just tested.
                _ => unsafe { cpu::xcr0() },
            },
            dr: [cpu::dr0(), cpu::dr1(), cpu::dr2(), cpu::dr3()],
            dr7: cpu::dr7(),
            gdtr: cpu::gdtr(),
            idtr: cpu::idtr(),
            ldtr: cpu::ldtr(),
            tr: cpu::tr(),
            cs: cpu::cs(),
            segments: [cpu::ds(), cpu::es(), cpu::ss(), cpu::fs(), cpu::gs()],
        }
    }

    /// Puts the registers back that what follows depends on, and says what had changed.
    ///
    /// `self` was read before the call, on this processor and with interrupts off ever since.
    pub(crate) fn restore(&self, msrs: &mut Msrs, found: &mut Violation) {
        let mut state =
            |name, from, to| found.add(Deviation::restored(What::State(name), from, to));

        // The address space and protection come first, and then the tables that exceptions use.
        //
        // SAFETY, here and below: This is what the kernel had there.
        let now = cpu::cr3();
        if now != self.cr3 {
            // SAFETY: See above.
            unsafe { cpu::set_cr3(self.cr3) };
            state("CR3", self.cr3, now);
        }
        let now = cpu::cr0();
        if now != self.cr0 {
            // SAFETY: See above.
            unsafe { cpu::set_cr0(self.cr0) };
            state("CR0", self.cr0, now);
        }
        let now = cpu::cr4();
        if now != self.cr4 {
            // SAFETY: See above.
            unsafe { cpu::set_cr4(self.cr4) };
            state("CR4", self.cr4, now);
        }
        let now = cpu::gdtr();
        if now != self.gdtr {
            // SAFETY: See above.
            unsafe { cpu::set_gdtr(&self.gdtr) };
            state("GDTR", self.gdtr.base, now.base);
        }
        let now = cpu::idtr();
        if now != self.idtr {
            // SAFETY: See above.
            unsafe { cpu::set_idtr(&self.idtr) };
            state("IDTR", self.idtr.base, now.base);
        }
        let now = cpu::cr8();
        if now != self.cr8 {
            // SAFETY: See above.
            unsafe { cpu::set_cr8(self.cr8) };
            state("CR8", self.cr8, now);
        }
        if self.cr4 & OSXSAVE != 0 {
            // SAFETY: There is XCR0: CR4 is what it was.
            let now = unsafe { cpu::xcr0() };
            if now != self.xcr0 {
                // SAFETY: See above.
                unsafe { cpu::set_xcr0(self.xcr0) };
                state("XCR0", self.xcr0, now);
            }
        }
        self.restore_debug(&mut state);
        self.restore_segments(&mut state);
        // After the segments: some of these are their bases.
        msrs.restore(found);
    }

    /// Debug registers; DR7 off first, so that no breakpoint is hit in between.
    fn restore_debug(&self, state: &mut impl FnMut(&'static str, u64, u64)) {
        let dr7 = cpu::dr7();
        let now = [cpu::dr0(), cpu::dr1(), cpu::dr2(), cpu::dr3()];
        let changes = now.iter().zip(&self.dr).map(|(now, was)| now ^ was);
        if changes.fold(dr7 ^ self.dr7, |all, one| all | one) == 0 {
            return;
        }
        /// DR7 without any breakpoint.
        const NONE: u64 = 1 << 10;
        let [dr0, dr1, dr2, dr3] = self.dr;
        // SAFETY: What the kernel had there.
        unsafe {
            cpu::set_dr7(NONE);
            cpu::set_dr0(dr0);
            cpu::set_dr1(dr1);
            cpu::set_dr2(dr2);
            cpu::set_dr3(dr3);
            cpu::set_dr7(self.dr7);
        }
        for (name, (from, to)) in BREAKPOINTS.iter().zip(self.dr.iter().zip(now)) {
            if *from != to {
                state(name, *from, to);
            }
        }
        if dr7 != self.dr7 {
            state("DR7", self.dr7, dr7);
        }
    }

    fn restore_segments(&self, state: &mut impl FnMut(&'static str, u64, u64)) {
        let now = [cpu::ds(), cpu::es(), cpu::ss(), cpu::fs(), cpu::gs()];
        let changes = now.iter().zip(&self.segments).map(|(now, was)| now ^ was);
        if changes.fold(0, |all, one| all | one) != 0 {
            self.restore_selectors(now, state);
        }
        let now = cpu::ldtr();
        if now != self.ldtr {
            // SAFETY: What the kernel had there; the table is again the kernel's.
            unsafe { cpu::set_ldtr(self.ldtr) };
            state("LDTR", self.ldtr.into(), now.into());
        }
    }

    #[cold]
    fn restore_selectors(&self, now: [u16; 5], state: &mut impl FnMut(&'static str, u64, u64)) {
        for (name, (&from, to)) in SEGMENTS.iter().zip(self.segments.iter().zip(now)) {
            if from == to {
                continue;
            }
            // SAFETY: What the kernel had there; the table is again the kernel's, and interrupts
            // are off.
            unsafe {
                match *name {
                    "DS" => cpu::set_ds(from),
                    "ES" => cpu::set_es(from),
                    "SS" => cpu::set_ss(from),
                    "FS" => cpu::set_fs(from),
                    _ => cpu::set_gs(from),
                }
            }
            state(name, from.into(), to.into());
        }
    }

    /// Finds what only the way back could change, and cannot be put back here.
    pub(crate) fn compare(&self, found: &mut Violation) {
        let now = cpu::cs();
        if now != self.cs {
            found.add(Deviation::new(
                What::State("CS"),
                self.cs.into(),
                now.into(),
            ));
        }
    }
}
