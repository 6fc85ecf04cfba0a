// SPDX-License-Identifier: GPL-2.0

//! All settings of the gate.

use slaunch_core::gate::{Depth, Gate, Mode, Policy, Smm, Svam};

/// All settings there are, those that a mode does not have left out.
pub fn all() -> Vec<Gate> {
    let mut all = Vec::new();
    for mode in Mode::ALL {
        for policy in [Policy::Panic, Policy::Disable] {
            let gate = Gate {
                policy,
                ..Gate::new(mode)
            };
            if mode == Mode::Isolate {
                for smm in [Smm::Deny, Smm::Allow] {
                    for svam in [Svam::Auto, Svam::None, Svam::Identity] {
                        all.push(Gate { smm, svam, ..gate });
                    }
                }
            } else {
                all.extend([Depth::Full, Depth::Fast].map(|depth| Gate { depth, ..gate }));
            }
        }
    }
    all
}
