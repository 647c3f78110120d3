//! Aggressive mode from end to end, under loss, forgery and floods.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::harness::*;
use crate::config::WorkMode;
use crate::crypto::{Cipher, Group, HashAlg};
use crate::ike::effect::Datagram;
use crate::ike::failure::{FailureReason, IkeError};
use crate::io::Event;
use crate::pad::{AuthMethod, Identity, PadEntry, PadEntryId, Phase1Exchange, Secret};
use crate::wire::isakmp::{ExchangeType, Header, Payload, PayloadType, decode_chain, encode_chain, split};

fn aggressive() -> Setup {
    Setup { aggressive: true, ..Setup::default() }
}

fn clear(in_clear: bool) -> Setup {
    let mut setup = aggressive();
    setup.ike.aggressive_in_clear = in_clear;
    setup
}

fn header(datagram: &Datagram) -> Header {
    split(&datagram.payload).unwrap().0
}

fn sent_in(net: &Net, exchange: ExchangeType) -> Vec<Datagram> {
    net.sent.iter().filter(|d| header(d).exchange_type == exchange).cloned().collect()
}

fn ignored(node: &Node) -> Vec<IkeError> {
    let reason = |event: &Event| match event {
        Event::IkeIgnored { reason, .. } => Some(reason.clone()),
        _ => None,
    };
    node.events.iter().filter_map(reason).collect()
}

fn types(datagram: &Datagram) -> Vec<PayloadType> {
    let (header, body) = split(&datagram.payload).unwrap();
    let (chain, _) = decode_chain(header.next_payload, body).unwrap();
    chain.payloads().iter().map(Payload::payload_type).collect()
}

/// Message 1 with its payloads changed.
fn rewritten(datagram: &Datagram, change: impl FnOnce(&mut Vec<Payload>)) -> Datagram {
    let (header, body) = split(&datagram.payload).unwrap();
    let (chain, _) = decode_chain(header.next_payload, body).unwrap();
    let mut payloads = chain.payloads().to_vec();
    change(&mut payloads);
    let (first, body) = encode_chain(&payloads);
    Datagram { payload: header.encode_with(first, &body), ..datagram.clone() }
}

/// RFC 2409 section 5.4: three messages, the first two with these payloads.
#[test]
fn three_messages_make_an_isakmp_sa_and_quick_mode_follows() {
    for in_clear in [false, true] {
        let mut net = Net::same(&clear(in_clear));
        net.acquire(0);
        net.settle();
        let [first, second, third] = &sent_in(&net, ExchangeType::AGGRESSIVE)[..] else { panic!("three") };
        use PayloadType as P;
        assert_eq!(types(first), [P::SA, P::KEY_EXCHANGE, P::NONCE, P::IDENTIFICATION]);
        assert_eq!(types(second), [P::SA, P::KEY_EXCHANGE, P::NONCE, P::IDENTIFICATION, P::HASH]);
        assert_eq!(header(third).flags.is_encrypted(), !in_clear);
        if in_clear {
            assert_eq!(types(third), [P::HASH]);
        }
        assert_eq!([first, second, third].map(|d| header(d).message_id), [0; 3]);
        assert_eq!(sent_in(&net, ExchangeType::QUICK_MODE).len(), 3);
        assert_eq!(sent_in(&net, ExchangeType::MAIN_MODE), []);
        net.assert_same_pairs(1);
        for node in &net.nodes {
            let established = |e: &Event| matches!(e, Event::MainModeEstablished(info) if info.exchange == Phase1Exchange::AggressiveMode);
            assert_eq!(node.count(established), 1);
            assert_eq!(ignored(node), []);
        }
    }
}

/// With a clear third message the IVs of phase 2 come from the first IV, with an encrypted one from its last block: a quick
/// mode after each shows that both ends know.
#[test]
fn every_algorithm_works_with_either_third_message() {
    for in_clear in [false, true] {
        for (cipher, hash, group) in [
            (Cipher::TripleDes, HashAlg::Md5, Group::Modp1024),
            (Cipher::Aes128, HashAlg::Sha256, Group::Modp768),
            (Cipher::Aes256, HashAlg::Sha512, Group::Modp1536),
            (Cipher::Des, HashAlg::Sha1, Group::Modp768),
        ] {
            let proposals = vec![proposal(cipher, hash, group)];
            let mut net = Net::same(&Setup { proposals, ..clear(in_clear) });
            net.acquire(0);
            net.settle();
            net.assert_same_pairs(1);
        }
    }
}

#[test]
fn offloaded_work_changes_no_byte() {
    let run = |work| {
        let mut net = Net::same(&Setup { work, ..aggressive() });
        net.acquire(0);
        net.settle();
        net.assert_same_pairs(1);
        net.sent
    };
    assert_eq!(run(WorkMode::Inline), run(WorkMode::Offload));
}

/// RFC2409-5-18: all offers are of the first one's group, and a first message with two groups is refused.
#[test]
fn the_group_is_not_negotiated() {
    let proposals = vec![
        proposal(Cipher::TripleDes, HashAlg::Sha1, Group::Modp1024),
        proposal(Cipher::TripleDes, HashAlg::Sha1, Group::Modp768),
        proposal(Cipher::Des, HashAlg::Md5, Group::Modp1024),
    ];
    let mut net = Net::same(&Setup { proposals: proposals.clone(), ..aggressive() });
    net.acquire(0);
    let first = net.take().unwrap();
    let (head, body) = split(&first.payload).unwrap();
    let (chain, _) = decode_chain(head.next_payload, body).unwrap();
    assert_eq!(chain.sa().unwrap().proposals[0].transforms.len(), 2);
    let psk = net.nodes[0].policy.pad.entries[0].methods.clone();
    let mixed = rewritten(&first, |payloads| {
        payloads[0] = Payload::Sa(crate::ike::proposal::phase1::offer(&proposals, &psk, 28_800));
    });
    assert_eq!(net.nodes[1].receive(net.now, &mixed), []);
    assert!(matches!(ignored(&net.nodes[1])[..], [IkeError::PeerMisbehaved { .. }]));
    net.deliver(&first);
    net.settle();
    net.assert_same_pairs(1);
}

#[test]
fn whoever_does_not_accept_it_says_so_once_for_each_message_and_keeps_nothing() {
    let mut net = Net::new([&aggressive(), &Setup::default()]);
    net.acquire(0);
    let before = alloc::format!("{:?}", net.nodes[1].sad);
    net.settle();
    // INVALID-EXCHANGE-TYPE (RFC 2408 section 3.14.1), in clear.
    let [answer] = &sent_in(&net, ExchangeType::INFORMATIONAL)[..] else { panic!("one notification") };
    assert_eq!(types(answer), [PayloadType::NOTIFICATION]);
    assert_eq!((net.nodes[1].ike.sizes().isakmp_sas, net.nodes[1].work.len()), (0, 0));
    net.run_for(64);
    assert_eq!(alloc::format!("{:?}", net.nodes[1].sad), before);
    assert_eq!(net.nodes[0].failures(), [FailureReason::Notified(7)]);
    assert_eq!(net.nodes[1].failures(), []);
}

#[test]
fn a_stranger_is_not_told_that_aggressive_mode_is_off() {
    let mut net = Net::new([&aggressive(), &Setup::default()]);
    net.nodes[1].pad_entry(|entry| entry.peer.clear());
    net.acquire(0);
    let first = net.take().unwrap();
    assert_eq!(net.nodes[1].receive(net.now, &first), []);
}

/// Two peers at one address with different names and keys (RFC 2409 section 5.4).
#[test]
fn the_key_is_found_by_identity() {
    let names = [
        (Identity::Fqdn(String::from("Alice.example")), "of alice"),
        (Identity::UserFqdn(String::from("bob@example")), "of bob"),
        (Identity::KeyId(vec![0, 1, 2]), "of a group"),
        (Identity::Address(address(0)), "of an address"),
    ];
    for (at, (identity, key)) in names.iter().enumerate() {
        let mut net = Net::same(&aggressive());
        net.nodes[0].pad_entry(|entry| {
            entry.identity = Some(identity.clone());
            entry.methods = vec![AuthMethod::PreSharedKey(Secret::new(key.as_bytes()))];
            entry.peer_identities = vec![Identity::Fqdn(String::from("gw.example"))];
        });
        let template = net.nodes[1].policy.pad.entries[0].clone();
        let entry = |(number, (name, key)): (usize, &(Identity, &str))| PadEntry {
            id: PadEntryId(number as u32),
            identity: Some(Identity::Fqdn(String::from("GW.example"))),
            peer_identities: vec![match name {
                Identity::Fqdn(_) => Identity::Fqdn(String::from("alice.EXAMPLE")),
                other => other.clone(),
            }],
            methods: vec![AuthMethod::PreSharedKey(Secret::new(key.as_bytes()))],
            ..template.clone()
        };
        Arc::make_mut(&mut net.nodes[1].policy.pad).entries = names.iter().enumerate().map(entry).collect();
        net.acquire(0);
        net.settle();
        net.assert_same_pairs(1);
        let by =
            |e: &Event| matches!(e, Event::MainModeEstablished(i) if i.pad_entry == PadEntryId(at as u32));
        assert_eq!(net.nodes[1].count(by), 1);
        // The SA outlives a change of policy that keeps its entry, and does not outlive one that drops it.
        net.call(1, |ike, cx| ike.policy_changed(cx));
        assert_eq!(net.nodes[1].ike.sizes().isakmp_sas, 1);
        Arc::make_mut(&mut net.nodes[1].policy.pad).entries.remove(at);
        net.call(1, |ike, cx| ike.policy_changed(cx));
        assert_eq!(net.nodes[1].ike.sizes().isakmp_sas, 0);
    }
}

#[test]
fn identities_that_are_not_admitted_end_nothing_and_begin_nothing() {
    // The responder knows nobody of that name.
    let mut net = Net::same(&aggressive());
    net.nodes[0].pad_entry(|entry| entry.identity = Some(Identity::Fqdn(String::from("mallory"))));
    net.acquire(0);
    net.settle();
    assert_eq!(sent_in(&net, ExchangeType::INFORMATIONAL), []);
    assert_eq!(net.nodes[1].ike.sizes().isakmp_sas, 0);
    // The responder proves that it has the key, but calls itself something else: that is the end.
    let mut net = Net::same(&aggressive());
    net.nodes[1].pad_entry(|entry| entry.identity = Some(Identity::Fqdn(String::from("mallory"))));
    net.acquire(0);
    net.settle();
    assert_eq!(net.nodes[0].failures(), [FailureReason::AuthenticationFailed]);
    assert_eq!(net.nodes[0].ike.sizes().isakmp_sas, 0);
}

#[test]
fn different_keys_end_in_a_time_out_at_both_ends() {
    let mut net = Net::new([&aggressive(), &Setup { psk: "another", ..aggressive() }]);
    net.acquire(0);
    net.run_for(130);
    assert_eq!(
        net.nodes.each_ref().map(|n| n.failures()),
        [
            [FailureReason::TimedOut("waiting for aggressive mode message 2")],
            [FailureReason::TimedOut("waiting for aggressive mode message 3")]
        ]
    );
    assert!(ignored(&net.nodes[0]).contains(&IkeError::AuthenticationFailed("HASH_R")));
    assert_eq!(net.nodes[0].acquire_failures(), [false]);
    assert_eq!(net.nodes.each_ref().map(|n| n.ike.sizes()), [Default::default(), Default::default()]);
}

/// Which message a fault hits, and what happens to it.
#[test]
fn every_single_fault_is_survived() {
    for in_clear in [false, true] {
        for work in [WorkMode::Inline, WorkMode::Offload] {
            for fate in [Fate::Drop, Fate::Twice, Fate::Late] {
                for place in 1..=8 {
                    let mut net = Net::same(&Setup { work, ..clear(in_clear) });
                    net.acquire(0);
                    let mut number = 0;
                    let end = net.now + crate::time::Duration::from_secs(60);
                    net.run(end, &mut |_, _| {
                        number += 1;
                        if number == place { fate } else { Fate::Deliver }
                    });
                    net.assert_same_pairs(1);
                    assert!(net.nodes.iter().all(|n| n.failures().is_empty()), "{fate:?} {place}");
                }
            }
        }
    }
}

#[test]
fn a_lost_third_message_is_asked_for_again_by_repeating_the_second() {
    let mut net = Net::same(&aggressive());
    net.acquire(0);
    for _ in 0..2 {
        let datagram = net.take().unwrap();
        net.deliver(&datagram);
    }
    let lost = net.take().unwrap();
    assert_eq!(header(&lost).exchange_type, ExchangeType::AGGRESSIVE);
    net.settle();
    net.assert_same_pairs(1);
    let sent = sent_in(&net, ExchangeType::AGGRESSIVE);
    let times = |wanted: &Datagram| sent.iter().filter(|d| *d == wanted).count();
    assert!(times(&sent[1]) > 1 && times(&lost) > 1);
}

/// No bit of any message that is not the honest one's changes anything at the initiator; the responder has nothing to lose
/// before message 3.
#[test]
fn altered_messages_2_and_3_change_nothing() {
    for in_clear in [false, true] {
        let mut net = Net::same(&clear(in_clear));
        net.acquire(0);
        let mut hit = 0;
        while let Some(datagram) = net.take() {
            let head = header(&datagram);
            if head.exchange_type == ExchangeType::AGGRESSIVE && !head.cky_r.is_zero() {
                let to = usize::from(datagram.peer.ip() == address(1));
                let mut node = net.nodes[to].clone();
                // That something came is remembered, for a better explanation of a time-out.
                let state =
                    |node: &Node| alloc::format!("{:?}", node.ike.sas).replace("heard: false", "heard: true");
                let before = state(&node);
                for bit in 0..datagram.payload.len() * 8 {
                    // No HASH covers the flags of the header; and as an informational message (type 5) it would wait, and
                    // ask for message 3.
                    if bit == 151 || (19 * 8..20 * 8).contains(&bit) {
                        continue;
                    }
                    let mut flipped = datagram.clone();
                    flipped.payload[bit / 8] ^= 0x80 >> (bit % 8);
                    assert_eq!(node.receive(net.now, &flipped), [], "bit {bit} of {head}");
                    assert_eq!(state(&node), before, "bit {bit} of {head}");
                    hit += 1;
                }
                // The honest one is still welcome.
                assert!(!node.receive(net.now, &datagram).is_empty() || to == 1);
                assert_eq!(node.count(|e| matches!(e, Event::MainModeEstablished(_))), 1);
            }
            net.deliver(&datagram);
        }
        assert!(hit > 1_000);
        net.assert_same_pairs(1);
    }
}

#[test]
fn an_initiator_is_not_moved_by_its_own_words_or_by_another_exchange() {
    let mut net = Net::same(&aggressive());
    net.acquire(0);
    let first = net.take().unwrap();
    net.deliver(&first);
    let second = net.take().unwrap();
    // Our own first message, come back.
    assert_eq!(
        net.nodes[0].receive(net.now, &Datagram { local: first.peer, peer: first.local, ..first.clone() }),
        []
    );
    // Message 2 as if it were main mode's: the exchange does not change within an exchange (RFC 2409 section 5).
    let mut switched = second.clone();
    switched.payload[18] = 2;
    assert_eq!(net.nodes[0].receive(net.now, &switched), []);
    // Our own public value in message 2.
    let (head, body) = split(&first.payload).unwrap();
    let (own, _) = decode_chain(head.next_payload, body).unwrap();
    let reflected = rewritten(&second, |payloads| payloads[1] = own.payloads()[1].clone());
    assert_eq!(net.nodes[0].receive(net.now, &reflected), []);
    let own_value = IkeError::Unexpected("our own public value, reflected");
    assert!(ignored(&net.nodes[0]).contains(&own_value));
    // Message 2, come back to the responder.
    let returned = Datagram { local: second.peer, peer: second.local, ..second.clone() };
    assert_eq!(net.nodes[1].receive(net.now, &returned), []);
    net.deliver(&second);
    net.settle();
    net.assert_same_pairs(1);
}

#[test]
fn a_flood_of_first_messages_costs_no_more_than_the_budget() {
    let mut net = Net::same(&Setup { work: WorkMode::Offload, ..aggressive() });
    net.acquire(0);
    net.settle_with(&mut |_, _| Fate::Drop);
    let honest = net.sent[0].clone();
    let mut works = 0;
    for n in 0..100_000_u32 {
        let mut spoofed = honest.clone();
        spoofed.payload[..4].copy_from_slice(&n.to_be_bytes());
        let [_, _, c, d] = n.to_be_bytes();
        let source = if n % 2 == 0 { [10, 0, c, d] } else { [10, 9, 9, 9] };
        spoofed.local = SocketAddr::new(source.into(), 500);
        // Each source calls itself by its address, as an honest one would.
        let spoofed = rewritten(&spoofed, |payloads| {
            payloads[3] = Payload::Identification(crate::wire::ikev1::Identification::address(source.into()));
        });
        net.nodes[1].receive(net.now, &spoofed);
        works += net.nodes[1].work.drain(..).count();
        net.nodes[1].events.retain(|e| !matches!(e, Event::IkeIgnored { .. }));
    }
    // The default limits: 8 of the one source, 64 together, two exponentiations each.
    let sizes = net.nodes[1].ike.sizes();
    assert_eq!((sizes.isakmp_sas, works), (64, 2 * 64));
    let of_one = net.nodes[1].count(|e| {
        matches!(e, Event::MainModeStarted { peer, .. } if peer.ip() == core::net::IpAddr::from([10, 9, 9, 9]))
    });
    assert_eq!(of_one, 8);
    // An established SA goes on, and once the flood's time is over newcomers are welcome again.
    net.run_for(65);
    assert_eq!(net.nodes[1].ike.sizes().isakmp_sas, 0);
    net.acquire(0);
    net.settle();
    assert_eq!(net.nodes[1].count(|e| matches!(e, Event::MainModeEstablished(_))), 1);
}

#[test]
fn a_repeated_first_message_is_answered_with_the_same_bytes_and_computed_once() {
    let mut net = Net::same(&Setup { work: WorkMode::Offload, ..aggressive() });
    net.acquire(0);
    net.settle_with(&mut |_, _| Fate::Drop);
    let first = net.sent[0].clone();
    assert_eq!(net.nodes[1].receive(net.now, &first), []);
    assert_eq!(net.nodes[1].receive(net.now, &first), []);
    assert_eq!(net.nodes[1].work.len(), 2);
    while let Some((id, work)) = net.nodes[1].work.pop() {
        net.call(1, |ike, cx| ike.work_done(id, work.run(), cx));
    }
    let second = net.take().unwrap();
    assert_eq!(net.nodes[1].receive(net.now, &first), [second]);
    assert_eq!(net.nodes[1].work.len(), 0);
}
