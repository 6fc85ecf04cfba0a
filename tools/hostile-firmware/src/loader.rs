// SPDX-License-Identifier: GPL-2.0

//! The boot loader of the tests, `\EFI\BOOT\BOOTX64.EFI` of a disk.
//!
//! It starts the driver `\DRIVER.EFI`, if the disk has one, with the bytes of `\DRIVER.TXT` as its
//! options, then the kernel `\LINUX.EFI` with the command line in `\CMDLINE.TXT`. `\INITRD`, if
//! there, is offered the way the kernel's EFI stub asks for first: by a file protocol on a device path
//! of its own. Whatever goes wrong is printed, and the machine reset: a test must not take it
//! for a run to the end.

#![no_std]
#![no_main]

use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use hostile_firmware as _;
use uefi_raw::protocol::device_path::{DevicePathProtocol, DeviceSubType, DeviceType};
use uefi_raw::protocol::file_system::{
    FileAttribute, FileMode, FileProtocolV1, SimpleFileSystemProtocol,
};
use uefi_raw::protocol::loaded_image::LoadedImageProtocol;
use uefi_raw::protocol::media::LoadFile2Protocol;
use uefi_raw::table::boot::{BootServices, InterfaceType, MemoryType};
use uefi_raw::table::runtime::ResetType;
use uefi_raw::table::system::SystemTable;
use uefi_raw::{guid, Boolean, Guid, Handle, Status};

/// The device path on which Linux looks for its initrd: vendor media with this identifier.
const INITRD_MEDIA: Guid = guid!("5568e427-68fc-4f3d-ac74-ca555231cc68");

/// Longest path, with its final zero.
const PATH: usize = 32;

/// What went wrong, and with which status.
type Result<T> = core::result::Result<T, (&'static str, Status)>;

fn check(what: &'static str, status: Status) -> Result<()> {
    match status {
        Status::SUCCESS => Ok(()),
        other => Err((what, other)),
    }
}

/// Bytes in memory that is never given back.
#[derive(Clone, Copy)]
struct Bytes {
    start: *mut u8,
    length: usize,
}

/// The firmware, and the disk that this program came from.
struct Disk {
    image: Handle,
    boot: *mut BootServices,
    root: *mut FileProtocolV1,
}

impl Disk {
    fn boot(&self) -> &BootServices {
        // SAFETY: The table is there until the kernel ends boot services.
        unsafe { &*self.boot }
    }

    fn protocol(&self, what: &'static str, handle: Handle, guid: &Guid) -> Result<*mut c_void> {
        let mut found = ptr::null_mut();
        // SAFETY: A call with pointers to what the service asks for.
        check(what, unsafe {
            (self.boot().handle_protocol)(handle, guid, &mut found)
        })?;
        Ok(found)
    }

    fn allocate(&self, length: usize) -> Result<Bytes> {
        let mut start = ptr::null_mut();
        // SAFETY: As above.
        check("memory", unsafe {
            (self.boot().allocate_pool)(MemoryType::LOADER_DATA, length.max(1), &mut start)
        })?;
        Ok(Bytes { start, length })
    }

    fn open(&mut self, image: Handle, boot: *mut BootServices) -> Result<()> {
        self.image = image;
        self.boot = boot;
        let loaded = self
            .protocol("loaded image", image, &LoadedImageProtocol::GUID)?
            .cast::<LoadedImageProtocol>();
        // SAFETY: The protocol's interface has this type.
        let device = unsafe { (*loaded).device_handle };
        let volume = self
            .protocol("file system", device, &SimpleFileSystemProtocol::GUID)?
            .cast::<SimpleFileSystemProtocol>();
        // SAFETY: As above.
        check("volume", unsafe {
            ((*volume).open_volume)(volume, &mut self.root)
        })
    }

    /// The content of a file, or nothing if the disk does not have it.
    fn read(&self, path: &'static str) -> Result<Option<Bytes>> {
        let mut name = [0u16; PATH];
        for (to, from) in name[..PATH - 1].iter_mut().zip(path.bytes()) {
            *to = from.into();
        }
        let mut file = ptr::null_mut();
        // SAFETY: The root directory is open, and the name ends with a zero.
        let status = unsafe {
            ((*self.root).open)(
                self.root,
                &mut file,
                name.as_ptr(),
                FileMode::READ,
                FileAttribute::empty(),
            )
        };
        if status == Status::NOT_FOUND {
            return Ok(None);
        }
        check(path, status)?;
        let mut length = 0;
        // SAFETY: The file is open; the highest position stands for its end.
        check(path, unsafe { ((*file).set_position)(file, u64::MAX) })?;
        // SAFETY: As above.
        check(path, unsafe { ((*file).get_position)(file, &mut length) })?;
        // SAFETY: As above.
        check(path, unsafe { ((*file).set_position)(file, 0) })?;
        let bytes = self.allocate(length as usize)?;
        let mut count = bytes.length;
        // SAFETY: The buffer has `count` bytes.
        check(path, unsafe {
            ((*file).read)(file, &mut count, bytes.start.cast())
        })?;
        match count == bytes.length {
            true => Ok(Some(bytes)),
            false => Err((path, Status::END_OF_FILE)),
        }
    }

    fn must(&self, path: &'static str) -> Result<Bytes> {
        self.read(path)?.ok_or((path, Status::NOT_FOUND))
    }

    /// Loads an image from memory, gives it its options and starts it.
    fn start(&self, what: &'static str, file: Bytes, options: Bytes) -> Result<()> {
        let mut image = ptr::null_mut();
        // SAFETY: The buffer holds the file.
        check(what, unsafe {
            (self.boot().load_image)(
                Boolean::FALSE,
                self.image,
                ptr::null(),
                file.start,
                file.length,
                &mut image,
            )
        })?;
        let loaded = self
            .protocol(what, image, &LoadedImageProtocol::GUID)?
            .cast::<LoadedImageProtocol>();
        // SAFETY: The interface has this type, and the options stay where they are.
        unsafe {
            (*loaded).load_options = options.start.cast();
            (*loaded).load_options_size = options.length as u32;
        }
        // SAFETY: The image was loaded and not started yet.
        check(what, unsafe {
            (self.boot().start_image)(image, ptr::null_mut(), ptr::null_mut())
        })
    }

    /// The command line in the form of options: UTF-16 with a final zero.
    fn wide(&self, text: Bytes) -> Result<Bytes> {
        let wide = self.allocate(2 * (text.length + 1))?;
        for at in 0..=text.length {
            // SAFETY: Both buffers have this place, the final zero aside.
            unsafe {
                let byte = if at < text.length {
                    *text.start.add(at)
                } else {
                    0
                };
                wide.start
                    .cast::<u16>()
                    .add(at)
                    .write_unaligned(byte.into());
            }
        }
        Ok(wide)
    }

    /// Offers the initrd on its device path.
    fn offer(&self, initrd: Bytes) -> Result<()> {
        INITRD.0.store(initrd.start, Ordering::Relaxed);
        INITRD.1.store(initrd.length, Ordering::Relaxed);
        let mut handle = ptr::null_mut();
        for (guid, interface) in [
            (&DevicePathProtocol::GUID, (&raw const INITRD_PATH).cast()),
            (&LoadFile2Protocol::GUID, (&raw const INITRD_FILE).cast()),
        ] {
            // SAFETY: The interfaces are what their identifiers say, and stay as long as this image.
            check("initrd", unsafe {
                (self.boot().install_protocol_interface)(
                    &mut handle,
                    guid,
                    InterfaceType::NATIVE_INTERFACE,
                    interface,
                )
            })?;
        }
        Ok(())
    }

    fn run(&mut self, image: Handle, table: &SystemTable) -> Result<()> {
        self.open(image, table.boot_services)?;
        if let Some(driver) = self.read("\\DRIVER.EFI")? {
            let options = match self.read("\\DRIVER.TXT")? {
                Some(options) => options,
                None => self.allocate(0)?,
            };
            self.start("driver", driver, options)?;
        }
        let cmdline = self.wide(self.must("\\CMDLINE.TXT")?)?;
        if let Some(initrd) = self.read("\\INITRD")? {
            self.offer(initrd)?;
        }
        self.start("kernel", self.must("\\LINUX.EFI")?, cmdline)
    }
}

/// The initrd: where it is, how long it is.
static INITRD: (AtomicPtr<u8>, AtomicUsize) =
    (AtomicPtr::new(ptr::null_mut()), AtomicUsize::new(0));

#[repr(C, packed)]
struct InitrdPath {
    header: DevicePathProtocol,
    vendor: Guid,
    end: DevicePathProtocol,
}

static INITRD_PATH: InitrdPath = InitrdPath {
    header: DevicePathProtocol {
        major_type: DeviceType::MEDIA,
        sub_type: DeviceSubType::MEDIA_VENDOR,
        length: [20, 0],
    },
    vendor: INITRD_MEDIA,
    end: DevicePathProtocol {
        major_type: DeviceType::END,
        sub_type: DeviceSubType::END_ENTIRE,
        length: [4, 0],
    },
};

static INITRD_FILE: LoadFile2Protocol = LoadFile2Protocol {
    load_file: load_initrd,
};

/// Called once for the size and once for the content.
unsafe extern "efiapi" fn load_initrd(
    _this: *mut LoadFile2Protocol,
    _path: *const DevicePathProtocol,
    _policy: Boolean,
    size: *mut usize,
    buffer: *mut c_void,
) -> Status {
    let length = INITRD.1.load(Ordering::Relaxed);
    if size.is_null() {
        return Status::INVALID_PARAMETER;
    }
    // SAFETY: The caller's size, and a buffer with at least as many bytes as it says.
    unsafe {
        let offered = size.replace(length);
        if buffer.is_null() || offered < length {
            return Status::BUFFER_TOO_SMALL;
        }
        ptr::copy_nonoverlapping(
            INITRD.0.load(Ordering::Relaxed),
            buffer.cast::<u8>(),
            length,
        );
    }
    Status::SUCCESS
}

/// Prints on the firmware's console.
fn print(table: &SystemTable, text: &str) {
    for byte in text.bytes() {
        let wide = [u16::from(byte), 0];
        // SAFETY: The console is there until boot services end. Nobody to tell when it fails.
        let _ = unsafe { ((*table.stdout).output_string)(table.stdout, wide.as_ptr()) };
    }
}

#[no_mangle]
extern "efiapi" fn efi_main(image: Handle, table: &SystemTable) -> Status {
    let mut disk = Disk {
        image,
        boot: ptr::null_mut(),
        root: ptr::null_mut(),
    };
    let (what, status) = match disk.run(image, table) {
        Ok(()) => ("the kernel came back", Status::ABORTED),
        Err(error) => error,
    };
    print(table, "loader: ");
    print(table, what);
    print(table, ": status ");
    for shift in (0..64).step_by(4).rev() {
        let digit = (status.0 >> shift & 15) as usize;
        print(table, &"0123456789abcdef"[digit..=digit]);
    }
    print(table, "\r\n");
    // SAFETY: The service is there at any time.
    unsafe {
        ((*table.runtime_services).reset_system)(ResetType::COLD, status, 0, ptr::null());
    }
}
