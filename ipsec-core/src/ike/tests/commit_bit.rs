//! The commit bit and CONNECTED (RFC 2408 section 3.1).

use alloc::vec;
use alloc::vec::Vec;

use super::harness::*;
use crate::config::IkeConfig;
use crate::ike::effect::Datagram;
use crate::ike::failure::FailureReason;
use crate::ike::outbox::{Encryption, Outbox, Protection};
use crate::ike::v1::keymat;
use crate::io::{DeleteReason, Event};
use crate::wire::ikev1::{Notification, NotifyType, ProtocolId};
use crate::wire::isakmp::{ExchangeType, Flags, Header, Payload, split};

fn committing() -> Setup {
    Setup { ike: IkeConfig { commit_bit: true, ..IkeConfig::default() }, ..Setup::default() }
}

fn header(datagram: &Datagram) -> Header {
    split(&datagram.payload).unwrap().0
}

fn is_quick_mode(datagram: &Datagram) -> bool {
    header(datagram).exchange_type == ExchangeType::QUICK_MODE
}

/// A network, and the fate of the `n`th quick-mode datagram, counted from 1.
fn run_quick_mode(net: &mut Net, seconds: u64, mut fate: impl FnMut(usize) -> Fate) {
    let mut seen = 0;
    let until = net.now + crate::time::Duration::from_secs(seconds);
    net.run(until, &mut |_, d| {
        seen += usize::from(is_quick_mode(d));
        if is_quick_mode(d) { fate(seen) } else { Fate::Deliver }
    });
}

fn quick_mode_of(net: &Net) -> Vec<Datagram> {
    net.sent.iter().filter(|d| is_quick_mode(d)).cloned().collect()
}

fn outbound(net: &Net) -> [usize; 2] {
    net.nodes.each_ref().map(|node| node.outbound.len())
}

/// Main mode, and quick mode up to the datagram before the `n`th.
fn up_to(mut net: Net, n: usize) -> (Net, Datagram) {
    net.acquire(0);
    let mut seen = 0;
    loop {
        let datagram = net.take().unwrap();
        seen += usize::from(is_quick_mode(&datagram));
        if seen == n {
            return (net, datagram);
        }
        net.deliver(&datagram);
    }
}

#[test]
fn a_fourth_message_lets_the_initiator_send() {
    let (mut net, connected) = up_to(Net::new([&Setup::default(), &committing()]), 4);
    let sent = quick_mode_of(&net);
    assert_eq!(
        sent.iter().map(|d| header(d).flags.contains(Flags::COMMIT)).collect::<Vec<_>>(),
        [false, true, false, false]
    );
    assert!(sent.iter().all(|d| header(d).message_id == header(&sent[0]).message_id));
    // HASH (4 + 16) and a notification about one SPI (12 + 4), padded to DES blocks.
    assert_eq!(header(&connected).length, 28 + 40);
    // The responder may send, the initiator may only receive.
    assert_eq!((outbound(&net), net.nodes[0].inbound.len()), ([0, 1], 1));
    assert_eq!(net.nodes[0].count(|e| matches!(e, Event::QuickModeEstablished(_))), 0);
    net.deliver(&connected);
    net.assert_same_pairs(1);
    assert_eq!(net.nodes[0].count(|e| matches!(e, Event::QuickModeEstablished(_))), 1);
    net.run_for(100);
    assert_eq!(quick_mode_of(&net).len(), 4);
}

#[test]
fn a_lost_connected_is_asked_for_again() {
    let mut net = Net::new([&Setup::default(), &committing()]);
    net.acquire(0);
    run_quick_mode(&mut net, 6, |n| if n == 4 || n == 6 { Fate::Drop } else { Fate::Deliver });
    net.assert_same_pairs(1);
    let sent = quick_mode_of(&net);
    // 1, 2, 3, 4, and twice 3 and 4 again, the same bytes.
    assert_eq!(sent.len(), 8);
    assert_eq!((&sent[2], &sent[3]), (&sent[4], &sent[5]));
    assert_eq!((&sent[2], &sent[3]), (&sent[6], &sent[7]));
    net.run_for(100);
    assert_eq!(quick_mode_of(&net).len(), 8);
}

#[test]
fn whatever_is_lost_once_a_pair_comes_up() {
    for lost in 1..=6 {
        for both in [false, true] {
            let mut net = Net::same(&committing());
            net.acquire(0);
            run_quick_mode(&mut net, 100, |n| match n == lost || both && n == lost + 1 {
                true => Fate::Drop,
                false => Fate::Deliver,
            });
            net.assert_same_pairs(1);
            assert!(net.nodes.iter().all(|n| n.failures().is_empty() && n.deleted().is_empty()));
        }
    }
}

/// "If the entity awaiting the Informational Exchange can verify the received message [...] then they MAY consider the SA was
/// established".
#[test]
fn a_packet_on_the_pair_stands_for_connected() {
    let (mut net, _) = up_to(Net::new([&Setup::default(), &committing()]), 4);
    let pair = net.nodes[0].inbound[0].pair;
    net.call(0, |ike, cx| ike.pair_confirmed(pair, cx));
    net.assert_same_pairs(1);
    net.run_for(100);
    assert_eq!(quick_mode_of(&net).len(), 4);
    assert!(net.nodes.iter().all(|n| n.failures().is_empty() && n.deleted().is_empty()));
}

#[test]
fn without_connected_there_is_no_pair() {
    let mut net = Net::new([&Setup::default(), &committing()]);
    net.acquire(0);
    run_quick_mode(&mut net, 200, |n| if n > 3 { Fate::Drop } else { Fate::Deliver });
    assert_eq!(net.nodes[0].failures(), [FailureReason::TimedOut("waiting for CONNECTED")]);
    let whys = net.nodes.each_ref().map(|n| n.deleted().iter().map(|(_, why)| *why).collect::<Vec<_>>());
    assert_eq!(whys, [vec![DeleteReason::Abandoned], vec![DeleteReason::PeerDeleted]]);
    assert_eq!((outbound(&net), net.nodes[0].acquire_failures()), ([0, 1], vec![false]));
}

/// Nothing authenticates the bit: who sets it, or takes it away, wins a second at most.
#[test]
fn a_commit_bit_altered_on_the_way_does_no_harm() {
    for (setup, wait) in [(Setup::default(), 1), (committing(), 0)] {
        let (mut net, mut second) = up_to(Net::same(&setup), 2);
        second.payload[19] ^= Flags::COMMIT.0;
        net.deliver(&second);
        net.settle();
        assert_eq!(outbound(&net), [1 - wait, 1]);
        net.run_for(1);
        net.assert_same_pairs(1);
        net.run_for(100);
        assert_eq!(quick_mode_of(&net).len(), 4 + wait);
        assert!(net.nodes.iter().all(|n| n.deleted().is_empty() && n.failures().is_empty()));
    }
}

/// A notification as node 1 would send it in place of `fourth`: in this exchange type, under its message ID or another one,
/// with the IV of the quick mode's chain or a fresh one.
fn notification(
    net: &Net,
    fourth: &Datagram,
    exchange_type: ExchangeType,
    (other, fresh_iv): (u32, bool),
    notify: NotifyType,
) -> Datagram {
    let message_id = header(fourth).message_id ^ other;
    let sa = net.nodes[1].ike.sas.values().next().unwrap();
    let phase1 = sa.established().unwrap();
    let third = quick_mode_of(net)[2].payload.clone();
    let fresh = keymat::phase_2_iv(phase1.keys.alg, &phase1.last_block, message_id, phase1.keys.key.cipher());
    let iv = if fresh_iv { fresh } else { third[third.len() - 8..].to_vec() };
    let protection = Protection::Phase2 {
        encryption: Encryption { key: &phase1.keys.key, iv: &iv },
        alg: phase1.keys.alg,
        skeyid_a: &phase1.keys.skeyids.skeyid_a,
        ni_b: &[],
    };
    let header = Header::new(sa.names.cky_i, sa.names.cky_r, exchange_type, Flags::NONE, message_id);
    let notification = Notification::new(ProtocolId::ESP, vec![0; 4], notify);
    let sent = Outbox::new(&[]).send(header, vec![Payload::Notification(notification)], protection);
    Datagram { payload: sent.datagram, ..fourth.clone() }
}

#[test]
fn connected_counts_in_both_exchanges_but_only_with_the_message_id_of_the_quick_mode() {
    let (net, fourth) = up_to(Net::new([&Setup::default(), &committing()]), 4);
    let cases = [
        (ExchangeType::QUICK_MODE, 0, false, 1),
        (ExchangeType::INFORMATIONAL, 0, false, 1),
        (ExchangeType::INFORMATIONAL, 0, true, 1),
        (ExchangeType::INFORMATIONAL, 1, true, 0),
        (ExchangeType::QUICK_MODE, 1, true, 0),
        (ExchangeType::QUICK_MODE, 0, true, 0),
    ];
    for (exchange_type, other, fresh_iv, expected) in cases {
        let mut net = net.clone();
        let message = notification(&net, &fourth, exchange_type, (other, fresh_iv), NotifyType::CONNECTED);
        net.nodes[0].receive(net.now, &message);
        assert_eq!(outbound(&net), [expected, 1], "{exchange_type} {other} {fresh_iv}");
    }
}

#[test]
fn another_notification_does_not_end_the_wait() {
    let (mut net, fourth) = up_to(Net::new([&Setup::default(), &committing()]), 4);
    let status = NotifyType::REPLAY_STATUS;
    let message = notification(&net, &fourth, ExchangeType::QUICK_MODE, (0, false), status);
    net.nodes[0].receive(net.now, &message);
    assert_eq!(outbound(&net), [0, 1]);
}

#[test]
fn a_forged_connected_changes_nothing() {
    let (mut net, fourth) = up_to(Net::new([&Setup::default(), &committing()]), 4);
    let before = net.nodes[0].fingerprint();
    for exchange_type in [ExchangeType::QUICK_MODE, ExchangeType::INFORMATIONAL] {
        for bit in 28 * 8..fourth.payload.len() * 8 {
            let mut forged = fourth.clone();
            forged.payload[18] = exchange_type.0;
            forged.payload[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(net.nodes[0].receive(net.now, &forged), []);
        }
    }
    assert_eq!((net.nodes[0].fingerprint(), outbound(&net)), (before, [0, 1]));
    net.deliver(&fourth);
    net.assert_same_pairs(1);
}

#[test]
fn a_rekeyed_pair_sends_on_the_old_one_until_connected() {
    let mut net = Net::same(&committing());
    net.acquire(0);
    net.settle();
    let old = net.nodes[0].outbound[0].pair;
    let acquire = crate::ike::effect::Acquire { replaces: Some(old), ..net.wanted(0) };
    net.call(0, |ike, cx| ike.acquire(acquire, cx));
    run_quick_mode(&mut net, 50, |n| if n > 3 { Fate::Drop } else { Fate::Deliver });
    assert_eq!((outbound(&net), net.nodes[0].deleted().len()), ([1, 2], 0));
    net.run_for(20);
    net.assert_same_pairs(2);
}
