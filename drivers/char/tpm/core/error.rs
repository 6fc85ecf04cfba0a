// SPDX-License-Identifier: GPL-2.0

//! What can go wrong with a TPM.

/// Why the TPM could not be used.
///
/// The discriminants ([`TpmError::code`]) are stable: they end up in launch records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
#[repr(u8)] // Numbered like `code`, which is no table then; and the loader block gets smaller.
pub enum TpmError {
    /// There is no TPM: its registers read as all ones, or its identity is not one.
    Absent = 1,
    /// The TPM speaks an interface that is neither FIFO nor CRB.
    UnknownInterface = 3,
    /// The TPM answers a command of TPM 2.0 like a TPM 1.2.
    NotTpm2,
    /// The TPM went away: its registers read as all ones after they did not.
    Vanished,
    /// The clock does not advance, so no wait can be bounded.
    ClockStopped,
    /// The locality was not granted in time: the TPM is mute, or an equal or higher locality holds
    /// it.
    LocalityRefused,
    /// Another locality took over while this one was open.
    LocalityLost,
    /// The TPM did not become ready for a command (timeout B; C for a CRB), or a CRB does not give
    /// up one of before (timeout B).
    NotReady,
    /// The TPM did not accept or offer data in time: burst count 0 (timeout D).
    BurstTimeout,
    /// A register did not become valid in time (timeout A for ACCESS, C for STS).
    StatusTimeout,
    /// The TPM expected more or fewer command bytes than were sent, or the platform refused to
    /// start a command.
    TransferRejected,
    /// There was no response within the command's duration; the command was cancelled.
    CommandTimeout,
    /// The command did not fit the buffer, or its parameters are out of range. Nothing was sent.
    CommandInvalid,
    /// The response ended early.
    ResponseTruncated,
    /// The response is larger than it says, or than any expected one.
    ResponseOversized,
    /// The response has fields that contradict each other or the command.
    ResponseMalformed,
    /// The response has the wrong tag.
    ResponseTag,
    /// The TPM refused the command with this code.
    Rc(TpmRc),
    /// No bank is active, more than [`super::MAX_BANKS`] are, or one cannot be described.
    Banks,
    /// The locality could not be given back.
    NotReleased,
    /// The buffers of a CRB are not where buffers can be in the TPM's window, or cannot hold a
    /// header.
    BufferBounds,
    /// The command was cancelled because nobody waited for it any more.
    Canceled,
    /// The TPM reports a fatal error (tpmSts).
    Failed,
}

impl TpmError {
    /// The stable number of this error; 0 and 2 are not used.
    pub const fn code(self) -> u8 {
        match self {
            Self::Absent => 1,
            Self::UnknownInterface => 3,
            Self::NotTpm2 => 4,
            Self::Vanished => 5,
            Self::ClockStopped => 6,
            Self::LocalityRefused => 7,
            Self::LocalityLost => 8,
            Self::NotReady => 9,
            Self::BurstTimeout => 10,
            Self::StatusTimeout => 11,
            Self::TransferRejected => 12,
            Self::CommandTimeout => 13,
            Self::CommandInvalid => 14,
            Self::ResponseTruncated => 15,
            Self::ResponseOversized => 16,
            Self::ResponseMalformed => 17,
            Self::ResponseTag => 18,
            Self::Rc(_) => 19,
            Self::Banks => 20,
            Self::NotReleased => 21,
            Self::BufferBounds => 22,
            Self::Canceled => 23,
            Self::Failed => 24,
        }
    }

    /// The TPM's own response code, if it gave one.
    pub const fn rc(self) -> Option<TpmRc> {
        match self {
            Self::Rc(rc) => Some(rc),
            _ => None,
        }
    }
}

/// A response code: of TPM 2.0 (TPM 2.0 Library part 2, section 6.6) or TPM 1.2 (TPM Main part 2,
/// section 16). No number means something to both but success and [`TpmRc::BAD_TAG`], which mean
/// the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "the TPM may have refused the command"]
pub struct TpmRc(u32);

impl TpmRc {
    /// The command was executed.
    pub const SUCCESS: Self = Self(0);
    /// A TPM 1.2 tag (or the answer of a TPM 1.2 to a TPM 2.0 command).
    pub const BAD_TAG: Self = Self(0x01e);
    /// The TPM was not started.
    pub const INITIALIZE: Self = Self(0x100);
    /// The TPM is in failure mode.
    pub const FAILURE: Self = Self(0x101);
    /// The TPM is held up by rate limits.
    pub const YIELDED: Self = Self(0x908);
    /// The command was cancelled.
    pub const CANCELED: Self = Self(0x909);
    /// A self test is running.
    pub const TESTING: Self = Self(0x90a);
    /// The command is not allowed at this locality.
    pub const LOCALITY: Self = Self(0x907);
    /// The TPM could not start the command; send it again.
    pub const RETRY: Self = Self(0x922);

    /// Wraps a code as it came from the wire.
    pub const fn new(raw: u32) -> Self {
        Self(raw)
    }

    /// The code as it came from the wire.
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// Turns everything but success into an error.
    ///
    /// # Errors
    ///
    /// [`TpmError::Rc`] with this code.
    pub fn ok(self) -> Result<(), TpmError> {
        if self.0 == Self::SUCCESS.0 {
            Ok(())
        } else {
            Err(TpmError::Rc(self))
        }
    }

    /// Whether the TPM did not start the command and asks for it to be sent again.
    pub const fn is_retry(self) -> bool {
        matches!(
            self,
            Self::RETRY
                | Self::TESTING
                | Self::YIELDED
                | Self::TPM12_RETRY
                | Self::NEEDS_SELFTEST
                | Self::DOING_SELFTEST
        )
    }
}

/// Response codes of TPM 1.2.
impl TpmRc {
    /// The TPM is deactivated: it does not extend PCRs.
    pub const DEACTIVATED: Self = Self(0x006);
    /// The TPM is disabled.
    pub const DISABLED: Self = Self(0x007);
    /// The self test has failed; the TPM does nothing more.
    pub const FAILEDSELFTEST: Self = Self(0x01c);
    /// The command is out of order: a second startup, or anything else before the first.
    pub const INVALID_POSTINIT: Self = Self(0x026);
    /// The command is not allowed at this locality.
    pub const BAD_LOCALITY: Self = Self(0x03d);
    /// The PCR cannot be reset.
    pub const NOTRESETABLE: Self = Self(0x032);
    /// The PCR cannot be reset from this locality.
    pub const NOTLOCAL: Self = Self(0x033);
    /// The TPM is too busy to start the command; send it again.
    pub const TPM12_RETRY: Self = Self(0x800);
    /// What the command needs was not tested yet; test, and send it again.
    pub const NEEDS_SELFTEST: Self = Self(0x801);
    /// A self test is running; send the command again.
    pub const DOING_SELFTEST: Self = Self(0x802);
    /// The TPM defends itself against guesses at its secrets. That takes too long to wait for, and
    /// no command made here has to do with secrets.
    pub const DEFEND_LOCK_RUNNING: Self = Self(0x803);
}
