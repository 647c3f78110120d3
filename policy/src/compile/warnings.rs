//! What Windows lets one configure and Microsoft advises against, because it does not do what it seems to do.

use core::fmt;
use core::net::IpAddr;

use super::expand::active_rules;
use super::{CompileError, LocalAddresses, main_mode};
use crate::filter::{Filter, Port};
use crate::filter_action::Action;
use crate::policy::Policy;
use crate::rule::{ConnectionType, TunnelEndpoint};
use crate::security_method::MainModeMethod;
use crate::store::Store;

/// A rule that compiles but is likely a mistake.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Warning {
    /// KB 816514: "click to clear the Mirrored check box"; the mirrored half names the wrong endpoint.
    MirroredTunnel {
        /// The rule.
        rule: String,
    },
    /// KB 816514: tunnels for protocols or ports are not supported; fragments carry no ports.
    PortsInTunnel {
        /// The rule.
        rule: String,
    },
    /// KB 816514: both tunnel endpoints have static addresses; what a name stands for can change.
    EndpointByName {
        /// The rule.
        rule: String,
        /// The name.
        name: String,
    },
    /// KB 816514: both tunnel endpoints have static addresses; our own end is one that a DHCP server leased.
    LeasedEndpoint {
        /// The rule.
        rule: String,
        /// The address.
        endpoint: IpAddr,
    },
    /// KB 816514: "IPSec tunneling is not supported for client remote access VPN use"; L2TP is for that.
    RemoteAccessTunnel {
        /// The rule.
        rule: String,
    },
    /// KB 816514: only PFS is a valid setting for a tunnel.
    ClearInTunnel {
        /// The rule.
        rule: String,
    },
    /// KB 816514: "there are two tunnel endpoints, there are two rules": nothing carries the traffic back.
    HalfATunnel {
        /// The rule.
        rule: String,
        /// Whether the rule is the outbound half.
        outbound: bool,
    },
    /// KB 301284: "without mirrored filters, IPSec communications is usually unsuccessful".
    NotMirrored {
        /// The rule.
        rule: String,
    },
    /// The filter list has no filters.
    EmptyFilterList {
        /// The rule.
        rule: String,
    },
    /// MS-IKEE appendix A <5>: the release does not know a main-mode method of the policy, and leaves it out.
    UnknownMainModeMethod {
        /// The method.
        method: MainModeMethod,
        /// The release.
        release: &'static str,
    },
    /// KB 816514: "the same method must be used in both rules".
    AuthConflict(main_mode::AuthConflict),
}

/// The warnings about a policy's active rules, in order of creation.
pub fn warnings(
    store: &Store,
    policy: &Policy,
    local: &LocalAddresses,
) -> Result<Vec<Warning>, CompileError> {
    let rules = active_rules(store, policy, local)?;
    let known = local.all().next().is_some();
    let mut found = Vec::new();
    for active in &rules {
        let rule = || active.rule.name.clone();
        let any = |test: fn(&Filter) -> bool| active.filters.iter().any(test);
        let negotiates = active.action.action == Action::Negotiate;
        if active.filters.is_empty() {
            found.push(Warning::EmptyFilterList { rule: rule() });
        }
        let Some((endpoint, ours)) = active.tunnel else {
            if negotiates && any(|f| !f.mirrored) {
                found.push(Warning::NotMirrored { rule: rule() });
            }
            continue;
        };
        if let Some(TunnelEndpoint::Name(name)) = &active.rule.tunnel {
            found.push(Warning::EndpointByName { rule: rule(), name: name.clone() });
        }
        if local.leases(endpoint) {
            found.push(Warning::LeasedEndpoint { rule: rule(), endpoint });
        }
        if active.rule.connection == ConnectionType::Dialup {
            found.push(Warning::RemoteAccessTunnel { rule: rule() });
        }
        if any(|f| f.mirrored) {
            found.push(Warning::MirroredTunnel { rule: rule() });
        }
        if any(|f| f.protocol.is_some() || f.source_port != Port::Any || f.destination_port != Port::Any) {
            found.push(Warning::PortsInTunnel { rule: rule() });
        }
        if negotiates && (active.action.inpass || active.action.soft) {
            found.push(Warning::ClearInTunnel { rule: rule() });
        }
        let back = |f: &Filter, g: &Filter| g.source == f.destination && g.destination == f.source;
        let others = || rules.iter().filter(|r| r.tunnel.is_some_and(|(_, o)| !known || o != ours));
        let lonely = |f: &Filter| !others().any(|r| r.filters.iter().any(|g| back(f, g)));
        if active.filters.iter().any(lonely) {
            found.push(Warning::HalfATunnel { rule: rule(), outbound: !ours });
        }
    }
    if let Some(release) = local.release {
        let unknown = policy.main_mode.methods.iter().filter(|method| !release.knows(method));
        found.extend(
            unknown.map(|method| Warning::UnknownMainModeMethod { method: *method, release: release.name }),
        );
    }
    found.extend(main_mode::conflicts(store, policy, local)?.into_iter().map(Warning::AuthConflict));
    Ok(found)
}

impl Warning {
    /// Whether KB 816514 says that Windows does not support it, rather than that it is a likely mistake.
    /// [`Validation::Strict`](super::Validation::Strict) refuses these.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        match self {
            Self::MirroredTunnel { .. }
            | Self::PortsInTunnel { .. }
            | Self::EndpointByName { .. }
            | Self::LeasedEndpoint { .. }
            | Self::RemoteAccessTunnel { .. }
            | Self::ClearInTunnel { .. }
            | Self::AuthConflict(_) => true,
            Self::HalfATunnel { .. }
            | Self::NotMirrored { .. }
            | Self::EmptyFilterList { .. }
            | Self::UnknownMainModeMethod { .. } => false,
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MirroredTunnel { rule } => {
                write!(
                    f,
                    "rule '{rule}' has a tunnel and mirrored filters: the mirrored half names the wrong endpoint"
                )
            }
            Self::PortsInTunnel { rule } => {
                write!(f, "rule '{rule}' has a tunnel for a protocol or port: later fragments will not match")
            }
            Self::EndpointByName { rule, name } => {
                write!(
                    f,
                    "rule '{rule}' names its tunnel endpoint '{name}': both ends of a tunnel have static addresses"
                )
            }
            Self::LeasedEndpoint { rule, endpoint } => {
                write!(
                    f,
                    "rule '{rule}' has the tunnel endpoint {endpoint}, which a DHCP server leased: both ends of a \
                     tunnel have static addresses"
                )
            }
            Self::RemoteAccessTunnel { rule } => {
                write!(
                    f,
                    "rule '{rule}' has a tunnel for remote access connections: tunnels are no client VPN, L2TP is"
                )
            }
            Self::ClearInTunnel { rule } => {
                write!(
                    f,
                    "rule '{rule}' has a tunnel and lets clear traffic in or out: only PFS is valid for tunnels"
                )
            }
            Self::HalfATunnel { rule, .. } => {
                write!(f, "no tunnel rule carries the traffic of rule '{rule}' back")
            }
            Self::NotMirrored { rule } => {
                write!(f, "rule '{rule}' negotiates for filters that are not mirrored: answers do not match")
            }
            Self::UnknownMainModeMethod { method, release } => {
                write!(f, "{release} does not know the main-mode method {method}, and leaves it out")
            }
            Self::EmptyFilterList { rule } => write!(f, "the filter list of rule '{rule}' has no filters"),
            Self::AuthConflict(main_mode::AuthConflict { used, ignored }) => write!(
                f,
                "rules '{used}' and '{ignored}' authenticate the same addresses differently; the first counts"
            ),
        }
    }
}
