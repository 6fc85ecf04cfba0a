// SPDX-License-Identifier: GPL-2.0

//! Digests for the events of the running kernel, by lib/crypto.

use super::tpm::{
    Banks,
    Digests,
    HashAlg, //
};
use kernel::bindings;

/// One digest of `data` for each bank. Banks of other algorithms get the cap value.
pub(crate) fn digests(banks: &Banks, data: &[u8]) -> Digests {
    let mut digests = Digests::capped(banks);
    // SAFETY: These are the sizes of their digests.
    unsafe {
        digests.set(HashAlg::SHA1, &compute::<20>(bindings::sha1, data));
        digests.set(HashAlg::SHA256, &compute::<32>(bindings::sha256, data));
        digests.set(HashAlg::SHA384, &compute::<48>(bindings::sha384, data));
        digests.set(HashAlg::SHA512, &compute::<64>(bindings::sha512, data));
    }
    digests
}

/// Computes one digest.
///
/// # Safety
///
/// `function` hashes that many bytes, and writes a digest of `N` bytes.
unsafe fn compute<const N: usize>(
    function: unsafe extern "C" fn(*const u8, usize, *mut u8),
    data: &[u8],
) -> [u8; N] {
    let mut digest = [0; N];
    // SAFETY: The data has this length; the rest is by the caller.
    unsafe { function(data.as_ptr(), data.len(), digest.as_mut_ptr()) };
    digest
}
