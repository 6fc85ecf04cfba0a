// SPDX-License-Identifier: GPL-2.0

//! The services that this driver stands before.

use core::arch::global_asm;
use core::mem::transmute;
use core::ptr;
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicU8, AtomicUsize, Ordering};

use hostile_firmware::TEST_VENDOR;
use uefi_raw::table::boot::BootServices;
use uefi_raw::table::runtime::{ResetType, RuntimeServices, VariableAttributes};
use uefi_raw::{Guid, Status};

use crate::behaviours::{self, Call};
use crate::{capsule, cpu, memory};

/// The firmware's own services, by address.
static GET_VARIABLE: AtomicUsize = AtomicUsize::new(0);
static SET_VARIABLE: AtomicUsize = AtomicUsize::new(0);
static RESET_SYSTEM: AtomicUsize = AtomicUsize::new(0);
static CONVERT_POINTER: AtomicUsize = AtomicUsize::new(0);

/// What ResetSystem does: nothing but what it is for, or one of these.
static RESET_ARMED: AtomicU8 = AtomicU8::new(0);
/// It returns without a reset.
const RETURNS: u8 = 1;
/// It writes to a control register.
const MISBEHAVES: u8 = 2;

/// What is there of the last call of ResetSystem, for whoever looks at memory: the number of calls, the code
/// segment's selector, the kind of reset.
static RESETS: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

/// Where that is.
pub fn resets() -> u64 {
    &raw const RESETS as u64
}

/// What [`Call::leave`] asks for: how the next return to the kernel is to go.
#[no_mangle]
static HOSTILE_EXIT: AtomicU32 = AtomicU32::new(0);

/// Ways to return that no compiler would make.
#[derive(Clone, Copy)]
#[repr(u32)]
pub enum Exit {
    /// The direction flag is set.
    Direction = 1,
    /// The alignment-check flag is set, by which SMAP is off.
    Alignment,
    /// The nested-task flag is set.
    Nested,
    /// The I/O privilege level is 3.
    IoPrivilege,
    /// The interrupt flag is not what it was.
    Interrupts,
    Rbx,
    Rbp,
    Rsi,
    Rdi,
    R12,
    R13,
    R14,
    R15,
    /// The stack pointer is eight too high.
    Rsp,
}

/// Sets how the next return is to go.
pub fn leave(exit: Exit) {
    HOSTILE_EXIT.store(exit as u32, Ordering::Relaxed);
}

// The numbers are those of `Exit`. At the entry the stack has the return address, four words of the
// callee, the fifth argument.
global_asm!(
    ".globl hostile_get_variable",
    "hostile_get_variable:",
    "sub rsp, 0x38",
    "mov rax, [rsp + 0x60]",
    "mov [rsp + 0x20], rax",
    "lea rax, [rsp + 0x38]",
    "mov [rsp + 0x28], rax",
    "call {get}",
    "add rsp, 0x38",
    "jmp 100f",
    ".globl hostile_set_variable",
    "hostile_set_variable:",
    "sub rsp, 0x38",
    "mov rax, [rsp + 0x60]",
    "mov [rsp + 0x20], rax",
    "lea rax, [rsp + 0x38]",
    "mov [rsp + 0x28], rax",
    "call {set}",
    "add rsp, 0x38",
    "100:",
    "mov r10d, [rip + {exit}]",
    "test r10d, r10d",
    "jz 99f",
    "mov dword ptr [rip + {exit}], 0",
    "dec r10d",
    "jz 101f",
    "dec r10d",
    "jz 102f",
    "dec r10d",
    "jz 103f",
    "dec r10d",
    "jz 104f",
    "dec r10d",
    "jz 105f",
    "dec r10d",
    "jz 106f",
    "dec r10d",
    "jz 107f",
    "dec r10d",
    "jz 108f",
    "dec r10d",
    "jz 109f",
    "dec r10d",
    "jz 112f",
    "dec r10d",
    "jz 113f",
    "dec r10d",
    "jz 114f",
    "dec r10d",
    "jz 115f",
    "dec r10d",
    "jz 116f",
    "99: ret",
    "101: std",
    "ret",
    "102: mov r10d, 0x40000",
    "jmp 98f",
    "103: mov r10d, 0x4000",
    "jmp 98f",
    "104: mov r10d, 0x3000",
    "jmp 98f",
    "105: mov r10d, 0x200",
    "98: pushfq",
    "xor [rsp], r10",
    "popfq",
    "ret",
    "106: xor rbx, 0x5a5a",
    "ret",
    "107: xor rbp, 0x5a5a",
    "ret",
    "108: xor rsi, 0x5a5a",
    "ret",
    "109: xor rdi, 0x5a5a",
    "ret",
    "112: xor r12, 0x5a5a",
    "ret",
    "113: xor r13, 0x5a5a",
    "ret",
    "114: xor r14, 0x5a5a",
    "ret",
    "115: xor r15, 0x5a5a",
    "ret",
    "116: ret 8",
    // Code that nobody executes, for a behaviour that changes code.
    ".balign 16",
    ".globl hostile_filler",
    "hostile_filler:",
    ".fill 16, 1, 0xcc",
    get = sym get_variable,
    set = sym set_variable,
    exit = sym HOSTILE_EXIT,
);

extern "efiapi" {
    fn hostile_get_variable(
        name: *const u16,
        vendor: *const Guid,
        attributes: *mut VariableAttributes,
        size: *mut usize,
        data: *mut u8,
    ) -> Status;
    fn hostile_set_variable(
        name: *const u16,
        vendor: *const Guid,
        attributes: VariableAttributes,
        size: usize,
        data: *const u8,
    ) -> Status;
    static hostile_filler: u8;
}

/// Where code of this driver is that nobody executes.
pub fn own_filler() -> u64 {
    &raw const hostile_filler as u64
}

/// Where the firmware's ConvertPointer is, which nobody calls once addresses are virtual.
pub fn firmware_code() -> u64 {
    CONVERT_POINTER.load(Ordering::Relaxed) as u64
}

type GetVariable = unsafe extern "efiapi" fn(
    *const u16,
    *const Guid,
    *mut VariableAttributes,
    *mut usize,
    *mut u8,
) -> Status;
type SetVariable = unsafe extern "efiapi" fn(
    *const u16,
    *const Guid,
    VariableAttributes,
    usize,
    *const u8,
) -> Status;
type ResetSystem = unsafe extern "efiapi" fn(ResetType, Status, usize, *const u8) -> Status;

/// Whether a name, which ends with a zero, is this text.
///
/// # Safety
///
/// `name` must be readable up to its zero.
pub unsafe fn is(name: *const u16, text: &str) -> bool {
    let bytes = text.bytes().map(u16::from).chain([0]);
    // SAFETY: Reading ends with the first difference, the zero at the latest.
    bytes
        .enumerate()
        .all(|(at, wanted)| unsafe { name.add(at).read_unaligned() } == wanted)
}

/// # Safety
///
/// Called by the kernel with what the service is defined to get.
unsafe extern "efiapi" fn get_variable(
    name: *const u16,
    vendor: *const Guid,
    attributes: *mut VariableAttributes,
    size: *mut usize,
    data: *mut u8,
    stack: *mut u64,
) -> Status {
    // SAFETY: The pointers are those of the caller, or those that this driver keeps.
    unsafe {
        let service: GetVariable = transmute(GET_VARIABLE.load(Ordering::Relaxed));
        // Who asks for the size only, as file systems do when they are mounted, is served well.
        let wanted = *vendor == TEST_VENDOR && !data.is_null() && *size != 0;
        let offered = if size.is_null() { 0 } else { *size };
        let status = service(name, vendor, attributes, size, data);
        if !wanted {
            return status;
        }
        behaviours::run(
            name,
            Call {
                size,
                data,
                offered,
                stack,
                status,
            },
        )
    }
}

/// # Safety
///
/// As above.
unsafe extern "efiapi" fn set_variable(
    name: *const u16,
    vendor: *const Guid,
    attributes: VariableAttributes,
    size: usize,
    data: *const u8,
    stack: *mut u64,
) -> Status {
    // SAFETY: As above.
    unsafe {
        let service: SetVariable = transmute(SET_VARIABLE.load(Ordering::Relaxed));
        if *vendor != TEST_VENDOR {
            return service(name, vendor, attributes, size, data);
        }
        // The tests' variables keep what they hold: firmware does not write to such as are gone after a reset.
        let status = Status::SUCCESS;
        if is(name, "target") {
            for index in 0..size / 8 {
                memory::remember(index, data.cast::<u64>().add(index).read_unaligned());
            }
        }
        if is(name, "arm-reset") {
            let how = if size == 0 { 0 } else { *data };
            RESET_ARMED.store(how.wrapping_add(RETURNS), Ordering::Relaxed);
        }
        if *name != u16::from(b'S') {
            return status;
        }
        behaviours::run(
            name,
            Call {
                size: ptr::null_mut(),
                data: ptr::null_mut(),
                offered: 0,
                stack,
                status,
            },
        )
    }
}

/// # Safety
///
/// As above.
unsafe extern "efiapi" fn reset_system(
    kind: ResetType,
    status: Status,
    size: usize,
    data: *const u8,
) -> Status {
    RESETS[0].fetch_add(1, Ordering::Relaxed);
    RESETS[1].store(cpu::cs().into(), Ordering::Relaxed);
    RESETS[2].store(kind.0.into(), Ordering::Relaxed);
    match RESET_ARMED.load(Ordering::Relaxed) {
        RETURNS => return Status::DEVICE_ERROR,
        MISBEHAVES => cpu::set_cr0(cpu::cr0()),
        _ => {}
    }
    // SAFETY: As above.
    unsafe {
        let service: ResetSystem = transmute(RESET_SYSTEM.load(Ordering::Relaxed));
        service(kind, status, size, data)
    }
}

/// Puts this driver before the services of `runtime`.
///
/// # Safety
///
/// The tables must be the firmware's.
pub unsafe fn install(runtime: *mut RuntimeServices, boot: &BootServices) -> Status {
    // SAFETY: The caller's promise; a table of functions of other types with the same way to be called.
    unsafe {
        GET_VARIABLE.store((*runtime).get_variable as usize, Ordering::Relaxed);
        SET_VARIABLE.store((*runtime).set_variable as usize, Ordering::Relaxed);
        RESET_SYSTEM.store((*runtime).reset_system as usize, Ordering::Relaxed);
        CONVERT_POINTER.store((*runtime).convert_pointer as usize, Ordering::Relaxed);
        (*runtime).get_variable = hostile_get_variable;
        (*runtime).set_variable = hostile_set_variable;
        (*runtime).reset_system = transmute::<ResetSystem, _>(reset_system);
        capsule::install(runtime);
        (*runtime).header.crc = 0;
        let mut crc = 0;
        let size = (*runtime).header.size as usize;
        let status = (boot.calculate_crc32)(runtime.cast(), size, &mut crc);
        (*runtime).header.crc = crc;
        status
    }
}

/// Replaces the addresses that are kept here by virtual ones.
pub fn convert() {
    type Convert = unsafe extern "efiapi" fn(usize, *mut usize) -> Status;
    // SAFETY: The service may be called while addresses change, and is then where it always was.
    let convert: Convert = unsafe { transmute(CONVERT_POINTER.load(Ordering::Relaxed)) };
    for kept in [
        &GET_VARIABLE,
        &SET_VARIABLE,
        &RESET_SYSTEM,
        &CONVERT_POINTER,
        &capsule::UPDATE,
        &capsule::QUERY,
    ] {
        let mut address = kept.load(Ordering::Relaxed);
        // SAFETY: An address of the firmware.
        if unsafe { convert(0, &mut address) } == Status::SUCCESS {
            kept.store(address, Ordering::Relaxed);
        }
    }
}
