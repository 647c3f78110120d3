//! A node that says it is behind a NAT.

use super::world::*;
use crate::config::{IkeConfig, NatTraversal};
use crate::ike::tests::harness::*;

fn pretending(pretend: bool) -> Setup {
    let nat_traversal = NatTraversal { pretend, ..NatTraversal::default() };
    Setup { ike: IkeConfig { nat_traversal, ..speaking(rfc(), true).ike }, ..speaking(rfc(), true) }
}

/// Without any NAT ESP travels in UDP, whoever of the two says so; from behind a real one as well.
#[test]
fn esp_travels_in_udp_where_one_end_says_so() {
    for (client, server) in [(true, false), (false, true), (true, true), (false, false)] {
        for placement in PLACEMENTS {
            let mut world = World::differing([&pretending(client), &pretending(server)], placement);
            world.acquire(0);
            world.settle();
            let real = placement != NOBODY;
            for node in &world.nodes {
                assert_eq!(
                    (node.inbound.len(), node.outbound.len()),
                    (1, 1),
                    "{client} {server} {placement:?}"
                );
                let encapsulated = [&node.inbound, &node.outbound].map(|specs| specs[0].udp.is_some());
                assert_eq!(encapsulated, [client || server || real; 2], "{client} {server} {placement:?}");
            }
        }
    }
}
