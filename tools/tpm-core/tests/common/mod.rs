// SPDX-License-Identifier: GPL-2.0

//! A TPM to test against: the register model, with a back end that executes the commands.
#![allow(dead_code, unused_imports)] // Each test uses a part of it.

mod answers;
mod crb;
pub mod crb_harness;
mod fifo;
mod noise;
mod sim;
mod swtpm;

pub use answers::{golden, tpm12, tpm20, Answers};
pub use crb::{CrbFaults, CrbModel, BARE};
pub use fifo::{Faults, Model};
pub use noise::{Noise, Stuck};
pub use sim::{Backend, Script, TestClock, STEP_US};
pub use swtpm::Swtpm;

use tpm_core::{Builder, OpenLocality, Tpm};

/// The transport that the tests drive.
pub type TestTpm<B> = Tpm<Model<B>, TestClock>;
/// The same, with a locality open.
pub type TestOpen<'a, B> = OpenLocality<'a, Model<B>, TestClock>;

/// A response without sessions: header, then `parameters`.
pub fn response(tag: u16, rc: u32, parameters: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::from(tag.to_be_bytes());
    let size = u32::try_from(10 + parameters.len()).expect("a response is small");
    bytes.extend(size.to_be_bytes());
    bytes.extend(rc.to_be_bytes());
    bytes.extend(parameters);
    bytes
}

/// What a TPM answers to a PCR_Extend that it executed.
pub fn extend_done() -> Vec<u8> {
    response(0x8002, 0, &[0, 0, 0, 0, 0, 0, 1, 0, 0])
}

/// A command without parameters that the models do not look into.
pub fn any_command() -> [u8; 12] {
    let mut command = [0; 12];
    let mut builder = Builder::new(&mut command);
    builder.be16(0x8001).be32(12).be32(0x17b).be16(4);
    command
}

/// Hexadecimal text to bytes.
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).expect("hex digits are ASCII");
        u8::from_str_radix(pair, 16).expect("two hex digits")
    };
    digits.chunks(2).map(byte).collect()
}
