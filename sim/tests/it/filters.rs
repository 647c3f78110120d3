//! The IP packet filter of Routing and Remote Access.

use ipsec_core::Instant;
use ipsec_core::interface::InterfaceId;
use ipsec_sim::packet_filter::{Filter, PacketFilter};
use ipsec_sim::topology::parse_prefix;
use ipsec_sim::{DropCause, Effect, NodeId, Record, Sink};

use crate::topologies::{perfect, to_bob};

#[derive(Default)]
struct Drops(Vec<(NodeId, DropCause)>);

impl Sink for Drops {
    fn record(&mut self, record: &Record<'_>) {
        if let Effect::Dropped(_, cause) = record.effect {
            self.0.push((record.node, cause));
        }
    }
}

fn between(source: &str, destination: &str) -> PacketFilter {
    let prefix = |text| parse_prefix(text).unwrap();
    PacketFilter::drop_except(vec![Filter::between(prefix(source), prefix(destination))])
}

/// Runs one ping with these filters on the right-hand interface of the second router.
fn run(input: PacketFilter, output: PacketFilter) -> (u32, Vec<(NodeId, DropCause)>) {
    let mut chain = perfect(1);
    let id = chain.ping(to_bob().count(1));
    let interface = &mut chain.builder.node_mut(NodeId(2)).unwrap().interfaces[1];
    (interface.input, interface.output) = (input, output);
    let mut network = chain.builder.build().unwrap();
    let mut drops = Drops::default();
    network.run_until(Instant::from_secs(10), &mut drops);
    (network.ping(id).unwrap().received, drops.0)
}

#[test]
fn drop_all_except_lets_the_named_pair_through() {
    let there = between("10.0.0.0/24", "10.0.3.0/24");
    let back = between("10.0.3.0/24", "10.0.0.0/24");
    assert_eq!(run(back, there), (1, vec![]));
}

#[test]
fn a_missing_pair_is_dropped_where_the_filter_is() {
    let other = between("192.0.2.0/24", "10.0.3.0/24");
    let interface = InterfaceId(1);
    assert_eq!(
        run(PacketFilter::default(), other.clone()),
        (0, vec![(NodeId(2), DropCause::OutputFilter(interface))])
    );
    assert_eq!(
        run(other, PacketFilter::default()),
        (0, vec![(NodeId(2), DropCause::InputFilter(interface))])
    );
}
