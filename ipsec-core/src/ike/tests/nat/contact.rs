//! INITIAL-CONTACT and deletes of peers that share an address (RFC 3947 section 6).

use super::world::{self, *};
use crate::ike::tests::harness::*;
use crate::io::DeleteReason;
use crate::pad::Identity;

fn setup() -> Setup {
    speaking(rfc(), false)
}

/// A client, and another one behind the same box that calls itself this.
fn two_clients(second: &'static str) -> (World, usize) {
    let mut world = World::new(&setup(), CLIENT);
    let second = world.add_client(&setup(), second);
    for node in [0, second] {
        world.acquire(node);
        world.settle();
        world.run_for(60);
    }
    (world, second)
}

#[test]
fn initial_contact_of_one_client_leaves_the_other_alone() {
    let (world, _) = two_clients("10.9.0.6");
    assert_eq!(world.nodes[1].deleted(), []);
    assert_eq!(world.nodes[1].ike.sizes().isakmp_sas, 2);
    assert_eq!(world.nodes[1].ike.sizes().pairs, 2);
}

/// The client has lost everything, and its box has given it another port.
#[test]
fn a_client_that_returns_takes_its_old_sas_away() {
    let mut world = World::new(&setup(), CLIENT);
    world.acquire(0);
    world.settle();
    let lost = world.nodes[1].inbound[0].pair;
    world.boxes[0].reboot();
    world.nodes[0] = Node::new(&Setup { ends: Some([INSIDE[0], OUTSIDE[1]]), ..setup() }, 0);
    world.nodes[0].reseed(77);
    world.now = world.now + crate::time::Duration::from_secs(60);
    world.acquire(0);
    world.settle();
    assert_eq!(world.nodes[1].deleted(), [(lost, DeleteReason::InitialContact)]);
    assert_eq!(world.nodes[1].ike.sizes().isakmp_sas, 1);
}

/// A second client that cannot be told from the first: the same private address, behind a box behind the same box. Its
/// INITIAL-CONTACT takes the first one's SAs away; that one is told, comes back, and both live on.
#[test]
fn a_client_with_the_same_private_address_is_not_shut_out() {
    let mut world = World::new(&setup(), CLIENT);
    let second = world.add_client(&setup(), "10.9.0.6");
    world.nodes[second].pad_entry(|entry| entry.identity = Some(Identity::Address(ip(INSIDE[0]))));
    world.acquire(0);
    world.settle();
    world.run_for(60);
    world.acquire(second);
    world.settle();
    let server = &world.nodes[1];
    assert_eq!(server.deleted(), [(server.inbound[0].pair, DeleteReason::InitialContact)]);
    assert_eq!(world.nodes[0].deleted(), [(world.nodes[0].inbound[0].pair, DeleteReason::PeerDeleted)]);
    assert_eq!(world.nodes[0].ike.sizes().isakmp_sas, 0);
    world.acquire(0);
    world.settle();
    let sizes = world.nodes[1].ike.sizes();
    assert_eq!((sizes.isakmp_sas, sizes.pairs, world.nodes[1].deleted().len()), (2, 2, 1));
}

/// The same private address behind another box is somebody else (RFC 3948 section 5.1).
#[test]
fn a_private_address_behind_another_nat_is_another_identity() {
    let mut world = World::new(&setup(), CLIENT);
    let second = world.add_client(&setup(), "10.9.0.6");
    world.boxes.push(world::Box::dynamic("192.0.2.50"));
    world.places[second].behind = Some(2);
    world.nodes[second].pad_entry(|entry| entry.identity = Some(Identity::Address(ip(INSIDE[0]))));
    world.acquire(0);
    world.settle();
    world.run_for(60);
    world.acquire(second);
    world.settle();
    assert_eq!((world.nodes[1].deleted(), world.nodes[1].ike.sizes().isakmp_sas), ([].into(), 2));
}

#[test]
fn a_client_deletes_its_own_sas_only() {
    let (mut world, second) = two_clients("10.9.0.6");
    let [first_pair, second_pair] = [0, 1].map(|n| world.nodes[1].inbound[n].pair);
    world.call(second, |ike, cx| ike.shutdown(cx));
    world.settle();
    assert_eq!(world.nodes[1].deleted(), [(second_pair, DeleteReason::PeerDeleted)]);
    assert_eq!(world.nodes[1].ike.sizes().isakmp_sas, 1);
    // What the server deletes, it tells the one whose it is.
    let inbound =
        world.nodes[1].inbound[0].sas.iter().map(|sa| (sa.protocol, sa.spi)).collect::<alloc::vec::Vec<_>>();
    world.call(1, |ike, cx| ike.pair_deleted(first_pair, &inbound, DeleteReason::Command, cx));
    world.settle();
    assert_eq!(world.nodes[0].deleted().len(), 1);
}
