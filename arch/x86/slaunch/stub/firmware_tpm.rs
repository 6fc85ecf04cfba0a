// SPDX-License-Identifier: GPL-2.0

//! The TPM, seen from before the launch: is it one that the loader block can drive, and which PCR
//! banks are active. No command is sent; the firmware is asked (TCG EFI Protocol Specification,
//! family 2.0, revision 00.13, or for a TPM 1.2 the TCG EFI Protocol, version 1.22), and a few
//! registers are read.

use super::efi::{Status, SystemTable, SUCCESS, TCG2_PROTOCOL, TCG_PROTOCOL};
use super::mmio::Window;
use super::reason::{Reason, Refusal};
use super::tpm::{Banks, HashAlg, InterfaceType, Locality, LocalityRegs, LogFormat, TPM_BASE};
use core::ffi::c_void;
use core::mem::{offset_of, size_of};

/// What the event log is made for.
#[derive(Clone, Copy)]
pub(crate) struct FirmwareTpm {
    /// The active banks.
    pub(crate) banks: Banks,
    /// What the log looks like.
    pub(crate) log: LogFormat,
}

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

/// Makes the list of banks of the firmware's bitmap; none if a bit is not known, for that bank
/// would then be missing in the log.
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

/// `TCG_EFI_BOOT_SERVICE_CAPABILITY` (TCG EFI Protocol, 4.2).
#[repr(C)]
struct Capability12 {
    size: u8,
    structure_version: [u8; 4],
    protocol_version: [u8; 4],
    hash_algorithms: u8,
    present: u8,
    deactivated: u8,
}

const CAPABILITY12_SIZE: u8 = {
    assert!(size_of::<Capability12>() == 12);
    12
};

/// `EFI_TCG_PROTOCOL` (4.1), its first member: capability, features, address of the firmware's log
/// and of its last entry.
#[repr(C)]
struct Tcg {
    status_check:
        extern "efiapi" fn(*mut Tcg, *mut Capability12, *mut u32, *mut u64, *mut u64) -> Status,
}

/// Finds the TPM and its active banks.
///
/// # Errors
///
/// Why the loader block cannot use it.
pub(crate) fn check(system: &SystemTable) -> Result<FirmwareTpm, Refusal> {
    let found = match system.locate(&TCG2_PROTOCOL) {
        Ok(interface) => check_tpm20(interface),
        Err(status) => match system.locate(&TCG_PROTOCOL) {
            Ok(interface) => check_tpm12(interface),
            Err(_) => Err(no_tpm(status)),
        },
    }?;
    check_interface()?;
    Ok(found)
}

fn check_tpm20(interface: *mut c_void) -> Result<FirmwareTpm, Refusal> {
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
    let unknown = Reason::TpmBanks.with(capability.active_banks);
    Ok(FirmwareTpm {
        banks: banks(capability.active_banks).ok_or(unknown)?,
        log: LogFormat::Agile,
    })
}

fn check_tpm12(interface: *mut c_void) -> Result<FirmwareTpm, Refusal> {
    let protocol = interface.cast::<Tcg>();
    let mut capability = Capability12 {
        size: CAPABILITY12_SIZE,
        structure_version: [0; 4],
        protocol_version: [0; 4],
        hash_algorithms: 0,
        present: 0,
        deactivated: 0,
    };
    let (mut features, mut log, mut last) = (0, 0, 0);
    // SAFETY: the firmware gave this interface for the protocol's identifier.
    let status_check = unsafe { (*protocol).status_check };
    let status = status_check(
        protocol,
        &mut capability,
        &mut features,
        &mut log,
        &mut last,
    );
    if status != SUCCESS {
        return Err(no_tpm(status));
    }
    if capability.present == 0 || capability.deactivated != 0 {
        return Err(Reason::NoTpm.into());
    }
    let mut banks = Banks::new();
    banks
        .push(HashAlg::SHA1)
        .map_err(|_| Reason::TpmBanks.with(0))?;
    Ok(FirmwareTpm {
        banks,
        log: LogFormat::Tpm12,
    })
}

/// Whether the registers are where the loader block looks for them, and of a kind that it knows.
fn check_interface() -> Result<(), Refusal> {
    // SAFETY: PC platforms decode this page for the TPM or for nothing; reading it has no effect.
    // Firmware maps it one to one.
    let mut window = unsafe { Window::new(TPM_BASE as usize) };
    let mut regs = LocalityRegs::new(&mut window, Locality::L0);
    let id = regs.interface_id();
    let valid = match id.interface() {
        // All ones: nothing answers at this address (a TPM on another bus).
        InterfaceType::Fifo | InterfaceType::Tis => regs.access().is_valid(),
        InterfaceType::Crb => regs.locality_state().is_valid(),
        InterfaceType::Unknown => false,
    };
    if !valid {
        return Err(Reason::TpmInterface.with(id.raw()));
    }
    Ok(())
}

fn no_tpm(status: Status) -> Refusal {
    Reason::NoTpm.with((status & 0xffff) as u32)
}

/// Gives up locality 0 if it is held, so that the processor and the loader block find the TPM free.
///
/// # Safety
///
/// Nobody uses the TPM any more: boot services have been left.
pub(crate) unsafe fn relinquish() {
    // SAFETY: the registers are there ([`check`]), and ours by the caller.
    let mut window = unsafe { Window::new(TPM_BASE as usize) };
    let mut regs = LocalityRegs::new(&mut window, Locality::L0);
    if regs.interface_id().interface() == InterfaceType::Crb {
        if regs.locality_state().active() == Some(Locality::L0) {
            regs.relinquish_locality();
        }
    } else if regs.access().is_active() {
        regs.relinquish();
    }
}
