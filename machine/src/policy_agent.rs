//! The Policy Agent (IPSec Services): reads the stores, polls them, and gives the driver its policy.

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
    /// Whether it runs.
    pub(crate) running: bool,
    /// What it has read of the stores and given to the driver. Empty while it does not run.
    pub(crate) read: Stores,
    /// When it looks at the local store again.
    pub(crate) next_poll: Option<Instant>,
}

impl PolicyAgent {
    /// A running service that has read these stores.
    pub(crate) fn running(stores: &Stores, now: Instant) -> Self {
        let mut agent =
            Self { startup: StartupType::Automatic, running: true, read: stores.clone(), next_poll: None };
        agent.arm(now);
        agent
    }

    /// Polls again an interval after `now`.
    pub(crate) fn arm(&mut self, now: Instant) {
        self.next_poll = self.running.then(|| now + polling_interval(&self.read));
    }
}

/// How often the local store is looked at: as the assigned policy says, else as a new policy would.
pub(crate) fn polling_interval(stores: &Stores) -> Duration {
    let assigned = stores.local.assigned().map(|policy| policy.polling_interval_minutes);
    // MS-GPIPSEC section 2.2.1.1: a stored 0 stands for the default.
    let minutes = assigned.filter(|minutes| *minutes != 0).unwrap_or(POLLING_INTERVAL_MINUTES.value);
    Duration::from_secs(60 * u64::from(minutes))
}
