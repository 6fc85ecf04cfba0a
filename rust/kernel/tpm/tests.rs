// SPDX-License-Identifier: GPL-2.0

//! Tests with a driver that notes what the TPM layer asks for.

#[macros::kunit_tests(rust_kernel_tpm)]
mod cases {
    use crate::{
        faux, new_mutex,
        prelude::*,
        sync::{
            Arc,
            Mutex, //
        },
        tpm::{
            Call,
            Chip,
            Locality,
            NewChip,
            Operations, //
        },
    };

    /// What an operation was called for.
    #[derive(Clone, Copy, PartialEq, Debug)]
    enum Step {
        Request(Locality),
        Refuse(Locality),
        Send(usize),
        Relinquish(Locality),
    }

    use Step::*;

    /// A TPM that says yes to every command, and no to a locality.
    #[pin_data]
    struct Driver {
        refused: Option<Locality>,
        #[pin]
        steps: Mutex<KVec<Step>>,
    }

    impl Driver {
        fn new(refused: Option<Locality>) -> impl PinInit<Self, Error> {
            try_pin_init!(Self {
                refused,
                steps <- new_mutex!(KVec::new()),
            })
        }

        fn note(&self, step: Step) -> Result {
            Ok(self.steps.lock().push(step, GFP_KERNEL)?)
        }

        fn noted(&self, steps: &[Step]) -> bool {
            let found = core::mem::take(&mut *self.steps.lock());
            found[..] == *steps
        }
    }

    impl Operations for Driver {
        fn transmit(&self, _chip: Call<'_>, buffer: &mut [u8], len: usize) -> Result<usize> {
            self.note(Send(len))?;
            buffer[..10].copy_from_slice(&OK);
            Ok(OK.len())
        }

        fn request_locality(&self, _chip: Call<'_>, locality: Locality) -> Result {
            if self.refused == Some(locality) {
                self.note(Refuse(locality))?;
                return Err(EBUSY);
            }
            self.note(Request(locality))
        }

        fn relinquish_locality(&self, _chip: Call<'_>, locality: Locality) -> Result {
            self.note(Relinquish(locality))
        }
    }

    const OK: [u8; 10] = [0x80, 0x01, 0, 0, 0, 10, 0, 0, 0, 0];
    const COMMAND: [u8; 12] = [0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7b, 0, 4];

    /// Runs `f` with a chip of such a driver.
    fn with_chip(refused: Option<Locality>, f: impl FnOnce(&Chip, &Driver) -> Result) -> Result {
        let device = faux::Registration::new(c"rust_tpm_kunit", None)?;
        let device: &faux::Device<_> = device.as_ref();
        let driver = Arc::pin_init(Driver::new(refused), GFP_KERNEL)?;
        let new = NewChip::new(device.as_ref(), driver.clone(), [750_000; 4])?;
        f(&new.chip, &driver)
    }

    #[test]
    fn a_locality_is_opened_and_given_back() -> Result {
        with_chip(None, |chip, driver| {
            let mut response = [0; 32];
            let size =
                chip.at_locality(Locality::L2, |tpm| tpm.transmit(&COMMAND, &mut response))?;
            assert_eq!(&response[..size], &OK);
            assert!(driver.noted(&[
                Request(Locality::L0),
                Relinquish(Locality::L0),
                Request(Locality::L2),
                Send(12),
                Relinquish(Locality::L2),
            ]));
            Ok(())
        })
    }

    #[test]
    fn a_locality_is_given_back_after_an_error() -> Result {
        with_chip(None, |chip, driver| {
            let result: Result = chip.at_locality(Locality::L1, |_| Err(EPERM));
            assert_eq!(result, Err(EPERM));
            assert!(driver.noted(&[
                Request(Locality::L0),
                Relinquish(Locality::L0),
                Request(Locality::L1),
                Relinquish(Locality::L1),
            ]));
            Ok(())
        })
    }

    #[test]
    fn a_refused_locality_leaves_the_chip_usable() -> Result {
        with_chip(Some(Locality::L2), |chip, driver| {
            let result = chip.at_locality(Locality::L2, |_| Ok(()));
            assert_eq!(result, Err(EBUSY));
            assert!(driver.noted(&[
                Request(Locality::L0),
                Relinquish(Locality::L0),
                Refuse(Locality::L2),
            ]));
            chip.at_locality(Locality::L0, |_| Ok(()))?;
            assert!(driver.noted(&[Request(Locality::L0), Relinquish(Locality::L0)]));
            Ok(())
        })
    }

    #[test]
    fn commands_and_responses_must_fit() -> Result {
        with_chip(None, |chip, _| {
            chip.at_locality(Locality::L0, |tpm| {
                let long = KVec::from_elem(0, crate::tpm::BUFFER_SIZE + 1, GFP_KERNEL)?;
                let mut response = [0; 9];
                assert_eq!(tpm.transmit(&[0; 9], &mut response), Err(EINVAL));
                assert_eq!(tpm.transmit(&long, &mut response), Err(E2BIG));
                assert_eq!(tpm.transmit(&COMMAND, &mut response), Err(EMSGSIZE));
                Ok(())
            })
        })
    }
}
