// SPDX-License-Identifier: GPL-2.0
//! Changes to the hardware that are made from outside while a guest runs.

use std::time::Duration;

use crate::error::{Error, Result, Side};
use crate::qemu::CRB_FUNCTION;
use crate::qtest::Qtest;
use crate::tpm::{crb, TpmInterface};

/// Registers of the TPM, locality 0.
const TPM_BASE: u64 = 0xfed4_0000;
/// PCI configuration ports.
const PCI_ADDRESS: u16 = 0xcf8;
const PCI_DATA: u16 = 0xcfc;
/// Configuration mechanism 1: enable bit of an address.
const PCI_ENABLE: u32 = 0x8000_0000;
/// RCBA of the ICH9's LPC bridge, device 31 (0x1f), function 0.
const RCBA: u32 = PCI_ENABLE | 0x1f << 11 | 0xf0;
/// Localities 0 to 3 of the TIS, and the status register of each.
const TIS_PAGES: [u64; 4] = [
    TPM_BASE,
    TPM_BASE + 0x1000,
    TPM_BASE + 0x2000,
    TPM_BASE + 0x3000,
];
const TIS_STS: u64 = 0x18;
/// Time allowed for a locality to be granted.
const LIMIT: Duration = Duration::from_secs(2);
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
    match qtest.readl(TPM_BASE)? {
        u32::MAX => Ok(()),
        value => Err(Error::new(
            Side::Model,
            format!("the TPM still answers {value:#x} after its removal"),
        )),
    }
}

/// Requests a locality and keeps it, so that lower ones are not granted.
pub fn hold_locality(qtest: &mut Qtest, interface: TpmInterface, locality: u8) -> Result<()> {
    const SEIZE: u8 = 0x08;
    const REQUEST: u8 = 0x02;
    const ACTIVE: u8 = 0x20;
    if interface != TpmInterface::Tis {
        return crb::Client::new(qtest, locality, LIMIT).seize();
    }
    let access = TPM_BASE + u64::from(locality) * 0x1000;
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

/// Maps BAR 2 of a PCI function that nobody who enumerates the bus finds, and so nobody moves, at this address.
pub fn map_hidden(qtest: &mut Qtest, (device, function): (u32, u32), address: u32) -> Result<()> {
    const BAR2: u32 = 0x18;
    const COMMAND: u32 = 0x04;
    const MEMORY: u32 = 0x2;
    let config = PCI_ENABLE | device << 11 | function << 8;
    pci_write(qtest, config + BAR2, address)?;
    pci_write(qtest, config + BAR2 + 4, 0)?;
    pci_write(qtest, config + COMMAND, MEMORY)
}

/// Maps the registers of the model's own CRB. The machine has not run yet.
pub fn map_crb(qtest: &mut Qtest) -> Result<()> {
    map_hidden(qtest, CRB_FUNCTION, crb::registers::BASE)?;
    match qtest.readl(TPM_BASE)? {
        value if value & crb::registers::STATE_VALID != 0 && value != u32::MAX => Ok(()),
        value => Err(Error::new(
            Side::Model,
            format!("the CRB is not at its address, which reads {value:#x}"),
        )),
    }
}

fn pci_write(qtest: &mut Qtest, register: u32, value: u32) -> Result<()> {
    qtest.outl(PCI_ADDRESS, register)?;
    qtest.outl(PCI_DATA, value)
}

/// Constant registers over QEMU's TIS.
///
/// The root complex registers of the ICH9, 16 KiB that keep what is written, move over localities
/// 0 to 3; QEMU lets them take precedence. The guest can write to them, so the constants have to
/// be put back again and again. What used to be in their place is read once, before. Firmware puts
/// those registers where they belong early in a boot; this is for what comes after it.
#[derive(Debug)]
pub struct Overlay {
    access: u8,
    sts: u32,
    home: u32,
}

impl Overlay {
    /// Lays the registers over the TPM.
    pub fn lay(qtest: &mut Qtest, access: u8, sts: u32) -> Result<Self> {
        // Interface capability, interface identifier, vendor and device, revision.
        const KEPT: [u64; 4] = [0x14, 0x30, 0xf00, 0xf04];
        let mut kept = Vec::new();
        for page in TIS_PAGES {
            for register in KEPT {
                kept.push((page + register, qtest.readl(page + register)?));
            }
        }
        let address = qtest.inl(PCI_ADDRESS)?;
        qtest.outl(PCI_ADDRESS, RCBA)?;
        let home = qtest.inl(PCI_DATA)?;
        qtest.outl(PCI_DATA, TPM_BASE as u32 | 1)?;
        // The guest may be between its own address and data cycles.
        qtest.outl(PCI_ADDRESS, address)?;
        for (register, value) in kept {
            qtest.writel(register, value)?;
        }
        let overlay = Overlay { access, sts, home };
        overlay.hold(qtest)?;
        match qtest.readl(TPM_BASE + TIS_STS)? {
            value if value == sts => Ok(overlay),
            value => Err(Error::new(
                Side::Model,
                format!("the TPM's status reads {value:#x}, not as staged"),
            )),
        }
    }

    /// Puts the constants back.
    pub fn hold(&self, qtest: &mut Qtest) -> Result<()> {
        for page in TIS_PAGES {
            qtest.writeb(page, self.access)?;
            qtest.writel(page + TIS_STS, self.sts)?;
        }
        Ok(())
    }

    /// Takes them away from the TPM.
    pub fn remove(self, qtest: &mut Qtest) -> Result<()> {
        let address = qtest.inl(PCI_ADDRESS)?;
        pci_write(qtest, RCBA, self.home)?;
        qtest.outl(PCI_ADDRESS, address)
    }
}
