//! `topology.toml`: links, nodes, interfaces, routes, packet filters.

pub mod audit;
pub mod domain;
pub mod exchanges;
pub mod manual;
pub mod nat;
pub mod traversal;
pub mod windows;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ipsec_policy::compile::Validation;
use ipsec_policy::profile::{self, Profile};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use crate::error::{Doc, LoadError};
use crate::value::{Net, Span};

/// The network of a scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// One line for `ipseclab list`.
    pub title: String,
    /// The article it replays.
    pub article: String,
    /// Its links.
    #[serde(rename = "link")]
    pub links: Vec<Link>,
    /// Its nodes.
    #[serde(rename = "node")]
    pub nodes: Vec<Node>,
    /// What DNS and WINS answer for host names.
    #[serde(default)]
    pub hosts: BTreeMap<String, Vec<IpAddr>>,
    /// Windows domains.
    #[serde(default, rename = "domain")]
    pub domains: Vec<domain::Domain>,
}

/// One link: a broadcast segment.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Its name, also that of its capture.
    pub name: Spanned<String>,
    /// Time a packet takes.
    #[serde(default = "default_latency")]
    pub latency: Span,
    /// Largest additional, random time.
    #[serde(default)]
    pub jitter: Span,
    /// Largest IP datagram in octets.
    #[serde(default = "default_mtu")]
    pub mtu: u16,
    /// Whether strangers can read it: the invariant "no clear inner packet" counts here.
    #[serde(default)]
    pub unprotected: bool,
    /// Whether fragments of IP datagrams are lost on it, as at firewalls that look for ports.
    #[serde(default)]
    pub loses_fragments: bool,
    /// Of which ESP or AH packet, from 1, somebody on the way changes the last octet.
    pub alters: Option<u32>,
    /// Somebody on it who knows what `datagram 1` looks like rewrites two letters of the n-th UDP datagram, so that the checksum
    /// still fits.
    pub forges: Option<u32>,
    /// Which ESP or AH packet somebody on the way plays back.
    pub replays: Option<PlayedBack>,
}

/// A packet that passes, and comes again.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlayedBack {
    /// Which, from 1.
    pub packet: u32,
    /// How long after.
    pub after: Span,
}

fn default_latency() -> Span {
    Span(Duration::from_millis(1))
}

fn default_mtu() -> u16 {
    1500
}

/// One computer or router.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its name.
    pub name: Spanned<String>,
    /// What it is.
    pub kind: Kind,
    /// Whose habits it has; none: those of the RFCs.
    #[serde(default = "rfc", deserialize_with = "profile")]
    pub profile: &'static Profile,
    /// What the computer has beside what all of its release have: `dos-protection`, `idle-bug`.
    #[serde(default)]
    pub switches: Vec<Spanned<String>>,
    /// The registry's `NoDefaultExempt` in force at the start, of those that the release knows; without it, its default.
    pub no_default_exempt: Option<Spanned<u8>>,
    /// The netsh script with its policy; none: no IPsec policy is assigned.
    pub policy: Option<Spanned<String>>,
    /// Whether its policy may have what Microsoft does not support: `faithful` (it fails as it would there), or `strict`.
    #[serde(default, deserialize_with = "validation")]
    pub validation: Validation,
    /// The domain it is a member of, with the organizational unit it is in: `corp.example/Servers/Gateways`.
    pub member_of: Option<Spanned<String>>,
    /// Its site.
    pub site: Option<String>,
    /// Its IPSec service; without it, one that started with the computer.
    pub service: Option<windows::Service>,
    /// L2TP, for which Routing and Remote Access makes filters by itself.
    pub l2tp: Option<L2tp>,
    /// Its interfaces.
    pub interfaces: Vec<Interface>,
    /// Its static routes; those to its own links are implied.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// Routing and Remote Access filters.
    #[serde(default)]
    pub packet_filter: Vec<PacketFilter>,
    /// How it translates addresses, if it is a `nat`.
    pub nat: Option<nat::Nat>,
    /// The revisions of NAT traversal it announces; without it, those of its profile.
    pub nat_t: Option<Vec<traversal::Revision>>,
    /// Its keepalives; without it, those of its profile.
    pub nat_keepalive: Option<traversal::Keepalive>,
    /// Whether it accepts a responder behind a NAT; without it, as its profile does.
    pub assume_udp_encapsulation: Option<traversal::EncapsulationRule>,
    /// What it calls itself in phase 1, as in its certificate; without it, its address.
    pub identity: Option<String>,
    /// What its peers may call themselves in phase 1; without it, their addresses.
    #[serde(default)]
    pub peer_identities: Vec<String>,
    /// What it does with aggressive mode; without it, nothing, as Windows.
    #[serde(default)]
    pub aggressive_mode: Vec<exchanges::Aggressive>,
    /// Dead peer detection; without it, none, as Windows.
    pub dead_peer_detection: Option<exchanges::DeadPeer>,
    /// What it audits; without it, everything.
    pub audit: Option<audit::AuditSettings>,
    /// What its domain's policy audits; what it defines counts.
    pub domain_audit: Option<audit::AuditSettings>,
    /// SAs without IKE.
    #[serde(default)]
    pub manual: Vec<manual::Manual>,
}

/// L2TP calls.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L2tp {
    /// The preshared key of the calls.
    pub psk: String,
    /// The server it calls; none: it takes calls.
    pub server: Option<IpAddr>,
}

/// What a node is.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Runs applications; IPsec, if any, protects its own traffic.
    Host,
    /// Forwards, and protects what it forwards.
    Gateway,
    /// Forwards, without IPsec.
    Router,
    /// Forwards and translates addresses, as its `nat` table says.
    Nat,
}

fn rfc() -> &'static Profile {
    &profile::RFC
}

fn profile<'de, D: Deserializer<'de>>(input: D) -> Result<&'static Profile, D::Error> {
    let name = String::deserialize(input)?;
    Profile::find(&name).ok_or_else(|| {
        let known: Vec<&str> = profile::ALL.iter().map(|p| p.name).collect();
        D::Error::custom(format!("no profile `{name}`; there are {}", known.join(", ")))
    })
}

fn validation<'de, D: Deserializer<'de>>(input: D) -> Result<Validation, D::Error> {
    match String::deserialize(input)?.as_str() {
        "faithful" => Ok(Validation::Faithful),
        "strict" => Ok(Validation::Strict),
        other => Err(D::Error::custom(format!("validation is `faithful` or `strict`, not `{other}`"))),
    }
}

/// One interface.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// Its name.
    pub name: Spanned<String>,
    /// The link it is on.
    pub link: Spanned<String>,
    /// Its address, with the length of the on-link prefix.
    pub address: Spanned<Net>,
    /// Whether its adapter can process IPsec in hardware; only counters tell.
    #[serde(default)]
    pub offload: bool,
    /// Its side of the IPsec boundary; needed on gateways only.
    pub boundary: Option<Side>,
    /// What it is: `lan`, `dial-up` or `remote-access`.
    #[serde(default)]
    pub kind: windows::Connection,
    /// Its DNS servers.
    #[serde(default)]
    pub dns: Vec<IpAddr>,
    /// Its WINS servers.
    #[serde(default)]
    pub wins: Vec<IpAddr>,
    /// The DHCP server of its address, if it has it from one.
    pub dhcp: Option<IpAddr>,
    /// Its default gateways, for filters; without it, those of its routes to everywhere.
    pub gateway: Option<Vec<IpAddr>>,
}

/// Sides of a gateway's IPsec boundary (RFC 4301 section 3.1).
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Plaintext side.
    Protected,
    /// Ciphertext side.
    Unprotected,
}

/// A static route.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Destination network.
    pub to: Net,
    /// The next hop; none: on the link.
    pub via: Option<IpAddr>,
    /// The interface; none: the one whose network holds the next hop.
    pub interface: Option<Spanned<String>>,
    /// Of routes to the same network the one with the lowest counts; the default of Routing and Remote Access is 1.
    #[serde(default = "default_metric")]
    pub metric: u32,
}

fn default_metric() -> u32 {
    1
}

/// Filters of Routing and Remote Access for one interface: "Drop all packets except those that meet the criteria below", or
/// transmit and receive all except those.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PacketFilter {
    /// The interface it is on.
    pub interface: Spanned<String>,
    /// What may leave; none: everything.
    pub output: Option<Vec<Permit>>,
    /// What may come in; none: everything.
    pub input: Option<Vec<Permit>>,
    /// What may not leave, while everything else may.
    pub output_except: Option<Vec<Permit>>,
    /// What may not come in, while everything else may.
    pub input_except: Option<Vec<Permit>>,
}

/// One criterion of a packet filter.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permit {
    /// Source network.
    pub from: Net,
    /// Destination network.
    pub to: Net,
}

impl Topology {
    /// The node of this name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|n| n.name.get_ref() == name)
    }

    /// The link of this name.
    pub fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|l| l.name.get_ref() == name)
    }

    /// Checks names and references.
    pub(crate) fn validate(&self, doc: Doc<'_>) -> Result<(), LoadError> {
        for (i, link) in self.links.iter().enumerate() {
            safe_name(doc, &link.name, "link.name")?;
            if self.links.iter().take(i).any(|l| l.name.get_ref() == link.name.get_ref()) {
                return Err(doc.error(link.name.span(), "link.name", "a second link of this name"));
            }
        }
        for (i, node) in self.nodes.iter().enumerate() {
            safe_name(doc, &node.name, "node.name")?;
            if self.nodes.iter().take(i).any(|n| n.name.get_ref() == node.name.get_ref()) {
                return Err(doc.error(node.name.span(), "node.name", "a second node of this name"));
            }
            self.validate_node(doc, node)?;
        }
        self.validate_domains(doc)
    }

    fn validate_node(&self, doc: Doc<'_>, node: &Node) -> Result<(), LoadError> {
        let name = node.name.get_ref();
        if node.interfaces.is_empty() {
            return Err(doc.error(node.name.span(), "node.interfaces", format!("`{name}` has no interface")));
        }
        for interface in &node.interfaces {
            let link = &interface.link;
            if self.link(link.get_ref()).is_none() {
                let known: Vec<&str> = self.links.iter().map(|l| l.name.get_ref().as_str()).collect();
                let message = format!("no link `{}`; there are {}", link.get_ref(), known.join(", "));
                return Err(doc.error(link.span(), "interfaces.link", message));
            }
            if (node.kind == Kind::Gateway) != interface.boundary.is_some() {
                let message =
                    "a gateway's interface is `protected` or `unprotected`; hosts and routers say nothing";
                return Err(doc.error(interface.name.span(), "interfaces.boundary", message));
            }
        }
        let has = |wanted: &str| node.interfaces.iter().any(|i| i.name.get_ref() == wanted);
        let named = node.routes.iter().filter_map(|r| r.interface.as_ref().map(|i| ("routes.interface", i)));
        let filtered = node.packet_filter.iter().map(|f| ("packet_filter.interface", &f.interface));
        for (key, interface) in named.chain(filtered) {
            if !has(interface.get_ref()) {
                let message = format!("`{name}` has no interface `{}`", interface.get_ref());
                return Err(doc.error(interface.span(), key, message));
            }
        }
        for filter in &node.packet_filter {
            let both = |a: &Option<_>, b: &Option<_>| a.is_some() && b.is_some();
            if both(&filter.output, &filter.output_except) || both(&filter.input, &filter.input_except) {
                let message = "a filter drops all packets except some, or passes all except some; not both";
                return Err(doc.error(filter.interface.span(), "packet_filter", message));
            }
        }
        for route in &node.routes {
            if route.interface.is_none() && node.interface_towards(route).is_none() {
                let message = format!("no interface of `{name}` is on the link of {:?}", route.via);
                return Err(doc.error(node.name.span(), "routes.via", message));
            }
        }
        if matches!(node.kind, Kind::Router | Kind::Nat) && node.policy.is_some() {
            return Err(doc.error(
                node.name.span(),
                "node.policy",
                "a router has no IPsec policy; use a gateway",
            ));
        }
        if let Some(level) = &node.no_default_exempt
            && node.profile.exempt_level(*level.get_ref()).is_none()
        {
            let message = format!("{} knows no exemptions of this number", node.profile.name);
            return Err(doc.error(level.span(), "node.no_default_exempt", message));
        }
        let windows = node.profile.name != profile::RFC.name;
        if windows && !(node.aggressive_mode.is_empty() && node.dead_peer_detection.is_none()) {
            let message = format!(
                "{} has neither aggressive mode (KB 257225) nor dead peer detection",
                node.profile.name
            );
            return Err(doc.error(node.name.span(), "node.profile", message));
        }
        match (node.kind, &node.nat) {
            (Kind::Nat, Some(nat)) => nat.validate(doc, node),
            (Kind::Nat, None) => {
                let message = format!("`{name}` is a nat: a table [node.nat] says how it translates");
                Err(doc.error(node.name.span(), "node.nat", message))
            }
            (_, Some(nat)) => {
                let message = format!("`{name}` does not translate: its kind is not `nat`");
                Err(doc.error(nat.outside.span(), "node.nat", message))
            }
            (_, None) => Ok(()),
        }
    }
}

impl Node {
    /// Whether it has an IPsec layer: a gateway, and every computer with a policy of its own; others are too simple to have one.
    pub(crate) fn has_ipsec(&self) -> bool {
        self.kind == Kind::Gateway || self.policy.is_some() || self.l2tp.is_some()
    }

    /// Index of the interface a route leaves through.
    pub fn interface_towards(&self, route: &Route) -> Option<usize> {
        if let Some(name) = &route.interface {
            return self.interfaces.iter().position(|i| i.name.get_ref() == name.get_ref());
        }
        let via = route.via?;
        self.interfaces.iter().position(|i| i.address.get_ref().0.contains(via))
    }
}

/// Names become file names of captures.
fn safe_name(doc: Doc<'_>, name: &Spanned<String>, key: &str) -> Result<(), LoadError> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.get_ref().is_empty() || !name.get_ref().chars().all(good) {
        return Err(doc.error(name.span(), key, "names are made of letters, digits, `-` and `_`"));
    }
    Ok(())
}
