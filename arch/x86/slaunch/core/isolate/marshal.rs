// SPDX-License-Identifier: GPL-2.0

//! Arguments of calls on their way into user mode, and what comes back.
//!
//! What arguments point to is copied into an area that firmware has, and outputs have a place
//! there. The output that is most likely to be overrun, the one whose size the caller says, ends
//! where the area does: what comes after is not mapped. Firmware's status and sizes are each read
//! once, and nothing goes to the caller unless all of it can be. A size that is greater than what
//! was offered leaves no room for a doubt: whoever believes it reads beyond the buffer.

use super::super::bytes::{slice_at, u32_at, u64_at, Records};
use super::super::service::Service;
use super::abort::Abort;
use super::area::Area;
use super::prm;

/// Most arguments of a service.
pub const ARGS: usize = 6;

/// EFI_BUFFER_TOO_SMALL.
const BUFFER_TOO_SMALL: u64 = ERROR | 5;

/// The bit that tells errors (UEFI specification, appendix D).
const ERROR: u64 = 1 << 63;

/// The greatest number of a status; the specification has a good thirty.
const MOST_STATUS: u64 = 0xff;

/// The greatest size that firmware may ask for, in bytes.
const MOST_SIZE: u64 = 1 << 20;

/// The attributes that a variable can have (UEFI specification, section 8.2.1).
const VARIABLE_ATTRIBUTES: u32 = 0xff;

/// The memory of whoever makes a call.
pub trait Caller {
    /// Copies what is at `address`, which is one of the call's arguments or follows from them.
    fn read(&self, address: u64, to: &mut [u8]);

    /// Copies to where the caller wants an output.
    fn write(&mut self, address: u64, from: &[u8]);

    /// The physical address of memory of the firmware's that the kernel has at `address`; none if
    /// it is not the firmware's.
    fn physical(&self, address: u64) -> Option<u64>;

    /// How many bytes the allocation has that begins at `address`.
    fn extent(&self, address: u64) -> usize;
}

/// Why a call cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarshalError {
    /// The arguments are more than the area has room for.
    TooLarge,
    /// A service, or a way to use it, that does not go to user mode.
    Unsupported,
    /// The arguments cannot be.
    Invalid,
}

/// What an argument is for. A pointer may be NULL, and stays so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Param {
    /// A value.
    Value,
    /// Points to this many bytes that firmware reads.
    In(usize),
    /// Points to the name of a variable, which ends with a zero.
    Name,
    /// Points to as many bytes that firmware reads as the argument with this index says.
    Data(usize),
    /// Points to this many bytes that firmware writes. What the caller has there is nothing for it.
    Out(usize),
    /// Points to this many bytes that firmware reads and writes.
    InOut(usize),
    /// Points to a size of 8 bytes that firmware reads and writes.
    Size,
    /// Points to as many bytes that firmware writes as the size before says.
    Buffer,
    /// Likewise, and it is the name of a variable, which firmware reads before.
    NameBuffer,
    /// Points to pointers to headers of capsules, as many as the next argument says.
    Capsules,
    /// Points to memory of the firmware's own.
    Firmware,
    /// Points to the context of a PRM handler.
    Context,
}

/// What the arguments of a service are for; none if it does not go to user mode.
const fn params(service: Service) -> Option<&'static [Param]> {
    use Param::{
        Buffer, Capsules, Context, Data, Firmware, In, InOut, Name, NameBuffer, Out, Size, Value,
    };
    Some(match service {
        Service::GetTime => &[Out(16), Out(12)],
        Service::SetTime => &[In(16)],
        Service::GetWakeupTime => &[Out(1), Out(1), Out(16)],
        Service::SetWakeupTime => &[Value, In(16)],
        Service::SetVirtualAddressMap => &[Value, Value, Value, Data(0)],
        Service::GetVariable => &[Name, In(16), Out(4), Size, Buffer],
        Service::GetNextVariableName => &[Size, NameBuffer, InOut(16)],
        Service::SetVariable => &[Name, In(16), Value, Value, Data(3)],
        Service::GetNextHighMonotonicCount => &[Out(4)],
        Service::ResetSystem => &[Value, Value, Value, Data(2)],
        // The list of blocks is physical memory, and what of that is mapped is not decided here.
        Service::UpdateCapsule => &[Capsules, Value, Value],
        Service::QueryCapsuleCapabilities => &[Capsules, Value, Out(8), Out(4)],
        Service::QueryVariableInfo => &[Value, Out(8), Out(8), Out(8)],
        // What its parameters are only the handler knows: they have to be where it has them.
        Service::PrmHandler => &[Firmware, Context],
        Service::Other | Service::Check => return None,
    })
}

/// An output: where it is in the area, where the caller wants it, and how much was offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Output {
    /// Where the caller wants it; NULL for none.
    to: u64,
    offset: usize,
    size: usize,
}

/// A call whose arguments are in the area.
#[derive(Clone, Copy, Debug)]
pub struct Prepared {
    /// The arguments for firmware, with pointers into the area.
    pub args: [u64; ARGS],
    service: Service,
    /// The outputs, by the arguments that they are.
    outputs: [Output; ARGS],
}

impl Prepared {
    /// Copies what `args` of a call of `service` point to into `area`, which firmware has at the
    /// address `base`.
    ///
    /// # Errors
    ///
    /// Those of [`MarshalError`].
    pub fn new(
        service: Service,
        args: &[u64; ARGS],
        caller: &impl Caller,
        area: &mut [u8],
        base: u64,
    ) -> Result<Self, MarshalError> {
        let params = params(service).ok_or(MarshalError::Unsupported)?;
        let mut area = Area::new(area, base);
        let mut prepared = Self {
            args: [0; ARGS],
            service,
            outputs: [Output::default(); ARGS],
        };
        // The size that the caller offers for the one output that has one.
        let mut offered = 0;
        let slots = prepared.args.iter_mut().zip(&mut prepared.outputs);
        let given = args.iter().copied().zip(params.iter().copied()).enumerate();
        for ((index, (to, param)), (new, output)) in given.zip(slots) {
            if to == 0 && param != Param::Value {
                continue;
            }
            let (offset, size) = match param {
                Param::Value => {
                    *new = to;
                    continue;
                }
                Param::In(size) => (area.take(caller, to, size)?, None),
                Param::Name => (area.take_name(caller, to)?, None),
                Param::Data(size) => {
                    let size = args.get(size).copied().unwrap_or(0);
                    let size = usize::try_from(size).map_err(|_| MarshalError::TooLarge)?;
                    (area.take(caller, to, size)?, None)
                }
                Param::Out(size) => (area.front(size)?, Some(size)),
                Param::InOut(size) => (area.take(caller, to, size)?, Some(size)),
                Param::Size => {
                    let offset = area.take(caller, to, 8)?;
                    let size = u64_at(area.bytes(), offset).unwrap_or(u64::MAX);
                    offered = usize::try_from(size).map_err(|_| MarshalError::TooLarge)?;
                    (offset, Some(8))
                }
                Param::Buffer => (area.back(offered)?, Some(offered)),
                Param::NameBuffer => {
                    let offset = area.claim_back(offered)?;
                    area.copy_name(caller, to, offset, offered)?;
                    (offset, Some(offered))
                }
                Param::Capsules => {
                    let count = args.get(index.saturating_add(1)).copied().unwrap_or(0);
                    (area.take_capsules(caller, to, count)?, None)
                }
                Param::Firmware => {
                    *new = caller.physical(to).ok_or(MarshalError::Unsupported)?;
                    continue;
                }
                Param::Context => (prm::take_context(&mut area, caller, to)?, None),
            };
            *new = area.address(offset)?;
            if let Some(size) = size {
                *output = Output { to, offset, size };
            }
        }
        Ok(prepared)
    }

    /// Checks what firmware has left in `area` after it returned `status`, and copies it to the
    /// caller.
    ///
    /// # Errors
    ///
    /// What cannot be. Nothing was copied then.
    pub fn finish(&self, status: u64, area: &[u8], caller: &mut impl Caller) -> Result<(), Abort> {
        if status & !ERROR > MOST_STATUS {
            return Err(Abort::Status(status));
        }
        let success = status & ERROR == 0;
        let too_small = status == BUFFER_TOO_SMALL;
        if !success && !too_small {
            return Ok(());
        }
        let (size, used) = self.check_size(too_small, area)?;
        if success {
            self.check_attributes(area)?;
        }
        let params = params(self.service).unwrap_or(&[]);
        for (output, param) in self.outputs.iter().zip(params) {
            if output.to == 0 {
                continue;
            }
            let all = slice_at(area, output.offset, output.size).unwrap_or(&[]);
            match param {
                // The one that was checked, whatever is there by now.
                Param::Size => caller.write(output.to, &size.to_le_bytes()),
                // The other outputs say nothing then.
                _ if too_small => {}
                Param::Buffer | Param::NameBuffer => {
                    caller.write(output.to, all.get(..used).unwrap_or(all));
                }
                _ => caller.write(output.to, all),
            }
        }
        Ok(())
    }

    /// The size that came back, if it can be, and how much of its buffer is for the caller: of a
    /// name what comes before its end, and that. 0 without one.
    fn check_size(&self, too_small: bool, area: &[u8]) -> Result<(u64, usize), Abort> {
        let params = params(self.service).unwrap_or(&[]);
        let outputs = || self.outputs.iter().zip(params);
        let sizes = outputs().find(|(_, param)| **param == Param::Size);
        let Some((size, _)) = sizes.filter(|(output, _)| output.to != 0) else {
            return Ok((0, 0));
        };
        let now = u64_at(area, size.offset).unwrap_or(u64::MAX);
        let buffers =
            outputs().find(|(_, param)| matches!(param, Param::Buffer | Param::NameBuffer));
        let Some((buffer, param)) = buffers else {
            return Ok((now, 0));
        };
        let offered = u64::try_from(buffer.size).unwrap_or(0);
        let most = match too_small {
            true => MOST_SIZE,
            false => offered,
        };
        if now > most {
            return Err(Abort::Output("data size", offered, now));
        }
        let is_name = matches!(param, Param::NameBuffer);
        if is_name && !too_small && buffer.to != 0 {
            let name = slice_at(area, buffer.offset, buffer.size).unwrap_or(&[]);
            let endless = Abort::Output("name without an end", offered, now);
            return Ok((now, size_of_name(name).ok_or(endless)?));
        }
        Ok((now, usize::try_from(now).unwrap_or(0)))
    }

    /// Checks the attributes of a variable.
    fn check_attributes(&self, area: &[u8]) -> Result<(), Abort> {
        let [_, _, output, ..] = &self.outputs;
        if self.service != Service::GetVariable || output.to == 0 {
            return Ok(());
        }
        let now = u32_at(area, output.offset).unwrap_or(u32::MAX);
        match now & !VARIABLE_ATTRIBUTES {
            0 => Ok(()),
            _ => Err(Abort::Output(
                "attributes",
                VARIABLE_ATTRIBUTES.into(),
                now.into(),
            )),
        }
    }
}

/// The size of a name with the zero at its end; none if there is no zero.
fn size_of_name(name: &[u8]) -> Option<usize> {
    let end = Records::<2>::new(name).position(|letter| letter == [0; 2])?;
    end.checked_add(1)?.checked_mul(2)
}
