//! What a Windows computer is configured with beside addresses and routes.

use ipsec_machine::network_settings::AdapterKind;
use ipsec_machine::policy_agent::StartupType;
use serde::Deserialize;

/// What an interface is; rules may be for some kinds only.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Connection {
    /// A local area network.
    #[default]
    Lan,
    /// ISDN, PPP over a modem, a serial line.
    DialUp,
    /// A virtual private network.
    RemoteAccess,
}

/// The IPSec service of a node.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// When it starts; unless `automatic` it does not run at the beginning.
    #[serde(default)]
    pub startup: Startup,
    /// Whether it fails when it is started the next time.
    #[serde(default)]
    pub fails: bool,
}

/// When a service starts.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Startup {
    /// With the computer.
    #[default]
    Automatic,
    /// When somebody starts it.
    Manual,
    /// Never.
    Disabled,
}

impl From<Connection> for AdapterKind {
    fn from(kind: Connection) -> Self {
        match kind {
            Connection::Lan => AdapterKind::Lan,
            Connection::DialUp => AdapterKind::DialUp,
            Connection::RemoteAccess => AdapterKind::RemoteAccess,
        }
    }
}

impl From<Startup> for StartupType {
    fn from(startup: Startup) -> Self {
        match startup {
            Startup::Automatic => StartupType::Automatic,
            Startup::Manual => StartupType::Manual,
            Startup::Disabled => StartupType::Disabled,
        }
    }
}
