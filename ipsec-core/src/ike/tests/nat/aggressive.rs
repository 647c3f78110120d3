//! Aggressive mode across a NAT: NAT-D in messages 2 and 3, and message 3 on port 4500 (RFC 3947 sections 3.2 and 4).

use alloc::vec;
use alloc::vec::Vec;

use super::found::nat_of;
use super::world::*;
use crate::crypto::{HashAlg, hash};
use crate::ike::failure::FailureReason;
use crate::ike::tests::harness::*;
use crate::ike::v1::nat_traversal::{Nat, Version};
use crate::pad::Identity;
use crate::wire::isakmp::{decode_chain, split};

fn name(node: usize) -> Identity {
    Identity::Fqdn(["client.example", "server.example"][node].into())
}

fn named(setup: &Setup, placement: Placement) -> World {
    let mut world = World::new(&Setup { aggressive: true, ..setup.clone() }, placement);
    for node in [0, 1] {
        world.nodes[node].pad_entry(|entry| {
            entry.identity = Some(name(node));
            entry.peer_identities = vec![name(1 - node)];
        });
    }
    world
}

#[test]
fn it_works_wherever_the_nat_is() {
    for (vendor_ids, version) in [(rfc(), Version::Rfc3947), (draft(), Version::Draft02)] {
        for placement in PLACEMENTS {
            for tunnel in [true, false] {
                let mut world = named(&speaking(vendor_ids.clone(), tunnel), placement);
                world.acquire(0);
                world.settle();
                let Placement { client, server } = placement;
                let expected = [(client, server), (server, client)]
                    .map(|(local, peer)| Some(Nat { version, local, peer }));
                assert_eq!([0, 1].map(|n| nat_of(&world.nodes[n])), expected, "{placement:?}");
                for node in &world.nodes {
                    assert_eq!((node.inbound.len(), node.failures().len()), (1, 0), "{:?}", node.events);
                    assert_eq!(node.inbound[0].udp.is_some(), client || server);
                }
            }
        }
    }
}

#[test]
fn message_2_has_nat_d_and_message_3_goes_to_port_4500_with_its_own() {
    let mut setup = speaking(rfc(), true);
    setup.proposals[0].hash = HashAlg::Sha1;
    setup.ike.aggressive_in_clear = true;
    let mut world = named(&setup, CLIENT);
    world.acquire(0);
    world.settle();
    let nat_d = |n: usize| -> Vec<Vec<u8>> {
        let (header, body) = split(&world.sent[n].payload).unwrap();
        let (chain, _) = decode_chain(header.next_payload, body).unwrap();
        let each = chain.payloads().iter().enumerate().filter(|(_, p)| p.payload_type().0 == 20);
        each.map(|(place, _)| chain.body(place).to_vec()).collect()
    };
    let ends = |n: usize| (world.sent[n].local.port(), world.sent[n].peer.port());
    assert_eq!([0, 1, 2].map(ends), [(500, 500), (500, 20_001), (4500, 4500)]);
    let cookies = &world.sent[2].payload[..16];
    let of = |ip: [u8; 4], port: u16| hash(HashAlg::Sha1, &[&[cookies, &ip, &port.to_be_bytes()].concat()]);
    assert_eq!(nat_d(0), Vec::<Vec<u8>>::new());
    assert_eq!(nat_d(1), [of([198, 51, 100, 1], 20_001), of([203, 0, 113, 9], 500)]);
    assert_eq!(nat_d(2), [of([203, 0, 113, 9], 4500), of([10, 9, 0, 5], 4500)]);
    // The responder answers by UDP(4500,Y).
    assert!(
        world.sent[3..]
            .iter()
            .filter(|d| d.local.ip() == ip(OUTSIDE[1]))
            .all(|d| { (d.local.port(), d.peer.port()) == (4500, 20_002) })
    );
}

/// A forged message 2 moves nobody: only after HASH_R the ports change.
#[test]
fn a_forged_message_2_changes_no_port() {
    let mut world = named(&speaking(rfc(), true), CLIENT);
    world.acquire(0);
    let (server, first) = world.take().unwrap();
    world.deliver(server, &first);
    let (client, second) = world.take().unwrap();
    let mut forged = second.clone();
    // The last octet of the last NAT-D, or of HASH_R: whatever comes last.
    let hash_at = forged.payload.len() - 1;
    forged.payload[hash_at] ^= 1;
    forged.payload[30] ^= 1;
    world.deliver(client, &forged);
    let names = &world.nodes[0].ike.sas.values().next().unwrap().names;
    assert_eq!((names.local.port(), names.nat), (500, None));
    world.deliver(client, &second);
    assert_eq!(world.sent.last().unwrap().peer.port(), 4500);
}

/// On port 500 message 3 would leave ESP in UDP without a port.
#[test]
fn message_3_on_the_old_port_is_not_heard() {
    let mut world = named(&speaking(rfc(), true), CLIENT);
    world.acquire(0);
    for _ in 0..2 {
        let (node, datagram) = world.take().unwrap();
        world.deliver(node, &datagram);
    }
    let (node, third) = world.take().unwrap();
    let mut late = third.clone();
    late.peer.set_port(500);
    world.deliver(node, &late);
    assert_eq!(world.nodes[1].ike.sas.values().filter(|sa| sa.established().is_some()).count(), 0);
    world.deliver(node, &third);
    assert_eq!(world.nodes[1].ike.sas.values().filter(|sa| sa.established().is_some()).count(), 1);
}

/// When message 3 is lost, what comes under the SA makes the responder ask for it again, on the port that it comes from.
#[test]
fn a_lost_message_3_is_sent_again() {
    let mut world = named(&speaking(rfc(), true), CLIENT);
    world.acquire(0);
    for _ in 0..2 {
        let (node, datagram) = world.take().unwrap();
        world.deliver(node, &datagram);
    }
    world.take().unwrap();
    world.run_for(60);
    for node in &world.nodes {
        assert_eq!((node.inbound.len(), node.failures().len()), (1, 0), "{:?}", node.events);
    }
}

/// The key is found by identity before anybody knows of the NAT: a private address finds none.
#[test]
fn behind_a_nat_an_initiator_needs_a_name() {
    let mut world = World::new(&Setup { aggressive: true, ..speaking(rfc(), true) }, CLIENT);
    world.acquire(0);
    world.run_for(200);
    assert_eq!(world.nodes[0].failures(), [FailureReason::NoResponse]);
    let world = World::connected(&Setup { aggressive: true, ..speaking(rfc(), true) }, SERVER);
    assert_eq!(world.nodes[0].inbound.len(), 1);
}
