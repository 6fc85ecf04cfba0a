// SPDX-License-Identifier: GPL-2.0

//! The services that firmware offers at run time.

use super::memmap;

/// What an argument is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arg {
    /// A value, or memory that is only read.
    In,
    /// Memory of this size in bytes that is written, and may be read before.
    Out(usize),
    /// Memory that is written, whose size is what the argument with this index points to.
    Buffer(usize),
}

/// A service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Service {
    /// `GetTime()`.
    GetTime,
    /// `SetTime()`.
    SetTime,
    /// `GetWakeupTime()`.
    GetWakeupTime,
    /// `SetWakeupTime()`.
    SetWakeupTime,
    /// `SetVirtualAddressMap()`.
    SetVirtualAddressMap,
    /// `GetVariable()`.
    GetVariable,
    /// `GetNextVariableName()`.
    GetNextVariableName,
    /// `SetVariable()`.
    SetVariable,
    /// `GetNextHighMonotonicCount()`.
    GetNextHighMonotonicCount,
    /// `ResetSystem()`.
    ResetSystem,
    /// `UpdateCapsule()`.
    UpdateCapsule,
    /// `QueryCapsuleCapabilities()`.
    QueryCapsuleCapabilities,
    /// `QueryVariableInfo()`.
    QueryVariableInfo,
    /// A handler of ACPI's Platform Runtime Mechanism.
    PrmHandler,
    /// None that the kernel knows.
    Other,
}

impl Service {
    /// Number of services.
    pub(crate) const COUNT: usize = Self::Other as usize + 1;

    /// All services, in order.
    pub(crate) const ALL: [Self; Self::COUNT] = [
        Self::GetTime,
        Self::SetTime,
        Self::GetWakeupTime,
        Self::SetWakeupTime,
        Self::SetVirtualAddressMap,
        Self::GetVariable,
        Self::GetNextVariableName,
        Self::SetVariable,
        Self::GetNextHighMonotonicCount,
        Self::ResetSystem,
        Self::UpdateCapsule,
        Self::QueryCapsuleCapabilities,
        Self::QueryVariableInfo,
        Self::PrmHandler,
        Self::Other,
    ];

    /// The name in the UEFI specification, section 8.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::GetTime => "GetTime",
            Self::SetTime => "SetTime",
            Self::GetWakeupTime => "GetWakeupTime",
            Self::SetWakeupTime => "SetWakeupTime",
            Self::SetVirtualAddressMap => "SetVirtualAddressMap",
            Self::GetVariable => "GetVariable",
            Self::GetNextVariableName => "GetNextVariableName",
            Self::SetVariable => "SetVariable",
            Self::GetNextHighMonotonicCount => "GetNextHighMonotonicCount",
            Self::ResetSystem => "ResetSystem",
            Self::UpdateCapsule => "UpdateCapsule",
            Self::QueryCapsuleCapabilities => "QueryCapsuleCapabilities",
            Self::QueryVariableInfo => "QueryVariableInfo",
            Self::PrmHandler => "PRM handler",
            Self::Other => "unknown service",
        }
    }

    /// The service whose function is at this address, by the firmware's own table.
    pub(crate) fn of(function: u64) -> Self {
        // In the order of EFI_RUNTIME_SERVICES (UEFI specification, section 4.5.1), whose pointers follow a
        // header of 24 bytes; the one between, ConvertPointer(), is none of the kernel's.
        const TABLE: [Option<Service>; 14] = [
            Some(Service::GetTime),
            Some(Service::SetTime),
            Some(Service::GetWakeupTime),
            Some(Service::SetWakeupTime),
            Some(Service::SetVirtualAddressMap),
            None,
            Some(Service::GetVariable),
            Some(Service::GetNextVariableName),
            Some(Service::SetVariable),
            Some(Service::GetNextHighMonotonicCount),
            Some(Service::ResetSystem),
            Some(Service::UpdateCapsule),
            Some(Service::QueryCapsuleCapabilities),
            Some(Service::QueryVariableInfo),
        ];
        TABLE
            .into_iter()
            .zip(memmap::runtime_table())
            .find(|&(_, pointer)| pointer == function)
            .and_then(|(service, _)| service)
            .unwrap_or(match memmap::is_prm_call() {
                true => Self::PrmHandler,
                false => Self::Other,
            })
    }

    /// What its arguments are for; those that follow are values.
    pub(crate) const fn args(self) -> &'static [Arg] {
        use Arg::{
            Buffer,
            In,
            Out, //
        };
        match self {
            Self::GetTime => &[Out(16), Out(12)],
            Self::GetWakeupTime => &[Out(1), Out(1), Out(16)],
            Self::GetVariable => &[In, In, Out(4), Out(8), Buffer(3)],
            Self::GetNextVariableName => &[Out(8), Buffer(0), Out(16)],
            Self::GetNextHighMonotonicCount => &[Out(4)],
            Self::QueryCapsuleCapabilities => &[In, In, Out(8), Out(4)],
            Self::QueryVariableInfo => &[In, Out(8), Out(8), Out(8)],
            _ => &[],
        }
    }
}
