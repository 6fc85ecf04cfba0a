// SPDX-License-Identifier: GPL-2.0

//! Instructions that trapped, and the registers they work on.

/// The longest instruction there is, in bytes.
const LONGEST: u8 = 15;

/// An instruction in 64-bit mode, as the kernel's decoder has taken it apart (`struct insn`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Insn {
    /// Legacy prefixes, in any order; the rest is 0 (`prefixes.bytes`).
    pub prefixes: [u8; 4],
    /// REX prefix, or 0.
    pub rex: u8,
    /// There is a VEX, EVEX or XOP prefix, or a REX2 prefix.
    pub extended: bool,
    /// Bytes of the opcode; the rest is 0.
    pub opcode: [u8; 3],
    /// How many bytes the opcode has.
    pub opcode_bytes: u8,
    /// The ModRM byte, if there is one.
    pub modrm: Option<u8>,
    /// The immediate operand, or 0.
    pub immediate: u32,
    /// Length of the whole instruction in bytes.
    pub length: u8,
}

/// The same as C code hands it over: `struct slaunch_efi_insn` in `efi/isolate/insn.h`.
#[derive(Default)]
#[repr(C)]
pub struct Decoded {
    prefixes: [u8; 4],
    rex: u8,
    extended: u8,
    opcode: [u8; 3],
    opcode_bytes: u8,
    has_modrm: u8,
    modrm: u8,
    immediate: u32,
    length: u8,
}

impl From<Decoded> for Insn {
    fn from(decoded: Decoded) -> Self {
        Self {
            prefixes: decoded.prefixes,
            rex: decoded.rex,
            extended: decoded.extended != 0,
            opcode: decoded.opcode,
            opcode_bytes: decoded.opcode_bytes,
            modrm: (decoded.has_modrm != 0).then_some(decoded.modrm),
            immediate: decoded.immediate,
            length: decoded.length,
        }
    }
}

impl Insn {
    fn has_prefix(&self, prefix: u8) -> bool {
        self.prefixes.contains(&prefix)
    }

    /// The size of an operand of an I/O instruction that is not of one byte. There are none of 8
    /// bytes.
    fn io_size(&self) -> Size {
        match self.has_prefix(0x66) && self.rex & 8 == 0 {
            true => Size::Two,
            false => Size::Four,
        }
    }

    /// Opcode and ModRM, as far as they fit, for the record.
    pub fn name(&self) -> [u8; 3] {
        let [a, b, c] = self.opcode;
        match (self.opcode_bytes, self.modrm) {
            (1, Some(modrm)) => [a, modrm, 0],
            (2, Some(modrm)) => [a, b, modrm],
            _ => [a, b, c],
        }
    }

    /// What the instruction asks for.
    pub fn request(&self) -> Request {
        // Locked there is none of these, and segments with a base of their own are of no use with
        // them.
        let odd = [0xf0, 0x64, 0x65].into_iter().any(|p| self.has_prefix(p));
        if self.extended || odd || !(1..=LONGEST).contains(&self.length) {
            return Request::Other;
        }
        // Two opcodes for each: one byte, and what the prefixes say.
        let size = |opcode: u8| match opcode & 1 {
            0 => Size::One,
            _ => self.io_size(),
        };
        let [immediate, ..] = self.immediate.to_le_bytes();
        match (self.opcode_bytes, self.opcode) {
            (1, [opcode @ (0xe4 | 0xe5), ..]) => Request::In(Port::Fixed(immediate), size(opcode)),
            (1, [opcode @ (0xe6 | 0xe7), ..]) => Request::Out(Port::Fixed(immediate), size(opcode)),
            (1, [opcode @ (0xec | 0xed), ..]) => Request::In(Port::Dx, size(opcode)),
            (1, [opcode @ (0xee | 0xef), ..]) => Request::Out(Port::Dx, size(opcode)),
            (1, [opcode @ 0x6c..=0x6f, ..]) => Request::Memory(Memory {
                write: opcode >= 0x6e,
                size: size(opcode),
                repeat: self.has_prefix(0xf2) || self.has_prefix(0xf3),
                short: self.has_prefix(0x67),
            }),
            (1, [0xf4, ..]) => Request::Halt,
            (1, [0xfa, ..]) => Request::Interrupts(false),
            (1, [0xfb, ..]) => Request::Interrupts(true),
            (2, [0x0f, 0x08 | 0x09, _]) => Request::WriteBack,
            (2, [0x0f, 0x30, _]) => Request::MsrWrite,
            (2, [0x0f, 0x32, _]) => Request::MsrRead,
            (2, [0x0f, opcode @ (0x20 | 0x22), _]) => self.control(opcode == 0x22),
            _ => Request::Other,
        }
    }

    /// `MOV` from or to a control register.
    ///
    /// The processor takes the two high bits of ModRM for what they must be, which the decoder does
    /// not: it gets the length wrong where they are something else, as nobody writes them.
    fn control(&self, write: bool) -> Request {
        let Some(modrm @ 0xc0..) = self.modrm else {
            return Request::Other;
        };
        // The bits of REX that make the numbers longer: R for the control register, B for the
        // other.
        let number = (modrm >> 3 & 7) | (self.rex & 4) << 1;
        let register = (modrm & 7) | (self.rex & 1) << 3;
        match (number, write) {
            (0 | 2 | 3 | 4 | 8, true) => Request::ControlWrite(number),
            (0 | 2 | 3 | 4 | 8, false) => Request::ControlRead(number, usize::from(register)),
            // There are no others.
            _ => Request::Other,
        }
    }
}

/// What an instruction asks for that user mode does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// `IN`.
    In(Port, Size),
    /// `OUT`.
    Out(Port, Size),
    /// `INS` or `OUTS`.
    Memory(Memory),
    /// `HLT`.
    Halt,
    /// `STI` or `CLI`: whether interrupts are to be on.
    Interrupts(bool),
    /// `WBINVD`, `WBNOINVD` or `INVD`.
    WriteBack,
    /// `RDMSR`.
    MsrRead,
    /// `WRMSR`.
    MsrWrite,
    /// `MOV` from a control register: its number, and that of the general register.
    ControlRead(u8, usize),
    /// `MOV` to a control register.
    ControlWrite(u8),
    /// Nothing that user mode could have.
    Other,
}

/// Where an I/O instruction has the number of the port from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// The instruction itself.
    Fixed(u8),
    /// DX.
    Dx,
}

/// An I/O instruction with memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// `OUTS`: from memory to the port.
    pub write: bool,
    /// Bytes of each transfer.
    pub size: Size,
    /// As many as RCX says.
    pub repeat: bool,
    /// Addresses and counts have 32 bits.
    pub short: bool,
}

/// Index of a register in [`Regs::general`]: its number in an instruction.
pub mod reg {
    /// RAX.
    pub const AX: usize = 0;
    /// RCX.
    pub const CX: usize = 1;
    /// RDX.
    pub const DX: usize = 2;
    /// RBX.
    pub const BX: usize = 3;
    /// RSP.
    pub const SP: usize = 4;
    /// RBP.
    pub const BP: usize = 5;
    /// RSI.
    pub const SI: usize = 6;
    /// RDI.
    pub const DI: usize = 7;
}

/// The registers of firmware, where it was interrupted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Regs {
    /// The general registers, in the order of their numbers: RAX, RCX, RDX, RBX, RSP, RBP, RSI,
    /// RDI, R8 to R15.
    pub general: [u64; 16],
    /// Address of the instruction.
    pub ip: u64,
    /// Flags. Not changed by anything here.
    pub flags: u64,
}

impl Regs {
    /// The register with this number; 0 if there is none.
    pub fn get(&self, number: usize) -> u64 {
        self.general.get(number).copied().unwrap_or(0)
    }

    /// Sets the whole register.
    pub fn set(&mut self, number: usize, value: u64) {
        if let Some(register) = self.general.get_mut(number) {
            *register = value;
        }
    }

    /// Sets as much of the register as an operand of this size does: one of 4 bytes clears the
    /// rest, a shorter one leaves it as it was.
    pub fn set_part(&mut self, number: usize, size: Size, value: u32) {
        let rest = match size {
            Size::Four => 0,
            _ => self.get(number) & !u64::from(size.mask()),
        };
        self.set(number, rest | u64::from(value & size.mask()));
    }
}

/// How many bytes an access to a port or to the memory of an I/O instruction has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Size {
    /// One byte.
    One = 1,
    /// Two bytes.
    Two = 2,
    /// Four bytes.
    Four = 4,
}

impl Size {
    /// The bits that an operand of this size has.
    pub const fn mask(self) -> u32 {
        match self {
            Self::One => 0xff,
            Self::Two => 0xffff,
            Self::Four => u32::MAX,
        }
    }

    /// The size in bytes.
    pub const fn bytes(self) -> u8 {
        self as u8
    }
}
