// SPDX-License-Identifier: GPL-2.0
//! Changes to the hardware that are made from outside while a guest runs.

use crate::error::{Error, Result, Side};
use crate::qtest::Qtest;

/// Registers of the TPM, locality 0.
const TIS_BASE: u64 = 0xfed4_0000;
/// PCI configuration ports.
const PCI_ADDRESS: u16 = 0xcf8;
const PCI_DATA: u16 = 0xcfc;
/// PCIEXBAR of the q35 host bridge, device 0:0.0.
const PCIEXBAR: u32 = 0x8000_0060;
/// A window of 256 MiB at 0xf0000000, enabled (Q35 datasheet, 5.1.16). For the smaller windows QEMU
/// drops an address bit, so that they cannot reach the TPM.
const PCIEXBAR_OVER_TPM: u32 = 0xf000_0000 | 0x1;

/// Makes the TPM disappear. The PCIe configuration window is moved over its registers: of two
/// mappings of one address the later one answers, and for a bus without devices that is all ones.
/// The I/O APIC, HPET and flash, which lie in the same range, disappear with it; the local APICs do
/// not.
pub fn remove_tpm(qtest: &mut Qtest) -> Result<()> {
    let address = qtest.inl(PCI_ADDRESS)?;
    qtest.outl(PCI_ADDRESS, PCIEXBAR + 4)?;
    qtest.outl(PCI_DATA, 0)?;
    qtest.outl(PCI_ADDRESS, PCIEXBAR)?;
    qtest.outl(PCI_DATA, PCIEXBAR_OVER_TPM)?;
    // The guest may be between its own address and data cycles.
    qtest.outl(PCI_ADDRESS, address)?;
    match qtest.readl(TIS_BASE)? {
        u32::MAX => Ok(()),
        value => Err(Error::new(
            Side::Model,
            format!("the TPM still answers {value:#x} after its removal"),
        )),
    }
}

/// Requests a locality and keeps it, so that lower ones are not granted.
pub fn hold_locality(qtest: &mut Qtest, locality: u8) -> Result<()> {
    const SEIZE: u8 = 0x08;
    const REQUEST: u8 = 0x02;
    const ACTIVE: u8 = 0x20;
    let access = TIS_BASE + u64::from(locality) * 0x1000;
    for bit in [REQUEST, SEIZE] {
        qtest.writeb(access, bit)?;
        if qtest.readb(access)? & ACTIVE != 0 {
            return Ok(());
        }
    }
    Err(Error::new(
        Side::Model,
        format!("locality {locality} is not granted to the model"),
    ))
}
