//! Filters and filter lists: which packets a rule is about.

use core::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::store::Guid;

/// One side of a filter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Address {
    /// `me`: every address of this computer, resolved when the policy is compiled.
    Me,
    /// `any`: every address.
    Any,
    /// A specific address (host prefix) or a specific subnet. Host bits are kept as typed and ignored when matching.
    Subnet(IpNet),
    /// First and last address. Windows Server 2003's store has no such form; Windows 7's netsh does.
    Range(IpAddr, IpAddr),
    /// A name, with the addresses it had when the filter was made (none when it could not be asked).
    Name(String, Vec<IpAddr>),
    /// The servers of one kind this computer is configured with: they follow the configuration (2003 only).
    Server(Server),
}

/// Server types that netsh accepts in place of an address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Server {
    /// DNS servers.
    Dns,
    /// WINS servers.
    Wins,
    /// The DHCP server.
    Dhcp,
    /// The default gateway.
    Gateway,
}

/// A set of ports: all of them or one. (Ranges came with Vista.)
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Port {
    /// Any port, netsh's 0.
    Any,
    /// Exactly this port.
    One(u16),
}

/// One packet filter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Filter {
    /// The filter's own id.
    pub id: Guid,
    /// Free text, also the name the monitor shows.
    pub description: String,
    /// Source side.
    pub source: Address,
    /// Destination side.
    pub destination: Address,
    /// The IP protocol, or any.
    pub protocol: Option<u8>,
    /// Source port; only with TCP or UDP.
    pub source_port: Port,
    /// Destination port; only with TCP or UDP.
    pub destination_port: Port,
    /// Also match packets with source and destination exchanged.
    pub mirrored: bool,
}

/// A named set of filters that rules refer to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilterList {
    /// The list's id.
    pub id: Guid,
    /// Unique in the store, whatever the case of its letters.
    pub name: String,
    /// Free text.
    pub description: String,
    /// In order of creation, which never decides what matches first (see [`crate::weight`]).
    pub filters: Vec<Filter>,
}

impl Address {
    /// A single address.
    #[must_use]
    pub fn host(address: IpAddr) -> Self {
        Self::Subnet(IpNet::from(address))
    }
}

impl Server {
    /// The keyword netsh uses.
    #[must_use]
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::Dns => "DNS",
            Self::Wins => "WINS",
            Self::Dhcp => "DHCP",
            Self::Gateway => "GATEWAY",
        }
    }
}

impl Port {
    /// netsh's number, 0 for any.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::Any => 0,
            Self::One(n) => n,
        }
    }
}

impl From<u16> for Port {
    fn from(n: u16) -> Self {
        if n == 0 { Self::Any } else { Self::One(n) }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("ANY"),
            Self::One(n) => write!(f, "{n}"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Me => f.write_str("me"),
            Self::Any => f.write_str("any"),
            Self::Subnet(net) if net.prefix_len() == net.max_prefix_len() => write!(f, "{}", net.addr()),
            Self::Subnet(net) => write!(f, "{}", net.trunc()),
            Self::Range(first, last) => write!(f, "{first}-{last}"),
            Self::Name(name, _) => f.write_str(name),
            Self::Server(server) => f.write_str(server.keyword()),
        }
    }
}

/// The name of an IP protocol as netsh prints it.
#[must_use]
pub fn protocol_name(protocol: Option<u8>) -> String {
    match protocol {
        None => "ANY".to_owned(),
        Some(1) => "ICMP".to_owned(),
        Some(6) => "TCP".to_owned(),
        Some(17) => "UDP".to_owned(),
        Some(255) => "RAW".to_owned(),
        Some(n) => n.to_string(),
    }
}
