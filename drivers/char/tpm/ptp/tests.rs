// SPDX-License-Identifier: GPL-2.0

//! Tests of the core as it is compiled for the kernel, on a model of a TPM's registers.

use kernel::prelude::*;

mod model;

#[kunit_tests(rust_tpm_core)]
mod cases {
    use super::model::Model;
    use crate::tpm::*;
    use core::cell::Cell;
    use kernel::prelude::*;

    /// A clock that advances when it is looked at.
    struct Ticks(Cell<u64>);

    impl Clock for Ticks {
        fn elapsed_us(&self) -> u64 {
            self.0.set(self.0.get().wrapping_add(100));
            self.0.get()
        }

        fn relax(&self, _waited_us: u64) {}
    }

    fn clock() -> Ticks {
        Ticks(Cell::new(0))
    }

    fn banks() -> Result<Banks, TpmError> {
        let mut banks = Banks::new();
        banks.push(HashAlg::SHA256)?;
        Ok(banks)
    }

    /// What `f` finds with a TPM of either interface.
    fn with_each(
        mut f: impl FnMut(&mut Tpm<&mut Model, Ticks>) -> Result<(), TpmError>,
    ) -> Result<(), TpmError> {
        for crb in [false, true] {
            let mut model = Model::new(crb);
            let mut tpm = Tpm::probe(&mut model, clock())?;
            assert_eq!(matches!(tpm.interface(), Interface::Crb(_)), crb);
            f(&mut tpm)?;
            assert_eq!(model.active(), None);
        }
        Ok(())
    }

    #[test]
    fn an_extend_goes_through_either_interface() -> Result<(), TpmError> {
        let digests = Digests::capped(&banks()?);
        with_each(|tpm| {
            let mut open = tpm.open(Locality::L2)?;
            assert_eq!(open.family(), TpmFamily::Tpm20);
            pcr_extend(&mut open, Pcr::CODE, &digests)?;
            open.close()
        })
    }

    #[test]
    fn the_tpm_sees_the_locality() -> Result<(), TpmError> {
        let digests = Digests::capped(&banks()?);
        with_each(|tpm| {
            let mut open = tpm.open(Locality::L0)?;
            let refused = pcr_extend(&mut open, Pcr::CODE, &digests);
            assert_eq!(refused, Err(TpmError::Rc(TpmRc::LOCALITY)));
            // The model looks whether the locality comes free with the guard.
            drop(open);
            Ok(())
        })
    }

    #[test]
    fn a_locality_can_be_kept() -> Result<(), TpmError> {
        let digests = Digests::capped(&banks()?);
        with_each(|tpm| {
            let held = tpm.open(Locality::L2)?.keep();
            let mut open = tpm.resume(held);
            pcr_extend(&mut open, Pcr::CODE, &digests)?;
            open.close()
        })
    }

    #[test]
    fn a_tpm_that_vanishes_is_noticed() -> Result<(), TpmError> {
        let digests = Digests::capped(&banks()?);
        for crb in [false, true] {
            let mut model = Model::new(crb);
            let mut tpm = Tpm::probe(&mut model, clock())?;
            let mut open = tpm.open(Locality::L2)?;
            pcr_extend(&mut open, Pcr::CODE, &digests)?;
            let held = open.keep();
            tpm.parts().0.vanish();
            let mut open = tpm.resume(held);
            let gone = pcr_extend(&mut open, Pcr::CODE, &digests);
            assert_eq!(gone, Err(TpmError::Vanished));
            assert_eq!(open.close(), Err(TpmError::Vanished));
        }
        Ok(())
    }

    #[test]
    fn a_command_that_does_not_end_is_given_up() -> Result<(), TpmError> {
        let digests = Digests::capped(&banks()?);
        for crb in [false, true] {
            let mut model = Model::new(crb);
            model.hang();
            let mut tpm = Tpm::probe(&mut model, clock())?;
            let mut open = tpm.open(Locality::L2)?;
            let result = pcr_extend(&mut open, Pcr::CODE, &digests);
            assert_eq!(result, Err(TpmError::CommandTimeout));
        }
        Ok(())
    }

    #[test]
    fn responses_are_checked() {
        let whole = [0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x09, 0x07];
        let (rc, rest) =
            decode_response(&whole, Tag::NoSessions).map_or((None, 1), |(rc, rest)| {
                (Some(rc), rest.left()) //
            });
        assert_eq!((rc, rest), (Some(TpmRc::LOCALITY), 0));
        let cut = decode_response(whole.get(..9).unwrap_or(&[]), Tag::NoSessions);
        assert_eq!(cut.err(), Some(TpmError::ResponseTruncated));
        let mut odd = whole;
        odd[0] = 0x7f;
        assert_eq!(
            decode_response(&odd, Tag::NoSessions).err(),
            Some(TpmError::ResponseTag)
        );
    }

    #[test]
    fn a_log_is_read_as_it_was_written() -> Result {
        const PHYS: u64 = 0x1000;
        let mut buf = KVec::from_elem(0u8, 1024, GFP_KERNEL)?;
        let banks = banks().map_err(|_| EINVAL)?;
        let digests = Digests::capped(&banks);
        let mut log =
            EventLog::format(&mut buf, PHYS, &banks, LogFormat::Agile).map_err(|_| EINVAL)?;
        log.append(Pcr::CODE, EV_SLAUNCH, &digests, b"one")
            .map_err(|_| EINVAL)?;
        let mut log = EventLog::attach(&mut buf, PHYS).map_err(|_| EINVAL)?;
        log.append(Pcr::CONFIG, EV_SLAUNCH, &digests, b"two")
            .map_err(|_| EINVAL)?;
        let reader = LogReader::new(&buf).map_err(|_| EINVAL)?;
        let mut events = reader.events();
        for (pcr, data) in [(Pcr::CODE, b"one"), (Pcr::CONFIG, b"two")] {
            let event = events.next().ok_or(EINVAL)?.map_err(|_| EINVAL)?;
            assert_eq!(event.pcr, pcr.index());
            assert_eq!(event.data, data);
        }
        assert!(events.next().is_none());
        Ok(())
    }
}
