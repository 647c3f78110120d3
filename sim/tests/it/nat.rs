//! Applications through a translator: pings, TCP, fragments, ICMP errors, hairpins.
//!
//! ```text
//!  alice 10.0.0.2, anna 10.0.0.3 - home - nat 10.0.0.1 | 203.0.113.1 - net - router 203.0.113.254 - far - bob 198.51.100.7
//! ```

use std::net::{Ipv4Addr, SocketAddrV4};

use ipsec_core::Instant;
use ipsec_core::interface::InterfaceId;
use ipsec_sim::app::tcp::Answer;
use ipsec_sim::nat::{NatConfig, NatDrop, StaticPort};
use ipsec_sim::trace::Trace;
use ipsec_sim::{
    Action, AppId, Builder, DropCause, Effect, InterfaceConfig, LinkConfig, Network, NodeConfig, NodeId,
    Payload, Ping, Record, Sink,
};

pub(crate) const ALICE: NodeId = NodeId(0);
pub(crate) const ANNA: NodeId = NodeId(1);
pub(crate) const NAT: NodeId = NodeId(2);
pub(crate) const BOB: NodeId = NodeId(4);
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

pub(crate) struct World {
    pub(crate) builder: Builder,
}

pub(crate) fn config() -> NatConfig {
    NatConfig::new(InterfaceId(1), vec![OUTSIDE])
}

pub(crate) fn world(nat: NatConfig, far_mtu: u16) -> World {
    let mut b = Builder::new(1);
    let home = b.link(LinkConfig::new("home"));
    let net = b.link(LinkConfig::outside("net").mtu(1_400));
    let far = b.link(LinkConfig::outside("far").mtu(far_mtu));
    let host = |name: &str, link, address: &str, gateway: &str| {
        let interface = InterfaceConfig::new("lan", link, address);
        NodeConfig::host(name).interface(interface).route("0.0.0.0/0", gateway, 0)
    };
    b.node(host("alice", home, "10.0.0.2/24", "10.0.0.1"));
    b.node(host("anna", home, "10.0.0.3/24", "10.0.0.1"));
    let translator = NodeConfig::router("nat")
        .interface(InterfaceConfig::new("inside", home, "10.0.0.1/24"))
        .interface(InterfaceConfig::new("outside", net, "203.0.113.1/24"))
        .route("0.0.0.0/0", "203.0.113.254", 1);
    b.node(translator.nat(nat));
    let router = NodeConfig::router("router")
        .interface(InterfaceConfig::new("near", net, "203.0.113.254/24"))
        .interface(InterfaceConfig::new("far", far, "198.51.100.1/24"));
    b.node(router);
    b.node(host("bob", far, "198.51.100.7/24", "198.51.100.1"));
    World { builder: b }
}

impl World {
    pub(crate) fn act(&mut self, second: u64, node: NodeId, action: Action) -> AppId {
        self.builder.schedule(Instant::from_secs(second), node, action)
    }

    pub(crate) fn ping(&mut self, node: NodeId, to: &str, change: impl Fn(Ping) -> Ping) -> AppId {
        self.act(0, node, Action::Ping(change(Ping::new(to.parse().unwrap()).count(1))))
    }

    pub(crate) fn run(self, sink: &mut impl Sink) -> Network {
        let mut network = self.builder.build().unwrap();
        network.run_until(Instant::from_secs(60), sink);
        network
    }
}

/// Keeps what the translator drops.
#[derive(Default)]
struct Drops(Vec<NatDrop>);

impl Sink for Drops {
    fn record(&mut self, record: &Record<'_>) {
        if let Effect::Dropped(_, DropCause::Nat(reason)) = record.effect {
            self.0.push(reason);
        }
    }
}

#[test]
fn pings_and_connections_cross() {
    let mut world = world(config(), 1_400);
    let pings = [ALICE, ANNA].map(|node| world.ping(node, "198.51.100.7", |p| p.count(3)));
    world.act(0, BOB, Action::TcpListen { port: 80, answer: Answer::Echo });
    let connections = [ALICE, ANNA].map(|node| {
        let (remote, send) = ("198.51.100.7:80".parse().unwrap(), Payload::Pattern(100_000));
        let connect = Action::TcpConnect { remote, local_port: Some(1025), send, expect: 100_000 };
        world.act(1, node, connect)
    });
    let mut drops = Drops::default();
    let network = world.run(&mut drops);
    for ping in pings {
        assert_eq!(network.ping(ping).unwrap().received, 3);
    }
    for tcp in connections {
        assert_eq!(network.tcp(tcp).unwrap().received, 100_000);
    }
    assert_eq!(drops.0, []);
}

#[test]
fn fragments_cross_both_ways() {
    // Alice's link carries 1,500 octets, the others less: cut by her, joined and cut again by the translator.
    let mut world = world(config(), 600);
    let ping = world.ping(ALICE, "198.51.100.7", |p| p.size(4_000));
    world.act(0, BOB, Action::UdpEcho { port: 7 });
    let remote = "198.51.100.7:7".parse().unwrap();
    let udp = world.act(
        1,
        ALICE,
        Action::UdpSend { remote, local_port: 1025, payload: Payload::Pattern(9_000), checksum: true },
    );
    let network = world.run(&mut ());
    assert_eq!(network.ping(ping).unwrap().received, 1);
    assert_eq!(network.udp(udp).unwrap().received, 1);
}

#[test]
fn errors_reach_the_host_they_are_about() {
    let mut world = world(config(), 600);
    let near = world.ping(ALICE, "198.51.100.7", |p| p.ttl(1));
    let far = world.ping(ALICE, "198.51.100.7", |p| p.ttl(2));
    let large = world.ping(ALICE, "198.51.100.7", |p| p.size(1_450).dont_fragment());
    let medium = world.ping(ALICE, "198.51.100.7", |p| p.size(1_000).dont_fragment());
    let network = world.run(&mut ());
    let second = |id| network.ping(id).unwrap().lines[1].clone();
    assert_eq!(second(near), "Reply from 10.0.0.1: TTL expired in transit.");
    assert_eq!(second(far), "Reply from 203.0.113.254: TTL expired in transit.");
    assert_eq!(second(large), "Reply from 10.0.0.1: Packet needs to be fragmented but DF set.");
    assert_eq!(second(medium), "Reply from 203.0.113.254: Packet needs to be fragmented but DF set.");
}

#[test]
fn inside_is_reached_by_static_ports_alone_and_by_hairpins() {
    let inside = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 3), 7);
    let ports = vec![StaticPort { protocol: 17, port: 7, inside }];
    let mut world = world(NatConfig { ports, ..config() }, 1_400);
    world.act(0, ANNA, Action::UdpEcho { port: 7 });
    world.act(0, ANNA, Action::UdpEcho { port: 8 });
    let send = |port: u16, payload: u64| Action::UdpSend {
        remote: format!("203.0.113.1:{port}").parse().unwrap(),
        local_port: 1025 + port,
        payload: Payload::Pattern(payload),
        checksum: true,
    };
    let mapped = world.act(1, BOB, send(7, 10));
    let unmapped = world.act(1, BOB, send(8, 10));
    let hairpin = world.act(2, ALICE, send(7, 10));
    let direct = world.ping(BOB, "10.0.0.3", |p| p);
    let outside = world.ping(BOB, "203.0.113.1", |p| p);
    let mut drops = Drops::default();
    let network = world.run(&mut drops);
    assert_eq!(network.udp(mapped).unwrap().received, 1);
    assert_eq!(network.udp(unmapped).unwrap().received, 0);
    assert_eq!(network.udp(hairpin).unwrap().received, 1);
    assert_eq!(network.ping(direct).unwrap().received, 0);
    assert_eq!(network.ping(outside).unwrap().received, 0);
    assert_eq!(drops.0, [NatDrop::NoMapping; 2]);
}

#[test]
fn a_rebinding_and_a_reboot_are_seen_from_outside() {
    let mut world = world(config(), 1_400);
    world.act(0, BOB, Action::UdpEcho { port: 7 });
    for second in [1, 3, 5] {
        let remote = "198.51.100.7:7".parse().unwrap();
        let payload = Payload::Bytes(vec![1]);
        world.act(second, ALICE, Action::UdpSend { remote, local_port: 1026, payload, checksum: true });
    }
    world.act(2, NAT, Action::Rebind { move_address: false });
    world.act(4, NAT, Action::Reboot);
    let mut network = world.builder.build().unwrap();
    let mut trace = Trace::new(network.names());
    network.run_until(Instant::from_secs(60), &mut trace);
    let text = trace.text();
    for port in [32_768, 32_769, 32_770] {
        assert!(text.contains(&format!("203.0.113.1.{port} > 198.51.100.7.7")), "{port}\n{text}");
    }
    let made = text.matches("mapped     udp 10.0.0.2:1026 to 203.0.113.1:").count();
    assert_eq!(made, 2, "one at first and one after the reboot\n{text}");
}
