// SPDX-License-Identifier: GPL-2.0
//! Registers that QEMU's gdb stub gives access to.

use serde::Serialize;

/// Register numbers of QEMU's i386-64bit.xml (system emulation).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Reg {
    Rax,
    Rbx,
    Rcx,
    Rdx,
    Rsi,
    Rdi,
    Rbp,
    Rsp,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
    Rip,
    Eflags,
    Cs,
    Ss,
    Ds,
    Es,
    Fs,
    Gs,
    FsBase,
    GsBase,
    KGsBase,
    Cr0,
    Cr2,
    Cr3,
    Cr4,
    Cr8,
    Efer,
}

/// Sixteen general purpose registers, in the order of their numbers.
pub const GENERAL: [Reg; 16] = [
    Reg::Rax,
    Reg::Rbx,
    Reg::Rcx,
    Reg::Rdx,
    Reg::Rsi,
    Reg::Rdi,
    Reg::Rbp,
    Reg::Rsp,
    Reg::R8,
    Reg::R9,
    Reg::R10,
    Reg::R11,
    Reg::R12,
    Reg::R13,
    Reg::R14,
    Reg::R15,
];

impl Reg {
    /// Number in the protocol.
    pub fn number(self) -> u32 {
        self as u32
    }

    /// Width in the protocol, in bytes.
    pub fn width(self) -> usize {
        match self {
            Reg::Eflags | Reg::Cs | Reg::Ss | Reg::Ds | Reg::Es | Reg::Fs | Reg::Gs => 4,
            _ => 8,
        }
    }
}

fn hex<S: serde::Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{value:#x}"))
}

macro_rules! register_file {
    ($($field:ident = $reg:ident,)*) => {
        /// All registers of one CPU at one moment.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
        #[allow(missing_docs)]
        pub struct RegisterFile {
            $(#[serde(serialize_with = "hex")] pub $field: u64,)*
        }

        impl RegisterFile {
            /// Reads every register with `read`.
            pub fn read<E>(mut read: impl FnMut(Reg) -> Result<u64, E>) -> Result<Self, E> {
                Ok(RegisterFile { $($field: read(Reg::$reg)?,)* })
            }

            /// Names and values of the registers that differ from `other`.
            pub fn differences(&self, other: &Self) -> Vec<(&'static str, u64, u64)> {
                let mut found = Vec::new();
                $(if self.$field != other.$field {
                    found.push((stringify!($field), self.$field, other.$field));
                })*
                found
            }
        }
    };
}

register_file! {
    rax = Rax,
    rbx = Rbx,
    rcx = Rcx,
    rdx = Rdx,
    rsi = Rsi,
    rdi = Rdi,
    rbp = Rbp,
    rsp = Rsp,
    r8 = R8,
    r9 = R9,
    r10 = R10,
    r11 = R11,
    r12 = R12,
    r13 = R13,
    r14 = R14,
    r15 = R15,
    rip = Rip,
    eflags = Eflags,
    cs = Cs,
    ss = Ss,
    ds = Ds,
    es = Es,
    fs = Fs,
    gs = Gs,
    fs_base = FsBase,
    gs_base = GsBase,
    cr0 = Cr0,
    cr2 = Cr2,
    cr3 = Cr3,
    cr4 = Cr4,
    cr8 = Cr8,
    efer = Efer,
}
