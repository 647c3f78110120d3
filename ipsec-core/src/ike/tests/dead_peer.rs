//! Dead peer detection (RFC 3706): who asks when, what counts as an answer, and what follows from silence.

use alloc::vec;
use alloc::vec::Vec;

use super::harness::*;
use crate::config::DeadPeerDetection;
use crate::ike::effect::Datagram;
use crate::ike::outbox::Encryption;
use crate::ike::v1::phase1::Phase1;
use crate::ike::v1::vendor_id::DEAD_PEER_DETECTION;
use crate::ike::v1::{Received, keymat};
use crate::io::{DeleteReason, DpdStep, Event};
use crate::time::{Duration, Instant};
use crate::wire::ikev1::{Doi, Notification, NotifyType, ProtocolId};
use crate::wire::isakmp::{ExchangeType, Flags, Payload, decode_chain, encode_chain, split};
use hex_literal::hex;

const IDLE: u64 = 10;

/// Announces dead peer detection, and never asks.
fn answers() -> Setup {
    Setup { ike: announcing([DEAD_PEER_DETECTION.to_vec()]), ..Setup::default() }
}

/// Announces it, and asks after ten seconds of silence.
fn asks() -> Setup {
    let mut setup = answers();
    setup.ike.dead_peer_detection = Some(DeadPeerDetection::after(Duration::from_secs(IDLE)));
    setup
}

fn connected(setups: [&Setup; 2]) -> Net {
    let mut net = Net::new(setups);
    net.acquire(0);
    net.settle();
    net.assert_same_pairs(1);
    net.sent.clear();
    net
}

fn sends(net: &mut Net, node: usize) {
    let pair = net.nodes[node].inbound[0].pair;
    net.call(node, |ike, cx| ike.pair_sent(pair, cx));
}

fn hears(net: &mut Net, node: usize) {
    let pair = net.nodes[node].inbound[0].pair;
    net.call(node, |ike, cx| ike.pair_heard(pair, cx));
}

fn steps(node: &Node) -> Vec<DpdStep> {
    let step = |event: &Event| match event {
        Event::DeadPeerDetection { step, .. } => Some(*step),
        _ => None,
    };
    node.events.iter().filter_map(step).collect()
}

/// The notification in an informational message, decrypted with the keys that both ends have.
fn notification(net: &Net, datagram: &Datagram) -> Notification {
    let received = Received::new(datagram.peer, datagram.local, &datagram.payload).unwrap();
    assert_eq!(received.header.exchange_type, ExchangeType::INFORMATIONAL);
    let sa = net.nodes[0].ike.sas.values().find(|sa| sa.names.cky_i == received.header.cky_i).unwrap();
    let Phase1::Established(phase1) = &sa.phase1 else { panic!("established") };
    let (key, id) = (&phase1.keys.key, received.header.message_id);
    let iv = keymat::phase_2_iv(phase1.keys.alg, &phase1.last_block, id, key.cipher());
    let (chain, _) = received.decrypt(Encryption { key, iv: &iv }).unwrap();
    chain.notifications().next().unwrap().clone()
}

/// Notifications that `node` sent, in order.
fn said(net: &Net, node: usize) -> Vec<(NotifyType, u32)> {
    let number = |n: &Notification| u32::from_be_bytes(n.data.as_slice().try_into().unwrap());
    let sent = net.sent.iter().filter(|d| d.local == socket(node));
    sent.map(|d| notification(net, d)).map(|n| (n.notify_type, number(&n))).collect()
}

/// `node` sends an authentic notification.
fn say(net: &mut Net, node: usize, notification: Notification) {
    net.call(node, |ike, cx| {
        let id = *ike.sas.keys().next().unwrap();
        ike.with(id, cx, |sa, cx| {
            sa.inform(vec![Payload::Notification(notification)], cx);
        });
    });
}

fn well_formed(net: &Net, notify: NotifyType, number: u32) -> Notification {
    let names = &net.nodes[0].ike.sas.values().next().unwrap().names;
    let mut notification =
        Notification::new(ProtocolId::ISAKMP, [names.cky_i.0, names.cky_r.0].concat(), notify);
    notification.data = number.to_be_bytes().to_vec();
    notification
}

/// RFC 3706 sections 5.4 and 5.5.
#[test]
fn without_traffic_nobody_is_asked_and_traffic_both_ways_is_proof() {
    let mut net = connected([&asks(), &asks()]);
    net.run_for(3_000);
    assert_eq!((net.sent.len(), steps(&net.nodes[0])), (0, vec![]));
    // As regular traffic, but each end is silent for less than the idle time.
    let mut net = connected([&asks(), &asks()]);
    for _ in 0..1_000 {
        sends(&mut net, 0);
        hears(&mut net, 1);
        sends(&mut net, 1);
        net.run_for(1);
        hears(&mut net, 0);
        net.run_for(2);
    }
    assert_eq!((net.sent.len(), steps(&net.nodes[0]), steps(&net.nodes[1])), (0, vec![], vec![]));
}

#[test]
fn whoever_sends_and_hears_nothing_asks_once_and_the_answer_lasts() {
    let mut net = connected([&asks(), &answers()]);
    net.run_for(3);
    sends(&mut net, 0);
    net.run_for(IDLE - 4);
    assert_eq!(net.sent.len(), 0, "the idle time counts from the last proof, which phase 1 was");
    net.run_for(1);
    let [(ask, number), answer] = [said(&net, 0)[0], said(&net, 1)[0]];
    assert_eq!((ask, answer), (NotifyType::R_U_THERE, (NotifyType::R_U_THERE_ACK, number)));
    let asked = DpdStep::Asked { sequence: number, attempt: 0 };
    assert_eq!(steps(&net.nodes[0]), [asked, DpdStep::Alive { sequence: number }]);
    net.run_for(3_000);
    assert_eq!(net.sent.len(), 2, "nothing was sent since");
    // After an idle time, the wish to send asks at once (section 5.5), with the next number.
    sends(&mut net, 0);
    net.settle();
    assert_eq!(said(&net, 0)[1], (NotifyType::R_U_THERE, number + 1));
    assert_eq!(said(&net, 1)[1], (NotifyType::R_U_THERE_ACK, number + 1));
}

/// RFC 3706 section 5.3: each field, of both messages.
#[test]
fn both_messages_have_the_fields_of_the_rfc() {
    let mut net = connected([&asks(), &asks()]);
    net.run_for(60);
    sends(&mut net, 0);
    net.settle();
    let names = net.nodes[0].ike.sas.values().next().unwrap().names.clone();
    for (datagram, notify_type) in net.sent.iter().zip([36_136, 36_137]) {
        let notification = notification(&net, datagram);
        assert_eq!((notification.doi, notification.protocol), (Doi(1), ProtocolId(1)));
        assert_eq!(notification.notify_type.0, notify_type);
        assert_eq!(notification.spi, [names.cky_i.0, names.cky_r.0].concat());
        assert_eq!(notification.data.len(), 4);
    }
}

/// RFC 3706 section 5.1: the name, and version 1.0, from both ends.
#[test]
fn both_first_messages_carry_the_vendor_id() {
    let mut net = Net::same(&answers());
    net.acquire(0);
    net.settle();
    for message in &net.sent[..2] {
        let (header, body) = split(&message.payload).unwrap();
        let (chain, _) = decode_chain(header.next_payload, body).unwrap();
        let ids: Vec<_> = chain.vendor_ids().map(|id| id.data.clone()).collect();
        assert_eq!(ids, [hex!("afcad71368a1f1c96b8696fc77570100")]);
    }
}

/// RFC 3706 section 6.2: random, the high bit zero; each end has its own.
#[test]
fn first_numbers_are_random_and_each_end_counts_for_itself() {
    let mut firsts = vec![];
    for seed in 1..40 {
        let mut net = Net::same(&asks());
        net.nodes.iter_mut().enumerate().for_each(|(node, n)| n.reseed(seed * 2 + node as u8));
        net.acquire(0);
        net.settle();
        net.sent.clear();
        for node in [0, 1] {
            net.run_for(60);
            sends(&mut net, node);
            net.settle();
        }
        let questions = [0, 1].map(|node| said(&net, node));
        let of = |node: usize| questions[node].iter().find(|(n, _)| *n == NotifyType::R_U_THERE).unwrap().1;
        firsts.extend([of(0), of(1)]);
    }
    let count = firsts.len();
    assert!(firsts.iter().all(|first| first >> 31 == 0));
    // Of 78 numbers of 31 bits, some are in the upper half, and no two are equal.
    assert!(firsts.iter().any(|first| first >> 30 == 1));
    firsts.sort_unstable();
    firsts.dedup();
    assert_eq!(firsts.len(), count);
}

/// RFC 3706 sections 5.1 and 5.2: both must have announced it, and whoever has not is neither asked nor answers.
#[test]
fn it_takes_two_announcements() {
    let silent = Setup::default();
    let mut unannounced = asks();
    unannounced.ike.vendor_ids.clear();
    for setups in [[&asks(), &silent], [&unannounced, &answers()], [&unannounced, &silent]] {
        let mut net = connected(setups);
        net.run_for(60);
        sends(&mut net, 0);
        net.run_for(600);
        assert_eq!((net.sent.len(), steps(&net.nodes[0])), (0, vec![]));
        assert_eq!(net.nodes[0].ike.liveness().count(), 0);
    }
    // Asked all the same, a node that announced it answers, and one that did not does not.
    for (setup, answers) in [(&answers(), 1), (&silent, 0)] {
        let mut net = connected([&silent, setup]);
        let question = well_formed(&net, NotifyType::R_U_THERE, 7);
        say(&mut net, 0, question);
        net.settle();
        assert_eq!(said(&net, 1).len(), answers);
    }
}

fn drops(node: usize) -> impl FnMut(usize, &Datagram) -> Fate {
    move |_, datagram| if datagram.local == socket(node) { Fate::Drop } else { Fate::Deliver }
}

/// RFC 3706 section 5.4: asked again with the same number, then all SAs go, and the next acquire begins anew.
#[test]
fn a_silent_peer_is_asked_four_times_and_then_its_sas_are_deleted() {
    let mut net = connected([&asks(), &answers()]);
    let pair = net.nodes[0].inbound[0].pair;
    net.run_for(60);
    let begin = net.now;
    sends(&mut net, 0);
    let mut at = vec![];
    for second in 0..30 {
        net.run(begin + Duration::from_secs(second), &mut drops(0));
        at.extend((at.len()..steps(&net.nodes[0]).len()).map(|_| second));
    }
    assert_eq!(at, [0, 1, 3, 7, 15]);
    let DpdStep::Asked { sequence, .. } = steps(&net.nodes[0])[0] else { panic!("asked") };
    let asked = |attempt| DpdStep::Asked { sequence, attempt };
    assert_eq!(steps(&net.nodes[0]), [asked(0), asked(1), asked(2), asked(3), DpdStep::Dead]);
    assert_eq!(net.nodes[0].deleted(), [(pair, DeleteReason::DeadPeer)]);
    let gone = |e: &Event| matches!(e, Event::IsakmpSaDeleted { why: DeleteReason::DeadPeer, .. });
    assert_eq!(net.nodes[0].count(gone), 1);
    let sizes = net.nodes[0].ike.sizes();
    assert_eq!((sizes.isakmp_sas, sizes.pairs, sizes.timers), (0, 0, 0));
    // On demand, all is negotiated again.
    net.acquire(0);
    net.settle();
    assert_eq!(net.nodes[0].inbound.len(), 2);
    assert_eq!(net.nodes[0].isakmp_keys().len(), 2);
}

/// RFC 3706 section 6.1: the same number again; sections 5.4 and 7: traffic and questions of the peer are proof.
#[test]
fn a_lost_answer_is_given_again_and_every_proof_ends_the_question() {
    let mut net = connected([&asks(), &answers()]);
    net.run_for(60);
    sends(&mut net, 0);
    let until = net.now + Duration::from_secs(2);
    let mut answers_seen = 0;
    net.run(until, &mut |_, datagram| {
        let answer = datagram.local == socket(1);
        answers_seen += usize::from(answer);
        if answer && answers_seen == 1 { Fate::Drop } else { Fate::Deliver }
    });
    let number = said(&net, 0)[0].1;
    assert_eq!(said(&net, 0), [(NotifyType::R_U_THERE, number); 2]);
    assert_eq!(said(&net, 1), [(NotifyType::R_U_THERE_ACK, number); 2]);
    assert_eq!(steps(&net.nodes[0]).last(), Some(&DpdStep::Alive { sequence: number }));
    // Protected traffic is proof as well, and so is the peer's own question.
    for proof in 0..2 {
        net.run_for(60);
        sends(&mut net, 0);
        assert!(net.take().is_some() && net.nodes[0].ike.liveness().all(|peer| peer.asking));
        let question = well_formed(&net, NotifyType::R_U_THERE, 40 + proof);
        match proof {
            0 => hears(&mut net, 0),
            _ => say(&mut net, 1, question),
        }
        net.settle();
        assert!(net.nodes[0].ike.liveness().all(|peer| !peer.asking && peer.last_heard == net.now));
        net.run_for(60);
    }
    assert_eq!(steps(&net.nodes[0]).iter().filter(|step| **step == DpdStep::Dead).count(), 0);
}

/// Acknowledgements that prove nothing: another number, other cookies, another length, in clear, or an old one.
#[test]
fn what_proves_nothing_does_not_save_a_dead_peer() {
    let mut old = vec![];
    for kind in 0..7 {
        let mut net = connected([&asks(), &answers()]);
        net.run_for(60);
        sends(&mut net, 0);
        net.settle();
        let number = said(&net, 0)[0].1;
        old.push(net.sent[1].clone());
        net.run_for(60);
        sends(&mut net, 0);
        while net.take().is_some() {}
        let mut false_proof = well_formed(&net, NotifyType::R_U_THERE_ACK, number + 1);
        match kind {
            0 => false_proof.data = (number + 2).to_be_bytes().to_vec(),
            1 => false_proof.data = number.to_be_bytes().to_vec(),
            2 => false_proof.spi.rotate_left(8),
            3 => false_proof.spi.clear(),
            4 => false_proof.data.extend([0; 4]),
            5 => false_proof.data.truncate(3),
            _ => {}
        }
        match kind {
            6 => {
                let datagram = in_clear(&net.sent[1], &false_proof);
                net.deliver(&datagram);
                // The old acknowledgement once more, whole.
                let replayed = net.sent[1].clone();
                net.deliver(&replayed);
            }
            _ => say(&mut net, 1, false_proof),
        }
        let until = net.now + Duration::from_secs(20);
        let mut only_first = true;
        net.run(until, &mut |_, datagram| match core::mem::take(&mut only_first)
            && datagram.local == socket(1)
        {
            true => Fate::Deliver,
            false => Fate::Drop,
        });
        assert_eq!(steps(&net.nodes[0]).last(), Some(&DpdStep::Dead), "{kind}");
    }
}

/// The payload of `datagram` replaced by a notification in clear.
fn in_clear(datagram: &Datagram, notification: &Notification) -> Datagram {
    let mut header = split(&datagram.payload).unwrap().0;
    header.flags = Flags::NONE;
    let (first, body) = encode_chain(&[Payload::Notification(notification.clone())]);
    Datagram { payload: header.encode_with(first, &body), ..datagram.clone() }
}

/// Questions that get no answer, and are no proof of life either (RFC 3706 sections 5.2, 5.3, 6.1 and 6.2).
#[test]
fn questions_that_are_old_malformed_or_in_clear_get_no_answer() {
    let mut net = connected([&asks(), &asks()]);
    let ask = |net: &mut Net, number: u32, change: &dyn Fn(&mut Notification)| -> usize {
        let mut question = well_formed(net, NotifyType::R_U_THERE, number);
        change(&mut question);
        net.sent.clear();
        say(net, 0, question);
        net.settle();
        net.sent.iter().filter(|d| d.local == socket(1)).count()
    };
    net.run_for(5);
    assert_eq!(ask(&mut net, 100, &|_| {}), 1, "the first number is free");
    let question = net.sent[0].clone();
    let heard = |net: &Net| net.nodes[1].ike.liveness().map(|peer| peer.last_heard).collect::<Vec<Instant>>();
    let before = heard(&net);
    assert_eq!(before, [net.now]);
    net.run_for(5);
    assert_eq!(ask(&mut net, 100, &|_| {}), 1, "its answer may be lost");
    assert_eq!(ask(&mut net, 99, &|_| {}), 0);
    assert_eq!(ask(&mut net, 109, &|_| {}), 0);
    assert_eq!(ask(&mut net, 100 ^ 0x8000_0000, &|_| {}), 0);
    for change in [
        (|n| n.spi.rotate_left(8)) as fn(&mut Notification),
        |n| n.spi.clear(),
        |n| n.data.truncate(3),
        |n| n.data.extend([0; 4]),
        |n| n.protocol = ProtocolId::ESP,
        |n| n.doi = Doi(9),
    ] {
        assert_eq!(ask(&mut net, 101, &change), 0);
    }
    net.sent.clear();
    let clear = in_clear(&question, &well_formed(&net, NotifyType::R_U_THERE, 101));
    net.deliver(&clear);
    net.deliver(&question);
    let mut forged = question.clone();
    *forged.payload.last_mut().unwrap() ^= 1;
    net.deliver(&forged);
    assert_eq!(net.sent.len(), 0, "in clear, replayed, forged");
    assert_eq!(heard(&net), before, "none of them was news");
    assert_eq!(ask(&mut net, 101, &|_| {}), 1, "and the right number still is");
    assert_eq!(ask(&mut net, 109, &|_| {}), 1, "after some that were lost");
    assert_eq!(heard(&net), [net.now]);
}

/// Without dead peer detection configured, or announced, nothing is sent and no timer is set, whatever the data path says.
#[test]
fn it_is_off_by_default() {
    let mut net = connected([&Setup::default(), &Setup::default()]);
    let timers = net.nodes[0].ike.sizes().timers;
    net.run_for(60);
    sends(&mut net, 0);
    assert!(net.nodes[0].ike.sizes().timers <= timers);
    assert_eq!(net.sent.len(), 0);
}
