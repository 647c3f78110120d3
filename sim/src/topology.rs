//! What a network is made of: plain configuration values, and the builder that joins them.

use std::net::IpAddr;

use ipsec_core::Instant;
use ipsec_core::config::{
    Config, DfPolicy, IkeConfig, LaterFragments, Limits, PolicyDatabases, SaChecks, TunnelEgress, WorkMode,
};
use ipsec_core::interface::{Boundary, ConnectionKind, Egress, Interface, InterfaceId};
use ipsec_core::route::Route;
use ipsec_core::selector::Prefix;
use sha2::{Digest as _, Sha256};

use crate::adversary::{Injection, Rule};
use crate::app::Action;
use crate::link::{Link, LinkConfig};
use crate::nat::NatConfig;
use crate::network::Network;
use crate::node::{Boot, Node, addressing};
use crate::packet_filter::PacketFilter;
use crate::work::Workshop;
use crate::world::World;

/// Number of a node in its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeId(pub u16);

impl NodeId {
    /// Whoever injects packets: no node of the network.
    pub const ADVERSARY: NodeId = NodeId(u16::MAX);
}

/// Number of a link in its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkId(pub u16);

/// Number of a scheduled action, and of the application it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AppId(pub u32);

/// One interface of a node.
#[derive(Clone, Debug)]
pub struct InterfaceConfig {
    /// Its name in traces.
    pub name: String,
    /// The link it is attached to.
    pub link: LinkId,
    /// LAN or remote access.
    pub kind: ConnectionKind,
    /// Its side of the IPsec boundary; without meaning on a node without IPsec.
    pub boundary: Boundary,
    /// Its addresses, each with the length of the on-link prefix. On-link routes follow from them.
    pub addresses: Vec<Prefix>,
    /// Whether its adapter can process IPsec in hardware; only counters tell.
    pub offload: bool,
    /// RRAS input filters.
    pub input: PacketFilter,
    /// RRAS output filters.
    pub output: PacketFilter,
}

impl InterfaceConfig {
    /// An interface with one address, written `10.1.0.1/24`, on a host's boundary and without filters.
    ///
    /// # Panics
    /// When `address` is not an address with a prefix length: topologies are written by the programmer.
    pub fn new(name: &str, link: LinkId, address: &str) -> Self {
        InterfaceConfig {
            name: name.into(),
            link,
            kind: ConnectionKind::Lan,
            boundary: Boundary::Host,
            addresses: vec![parse_prefix(address).expect("an address such as 10.1.0.1/24")],
            offload: false,
            input: PacketFilter::default(),
            output: PacketFilter::default(),
        }
    }

    /// The same on this side of the boundary.
    pub fn boundary(self, boundary: Boundary) -> Self {
        InterfaceConfig { boundary, ..self }
    }

    /// The same with these RRAS filters.
    pub fn filters(self, input: PacketFilter, output: PacketFilter) -> Self {
        InterfaceConfig { input, output, ..self }
    }
}

/// Reads `10.1.0.0/16`; a lone address is a whole-width prefix.
pub fn parse_prefix(text: &str) -> Option<Prefix> {
    let (address, len) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
    let address: IpAddr = address.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let len = len.map_or(Some(width), |l| l.parse().ok())?;
    (len <= width).then(|| Prefix::new(address, len))
}

/// The IPsec layer of a node.
#[derive(Clone, Debug)]
pub struct IpsecConfig {
    /// Its policy at the start; [`Action::Ipsec`] can set another later.
    pub policy: PolicyDatabases,
    /// Timers and habits of IKE.
    pub ike: IkeConfig,
    /// Bounds on memory.
    pub limits: Limits,
    /// The outer header's DF bit.
    pub df: DfPolicy,
    /// What is asked of packets that came in on SAs.
    pub sa_checks: SaChecks,
    /// What becomes of fragments without ports where an entry asks for ports.
    pub later_fragments: LaterFragments,
    /// Which route decides where a tunnel's packets leave.
    pub tunnel_egress: TunnelEgress,
    /// Report keys: captures can be decrypted, and both ends' keys compared.
    pub key_log: bool,
}

impl IpsecConfig {
    /// This policy, defaults for the rest, keys reported.
    pub fn new(policy: PolicyDatabases) -> Self {
        let (ike, limits, df) = (IkeConfig::default(), Limits::default(), DfPolicy::default());
        IpsecConfig {
            policy,
            ike,
            limits,
            df,
            sa_checks: SaChecks::default(),
            later_fragments: LaterFragments::default(),
            tunnel_egress: TunnelEgress::default(),
            key_log: true,
        }
    }
}

/// A host, router or gateway.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Its name in traces.
    pub name: String,
    /// Its interfaces; the first has [`InterfaceId`] 0.
    pub interfaces: Vec<InterfaceConfig>,
    /// Its static routes, beside the on-link ones.
    pub routes: Vec<Route>,
    /// Whether it forwards.
    pub forwarding: bool,
    /// Its IPsec layer, if it has one.
    pub ipsec: Option<IpsecConfig>,
    /// Whether its TCP discovers path MTUs (DF set on TCP segments).
    pub path_mtu_discovery: bool,
    /// How it translates addresses, if it does. Its external addresses are answered for on the outside link.
    pub nat: Option<NatConfig>,
}

impl NodeConfig {
    /// A node without interfaces that does not forward.
    pub fn host(name: &str) -> Self {
        NodeConfig {
            name: name.into(),
            interfaces: Vec::new(),
            routes: Vec::new(),
            forwarding: false,
            ipsec: None,
            path_mtu_discovery: true,
            nat: None,
        }
    }

    /// A node without interfaces that forwards: a router, or with [`NodeConfig::ipsec`] a security gateway.
    pub fn router(name: &str) -> Self {
        NodeConfig { forwarding: true, ..NodeConfig::host(name) }
    }

    /// The same with one more interface.
    pub fn interface(mut self, interface: InterfaceConfig) -> Self {
        self.interfaces.push(interface);
        self
    }

    /// The same with a route through the given interface: `("10.2.0.0/16", "203.0.113.2", 1)`.
    ///
    /// # Panics
    /// When a text is no prefix or address: topologies are written by the programmer.
    pub fn route(mut self, destination: &str, next_hop: &str, interface: u16) -> Self {
        self.routes.push(Route {
            destination: parse_prefix(destination).expect("a prefix such as 10.2.0.0/16"),
            next_hop: Some(next_hop.parse().expect("an address")),
            interface: InterfaceId(interface),
            source: None,
        });
        self
    }

    /// The same, translating addresses.
    pub fn nat(self, nat: NatConfig) -> Self {
        NodeConfig { nat: Some(nat), ..self }
    }

    /// The same with an IPsec layer.
    pub fn ipsec(self, ipsec: IpsecConfig) -> Self {
        NodeConfig { ipsec: Some(ipsec), ..self }
    }
}

/// Why a topology cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// An interface names a link that does not exist.
    #[error("interface {interface} of {node} is attached to link {}, which does not exist", link.0)]
    NoSuchLink {
        /// The node.
        node: String,
        /// Its interface.
        interface: String,
        /// The missing link.
        link: LinkId,
    },
    /// Two interfaces on one link have the same address.
    #[error("address {address} appears twice on link {link}")]
    AddressTwice {
        /// The address.
        address: IpAddr,
        /// The link.
        link: String,
    },
    /// A route leaves through an interface the node does not have.
    #[error("{node} has a route through interface {}, which does not exist", interface.0)]
    NoSuchInterface {
        /// The node.
        node: String,
        /// The missing interface.
        interface: InterfaceId,
    },
    /// A node translates towards an interface it does not have.
    #[error("{node} translates addresses towards interface {}, which does not exist", interface.0)]
    NoOutside {
        /// The node.
        node: String,
        /// The missing interface.
        interface: InterfaceId,
    },
    /// An action is scheduled on a node that does not exist.
    #[error("an action is scheduled on node {}, which does not exist", .0.0)]
    NoSuchNode(NodeId),
}

/// Collects links, nodes, schedule and adversary, and makes a [`Network`] of them.
#[derive(Clone, Debug)]
pub struct Builder {
    seed: u64,
    links: Vec<LinkConfig>,
    nodes: Vec<NodeConfig>,
    schedule: Vec<(Instant, NodeId, Action)>,
    rules: Vec<Rule>,
    injections: Vec<Injection>,
    workshop: Workshop,
}

impl Builder {
    /// An empty topology. Everything random in the network comes from `seed`.
    pub fn new(seed: u64) -> Self {
        Builder {
            seed,
            links: Vec::new(),
            nodes: Vec::new(),
            schedule: Vec::new(),
            rules: Vec::new(),
            injections: Vec::new(),
            workshop: Workshop::default(),
        }
    }

    /// Adds a link.
    pub fn link(&mut self, link: LinkConfig) -> LinkId {
        self.links.push(link);
        LinkId(self.links.len() as u16 - 1)
    }

    /// Adds a node.
    pub fn node(&mut self, node: NodeConfig) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() as u16 - 1)
    }

    /// A link added before, to be changed (faults from a command line, say).
    pub fn link_mut(&mut self, link: LinkId) -> Option<&mut LinkConfig> {
        self.links.get_mut(usize::from(link.0))
    }

    /// All links added so far.
    pub fn links_mut(&mut self) -> impl Iterator<Item = &mut LinkConfig> {
        self.links.iter_mut()
    }

    /// A node added before, to be changed.
    pub fn node_mut(&mut self, node: NodeId) -> Option<&mut NodeConfig> {
        self.nodes.get_mut(usize::from(node.0))
    }

    /// Lets `node` do something at a time. The number names the application it starts.
    pub fn schedule(&mut self, at: Instant, node: NodeId, action: Action) -> AppId {
        self.schedule.push((at, node, action));
        AppId(self.schedule.len() as u32 - 1)
    }

    /// Adds a rule of the on-path adversary.
    pub fn rule(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    /// Lets the adversary inject a packet.
    pub fn inject(&mut self, injection: Injection) {
        self.injections.push(injection);
    }

    /// Sets what offloaded work costs, and the results known from earlier runs.
    pub fn workshop(&mut self, workshop: Workshop) {
        self.workshop = workshop;
    }

    /// Makes the network.
    ///
    /// # Errors
    /// When the parts do not fit together.
    pub fn build(self) -> Result<Network, BuildError> {
        self.check()?;
        let mut links: Vec<Link> = self
            .links
            .into_iter()
            .enumerate()
            .map(|(i, c)| Link::new(c, bytes(self.seed, b"link", i)))
            .collect();
        let mut nodes = Vec::with_capacity(self.nodes.len());
        for (n, mut config) in self.nodes.into_iter().enumerate() {
            own_external(&mut config);
            for (i, interface) in config.interfaces.iter().enumerate() {
                let link = &mut links[usize::from(interface.link.0)];
                link.attach(NodeId(n as u16), InterfaceId(i as u16), &interface.addresses);
            }
            nodes.push(make_node(config, n, self.seed, &links, &self.workshop));
        }
        let world = World::new(links, self.rules, self.workshop);
        Ok(Network::new(nodes, world, self.schedule, self.injections))
    }

    fn check(&self) -> Result<(), BuildError> {
        let mut seen: Vec<(LinkId, IpAddr)> = Vec::new();
        for node in &self.nodes {
            for interface in &node.interfaces {
                let (link, name) = (interface.link, || interface.name.clone());
                let Some(config) = self.links.get(usize::from(link.0)) else {
                    return Err(BuildError::NoSuchLink { node: node.name.clone(), interface: name(), link });
                };
                for address in interface.addresses.iter().map(|p| p.address) {
                    if seen.contains(&(link, address)) {
                        return Err(BuildError::AddressTwice { address, link: config.name.clone() });
                    }
                    seen.push((link, address));
                }
            }
            if let Some(nat) = &node.nat
                && usize::from(nat.outside.0) >= node.interfaces.len()
            {
                let (node, interface) = (node.name.clone(), nat.outside);
                return Err(BuildError::NoOutside { node, interface });
            }
            let missing = |r: &&Route| usize::from(r.interface.0) >= node.interfaces.len();
            if let Some(route) = node.routes.iter().find(missing) {
                let (node, interface) = (node.name.clone(), route.interface);
                return Err(BuildError::NoSuchInterface { node, interface });
            }
        }
        match self.schedule.iter().find(|(_, n, _)| usize::from(n.0) >= self.nodes.len()) {
            Some((_, node, _)) => Err(BuildError::NoSuchNode(*node)),
            None => Ok(()),
        }
    }
}

/// External addresses beyond the interface's own are its too, without an on-link network.
fn own_external(config: &mut NodeConfig) {
    let Some(nat) = &config.nat else { return };
    let Some(interface) = config.interfaces.get_mut(usize::from(nat.outside.0)) else { return };
    for address in nat.addresses.iter().copied().chain(nat.hosts.iter().map(|h| h.outside)) {
        let address = IpAddr::V4(address);
        if interface.addresses.iter().all(|p| p.address != address) {
            interface.addresses.push(Prefix::new(address, 32));
        }
    }
}

fn make_node(config: NodeConfig, n: usize, seed: u64, links: &[Link], work: &Workshop) -> Node {
    let mut interfaces = Vec::new();
    for (i, interface) in config.interfaces.iter().enumerate() {
        let id = InterfaceId(i as u16);
        interfaces.push(Interface {
            id,
            name: interface.name.clone(),
            kind: interface.kind,
            boundary: interface.boundary,
            addresses: interface.addresses.clone(),
            egress: Egress::Fragment { mtu: links[usize::from(interface.link.0)].config.mtu },
        });
    }
    let routes = addressing::routes(&interfaces, &config.routes);
    let boot = config.ipsec.as_ref().map(|settings| {
        let mut core = Config::new(interfaces.clone(), routes.clone(), settings.policy.clone());
        core.ike = settings.ike.clone();
        core.limits = settings.limits.clone();
        core.df = settings.df;
        core.sa_checks = settings.sa_checks;
        core.later_fragments = settings.later_fragments;
        core.tunnel_egress = settings.tunnel_egress;
        let able = config.interfaces.iter().enumerate().filter(|(_, i)| i.offload);
        core.offload = able.map(|(n, _)| InterfaceId(n as u16)).collect();
        core.key_log = settings.key_log;
        core.work = if work.is_free() { WorkMode::Inline } else { WorkMode::Offload };
        Boot { config: core, seed: bytes(seed, b"ipsec", n), starts: 0 }
    });
    Node::new(NodeId(n as u16), config, interfaces, routes, boot, bytes(seed, b"host", n))
}

/// Thirty-two bytes for one purpose of the run.
fn bytes(seed: u64, purpose: &[u8], index: usize) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"ipseclab network");
    hash.update(seed.to_le_bytes());
    hash.update(purpose);
    hash.update((index as u64).to_le_bytes());
    hash.finalize().into()
}

/// Names of nodes and links, for sinks that print.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Names of the nodes, by number.
    pub nodes: Vec<String>,
    /// Names of each node's interfaces.
    pub interfaces: Vec<Vec<String>>,
    /// Names of the links, by number.
    pub links: Vec<String>,
}

impl Names {
    /// Name of a node.
    pub fn node(&self, id: NodeId) -> &str {
        self.nodes.get(usize::from(id.0)).map_or("adversary", String::as_str)
    }

    /// Name of a link.
    pub fn link(&self, id: LinkId) -> &str {
        self.links.get(usize::from(id.0)).map_or("?", String::as_str)
    }

    /// Name of a node's interface.
    pub fn interface(&self, node: NodeId, id: InterfaceId) -> &str {
        let of = self.interfaces.get(usize::from(node.0));
        of.and_then(|i| i.get(usize::from(id.0))).map_or("?", String::as_str)
    }
}
