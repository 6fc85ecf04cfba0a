// SPDX-License-Identifier: GPL-2.0
//! ACPI tables for a TPM that QEMU knows nothing of: `TPM2` (TCG ACPI Specification) and an SSDT
//! with the device `MSFT0101`. QEMU adds them to its own with `-acpitable`.

/// Bytes of the header all tables share (ACPI specification, 5.2.6).
const HEADER: usize = 36;
/// Offset of the checksum in it.
const CHECKSUM: usize = 9;
/// `TPM2`, start method: Command Response Buffer without ACPI or SMC.
const START_CRB: u32 = 7;

/// A table around `body`, with its checksum.
fn table(signature: &[u8; 4], revision: u8, body: &[u8]) -> Vec<u8> {
    let length = (HEADER + body.len()) as u32;
    let mut bytes = signature.to_vec();
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&[revision, 0]);
    bytes.extend_from_slice(b"DRTMVM");
    bytes.extend_from_slice(b"CRB     ");
    bytes.extend_from_slice(&1_u32.to_le_bytes());
    bytes.extend_from_slice(b"DRTM");
    bytes.extend_from_slice(&1_u32.to_le_bytes());
    bytes.extend_from_slice(body);
    let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    bytes[CHECKSUM] = sum.wrapping_neg();
    bytes
}

/// The `TPM2` table of a CRB whose control area lies at `control_area`, for a client platform and
/// without an event log: with UEFI the log comes from the firmware.
pub fn tpm2(control_area: u64) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend_from_slice(&control_area.to_le_bytes());
    body.extend_from_slice(&START_CRB.to_le_bytes());
    table(b"TPM2", 3, &body)
}

/// An SSDT with the TPM's device and its registers at `base`, `size` bytes:
///
/// ```asl
/// Scope (\_SB) {
///     Device (TPM) {
///         Name (_HID, "MSFT0101")
///         Name (_STA, 0x0F)
///         Name (_CRS, ResourceTemplate () { Memory32Fixed (ReadWrite, base, size) })
///     }
/// }
/// ```
pub fn tpm_device(base: u32, size: u32) -> Vec<u8> {
    // Memory32Fixed: large item 6, 9 bytes, read/write; then the end tag without a checksum.
    let mut resources = vec![0x86, 9, 0, 1];
    resources.extend_from_slice(&base.to_le_bytes());
    resources.extend_from_slice(&size.to_le_bytes());
    resources.extend_from_slice(&[0x79, 0]);

    let mut device = b"TPM_".to_vec();
    device.extend(name(b"_HID", b"\x0dMSFT0101\0"));
    device.extend(name(b"_STA", &[0x0a, 0x0f]));
    // BufferOp, package length, BufferSize as ByteConst.
    let mut buffer = vec![0x0a, resources.len() as u8];
    buffer.extend(resources);
    device.extend(name(b"_CRS", &package(&[0x11], &buffer)));

    let mut scope = b"\\_SB_".to_vec();
    scope.extend(package(&[0x5b, 0x82], &device));
    table(b"SSDT", 2, &package(&[0x10], &scope))
}

/// NameOp.
fn name(path: &[u8; 4], object: &[u8]) -> Vec<u8> {
    [&[0x08], path.as_slice(), object].concat()
}

/// An operator with a package length (ACPI specification, 20.2.4), which counts itself. Two bytes
/// of it do for up to 4095: low four bits first.
fn package(operator: &[u8], content: &[u8]) -> Vec<u8> {
    let length = content.len() + 2;
    let lead = [0x40 | (length & 0xf) as u8, (length >> 4) as u8];
    [operator, &lead, content].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(table: &[u8]) -> u8 {
        table.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
    }

    #[test]
    fn tpm2_has_the_layout_of_the_specification() {
        let table = tpm2(0xfed4_0040);
        assert_eq!(table.len(), 52);
        assert_eq!(&table[..4], b"TPM2");
        assert_eq!(table[4..8], 52_u32.to_le_bytes());
        assert_eq!(table[40..48], 0xfed4_0040_u64.to_le_bytes());
        assert_eq!(table[48..52], [7, 0, 0, 0]);
        assert_eq!(sum(&table), 0);
    }

    #[test]
    fn lengths_in_the_ssdt_agree() {
        let table = tpm_device(0xfed4_0000, 0x5000);
        assert_eq!(table[4..8], (table.len() as u32).to_le_bytes());
        assert_eq!(sum(&table), 0);
        // ScopeOp, its length up to the end; DeviceOp after the path likewise.
        let length = |at: usize| usize::from(table[at] & 0xf) | usize::from(table[at + 1]) << 4;
        assert_eq!((table[36], 37 + length(37)), (0x10, table.len()));
        assert_eq!(&table[39..46], b"\\_SB_\x5b\x82");
        assert_eq!(46 + length(46), table.len());
        let registers = [0x86, 9, 0, 1, 0, 0, 0xd4, 0xfe, 0, 0x50, 0, 0, 0x79, 0];
        assert!(table.ends_with(&registers));
    }
}
