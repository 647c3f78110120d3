//! What a computer knows of its network: addresses, DNS, WINS and DHCP servers, default gateway.
//!
//! Filters may name the servers by kind instead of by address; such filters follow these settings without an
//! edit of the policy (Windows Server 2003). Host names are different: they are looked up when a filter is
//! made, and never again.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipsec_core::interface::ConnectionKind;
use ipsec_core::selector::Prefix;
use ipsec_policy::Profile;
use ipsec_policy::compile::{LocalAddresses, LocalInterface};
use ipsec_policy::exempt::ExemptLevel;
use ipsec_policy::filter::Server;

/// The network of one computer.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct NetworkSettings {
    /// Its adapters, in the order in which `ipconfig` lists them.
    pub adapters: Vec<Adapter>,
    /// What DNS or WINS answer for a host name, in lower case.
    pub hosts: BTreeMap<String, Vec<IpAddr>>,
}

/// One network connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Adapter {
    /// Its name, `Local Area Connection`.
    pub name: String,
    /// What it is.
    pub kind: AdapterKind,
    /// Its addresses, each with the length of the on-link prefix.
    pub addresses: Vec<Prefix>,
    /// Default gateways.
    pub gateways: Vec<IpAddr>,
    /// DNS servers, in the order in which they are asked.
    pub dns: Vec<IpAddr>,
    /// WINS servers, likewise.
    pub wins: Vec<IpAddr>,
    /// The DHCP server that leased the address; none: it was typed in.
    pub dhcp: Option<IpAddr>,
}

/// Kinds of network connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub enum AdapterKind {
    /// A local area network.
    #[default]
    Lan,
    /// ISDN, PPP over a modem, a serial line.
    DialUp,
    /// A virtual private network.
    RemoteAccess,
}

impl AdapterKind {
    /// Which rules count here: those for the local area network, or those for remote access. "All LAN"
    /// excludes ISDN, PPP and serial lines (rules know only these two types).
    #[must_use]
    pub fn connection(self) -> ConnectionKind {
        match self {
            AdapterKind::Lan => ConnectionKind::Lan,
            AdapterKind::DialUp | AdapterKind::RemoteAccess => ConnectionKind::RemoteAccess,
        }
    }
}

impl Adapter {
    /// A LAN adapter with these addresses and nothing else.
    #[must_use]
    pub fn lan(name: &str, addresses: &[Prefix]) -> Self {
        Adapter {
            name: name.to_owned(),
            kind: AdapterKind::Lan,
            addresses: addresses.to_vec(),
            gateways: Vec::new(),
            dns: Vec::new(),
            wins: Vec::new(),
            dhcp: None,
        }
    }
}

impl NetworkSettings {
    /// The servers of one kind, of all adapters, each once.
    #[must_use]
    pub fn servers(&self, server: Server) -> Vec<IpAddr> {
        let of_adapter = |adapter: &'_ Adapter| match server {
            Server::Dns => adapter.dns.clone(),
            Server::Wins => adapter.wins.clone(),
            Server::Dhcp => adapter.dhcp.into_iter().collect(),
            Server::Gateway => adapter.gateways.clone(),
        };
        let mut all: Vec<IpAddr> = Vec::new();
        for address in self.adapters.iter().flat_map(of_adapter) {
            if !all.contains(&address) {
                all.push(address);
            }
        }
        all
    }

    /// What the policy compiler wants to know.
    #[must_use]
    pub fn local_addresses(&self, release: &'static Profile, exempt: ExemptLevel) -> LocalAddresses {
        let interface = |a: &Adapter| LocalInterface {
            kind: a.kind.connection(),
            addresses: a.addresses.clone(),
            leased: a.dhcp.is_some(),
        };
        let kinds = [Server::Dns, Server::Wins, Server::Dhcp, Server::Gateway];
        let servers = kinds.map(|kind| (kind, self.servers(kind))).into_iter();
        LocalAddresses {
            interfaces: self.adapters.iter().map(interface).collect(),
            servers: servers.filter(|(_, addresses)| !addresses.is_empty()).collect(),
            names: self.hosts.clone(),
            exempt,
            inbound_groups: false,
            release: Some(release),
            ..LocalAddresses::default()
        }
    }
}
