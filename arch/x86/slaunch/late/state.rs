// SPDX-License-Identifier: GPL-2.0

//! The text of `/sys/kernel/security/slaunch/state`.

use super::{
    efi,
    events,
    log::{
        EventLog,
        NoLog, //
    },
    record::Record,
    slaunch::handoff,
    status::Reason,
    tpm::{
        Event,
        LogReader,
        Pcr,
        EV_SLAUNCH, //
    }, //
};
use kernel::{
    fmt,
    prelude::*,
    securityfs,
    sync::Arc, //
};

/// What is to be known about the launch.
pub(crate) enum State {
    /// There was none.
    NotLaunched(Reason),
    /// There was one.
    Launched {
        /// `VENDOR_*`.
        vendor: u16,
        /// The launch record.
        record: Record,
        /// The event log, or why there is none.
        log: Result<Arc<EventLog>, NoLog>,
    },
}

#[vtable]
impl securityfs::Text for State {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLaunched(reason) => {
                f.write_str("launched: no\nreason: ")?;
                reason.show(f)?;
                f.write_str("\n")
            }
            Self::Launched {
                vendor,
                record,
                log,
            } => {
                let vendor = match *vendor {
                    handoff::VENDOR_INTEL => "Intel",
                    _ => "AMD",
                };
                writeln!(f, "launched: yes\nvendor: {vendor}")?;
                record.show(f)?;
                match events::handed_over() {
                    Some(Ok(())) => f.write_str("tpm_driver: took over\n")?,
                    Some(Err(error)) => writeln!(f, "tpm_driver: failed ({error:?})")?,
                    None => f.write_str("tpm_driver: not yet\n")?,
                }
                efi::show_settings(f)?;
                match log {
                    Ok(log) => show_log(log, f),
                    Err(why) => writeln!(f, "log: {}", why.as_str()),
                }
            }
        }
    }
}

/// Shows the digests of the code, and how full the log is.
fn show_log(log: &EventLog, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    log.with(|reader, capacity| show_reader(&reader, capacity, f))
        .unwrap_or(Err(fmt::Error))
}

fn show_reader(reader: &LogReader<'_>, capacity: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("log: valid\nbanks:")?;
    for alg in reader.banks().iter() {
        f.write_str(" ")?;
        show_alg(alg.id(), f)?;
    }
    f.write_str("\n")?;
    // The loader block logs itself and the kernel, before anybody else logs anything.
    let code = reader.events().flatten().filter(is_code);
    for (name, event) in ["slb", "kernel"].iter().zip(code) {
        for (alg, value) in event.digests.iter() {
            write!(f, "{name}_")?;
            show_alg(alg, f)?;
            f.write_str(": ")?;
            for byte in value {
                write!(f, "{byte:02x}")?;
            }
            f.write_str("\n")?;
        }
    }
    writeln!(f, "log_size: {capacity}")?;
    writeln!(f, "log_used: {}", reader.used())?;
    writeln!(f, "log_events: {}", reader.events().count())
}

fn is_code(event: &Event<'_>) -> bool {
    event.event_type == EV_SLAUNCH && event.pcr == Pcr::CODE.index()
}

/// Writes the name of the hash algorithm with this TPM_ALG_ID.
fn show_alg(id: u16, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(match id {
        0x04 => "sha1",
        0x0b => "sha256",
        0x0c => "sha384",
        0x0d => "sha512",
        0x12 => "sm3_256",
        0x27 => "sha3_256",
        0x28 => "sha3_384",
        0x29 => "sha3_512",
        _ => return write!(f, "alg_{id:#06x}"),
    })
}
