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

    /// `struct decoded` in `decoder.c`.
    #[derive(Default)]
    #[repr(C)]
    struct Decoded {
        prefixes: [u8; 4],
        rex: u8,
        extended: u8,
        opcode: [u8; 3],
        opcode_bytes: u8,
        has_modrm: u8,
        modrm: u8,
        length: u8,
        immediate: u32,
    }

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
        (error == 0).then_some(Insn {
            prefixes: decoded.prefixes,
            rex: decoded.rex,
            extended: decoded.extended != 0,
            opcode: decoded.opcode,
            opcode_bytes: decoded.opcode_bytes,
            modrm: (decoded.has_modrm != 0).then_some(decoded.modrm),
            immediate: decoded.immediate,
            length: decoded.length,
        })
    }
}
