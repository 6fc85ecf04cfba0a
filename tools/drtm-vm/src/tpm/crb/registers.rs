// SPDX-License-Identifier: GPL-2.0
//! The registers of the Command Response Buffer interface (TCG PC Client Platform TPM Profile for
//! TPM 2.0). Each locality has a page of 4 KiB; offsets are within a page.

/// Physical address of locality 0.
pub const BASE: u32 = 0xfed4_0000;
/// Bytes of one locality's page.
pub const PAGE: usize = 0x1000;
/// Localities, each with a page.
pub const LOCALITIES: usize = 5;

/// State of the localities, the same in every page.
pub const LOC_STATE: usize = 0x00;
/// A locality's requests; reads as 0.
pub const LOC_CTRL: usize = 0x08;
/// State of this locality.
pub const LOC_STS: usize = 0x0c;
/// What the interface can do, 64 bits.
pub const INTERFACE_ID: usize = 0x30;
/// Requests of a state; the TPM clears the bit when it is there.
pub const CTRL_REQ: usize = 0x40;
/// State of the TPM.
pub const CTRL_STS: usize = 0x44;
/// Asks for the end of a running command.
pub const CTRL_CANCEL: usize = 0x48;
/// Starts a command; the TPM clears it with the response in place.
pub const CTRL_START: usize = 0x4c;
/// Bytes of the command buffer.
pub const CMD_SIZE: usize = 0x58;
/// Address of the command buffer, 64 bits (`LADDR` and `HADDR`).
pub const CMD_ADDR: usize = 0x5c;
/// Bytes of the response buffer.
pub const RSP_SIZE: usize = 0x64;
/// Address of the response buffer, 64 bits.
pub const RSP_ADDR: usize = 0x68;
/// The buffer for commands and responses, up to the end of the page.
pub const DATA_BUFFER: usize = 0x80;
/// Its bytes.
pub const BUFFER_SIZE: usize = PAGE - DATA_BUFFER;

/// `LOC_STATE`: no dynamic launch has taken place since this was set (active low, as in the FIFO
/// interface).
pub const STATE_NOT_ESTABLISHED: u32 = 1 << 0;
/// `LOC_STATE`: a locality is active.
pub const STATE_ASSIGNED: u32 = 1 << 1;
/// `LOC_STATE`: shift of the active locality's number, three bits.
pub const STATE_ACTIVE_SHIFT: u32 = 2;
/// `LOC_STATE`: all other bits mean what they say.
pub const STATE_VALID: u32 = 1 << 7;

/// `LOC_CTRL`: request access.
pub const CTRL_REQUEST: u32 = 1 << 0;
/// `LOC_CTRL`: give the locality up.
pub const CTRL_RELINQUISH: u32 = 1 << 1;
/// `LOC_CTRL`: take access from a lower locality.
pub const CTRL_SEIZE: u32 = 1 << 2;
/// `LOC_CTRL`: forget the dynamic launch.
pub const CTRL_RESET_ESTABLISHMENT: u32 = 1 << 3;

/// `LOC_STS`: this locality is active.
pub const STS_GRANTED: u32 = 1 << 0;
/// `LOC_STS`: a higher locality took the TPM away.
pub const STS_SEIZED: u32 = 1 << 1;

/// `CTRL_REQ`: become ready for a command.
pub const REQ_READY: u32 = 1 << 0;
/// `CTRL_REQ`: become idle.
pub const REQ_IDLE: u32 = 1 << 1;

/// `CTRL_STS`: fatal error.
pub const STS_FATAL: u32 = 1 << 0;
/// `CTRL_STS`: idle.
pub const STS_IDLE: u32 = 1 << 1;

/// `INTERFACE_ID` of the model's device: CRB, version 1, five localities, transfers of 64 bytes,
/// no FIFO, CRB selected; vendor IBM as QEMU's, device 2.
pub const IDENTITY: u64 =
    0x1 | 0x1 << 4 | 1 << 8 | 3 << 11 | 1 << 14 | 1 << 17 | 0x1014 << 32 | 0x2 << 48;

/// Registers that software cannot write, 32 bits each.
pub const READ_ONLY: [usize; 11] = [
    LOC_STATE,
    LOC_STS,
    INTERFACE_ID,
    INTERFACE_ID + 4,
    CTRL_STS,
    CMD_SIZE,
    CMD_ADDR,
    CMD_ADDR + 4,
    RSP_SIZE,
    RSP_ADDR,
    RSP_ADDR + 4,
];

/// Physical address of the data buffer in a locality's page.
pub fn buffer_address(page: usize) -> u32 {
    BASE + (page * PAGE + DATA_BUFFER) as u32
}
