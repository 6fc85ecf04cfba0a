// SPDX-License-Identifier: GPL-2.0

//! Where a TPM is: the register window, or what the TPM2 table says (TCG ACPI Specification 1.4,
//! section 8; PTP 1.05 section 6.4.2).

use super::{
    bind::Resources,
    hardware::{
        Areas,
        COMMAND,
        CONTROL,
        RESPONSE, //
    },
};
use crate::tpm::{
    Buffer,
    ControlArea,
    CrbBuffer,
    CrbLayout,
    Mmio,
    CONTROL_AREA_SIZE,
    TPM_BASE, //
};
use kernel::{
    device::{
        Bound,
        Device, //
    },
    io::{
        mem::IoMem,
        Io, //
    },
    prelude::*,
    time::{
        delay::fsleep,
        Delta, //
    },
    tpm::{
        acpi::{
            StartMethod,
            Tpm2Table, //
        },
        map,
        Window,
        BUFFER_SIZE, //
    },
};

/// Offset of the control area in a page of the window.
const CONTROL_IN_PAGE: u64 = 0x40;

/// Most memory resources that a device has: window, command and response buffer.
const MAX_RESOURCES: u32 = 3;

/// What is known of a TPM before it is spoken to.
pub(crate) struct Place<'a> {
    /// The register window.
    pub(crate) window: Option<Window<'a>>,
    /// The rest of a CRB.
    pub(crate) areas: Areas<'a>,
    /// How a CRB is put together; `None` for what the registers in the window say.
    pub(crate) layout: Option<CrbLayout>,
    /// Whether an ACPI method starts the commands.
    pub(crate) method: bool,
}

impl<'a> Place<'a> {
    /// Finds the TPM of a device. `by_table` if it has a TPM2 table, where a device is just its
    /// register window without.
    ///
    /// # Errors
    ///
    /// `ENODEV` if there is no TPM, or one for another driver; `EINVAL` if ACPI contradicts itself;
    /// `EBUSY` if the window belongs to somebody else.
    pub(crate) fn find(
        dev: &'a Device<Bound>,
        resources: &Resources<'a, '_>,
        by_table: bool,
    ) -> Result<Self> {
        if !by_table {
            return Self::in_window(dev, resources, 0);
        }
        let table = Tpm2Table::read().inspect_err(|_| {
            dev_err!(dev, "[Firmware Bug]: no valid TPM2 table\n");
        })?;
        let method = match table.start_method {
            StartMethod::Fifo => return Self::in_window(dev, resources, 0),
            StartMethod::Crb => false,
            StartMethod::Method | StartMethod::CrbAndMethod => true,
            StartMethod::Other(number) => {
                dev_err!(dev, "start method {} is not supported\n", number);
                return Err(ENODEV);
            }
        };
        let window = holder(resources, table.control_area);
        let is_head = window.is_some_and(|(_, (start, _))| {
            table.control_area.wrapping_sub(start) == CONTROL_IN_PAGE
        });
        match window {
            Some((index, (TPM_BASE, _))) if is_head && !method => {
                return Self::in_window(dev, resources, index);
            }
            _ => {}
        }
        if !is_head && !method {
            dev_warn!(
                dev,
                "[Firmware Bug]: no locality registers before the control area\n"
            );
        }
        let window = match window {
            Some((index, _)) if is_head && !method => {
                Self::in_window(dev, resources, index)?.window
            }
            _ => None,
        };
        // The older interfaces, which the method belongs to, have neither localities nor an idle
        // state.
        let layout = CrbLayout {
            localities: window.is_some(),
            idles: !method,
            control: Some(CONTROL),
            buffers: None,
        };
        Self {
            window,
            areas: Areas::default(),
            layout: Some(layout),
            method,
        }
        .with_areas(dev, resources, table.control_area)
    }

    /// A TPM that is all in its register window.
    fn in_window(
        dev: &'a Device<Bound>,
        resources: &Resources<'a, '_>,
        index: u32,
    ) -> Result<Self> {
        let (start, size) = (resources.range)(index).ok_or(ENODEV)?;
        Ok(Self {
            window: Some(Window::new(dev, start, usize::try_from(size)?)?),
            areas: Areas::default(),
            layout: None,
            method: false,
        })
    }

    /// Maps a control area and the buffers that it names.
    fn with_areas(
        mut self,
        dev: &'a Device<Bound>,
        resources: &Resources<'a, '_>,
        control_area: u64,
    ) -> Result<Self> {
        let mut layout = self.layout.ok_or(EINVAL)?;
        let control = map(dev, control_area, CONTROL_AREA_SIZE as usize)?;
        let mut io = Mapped(&control);
        let mut registers = ControlArea::new(&mut io, 0);
        if layout.idles {
            // Some TPMs forget where their buffers are when they sleep.
            registers.set_command_ready();
            for _ in 0..200 {
                if registers.request().is_done() {
                    break;
                }
                fsleep(Delta::from_millis(1));
            }
        }
        let command = registers.command_buffer();
        let response = registers.response_buffer();
        if layout.idles {
            registers.set_go_idle();
        }
        if command.phys == response.phys && command.size != response.size {
            dev_err!(dev, "[Firmware Bug]: one buffer, two sizes\n");
            return Err(EINVAL);
        }
        let command = fit(dev, resources, command)?;
        let response = fit(dev, resources, response)?;
        layout.buffers = Some((
            CrbBuffer {
                offset: COMMAND,
                size: command.size,
            },
            CrbBuffer {
                offset: RESPONSE,
                size: response.size,
            },
        ));
        self.layout = Some(layout);
        self.areas = Areas {
            control: Some(control),
            command: Some(map_buffer(dev, command)?),
            response: Some(map_buffer(dev, response)?),
        };
        Ok(self)
    }
}

/// The memory resource that `address` lies in.
fn holder(resources: &Resources<'_, '_>, address: u64) -> Option<(u32, (u64, u64))> {
    (0..MAX_RESOURCES)
        .filter_map(|index| Some((index, (resources.range)(index)?)))
        .find(|(_, (start, size))| address.checked_sub(*start).is_some_and(|at| at < *size))
}

/// Cuts a buffer down to what ACPI says it has, and to what is ever used of it.
fn fit(dev: &Device<Bound>, resources: &Resources<'_, '_>, buffer: Buffer) -> Result<Buffer> {
    let mut size = u64::from(buffer.size);
    if let Some((_, (start, length))) = holder(resources, buffer.phys) {
        let left = length.saturating_sub(buffer.phys.saturating_sub(start));
        if left < size {
            dev_warn!(
                dev,
                "[Firmware Bug]: buffer of {:#x} bytes, ACPI has {:#x}\n",
                size,
                left
            );
            size = left;
        }
    }
    Ok(Buffer {
        phys: buffer.phys,
        size: u32::try_from(size.min(BUFFER_SIZE as u64))?,
    })
}

/// Maps a buffer, whole words of it.
fn map_buffer<'a>(dev: &'a Device<Bound>, buffer: Buffer) -> Result<IoMem<'a>> {
    let size = buffer.size.checked_next_multiple_of(4).ok_or(EINVAL)?;
    map(dev, buffer.phys, usize::try_from(size)?)
}

/// A mapping before it is part of a TPM.
struct Mapped<'m, 'a>(&'m IoMem<'a>);

impl Mmio for Mapped<'_, '_> {
    fn read8(&mut self, offset: u32) -> u8 {
        self.0.try_read8(offset as usize).unwrap_or(u8::MAX)
    }

    fn read32(&mut self, offset: u32) -> u32 {
        self.0.try_read32(offset as usize).unwrap_or(u32::MAX)
    }

    fn write8(&mut self, offset: u32, value: u8) {
        let _ = self.0.try_write8(value, offset as usize);
    }

    fn write32(&mut self, offset: u32, value: u32) {
        let _ = self.0.try_write32(value, offset as usize);
    }
}
