//! Peers whose NAT moves them (RFC 3947 section 7).

use alloc::vec::Vec;
use core::net::SocketAddr;

use super::world::*;
use crate::ike::effect::{Datagram, Effect};
use crate::ike::tests::harness::*;
use crate::io::Event;
use crate::sad::PairId;

fn established(placement: Placement) -> World {
    World::connected(&speaking(rfc(), true), placement)
}

/// Which pairs IKE moved, and where to.
fn moves(node: &Node) -> Vec<(PairId, SocketAddr)> {
    let moved = |effect: &Effect| match effect {
        Effect::MovePeer { pair, peer, .. } => Some((*pair, *peer)),
        _ => None,
    };
    node.other.iter().filter_map(moved).collect()
}

fn noted(node: &Node) -> usize {
    node.count(|event| matches!(event, Event::IsakmpPeerMoved { .. }))
}

/// Where the server would send its next message.
fn heads_for(world: &World, node: usize) -> SocketAddr {
    let mut asked = world.clone();
    asked.acquire(node);
    asked.sent.last().unwrap().peer
}

#[test]
fn an_authenticated_message_moves_a_peer_behind_a_nat_and_all_its_pairs() {
    let mut world = established(CLIENT);
    let old = heads_for(&world, 1);
    world.boxes[0].reboot();
    world.acquire(0);
    let (node, first) = world.take().unwrap();
    assert_ne!(first.local, old);
    let mut forged = first.clone();
    *forged.payload.last_mut().unwrap() ^= 1;
    world.deliver(node, &forged);
    assert_eq!((heads_for(&world, 1), moves(&world.nodes[1])), (old, [].into()));
    world.deliver(node, &first);
    let server = &world.nodes[1];
    assert_eq!(heads_for(&world, 1), first.local);
    assert_eq!(moves(server), [(server.inbound[0].pair, first.local)]);
    assert_eq!(noted(server), 1);
    // The new pair is where the client is now.
    world.settle();
    let udp = world.nodes[1].inbound[1].udp.unwrap();
    assert_eq!(udp.peer_port, first.local.port());
    // The same message again, from elsewhere, is answered there but moves nobody.
    let elsewhere = Datagram { local: SocketAddr::new(first.local.ip(), 9), ..first.clone() };
    world.deliver(node, &elsewhere);
    assert_eq!((heads_for(&world, 1), noted(&world.nodes[1])), (first.local, 1));
}

#[test]
fn esp_from_elsewhere_moves_ike_and_the_clients_other_pairs() {
    let mut world = established(CLIENT);
    world.acquire(0);
    world.settle();
    let pairs: Vec<PairId> = world.nodes[1].inbound.iter().map(|bundle| bundle.pair).collect();
    let to = SocketAddr::new(ip(OUTSIDE[0]), 33_333);
    let local = SocketAddr::new(ip(OUTSIDE[1]), 4500);
    world.call(1, |ike, cx| ike.peer_moved(pairs[0], local, to, cx));
    assert_eq!(moves(&world.nodes[1]), [(pairs[1], to)]);
    assert_eq!((heads_for(&world, 1), noted(&world.nodes[1])), (to, 1));
}

/// Two clients of one box change places: each takes its own with it, and nothing of the other's.
#[test]
fn clients_that_change_places_stay_themselves() {
    let setup = speaking(rfc(), false);
    let mut world = World::new(&setup, CLIENT);
    let second = world.add_client(&setup, "10.9.0.6");
    for node in [0, second] {
        world.acquire(node);
        world.settle();
    }
    let pairs: Vec<PairId> = world.nodes[1].inbound.iter().map(|bundle| bundle.pair).collect();
    let at = |port| SocketAddr::new(ip(OUTSIDE[0]), port);
    let local = SocketAddr::new(ip(OUTSIDE[1]), 4500);
    let [first_at, second_at] = [20_002, 20_004].map(at);
    world.call(1, |ike, cx| ike.peer_moved(pairs[0], local, second_at, cx));
    world.call(1, |ike, cx| ike.peer_moved(pairs[1], local, first_at, cx));
    assert_eq!(moves(&world.nodes[1]), []);
    let moved = |event: &Event| match event {
        Event::IsakmpPeerMoved { from, to, .. } => Some((*from, *to)),
        _ => None,
    };
    let moved: Vec<_> = world.nodes[1].events.iter().filter_map(moved).collect();
    assert_eq!(moved, [(first_at, second_at), (second_at, first_at)]);
    // One replaces its pair: the successor is its own, and the other's pair stays.
    for (pair, to) in pairs.into_iter().zip([second_at, first_at]) {
        let mut asked = world.clone();
        let acquire = crate::ike::effect::Acquire { replaces: Some(pair), ..asked.wanted(1) };
        asked.call(1, |ike, cx| ike.acquire(acquire, cx));
        assert_eq!(asked.sent.last().unwrap().peer, to);
    }
}

/// Nothing covers the outer source of an authentic message: where no answer could go, nobody is.
#[test]
fn nobody_moves_to_where_no_answer_can_go() {
    let mut world = established(CLIENT);
    let old = heads_for(&world, 1);
    for (address, port) in [("198.51.100.1", 0), ("0.0.0.0", 4500), ("224.0.0.1", 4500), (OUTSIDE[1], 4500)] {
        world.acquire(0);
        let (node, first) = world.take().unwrap();
        world.deliver(node, &Datagram { local: SocketAddr::new(ip(address), port), ..first });
        assert_eq!((heads_for(&world, 1), noted(&world.nodes[1])), (old, 0), "{address}:{port}");
    }
}

/// RFC 3947 section 7: an end behind a dynamic NAT must not follow.
#[test]
fn an_end_behind_a_nat_follows_nobody() {
    let mut world = established(CLIENT);
    let old = heads_for(&world, 0);
    world.acquire(1);
    let (node, first) = world.take().unwrap();
    let elsewhere = Datagram { local: SocketAddr::new(first.local.ip(), 4501), ..first };
    world.deliver(node, &elsewhere);
    assert_eq!((heads_for(&world, 0), noted(&world.nodes[0])), (old, 0));
    assert_eq!(old, SocketAddr::new(ip(OUTSIDE[1]), 4500));
}

/// RFC 3947 section 4: message 5 moves the responder only if it authenticates, and phase 1 is not for port 500 any more.
#[test]
fn a_forged_message_5_moves_nobody_and_the_old_port_is_left() {
    let mut world = World::new(&speaking(rfc(), true), CLIENT);
    world.acquire(0);
    for _ in 0..4 {
        let (node, datagram) = world.take().unwrap();
        world.deliver(node, &datagram);
    }
    let (node, fifth) = world.take().unwrap();
    assert_eq!((fifth.local.port(), fifth.peer.port()), (20_002, 4500));
    let mut forged = Datagram { local: SocketAddr::new(fifth.local.ip(), 666), ..fifth.clone() };
    *forged.payload.last_mut().unwrap() ^= 1;
    world.deliver(node, &forged);
    // On port 500 it would leave ESP without a port.
    let late = SocketAddr::new(fifth.peer.ip(), 500);
    world.deliver(node, &Datagram { peer: late, ..fifth.clone() });
    assert_eq!(world.sent.iter().filter(|d| d.local.ip() == ip(OUTSIDE[1])).count(), 2);
    world.deliver(node, &fifth);
    let sixth = world.sent.last().unwrap().clone();
    assert_eq!((sixth.local.port(), sixth.peer), (4500, fifth.local));
    // A repetition on the port that was left gets no answer.
    let before = world.sent.len();
    world.deliver(node, &Datagram { peer: late, ..fifth });
    assert_eq!(world.sent.len(), before);
}

/// RFC 3947 sections 3 and 4: a phase 1 that the original responder renews goes through the mapping, by UDP(4500,Y).
#[test]
fn the_responder_renews_through_the_mapping() {
    let mut world = established(CLIENT);
    let mapped = heads_for(&world, 1);
    let pair = world.nodes[1].inbound[0].pair;
    let acquire = crate::ike::effect::Acquire { replaces: Some(pair), ..world.wanted(1) };
    // The ISAKMP SA has lived its life, at both ends.
    world.run_for(28_800);
    let before = world.sent.len();
    world.call(1, |ike, cx| ike.acquire(acquire, cx));
    let first = world.sent[before].clone();
    assert_eq!((first.local.port(), first.peer), (4500, mapped));
    world.settle();
    assert!(world.sent[before..].iter().all(|d| d.local.port() == 4500), "negotiations on 4500 stay there");
    assert_eq!((world.nodes[0].inbound.len(), world.nodes[1].inbound.len()), (2, 2));
    assert_eq!(world.nodes[1].failures(), []);
}
