// SPDX-License-Identifier: GPL-2.0

//! Error codes in words, for programs that print them.
//!
//! Not for the freestanding places: the table holds pointers, which would need relocating. The
//! name of an error is what `{:?}` prints.

use super::error::Error;

/// Every error with one line of description, in the order of the codes.
#[rustfmt::skip]
const TABLE: &[(Error, &str)] = &[
    (Error::Generic, "Unspecified failure"),
    (Error::TpmInit, "The TPM could not be brought up"),
    (Error::TpmBadLog, "The TPM 2.0 event log is malformed"),
    (Error::TpmLoggingFailed, "An event could not be added to the log"),
    (Error::RegionStraddle4Gb, "A region begins below and ends above 4 GiB"),
    (Error::TpmExtend, "A PCR could not be extended"),
    (Error::MtrrInvalidCount, "The number of saved variable MTRRs is invalid"),
    (Error::MtrrInvalidDefault, "The saved default memory type is invalid"),
    (Error::MtrrInvalidBase, "A saved MTRR base is invalid"),
    (Error::MtrrInvalidMask, "A saved MTRR mask is invalid"),
    (Error::MsrInvalidMiscEnable, "The saved MISC_ENABLE MSR is invalid"),
    (Error::InvalidApInterrupt, "An application processor took an interrupt while parked"),
    (Error::IntegerOverflow, "An address and a size wrap around"),
    (Error::HeapWalk, "The TXT heap cannot be walked"),
    (Error::HeapMap, "The TXT heap cannot be mapped"),
    (Error::RegionAbove4Gb, "A region lies above 4 GiB that has to be below"),
    (Error::HeapInvalidDmar, "The DMAR table in the TXT heap is invalid"),
    (Error::HeapDmarSize, "The DMAR table in the TXT heap is too large"),
    (Error::HeapDmarMap, "The DMAR table in the TXT heap cannot be mapped"),
    (Error::HighPmrBase, "The base of the high protected memory region is wrong"),
    (Error::HighPmrSize, "The size of the high protected memory region is wrong"),
    (Error::LowPmrBase, "The base of the low protected memory region is wrong"),
    (Error::LowPmrMle, "The low protected memory region does not cover the kernel"),
    (Error::InitrdTooBig, "The initrd is too large or lies outside memory"),
    (Error::HeapZeroOffset, "A table offset in the TXT heap is zero"),
    (Error::WakeBlockTooSmall, "The block for parked processors is too small"),
    (Error::MleOverlap, "A buffer overlaps the kernel image"),
    (Error::BeyondPmr, "A buffer lies outside the protected memory regions"),
    (Error::OsSinitVersion, "The version of the OS to SINIT data is too old"),
    (Error::EventLogMap, "The event log cannot be mapped"),
    (Error::TpmAlgorithms, "The TPM has too many or unusable digest algorithms"),
    (Error::TpmDigestCount, "An event has a wrong number of digests"),
    (Error::TpmInvalidEvent, "An event in the log is invalid"),
    (Error::InvalidSlrt, "The header of the launch table is invalid: magic, revision, architecture or sizes"),
    (Error::SlrtMissingEntry, "The launch table lacks an entry that is needed"),
    (Error::SlrtMap, "The launch table cannot be mapped"),
    (Error::MissingEventLog, "There is no event log"),
    (Error::SetupDataMap, "A setup_data node cannot be mapped"),
    (Error::TpmAbsent, "No TPM answers at the expected address"),
    (Error::TpmLocality, "The TPM did not grant the locality asked for"),
    (Error::TpmTimeout, "The TPM stayed busy beyond the time its specification allows"),
    (Error::TpmResponse, "The TPM answered a command with an error; the record has the response code"),
    (Error::TpmBadResponse, "The TPM's answer is too short, too long or malformed"),
    (Error::RegionEmpty, "A region has no bytes"),
    (Error::RegionOverlap, "A region overlaps memory that belongs to the launch"),
    (Error::OutOfRam, "A region is not all in RAM according to the memory map"),
    (Error::Unmapped, "Memory was asked for that cannot be read"),
    (Error::BufferTooSmall, "An output does not fit the buffer meant for it"),
    (Error::SlrtEntry, "A launch table entry is truncated, of the wrong size, or does not advance"),
    (Error::SlrtDuplicate, "A launch table entry that must be unique occurs twice"),
    (Error::SlrtNoEnd, "The launch table has no end entry, or not at its end"),
    (Error::PolicyRevision, "The revision of the launch policy is unknown"),
    (Error::PolicyEntry, "A launch policy entry is invalid or occurs twice"),
    (Error::PolicyPcr, "A launch policy entry names a PCR outside 17 to 20"),
    (Error::PolicyRedirect, "A launch policy entry gives another address or size than the kernel will use"),
    (Error::CmdlineUnterminated, "The command line has no end within its maximum size"),
    (Error::BootParamsInvalid, "The boot parameters are invalid or hold something a launch cannot accept"),
    (Error::SetupDataCycle, "The setup_data list does not end within its limit"),
    (Error::SetupDataNode, "A setup_data node is malformed"),
    (Error::SetupDataType, "A setup_data node has a type that a launch cannot accept"),
    (Error::E820Invalid, "The E820 table is malformed"),
    (Error::MemoryMapInvalid, "The EFI memory map is malformed"),
    (Error::MemoryMapTooLarge, "The EFI memory map has more entries than there is room for"),
    (Error::EventLogTooSmall, "The event log has no room left"),
    (Error::EventLogOverlap, "The event log overlaps memory that belongs to the launch"),
    (Error::SlbHeader, "The header of the loader block is malformed"),
    (Error::SlbInfo, "The information block of the loader block is malformed"),
    (Error::SlbParams, "The parameters of the loader block are malformed"),
    (Error::LaunchRecord, "The launch record is malformed"),
    (Error::MleHeader, "The image has no valid MLE header"),
    (Error::MleDuplicate, "The image has more than one MLE header"),
    (Error::MleBounds, "The bounds in the MLE header do not fit the memory the image was loaded to"),
    (Error::Handoff, "What the early kernel left for the kernel proper is malformed"),
    (Error::Exception, "The processor raised an exception; the record has its vector and address"),
    (Error::CpuState, "The processor lacks a feature or is not in the state a launch leaves"),
    (Error::Architecture, "The launch table is for another kind of launch"),
];

/// Every error there is, in the order of the codes.
pub fn all() -> impl Iterator<Item = Error> {
    TABLE.iter().map(|entry| entry.0)
}

/// The error with this 32-bit code.
pub fn from_code(code: u32) -> Option<Error> {
    all().find(|error| error.code() == code)
}

/// One line on what the error means.
pub fn description(error: Error) -> &'static str {
    // The table is complete; a test sees to it.
    TABLE
        .iter()
        .find(|entry| entry.0 == error)
        .map_or("unknown error", |entry| entry.1)
}
