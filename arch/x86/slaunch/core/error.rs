// SPDX-License-Identifier: GPL-2.0

//! Why a launch failed, as a number that survives it.

/// What the low half of a code is added to.
///
/// The same base as the codes software may put into `TXT.ERRORCODE` (Intel TXT Software
/// Development Guide, appendix I), so that both vendors report alike.
pub const CODE_BASE: u32 = 0xc000_8000;

/// Why a launch failed.
///
/// Codes up to `0x26` are those of the TrenchBoot series for Linux, with its meanings; codes from
/// `0x80` on are ours, where it has none. The numbers are ABI: they are in the launch record, in
/// the value that caps the PCRs, and on port 0x80 (low byte).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Error {
    /// Unspecified failure.
    Generic = CODE_BASE + 0x01,
    /// The TPM could not be brought up.
    TpmInit = CODE_BASE + 0x02,
    /// The TPM 2.0 event log is malformed.
    TpmBadLog = CODE_BASE + 0x03,
    /// An event could not be added to the log.
    TpmLoggingFailed = CODE_BASE + 0x04,
    /// A region begins below and ends above 4 GiB.
    RegionStraddle4Gb = CODE_BASE + 0x05,
    /// A PCR could not be extended.
    TpmExtend = CODE_BASE + 0x06,
    /// The number of saved variable MTRRs is invalid.
    MtrrInvalidCount = CODE_BASE + 0x07,
    /// The saved default memory type is invalid.
    MtrrInvalidDefault = CODE_BASE + 0x08,
    /// A saved MTRR base is invalid.
    MtrrInvalidBase = CODE_BASE + 0x09,
    /// A saved MTRR mask is invalid.
    MtrrInvalidMask = CODE_BASE + 0x0a,
    /// The saved MISC_ENABLE MSR is invalid.
    MsrInvalidMiscEnable = CODE_BASE + 0x0b,
    /// An application processor took an interrupt while parked.
    InvalidApInterrupt = CODE_BASE + 0x0c,
    /// An address and a size wrap around.
    IntegerOverflow = CODE_BASE + 0x0d,
    /// The TXT heap cannot be walked.
    HeapWalk = CODE_BASE + 0x0e,
    /// The TXT heap cannot be mapped.
    HeapMap = CODE_BASE + 0x0f,
    /// A region lies above 4 GiB that has to be below.
    RegionAbove4Gb = CODE_BASE + 0x10,
    /// The DMAR table in the TXT heap is invalid.
    HeapInvalidDmar = CODE_BASE + 0x11,
    /// The DMAR table in the TXT heap is too large.
    HeapDmarSize = CODE_BASE + 0x12,
    /// The DMAR table in the TXT heap cannot be mapped.
    HeapDmarMap = CODE_BASE + 0x13,
    /// The base of the high protected memory region is wrong.
    HighPmrBase = CODE_BASE + 0x14,
    /// The size of the high protected memory region is wrong.
    HighPmrSize = CODE_BASE + 0x15,
    /// The base of the low protected memory region is wrong.
    LowPmrBase = CODE_BASE + 0x16,
    /// The low protected memory region does not cover the kernel.
    LowPmrMle = CODE_BASE + 0x17,
    /// The initrd is too large or lies outside memory.
    InitrdTooBig = CODE_BASE + 0x18,
    /// A table offset in the TXT heap is zero.
    HeapZeroOffset = CODE_BASE + 0x19,
    /// The block for parked processors is too small.
    WakeBlockTooSmall = CODE_BASE + 0x1a,
    /// A buffer overlaps the kernel image.
    MleOverlap = CODE_BASE + 0x1b,
    /// A buffer lies outside the protected memory regions.
    BeyondPmr = CODE_BASE + 0x1c,
    /// The version of the OS to SINIT data is too old.
    OsSinitVersion = CODE_BASE + 0x1d,
    /// The event log cannot be mapped.
    EventLogMap = CODE_BASE + 0x1e,
    /// The TPM has too many or unusable digest algorithms.
    TpmAlgorithms = CODE_BASE + 0x1f,
    /// An event has a wrong number of digests.
    TpmDigestCount = CODE_BASE + 0x20,
    /// An event in the log is invalid.
    TpmInvalidEvent = CODE_BASE + 0x21,
    /// The header of the launch table is invalid: magic, revision, architecture or sizes.
    InvalidSlrt = CODE_BASE + 0x22,
    /// The launch table lacks an entry that is needed.
    SlrtMissingEntry = CODE_BASE + 0x23,
    /// The launch table cannot be mapped.
    SlrtMap = CODE_BASE + 0x24,
    /// There is no event log.
    MissingEventLog = CODE_BASE + 0x25,
    /// A setup_data node cannot be mapped.
    SetupDataMap = CODE_BASE + 0x26,
    /// No TPM answers at the expected address.
    TpmAbsent = CODE_BASE + 0x80,
    /// The TPM did not grant the locality asked for.
    TpmLocality = CODE_BASE + 0x81,
    /// The TPM stayed busy beyond the time its specification allows.
    TpmTimeout = CODE_BASE + 0x82,
    /// The TPM answered a command with an error; the record has the response code.
    TpmResponse = CODE_BASE + 0x83,
    /// The TPM's answer is too short, too long or malformed.
    TpmBadResponse = CODE_BASE + 0x84,
    /// A region has no bytes.
    RegionEmpty = CODE_BASE + 0x85,
    /// A region overlaps memory that belongs to the launch.
    RegionOverlap = CODE_BASE + 0x86,
    /// A region is not all in RAM according to the memory map.
    OutOfRam = CODE_BASE + 0x87,
    /// Memory was asked for that cannot be read.
    Unmapped = CODE_BASE + 0x88,
    /// An output does not fit the buffer meant for it.
    BufferTooSmall = CODE_BASE + 0x89,
    /// A launch table entry is truncated, of the wrong size, or does not advance.
    SlrtEntry = CODE_BASE + 0x8a,
    /// A launch table entry that must be unique occurs twice.
    SlrtDuplicate = CODE_BASE + 0x8b,
    /// The launch table has no end entry, or not at its end.
    SlrtNoEnd = CODE_BASE + 0x8c,
    /// The revision of the launch policy is unknown.
    PolicyRevision = CODE_BASE + 0x8d,
    /// A launch policy entry is invalid or occurs twice.
    PolicyEntry = CODE_BASE + 0x8e,
    /// A launch policy entry names a PCR outside 17 to 20.
    PolicyPcr = CODE_BASE + 0x8f,
    /// A launch policy entry gives another address or size than the kernel will use.
    PolicyRedirect = CODE_BASE + 0x90,
    /// The command line has no end within its maximum size.
    CmdlineUnterminated = CODE_BASE + 0x91,
    /// The boot parameters are invalid or hold something a launch cannot accept.
    BootParamsInvalid = CODE_BASE + 0x92,
    /// The setup_data list does not end within its limit.
    SetupDataCycle = CODE_BASE + 0x93,
    /// A setup_data node is malformed.
    SetupDataNode = CODE_BASE + 0x94,
    /// A setup_data node has a type that a launch cannot accept.
    SetupDataType = CODE_BASE + 0x95,
    /// The E820 table is malformed.
    E820Invalid = CODE_BASE + 0x96,
    /// The EFI memory map is malformed.
    MemoryMapInvalid = CODE_BASE + 0x97,
    /// The EFI memory map has more entries than there is room for.
    MemoryMapTooLarge = CODE_BASE + 0x98,
    /// The event log has no room left.
    EventLogTooSmall = CODE_BASE + 0x99,
    /// The event log overlaps memory that belongs to the launch.
    EventLogOverlap = CODE_BASE + 0x9a,
    /// The header of the loader block is malformed.
    SlbHeader = CODE_BASE + 0x9b,
    /// The information block of the loader block is malformed.
    SlbInfo = CODE_BASE + 0x9c,
    /// The parameters of the loader block are malformed.
    SlbParams = CODE_BASE + 0x9d,
    /// The launch record is malformed.
    LaunchRecord = CODE_BASE + 0x9e,
    /// The image has no valid MLE header.
    MleHeader = CODE_BASE + 0x9f,
    /// The image has more than one MLE header.
    MleDuplicate = CODE_BASE + 0xa0,
    /// The bounds in the MLE header do not fit the memory the image was loaded to.
    MleBounds = CODE_BASE + 0xa1,
    /// What the early kernel left for the kernel proper is malformed.
    Handoff = CODE_BASE + 0xa2,
    /// The processor raised an exception; the record has its vector and address.
    Exception = CODE_BASE + 0xa3,
    /// The processor lacks a feature or is not in the state a launch leaves.
    CpuState = CODE_BASE + 0xa4,
    /// The launch table is for another kind of launch.
    Architecture = CODE_BASE + 0xa5,
}

impl Error {
    /// The whole 32-bit code, `0xc0008000` and up.
    #[inline]
    pub const fn code(self) -> u32 {
        self as u32
    }

    /// What goes to port 0x80: the low byte of the code, which is enough to tell them apart.
    #[inline]
    pub const fn post_code(self) -> u8 {
        self.code().to_le_bytes()[0]
    }
}
