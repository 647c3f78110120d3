//! The Policy Agent (IPSec Services): reads the stores, polls them, and gives the driver its policy.
//!
//! | moment | driver | policy in force |
//! |---|---|---|
//! | it does not run | permit | none, and peers have been told that their SAs are gone |
//! | it has started | secure | persistent policy, when some is assigned |
//! | the same, and no persistent policy is assigned | start-up mode | none |
//! | it has read the domain's or else the local store | secure | persistent policy and that of the store together |
//! | the domain's policy cannot be applied | secure | persistent and local policy (message 14 of Windows 2000's agent) |
//! | the local policy cannot be applied | secure | persistent policy stays (TechNet cc739468) |
//! | it cannot start (KB 818043), or persistent policy cannot be applied (our choice) | block | none |
//!
//! That the start-up mode goes on where there is no persistent policy is our reading: it leaves no moment
//! without either.

use core::fmt;
use core::time::Duration;

use ipsec_core::Instant;
use ipsec_policy::Stores;
use ipsec_policy::defaults::POLLING_INTERVAL_MINUTES;

/// When a service starts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub enum StartupType {
    /// With the computer.
    #[default]
    Automatic,
    /// When somebody starts it.
    Manual,
    /// Never.
    Disabled,
}

impl fmt::Display for StartupType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StartupType::Automatic => "automatic",
            StartupType::Manual => "manual",
            StartupType::Disabled => "disabled",
        })
    }
}

/// The service that reads policy and gives it to the driver.
#[derive(Clone, Debug)]
pub struct PolicyAgent {
    /// When it starts.
    pub startup: StartupType,
    /// Whether it fails with a run-time error when it is started (KB 818043).
    pub fails: bool,
    /// What it is doing.
    pub(crate) state: State,
    /// What it has read of the stores and given to the driver. Empty while it does not run.
    pub(crate) read: Stores,
}

/// What the service is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Nothing.
    Stopped,
    /// The computer boots, and starts it then.
    Awaited {
        /// When it starts.
        at: Instant,
        /// How long it takes from there to the local store.
        reading: Duration,
    },
    /// It has applied persistent policy, and reads the local store then.
    Reading {
        /// When it has read it.
        at: Instant,
    },
    /// It polls the local store then.
    Polling {
        /// When.
        at: Instant,
    },
}

impl PolicyAgent {
    /// A running service that has read these stores.
    pub(crate) fn new(stores: &Stores, now: Instant) -> Self {
        let read = stores.clone();
        let state = State::Polling { at: now + polling_interval(&read) };
        Self { startup: StartupType::Automatic, fails: false, state, read }
    }

    /// Whether it runs.
    #[must_use]
    pub fn runs(&self) -> bool {
        matches!(self.state, State::Reading { .. } | State::Polling { .. })
    }

    /// When it does the next thing.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Stopped => None,
            State::Awaited { at, .. } | State::Reading { at } | State::Polling { at } => Some(at),
        }
    }

    /// Polls an interval after `now`.
    pub(crate) fn arm(&mut self, now: Instant) {
        self.state = State::Polling { at: now + polling_interval(&self.read) };
    }
}

/// How often the store is looked at: as the assigned policy says, else as a new policy would.
fn polling_interval(stores: &Stores) -> Duration {
    let assigned = stores.effective().assigned().map(|policy| policy.polling_interval_minutes);
    // MS-GPIPSEC section 2.2.1.1: a stored 0 stands for the default.
    let minutes = assigned.filter(|minutes| *minutes != 0).unwrap_or(POLLING_INTERVAL_MINUTES.value);
    Duration::from_secs(60 * u64::from(minutes))
}
