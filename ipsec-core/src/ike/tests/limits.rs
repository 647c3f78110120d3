//! Limits of ISAKMP SAs, and what the responder tells of its choices.

use alloc::vec;
use alloc::vec::Vec;

use super::harness::*;
use crate::config::IkeConfig;
use crate::crypto::Cipher;
use crate::ike::effect::Datagram;
use crate::ike::outbox::Encryption;
use crate::ike::v1::Received;
use crate::ike::v1::keymat;
use crate::io::Event;
use crate::spd::{EspTransform, Lifetime, Offer};
use crate::time::Duration;
use crate::wire::ikev1::Notification;
use crate::wire::isakmp::{Chain, ExchangeType, split};

fn connected(setups: [&Setup; 2]) -> Net {
    let mut net = Net::new(setups);
    net.acquire(0);
    net.settle();
    net.assert_same_pairs(1);
    net
}

/// When the ISAKMP SAs of node 0 and 1 ended, in seconds after they were made.
fn ends(net: &mut Net, until: u64) -> [Vec<u64>; 2] {
    let begin = net.now;
    let gone = |e: &Event| matches!(e, Event::IsakmpSaDeleted { .. });
    let mut found = [vec![], vec![]];
    for second in 1..=until {
        net.run(begin + Duration::from_secs(second), &mut |_, _| Fate::Deliver);
        for (found, node) in found.iter_mut().zip(&net.nodes) {
            (found.len()..node.count(gone)).for_each(|_| found.push(second));
        }
    }
    found
}

/// The informational messages of a node, opened; their message IDs are used once, so the IVs are those of first messages.
fn informational(net: &Net, node: usize) -> Vec<Chain> {
    let phase1 = net.nodes[node].ike.sas.values().next().unwrap().established().unwrap();
    let mut chains = vec![];
    for datagram in net.sent.iter().filter(|d| d.local == socket(node)) {
        let header = split(&datagram.payload).unwrap().0;
        if header.exchange_type == ExchangeType::INFORMATIONAL {
            let received = Received::new(datagram.peer, datagram.local, &datagram.payload).unwrap();
            let (alg, key) = (phase1.keys.alg, &phase1.keys.key);
            let iv = keymat::phase_2_iv(alg, &phase1.last_block, header.message_id, key.cipher());
            chains.push(received.decrypt(Encryption { key, iv: &iv }).unwrap().0);
        }
    }
    chains
}

fn find(chains: &[Chain], notify: u16) -> Vec<Notification> {
    let all = chains.iter().flat_map(Chain::notifications);
    all.filter(|n| n.notify_type.0 == notify).cloned().collect()
}

#[test]
fn a_responder_may_tell_that_the_isakmp_sa_lives_shorter() {
    let long = Setup { lifetime_seconds: 900, ..Setup::default() };
    let notice = IkeConfig { isakmp_lifetime_notice: true, ..IkeConfig::default() };
    for (ike, initiator_ends, notices) in [(notice, 300, 1), (IkeConfig::default(), 900, 0)] {
        let short = Setup { lifetime_seconds: 300, ike, ..Setup::default() };
        let mut net = connected([&long, &short]);
        let told = find(&informational(&net, 1), 24_576);
        assert_eq!(told.len(), notices);
        for notification in told {
            // RFC 2407 section 4.6.3.1 and 4.5: protocol 1, both cookies, life type 1 (seconds), life duration.
            assert_eq!((notification.doi.0, notification.protocol.0, notification.spi.len()), (1, 1, 16));
            assert_eq!(notification.data, [0x80, 1, 0, 1, 0, 2, 0, 4, 0, 0, 1, 44]);
        }
        // Who was not told hears of it by the responder's delete.
        let expires = |node: usize| {
            let sa = net.nodes[node].ike.sas.values().next().unwrap();
            let phase1 = sa.established().unwrap();
            phase1.expires.saturating_since(phase1.since)
        };
        assert_eq!([0, 1].map(expires), [Duration::from_secs(initiator_ends), Duration::from_secs(300)]);
        assert_eq!(ends(&mut net, 400), [vec![300], vec![300]]);
    }
    // Nothing to tell.
    let notice = IkeConfig { isakmp_lifetime_notice: true, ..IkeConfig::default() };
    let net = connected([&long, &Setup { lifetime_seconds: 900, ike: notice, ..Setup::default() }]);
    assert_eq!(find(&informational(&net, 1), 24_576), []);
}

#[test]
fn a_responder_may_tell_whether_it_refuses_repetitions() {
    let plain = EspTransform { cipher: Cipher::Des, mac: None };
    let plain = Offer { ah: None, esp: Some(plain), lifetime: Lifetime::default() };
    for (offers, status) in [(Setup::default().offers, 1), (vec![plain], 0)] {
        for replay_status in [true, false] {
            let ike = IkeConfig { replay_status, ..IkeConfig::default() };
            let net = connected([&Setup { offers: offers.clone(), ike, ..Setup::default() }; 2]);
            let is = |d: &&Datagram| split(&d.payload).unwrap().0.exchange_type == ExchangeType::QUICK_MODE;
            let quick: Vec<_> = net.sent.iter().filter(is).collect();
            let phase1 = net.nodes[1].ike.sas.values().next().unwrap().established().unwrap();
            let second = Received::new(quick[1].peer, quick[1].local, &quick[1].payload).unwrap();
            // The IV is the last block of message 1.
            let iv = &quick[0].payload[quick[0].payload.len() - 8..];
            let chain = second.decrypt(Encryption { key: &phase1.keys.key, iv }).unwrap().0;
            let told = find(&[chain], 24_577);
            assert_eq!(told.len(), usize::from(replay_status));
            for notification in told {
                // RFC 2407 section 4.6.3.2: protocol 3 (ESP), its SPI, and 1 or 0 in four octets.
                assert_eq!((notification.doi.0, notification.protocol.0, notification.spi.len()), (1, 3, 4));
                assert_eq!(notification.data, [0, 0, 0, status]);
            }
        }
    }
}

/// MS-IKEE section 3.8.7.2: "the host MUST NOT explicitly delete the SA. Instead, the SA MUST be invalidated".
#[test]
fn a_spent_isakmp_sa_may_stay_as_long_as_it_lives() {
    for (spent_sas_stay, end) in [(true, 500), (false, 64)] {
        let ike = IkeConfig { spent_sas_stay, ..IkeConfig::default() };
        let setup = Setup { quick_modes: 1, lifetime_seconds: 500, ike, ..Setup::default() };
        let mut net = connected([&setup, &setup]);
        assert_eq!(ends(&mut net, 600), [vec![end], vec![end]]);
        // It is used for nothing else.
        let mut net = connected([&setup, &setup]);
        net.acquire(0);
        net.settle();
        assert_eq!(net.nodes[0].isakmp_keys().len(), 2);
    }
}

#[test]
fn a_peer_that_counts_differently_begins_anew() {
    for (spent_sas_stay, wait) in [(false, 0), (true, 64)] {
        let ike = IkeConfig { spent_sas_stay, ..IkeConfig::default() };
        let one = Setup { quick_modes: 1, ike, ..Setup::default() };
        let mut net = connected([&Setup::default(), &one]);
        net.acquire(0);
        net.run_for(wait);
        assert_eq!(net.nodes.each_ref().map(|n| (n.inbound.len(), n.outbound.len())), [(1, 1); 2]);
        net.acquire(0);
        net.settle();
        net.assert_same_pairs(2);
        assert_eq!(net.nodes.each_ref().map(|n| n.isakmp_keys().len()), [2, 2]);
    }
}

#[test]
fn an_isakmp_sa_makes_as_many_quick_modes_as_it_may() {
    let setup = Setup { quick_modes: 3, ..Setup::default() };
    let mut net = connected([&setup, &setup]);
    for pairs in 2..=7 {
        // Either end may ask: both count alike.
        net.acquire(pairs % 2);
        net.settle();
        net.assert_same_pairs(pairs);
        assert_eq!(net.nodes.each_ref().map(|n| n.isakmp_keys().len()), [pairs.div_ceil(3); 2]);
    }
}
