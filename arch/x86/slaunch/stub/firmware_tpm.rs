// SPDX-License-Identifier: GPL-2.0

//! The TPM, seen from before the launch: is it one that the loader block can drive, and which PCR
//! banks are active. No command is sent; the firmware is asked (TCG EFI Protocol Specification,
//! family 2.0, revision 00.13), and two registers are read.

use super::efi::{Status, SystemTable, SUCCESS, TCG2_PROTOCOL};
use super::reason::{Reason, Refusal};
use super::tpm::{Banks, HashAlg};
use core::mem::{offset_of, size_of};

/// Registers of locality 0 (PC Client Platform TPM Profile, 6.5).
const BASE: usize = 0xfed4_0000;
const ACCESS: usize = BASE;
const ACCESS_ACTIVE: u8 = 1 << 5;
const ACCESS_VALID: u8 = 1 << 7;
/// `TPM_INTERFACE_ID`: what kind of interface the TPM has and uses.
const INTERFACE_ID: usize = BASE + 0x30;
const INTERFACE_TYPE: u32 = 0xf;
const INTERFACE_FIFO: u32 = 0;
/// FIFO as of TIS 1.3, when the register meant nothing yet.
const INTERFACE_TIS_1_3: u32 = 0xf;

/// `EFI_TCG2_BOOT_SERVICE_CAPABILITY` (6.4). The structure comes with its size: older firmware
/// fills less of it.
#[repr(C)]
struct Capability {
    size: u8,
    structure_version: [u8; 2],
    protocol_version: [u8; 2],
    hash_algorithms: u32,
    event_logs: u32,
    present: u8,
    max_command: u16,
    max_response: u16,
    manufacturer: u32,
    pcr_banks: u32,
    active_banks: u32,
}

const CAPABILITY_SIZE: u8 = {
    assert!(offset_of!(Capability, present) == 16);
    assert!(offset_of!(Capability, active_banks) == 32);
    assert!(size_of::<Capability>() == 36);
    36
};

/// `EFI_TCG2_PROTOCOL` (6.2), its first member.
#[repr(C)]
struct Tcg2 {
    get_capability: extern "efiapi" fn(*mut Tcg2, *mut Capability) -> Status,
}

/// Algorithm of each bit of `active_banks` (`EFI_TCG2_BOOT_HASH_ALG_*`, 6.4), from bit 0 on.
const ALGORITHMS: [HashAlg; 5] = [
    HashAlg::SHA1,
    HashAlg::SHA256,
    HashAlg::SHA384,
    HashAlg::SHA512,
    HashAlg::SM3_256,
];

/// Makes the list of banks of the firmware's bitmap; none if a bit is not known, for that bank would
/// then be missing in the log.
fn banks(bitmap: u32) -> Option<Banks> {
    let mut banks = Banks::new();
    let mut rest = bitmap;
    for algorithm in ALGORITHMS {
        if rest & 1 != 0 {
            banks.push(algorithm).ok()?;
        }
        rest >>= 1;
    }
    (rest == 0 && !banks.is_empty()).then_some(banks)
}

/// Finds the TPM and its active banks.
///
/// # Errors
///
/// Why the loader block cannot use it.
pub(crate) fn check(system: &SystemTable) -> Result<Banks, Refusal> {
    let interface = system.locate(&TCG2_PROTOCOL).map_err(no_tpm)?;
    let protocol = interface.cast::<Tcg2>();
    let mut capability = Capability {
        size: CAPABILITY_SIZE,
        structure_version: [0; 2],
        protocol_version: [0; 2],
        hash_algorithms: 0,
        event_logs: 0,
        present: 0,
        max_command: 0,
        max_response: 0,
        manufacturer: 0,
        pcr_banks: 0,
        active_banks: 0,
    };
    // SAFETY: the firmware gave this interface for the protocol's identifier.
    let get_capability = unsafe { (*protocol).get_capability };
    let status = get_capability(protocol, &mut capability);
    if status != SUCCESS {
        return Err(no_tpm(status));
    }
    if capability.present == 0 {
        return Err(Reason::NoTpm.into());
    }

    let id = read_interface_id();
    if !matches!(id & INTERFACE_TYPE, INTERFACE_FIFO | INTERFACE_TIS_1_3) {
        return Err(Reason::TpmInterface.with(id));
    }
    // All ones: nothing answers at this address (a TPM on another bus).
    // SAFETY: as for the interface register.
    let access = unsafe { (ACCESS as *const u8).read_volatile() };
    if access == u8::MAX || access & ACCESS_VALID == 0 {
        return Err(Reason::TpmInterface.with(id));
    }

    banks(capability.active_banks).ok_or(Reason::TpmBanks.with(capability.active_banks))
}

fn no_tpm(status: Status) -> Refusal {
    Reason::NoTpm.with((status & 0xffff) as u32)
}

fn read_interface_id() -> u32 {
    // SAFETY: PC platforms decode this page for the TPM or for nothing; reading it has no effect.
    // Firmware maps it one to one.
    unsafe { (INTERFACE_ID as *const u32).read_volatile() }
}

/// Gives up locality 0 if it is held, so that the processor and the loader block find the TPM free.
///
/// # Safety
///
/// Nobody uses the TPM any more: boot services have been left.
pub(crate) unsafe fn relinquish() {
    let access = ACCESS as *mut u8;
    // SAFETY: the register is there ([`check`]); writing the active bit as one gives the locality
    // up (5.3.2.3).
    unsafe {
        if access.read_volatile() & ACCESS_ACTIVE != 0 {
            access.write_volatile(ACCESS_ACTIVE);
        }
    }
}
