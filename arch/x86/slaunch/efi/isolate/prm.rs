// SPDX-License-Identifier: GPL-2.0

//! The handlers of ACPI's Platform Runtime Mechanism that may run in user mode: none but those that
//! root has named since the boot, which is on record.
//!
//! They get what other services get and no more. What a handler needs beyond that, such as MSRs or
//! registers of devices, ends its call and all runtime services; so it takes somebody who knows the
//! handler to allow it.

use super::{
    super::{
        change::{
            may_change,
            put_on_record, //
        },
        door::Call,
        gate::Mode,
        isolate::prm::Guid,
        text::Text, //
    },
    Kernel, //
};
use kernel::{
    bindings,
    error::to_result,
    fmt,
    prelude::*,
    sync::SetOnce, //
};

/// Most handlers.
const MOST: usize = 16;

/// Letters of a GUID.
const LETTERS: usize = 36;

/// Those that are allowed, one after the other.
static ALLOWED: [SetOnce<Guid>; MOST] = [const { SetOnce::new() }; MOST];

fn allowed() -> impl Iterator<Item = Guid> {
    ALLOWED.iter().map_while(SetOnce::copy)
}

/// Whether the handler that is to be called is allowed.
pub(super) fn is_allowed(call: &Call) -> bool {
    let [_, context, ..] = call.args;
    let handler = Guid::of_context(&Kernel, context);
    allowed().any(|guid| guid == handler)
}

/// Allows the handler that `request` names by its GUID. Not for several callers at the same time.
///
/// # Errors
///
/// Nothing has changed then.
///
/// - `EINVAL` if it is no GUID;
/// - `EOPNOTSUPP` in other modes, where handlers are called like everything else;
/// - `ENOSPC` if there are too many;
/// - those of [`may_change`] and [`put_on_record`].
pub(crate) fn allow(request: &[u8]) -> Result {
    let guid = parse(request)?;
    if super::super::settings().mode != Mode::Isolate {
        return Err(EOPNOTSUPP);
    }
    if allowed().any(|other| other == guid) {
        return Ok(());
    }
    let slot = ALLOWED.iter().find(|slot| slot.as_ref().is_none());
    let slot = slot.ok_or(ENOSPC)?;
    may_change(true)?;
    let mut text = Text::new();
    text.set_prm_handler(guid);
    put_on_record(&text)?;
    slot.populate(guid);
    Ok(())
}

/// Reads a GUID.
pub(super) fn parse(request: &[u8]) -> Result<Guid> {
    let mut text = [0; LETTERS + 1];
    let letters = text.get_mut(..LETTERS).ok_or(EINVAL)?;
    if request.len() != letters.len() {
        return Err(EINVAL);
    }
    letters.copy_from_slice(request);
    let mut guid = bindings::guid_t::default();
    // SAFETY: The text ends with a zero.
    to_result(unsafe { bindings::guid_parse(text.as_ptr().cast(), &mut guid) })?;
    Ok(Guid(guid.b))
}

/// Writes a line for each.
pub(crate) fn show(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    allowed().try_for_each(|guid| {
        guid.write(f)?;
        f.write_str("\n")
    })
}
