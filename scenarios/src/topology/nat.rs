//! `kind = "nat"`: a network address translator, in the terms of RFC 4787.

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use ipsec_core::interface::InterfaceId;
use ipsec_sim::nat::{self, IpsecSupport, NatConfig, StaticAddress, StaticPort};
use serde::Deserialize;
use toml::Spanned;

use super::{Interface, Node};
use crate::error::{Doc, LoadError};
use crate::value::Span;

/// How a node of kind `nat` translates.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nat {
    /// The interface to the outside; its address is the external one.
    pub outside: Spanned<String>,
    /// More external addresses of its own, for `{ move_address = "..." }`.
    #[serde(default)]
    pub addresses: Vec<Ipv4Addr>,
    /// Whom an external port is for.
    #[serde(default)]
    pub mapping: Behaviour,
    /// Whose packets may come in.
    #[serde(default)]
    pub filtering: Behaviour,
    /// Whether the inside port is kept when it is free.
    #[serde(default)]
    pub port_preservation: bool,
    /// Whether inside hosts reach each other by external ends.
    #[serde(default = "yes")]
    pub hairpinning: bool,
    /// Whether packets that come in keep a mapping alive.
    #[serde(default)]
    pub inbound_refresh: bool,
    /// How long a UDP mapping lives without a packet that goes out.
    #[serde(default = "two_minutes")]
    pub udp_timeout: Span,
    /// What becomes of protocols 50 and 51.
    #[serde(default)]
    pub ipsec: PassThrough,
    /// External ports that always lead to an inside end.
    #[serde(default)]
    pub ports: Vec<Port>,
    /// External addresses that always lead to an inside address.
    #[serde(default)]
    pub hosts: Vec<Host>,
}

fn yes() -> bool {
    true
}

fn two_minutes() -> Span {
    Span(Duration::from_secs(120))
}

/// Mapping or filtering behaviour (RFC 4787 sections 4.1 and 5).
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Behaviour {
    /// The same for everybody outside.
    #[default]
    EndpointIndependent,
    /// One for each outside address.
    AddressDependent,
    /// One for each outside address and port.
    AddressAndPortDependent,
}

impl From<Behaviour> for nat::Behaviour {
    fn from(behaviour: Behaviour) -> Self {
        match behaviour {
            Behaviour::EndpointIndependent => nat::Behaviour::EndpointIndependent,
            Behaviour::AddressDependent => nat::Behaviour::AddressDependent,
            Behaviour::AddressAndPortDependent => nat::Behaviour::AddressAndPortDependent,
        }
    }
}

/// What becomes of protocols 50 and 51.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum PassThrough {
    /// They are dropped.
    #[default]
    None,
    /// They pass, for one inside host with each peer; IKE stays at port 500.
    PassThrough,
}

/// Protocols with ports.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// 17.
    Udp,
    /// 6.
    Tcp,
}

impl Transport {
    fn number(self) -> u8 {
        match self {
            Transport::Udp => 17,
            Transport::Tcp => 6,
        }
    }
}

/// A static port map.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// `udp` or `tcp`.
    pub protocol: Transport,
    /// The external port.
    pub port: Spanned<u16>,
    /// The inside end, as in `10.0.2.10:4500`.
    pub to: Spanned<SocketAddrV4>,
}

/// A static address map.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// The external address.
    pub outside: Spanned<Ipv4Addr>,
    /// The inside address.
    pub inside: Spanned<Ipv4Addr>,
}

impl Nat {
    /// Checks what the table says about `node`.
    pub(super) fn validate(&self, doc: Doc<'_>, node: &Node) -> Result<(), LoadError> {
        let (inside, outside): (Vec<&Interface>, Vec<&Interface>) =
            node.interfaces.iter().partition(|i| i.name.get_ref() != self.outside.get_ref());
        let Some(outside) = outside.first() else {
            let names: Vec<&str> = inside.iter().map(|i| i.name.get_ref().as_str()).collect();
            let message =
                format!("no interface `{}`; there are {}", self.outside.get_ref(), names.join(", "));
            return Err(doc.error(self.outside.span(), "nat.outside", message));
        };
        if inside.is_empty() {
            return Err(doc.error(
                self.outside.span(),
                "nat.outside",
                "a translator has an inside interface too",
            ));
        }
        if !outside.address.get_ref().0.address.is_ipv4() {
            return Err(doc.error(outside.address.span(), "interfaces.address", "only IPv4 is translated"));
        }
        let is_inside =
            |a: Ipv4Addr| inside.iter().any(|i| i.address.get_ref().0.contains(std::net::IpAddr::V4(a)));
        for (i, map) in self.ports.iter().enumerate() {
            if !is_inside(*map.to.get_ref().ip()) {
                let message = format!("{} is on no inside network", map.to.get_ref().ip());
                return Err(doc.error(map.to.span(), "ports.to", message));
            }
            let same = |p: &Port| (p.protocol, *p.port.get_ref()) == (map.protocol, *map.port.get_ref());
            if self.ports.iter().take(i).any(same) {
                return Err(doc.error(map.port.span(), "ports.port", "a second map of this port"));
            }
        }
        for map in &self.hosts {
            if !is_inside(*map.inside.get_ref()) {
                let message = format!("{} is on no inside network", map.inside.get_ref());
                return Err(doc.error(map.inside.span(), "hosts.inside", message));
            }
            if outside.address.get_ref().0.address == *map.outside.get_ref() {
                let message = "this address is shared by ports; a whole address needs one of its own";
                return Err(doc.error(map.outside.span(), "hosts.outside", message));
            }
        }
        Ok(())
    }

    /// Its external addresses beside that of its outside interface.
    pub(crate) fn external(&self) -> impl Iterator<Item = IpAddr> {
        let hosts = self.hosts.iter().map(|h| *h.outside.get_ref());
        self.addresses.iter().copied().chain(hosts).map(IpAddr::V4)
    }

    /// The same for the simulator.
    pub(crate) fn config(&self, node: &Node) -> NatConfig {
        let named = |i: &Interface| i.name.get_ref() == self.outside.get_ref();
        let index = node.interfaces.iter().position(named).unwrap_or(0);
        let own = node.interfaces.get(index).map(|i| i.address.get_ref().0.address);
        let own = match own {
            Some(std::net::IpAddr::V4(own)) => Some(own),
            _ => None,
        };
        let addresses = own.into_iter().chain(self.addresses.iter().copied()).collect();
        let mut config = NatConfig::new(InterfaceId(index as u16), addresses);
        config.mapping = self.mapping.into();
        config.filtering = self.filtering.into();
        config.port_preservation = self.port_preservation;
        config.hairpinning = self.hairpinning;
        config.inbound_refresh = self.inbound_refresh;
        config.udp_timeout = self.udp_timeout.0;
        config.ipsec = match self.ipsec {
            PassThrough::None => IpsecSupport::None,
            PassThrough::PassThrough => IpsecSupport::PassThrough,
        };
        let port = |p: &Port| StaticPort {
            protocol: p.protocol.number(),
            port: *p.port.get_ref(),
            inside: *p.to.get_ref(),
        };
        config.ports = self.ports.iter().map(port).collect();
        let host = |h: &Host| StaticAddress { outside: *h.outside.get_ref(), inside: *h.inside.get_ref() };
        config.hosts = self.hosts.iter().map(host).collect();
        config
    }
}
