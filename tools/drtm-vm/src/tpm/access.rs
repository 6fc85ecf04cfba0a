// SPDX-License-Identifier: GPL-2.0
//! TPM commands sent by the model itself, through the TPM's registers, while the machine is
//! stopped: to read PCRs without the guest.

use std::time::Duration;

use super::crb::{registers as crb, Client};
use super::kind::{TpmInterface, TpmVersion};
use super::swtpm::Bank;
use super::tis;
use crate::error::{Error, Result, Side};
use crate::qtest::Qtest;

/// Time allowed for one step of a command.
pub const LIMIT: Duration = Duration::from_secs(5);

/// Sends `command` at `locality` and returns the response.
pub fn transact(
    qtest: &mut Qtest,
    interface: TpmInterface,
    locality: u8,
    command: &[u8],
) -> Result<Vec<u8>> {
    if interface == TpmInterface::Tis {
        return tis::transact(qtest, locality, command);
    }
    let mut client = Client::new(qtest, locality, LIMIT);
    client.request()?;
    let response = client.execute(command)?;
    client.relinquish()?;
    Ok(response)
}

/// The command that reads one PCR, and where its digest is in a response of which length.
fn pcr_read(version: TpmVersion, bank: Bank, index: u8) -> Result<(Vec<u8>, usize)> {
    if version == TpmVersion::V1_2 {
        if bank != Bank::Sha1 {
            return Err(Error::new(Side::Model, "a TPM 1.2 has the bank sha1 only"));
        }
        // TPM_ORD_PcrRead. The digest follows the header.
        let mut command = vec![0x00, 0xc1, 0, 0, 0, 14, 0, 0, 0, 0x15, 0, 0, 0];
        command.push(index);
        return Ok((command, 10));
    }
    // TPM2_PCR_Read. Before the digest: header 10, update counter 4, selection list 4 + 2 + 1 + 3,
    // digest count 4, digest size 2.
    let mut command = vec![0x80, 0x01, 0, 0, 0, 20, 0, 0, 0x01, 0x7e, 0, 0, 0, 1];
    command.extend_from_slice(&bank.algorithm().to_be_bytes());
    let mut select = [3, 0, 0, 0];
    if let Some(byte) = select.get_mut(1 + usize::from(index / 8)) {
        *byte = 1 << (index % 8);
    }
    command.extend_from_slice(&select);
    Ok((command, 30))
}

/// Reads one PCR at locality 0.
pub fn read_pcr(
    qtest: &mut Qtest,
    interface: TpmInterface,
    version: TpmVersion,
    bank: Bank,
    index: u8,
) -> Result<Vec<u8>> {
    let (command, place) = pcr_read(version, bank, index)?;
    let response = transact(qtest, interface, 0, &command)?;
    let good = response.get(6..10) == Some(&[0; 4]) && response.len() == place + bank.size();
    match response.get(place..) {
        Some(digest) if good => Ok(digest.to_vec()),
        _ => Err(Error::new(
            Side::Swtpm,
            format!("PCR {index} of bank {bank} is not readable: {response:02x?}"),
        )),
    }
}

/// Localities of the TPM that are active.
pub fn active_localities(qtest: &mut Qtest, interface: TpmInterface) -> Result<Vec<u8>> {
    if interface == TpmInterface::Tis {
        return tis::active_localities(qtest);
    }
    let state = qtest.readl(u64::from(crb::BASE))?;
    let active = (state >> crb::STATE_ACTIVE_SHIFT & 7) as u8;
    let assigned = state != u32::MAX && state & crb::STATE_ASSIGNED != 0;
    Ok(assigned.then_some(active).into_iter().collect())
}
