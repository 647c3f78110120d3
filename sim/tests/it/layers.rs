//! The order of the layers of KB 816514: packet filter, IPsec, fragmentation, and back.

use ipsec_core::Instant;
use ipsec_sim::trace::Trace;
use ipsec_sim::{Action, Faults};

use crate::gateways::{des_md5, gateways, to_hb};

/// What `node` did with echo requests whose inner datagram has 1,500 octets, once the tunnel is there: verbs in order.
fn verbs(node: &str) -> Vec<String> {
    let mut gateways = gateways(1, des_md5(), Faults::NONE, Instant::NEVER);
    gateways.ping(to_hb());
    let late = Instant::from_secs(20);
    let big = gateways.builder.schedule(late, gateways.ha, Action::Ping(to_hb().size(1472).count(1)));
    let mut network = gateways.builder.build().unwrap();
    let mut trace = Trace::new(network.names()).verbose();
    network.run_until(Instant::from_secs(30), &mut trace);
    assert_eq!(network.finish(&mut ()), [], "{}", trace.text());
    assert_eq!(network.ping(big).unwrap().received, 1, "{}", trace.text());
    let words = trace.lines().iter().map(|line| line.split("  ").map(str::trim).filter(|w| !w.is_empty()));
    let of_node = words.filter_map(|mut words| {
        let (time, who, verb) = (words.next()?, words.next()?, words.next()?);
        let seconds: f64 = time.parse().ok()?;
        let len = if verb.starts_with("filter") { 2 } else { 1 };
        (seconds >= 20.0 && who == node).then(|| verb.split(' ').take(len).collect::<Vec<_>>().join(" "))
    });
    of_node.collect()
}

/// "Routing and Remote Access filtering is performed over IPSec": outbound filter, IPsec, fragmentation; inbound the reverse.
/// The ESP packet is made of the whole inner packet and then cut, and put together before it is opened.
#[test]
fn each_layer_has_its_place() {
    let outbound = ["forward", "filter out", "seal", "fragment", "send", "fragment", "send"];
    let inbound = ["arrive", "reassemble", "arrive", "reassemble", "open", "filter in", "forward"];
    let is_in = |all: &[String], wanted: &[&str]| all.windows(wanted.len()).any(|w| w == wanted);
    // The request leaves through gwa and arrives at gwb, the reply the other way.
    for node in ["gwa", "gwb"] {
        let verbs = verbs(node);
        assert!(is_in(&verbs, &outbound), "{node}: {verbs:?}");
        assert!(is_in(&verbs, &inbound), "{node}: {verbs:?}");
    }
}
