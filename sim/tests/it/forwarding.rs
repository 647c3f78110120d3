//! Pings across routers: latency, TTL, fragments, ICMP errors.

use ipsec_core::{Duration, Instant};
use ipsec_sim::app::tcp::Answer;
use ipsec_sim::statistics::Statistics;
use ipsec_sim::{Action, Builder, Faults, InterfaceConfig, LinkConfig, NodeConfig, Payload, Ping};

use crate::topologies::{chain, perfect, to_bob};

#[test]
fn a_ping_through_three_routers_takes_twice_the_latencies() {
    let mut chain = perfect(1);
    let id = chain.ping(to_bob());
    let mut network = chain.builder.build().unwrap();
    network.run_until(Instant::from_secs(20), &mut ());
    let ping = network.ping(id).unwrap();
    assert_eq!(ping.round_trips, [Duration::from_millis(2 * (1 + 2 + 3 + 4)); 4]);
    // Windows' stack sends echo replies with TTL 128; three routers take one each.
    let lines = [
        "Pinging 10.0.3.2 with 32 bytes of data:",
        "Reply from 10.0.3.2: bytes=32 time=20ms TTL=125",
        "Reply from 10.0.3.2: bytes=32 time=20ms TTL=125",
        "Reply from 10.0.3.2: bytes=32 time=20ms TTL=125",
        "Reply from 10.0.3.2: bytes=32 time=20ms TTL=125",
        "Ping statistics for 10.0.3.2:",
        "    Packets: Sent = 4, Received = 4, Lost = 0 (0% loss),",
        "Approximate round trip times in milli-seconds:",
        "    Minimum = 20ms, Maximum = 20ms, Average = 20ms",
    ];
    assert_eq!(ping.lines, lines);
    // Each next request leaves a second after the reply; the end comes a second after the last.
    assert_eq!(ping.finished, Some(Instant::from_millis(4 * 1_020)));
    assert!(network.finish(&mut ()).is_empty());
}

#[test]
fn large_pings_are_fragmented_at_576_and_joined() {
    let mut chain = chain(1, 576, Faults::NONE, Instant::NEVER);
    let id = chain.ping(to_bob().size(1472).count(1));
    let mut network = chain.builder.build().unwrap();
    let mut statistics = Statistics::default();
    network.run_until(Instant::from_secs(20), &mut statistics);
    assert_eq!(network.ping(id).unwrap().received, 1);
    // 1,500 octets cross 1 link whole and 3 as three fragments; the reply likewise from the other end.
    assert_eq!(statistics.transmitted, 2 * (1 + 3 * 3));
}

#[test]
fn a_60_kilobyte_ping_is_cut_by_the_host() {
    let mut chain = perfect(1);
    let id = chain.ping(to_bob().size(60_000).count(1));
    let mut network = chain.builder.build().unwrap();
    network.run_until(Instant::from_secs(20), &mut ());
    assert_eq!(network.ping(id).unwrap().received, 1);
}

#[test]
fn with_df_the_router_says_what_is_wrong() {
    let mut chain = chain(1, 576, Faults::NONE, Instant::NEVER);
    let id = chain.ping(to_bob().size(1000).count(1).dont_fragment());
    let mut network = chain.builder.build().unwrap();
    network.run_until(Instant::from_secs(20), &mut ());
    let ping = network.ping(id).unwrap();
    assert_eq!(ping.lines[1], "Reply from 10.0.0.2: Packet needs to be fragmented but DF set.");
}

#[test]
fn ttl_ends_at_the_router_it_ends_at() {
    let mut chain = perfect(1);
    let ids = [1, 2, 3, 4].map(|ttl| chain.ping(to_bob().count(1).ttl(ttl)));
    let mut network = chain.builder.build().unwrap();
    network.run_until(Instant::from_secs(20), &mut ());
    let second = ids.map(|id| network.ping(id).unwrap().lines[1].clone());
    assert_eq!(second[0], "Reply from 10.0.0.2: TTL expired in transit.");
    assert_eq!(second[1], "Reply from 10.0.1.2: TTL expired in transit.");
    assert_eq!(second[2], "Reply from 10.0.2.2: TTL expired in transit.");
    assert!(second[3].starts_with("Reply from 10.0.3.2: bytes=32"));
}

#[test]
fn nobody_answers_for_missing_hosts_and_networks() {
    let mut chain = perfect(1);
    let nobody = chain.ping(Ping::new("10.0.3.77".parse().unwrap()).count(1));
    let nowhere = chain.ping(Ping::new("192.0.2.1".parse().unwrap()).count(1));
    let mut network = chain.builder.build().unwrap();
    network.run_until(Instant::from_secs(20), &mut ());
    assert_eq!(network.ping(nobody).unwrap().lines[1], "Request timed out.");
    assert_eq!(network.ping(nowhere).unwrap().lines[1], "Reply from 10.0.0.2: Destination net unreachable.");
}

#[test]
fn ipv6_is_forwarded_and_pinged_and_carries_tcp() {
    let mut builder = Builder::new(1);
    let links = ["left", "right"].map(|name| builder.link(LinkConfig::new(name)));
    let host = |name, link, address, router| {
        let interface = InterfaceConfig::new("lan", link, address);
        NodeConfig::host(name).interface(interface).route("::/0", router, 0)
    };
    let alice = builder.node(host("alice", links[0], "2001:db8:1::10/64", "2001:db8:1::1"));
    let bob = builder.node(host("bob", links[1], "2001:db8:2::10/64", "2001:db8:2::1"));
    builder.node(
        NodeConfig::router("router")
            .interface(InterfaceConfig::new("left", links[0], "2001:db8:1::1/64"))
            .interface(InterfaceConfig::new("right", links[1], "2001:db8:2::1/64")),
    );
    let at_bob = "2001:db8:2::10".parse().unwrap();
    let ping = builder.schedule(Instant::EPOCH, alice, Action::Ping(Ping::new(at_bob)));
    let large = builder.schedule(Instant::EPOCH, alice, Action::Ping(Ping::new(at_bob).size(4_000)));
    let expired = builder.schedule(Instant::EPOCH, alice, Action::Ping(Ping::new(at_bob).ttl(1)));
    builder.schedule(Instant::EPOCH, bob, Action::TcpListen { port: 80, answer: Answer::Echo });
    let remote = "[2001:db8:2::10]:80".parse().unwrap();
    let send = Payload::Pattern(10_000);
    let connect = Action::TcpConnect { remote, local_port: None, send, expect: 10_000 };
    let client = builder.schedule(Instant::EPOCH, alice, connect);
    let mut network = builder.build().unwrap();
    network.run_until(Instant::from_secs(20), &mut ());
    assert_eq!((network.ping(ping).unwrap().received, network.ping(large).unwrap().received), (4, 4));
    let line = &network.ping(expired).unwrap().lines[1];
    assert_eq!(line, "Reply from 2001:db8:1::1: TTL expired in transit.");
    assert!(network.tcp(client).unwrap().succeeded());
}
