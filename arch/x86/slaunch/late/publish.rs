// SPDX-License-Identifier: GPL-2.0

//! The directory `slaunch` in securityfs.

#[cfg(CONFIG_SECURE_LAUNCH_STRESS)]
use super::stress;
use super::{
    efi,
    events,
    launch,
    log::EventLog,
    record::Record,
    state::State,
    status::Reason, //
};
use kernel::{
    prelude::*,
    securityfs::{
        Dir,
        File, //
    },
    sync::Arc, //
};

/// What is published for as long as the kernel runs.
pub(crate) struct SecureLaunch {
    _state: File<State>,
    _log: Option<File<EventLog>>,
    _efi: Option<efi::files::Files>,
    #[cfg(CONFIG_SECURE_LAUNCH_STRESS)]
    _stress: stress::Trigger,
}

impl kernel::Module for SecureLaunch {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let dir = Dir::new(c"slaunch")?;
        // Nonsense has stopped the machine in `setup_arch()`.
        let Some(launch) = launch::get().map_err(|_| EINVAL)? else {
            let state = State::NotLaunched(Reason::get());
            return Ok(Self {
                _state: dir.text_file(c"state", 0o444, Arc::new(state, GFP_KERNEL)?)?,
                _log: None,
                _efi: None,
                #[cfg(CONFIG_SECURE_LAUNCH_STRESS)]
                _stress: stress::Trigger::new()?,
            });
        };

        let log = match EventLog::load(&launch) {
            Ok(log) => Ok(Arc::pin_init(log, GFP_KERNEL)?),
            Err(why) => Err(why),
        };
        let log_file = match &log {
            Ok(log) => {
                events::use_log(log.clone());
                Some(dir.binary_file(c"eventlog", 0o440, log.clone())?)
            }
            Err(_) => None,
        };
        efi::violation::start()?;
        let state = State::Launched {
            vendor: launch.vendor,
            record: Record::load(launch.record),
            log,
        };
        pr_info!("launched\n");
        Ok(Self {
            _state: dir.text_file(c"state", 0o444, Arc::new(state, GFP_KERNEL)?)?,
            _log: log_file,
            _efi: Some(efi::files::Files::new(&dir)?),
            #[cfg(CONFIG_SECURE_LAUNCH_STRESS)]
            _stress: stress::Trigger::new()?,
        })
    }
}
