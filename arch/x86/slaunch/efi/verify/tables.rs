// SPDX-License-Identifier: GPL-2.0

//! The contents of descriptor tables: IDT, GDT and TSS.

use super::{
    super::violation::{
        Deviation,
        Violation,
        What, //
    },
    compare::{
        self,
        Vectors, //
    },
    control::Control,
    cpu, //
};

/// Words of the IDT: 256 gates of 16 bytes.
const IDT_WORDS: usize = 512;

/// The same in what is compared in one step.
const IDT_STEPS: usize = IDT_WORDS / compare::STEP;

const _: () = assert!(IDT_STEPS * compare::STEP == IDT_WORDS);

/// Words of the GDT that are kept: the kernel has 16 descriptors.
const GDT_WORDS: usize = 16;

/// Words of the TSS that are kept: its stacks and the offset of the I/O bitmap (104 bytes).
const TSS_WORDS: usize = 13;

/// Contents before a call.
pub(crate) struct Tables {
    idt: [u64; IDT_WORDS],
    /// Where `idt` was read, and whether it is still good.
    idt_at: u64,
    gdt: [u64; GDT_WORDS],
    gdt_at: u64,
    gdt_words: usize,
    tss: [u64; TSS_WORDS],
    tss_at: u64,
}

impl Tables {
    /// None yet.
    pub(crate) const NONE: Self = Self {
        idt: [0; IDT_WORDS],
        idt_at: 0,
        gdt: [0; GDT_WORDS],
        gdt_at: 0,
        gdt_words: 0,
        tss: [0; TSS_WORDS],
        tss_at: 0,
    };

    /// Reads the tables. The IDT does not change any more once the kernel has booted, if `stable`.
    pub(crate) fn read(&mut self, control: &Control, stable: bool) {
        let at = control.idtr.base;
        if !stable || self.idt_at != at {
            // SAFETY: The kernel's IDT has this size, on x86-64 whatever the limit says.
            unsafe { copy(at, &mut self.idt) };
            self.idt_at = match stable {
                true => at,
                false => 0,
            };
        }
        self.gdt_at = control.gdtr.base;
        self.gdt_words = usize::from(control.gdtr.limit).wrapping_add(1) >> 3;
        let words = self.gdt_words.min(GDT_WORDS);
        if let Some(gdt) = self.gdt.get_mut(..words) {
            // SAFETY: The kernel's GDT has at least this size.
            unsafe { copy(self.gdt_at, gdt) };
        }
        self.gdt_words = words;
        self.tss_at = self.tss_base(control.tr);
        if self.tss_at != 0 {
            // SAFETY: The kernel's TSS has this size.
            unsafe { copy(self.tss_at, &mut self.tss) };
        }
    }

    /// The base in the descriptor of the TSS, 0 if there is none.
    fn tss_base(&self, selector: u16) -> u64 {
        let index = usize::from(selector >> 3);
        let low = self.gdt.get(index).copied().unwrap_or(0);
        let high = self.gdt.get(index.wrapping_add(1)).copied().unwrap_or(0);
        (low >> 16 & 0xff_ffff) | (low >> 32 & 0xff00_0000) | high << 32
    }

    /// Finds what has changed in the tables since, and puts it back. The registers that say where
    /// they are have been put back already.
    ///
    /// # Safety
    ///
    /// The FPU may be used.
    pub(crate) unsafe fn restore(
        &self,
        vectors: Vectors,
        control: &Control,
        found: &mut Violation,
    ) {
        let gdt = self.gdt.get(..self.gdt_words).unwrap_or(&[]);
        // SAFETY: As when they were read; the FPU by the requirement of this function.
        let same = unsafe {
            vectors.equal(pointer(control.idtr.base), self.idt.as_ptr(), IDT_STEPS)
                && compare::equal(pointer(self.gdt_at), gdt.as_ptr(), gdt.len())
                && (self.tss_at == 0
                    || compare::equal(pointer(self.tss_at), self.tss.as_ptr(), TSS_WORDS))
        };
        if !same {
            // SAFETY: As when they were read; this is what was there.
            unsafe {
                put_back("IDT", 2, control.idtr.base, &self.idt, found);
                put_back("GDT", 1, self.gdt_at, gdt, found);
                if self.tss_at != 0 {
                    put_back("TSS", 1, self.tss_at, &self.tss, found);
                }
            }
        }
        let now = cpu::tr();
        if now != control.tr {
            self.restore_tr(control.tr);
            found.add(Deviation::restored(
                What::State("TR"),
                control.tr.into(),
                now.into(),
            ));
        }
    }

    /// Loads TR, for which its descriptor must not be marked as busy.
    fn restore_tr(&self, selector: u16) {
        /// Tells a busy TSS from an available one.
        const BUSY: u64 = 1 << 41;
        let offset = u64::from(selector & !7);
        let descriptor = pointer(self.gdt_at.wrapping_add(offset)).cast_mut();
        // SAFETY: This is the descriptor of the kernel's TSS, which the load makes what it was.
        unsafe {
            cpu::unprotected(|| {
                descriptor.write_volatile(descriptor.read_volatile() & !BUSY);
                cpu::set_tr(selector);
            });
        }
    }
}

/// A pointer to words at an address.
fn pointer(address: u64) -> *const u64 {
    core::ptr::with_exposed_provenance(usize::try_from(address).unwrap_or(0))
}

/// Copies words from memory.
///
/// # Safety
///
/// They can be read.
unsafe fn copy(from: u64, to: &mut [u64]) {
    // SAFETY: By the requirement of this function.
    unsafe { compare::copy(pointer(from), to.as_mut_ptr(), to.len()) };
}

/// Puts back each word that differs, which belongs to entries of so many words.
///
/// # Safety
///
/// The memory at `base` is that from which `was` was read, and nothing else is going on.
#[cold]
unsafe fn put_back(
    name: &'static str,
    words: usize,
    base: u64,
    was: &[u64],
    found: &mut Violation,
) {
    for (index, &from) in was.iter().enumerate() {
        let place = pointer(base).wrapping_add(index).cast_mut();
        // SAFETY: Within the table.
        let to = unsafe { place.read_volatile() };
        if to == from {
            continue;
        }
        // SAFETY: Within the table; this is what the kernel had there.
        unsafe { cpu::unprotected(|| place.write_volatile(from)) };
        let entry = u32::try_from(index / words.max(1)).unwrap_or(u32::MAX);
        found.add(Deviation::restored(What::Entry(name, entry), from, to));
    }
}
