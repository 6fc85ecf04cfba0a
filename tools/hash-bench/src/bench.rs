// SPDX-License-Identifier: GPL-2.0

//! Measuring and comparing.

use crate::hash::Hasher;
use crate::tpm::{Banks, HashAlg, MultiHash};
use std::ffi::c_long;
use std::process::Command;

/// Bytes that `openssl speed` hashes at a time, and we too where the two are compared.
const BLOCK: usize = 16 * 1024;

/// Bytes of a kernel image, roughly: what is hashed where nothing is compared.
const IMAGE: usize = 16 << 20;

/// How often the two are measured in turn. The best of each counts: other work only slows down.
const ROUNDS: usize = 5;

/// How many seconds of processor time one measurement takes at least.
const SECONDS: u32 = 1;

/// Prints all numbers. Fails if OpenSSL cannot be run, a digest is wrong, or SHA-256 is too slow.
pub(crate) fn run(args: impl Iterator<Item = String>) -> Result<(), String> {
    let min_ratio = min_ratio(args)?;
    // SAFETY: A 64-bit process has SSE, and the calling convention keeps no XMM register over a call.
    let mut hasher = unsafe { Hasher::with_sse() };
    check(&mut hasher)?;

    let sha256 = banks(&[HashAlg::SHA256])?;
    let (mut ours, mut openssl) = (0.0f64, 0.0f64);
    for _ in 0..ROUNDS {
        ours = ours.max(rate(&mut hasher, &sha256, BLOCK));
        openssl = openssl.max(openssl_rate()?);
    }
    let ratio = ours / openssl;
    println!("SHA-256, kernel     {:8.0} MB/s", ours / 1e6);
    println!("SHA-256, OpenSSL    {:8.0} MB/s", openssl / 1e6);
    println!("ratio               {ratio:8.2}");

    let others = [
        ("SHA-1", &[HashAlg::SHA1][..]),
        ("SHA-384", &[HashAlg::SHA384]),
        ("SHA-512", &[HashAlg::SHA512]),
        (
            "all four in a pass",
            &[
                HashAlg::SHA1,
                HashAlg::SHA256,
                HashAlg::SHA384,
                HashAlg::SHA512,
            ],
        ),
    ];
    for (name, algs) in others {
        let rate = rate(&mut hasher, &banks(algs)?, IMAGE);
        println!("{name:<19} {:8.0} MB/s", rate / 1e6);
    }
    hasher.wipe_registers();
    if ratio < min_ratio {
        return Err(format!(
            "SHA-256 reaches {ratio:.2} of OpenSSL's throughput, not {min_ratio}"
        ));
    }
    Ok(())
}

fn min_ratio(mut args: impl Iterator<Item = String>) -> Result<f64, String> {
    match (args.next().as_deref(), args.next(), args.next()) {
        (None, ..) => Ok(0.0),
        (Some("--min-ratio"), Some(value), None) => value.parse().map_err(|_| "not a ratio".into()),
        _ => Err("usage: hash-bench [--min-ratio R]".into()),
    }
}

fn banks(algs: &[HashAlg]) -> Result<Banks, String> {
    let mut banks = Banks::new();
    for alg in algs {
        banks.push(*alg).map_err(|error| format!("{error:?}"))?;
    }
    Ok(banks)
}

/// Compares one digest of each algorithm with the known value (FIPS 180, "abc").
fn check(hasher: &mut Hasher) -> Result<(), String> {
    let known = [
        (HashAlg::SHA1, "a9993e36"),
        (HashAlg::SHA256, "ba7816bf"),
        (HashAlg::SHA384, "cb00753f"),
        (HashAlg::SHA512, "ddaf35a1"),
    ];
    let digests = hasher.digest(&banks(&known.map(|(alg, _)| alg))?, b"abc");
    for (alg, begin) in known {
        let digest = digests.find(alg.id()).ok_or("a digest is missing")?;
        let head: String = digest
            .as_bytes()
            .iter()
            .take(4)
            .map(|b| format!("{b:02x}"))
            .collect();
        if head != begin {
            return Err(format!(
                "algorithm {:#06x} computes {head}..., not {begin}...",
                alg.id()
            ));
        }
    }
    Ok(())
}

/// Processor time that this process has used, in seconds: what `openssl speed` measures with too.
fn cpu_seconds() -> f64 {
    /// POSIX: CLOCKS_PER_SEC is a million.
    const CLOCKS_PER_SEC: f64 = 1e6;
    extern "C" {
        fn clock() -> c_long;
    }
    // SAFETY: No arguments, no conditions.
    unsafe { clock() as f64 / CLOCKS_PER_SEC }
}

/// Bytes per second when `size` bytes are hashed again and again.
fn rate(hasher: &mut Hasher, banks: &Banks, size: usize) -> f64 {
    let data: Vec<u8> = (0u32..).map(|n| n.to_le_bytes()[0]).take(size).collect();
    let start = cpu_seconds();
    let mut bytes = 0.0;
    loop {
        // Looking at the clock must not cost anything: 1 MiB at least between two looks.
        for _ in 0..(1usize << 20).div_ceil(size) {
            std::hint::black_box(hasher.digest(banks, std::hint::black_box(&data)));
            bytes += size as f64;
        }
        let time = cpu_seconds() - start;
        if time >= f64::from(SECONDS) {
            return bytes / time;
        }
    }
}

/// Bytes per second that OpenSSL reports.
fn openssl_rate() -> Result<f64, String> {
    let seconds = SECONDS.to_string();
    let size = BLOCK.to_string();
    let output = Command::new("openssl")
        .args([
            "speed", "-mr", "-seconds", &seconds, "-bytes", &size, "-evp", "sha256",
        ])
        .output()
        .map_err(|error| format!("cannot run openssl: {error}"))?;
    // "+F:<number>:<name>:<bytes per second>"
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .find(|line| line.starts_with("+F:"))
        .and_then(|line| line.rsplit(':').next()?.trim().parse().ok())
        .ok_or_else(|| "openssl speed printed no result".to_string())
}
