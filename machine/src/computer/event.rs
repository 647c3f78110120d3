//! What happens on a computer, for its logs.

use core::fmt;

use ipsec_policy::compile::CompileError;

use crate::driver_mode::DriverMode;

/// What happened on a computer, beside its IPsec driver and IKE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MachineEvent {
    /// The driver was loaded and begins in this mode (events 4295 to 4297).
    DriverStarts(DriverMode),
    /// The driver went over to this mode (events 4292 to 4294).
    DriverEntered(DriverMode),
    /// The service has started (event 613), with the store that its policy will come from.
    ServiceStarted {
        /// The store of the assigned policy; none: no policy is assigned.
        source: Option<PolicySource>,
        /// Whether the computer is a member of a domain; else there are no Kerberos credentials.
        member: bool,
    },
    /// The service has stopped (event 614).
    ServiceStopped,
    /// The service could not start (event 616).
    ServiceFailed,
    /// A policy is in force now (event 615).
    PolicyApplied {
        /// The store it came from.
        source: PolicySource,
        /// Its name.
        policy: String,
        /// Why just now.
        trigger: Trigger,
    },
    /// A policy could not be applied; what other stores say stays in force.
    PolicyFailed {
        /// The store it came from.
        source: PolicySource,
        /// Its name.
        policy: String,
        /// What is wrong with it.
        error: CompileError,
    },
    /// No policy of this store is assigned any more.
    PolicyUnassigned(PolicySource),
    /// The service polled the local store and found what it had read before (event 615).
    PolledNoChange,
    /// The service polled the local store and found changes (event 615).
    PolledChanged,
    /// Addresses or servers of the computer are others now.
    NetworkChanged,
}

/// Where a policy comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum PolicySource {
    /// The persistent store.
    Persistent,
    /// The directory of the computer's domain.
    Domain,
    /// The local registry.
    Local,
}

/// Why a policy was applied.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Trigger {
    /// The service has started.
    Start,
    /// Somebody edited policy with a tool that tells the service.
    Edit,
    /// Polling found a change.
    Poll,
    /// Group Policy assigns another one.
    GroupPolicy,
    /// The network settings are others.
    Network,
}

impl fmt::Display for PolicySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PolicySource::Persistent => "persistent",
            PolicySource::Domain => "domain",
            PolicySource::Local => "local",
        })
    }
}

impl fmt::Display for MachineEvent {
    /// In our own words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DriverStarts(mode) => write!(f, "the IPsec driver starts in {mode} mode"),
            Self::DriverEntered(mode) => write!(f, "the IPsec driver enters {mode} mode"),
            Self::ServiceStarted { source: None, .. } => {
                f.write_str("the IPsec service starts: no policy is assigned")
            }
            Self::ServiceStarted { source: Some(source), .. } => {
                write!(f, "the IPsec service starts: {source} policy is assigned")
            }
            Self::ServiceStopped => f.write_str("the IPsec service stops"),
            Self::ServiceFailed => f.write_str("the IPsec service cannot start"),
            Self::PolicyApplied { source, policy, trigger } => {
                let why = match trigger {
                    Trigger::Start | Trigger::Edit => "",
                    Trigger::Poll => ": polling found a change",
                    Trigger::GroupPolicy => ": Group Policy says so",
                    Trigger::Network => ": it follows the network settings",
                };
                write!(f, "{source} policy '{policy}' is in force{why}")
            }
            Self::PolicyFailed { source, policy, error } => {
                write!(f, "{source} policy '{policy}' cannot be applied: {error}")
            }
            Self::PolicyUnassigned(source) => write!(f, "no {source} policy is assigned any more"),
            Self::PolledNoChange => f.write_str("polling found no change of policy"),
            Self::PolledChanged => f.write_str("polling found another policy"),
            Self::NetworkChanged => f.write_str("the network settings are others now"),
        }
    }
}
