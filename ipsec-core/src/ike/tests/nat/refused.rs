//! What is refused across a NAT, and the reason given.

use alloc::vec;
use alloc::vec::Vec;

use super::found::nat_of;
use super::world::*;
use crate::config::{IkeConfig, NatTraversal, ResponderBehindNat};
use crate::crypto::{Cipher, Mac};
use crate::ike::failure::FailureReason;
use crate::ike::identity;
use crate::ike::tests::harness::*;
use crate::io::Event;
use crate::pad::Identity;
use crate::spd::Offer;
use crate::wire::ikev1::Identification;
use crate::wire::isakmp::{Lie, PayloadType};

fn ah() -> Offer {
    Offer { ah: Some(Mac::HmacMd5_96), ..esp(Cipher::Des, Mac::HmacMd5_96) }
}

fn ah_alone() -> Offer {
    Offer { esp: None, ..ah() }
}

/// RFC 3715 section 2.1, case a: AH covers the addresses that a NAT changes.
#[test]
fn ah_is_not_offered_across_a_nat() {
    for (placement, offers) in [(CLIENT, vec![ah_alone()]), (SERVER, vec![ah_alone(), ah()])] {
        let setup = Setup { offers, ..speaking(rfc(), false) };
        let world = World::connected(&setup, placement);
        assert_eq!(world.nodes[0].failures(), [FailureReason::AhAcrossNat]);
        assert_eq!(world.nodes[0].acquire_failures(), [false]);
        assert!(world.nodes.iter().all(|node| node.inbound.is_empty()));
        // Without a NAT it is as good as ever.
        let world = World::connected(&setup, NOBODY);
        assert_eq!(world.nodes[0].inbound.len(), 1);
    }
}

#[test]
fn what_else_the_policy_has_is_offered() {
    let setup = Setup { offers: vec![ah(), esp(Cipher::Des, Mac::HmacMd5_96)], ..speaking(rfc(), false) };
    let world = World::connected(&setup, CLIENT);
    let protocols: Vec<_> = world.nodes[0].inbound[0].sas.iter().map(|sa| sa.protocol).collect();
    assert_eq!(protocols, [crate::sad::IpsecProtocol::Esp]);
}

#[test]
fn a_responder_with_ah_alone_says_why() {
    let setups = [speaking(rfc(), false), Setup { offers: vec![ah_alone()], ..speaking(rfc(), false) }];
    let mut world = World::differing([&setups[0], &setups[1]], CLIENT);
    world.acquire(0);
    world.settle();
    assert_eq!(world.nodes[1].failures(), [FailureReason::AhAcrossNat]);
    assert_eq!(world.nodes[0].failures(), [FailureReason::Notified(14)]);
}

/// KB 885407: AssumeUDPEncapsulationContextOnSendRule 0 refuses a responder behind a NAT, 1 one when we are behind one as
/// well, 2 none. A client behind a NAT is never refused.
#[test]
fn a_responder_behind_a_nat_is_refused_where_the_rule_says_so() {
    let rules = [
        (ResponderBehindNat::Never, [true, true, false, false]),
        (ResponderBehindNat::UnlessBoth, [true, true, true, false]),
        (ResponderBehindNat::Allowed, [true, true, true, true]),
    ];
    for (rule, accepted) in rules {
        for (placement, accepted) in PLACEMENTS.into_iter().zip(accepted) {
            let nat_traversal = NatTraversal { responder_behind_nat: rule, ..NatTraversal::default() };
            let ike = IkeConfig { vendor_ids: rfc(), nat_traversal, ..IkeConfig::default() };
            let world = World::connected(&Setup { ike, ..Setup::default() }, placement);
            let [client, server] = [0, 1].map(|node| &world.nodes[node]);
            assert_eq!(client.inbound.len(), usize::from(accepted), "{rule:?} {placement:?}");
            let refused = [FailureReason::ResponderBehindNat];
            assert_eq!(
                client.failures(),
                if accepted { &[][..] } else { &refused },
                "{rule:?} {placement:?}"
            );
            assert_eq!(client.acquire_failures().len(), usize::from(!accepted));
            // The responder learns of it.
            assert_eq!(server.ike.sizes().isakmp_sas, usize::from(accepted));
        }
    }
}

/// What a node does to a peer that came to it is another matter: it is reached through its mapping.
#[test]
fn the_rule_does_not_keep_a_server_from_its_clients() {
    let nat_traversal =
        NatTraversal { responder_behind_nat: ResponderBehindNat::Never, ..NatTraversal::default() };
    let ike = IkeConfig { vendor_ids: rfc(), nat_traversal, ..IkeConfig::default() };
    let mut world = World::connected(&Setup { ike, ..Setup::default() }, CLIENT);
    let pair = world.nodes[1].inbound[0].pair;
    let acquire = crate::ike::effect::Acquire { replaces: Some(pair), ..world.wanted(1) };
    world.run_for(28_800);
    world.call(1, |ike, cx| ike.acquire(acquire, cx));
    world.settle();
    assert_eq!((world.nodes[1].failures(), world.nodes[1].inbound.len()), (vec![], 2));
}

/// Without a NAT before the peer its identity is the address seen; protocol and port are unset or those of IKE.
#[test]
fn identities_of_phase_1() {
    let accepts = |world: &World, id: Identification| {
        let names = &world.nodes[1].ike.sas.values().next().unwrap().names;
        identity::refuse(Some(&id), names).is_none()
    };
    let [inside, outside] = [INSIDE[0], OUTSIDE[0]].map(|text| Identification::address(ip(text)));
    let name = Identification::fqdn("client.example");
    for (placement, private) in [(CLIENT, true), (NOBODY, false), (SERVER, false), (BOTH, true)] {
        let world = World::connected(&speaking(rfc(), true), placement);
        assert!(accepts(&world, outside.clone()));
        assert_eq!(accepts(&world, inside.clone()), private, "{placement:?}");
        assert!(!accepts(&world, name.clone()));
        let ported = |protocol, port| accepts(&world, outside.clone().with_protocol(protocol, port));
        let expected = [true, true, true, true, false, false, false];
        let tried = [(0, 0), (17, 0), (17, 500), (17, 4500), (6, 0), (17, 1701), (0, 500)];
        assert_eq!(tried.map(|(protocol, port)| ported(protocol, port)), expected);
    }
    // Where names are configured, an address is none of them.
    let mut world = World::connected(&speaking(rfc(), true), CLIENT);
    let sa = world.nodes[1].ike.sas.values_mut().next().unwrap();
    sa.names.peer_identities = vec![Identity::Fqdn("client.example".into())];
    assert!(accepts(&world, name) && !accepts(&world, inside));
    // Without NAT traversal port 4500 is nobody's.
    let plain = World::connected(&Setup::default(), NOBODY);
    assert!(!accepts(&plain, outside.with_protocol(17, 4500)));
}

/// RFC 3947 section 8: whoever alters NAT-D makes ends encapsulate without need, or fail to meet; never more than that.
#[test]
fn altered_nat_d_does_no_worse_than_encapsulation_without_need() {
    for payload in [2, 3] {
        let mut setup = speaking(rfc(), true);
        // Of the client's messages the second one lies.
        setup.ike.lies = vec![Lie::None, Lie::Body { payload, at: 0, bits: 1 }];
        let honest = speaking(rfc(), true);
        let mut world = World::differing([&setup, &honest], NOBODY);
        world.acquire(0);
        world.run_for(200);
        let found = nat_of_any(&world.nodes[1]);
        // The server finds a NAT; the client does not, stays on port 500 and is not heard there.
        assert_eq!((found, world.nodes[1].inbound.len()), (None, 0));
        assert!(!world.nodes[0].failures().is_empty());
    }
    let world = World::connected(&speaking(rfc(), true), NOBODY);
    assert_eq!(nat_of(&world.nodes[1]).map(|nat| nat.is_found()), Some(false));
}

/// RFC 3947 section 8: the same with the server's message. The client finds a NAT, and asks for encapsulation on port 4500;
/// the server found none. Detecting that, they begin anew: who alters one message does not keep them apart for the
/// lifetime of an ISAKMP SA.
#[test]
fn a_nat_that_only_the_initiator_found_is_looked_for_again() {
    for payload in [2, 3] {
        let mut liar = speaking(rfc(), true);
        liar.ike.lies = vec![Lie::None, Lie::Body { payload, at: 0, bits: 1 }];
        let mut world = World::differing([&speaking(rfc(), true), &liar], NOBODY);
        world.acquire(0);
        world.settle();
        assert_eq!(world.nodes[1].failures(), [FailureReason::NatDiscoveryDiffers]);
        assert_eq!(world.nodes[0].failures(), [FailureReason::Notified(14)]);
        for node in 0..2 {
            assert_eq!(world.nodes[node].ike.sizes().isakmp_sas, 0, "node {node}");
        }
        world.acquire(0);
        world.settle();
        for node in 0..2 {
            assert_eq!(world.nodes[node].inbound.len(), 1, "node {node}");
        }
    }
}

fn nat_of_any(node: &Node) -> Option<()> {
    node.events.iter().any(|event| matches!(event, Event::MainModeEstablished(_))).then_some(())
}

/// RFC 3947 section 5.2: an original address is an address,.
#[test]
fn an_original_address_that_is_none_is_refused() {
    // HASH, SA, Ni, IDci, IDcr, NAT-OAi, NAT-OAr: the fifth message of the client is its first quick mode's.
    for lie in [
        Lie::Body { payload: 5, at: 0, bits: 3 },
        Lie::Length { payload: 5, len: 7 },
        Lie::Type { payload: 3, payload_type: PayloadType::NAT_OA },
    ] {
        let mut setup = speaking(rfc(), false);
        setup.ike.lies = vec![Lie::None, Lie::None, Lie::None, Lie::None, lie.clone()];
        let honest = speaking(rfc(), false);
        let mut world = World::differing([&setup, &honest], CLIENT);
        world.acquire(0);
        world.settle();
        assert_eq!(world.nodes[1].inbound.len(), 0, "{lie:?} {:?}", world.nodes[0].events);
    }
}
