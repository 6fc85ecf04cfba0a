// SPDX-License-Identifier: GPL-2.0

//! The kernel's instruction decoder, for tests of what is made of its output.

use slaunch_core::isolate::insn::Insn;

/// Decodes the instruction that `bytes` begin with, as the kernel does; none if it is not one.
///
/// # Panics
///
/// Without the decoder.
pub fn decode(bytes: &[u8]) -> Option<Insn> {
    #[cfg(decoder)]
    return kernel::decode(bytes);
    #[cfg(not(decoder))]
    panic!("KERNEL_SOURCE was not set when this was built: {bytes:02x?}");
}

#[cfg(decoder)]
mod kernel {
    use super::Insn;
    use slaunch_core::isolate::insn::Decoded;

    extern "C" {
        fn insn_check_decode(bytes: *const u8, size: i32, to: *mut Decoded) -> i32;
    }

    pub fn decode(bytes: &[u8]) -> Option<Insn> {
        // The kernel never has more than the longest instruction either.
        let bytes = &bytes[..bytes.len().min(15)];
        let mut decoded = Decoded::default();
        // CAST: At most 15.
        // SAFETY: There are so many bytes, and room for the result.
        let error = unsafe { insn_check_decode(bytes.as_ptr(), bytes.len() as i32, &mut decoded) };
        (error == 0).then(|| decoded.into())
    }
}
