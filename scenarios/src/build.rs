//! From a scenario's files to a network of the simulator.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipsec_core::interface::{Boundary, InterfaceId};
use ipsec_core::route::Route;
use ipsec_core::sad::BundleSpec;
use ipsec_core::{Command, Instant};
use ipsec_machine::network_settings::AdapterKind;
use ipsec_policy::profile::Switch;
use ipsec_sim::adversary::{Alteration, Deed, Matcher, Rule, Which};
use ipsec_sim::packet_filter::{Filter, PacketFilter};
use ipsec_sim::{Action, Builder, InterfaceConfig, IpsecConfig, LinkConfig, LinkId, NodeConfig};

use crate::computer::Computer;
use crate::domains::Domains;
use crate::error::{LoadError, missing};
use crate::faults::FaultPlan;
use crate::scenario::Scenario;
use crate::topology::{self, Kind, Permit, Side};

/// What somebody on the way changes of a packet.
const LAST_OCTET: Alteration = Alteration { at: -1, xor: 1 };

/// `datagram` becomes `eatafram`: one letter in the sum more and one less, both in the same half of a word (RFC 1071).
const FORGED_LETTERS: [Alteration; 2] = [Alteration { at: 28, xor: 1 }, Alteration { at: 32, xor: 1 }];

/// The links and nodes of a scenario, in the order of its topology: the numbers of the simulator are their indices.
/// Beside them the computers of the nodes with IPsec, by name.
pub(crate) fn network<'a>(
    scenario: &'a Scenario,
    domains: &Domains,
    seed: u64,
    faults: &FaultPlan,
) -> Result<(Builder, BTreeMap<String, Computer<'a>>), LoadError> {
    let mut computers = BTreeMap::new();
    let mut builder = Builder::new(seed);
    for link in &scenario.topology.links {
        let mut config = LinkConfig::new(link.name.get_ref()).latency(link.latency.0);
        config.mtu = link.mtu;
        config.jitter = link.jitter.0;
        config.outside = link.unprotected;
        config.faults = faults.faults();
        config.faults_until = Instant::EPOCH + faults.until;
        let link_id = builder.link(config);
        if link.loses_fragments {
            let (matcher, which, deed) = (Matcher::Fragment, Which::All, Deed::Drop);
            builder.rule(Rule { link: Some(link_id), from: None, matcher, which, deed });
        }
        if let Some(nth) = link.forges {
            let (matcher, which) = (Matcher::Protocol(17), Which::Nth(nth));
            let deed = Deed::Alter(FORGED_LETTERS.to_vec());
            builder.rule(Rule { link: Some(link_id), from: None, matcher, which, deed });
        }
        for matcher in link.alters.iter().flat_map(|_| [Matcher::Esp, Matcher::Ah]) {
            let (which, deed) = (Which::Nth(link.alters.unwrap_or(1)), Deed::Alter(vec![LAST_OCTET]));
            builder.rule(Rule { link: Some(link_id), from: None, matcher, which, deed });
        }
        if let Some(back) = &link.replays {
            let (which, deed) = (Which::Nth(back.packet), Deed::Replay(back.after.0));
            for matcher in [Matcher::Esp, Matcher::Ah] {
                let deed = deed.clone();
                builder.rule(Rule { link: Some(link_id), from: None, matcher, which, deed });
            }
        }
    }
    for node in &scenario.topology.nodes {
        let (config, computer) = node_config(scenario, domains, node)?;
        let by_hand = manual(node, &config)?;
        let id = builder.node(config);
        if let Some(command) = computer.as_ref().and_then(Computer::first_command) {
            builder.schedule(Instant::EPOCH, id, Action::Ipsec(command));
        }
        computers.extend(computer.map(|computer| (node.name.get_ref().clone(), computer)));
        for spec in by_hand {
            builder.schedule(Instant::EPOCH, id, Action::Ipsec(Command::Install(spec)));
        }
    }
    Ok((builder, computers))
}

/// The number of a node's interface. What has no such interface has been refused when the steps were read.
pub(crate) fn interface_id(scenario: &Scenario, node: &str, interface: &str) -> InterfaceId {
    let interfaces = scenario.topology.node(node).map(|node| node.interfaces.iter());
    let place = interfaces.and_then(|mut all| all.position(|i| i.name.get_ref() == interface));
    InterfaceId(place.unwrap_or(0) as u16)
}

fn node_config<'a>(
    scenario: &Scenario,
    domains: &Domains,
    node: &'a topology::Node,
) -> Result<(NodeConfig, Option<Computer<'a>>), LoadError> {
    let mut computer = None;
    let name = node.name.get_ref();
    let mut config = match node.kind {
        Kind::Host => NodeConfig::host(name),
        Kind::Gateway | Kind::Router | Kind::Nat => NodeConfig::router(name),
    };
    for interface in &node.interfaces {
        config.interfaces.push(interface_config(scenario, node, interface)?);
    }
    config.routes = routes(node, &node.routes);
    config.nat = node.nat.as_ref().map(|nat| nat.config(node));
    if node.has_ipsec() {
        let of_node = computer.insert(Computer::new(scenario, node, domains)?);
        let mut ipsec = IpsecConfig::new(of_node.databases());
        ipsec.ike = node.profile.ike();
        if let Some(dead_peer) = node.dead_peer_detection {
            dead_peer.apply(&mut ipsec.ike);
        }
        for switch in &node.switches {
            let found = Switch::ALL.into_iter().find(|s| s.name() == switch.get_ref());
            if !found.is_some_and(|switch| node.profile.switch(switch, &mut ipsec.ike)) {
                let message = format!("{} has no switch `{}`", node.profile, switch.get_ref());
                return Err(missing("topology.toml", message));
            }
        }
        ipsec.sa_checks = node.profile.sa_checks();
        ipsec.later_fragments = node.profile.later_fragments.value;
        ipsec.tunnel_egress = node.profile.tunnel_egress.value;
        if let Some(revisions) = &node.nat_t {
            topology::traversal::announce(revisions, &mut ipsec.ike);
        }
        if let Some(keepalive) = node.nat_keepalive {
            keepalive.apply(&mut ipsec.ike);
        }
        if let Some(rule) = node.assume_udp_encapsulation {
            rule.apply(&mut ipsec.ike);
        }
        config.ipsec = Some(ipsec);
    }
    Ok((config, computer))
}

fn interface_config(
    scenario: &Scenario,
    node: &topology::Node,
    interface: &topology::Interface,
) -> Result<InterfaceConfig, LoadError> {
    let wanted = interface.link.get_ref();
    let link = scenario.topology.links.iter().position(|l| l.name.get_ref() == wanted);
    let link = link.ok_or_else(|| missing("topology.toml", format!("no link `{wanted}`")))?;
    let filter = node.packet_filter.iter().find(|f| f.interface.get_ref() == interface.name.get_ref());
    Ok(InterfaceConfig {
        name: interface.name.get_ref().clone(),
        link: LinkId(link as u16),
        kind: AdapterKind::from(interface.kind).connection(),
        boundary: match interface.boundary {
            Some(Side::Protected) => Boundary::Protected,
            Some(Side::Unprotected) => Boundary::Unprotected,
            None => Boundary::Host,
        },
        addresses: vec![interface.address.get_ref().0],
        offload: interface.offload,
        input: filter.map_or_else(PacketFilter::default, |f| packet_filter(&f.input, &f.input_except)),
        output: filter.map_or_else(PacketFilter::default, |f| packet_filter(&f.output, &f.output_except)),
    })
}

/// Static routes as the simulator wants them: of those to one network the lowest metric first, then the first.
pub(crate) fn routes(node: &topology::Node, list: &[topology::Route]) -> Vec<Route> {
    let mut list: Vec<&topology::Route> = list.iter().collect();
    list.sort_by_key(|route| route.metric);
    let route = |r: &&topology::Route| Route {
        destination: r.to.0,
        next_hop: r.via,
        interface: InterfaceId(node.interface_towards(r).unwrap_or(0) as u16),
        source: None,
    };
    list.iter().map(route).collect()
}

/// "Drop all packets except those that meet the criteria below", or pass all except those.
fn packet_filter(permitted: &Option<Vec<Permit>>, except: &Option<Vec<Permit>>) -> PacketFilter {
    let filters = |list: &[Permit]| list.iter().map(|p| Filter::between(p.from.0, p.to.0)).collect();
    match (permitted, except) {
        (Some(permitted), _) => PacketFilter::drop_except(filters(permitted)),
        (None, Some(except)) => PacketFilter::pass_except(filters(except)),
        (None, None) => PacketFilter::default(),
    }
}

/// Whether such filters pass what goes from one address to another.
pub(crate) fn permits(
    permitted: &Option<Vec<Permit>>,
    except: &Option<Vec<Permit>>,
    from: IpAddr,
    to: IpAddr,
) -> bool {
    let met = |list: &[Permit]| list.iter().any(|p| p.from.0.contains(from) && p.to.0.contains(to));
    match (permitted, except) {
        (Some(permitted), _) => met(permitted),
        (None, Some(except)) => !met(except),
        (None, None) => true,
    }
}

/// The SAs that the node's operator put there.
fn manual(node: &topology::Node, config: &NodeConfig) -> Result<Vec<BundleSpec>, LoadError> {
    let mut specs = Vec::new();
    for (n, pair) in node.manual.iter().enumerate() {
        let policy = config.ipsec.as_ref().map(|ipsec| &ipsec.policy);
        let bundles = policy.and_then(|policy| pair.bundles(n, policy)).ok_or_else(|| {
            let name = node.name.get_ref();
            let message = format!("no policy of `{name}` protects {} with {}", pair.local, pair.peer);
            missing("topology.toml", message)
        })?;
        specs.extend(bundles);
    }
    Ok(specs)
}
