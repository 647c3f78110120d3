//! Microsoft's reliable delete (MS-IKEE section 3.8).

use alloc::vec;
use alloc::vec::Vec;

use super::harness::*;
use crate::config::{IkeConfig, ReliableDelete};
use crate::ike::effect::Datagram;
use crate::ike::v1::vendor_id::microsoft;
use crate::io::{DeleteReason, Event};
use crate::time::Duration;
use crate::wire::isakmp::{ExchangeType, split};

/// A node with Microsoft's vendor ID, or without, that deletes in this way.
fn node(announces: bool, reliable_delete: ReliableDelete) -> Setup {
    let vendor_ids = if announces { announcing([microsoft(4)]) } else { announcing([]) }.vendor_ids;
    Setup { ike: IkeConfig { vendor_ids, reliable_delete, ..IkeConfig::default() }, ..Setup::default() }
}

fn connected(setups: [&Setup; 2]) -> Net {
    let mut net = Net::new(setups);
    net.acquire(0);
    net.settle();
    net.assert_same_pairs(1);
    net.run_for(100);
    net
}

/// Deletes node 0's pair and says which message did it.
fn delete_pair(net: &mut Net) -> Datagram {
    let pair = net.nodes[0].inbound[0].clone();
    let spis: Vec<_> = pair.sas.iter().map(|sa| (sa.protocol, sa.spi)).collect();
    net.call(0, |ike, cx| ike.pair_deleted(pair.pair, &spis, DeleteReason::Command, cx));
    net.sent.last().unwrap().clone()
}

fn informational(net: &Net, node: usize) -> Vec<Datagram> {
    let of = |d: &&Datagram| {
        d.local == socket(node) && split(&d.payload).unwrap().0.exchange_type == ExchangeType::INFORMATIONAL
    };
    net.sent.iter().filter(of).cloned().collect()
}

fn answered(event: &Event) -> bool {
    matches!(event, Event::DeleteAnswered { .. })
}

fn repeated(event: &Event) -> bool {
    matches!(event, Event::Retransmitted { .. })
}

#[test]
fn a_delete_is_answered_and_not_sent_again() {
    let setup = node(true, ReliableDelete::Repeated);
    let mut net = connected([&setup, &setup]);
    let delete = delete_pair(&mut net);
    net.run_for(200);
    assert_eq!((net.nodes[0].count(answered), net.nodes[0].count(repeated)), (1, 0));
    assert_eq!(net.nodes[1].deleted().len(), 1);
    let [question, answer] = [&delete, net.sent.last().unwrap()].map(|d| split(&d.payload).unwrap().0);
    assert_eq!(
        (question.message_id, question.cky_i, question.cky_r),
        (answer.message_id, answer.cky_i, answer.cky_r)
    );
    // HASH, 32 octets of nonce and an ESP delete of one SPI, padded to DES blocks: 20 + 36 + 16 octets (MD5: 4 + 16).
    assert_eq!([question.length, answer.length], [28 + 72; 2]);
    assert_eq!(net.nodes[0].ike.sizes().deletes, 0);
}

#[test]
fn an_unanswered_delete_is_sent_again_six_times() {
    let setup = node(true, ReliableDelete::Repeated);
    let mut net = connected([&setup, &setup]);
    let begin = net.now;
    let delete = delete_pair(&mut net);
    net.take();
    let mut at = vec![];
    let mut last = 0;
    for second in 0..200 {
        net.run(begin + Duration::from_secs(second), &mut |_, _| Fate::Drop);
        let sent = net.sent.iter().filter(|d| **d == delete).count();
        if sent > last {
            (at.push(second), last = sent).0
        }
    }
    assert_eq!(at, [0, 1, 3, 7, 15, 31, 47]);
    assert_eq!(net.nodes[0].ike.sizes().deletes, 0);
}

#[test]
fn a_lost_answer_is_given_again_and_the_same() {
    let setup = node(true, ReliableDelete::Repeated);
    let mut net = connected([&setup, &setup]);
    delete_pair(&mut net);
    let before = informational(&net, 1).len();
    let mut lost = 0;
    let until = net.now + Duration::from_secs(60);
    net.run(until, &mut |_, d| {
        lost += usize::from(d.local == socket(1));
        if d.local == socket(1) && lost <= 3 { Fate::Drop } else { Fate::Deliver }
    });
    let answers = informational(&net, 1).split_off(before);
    assert_eq!(answers.len(), 4);
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!((net.nodes[0].count(answered), net.nodes[0].count(repeated)), (1, 3));
    assert_eq!(net.nodes[1].deleted().len(), 1);
}

#[test]
fn a_forged_answer_stops_nothing() {
    let setup = node(true, ReliableDelete::Repeated);
    let mut net = connected([&setup, &setup]);
    let delete = delete_pair(&mut net);
    let mut probe = net.clone();
    probe.settle();
    let answer = probe.sent.last().unwrap().clone();
    // Every bit of the answer, and the question itself, sent back.
    for bit in 28 * 8..answer.payload.len() * 8 {
        let mut forged = answer.clone();
        forged.payload[bit / 8] ^= 1 << (bit % 8);
        net.nodes[0].receive(net.now, &forged);
    }
    net.nodes[0].receive(net.now, &Datagram { local: delete.peer, peer: delete.local, ..delete });
    assert_eq!((net.nodes[0].count(answered), net.nodes[0].ike.sizes().deletes), (0, 1));
    net.nodes[0].receive(net.now, &answer);
    assert_eq!((net.nodes[0].count(answered), net.nodes[0].ike.sizes().deletes), (1, 0));
}

#[test]
fn other_peers_delete_and_are_told_of_deletes_as_before() {
    let reliable = node(true, ReliableDelete::Repeated);
    for other in [node(false, ReliableDelete::Off), node(false, ReliableDelete::Repeated)] {
        for setups in [[&reliable, &other], [&other, &reliable]] {
            let mut net = connected(setups);
            let before = net.sent.len();
            delete_pair(&mut net);
            net.run_for(200);
            assert_eq!(net.nodes[1].deleted().len(), 1);
            assert_eq!((net.sent.len() - before, net.nodes[0].count(repeated)), (1, 0));
            // HASH (4 + 16) and an ESP delete of one SPI (12 + 4), padded to DES blocks.
            assert_eq!(split(&net.sent[before].payload).unwrap().0.length, 28 + 40);
        }
    }
}

/// MS-IKEE appendix A <2>, <23>, <24>: with the rollup Windows 2000 answers, without nonces and timer; before, not at all.
#[test]
fn releases_of_windows_understand_each_other() {
    use ReliableDelete::{Answered, Off, Repeated};
    let cases = [
        (Repeated, Answered, 1, 0, 1),
        (Repeated, Off, 0, 6, 0),
        (Answered, Answered, 0, 0, 1),
        (Answered, Repeated, 0, 0, 0),
        (Off, Repeated, 0, 0, 0),
        (Off, Answered, 0, 0, 1),
    ];
    for (from, to, understood, repetitions, answers) in cases {
        let mut net = connected([&node(true, from), &node(true, to)]);
        let before = informational(&net, 1).len();
        delete_pair(&mut net);
        net.run_for(200);
        let node = &net.nodes[0];
        assert_eq!(
            (node.count(answered), node.count(repeated)),
            (understood, repetitions),
            "{from:?} to {to:?}"
        );
        assert_eq!(informational(&net, 1).len() - before, answers, "{from:?} to {to:?}");
        assert_eq!(net.nodes[1].deleted().len(), 1, "{from:?} to {to:?}");
    }
}

#[test]
fn at_shutdown_all_is_deleted_in_whatever_order_the_deletes_arrive() {
    let setup = node(true, ReliableDelete::Repeated);
    for late in [false, true] {
        let mut net = connected([&setup, &setup]);
        net.acquire(0);
        net.settle();
        net.assert_same_pairs(2);
        let before = net.sent.len();
        net.call(0, |ike, cx| ike.shutdown(cx));
        let deletes = net.sent[before..].to_vec();
        assert_eq!(deletes.len(), 3);
        while net.take().is_some() {}
        match late {
            false => deletes.iter().for_each(|d| net.deliver(d)),
            // That of the ISAKMP SA first.
            true => deletes.iter().rev().for_each(|d| net.deliver(d)),
        }
        net.run_for(200);
        assert_eq!((net.nodes[0].count(answered), net.nodes[0].count(repeated)), (3, 0));
        assert_eq!(net.nodes[1].deleted().len(), 2);
        assert_eq!(net.nodes.each_ref().map(|n| n.ike.sizes().isakmp_sas), [0, 0]);
        let gone = |e: &Event| matches!(e, Event::IsakmpSaDeleted { why: DeleteReason::PeerDeleted, .. });
        assert_eq!(net.nodes[1].count(gone), 1);
    }
}

/// MS-IKEE appendix A <26>.
#[test]
fn the_end_of_an_isakmp_sa_ends_no_pair_and_the_next_negotiation_makes_a_new_one() {
    let short = Setup { lifetime_seconds: 200, ..node(true, ReliableDelete::Repeated) };
    let mut net = connected([&short, &short]);
    net.run_for(101);
    assert_eq!(net.nodes.each_ref().map(|n| n.deleted().len()), [0, 0]);
    net.acquire(1);
    net.settle();
    assert_eq!(net.nodes[0].isakmp_keys().len(), 2);
    net.assert_same_pairs(2);
}
