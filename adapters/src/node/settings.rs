//! What a node is told about this computer.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::capture::RingSize;
use crate::mark::Mark;
use crate::record::Recording;

/// What a node opens on this computer. The default is a node that only speaks IKE, and needs no privileges beyond its ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Addresses that the UDP sockets are bound to; empty: all there are.
    pub bind: Vec<IpAddr>,
    /// UDP ports.
    pub ports: Ports,
    /// The mark of what the node sends; needed when there is a TUN device.
    pub mark: Option<Mark>,
    /// Open raw sockets, for ESP and AH without UDP.
    pub native: bool,
    /// The TUN device, to which routes of all that is to be protected lead.
    pub tun: Option<TunSettings>,
    /// Install the [kernel guard](crate::guard).
    pub guard: bool,
    /// Where the control socket listens.
    pub control: Option<PathBuf>,
    /// Write every packet to a ring of files.
    pub capture: Option<(PathBuf, RingSize)>,
    /// Write keys for Wireshark to this folder. Whoever reads them reads all traffic.
    pub keys: Option<PathBuf>,
    /// Record the run.
    pub record: Option<Recording>,
    /// Obey SIGHUP, SIGTERM and SIGINT.
    pub signals: bool,
    /// Give up privileges when everything is open.
    pub drop_privileges: bool,
}

/// The UDP ports of IKE and of ESP in UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// 500, but in tests without privileges.
    pub ike: u16,
    /// 4500, but in tests without privileges.
    pub nat_traversal: u16,
}

impl Default for Ports {
    fn default() -> Self {
        Ports { ike: ipsec_core::ike::PORT, nat_traversal: ipsec_core::natt::PORT }
    }
}

/// A TUN device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunSettings {
    /// Its name.
    pub name: String,
    /// Its MTU in octets; without one, what is left of the link's when the most expensive suite is used.
    pub mtu: Option<u16>,
}

/// Octets that sealing may add: outer IPv6 header 40, UDP 8, AH 28, ESP 8 + IV 16 + padding 15 + trailer 2 + ICV 16.
const OVERHEAD: u16 = 40 + 8 + 28 + 8 + 16 + 15 + 2 + 16;

impl TunSettings {
    /// The MTU on a link of this one. IPv6 needs 1,280.
    pub(crate) fn mtu(&self, link_mtu: u16) -> u16 {
        self.mtu.unwrap_or_else(|| link_mtu.saturating_sub(OVERHEAD).max(1_280))
    }
}
