//! Two hosts that protect one TCP program's ports, after KB 301284: ping and TCP on hosts whose packets wait for IKE.

use std::sync::Arc;

use ipsec_core::config::PolicyDatabases;
use ipsec_core::crypto::{Cipher, Group, HashAlg, Mac, Secret};
use ipsec_core::pad::{AuthMethod, MainModeProposal, Pad, PadEntry, PadEntryId};
use ipsec_core::selector::{AddressRange, PortRange, Selector};
use ipsec_core::spd::{
    Action as Policy, Direction, EntryId, Mode, Offer, Pfs, Populate, Protect, Spd, SpdEntry,
};
use ipsec_core::{Command, Duration, Instant};
use ipsec_sim::adversary::{Deed, Injection, Matcher, Rule, Which};
use ipsec_sim::app::tcp::Answer;
use ipsec_sim::ip::{self, Header, protocol};
use ipsec_sim::statistics::Statistics;
use ipsec_sim::topology::parse_prefix;
use ipsec_sim::trace::Trace;
use ipsec_sim::{
    Action, AppId, Builder, InterfaceConfig, IpsecConfig, LinkConfig, LinkId, NodeConfig, NodeId, Payload,
    Ping,
};

use crate::gateways::{des_md5, esp};

const ALICE: &str = "172.16.98.231";
const BOB: &str = "172.31.67.244";

fn one(address: &str) -> AddressRange {
    AddressRange::from(parse_prefix(address).unwrap())
}

/// Transport mode for this protocol and these ports between two hosts; everything else passes.
fn policy(
    local: &str,
    remote: &str,
    ports: Option<(PortRange, PortRange)>,
    offer: Offer,
    key: &str,
) -> PolicyDatabases {
    let protect = Policy::Protect(Protect {
        mode: Mode::Transport,
        offers: vec![offer],
        pfs: Pfs::SameGroup,
        accept_clear_inbound: false,
        fallback: false,
        populate: Populate::default(),
    });
    let mut selector = Selector::between(one(local), one(remote));
    if let Some((local_ports, remote_ports)) = ports {
        selector = Selector { protocol: Some(protocol::TCP), local_ports, remote_ports, ..selector };
    }
    let entry = |id, selector, action| SpdEntry {
        id: EntryId(id),
        name: String::new(),
        selector,
        direction: Direction::Both,
        connection: None,
        action,
    };
    let spd = Spd::new(vec![entry(0, selector, protect), entry(1, Selector::any(), Policy::Bypass)]);
    let proposal =
        MainModeProposal { cipher: Cipher::TripleDes, hash: HashAlg::Sha1, group: Group::Modp1024 };
    let pad = Pad {
        entries: vec![PadEntry {
            id: PadEntryId(0),
            name: String::new(),
            local: vec![one(local)],
            peer: vec![one(remote)],
            methods: vec![AuthMethod::PreSharedKey(Secret::from(key.as_bytes()))],
            proposals: vec![proposal],
            lifetime_seconds: 28_800,
            quick_modes: 0,
            ..PadEntry::default()
        }],
    };
    PolicyDatabases { spd: Arc::new(spd), pad: Arc::new(pad) }
}

struct Hosts {
    builder: Builder,
    alice: NodeId,
    bob: NodeId,
    link: LinkId,
}

/// Alice and Bob on one outside link, each through a router they share.
fn hosts(alice: Option<PolicyDatabases>, bob: Option<PolicyDatabases>) -> Hosts {
    let mut builder = Builder::new(7);
    let left = builder.link(LinkConfig::outside("left").latency(Duration::from_millis(5)));
    let right = builder.link(LinkConfig::outside("right").latency(Duration::from_millis(5)));
    let host = |name, link, address: String, router, policy: Option<PolicyDatabases>| {
        let interface = InterfaceConfig::new("lan", link, &address);
        let node = NodeConfig::host(name).interface(interface).route("0.0.0.0/0", router, 0);
        NodeConfig { ipsec: policy.map(IpsecConfig::new), ..node }
    };
    let alice = builder.node(host("alice", left, format!("{ALICE}/24"), "172.16.98.1", alice));
    let bob = builder.node(host("bob", right, format!("{BOB}/24"), "172.31.67.1", bob));
    builder.node(
        NodeConfig::router("internet")
            .interface(InterfaceConfig::new("left", left, "172.16.98.1/24"))
            .interface(InterfaceConfig::new("right", right, "172.31.67.1/24")),
    );
    Hosts { builder, alice, bob, link: left }
}

fn everything(offer: Offer) -> Hosts {
    let at = |local, remote| Some(policy(local, remote, None, offer, "key"));
    hosts(at(ALICE, BOB), at(BOB, ALICE))
}

impl Hosts {
    fn ping(&mut self, count: u32) -> AppId {
        let ping = Ping::new(BOB.parse().unwrap()).count(count);
        self.builder.schedule(Instant::EPOCH, self.alice, Action::Ping(ping))
    }

    fn abczz(&mut self) -> (AppId, AppId) {
        let answer = Answer::Bytes(b"hello Alice".to_vec());
        let listen = Action::TcpListen { port: 6667, answer };
        let server = self.builder.schedule(Instant::EPOCH, self.bob, listen);
        let remote = format!("{BOB}:6667").parse().unwrap();
        let send = Payload::Bytes(b"hello Bob".to_vec());
        let connect = Action::TcpConnect { remote, local_port: None, send, expect: 11 };
        (server, self.builder.schedule(Instant::EPOCH, self.alice, connect))
    }
}

fn high() -> Offer {
    esp(Cipher::TripleDes, Mac::HmacSha1_96)
}

#[test]
fn ping_says_that_ip_security_is_negotiated() {
    let mut hosts = everything(high());
    let id = hosts.ping(4);
    let mut network = hosts.builder.build().unwrap();
    network.run_until(Instant::from_secs(20), &mut ());
    assert_eq!(network.finish(&mut ()), []);
    let lines = &network.ping(id).unwrap().lines;
    assert_eq!(
        lines[..7],
        [
            "Pinging 172.31.67.244 with 32 bytes of data:",
            "Negotiating IP Security.",
            "Reply from 172.31.67.244: bytes=32 time=20ms TTL=127",
            "Reply from 172.31.67.244: bytes=32 time=20ms TTL=127",
            "Reply from 172.31.67.244: bytes=32 time=20ms TTL=127",
            "Ping statistics for 172.31.67.244:",
            "    Packets: Sent = 4, Received = 3, Lost = 1 (25% loss),",
        ]
    );
}

#[test]
fn abczz_is_protected_and_other_traffic_is_not() {
    let to_6667 = (PortRange::ANY, PortRange::single(6667));
    let from_6667 = (PortRange::single(6667), PortRange::ANY);
    let mut hosts = hosts(
        Some(policy(ALICE, BOB, Some(to_6667), high(), "key")),
        Some(policy(BOB, ALICE, Some(from_6667), high(), "key")),
    );
    let (server, client) = hosts.abczz();
    let ping = hosts.ping(1);
    let mut network = hosts.builder.build().unwrap();
    let mut sinks = (Statistics::default(), Trace::new(network.names()));
    network.run_until(Instant::from_secs(30), &mut sinks);
    let text = sinks.1.text();
    assert_eq!(network.finish(&mut ()), [], "{text}");
    assert!(network.tcp(client).unwrap().succeeded(), "{text}");
    assert_eq!(network.tcp(server).unwrap().data, b"hello Bob");
    assert_eq!(network.ping(ping).unwrap().received, 1);
    let clear = sinks.0.delivered - sinks.0.delivered_protected;
    assert_eq!((clear, sinks.0.delivered_protected), (2, sinks.0.opened), "{text}");
}

#[test]
fn different_keys_time_out_and_nothing_leaks() {
    let mut hosts = hosts(
        Some(policy(ALICE, BOB, None, high(), "one key")),
        Some(policy(BOB, ALICE, None, high(), "another")),
    );
    let id = hosts.ping(20);
    let mut network = hosts.builder.build().unwrap();
    let mut statistics = Statistics::default();
    network.run_until(Instant::from_secs(600), &mut statistics);
    assert_eq!(network.finish(&mut ()), []);
    let ping = network.ping(id).unwrap();
    assert_eq!((ping.received, ping.negotiating), (0, 20));
    assert_eq!((statistics.quick_modes, statistics.delivered), (0, 0));
    assert!(statistics.failures > 0);
}

#[test]
fn clear_text_is_refused_once_policy_wants_protection() {
    let mut hosts = everything(des_md5());
    hosts.ping(2);
    let header = Header {
        source: ALICE.parse().unwrap(),
        destination: BOB.parse().unwrap(),
        protocol: protocol::UDP,
        ttl: 64,
        ident: 1,
        dont_fragment: false,
    };
    let bytes = ip::datagram(header, &[0, 9, 0, 9, 0, 8, 0, 0]);
    let next_hop = "172.16.98.1".parse().unwrap();
    hosts.builder.inject(Injection { at: Instant::from_secs(5), link: hosts.link, next_hop, bytes });
    let mut network = hosts.builder.build().unwrap();
    let mut statistics = Statistics::default();
    network.run_until(Instant::from_secs(20), &mut statistics);
    assert_eq!(network.finish(&mut ()), []);
    assert_eq!(statistics.drops["clear text refused"], 1);
}

#[test]
fn replayed_packets_are_refused_and_delivered_once() {
    let both = Offer { ah: Some(Mac::HmacSha1_96), ..des_md5() };
    for (matcher, offer) in [(Matcher::Esp, des_md5()), (Matcher::Ah, both)] {
        let mut hosts = everything(offer);
        let id = hosts.ping(4);
        let deed = Deed::Replay(Duration::from_millis(300));
        hosts.builder.rule(Rule {
            link: Some(hosts.link),
            from: Some(hosts.alice),
            matcher,
            which: Which::All,
            deed,
        });
        let mut network = hosts.builder.build().unwrap();
        let mut sinks = (Statistics::default(), Trace::new(network.names()));
        network.run_until(Instant::from_secs(20), &mut sinks);
        assert_eq!(network.finish(&mut ()), [], "{}", sinks.1.text());
        assert_eq!(network.ping(id).unwrap().received, 3);
        assert_eq!(sinks.0.drops.get("replayed"), Some(&4), "{}", sinks.1.text());
    }
}

#[test]
fn each_lost_ike_message_is_made_up_for() {
    let messages = (1..=6).map(|m| (2, m)).chain((1..=3).map(|m| (32, m)));
    for (exchange, message) in messages {
        for deed in [Deed::Drop, Deed::Duplicate, Deed::Delay(Duration::from_millis(1_500))] {
            let mut hosts = everything(des_md5());
            let id = hosts.ping(10);
            let matcher = Matcher::IkeMessage { exchange, message };
            let which = Which::Nth(1);
            let text = format!("{deed:?} of message {message} of exchange {exchange}");
            hosts.builder.rule(Rule { link: Some(hosts.link), from: None, matcher, which, deed });
            let mut network = hosts.builder.build().unwrap();
            let mut trace = Trace::new(network.names());
            network.run_until(Instant::from_secs(40), &mut trace);
            assert_eq!(network.finish(&mut ()), [], "{text}\n{}", trace.text());
            assert!(network.ping(id).unwrap().received >= 5, "{text}\n{}", trace.text());
        }
    }
}

#[test]
fn a_policy_taken_away_lets_clear_traffic_pass_again() {
    let mut hosts = everything(des_md5());
    let first = hosts.ping(3);
    let permit = PolicyDatabases {
        spd: Arc::new(Spd::new(vec![SpdEntry {
            id: EntryId(0),
            name: String::new(),
            selector: Selector::any(),
            direction: Direction::Both,
            connection: None,
            action: Policy::Bypass,
        }])),
        pad: Arc::new(Pad::default()),
    };
    for node in [hosts.alice, hosts.bob] {
        let unassign = Action::Ipsec(Command::SetPolicy(permit.clone()));
        hosts.builder.schedule(Instant::from_secs(10), node, unassign);
    }
    let ping = Ping::new(BOB.parse().unwrap()).count(2);
    let second = hosts.builder.schedule(Instant::from_secs(11), hosts.alice, Action::Ping(ping));
    let mut network = hosts.builder.build().unwrap();
    let mut statistics = Statistics::default();
    network.run_until(Instant::from_secs(20), &mut statistics);
    assert_eq!(network.finish(&mut ()), []);
    assert_eq!((network.ping(first).unwrap().received, network.ping(second).unwrap().received), (2, 2));
    assert_eq!(statistics.sealed, 6);
}
