// SPDX-License-Identifier: GPL-2.0

//! The services that firmware offers at run time.

/// What an argument is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arg {
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
pub enum Service {
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
    /// None: the digests are checked without a call.
    Check,
}

/// How long a call may take, in ms, of a service that [writes](Service::writes): less than what the
/// caller waits; and of any other.
pub const fn time_limit(writes: bool) -> u32 {
    match writes {
        true => 100_000,
        false => 10_000,
    }
}

impl Service {
    /// Number of services that can be called.
    pub const COUNT: usize = Self::Other as usize + 1;

    /// All services that can be called, in order.
    pub const ALL: [Self; Self::COUNT] = [
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

    /// Whether it may write to flash, which is slow.
    pub const fn writes(self) -> bool {
        matches!(
            self,
            Self::SetVariable | Self::UpdateCapsule | Self::SetVirtualAddressMap
        )
    }

    /// The name in the UEFI specification, section 8.
    pub const fn name(self) -> &'static str {
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
            Self::Check => "check",
        }
    }

    /// What its arguments are for; those that follow are values.
    pub const fn args(self) -> &'static [Arg] {
        use Arg::{Buffer, In, Out};
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
