//! The on-path adversary.

use ipsec_core::{Duration, Instant};
use ipsec_sim::adversary::{Alteration, Deed, Injection, Matcher, Rule, Which};
use ipsec_sim::ip::{self, Header, protocol};
use ipsec_sim::statistics::Statistics;
use ipsec_sim::{LinkId, NodeId};

use crate::topologies::{perfect, to_bob};

fn rule(which: Which, deed: Deed) -> Rule {
    let from = Some(NodeId(0));
    Rule { link: Some(LinkId(0)), from, matcher: Matcher::Protocol(protocol::ICMP), which, deed }
}

/// Pings four times past one rule on Alice's own packets.
fn run(rule: Rule) -> (Vec<String>, Statistics) {
    let mut chain = perfect(1);
    let id = chain.ping(to_bob());
    chain.builder.rule(rule);
    let mut network = chain.builder.build().unwrap();
    let mut statistics = Statistics::default();
    network.run_until(Instant::from_secs(60), &mut statistics);
    (network.ping(id).unwrap().lines[1..5].to_vec(), statistics)
}

#[test]
fn the_nth_packet_is_dropped() {
    let (lines, _) = run(rule(Which::Nth(2), Deed::Drop));
    let timed_out: Vec<_> = lines.iter().map(|l| l == "Request timed out.").collect();
    assert_eq!(timed_out, [false, true, false, false]);
}

#[test]
fn a_delayed_packet_is_late() {
    let (lines, _) = run(rule(Which::Nth(1), Deed::Delay(Duration::from_millis(500))));
    assert_eq!(lines[0], "Reply from 10.0.3.2: bytes=32 time=520ms TTL=125");
}

#[test]
fn copies_arrive_and_are_answered_again() {
    // Eight hops a ping; each copy adds seven behind the first link (a replay also its own on it).
    assert_eq!(run(rule(Which::All, Deed::Duplicate)).1.transmitted, 4 * (8 + 7));
    assert_eq!(run(rule(Which::All, Deed::Replay(Duration::from_secs(9)))).1.transmitted, 4 * (8 + 8));
}

#[test]
fn altered_octets_fail_the_checksum() {
    let deed = Deed::Alter(vec![Alteration { at: -1, xor: 1 }]);
    let (lines, statistics) = run(rule(Which::Nth(3), deed));
    assert_eq!(lines[2], "Request timed out.");
    assert_eq!(statistics.drops["checksum"], 1);
}

#[test]
fn an_injected_packet_is_delivered_like_any_other() {
    let mut chain = perfect(1);
    let header = Header {
        source: "10.0.0.1".parse().unwrap(),
        destination: "10.0.3.2".parse().unwrap(),
        protocol: protocol::UDP,
        ttl: 64,
        ident: 1,
        dont_fragment: false,
    };
    let bytes = ip::datagram(header, &[0, 9, 0, 9, 0, 8, 0, 0]);
    let (at, link) = (Instant::from_secs(1), chain.links[1]);
    chain.builder.inject(Injection { at, link, next_hop: "10.0.1.2".parse().unwrap(), bytes });
    let mut network = chain.builder.build().unwrap();
    let mut statistics = Statistics::default();
    network.run_until(Instant::from_secs(10), &mut statistics);
    // Bob has no such port; his complaint reaches Alice.
    assert_eq!((statistics.drops["no listener"], statistics.delivered), (1, 2));
}
