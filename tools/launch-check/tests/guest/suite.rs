// SPDX-License-Identifier: GPL-2.0

//! The job `suite` on both kernels and both interfaces, and what must come of it.

use std::collections::BTreeMap;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::Path;
use std::sync::OnceLock;

use drtm_vm::TpmInterface;

use launch_check::log::Log;
use launch_check::verdict::{check_replay, Verdict};

use crate::common::{Run, LAUNCH};
use crate::machine::{cases, config, share, Ended, Kernel};

/// What one machine left.
struct Suite {
    cases: Vec<(String, Ended)>,
    selftests: BTreeMap<String, String>,
    driver: String,
    stress: String,
    suspend: String,
    text: String,
}

/// Test cases of the kernel's `tools/testing/selftests/tpm2`, from the output of Python's unittest:
/// `test_x (module.Class.test_x) ... ok`. What the kernel's own log put between name and result
/// does not matter here: the output comes from a file.
fn unittests(run: &Run) -> BTreeMap<String, String> {
    let mut results = BTreeMap::new();
    for file in ["test_smoke.txt", "test_space.txt", "test_async.txt"] {
        for line in run.text(file).lines() {
            let Some((head, result)) = line.split_once(" ... ") else {
                continue;
            };
            let name = head.split_whitespace().last().unwrap_or(head);
            results.insert(name.trim_matches(['(', ')']).to_owned(), result.to_owned());
        }
    }
    results
}

fn run(kernel: Kernel, interface: TpmInterface) -> Suite {
    let mut config = config(kernel, interface, "suite");
    config.append += " suspend=mem,freeze";
    let run = Run::boot(&config);
    // A guest that went down is told of by its console.
    let text = format!("{}\n{}", run.outcome.summary(), run.tail());
    assert!(
        matches!(run.outcome, drtm_vm::Outcome::PoweredOff),
        "{text}"
    );
    Suite {
        cases: cases(&run, "suite"),
        selftests: unittests(&run),
        driver: run.text("driver.txt").trim().to_owned(),
        stress: run.text("stress.txt"),
        suspend: run.text("suspend.txt"),
        text: run.text("job.txt"),
    }
}

/// The one run of this kernel on this interface, for all tests that look at it.
fn suite(kernel: Kernel, interface: TpmInterface) -> &'static Suite {
    type Once = OnceLock<Result<Suite, String>>;
    static RUNS: [Once; 4] = [const { OnceLock::new() }; 4];
    let of_crb = usize::from(interface != TpmInterface::Tis);
    let once = &RUNS[2 * of_crb + usize::from(kernel == Kernel::C)];
    let result = once.get_or_init(|| {
        catch_unwind(AssertUnwindSafe(|| run(kernel, interface))).map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            text.unwrap_or_else(|| "the run failed".into())
        })
    });
    result.as_ref().unwrap_or_else(|text| panic!("{text}"))
}

/// Everything passes, on the driver that is meant, and nothing is skipped but `skips`.
fn all_pass(kernel: Kernel, interface: TpmInterface, driver: &str, skips: &[&str]) {
    let suite = suite(kernel, interface);
    let skipped: Vec<_> = suite
        .cases
        .iter()
        .filter(|(_, ended)| matches!(ended, Ended::Skipped(_)))
        .map(|(name, _)| &**name)
        .collect();
    let failed: Vec<_> = suite
        .cases
        .iter()
        .filter(|(_, ended)| *ended == Ended::Failed)
        .collect();
    assert!(failed.is_empty(), "{failed:?}\n{}", suite.text);
    assert_eq!(skipped, skips);
    assert_eq!(suite.driver, driver);
    assert_eq!(suite.suspend, "mem: ok\nfreeze: ok\n");
}

/// The kernel's own tests: how many there are, and that each ends as it does with the C driver.
fn selftests_as_with_c(interface: TpmInterface) {
    let (own, c) = (suite(Kernel::Own, interface), suite(Kernel::C, interface));
    let classes = ["SmokeTest", "SpaceTest", "AsyncTest"];
    for class in classes {
        let of_class = c.selftests.keys().filter(|name| name.contains(class));
        assert!(of_class.count() >= 2, "{class}: {:?}", c.selftests);
    }
    for (name, result) in c.selftests.iter().filter(|(_, result)| **result != "ok") {
        println!("{name}: {result} (C driver)");
    }
    assert_eq!(own.selftests, c.selftests);
}

/// How many of the extends were at locality 2, between those of user space.
const LOCALITY_2: &str = "locality 2: 200\n";

/// Extends from all sides in a launched kernel: the log, with what the kernel has recorded
/// meanwhile, still leads to the values that PCR 17 and 18 have.
fn launched_stress(interface: TpmInterface) {
    let job = config(Kernel::Own, interface, "stress.py");
    let config = drtm_vm::Config {
        append: format!("{LAUNCH} {}", job.append),
        ..job
    };
    let run = Run::boot(&config);
    let summary = run.outcome.summary();
    assert!(
        matches!(run.outcome, drtm_vm::Outcome::PoweredOff),
        "{summary}\n{}",
        run.tail()
    );
    let output = run.text("job.txt");
    assert!(output.ends_with("exit status: 0\n"), "{output}");
    let stress = run.text("stress.txt");
    assert!(stress.starts_with(LOCALITY_2), "{stress}");
    let log = Log::parse(run.must("eventlog.bin")).expect("event log");
    let verdict = Verdict(check_replay(&log, &run.pcrs()));
    assert!(verdict.good(), "{verdict}\n{log}");
}

/// The example of a key that is sealed to a launch.
#[test]
fn sample_seals_a_key() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/slaunch");
    let mut config = config(Kernel::Own, TpmInterface::Tis, "sample");
    config.append = format!("{LAUNCH} {}", config.append);
    config.extra.extend(share("sample", &samples));
    let run = Run::boot(&config);
    let summary = run.outcome.summary();
    assert!(
        matches!(run.outcome, drtm_vm::Outcome::PoweredOff),
        "{summary}\n{}",
        run.tail()
    );
    let cases = cases(&run, "sample");
    assert_eq!(cases.len(), 5, "{cases:?}");
    let bad = cases.iter().find(|(_, ended)| *ended != Ended::Ok);
    assert!(bad.is_none(), "{bad:?}\n{}", run.text("job.txt"));
}

mod tis {
    use super::*;

    #[test]
    fn c_driver() {
        all_pass(Kernel::C, TpmInterface::Tis, "tpm_tis", &[]);
    }

    #[test]
    fn own_driver() {
        all_pass(Kernel::Own, TpmInterface::Tis, "tpm_ptp", &[]);
    }

    #[test]
    fn selftests() {
        selftests_as_with_c(TpmInterface::Tis);
    }

    #[test]
    fn extends_at_two_localities() {
        let stress = &suite(Kernel::Own, TpmInterface::Tis).stress;
        assert!(stress.starts_with(LOCALITY_2), "{stress}");
    }

    #[test]
    fn extends_after_a_launch() {
        launched_stress(TpmInterface::Tis);
    }
}

mod crb {
    use super::*;

    #[test]
    fn c_driver() {
        all_pass(
            Kernel::C,
            TpmInterface::Crb,
            "tpm_crb_acpi",
            &["hwrng_reads"],
        );
    }

    #[test]
    fn own_driver() {
        all_pass(Kernel::Own, TpmInterface::Crb, "tpm_ptp", &["hwrng_reads"]);
    }

    #[test]
    fn selftests() {
        selftests_as_with_c(TpmInterface::Crb);
    }

    #[test]
    fn extends_at_two_localities() {
        let stress = &suite(Kernel::Own, TpmInterface::Crb).stress;
        assert!(stress.starts_with(LOCALITY_2), "{stress}");
    }

    #[test]
    fn extends_after_a_launch() {
        launched_stress(TpmInterface::Crb);
    }
}
