// SPDX-License-Identifier: GPL-2.0

//! What the files in securityfs say of firmware in user mode.

use super::{
    super::isolate::map::{
        Access,
        Cache, //
    },
    space,
    trap, //
};
use kernel::fmt;

/// Writes a line for each range of memory that is mapped for firmware, as it is mapped, and one
/// with the pages that it did not get.
pub(crate) fn show_mapped(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (mappings, denied) = space::mapped();
    if mappings.is_empty() {
        return Ok(());
    }
    for mapping in mappings {
        let access = match mapping.access {
            Access::Read => "r--",
            Access::ReadWrite => "rw-",
            Access::ReadExecute => "r-x",
        };
        let cache = match mapping.cache {
            Cache::WriteBack => "wb",
            Cache::Uncached => "uc",
        };
        writeln!(f, "{access} {cache} {:#x} {}", mapping.start, mapping.pages)?;
    }
    writeln!(f, "denied {denied}")
}

/// Writes what was done for firmware since boot, a line for each kind.
pub(crate) fn show_traps(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let counts = trap::counts();
    let lines = [
        ("traps", counts.traps),
        ("port_reads", counts.port_reads),
        ("port_writes", counts.port_writes),
        ("smm_entries", counts.smis),
        ("msr_reads", counts.msr_reads),
        ("control_reads", counts.control_reads),
        ("interrupt_flag", counts.interrupts),
        ("cache_write_backs", counts.write_backs),
    ];
    lines
        .into_iter()
        .try_for_each(|(name, count)| writeln!(f, "{name} {count}"))
}
