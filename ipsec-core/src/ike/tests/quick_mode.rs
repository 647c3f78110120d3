//! Quick mode from end to end, and what happens to pairs afterwards.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::harness::*;
use crate::config::IkeConfig;
use crate::crypto::{Cipher, Group, HashAlg, Mac};
use crate::ike::effect::{Acquire, Effect};
use crate::ike::failure::{FailureReason, IkeError};
use crate::ike::outbox::{Lie, Outbox};
use crate::io::{DeleteReason, Event, QuickModeInfo};
use crate::sad::{IpsecProtocol, PairId};
use crate::selector::{AddressRange, PortRange, Selector};
use crate::spd::{EspTransform, Lifetime, Offer, Pfs, Spd};
use crate::wire::isakmp::{ExchangeType, split};

fn info(node: &Node) -> QuickModeInfo {
    let info = node.events.iter().find_map(|event| match event {
        Event::QuickModeEstablished(info) => Some(info.clone()),
        _ => None,
    });
    info.expect("a quick mode was established")
}

fn hand_overs(node: &Node) -> Vec<(PairId, PairId)> {
    let hand_over = |effect: &Effect| match effect {
        Effect::HandOver { new, old, .. } => Some((*new, *old)),
        _ => None,
    };
    node.other.iter().filter_map(hand_over).collect()
}

fn ah(mac: Mac) -> Offer {
    Offer { ah: Some(mac), esp: None, lifetime: Lifetime::default() }
}

#[test]
fn every_suite_works_in_both_modes_with_and_without_pfs() {
    let null = EspTransform { cipher: Cipher::Null, mac: Some(Mac::HmacSha1_96) };
    let bundle = Offer { ah: Some(Mac::HmacMd5_96), ..esp(Cipher::TripleDes, Mac::HmacSha1_96) };
    let bare = EspTransform { cipher: Cipher::Des, mac: None };
    let offers = [
        esp(Cipher::Des, Mac::HmacMd5_96),
        esp(Cipher::Des40, Mac::HmacSha1_96),
        esp(Cipher::TripleDes, Mac::HmacSha1_96),
        esp(Cipher::Aes128, Mac::HmacSha256_128),
        esp(Cipher::Aes192, Mac::HmacSha256_128),
        esp(Cipher::Aes256, Mac::HmacSha1_96),
        Offer { esp: Some(null), ..esp(Cipher::Des, Mac::HmacMd5_96) },
        Offer { esp: Some(bare), ..esp(Cipher::Des, Mac::HmacMd5_96) },
        ah(Mac::HmacMd5_96),
        ah(Mac::HmacSha1_96),
        ah(Mac::HmacSha256_128),
        bundle,
    ];
    for (offer, tunnel, pfs) in offers.into_iter().flat_map(|offer| {
        [(offer, true, Pfs::No), (offer, false, Pfs::SameGroup), (offer, true, Pfs::Group(Group::Modp1024))]
    }) {
        let mut net = Net::same(&Setup { offers: vec![offer], tunnel, pfs, ..Setup::default() });
        net.acquire(0);
        net.settle();
        net.assert_same_pairs(1);
        let info = info(&net.nodes[1]);
        assert_eq!((info.offer.ah, info.offer.esp), (offer.ah, offer.esp));
        assert_eq!(info.pfs.is_some(), pfs != Pfs::No);
        assert_eq!(info.selector, traffic(1, tunnel));
        let protocols: Vec<_> = net.nodes[0].outbound[0].sas.iter().map(|sa| sa.protocol).collect();
        if offer.ah.is_some() && offer.esp.is_some() {
            assert_eq!(protocols, [IpsecProtocol::Esp, IpsecProtocol::Ah]);
        }
    }
}

#[test]
fn the_first_suite_of_the_initiator_that_fits_is_taken_and_unused_spis_are_given_back() {
    let both = Offer { ah: Some(Mac::HmacMd5_96), ..esp(Cipher::Des, Mac::HmacMd5_96) };
    let initiator = Setup {
        offers: vec![both, esp(Cipher::Aes128, Mac::HmacSha1_96), ah(Mac::HmacSha1_96)],
        ..Setup::default()
    };
    let responder = Setup {
        offers: vec![ah(Mac::HmacSha1_96), esp(Cipher::Aes128, Mac::HmacSha1_96)],
        ..Setup::default()
    };
    let mut net = Net::new([&initiator, &responder]);
    net.acquire(0);
    net.settle();
    net.assert_same_pairs(1);
    assert_eq!(info(&net.nodes[0]).offer.esp, initiator.offers[1].esp);
    let released = |e: &Effect| matches!(e, Effect::ReleaseSpi { protocol: IpsecProtocol::Ah, .. });
    assert_eq!(net.nodes[0].other.iter().filter(|e| released(e)).count(), 1);
}

/// Runs a negotiation whose quick mode the responder must refuse; gives its reason.
fn refused(initiator: &Setup, responder: &Setup, notify: u16) -> FailureReason {
    let mut net = Net::new([initiator, responder]);
    net.acquire(0);
    net.settle();
    // The refusal is authenticated: the initiator acts upon it at once.
    assert_eq!(net.nodes[0].failures(), [FailureReason::Notified(notify)]);
    assert_eq!(net.nodes[0].acquire_failures(), [false]);
    let reserved = |e: &&Effect| matches!(e, Effect::ReleaseSpi { .. });
    assert!(net.nodes[0].other.iter().any(|e| reserved(&e)));
    assert_eq!(net.nodes.each_ref().map(|n| n.inbound.len()), [0, 0]);
    // The main mode is not to blame, and nothing stays behind.
    net.run_for(100);
    assert_eq!(net.nodes[0].count(|e| matches!(e, Event::IsakmpSaDeleted { .. })), 0);
    net.nodes[1].failures().remove(0)
}

#[test]
fn pfs_on_one_side_only_is_refused_and_explained() {
    let pfs = Setup { pfs: Pfs::SameGroup, ..Setup::default() };
    for (initiator, responder, text) in [
        (&pfs, &Setup::default(), "Group-Description is MODP-768, expected absent"),
        (&Setup::default(), &pfs, "Group-Description is absent, expected MODP-768"),
    ] {
        let FailureReason::NoProposalChosen(refusals) = refused(initiator, responder, 14) else { panic!() };
        assert!(alloc::format!("{}", refusals[0]).ends_with(text), "{refusals:?}");
    }
}

#[test]
fn a_suite_that_does_not_fit_is_refused_and_explained() {
    let offers = vec![esp(Cipher::TripleDes, Mac::HmacMd5_96), ah(Mac::HmacMd5_96)];
    let initiator = Setup { offers, ..Setup::default() };
    let FailureReason::NoProposalChosen(refusals) = refused(&initiator, &Setup::default(), 14) else {
        panic!()
    };
    let text: Vec<_> = refusals.iter().map(|r| alloc::format!("{r}")).collect();
    assert_eq!(
        text,
        [
            "proposal 1 transform 1: Transform-Id is ESP_3DES, expected ESP_DES",
            "proposal 2 transform 1: set of protocols is PROTO_IPSEC_AH, expected PROTO_IPSEC_ESP",
        ]
    );
}

#[test]
fn traffic_without_a_policy_at_the_responder_is_refused() {
    let transport = Setup { tunnel: false, ..Setup::default() };
    assert_eq!(refused(&Setup::default(), &transport, 18), FailureReason::NoPolicy);
    assert_eq!(refused(&transport, &Setup::default(), 18), FailureReason::NoPolicy);
}

#[test]
fn protocol_and_port_are_negotiated() {
    let mut net = Net::same(&Setup { tunnel: false, ..Setup::default() });
    let selector = Selector {
        protocol: Some(6),
        local_ports: PortRange::ANY,
        remote_ports: PortRange::single(6667),
        ..net.wanted(0).selector
    };
    let acquire = Acquire { selector: selector.clone(), ..net.wanted(0) };
    net.call(0, |ike, cx| ike.acquire(acquire, cx));
    net.settle();
    net.assert_same_pairs(1);
    assert_eq!(info(&net.nodes[1]).selector, selector.mirrored());
}

#[test]
fn what_no_identity_can_say_is_not_negotiated() {
    let mut net = Net::same(&Setup::default());
    let selector = Selector { remote_ports: PortRange { start: 1, end: 9 }, ..net.wanted(0).selector };
    let acquire = Acquire { selector, ..net.wanted(0) };
    net.call(0, |ike, cx| ike.acquire(acquire, cx));
    net.settle();
    assert!(matches!(net.nodes[0].failures().as_slice(), [FailureReason::Protocol(_)]));
    assert_eq!(net.nodes[0].acquire_failures(), [false]);
}

#[test]
fn several_acquires_wait_for_one_main_mode() {
    let mut net = Net::same(&Setup::default());
    for host in 1..=100_u8 {
        let local = AddressRange::single([10, 1, 0, host].into());
        let selector = Selector { local: vec![local], ..net.wanted(0).selector };
        let acquire = Acquire { selector, ..net.wanted(0) };
        net.call(0, |ike, cx| ike.acquire(acquire, cx));
    }
    // 64 at a time; the others follow as the first ones are forgotten.
    net.run_for(300);
    net.assert_same_pairs(100);
    assert_eq!(net.nodes[0].count(|e| matches!(e, Event::MainModeStarted { .. })), 1);
}

#[test]
fn the_stricter_lifetime_counts_at_both_ends() {
    let lifetime = |seconds, kilobytes| Lifetime { seconds, kilobytes };
    let run = |initiator: Lifetime, responder: Lifetime| {
        let with = |lifetime| Setup {
            offers: vec![Offer { lifetime, ..esp(Cipher::Des, Mac::HmacMd5_96) }],
            ..Setup::default()
        };
        let mut net = Net::new([&with(initiator), &with(responder)]);
        net.acquire(0);
        net.settle();
        net.assert_same_pairs(1);
        net.nodes[0].inbound[0].lifetime
    };
    // RESPONDER-LIFETIME tells the initiator; both ends then agree.
    assert_eq!(run(lifetime(Some(900), None), lifetime(Some(600), None)), lifetime(Some(600), Some(100_000)));
    assert_eq!(run(lifetime(Some(300), None), lifetime(Some(600), Some(50))), lifetime(Some(300), Some(50)));
    // Nothing said: Windows' own limits, which stay local.
    assert_eq!(run(lifetime(None, None), lifetime(None, None)), lifetime(Some(3_600), Some(100_000)));
    assert_eq!(run(lifetime(None, Some(70)), lifetime(None, None)), lifetime(Some(3_600), Some(70)));
}

fn quick_mode_messages(net: &Net, node: usize) -> usize {
    let is = |d: &&crate::ike::effect::Datagram| {
        d.local.ip() == address(node)
            && split(&d.payload).unwrap().0.exchange_type == ExchangeType::QUICK_MODE
    };
    net.sent.iter().filter(is).count()
}

#[test]
fn a_lost_message_3_is_answered_again() {
    let mut net = Net::same(&Setup::default());
    net.acquire(0);
    let mut seen = 0;
    let end = net.now + crate::time::Duration::from_secs(10);
    net.run(end, &mut |_, d| {
        let quick = split(&d.payload).unwrap().0.exchange_type == ExchangeType::QUICK_MODE;
        seen += usize::from(quick);
        if quick && seen == 3 { Fate::Drop } else { Fate::Deliver }
    });
    net.assert_same_pairs(1);
    assert_eq!((quick_mode_messages(&net, 0), quick_mode_messages(&net, 1)), (3, 2));
}

#[test]
fn the_first_packet_stands_for_message_3() {
    let mut net = Net::same(&Setup::default());
    net.acquire(0);
    let mut seen = 0;
    net.settle_with(&mut |_, d| {
        seen += usize::from(split(&d.payload).unwrap().0.exchange_type == ExchangeType::QUICK_MODE);
        if seen == 3 { Fate::Drop } else { Fate::Deliver }
    });
    assert_eq!((net.nodes[1].inbound.len(), net.nodes[1].outbound.len()), (1, 0));
    let pair = net.nodes[1].inbound[0].pair;
    net.call(1, |ike, cx| ike.pair_confirmed(pair, cx));
    net.assert_same_pairs(1);
    net.run_for(100);
    assert_eq!(quick_mode_messages(&net, 1), 1);
}

#[test]
fn a_responder_that_never_hears_message_3_takes_its_pair_back() {
    let mut net = Net::same(&Setup::default());
    net.acquire(0);
    let mut seen = 0;
    let end = net.now + crate::time::Duration::from_secs(100);
    net.run(end, &mut |_, d| {
        let quick = split(&d.payload).unwrap().0.exchange_type == ExchangeType::QUICK_MODE;
        seen += usize::from(quick);
        if quick && seen >= 3 { Fate::Drop } else { Fate::Deliver }
    });
    let pairs = net.nodes.each_ref().map(|n| n.inbound[0].pair);
    assert_eq!(net.nodes[1].deleted(), [(pairs[1], DeleteReason::Abandoned)]);
    // And the initiator, which believed in it, is told.
    assert_eq!(net.nodes[0].deleted(), [(pairs[0], DeleteReason::PeerDeleted)]);
    assert_eq!(net.nodes[1].failures(), [FailureReason::TimedOut("waiting for quick mode message 3")]);
}

#[test]
fn a_rekeyed_pair_hands_over_and_is_deleted_at_both_ends_later() {
    let mut net = Net::same(&Setup::default());
    net.acquire(0);
    net.settle();
    let old = net.nodes.each_ref().map(|n| n.inbound[0].pair);
    let acquire = Acquire { replaces: Some(old[0]), ..net.wanted(0) };
    net.call(0, |ike, cx| ike.acquire(acquire, cx));
    net.settle();
    net.assert_same_pairs(2);
    for (node, old) in net.nodes.iter().zip(old) {
        assert_eq!(hand_overs(node), [(node.inbound[1].pair, old)]);
        assert_eq!(node.deleted(), []);
    }
    // The responder has message 3; the initiator does not know that it has.
    let proven = |node: &Node| node.other.iter().any(|e| matches!(e, Effect::HandOver { proven: true, .. }));
    assert_eq!(net.nodes.each_ref().map(proven), [false, true]);
    net.run_for(64);
    assert_eq!(net.nodes[0].deleted(), [(old[0], DeleteReason::Replaced)]);
    assert_eq!(net.nodes[1].deleted(), [(old[1], DeleteReason::PeerDeleted)]);
}

#[test]
fn both_ends_may_rekey_at_once() {
    let mut net = Net::same(&Setup::default());
    net.acquire(0);
    net.settle();
    let old = net.nodes.each_ref().map(|n| n.inbound[0].pair);
    for node in [0, 1] {
        let acquire = Acquire { replaces: Some(old[node]), ..net.wanted(node) };
        net.call(node, |ike, cx| ike.acquire(acquire, cx));
    }
    net.run_for(200);
    net.assert_same_pairs(3);
    for (node, old) in net.nodes.iter().zip(old) {
        // The old pair goes once, by whichever delete comes first; both new ones stay.
        assert_eq!(node.deleted().iter().map(|(pair, _)| *pair).collect::<Vec<_>>(), [old]);
    }
}

#[test]
fn pairs_that_crossed_are_all_gone_after_the_next_rekeying() {
    let mut net = Net::same(&Setup::default());
    net.acquire(0);
    net.settle();
    for _ in 0..4 {
        // Both ends at once, without a word about what is to be replaced, as an operator asks for it.
        for node in [0, 1] {
            let acquire = net.wanted(node);
            net.call(node, |ike, cx| ike.acquire(acquire, cx));
        }
        net.run_for(200);
        assert!(net.nodes.iter().all(|node| node.ike.sizes().pairs == 2));
    }
    net.acquire(0);
    net.run_for(200);
    assert!(net.nodes.iter().all(|node| node.ike.sizes().pairs == 1));
}

#[test]
fn a_deleted_bundle_is_deleted_at_the_peer() {
    let offers = vec![Offer { ah: Some(Mac::HmacMd5_96), ..esp(Cipher::Des, Mac::HmacMd5_96) }];
    let mut net = Net::same(&Setup { offers, ..Setup::default() });
    net.acquire(0);
    net.settle();
    let bundle = net.nodes[1].inbound[0].clone();
    let spis: Vec<_> = bundle.sas.iter().map(|sa| (sa.protocol, sa.spi)).collect();
    net.call(1, |ike, cx| ike.pair_deleted(bundle.pair, &spis, DeleteReason::Command, cx));
    net.settle();
    let pair = net.nodes[0].inbound[0].pair;
    assert_eq!(net.nodes[0].deleted(), [(pair, DeleteReason::PeerDeleted)]);
}

#[test]
fn shutdown_tells_the_peer_of_everything() {
    let mut net = Net::same(&Setup::default());
    net.acquire(0);
    net.settle();
    net.call(0, |ike, cx| ike.shutdown(cx));
    net.settle();
    assert_eq!(net.nodes[1].deleted().len(), 1);
    let gone = |why| move |e: &Event| matches!(e, Event::IsakmpSaDeleted { why: w, .. } if *w == why);
    assert_eq!(net.nodes[0].count(gone(DeleteReason::Command)), 1);
    assert_eq!(net.nodes[1].count(gone(DeleteReason::PeerDeleted)), 1);
    assert_eq!(net.nodes[0].ike.poll_timeout(), None);
}

#[test]
fn a_peer_that_lost_its_state_says_so_and_old_pairs_go() {
    let mut net = Net::same(&Setup::default());
    net.acquire(0);
    net.run_for(10);
    let old = net.nodes[0].inbound[0].pair;
    // Node 1 starts again, and begins itself.
    net.nodes[1] = Net::same(&Setup { psk: "key", ..Setup::default() }).nodes[1].clone();
    net.nodes[1].reseed(99);
    net.acquire(1);
    net.run_for(10);
    let purged = |e: &Effect| matches!(e, Effect::PurgePeer { peer, keep } if *peer == address(1) && !keep.contains(&old));
    assert_eq!(net.nodes[0].other.iter().filter(|e| purged(e)).count(), 2);
    let gone = |e: &Event| matches!(e, Event::IsakmpSaDeleted { why: DeleteReason::InitialContact, .. });
    assert_eq!(net.nodes[0].count(gone), 1);
    assert_eq!(net.nodes[0].inbound.len(), 2);
}

#[test]
fn an_isakmp_sa_that_the_peer_lost_is_given_up_and_the_next_acquire_succeeds() {
    let mut net = Net::same(&Setup::default());
    net.acquire(0);
    net.run_for(10);
    net.nodes[1] = Net::same(&Setup::default()).nodes[1].clone();
    net.nodes[1].reseed(99);
    net.acquire(0);
    net.run_for(100);
    assert_eq!(net.nodes[0].failures(), [FailureReason::TimedOut("waiting for quick mode message 2")]);
    net.acquire(0);
    net.settle();
    assert_eq!(net.nodes[1].outbound.len(), 1);
}

#[test]
fn a_new_policy_ends_what_it_does_not_allow() {
    let mut net = Net::same(&Setup::default());
    net.acquire(0);
    net.settle();
    net.call(0, |ike, cx| ike.policy_changed(cx));
    net.settle();
    let gone = |e: &Event| matches!(e, Event::IsakmpSaDeleted { .. });
    assert_eq!(net.nodes[0].count(gone), 0);
    net.nodes[0].policy = policy(&Setup { psk: "new", ..Setup::default() }, 0);
    net.call(0, |ike, cx| ike.policy_changed(cx));
    net.settle();
    assert_eq!(net.nodes.each_ref().map(|n| n.count(gone)), [1, 1]);
    let strong = proposal(Cipher::Aes128, HashAlg::Sha1, Group::Modp1024);
    net.acquire(1);
    net.nodes[1].policy = policy(&Setup { proposals: vec![strong], ..Setup::default() }, 1);
    net.nodes[1].policy.spd = alloc::sync::Arc::default();
    net.call(1, |ike, cx| ike.policy_changed(cx));
    assert_eq!(net.nodes[1].acquire_failures(), [false]);
}

#[test]
fn the_replys_identities_must_be_ours() {
    // Main mode, INITIAL-CONTACT, and then SA, Ni, IDci, IDcr; octet 5 of a subnet is the second of its address.
    let wrong = |payload| Lie::Body { payload, at: 5, bits: 1 };
    for (lie, made) in [(Lie::None, 1), (wrong(2), 0), (wrong(3), 0)] {
        let mut net = Net::same(&Setup::default());
        let truths = [(); 4].map(|()| Lie::None);
        net.nodes[1].ike.node.outbox = Outbox::new(&[&truths[..], &[lie]].concat());
        net.acquire(0);
        net.settle();
        let rule = |reason: &FailureReason| {
            matches!(reason, FailureReason::Protocol(IkeError::PeerMisbehaved { rule, .. })
                if *rule == "the identities are not the ones we sent")
        };
        assert_eq!(net.nodes[0].outbound.len(), made);
        assert_eq!(net.nodes[0].failures().iter().filter(|reason| rule(reason)).count(), 1 - made);
    }
}

/// strongSwan answers for 10.2.0.0/24 where it was asked for 10.2.0.0/16; a peer of ours does so when it lies.
#[test]
fn a_responder_may_choose_a_part_of_the_traffic() {
    // Octet 9 of a subnet is the second of its mask: 255.255.0.0 becomes 255.254.0.0, which is more, or 255.255.128.0.
    for (at, bits, accepts, made) in
        [(10, 0x80, true, 1), (10, 0x80, false, 0), (9, 1, true, 0), (5, 1, true, 0)]
    {
        let ike = IkeConfig { accepts_narrowing: accepts, ..IkeConfig::default() };
        let mut net = Net::new([&Setup { ike, ..Setup::default() }, &Setup::default()]);
        let truths = [(); 4].map(|()| Lie::None);
        let lie = Lie::Body { payload: 3, at, bits };
        net.nodes[1].ike.node.outbox = Outbox::new(&[&truths[..], &[lie]].concat());
        net.acquire(0);
        net.settle();
        assert_eq!(net.nodes[0].outbound.len(), made, "{at} {bits:x} {accepts}");
        if made == 1 {
            let part = net.nodes[0].outbound[0].selector.clone();
            assert_eq!(alloc::format!("{}", part.remote[0]), "10.2.0.0/17");
            // What is left out fails at once, as long as the pair lives; and its successor is asked for by what it carries.
            let first = net.nodes[0].outbound[0].pair;
            net.acquire(0);
            assert_eq!(net.nodes[0].acquire_failures(), [false]);
            let acquire = Acquire { selector: part, replaces: Some(first), ..net.wanted(0) };
            net.call(0, |ike, cx| ike.acquire(acquire, cx));
            net.settle();
            net.nodes[0].call(net.now, |ike, cx| ike.pair_deleted(first, &[], DeleteReason::Replaced, cx));
            net.acquire(0);
            assert_eq!(net.nodes[0].acquire_failures(), [false; 2]);
        }
    }
}

#[test]
fn transport_mode_is_for_the_two_ends() {
    // Also where the responder's entry covers more (RFC 4301 section 4.1).
    let mut net = Net::same(&Setup { tunnel: false, ..Setup::default() });
    let mut entry = net.nodes[1].policy.spd.entries()[0].clone();
    entry.selector = Selector::any();
    net.nodes[1].policy.spd = Arc::new(Spd::new(vec![entry]));
    for (selector, failures) in
        [(net.wanted(0).selector, vec![]), (traffic(0, true), vec![FailureReason::NoPolicy])]
    {
        let mut net = net.clone();
        let acquire = Acquire { selector, ..net.wanted(0) };
        net.call(0, |ike, cx| ike.acquire(acquire, cx));
        net.settle();
        assert_eq!(net.nodes[1].failures(), failures);
    }
}
