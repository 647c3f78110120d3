//! Rules: one filter list, one filter action, and how to reach and authenticate the peer.

use core::fmt;
use std::net::IpAddr;

use crate::{auth_method::AuthMethod, store::Guid};

/// The kind of interface a rule applies to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ConnectionType {
    /// Every interface.
    All,
    /// LAN interfaces, which excludes ISDN, PPP and serial ones.
    Lan,
    /// Remote access (dial-up) interfaces.
    Dialup,
}

/// Where a tunnel rule sends matching traffic. Both ends of a tunnel must have static addresses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TunnelEndpoint {
    /// The address.
    Address(IpAddr),
    /// A name, resolved when the policy is compiled.
    Name(String),
}

/// One rule of a policy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// The rule's id.
    pub id: Guid,
    /// Unique in its policy, whatever the case of its letters.
    pub name: String,
    /// Free text.
    pub description: String,
    /// The [`crate::FilterList`] by id.
    pub filter_list: Guid,
    /// The [`crate::FilterAction`] by id.
    pub filter_action: Guid,
    /// The tunnel endpoint nearest to the traffic's destination; `None` is transport mode.
    pub tunnel: Option<TunnelEndpoint>,
    /// Interfaces it applies to.
    pub connection: ConnectionType,
    /// Whether it takes part at all.
    pub active: bool,
    /// Authentication methods, the most preferred first.
    pub auth: Vec<AuthMethod>,
}

impl fmt::Display for ConnectionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "ALL",
            Self::Lan => "LAN",
            Self::Dialup => "DIALUP",
        })
    }
}

impl fmt::Display for TunnelEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}
