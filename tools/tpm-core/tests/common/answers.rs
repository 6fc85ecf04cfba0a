// SPDX-License-Identifier: GPL-2.0

//! A transport without registers, for commands byte by byte.

use super::{hex, response};
use tpm_core::{Duration, TpmError, TpmFamily, Transport};

/// A transport that answers from a list, and keeps what it was asked.
pub struct Answers {
    pub family: TpmFamily,
    answers: Vec<Vec<u8>>,
    /// The commands, and how long they might take.
    pub asked: Vec<(Vec<u8>, Duration)>,
    /// The pauses, in microseconds.
    pub paused: Vec<u64>,
}

impl Answers {
    /// A TPM that gives these answers, the last one again and again.
    pub fn new(family: TpmFamily, answers: &[Vec<u8>]) -> Self {
        Self {
            family,
            answers: answers.iter().rev().cloned().collect(),
            asked: Vec::new(),
            paused: Vec::new(),
        }
    }

    /// The commands alone.
    pub fn commands(&self) -> Vec<Vec<u8>> {
        self.asked.iter().map(|(c, _)| c.clone()).collect()
    }

    /// All pauses together, in microseconds.
    pub fn waited(&self) -> u64 {
        self.paused.iter().sum()
    }
}

impl Transport for Answers {
    fn family(&self) -> TpmFamily {
        self.family
    }

    fn transmit(
        &mut self,
        command: &[u8],
        response: &mut [u8],
        duration: Duration,
    ) -> Result<usize, TpmError> {
        self.asked.push((command.to_vec(), duration));
        // The last one stays.
        let answer = match self.answers.as_slice() {
            [] => panic!("the script is at its end"),
            [last] => last.clone(),
            _ => self.answers.pop().expect("two at least"),
        };
        response[..answer.len()].copy_from_slice(&answer);
        Ok(answer.len())
    }

    fn pause(&mut self, us: u64) -> Result<(), TpmError> {
        self.paused.push(us);
        Ok(())
    }
}

/// A TPM 1.2 response.
pub fn tpm12(rc: u32, parameters: &str) -> Vec<u8> {
    response(0x00c4, rc, &hex(parameters))
}

/// A TPM 2.0 response without sessions.
pub fn tpm20(rc: u32, parameters: &str) -> Vec<u8> {
    response(0x8001, rc, &hex(parameters))
}

/// Runs `f` on a TPM that gives this answer, and checks what it was asked, and how long it may take.
pub fn golden<T>(
    answer: Vec<u8>,
    command: &str,
    limit: Duration,
    f: impl FnOnce(&mut Answers) -> T,
) -> T {
    let family = match answer[0] {
        0x00 => TpmFamily::Tpm12,
        _ => TpmFamily::Tpm20,
    };
    let mut tpm = Answers::new(family, &[answer]);
    let result = f(&mut tpm);
    assert_eq!(tpm.asked, [(hex(command), limit)]);
    assert!(tpm.paused.is_empty());
    result
}
