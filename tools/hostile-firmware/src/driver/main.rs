// SPDX-License-Identifier: GPL-2.0

//! A runtime driver that stands between the kernel and the firmware, and misbehaves on command.
//!
//! It puts itself before the firmware's GetVariable, SetVariable and ResetSystem. Reading a variable of the
//! tests' vendor makes it do what the variable's name says (see [`behaviours::ALL`]); writing one whose name
//! begins with `S` does the same. All else is passed on. The variables exist, so that file systems show them.
//! Capsules of that vendor it takes itself (see [`capsule`]).
//!
//! Two variables are commands: `target` tells where things are in the kernel (see [`memory::Target`]), and
//! after a write of `arm-reset` ResetSystem returns (0) or misbehaves (1) instead of doing its work.
//!
//! With the option `svam=NAME` it misbehaves as soon as the kernel gives it virtual addresses.

#![no_std]
#![no_main]

mod attributes;
mod behaviours;
mod capsule;
mod cpu;
mod hooks;
mod memory;

use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use hostile_firmware::TEST_VENDOR;
use uefi_raw::protocol::loaded_image::LoadedImageProtocol;
use uefi_raw::table::boot::{BootServices, EventType, Tpl};
use uefi_raw::table::runtime::{RuntimeServices, VariableAttributes};
use uefi_raw::table::system::SystemTable;
use uefi_raw::{guid, Guid, Handle, Status};

/// The event of new addresses.
static ADDRESS_CHANGE: Guid = guid!("13fa7698-c831-49c7-87ea-8f43fcc25196");

/// Longest name of a variable, with its final zero.
const NAME: usize = 40;

/// What a variable holds that only its name matters of.
static CONTENT: [u8; 512] = [0; 512];

/// What to do when addresses change: one more than its place in the table.
static AT_ADDRESS_CHANGE: AtomicUsize = AtomicUsize::new(0);

extern "efiapi" fn address_change(_event: *mut c_void, _context: *mut c_void) {
    if let Some(index) = AT_ADDRESS_CHANGE.load(Ordering::Relaxed).checked_sub(1) {
        behaviours::at_address_change(index);
    }
    hooks::convert();
}

/// Reads the options.
fn options(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else {
        return;
    };
    for word in text.split_ascii_whitespace() {
        if let Some(name) = word.strip_prefix("svam=") {
            let known = behaviours::ALL.iter().position(|b| b.name == name);
            AT_ADDRESS_CHANGE.store(known.map_or(0, |index| index + 1), Ordering::Relaxed);
        }
    }
}

/// Creates the variable of a behaviour, which is gone after a reset.
fn create(runtime: &RuntimeServices, name: &str, length: usize) -> Status {
    let mut wide = [0u16; NAME];
    for (to, from) in wide[..NAME - 1].iter_mut().zip(name.bytes()) {
        *to = from.into();
    }
    // SAFETY: A name with a final zero, and content of at least this length.
    unsafe {
        (runtime.set_variable)(
            wide.as_ptr(),
            &TEST_VENDOR,
            VariableAttributes::BOOTSERVICE_ACCESS | VariableAttributes::RUNTIME_ACCESS,
            length,
            CONTENT.as_ptr(),
        )
    }
}

fn start(image: Handle, system: *mut SystemTable) -> Status {
    // SAFETY: The tables are there as long as boot services are.
    let (boot, runtime): (&BootServices, *mut RuntimeServices) =
        unsafe { (&*(*system).boot_services, (*system).runtime_services) };
    let mut loaded = ptr::null_mut();
    // SAFETY: Pointers to what the service asks for.
    let status = unsafe { (boot.handle_protocol)(image, &LoadedImageProtocol::GUID, &mut loaded) };
    if status != Status::SUCCESS {
        return status;
    }
    let loaded = loaded.cast::<LoadedImageProtocol>();
    // SAFETY: The interface has this type, and the options this length.
    unsafe {
        if !(*loaded).load_options.is_null() {
            options(core::slice::from_raw_parts(
                (*loaded).load_options.cast(),
                (*loaded).load_options_size as usize,
            ));
        }
    }
    // SAFETY: The base is that of this image.
    let status = unsafe { attributes::prepare((*loaded).image_base.cast(), system, boot) };
    if status != Status::SUCCESS {
        return status;
    }
    let commands = [("target", 16), ("arm-reset", 16)];
    let behaviours = behaviours::ALL.iter().map(|b| (b.name, b.length()));
    for (name, length) in commands.into_iter().chain(behaviours) {
        // SAFETY: The table is there.
        let status = create(unsafe { &*runtime }, name, length);
        if status != Status::SUCCESS {
            return status;
        }
    }
    let mut event = ptr::null_mut();
    // SAFETY: The function stays in memory, as all of a runtime driver.
    let status = unsafe {
        (boot.create_event_ex)(
            EventType::NOTIFY_SIGNAL,
            Tpl::NOTIFY,
            Some(address_change),
            ptr::null_mut(),
            (&raw const ADDRESS_CHANGE).cast_mut(),
            &mut event,
        )
    };
    if status != Status::SUCCESS {
        return status;
    }
    behaviours::remember_boot_services(boot.get_memory_map as usize as u64);
    // SAFETY: The firmware's table, which is this driver's to change as long as boot services last.
    unsafe { hooks::install(runtime, boot) }
}

#[no_mangle]
extern "efiapi" fn efi_main(image: Handle, system: *mut SystemTable) -> Status {
    start(image, system)
}
