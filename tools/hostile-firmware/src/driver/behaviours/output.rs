// SPDX-License-Identifier: GPL-2.0

//! What the caller gets, and what it did not ask for.

use uefi_raw::Status;

use super::{evidence, Call};

/// Changes `count` bytes behind the caller's buffer.
fn beyond(call: &mut Call, count: usize) {
    evidence(0, count as u64, call.data as u64);
    for at in call.offered..call.offered + count {
        // SAFETY: None. That is the point.
        unsafe { *call.data.add(at) ^= 0xff };
    }
}

/// Changes 4 KiB behind the caller's buffer.
pub fn overrun(call: &mut Call) {
    beyond(call, 4096);
}

/// Changes one byte behind the caller's buffer.
pub fn overrun_byte(call: &mut Call) {
    beyond(call, 1);
}

fn say(call: &mut Call, size: usize) {
    evidence(call.offered as u64, size as u64, 0);
    call.status = Status::SUCCESS;
    // SAFETY: The caller's size.
    unsafe { *call.size = size };
}

/// Claims to have written more than was offered.
pub fn larger(call: &mut Call) {
    say(call, call.offered + 4096);
}

/// Claims to have written so much that an addition goes wrong.
pub fn largest(call: &mut Call) {
    say(call, usize::MAX);
}

/// Writes into the frame of its caller.
pub fn callers_frame(call: &mut Call) {
    // Behind the return address, four words of the callee, and the argument on the stack.
    const OTHERS: usize = 6;
    evidence(0, 8, call.stack as u64);
    for at in OTHERS..OTHERS + 8 {
        // SAFETY: None. That is the point.
        unsafe { *call.stack.add(at) ^= 0x5a5a };
    }
}
