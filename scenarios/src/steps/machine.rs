//! Steps of people at a Windows computer: services, boots, network settings, the registry.

use std::net::IpAddr;

use serde::Deserialize;
use toml::Spanned;

use super::{Names, NetshLine};
use crate::error::LoadError;
use crate::topology::Kind;
use crate::value::{Net, Span};

/// A line for `netsh`, or several; or for a tool before it: `ipsecpol`, `ipseccmd`, `netdiag /test:ipsec`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Typed {
    /// The node whose administrator types it.
    pub node: Spanned<String>,
    /// What is typed, with `netsh` before it as at a command prompt, or without.
    pub line: String,
    /// Part of the answer when the computer refuses it, as a release does that lacks the tool. Without this a refused line
    /// is a mistake in the scenario.
    pub refused: Option<String>,
}

/// Something is done to the IPSec service of a computer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The computer.
    pub node: Spanned<String>,
    /// What.
    pub action: ServiceAction,
}

/// What is done to a service.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ServiceAction {
    /// `net start policyagent`.
    Start,
    /// `net stop policyagent`.
    Stop,
    /// Its startup type becomes automatic.
    Automatic,
    /// Its startup type becomes manual.
    Manual,
    /// Its startup type becomes disabled.
    Disabled,
    /// Something happens to it, so that it cannot start any more.
    Fails,
}

/// A computer starts again, and takes its time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boot {
    /// The computer.
    pub node: Spanned<String>,
    /// From the driver until the service starts and applies persistent policy.
    pub service: Span,
    /// From there until it has read the local store.
    #[serde(default)]
    pub policy: Span,
}

/// The address or servers of an interface become others, as by DHCP or in its properties; what is not named stays.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reconfigure {
    /// The computer.
    pub node: Spanned<String>,
    /// Its interface.
    pub interface: Spanned<String>,
    /// The address, with the length of the on-link prefix: another lease. Applications go on, connections from the old
    /// address do not.
    pub address: Option<Net>,
    /// DNS servers.
    pub dns: Option<Vec<IpAddr>>,
    /// WINS servers.
    pub wins: Option<Vec<IpAddr>>,
    /// The DHCP server.
    pub dhcp: Option<IpAddr>,
    /// Default gateways, for filters; routes stay.
    pub gateway: Option<Vec<IpAddr>>,
}

impl Names<'_> {
    pub(super) fn service(&self, step: &Service) -> Result<(), LoadError> {
        self.computer(&step.node, "do.service.node")
    }

    pub(super) fn boot(&self, step: &Boot) -> Result<(), LoadError> {
        self.computer(&step.node, "do.boot.node")
    }

    pub(super) fn registry(&self, step: &NetshLine) -> Result<(), LoadError> {
        self.computer(&step.node, "do.registry.node")
    }

    pub(super) fn reconfigure(&self, step: &Reconfigure) -> Result<(), LoadError> {
        self.computer(&step.node, "do.reconfigure.node")?;
        let node = self.topology.node(step.node.get_ref());
        let interfaces = node.iter().flat_map(|n| &n.interfaces).map(|i| i.name.get_ref());
        let interfaces: Vec<&String> = interfaces.collect();
        self.known(&step.interface, "do.reconfigure.interface", "interface", interfaces.into_iter())
    }

    /// A node with an IPsec layer, and so with the service.
    pub(super) fn computer(&self, name: &Spanned<String>, key: &str) -> Result<(), LoadError> {
        self.node(name, key)?;
        match self.topology.node(name.get_ref()) {
            Some(node) if node.kind == Kind::Gateway || node.policy.is_some() => Ok(()),
            _ => {
                let message =
                    format!("`{}` has no IPsec: give it a `policy`, which may be empty", name.get_ref());
                Err(self.doc.error(name.span(), key, message))
            }
        }
    }
}
