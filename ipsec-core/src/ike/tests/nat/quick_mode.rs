//! Quick mode across a NAT: original addresses, identities that a NAT has falsified, and whose checksum is repaired how.

use alloc::vec;
use core::net::IpAddr;

use super::world::*;
use crate::config::{IkeConfig, NatOaHabit, NatTraversal, VendorIdRule};
use crate::ike::tests::harness::*;
use crate::ike::v1::quick_mode::nat::seen;
use crate::ike::v1::vendor_id;
use crate::sad::OriginalAddresses;
use crate::selector::{AddressRange, Selector};
use crate::wire::ikev1::Identification;

fn original(world: &World, node: usize) -> Option<OriginalAddresses> {
    world.nodes[node].inbound[0].udp.unwrap().original
}

/// RFC 3947 section 5.2, examples 1 and 2: what the peer's packets had where they were made.
#[test]
fn each_end_knows_what_the_others_packets_had() {
    for placement in [CLIENT, SERVER, BOTH] {
        let world = World::connected(&speaking(rfc(), false), placement);
        let [client, server] = [0, 1].map(|node| world.places[node].address);
        let [client_seen, server_seen] = OUTSIDE.map(ip);
        // The client sends from its own address to the server's box, the server to the client's box.
        let of_client = OriginalAddresses { peer: client, local: server_seen };
        let of_server = OriginalAddresses { peer: server, local: client_seen };
        assert_eq!([original(&world, 0), original(&world, 1)], [Some(of_server), Some(of_client)]);
        for node in [0, 1] {
            assert_eq!(world.nodes[node].inbound[0].udp, world.nodes[node].outbound[0].udp);
        }
    }
}

/// With the draft each end says its own address alone; the other one follows from what no NAT changed, or from IDcr.
#[test]
fn the_draft_says_less_and_leaves_nothing_open() {
    let world = World::connected(&speaking(draft(), false), CLIENT);
    let expected = OriginalAddresses { peer: ip(INSIDE[0]), local: ip(OUTSIDE[1]) };
    assert_eq!(original(&world, 1), Some(expected));
    // The client is behind the NAT itself, and nobody told it how its box looks from outside.
    assert_eq!(original(&world, 0), None);
}

/// Tunnel mode needs none: the checksum covers inner addresses.
#[test]
fn a_tunnel_repairs_nothing() {
    for vendor_ids in [rfc(), draft()] {
        let world = World::connected(&speaking(vendor_ids, true), CLIENT);
        assert_eq!([original(&world, 0), original(&world, 1)], [None, None]);
    }
}

/// MS-IKEE section 3.1.5: Windows sends NAT-OA if it is itself behind a NAT.
#[test]
fn windows_sends_original_addresses_only_from_behind_a_nat() {
    let original_addresses = NatOaHabit::BehindNat;
    let nat_traversal = NatTraversal { original_addresses, ..NatTraversal::default() };
    let vendor_ids = vec![VendorIdRule::always(vendor_id::NAT_T_DRAFT_02_NEWLINE)];
    let ike = IkeConfig { nat_traversal, vendor_ids, ..IkeConfig::default() };
    let world = World::connected(&Setup { ike, tunnel: false, ..Setup::default() }, CLIENT);
    let expected = OriginalAddresses { peer: ip(INSIDE[0]), local: ip(OUTSIDE[1]) };
    assert_eq!([original(&world, 0), original(&world, 1)], [None, Some(expected)]);
}

/// Selectors are about the addresses that packets have at this node, whatever the peer calls itself.
#[test]
fn selectors_are_of_the_addresses_seen() {
    let between = |local: IpAddr, remote: IpAddr| {
        Selector::between(AddressRange::single(local), AddressRange::single(remote))
    };
    for placement in PLACEMENTS {
        let world = World::connected(&speaking(rfc(), false), placement);
        let [client, server] = [0, 1].map(|node| world.places[node].address);
        assert_eq!(world.nodes[0].inbound[0].selector, between(client, ip(OUTSIDE[1])));
        assert_eq!(world.nodes[1].inbound[0].selector, between(server, ip(OUTSIDE[0])));
    }
}

/// What an end behind a NAT calls itself stands for the address seen if it is one host; Windows says its name. Of an end that
/// is not behind one, and of a subnet, every word counts: nobody gets more than the policy has for the address seen.
#[test]
fn only_one_host_behind_a_nat_stands_for_the_address_seen() {
    let host = |text| Identification::address(ip(text));
    let ours = host(OUTSIDE[1]);
    let means = |placement, theirs: &Identification, ours: &Identification| {
        let world = World::connected(&speaking(rfc(), false), placement);
        let names = world.nodes[1].ike.sas.values().next().unwrap().names.clone();
        seen(&names, &(theirs.clone(), ours.clone())).map(|s| (s.local[0].start, s.remote[0]))
    };
    let as_seen = Some((ip(OUTSIDE[1]), AddressRange::single(ip(OUTSIDE[0]))));
    for theirs in [host(INSIDE[0]), host(OUTSIDE[0]), Identification::fqdn("client.example")] {
        assert_eq!(means(CLIENT, &theirs, &ours), as_seen);
    }
    assert_ne!(means(CLIENT, &Identification::subnet(ip("10.9.0.0"), 16), &ours), as_seen);
    assert_ne!(means(NOBODY, &host(INSIDE[0]), &ours), as_seen);
    assert_eq!(means(NOBODY, &Identification::fqdn("client.example"), &ours), None);
    // The server behind its box is called by the box's address.
    assert_eq!(means(SERVER, &host(OUTSIDE[0]), &ours).map(|s| s.0), Some(ip(INSIDE[1])));
}

/// The server may begin a quick mode as well, under the client's ISAKMP SA.
#[test]
fn the_server_initiates_under_the_clients_sa() {
    for placement in PLACEMENTS {
        for vendor_ids in [rfc(), draft()] {
            for tunnel in [true, false] {
                let mut world = World::connected(&speaking(vendor_ids.clone(), tunnel), placement);
                world.acquire(1);
                world.settle();
                for node in &world.nodes {
                    assert_eq!((node.inbound.len(), node.failures().len()), (2, 0), "{placement:?}");
                }
                let [a, b] = [0, 1].map(|n| &world.nodes[n].outbound[1].sas);
                assert_eq!([a, b], [1, 0].map(|n| &world.nodes[n].inbound[1].sas));
            }
        }
    }
}
