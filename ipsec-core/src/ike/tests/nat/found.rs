//! What NAT discovery finds, and what follows from it.

use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::world::*;
use crate::ike::effect::Effect;
use crate::ike::failure::FailureReason;
use crate::ike::tests::harness::*;
use crate::ike::v1::nat_traversal::{Nat, Version};
use crate::io::Event;
use crate::sad::OriginalAddresses;
use crate::wire::isakmp::{ExchangeType, split};

pub(super) fn nat_of(node: &Node) -> Option<Nat> {
    let found = |event: &Event| match event {
        Event::MainModeEstablished(info) => Some(info.nat),
        _ => None,
    };
    node.events.iter().find_map(found).expect("an ISAKMP SA")
}

#[test]
fn both_ends_find_the_same_and_make_an_encapsulated_pair() {
    for (vendor_ids, version) in [(rfc(), Version::Rfc3947), (draft(), Version::Draft02)] {
        for placement in PLACEMENTS {
            for tunnel in [true, false] {
                // The server's policy names the client's box: the address it sees.
                let mut world = World::new(&speaking(vendor_ids.clone(), tunnel), placement);
                world.acquire(0);
                world.settle();
                let Placement { client, server } = placement;
                let expected =
                    [(client, server), (server, client)].map(|(local, peer)| Nat { version, local, peer });
                assert_eq!([0, 1].map(|n| nat_of(&world.nodes[n])), expected.map(Some), "{placement:?}");
                for node in &world.nodes {
                    assert_eq!((node.inbound.len(), node.outbound.len()), (1, 1), "{:?}", node.events);
                    assert_eq!(node.inbound[0].udp, node.outbound[0].udp);
                    assert_eq!(node.inbound[0].udp.is_some(), client || server);
                    assert_eq!(node.failures(), []);
                    assert_eq!(node.count(|e| matches!(e, Event::IkeIgnored { .. })), 0, "{:?}", node.events);
                }
                assert_eq!(world.nodes[0].inbound[0].sas, world.nodes[1].outbound[0].sas);
            }
        }
    }
}

/// RFC 3947 section 4: from message 5 on, both ports are 4500; without a NAT they stay 500.
#[test]
fn the_initiator_moves_to_port_4500_with_message_5() {
    for placement in PLACEMENTS {
        let mut world = World::new(&speaking(rfc(), true), placement);
        world.acquire(0);
        world.settle();
        let nat = placement.client || placement.server;
        let by = |world: &World, node: usize| -> Vec<(ExchangeType, u16, u16)> {
            let own = world.places[node].address;
            let of_node = world.sent.iter().filter(|d| d.local.ip() == own);
            of_node
                .map(|d| (split(&d.payload).unwrap().0.exchange_type, d.local.port(), d.peer.port()))
                .collect()
        };
        let later = if nat { 4500 } else { 500 };
        for (place, (exchange, local, peer)) in by(&world, 0).into_iter().enumerate() {
            let port = if place < 2 { 500 } else { later };
            assert_eq!((local, peer), (port, port), "{exchange:?} {place} {placement:?}");
        }
        for (place, (exchange, local, peer)) in by(&world, 1).into_iter().enumerate() {
            assert_eq!(local, if place < 2 { 500 } else { later }, "{exchange:?} {place} {placement:?}");
            // A dynamic box has mapped each of the client's ports to another one.
            let mapped = if place < 2 { 20_001 } else { 20_002 };
            assert_eq!(peer, if placement.client { mapped } else { local }, "{exchange:?} {place}");
        }
        let udp = world.nodes[1].inbound[0].udp;
        let peer_port = if placement.client { 20_002 } else { 4500 };
        assert_eq!(udp.map(|udp| (udp.local_port, udp.peer_port)), nat.then_some((4500, peer_port)));
    }
}

#[test]
fn nothing_happens_unless_both_announce_it() {
    for (client, server) in [(rfc(), vec![]), (vec![], draft()), (rfc(), draft())] {
        let placement = CLIENT;
        let setups = [speaking(client, true), speaking(server, true)];
        let mut world = World::differing([&setups[0], &setups[1]], placement);
        world.acquire(0);
        world.run_for(200);
        // The server cannot take 10.9.0.5 for 198.51.100.1 (RFC 4945 section 3.1).
        assert_eq!(world.nodes[1].failures(), [FailureReason::AuthenticationFailed]);
        assert!(world.sent.iter().all(|d| d.local.port() == 500));
    }
}

/// RFC 3947 section 4: an exchange may begin on port 4500, and stays as it is.
#[test]
fn main_mode_may_begin_on_port_4500() {
    let mut world = World::new(&speaking(rfc(), true), CLIENT);
    world.acquire(0);
    // The client behaves as if it had been told the port.
    while let Some((node, mut datagram)) = world.take() {
        if node == 1 && datagram.peer.port() == 500 {
            datagram.peer.set_port(4500);
            datagram.local.set_port(31_000);
        }
        world.deliver(node, &datagram);
        if world.sent.len() == 2 {
            break;
        }
    }
    let answer = world.sent.last().unwrap();
    assert_eq!((answer.local.port(), answer.peer.port()), (4500, 31_000));
    assert_eq!(answer.peer, SocketAddr::new(ip(OUTSIDE[0]), 31_000));
}

/// ISAKMP SAs are found by cookies: two clients of one box have one address, and their own pairs.
#[test]
fn two_clients_behind_one_box_do_not_disturb_each_other() {
    let client = speaking(rfc(), false);
    let mut world = World::new(&client, CLIENT);
    let second = world.add_client(&client, "10.9.0.6");
    for node in [0, second] {
        world.acquire(node);
        world.settle();
    }
    // The pairs are for the same traffic, and yet neither replaces the other.
    assert!(!world.nodes[1].other.iter().any(|effect| matches!(effect, Effect::HandOver { .. })));
    for (node, port) in [(0, 20_002), (second, 20_004)] {
        let outbound = &world.nodes[node].outbound[0];
        let at_server = world.nodes[1].inbound.iter().find(|inbound| inbound.sas == outbound.sas);
        assert_eq!(at_server.and_then(|inbound| inbound.udp).map(|udp| udp.peer_port), Some(port));
        let (local, peer) = (world.places[node].address, ip(OUTSIDE[1]));
        let expected = OriginalAddresses { local: peer, peer: local };
        assert_eq!(at_server.and_then(|inbound| inbound.udp).and_then(|udp| udp.original), Some(expected));
    }
}
