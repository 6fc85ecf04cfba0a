// SPDX-License-Identifier: GPL-2.0

//! A TPM 2.0 as its registers show it, which executes each command at once. It grants an extend of
//! any PCR to locality 2 alone.

use crate::tpm::{
    Locality,
    Mmio,
    TPM_BASE, //
};

/// Bytes of the buffers; all commands of the tests fit.
const SIZE: usize = 256;

/// Where the CRB has its buffer, in each page.
const BUFFER: u32 = 0x80;

/// What the TPM waits for.
#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Ready,
    Reception,
    Execution,
    Completion,
}

/// The model.
pub(crate) struct Model {
    crb: bool,
    gone: bool,
    hangs: bool,
    active: Option<u32>,
    stage: Stage,
    /// Command, then response.
    buffer: [u8; SIZE],
    /// How many of its bytes were written, or are still to be read.
    at: usize,
    end: usize,
}

impl Model {
    pub(crate) fn new(crb: bool) -> Self {
        Self {
            crb,
            gone: false,
            hangs: false,
            active: None,
            stage: Stage::Ready,
            buffer: [0; SIZE],
            at: 0,
            end: 0,
        }
    }

    /// The locality that has the TPM.
    pub(crate) fn active(&self) -> Option<Locality> {
        let active = usize::try_from(self.active?).ok()?;
        Locality::ALL.get(active).copied()
    }

    /// From now on no register answers.
    pub(crate) fn vanish(&mut self) {
        self.gone = true;
    }

    /// From now on no command ends.
    pub(crate) fn hang(&mut self) {
        self.hangs = true;
    }

    /// The size of the command so far, by its header.
    fn wanted(&self) -> usize {
        let [_, _, a, b, c, d, ..] = self.buffer;
        match self.at {
            0..=5 => usize::MAX,
            _ => u32::from_be_bytes([a, b, c, d]) as usize,
        }
    }

    fn execute(&mut self) {
        if self.hangs {
            self.stage = Stage::Execution;
            return;
        }
        let done: &[u8] = if self.active == Some(2) {
            &[
                0x80, 0x02, 0, 0, 0, 19, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0,
            ]
        } else {
            &[0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x09, 0x07]
        };
        for (to, from) in self.buffer.iter_mut().zip(done) {
            *to = *from;
        }
        (self.at, self.end, self.stage) = (0, done.len(), Stage::Completion);
    }

    /// TPM_STS: the family, the burst count, what there is to do.
    fn status(&self) -> u32 {
        let bits = match self.stage {
            Stage::Ready => 0x40,
            Stage::Reception if self.at < self.wanted() => 0x08,
            Stage::Completion if self.at < self.end => 0x10,
            _ => 0,
        };
        1 << 26 | 32 << 8 | 0x80 | bits
    }

    fn set_status(&mut self, value: u8) {
        match value {
            0x40 => (self.at, self.stage) = (0, Stage::Ready),
            0x20 if self.stage == Stage::Reception => self.execute(),
            _ => {}
        }
    }

    fn fifo_write(&mut self, value: u8) {
        if let Some(byte) = self.buffer.get_mut(self.at) {
            *byte = value;
            self.at += 1;
            self.stage = Stage::Reception;
        }
    }

    fn fifo_read(&mut self) -> u8 {
        match self.buffer.get(self.at) {
            Some(byte) if self.stage == Stage::Completion && self.at < self.end => {
                self.at += 1;
                *byte
            }
            _ => u8::MAX,
        }
    }

    fn request(&mut self, page: u32) {
        self.active.get_or_insert(page);
    }

    fn relinquish(&mut self, page: u32) {
        if self.active == Some(page) {
            self.active = None;
        }
    }

    /// The four bytes of the buffer that a CRB shows there.
    fn word(&mut self, register: u32) -> Option<&mut [u8]> {
        let at = usize::try_from(register.checked_sub(BUFFER)?).ok()?;
        self.buffer.get_mut(at..)?.get_mut(..4)
    }
}

/// The page, the register in it.
fn split(offset: u32) -> (u32, u32) {
    (offset >> 12, offset & 0xfff)
}

impl Mmio for Model {
    fn read8(&mut self, offset: u32) -> u8 {
        let (page, register) = split(offset);
        match (self.gone, self.crb, register) {
            (true, ..) => u8::MAX,
            (_, true, 0) => self.read32(offset).to_le_bytes()[0],
            (_, false, 0) => 0x81 | u8::from(self.active == Some(page)) << 5,
            (_, false, 0x24) if self.active == Some(page) => self.fifo_read(),
            _ => u8::MAX,
        }
    }

    fn read32(&mut self, offset: u32) -> u32 {
        let (page, register) = split(offset);
        let mine = self.active == Some(page);
        if self.gone {
            return u32::MAX;
        }
        match (self.crb, register) {
            (_, 0x30) => u32::from(self.crb),
            (false, 0xf00) => 0x0001_1014,
            (false, 0x18) if mine => self.status(),
            // TPM_LOC_STATE.
            (true, 0x00) => 0x80 | self.active.map_or(0, |active| 0x02 | active << 2),
            // TPM_CRB_CTRL_REQ, STS, START.
            (true, 0x40 | 0x44) if mine => 0,
            (true, 0x4c) if mine => u32::from(self.stage == Stage::Execution),
            // Sizes and addresses of the buffers.
            (true, 0x58 | 0x64) if mine => SIZE as u32,
            (true, 0x5c | 0x68) if mine => TPM_BASE as u32 + (page << 12) + BUFFER,
            (true, 0x60 | 0x6c) if mine => 0,
            (true, BUFFER..) if mine => match self.word(register) {
                Some([a, b, c, d]) => u32::from_le_bytes([*a, *b, *c, *d]),
                _ => u32::MAX,
            },
            (true, 0x34) => 0x0001_1014,
            _ => u32::MAX,
        }
    }

    fn write8(&mut self, offset: u32, value: u8) {
        let (page, register) = split(offset);
        let mine = self.active == Some(page);
        match (self.crb, register, value) {
            _ if self.gone => {}
            (false, 0, 0x02) => self.request(page),
            (false, 0, 0x20) => self.relinquish(page),
            (false, 0x18, _) if mine => self.set_status(value),
            (false, 0x24, _) if mine => self.fifo_write(value),
            (true, BUFFER.., _) if mine => {
                if let Some(byte) = self.word(register).and_then(<[u8]>::first_mut) {
                    *byte = value;
                }
            }
            _ => {}
        }
    }

    fn write32(&mut self, offset: u32, value: u32) {
        let (page, register) = split(offset);
        let mine = self.active == Some(page);
        match (self.crb, register, value) {
            _ if self.gone => {}
            (true, 0x08, 1) => self.request(page),
            (true, 0x08, 2) => self.relinquish(page),
            (true, 0x4c, 1) if mine => self.execute(),
            (true, BUFFER.., _) if mine => {
                if let Some(word) = self.word(register) {
                    word.copy_from_slice(&value.to_le_bytes());
                }
            }
            _ => {}
        }
    }
}
