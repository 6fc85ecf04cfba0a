// SPDX-License-Identifier: GPL-2.0

//! Where the buffers of a CRB are: what its registers may say, and what ACPI may say.

mod common;

use common::crb_harness::{answer, assert_recovers, exchange, model, probed, CrbTpm, LIMIT, T};
use common::{any_command, response, CrbFaults, CrbModel, Script, BARE};
use tpm_core::{CrbBuffer, CrbLayout, DidVid, Interface, Locality, Tpm, TpmError, Transport};

const WINDOW: u64 = 0xfed4_0000;
const GOOD: (u64, u32) = (WINDOW + 0x2080, 0xf80);

/// One exchange with a TPM whose registers say this about its buffers.
fn with_buffers(command: (u64, u32), response: (u64, u32)) -> Result<Vec<u8>, TpmError> {
    let (model, mut tpm) = probed(|f| f.buffers = Some([command, response]));
    let result = exchange(&model, &mut tpm, &answer());
    assert_eq!(model.active(), None);
    assert!(model.was_released_idle());
    let asked = model.backend(|script| script.asked.len());
    if result == Err(TpmError::BufferBounds) || result == Err(TpmError::CommandInvalid) {
        assert_eq!(asked, 0, "something was sent");
    }
    assert_recovers(&model, &mut tpm);
    result
}

#[test]
fn good_places() {
    for (command, response) in [
        (GOOD, GOOD),
        // Two of them, each as large as what goes in there.
        ((WINDOW + 0x2080, 12), (WINDOW + 0x2800, 14)),
        ((WINDOW + 0x2ff4, 12), (WINDOW + 0x2080, 16)),
        // Another page than that of the locality: the own one is used.
        ((WINDOW + 0x80, 0xf80), (WINDOW + 0x80, 0xf80)),
        ((WINDOW + 0x80, 0x80), (WINDOW + 0x4ff0, 16)),
    ] {
        assert_eq!(with_buffers(command, response), Ok(answer()));
    }
}

#[test]
fn bad_places() {
    for bad in [
        // Sizes.
        (WINDOW + 0x2080, 0),
        (WINDOW + 0x2080, 9),
        (WINDOW + 0x2080, 0xf81),
        (WINDOW + 0x2080, u32::MAX),
        (WINDOW + 0x2080, u32::MAX - 0x207f),
        // Not aligned.
        (WINDOW + 0x2081, 0x100),
        (WINDOW + 0x2082, 0x100),
        // Over registers, or into those of the next page.
        (WINDOW, 0x5000),
        (WINDOW + 0x2000, 0x1000),
        (WINDOW + 0x207c, 0x100),
        (WINDOW + 0x2f00, 0x104),
        (WINDOW + 0x4f00, 0x104),
        // Elsewhere.
        (0, 0x1000),
        (WINDOW - 0x1000, 0x1000),
        (WINDOW - 4, 0x100),
        (WINDOW + 0x5080, 0xf80),
        (0xffff_ff00, 0x200),
        (0x1_0000_0000, 0x1000),
        (WINDOW + 0x1_0000_2080, 0xf80),
        (u64::MAX - 0xff, 0x100),
        (u64::MAX, u32::MAX),
    ] {
        let bounds = Err(TpmError::BufferBounds);
        assert_eq!(with_buffers(bad, GOOD), bounds, "{bad:x?}");
        assert_eq!(with_buffers(GOOD, bad), bounds, "{bad:x?}");
    }
}

#[test]
fn too_small_for_what_goes_there() {
    let command = with_buffers((WINDOW + 0x2080, 11), (WINDOW + 0x2800, 14));
    assert_eq!(command, Err(TpmError::CommandInvalid));
    let response = with_buffers((WINDOW + 0x2080, 12), (WINDOW + 0x2800, 13));
    assert_eq!(response, Err(TpmError::ResponseOversized));
}

/// Start is cleared, yet nothing was executed: not the last response, nor anything that is a success.
#[test]
fn stale_response() {
    let two = [(WINDOW + 0x2080, 0x100), (WINDOW + 0x2800, 0x100)];
    for (buffers, stale) in [
        // The command itself: its code is no success.
        (None, Ok(any_command().to_vec())),
        (Some(two), Err(TpmError::ResponseMalformed)),
    ] {
        let (model, mut tpm) = probed(|f| f.buffers = buffers);
        assert_eq!(exchange(&model, &mut tpm, &answer()), Ok(answer()));
        model.set_faults(|f| f.start_ignored = true);
        assert_eq!(exchange(&model, &mut tpm, &answer()), stale);
        assert_recovers(&model, &mut tpm);
    }
}

/// A TPM that ACPI describes: one control area, no localities.
fn bare(layout: CrbLayout) -> (CrbModel<Script>, CrbTpm) {
    let (model, clock) = model(CrbFaults {
        bare: true,
        ..CrbFaults::default()
    });
    let tpm = Tpm::with_crb(model.clone(), clock, layout).expect("there is nothing to wait for");
    assert_eq!(model.accesses(), 0);
    (model, tpm)
}

fn bare_exchange(
    model: &CrbModel<Script>,
    tpm: &mut CrbTpm,
    answer: &[u8],
) -> Result<Vec<u8>, TpmError> {
    model.backend(|script| script.answers = vec![answer.to_vec()]);
    let mut open = tpm.open(Locality::L0)?;
    let mut buf = [0; 0x400];
    let len = open.transmit(&any_command(), &mut buf, LIMIT)?;
    open.close()?;
    Ok(buf[..len].to_vec())
}

#[test]
fn bare_control_area() {
    let (model, mut tpm) = bare(BARE);
    assert_eq!(tpm.interface(), Interface::Crb(BARE));
    assert_eq!(tpm.did_vid(), DidVid::NONE);
    // The largest response has 0x103 bytes: the last word is read, not used.
    for len in [0, 1, 4, 0xf9] {
        let answer = response(0x8001, 0, &vec![0x5a; len]);
        assert_eq!(bare_exchange(&model, &mut tpm, &answer), Ok(answer));
    }
    let mut large = response(0x8001, 0, &[0; 0xfa]);
    let oversized = bare_exchange(&model, &mut tpm, &large);
    assert_eq!(oversized, Err(TpmError::ResponseOversized));
    large[2..6].copy_from_slice(&u32::MAX.to_be_bytes());
    let oversized = bare_exchange(&model, &mut tpm, &large);
    assert_eq!(oversized, Err(TpmError::ResponseOversized));
    assert_eq!(model.invocations(), 6);
}

#[test]
fn bare_has_one_locality() {
    let (model, mut tpm) = bare(BARE);
    for locality in &Locality::ALL[1..] {
        let refused = tpm.open(*locality).err();
        assert_eq!(refused, Some(TpmError::LocalityRefused));
    }
    assert_eq!(model.accesses(), 0);
}

#[test]
fn bare_with_faults() {
    for (change, error) in [
        (
            (|f| f.invoke_refused = true) as fn(&mut CrbFaults),
            TpmError::TransferRejected,
        ),
        (|f| f.start_ignored = true, TpmError::ResponseMalformed),
        (|f| f.fatal = [true; 3], TpmError::Failed),
        (|f| f.vanish_after = Some(0), TpmError::Vanished),
        (
            |f| (f.execute_us, f.cancel_us) = (None, None),
            TpmError::CommandTimeout,
        ),
    ] {
        let (model, mut tpm) = bare(BARE);
        let good = bare_exchange(&model, &mut tpm, &answer());
        assert_eq!(good, Ok(answer()));
        model.set_faults(change);
        let bad = bare_exchange(&model, &mut tpm, &answer());
        assert_eq!(bad, Err(error));
        assert!(model.now() < 2 * LIMIT.as_us() + 3 * T.b);
        // There is no locality to give up, so a command that runs runs on, until it listens.
        model.set_faults(|f| {
            *f = CrbFaults {
                bare: true,
                ..CrbFaults::default()
            }
        });
        let good = bare_exchange(&model, &mut tpm, &answer());
        assert_eq!(good, Ok(answer()));
    }
}

/// The TPM is gone at each access in turn.
#[test]
fn bare_vanishing() {
    let session = |vanish_after| {
        let (model, mut tpm) = bare(BARE);
        model.set_faults(|f| f.vanish_after = vanish_after);
        let result = bare_exchange(&model, &mut tpm, &answer());
        (model.accesses(), result)
    };
    let (accesses, good) = session(None);
    assert_eq!(good, Ok(answer()));
    // The last two look whether there is something to be cleaned up.
    for n in 0..accesses - 2 {
        assert_eq!(session(Some(n)).1, Err(TpmError::Vanished), "{n}");
    }
}

#[test]
fn layout_without_room_for_a_header() {
    let small = CrbBuffer {
        offset: 0x2000,
        size: 9,
    };
    let layout = CrbLayout {
        buffers: BARE.buffers.map(|(command, _)| (command, small)),
        ..BARE
    };
    let (model, mut tpm) = bare(layout);
    let result = bare_exchange(&model, &mut tpm, &answer());
    assert_eq!(result, Err(TpmError::BufferBounds));
    assert!(model.backend(|script| script.asked.is_empty()));
}
