//! What is on the wire, octet by octet.

use alloc::vec;
use alloc::vec::Vec;

use super::world::*;
use crate::config::VendorIdRule;
use crate::crypto::{HashAlg, hash};
use crate::ike::effect::Datagram;
use crate::ike::outbox::Encryption;
use crate::ike::v1::vendor_id::{NAT_T_DRAFT_02, NAT_T_DRAFT_02_NEWLINE, RFC_3947};
use crate::ike::v1::{Received, keymat};
use crate::wire::ikev1::Phase2Attribute;
use crate::wire::isakmp::{Chain, ExchangeType, decode_chain, split};

/// Types and bodies of the payloads of a message in clear.
fn payloads(datagram: &Datagram) -> Vec<(u8, Vec<u8>)> {
    let (header, body) = split(&datagram.payload).unwrap();
    let (chain, _) = decode_chain(header.next_payload, body).unwrap();
    listed(&chain)
}

fn listed(chain: &Chain) -> Vec<(u8, Vec<u8>)> {
    let each = chain.payloads().iter().enumerate();
    each.map(|(place, payload)| (payload.payload_type().0, chain.body(place).to_vec())).collect()
}

/// What messages 1 and 2 of the quick mode say: the client's and the server's.
fn quick_mode(world: &World) -> [Chain; 2] {
    let is_quick =
        |d: &&Datagram| split(&d.payload).is_ok_and(|s| s.0.exchange_type == ExchangeType::QUICK_MODE);
    let sent: Vec<&Datagram> = world.sent.iter().filter(|d| !d.keepalive).filter(is_quick).collect();
    let sa = world.nodes[0].ike.sas.values().next().unwrap();
    let keys = &sa.established().unwrap().keys;
    let message_id = split(&sent[0].payload).unwrap().0.message_id;
    let cipher = keys.key.cipher();
    let mut iv = keymat::phase_2_iv(keys.alg, &sa.established().unwrap().last_block, message_id, cipher);
    [0, 1].map(|n| {
        let received = Received::new(sent[n].peer, sent[n].local, &sent[n].payload).unwrap();
        let (chain, next) = received.decrypt(Encryption { key: &keys.key, iv: &iv }).unwrap();
        iv = next;
        chain
    })
}

/// RFC 3947 section 3.1: the MD5 of "RFC 3947" in the first two messages; MS-IKEE section 3.2.4.1: that of the draft's name.
#[test]
fn vendor_ids_are_in_messages_1_and_2() {
    for vid in [RFC_3947, NAT_T_DRAFT_02_NEWLINE] {
        let world = World::connected(&speaking(vec![VendorIdRule::always(vid)], true), NOBODY);
        for message in &world.sent[..2] {
            assert!(payloads(message).contains(&(13, vid.to_vec())));
        }
    }
}

/// RFC 3947 section 3.2: HASH(CKY-I | CKY-R | IP | Port), first the destination's and then the source's, in messages 3 and 4
/// and nowhere else of what is in clear; type 20, or 130 of the draft (MS-IKEE section 2.2.1).
#[test]
fn nat_d_is_in_messages_3_and_4() {
    for (vendor_ids, number) in [(rfc(), 20), (draft(), 130)] {
        for placement in PLACEMENTS {
            let mut setup = speaking(vendor_ids.clone(), true);
            setup.proposals[0].hash = HashAlg::Sha1;
            let world = World::connected(&setup, placement);
            let nat_d = |message: &Datagram| -> Vec<Vec<u8>> {
                payloads(message).into_iter().filter(|p| p.0 == number).map(|p| p.1).collect()
            };
            for message in &world.sent[..2] {
                assert_eq!(nat_d(message), Vec::<Vec<u8>>::new());
            }
            let client: [u8; 4] = if placement.client { [10, 9, 0, 5] } else { [198, 51, 100, 1] };
            let server: [u8; 4] = if placement.server { [10, 8, 0, 7] } else { [203, 0, 113, 9] };
            let mapped: u16 = if placement.client { 20_001 } else { 500 };
            let expected =
                [[([203, 0, 113, 9], 500), (client, 500)], [([198, 51, 100, 1], mapped), (server, 500)]];
            for (message, ends) in world.sent[2..4].iter().zip(expected) {
                let cookies = &message.payload[..16];
                let of = |(ip, port): ([u8; 4], u16)| {
                    hash(HashAlg::Sha1, &[&[cookies, &ip, &port.to_be_bytes()].concat()])
                };
                assert_eq!(nat_d(message), ends.map(of), "{placement:?}");
            }
        }
    }
}

/// Neither is sent to an end that did not announce the same, and nothing at all by a node that is not configured to.
#[test]
fn without_agreement_there_is_no_nat_d() {
    let off: Vec<VendorIdRule> = vec![];
    for (client, server) in [(rfc(), off.clone()), (off.clone(), rfc()), (rfc(), draft()), (off.clone(), off)]
    {
        let setups = [speaking(client.clone(), true), speaking(server.clone(), true)];
        let mut world = World::differing([&setups[0], &setups[1]], NOBODY);
        world.acquire(0);
        world.settle();
        let types = |n: usize| -> Vec<u8> { payloads(&world.sent[n]).iter().map(|p| p.0).collect() };
        assert_eq!([types(2), types(3)], [[4, 10], [4, 10]]);
        assert_eq!([0, 1].map(|n| types(n).contains(&13)), [!client.is_empty(), !server.is_empty()]);
    }
}

/// MS-IKEE section 3.2.5.1: RFC 3947 where both have both. Without the newline the draft is the same draft.
#[test]
fn the_better_version_is_taken() {
    let ids = |bodies: &[[u8; 16]]| bodies.iter().copied().map(VendorIdRule::always).collect::<Vec<_>>();
    let both = ids(&[NAT_T_DRAFT_02_NEWLINE, RFC_3947]);
    for (client, server, number) in [
        (both.clone(), both.clone(), 20),
        (both.clone(), rfc(), 20),
        (both, draft(), 130),
        (ids(&[NAT_T_DRAFT_02]), draft(), 130),
    ] {
        let setups = [speaking(client, true), speaking(server, true)];
        let mut world = World::differing([&setups[0], &setups[1]], CLIENT);
        world.acquire(0);
        world.settle();
        let types: Vec<u8> = payloads(&world.sent[2]).iter().map(|p| p.0).collect();
        assert_eq!(types, [4, 10, number, number]);
        assert_eq!(world.nodes[1].inbound.len(), 1);
    }
}

/// RFC 3947 section 5.1: modes 3 and 4 with a NAT, 1 and 2 without, never both; of the draft 61443 and 61444.
#[test]
fn the_modes_offered_are_those_of_the_version_and_only_with_a_nat() {
    for (vendor_ids, udp) in [(rfc(), [3, 4]), (draft(), [61_443, 61_444])] {
        for placement in PLACEMENTS {
            for tunnel in [true, false] {
                let world = World::connected(&speaking(vendor_ids.clone(), tunnel), placement);
                let plain = [1, 2];
                let modes = if placement == NOBODY { plain } else { udp };
                let expected = modes[usize::from(!tunnel)];
                for chain in quick_mode(&world) {
                    let proposals = chain.sa().unwrap().proposals.clone();
                    let transforms = proposals.iter().flat_map(|proposal| &proposal.transforms);
                    let mode = |t: &crate::wire::ikev1::Transform| {
                        t.attribute(Phase2Attribute::ENCAPSULATION_MODE).unwrap().as_basic()
                    };
                    assert!(transforms.map(mode).all(|mode| mode == Some(expected)), "{placement:?}");
                }
            }
        }
    }
}

/// RFC 3947 section 5.2: in transport mode both ends send both addresses, each as it sees them, the initiator's first: ID
/// type 1, three zero octets, the address; type 21. The draft has type 131 and the sender's own. None in tunnel mode, and
/// none without a NAT.
#[test]
fn original_addresses_are_sent_in_transport_mode() {
    let oa = |address: [u8; 4]| [[1, 0, 0, 0], address].concat();
    for placement in PLACEMENTS {
        for (vendor_ids, number) in [(rfc(), 21), (draft(), 131)] {
            for tunnel in [true, false] {
                let world = World::connected(&speaking(vendor_ids.clone(), tunnel), placement);
                let client = if placement.client { [10, 9, 0, 5] } else { [198, 51, 100, 1] };
                let server = if placement.server { [10, 8, 0, 7] } else { [203, 0, 113, 9] };
                let expected = match number {
                    _ if tunnel || placement == NOBODY => [vec![], vec![]],
                    21 => [vec![oa(client), oa([203, 0, 113, 9])], vec![oa([198, 51, 100, 1]), oa(server)]],
                    _ => [vec![oa(client)], vec![oa(server)]],
                };
                let found = quick_mode(&world).map(|chain| -> Vec<Vec<u8>> {
                    listed(&chain).into_iter().filter(|p| p.0 == number).map(|p| p.1).collect()
                });
                assert_eq!(found, expected, "{placement:?} {number} {tunnel}");
                let numbers = [20, 21, 130, 131];
                for chain in quick_mode(&world) {
                    assert!(listed(&chain).iter().all(|p| p.0 == number || !numbers.contains(&p.0)));
                }
            }
        }
    }
}

/// RFC 3947 section 4: the port in the phase 1 identity is 0, and so is the protocol. It is the sender's own address.
#[test]
fn the_identity_has_no_port() {
    let world = World::connected(&speaking(rfc(), true), CLIENT);
    let names = &world.nodes[1].ike.sas.values().next().unwrap().names;
    assert_eq!(names.peer_id, Some(crate::pad::Identity::Address(ip(INSIDE[0]))));
    let id = crate::ike::identity::payload(None, ip(INSIDE[0]));
    assert_eq!((id.id_type.0, id.protocol, id.port, id.data.as_slice()), (1, 0, 0, [10, 9, 0, 5].as_slice()));
}
