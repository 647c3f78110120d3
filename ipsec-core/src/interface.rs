//! Interfaces and their place on the IPsec boundary (RFC 4301 section 3.1).

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::selector::Prefix;

/// Number of an interface on its node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceId(pub u16);

/// What kind of connection an interface is; Windows rules may apply to one kind only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConnectionKind {
    /// A local area network.
    #[default]
    Lan,
    /// A remote-access (dial-up, VPN) connection.
    RemoteAccess,
}

/// On which side of the IPsec boundary an interface lies (RFC 4301 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Boundary {
    /// Plaintext side of a security gateway: packets arriving here are not checked; they meet the outbound door when
    /// they are forwarded.
    Protected,
    /// Ciphertext side of a security gateway: leaving here passes the outbound door, arriving here the inbound door.
    Unprotected,
    /// The interface of a host: both doors, for its own traffic.
    Host,
}

/// Who fragments what leaves through an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Egress {
    /// The core fragments to this MTU, in octets of IP datagram.
    Fragment {
        /// Largest IP datagram the link takes, in octets.
        mtu: u16,
    },
    /// Packets leave whole, whatever their size: whoever owns the socket fragments.
    Whole,
}

/// One interface of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its number, by which routes and inputs name it.
    pub id: InterfaceId,
    /// Its name in traces and messages.
    pub name: String,
    /// LAN or remote access.
    pub kind: ConnectionKind,
    /// Its side of the IPsec boundary.
    pub boundary: Boundary,
    /// Own addresses with the length of their on-link prefix.
    pub addresses: Vec<Prefix>,
    /// Who fragments.
    pub egress: Egress,
}

impl Interface {
    /// Whether `address` is one of this interface's own addresses.
    pub fn owns(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|p| p.address == address)
    }
}
