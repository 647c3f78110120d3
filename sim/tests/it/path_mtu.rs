//! A narrow link between the gateways: path MTU discovery reaches through the tunnel to the hosts (RFC 4301 section 8.2).

use ipsec_core::Instant;
use ipsec_sim::app::tcp::Answer;
use ipsec_sim::topology::parse_prefix;
use ipsec_sim::trace::Trace;
use ipsec_sim::{Action, Faults, InterfaceConfig, LinkConfig, NodeConfig, Payload};

use crate::gateways::{Gateways, des_md5, gateways, to_hb};

/// The outside link is cut in two, the second half with MTU 1,200; a router joins them.
fn narrow() -> Gateways {
    let mut gateways = gateways(1, des_md5(), Faults::NONE, Instant::NEVER);
    let narrow = gateways.builder.link(LinkConfig::outside("narrow").mtu(1200));
    let outside = gateways.builder.node_mut(gateways.gwa).unwrap().interfaces[1].link;
    for (node, far) in [(gateways.gwa, "203.0.113.250"), (gateways.gwb, "203.0.113.251")] {
        let node = gateways.builder.node_mut(node).unwrap();
        let own = node.interfaces[1].addresses[0].address;
        node.interfaces[1].addresses = vec![parse_prefix(&format!("{own}/32")).unwrap()];
        node.routes.clear();
        *node = node.clone().route("0.0.0.0/0", far, 1);
    }
    gateways.builder.node_mut(gateways.gwb).unwrap().interfaces[1].link = narrow;
    let router = NodeConfig::router("internet")
        .interface(InterfaceConfig::new("wide", outside, "203.0.113.250/32"))
        .interface(InterfaceConfig::new("narrow", narrow, "203.0.113.251/32"))
        .route("203.0.113.1/32", "203.0.113.1", 0)
        .route("203.0.113.2/32", "203.0.113.2", 1);
    gateways.builder.node(router);
    gateways
}

#[test]
fn tcp_finds_the_size_that_fits() {
    let mut gateways = narrow();
    let listen = Action::TcpListen { port: 80, answer: Answer::Echo };
    gateways.builder.schedule(Instant::EPOCH, gateways.hb, listen);
    let remote = "10.2.0.10:80".parse().unwrap();
    let (send, expect) = (Payload::Pattern(60_000), 60_000);
    let connect = Action::TcpConnect { remote, local_port: None, send, expect };
    let client = gateways.builder.schedule(Instant::EPOCH, gateways.ha, connect);
    let mut network = gateways.builder.build().unwrap();
    let mut trace = Trace::new(network.names());
    network.run_until(Instant::from_secs(120), &mut trace);
    let text = trace.text();
    assert_eq!(network.finish(&mut ()), [], "{text}");
    assert!(network.tcp(client).unwrap().succeeded(), "{text}");
    assert!(text.contains("path MTU"), "{text}");
}

#[test]
fn pings_without_df_are_cut_on_the_way() {
    let mut gateways = narrow();
    let id = gateways.ping(to_hb().size(5_000));
    let mut network = gateways.builder.build().unwrap();
    let mut trace = Trace::new(network.names());
    network.run_until(Instant::from_secs(30), &mut trace);
    assert_eq!(network.finish(&mut ()), []);
    assert_eq!(network.ping(id).unwrap().received, 4, "{}", trace.text());
}
