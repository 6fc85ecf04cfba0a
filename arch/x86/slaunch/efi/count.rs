// SPDX-License-Identifier: GPL-2.0

//! How often each service was called.

use super::service::Service;
use kernel::{
    fmt,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

struct Count {
    calls: Atomic<u64>,
    refused: Atomic<u64>,
}

static COUNTS: [Count; Service::COUNT] = [const {
    Count {
        calls: Atomic::new(0),
        refused: Atomic::new(0),
    }
}; Service::COUNT];

fn count(service: Service) -> Option<&'static Count> {
    COUNTS.get(usize::from(service as u8))
}

/// The firmware is called. For any context.
pub(crate) fn count_call(service: Service) {
    if let Some(count) = count(service) {
        count.calls.add(1, Relaxed);
    }
}

/// A call does not reach the firmware. For any context.
pub(crate) fn count_refused(service: Service) {
    if let Some(count) = count(service) {
        count.refused.add(1, Relaxed);
    }
}

/// Writes a line for each service: its name without spaces, calls, calls refused.
pub(crate) fn show(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (service, count) in Service::ALL.into_iter().zip(&COUNTS) {
        for word in service.name().split(' ').enumerate() {
            match word {
                (0, word) => f.write_str(word)?,
                (_, word) => write!(f, "_{word}")?,
            }
        }
        let calls = count.calls.load(Relaxed);
        let refused = count.refused.load(Relaxed);
        writeln!(f, " {calls} {refused}")?;
    }
    Ok(())
}
