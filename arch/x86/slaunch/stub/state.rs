// SPDX-License-Identifier: GPL-2.0

//! The way to the launch, from one call of the C side to the next.

use super::efi::{self, Placement, Status, SystemTable};
use super::firmware_tpm::{self, FirmwareTpm};
use super::memory::{copy, view, LaunchMemory, BOOT_PARAMS_SIZE, LIMIT};
use super::options::{Mode, Options};
use super::reason::{Reason, Refusal};
use super::tables::{self, Kernel};
use super::{cpu, image};
use core::cell::UnsafeCell;

/// `boot_params.hdr.xloadflags` and its bit for memory encryption
/// (Documentation/arch/x86/boot.rst).
const XLOADFLAGS: usize = 0x236;
const XLF_MEM_ENCRYPTION: u8 = 1 << 6;

/// What follows from a refusal.
const ORDINARY: &str = "; ordinary boot";
const NO_BOOT: &str = "; it is required, so no boot either";

/// What the memory allocator is asked for the kernel; see `slaunch_place_kernel()`.
pub(crate) struct KernelRequest {
    /// Bytes.
    pub(crate) size: usize,
    /// Alignment in bytes.
    pub(crate) align: usize,
    /// Random number, 32 bits.
    pub(crate) seed: usize,
    /// Lowest address, and the one that the image is linked for.
    pub(crate) base: usize,
}

/// How far it got. Each step is made of the one before.
#[derive(Clone, Copy)]
enum Stage {
    /// Nothing was asked for yet, or it was found that no launch will be.
    Idle,
    /// The machine can do it, and memory is there.
    Prepared {
        system: *const SystemTable,
        tpm: FirmwareTpm,
        memory: LaunchMemory,
    },
    /// The kernel has its place.
    Placed {
        system: *const SystemTable,
        tpm: FirmwareTpm,
        memory: LaunchMemory,
        kernel: Kernel,
    },
    /// Only SKINIT is missing.
    Ready { memory: LaunchMemory },
}

/// The options and the stage.
pub(crate) struct State {
    options: Options,
    /// The option had a word that is not known.
    misspelt: bool,
    stage: Stage,
}

struct Global(UnsafeCell<State>);

// SAFETY: the EFI stub has one thread, and the users of `State::get()` do not nest.
unsafe impl Sync for Global {}

static STATE: Global = Global(UnsafeCell::new(State {
    options: Options::OFF,
    misspelt: false,
    stage: Stage::Idle,
}));

impl State {
    /// The one state.
    ///
    /// # Safety
    ///
    /// No other reference to it exists while the result is used.
    pub(crate) unsafe fn get() -> &'static mut Self {
        // SAFETY: by the caller.
        unsafe { &mut *STATE.0.get() }
    }

    /// Takes the value of the option. The last one counts.
    pub(crate) fn parse_option(&mut self, value: &[u8]) {
        let options = Options::parse(value);
        self.misspelt = options.is_none();
        self.options = options.unwrap_or(Options::OFF);
    }

    /// Says why not, for people and for the kernel. The result is that of the call of the C side:
    /// whether to go on without.
    fn refuse(&mut self, system: &SystemTable, refusal: Refusal) -> Status {
        self.stage = Stage::Idle;
        if self.options.mode == Mode::Require {
            efi::print_refusal(refusal, NO_BOOT);
            return efi::UNSUPPORTED;
        }
        efi::print_refusal(refusal, ORDINARY);
        system.publish(refusal);
        efi::SUCCESS
    }

    /// See `slaunch_prepare()`.
    pub(crate) fn prepare(&mut self, system: &SystemTable, native: bool) -> Status {
        if !native {
            // Nothing can be called there, so nothing can be left for the kernel either.
            let refusal = Reason::MixedMode.into();
            match self.options.mode {
                Mode::Off => {}
                Mode::On => efi::print_refusal(refusal, ORDINARY),
                Mode::Require => {
                    efi::print_refusal(refusal, NO_BOOT);
                    return efi::UNSUPPORTED;
                }
            }
            return efi::SUCCESS;
        }
        if self.misspelt {
            return self.refuse(system, Reason::Option.into());
        }
        if self.options.mode == Mode::Off {
            return efi::SUCCESS;
        }
        let found = cpu::check()
            .and_then(|()| firmware_tpm::check(system))
            .and_then(|tpm| Ok((tpm, LaunchMemory::new()?)));
        match found {
            Ok((tpm, memory)) => {
                self.stage = Stage::Prepared {
                    system,
                    tpm,
                    memory,
                };
                efi::SUCCESS
            }
            Err(refusal) => self.refuse(system, refusal),
        }
    }

    /// See `slaunch_place_kernel()`.
    pub(crate) fn place_kernel(
        &mut self,
        request: &KernelRequest,
        addr: &mut usize,
        virt_addr: &mut usize,
    ) -> Status {
        let Stage::Prepared {
            system,
            tpm,
            memory,
        } = self.stage
        else {
            return efi::NOT_READY;
        };
        let place = Placement {
            align: request.align,
            seed: request.seed,
            min: request.base,
            max: LIMIT - 1,
            memory_type: efi::LOADER_CODE,
        };
        let Some(base) = efi::allocate(request.size, &place) else {
            let size = u32::try_from(request.size).unwrap_or(u32::MAX);
            // SAFETY: boot services run; the table was given to `prepare()`. Nothing refers to the
            // launch memory.
            let status = unsafe {
                memory.release();
                self.refuse(&*system, Reason::Memory.with(size))
            };
            return if status == efi::SUCCESS {
                efi::NOT_READY
            } else {
                status
            };
        };
        *addr = base;
        *virt_addr = request.base;
        let kernel = Kernel {
            base,
            size: request.size,
        };
        self.stage = Stage::Placed {
            system,
            tpm,
            memory,
            kernel,
        };
        efi::SUCCESS
    }

    /// See `slaunch_ready()`.
    ///
    /// # Safety
    ///
    /// As there.
    pub(crate) unsafe fn ready(&mut self, boot_params: *const u8) -> Status {
        let Stage::Placed {
            system,
            tpm,
            mut memory,
            kernel,
        } = self.stage
        else {
            return efi::SUCCESS;
        };
        // SAFETY: by the caller, both are there, and nobody writes them meanwhile.
        let (image, boot_params) = unsafe {
            (
                view(kernel.base, kernel.size),
                view(boot_params as usize, BOOT_PARAMS_SIZE),
            )
        };
        let encrypt = boot_params
            .get(XLOADFLAGS)
            .is_some_and(|flags| flags & XLF_MEM_ENCRYPTION != 0);
        let filled = if encrypt {
            Err(Reason::MemEncrypt.into())
        } else {
            tables::fill(&mut memory, &tpm, kernel, image)
        };
        if let Err(refusal) = filled {
            // SAFETY: as in `place_kernel()`. The kernel is where it may stay for any boot.
            return unsafe {
                memory.release();
                self.refuse(&*system, refusal)
            };
        }
        if self.options.wait {
            efi::wait_before(image::launch_instruction());
        }
        self.stage = Stage::Ready { memory };
        efi::SUCCESS
    }

    /// See `slaunch_launch()`.
    ///
    /// # Safety
    ///
    /// As there.
    pub(crate) unsafe fn launch(&mut self, boot_params: *const u8) {
        let Stage::Ready { mut memory } = self.stage else {
            return;
        };
        // SAFETY: by the caller.
        let source = unsafe { view(boot_params as usize, BOOT_PARAMS_SIZE) };
        copy(memory.boot_params(), source);
        let gdt = memory.gdt();
        // Below 4 GiB by the invariant of the memory.
        let slb = memory.slb_base() as u32;
        // SAFETY: boot services have been left, so TPM, processors and interrupts are ours, and
        // their state was checked by `prepare()`. The loader block was filled by `ready()`.
        unsafe {
            firmware_tpm::relinquish();
            cpu::prepare_self();
            cpu::stop_others();
            image::launch(slb, gdt);
        }
    }
}
