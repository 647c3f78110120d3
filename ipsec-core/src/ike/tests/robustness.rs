//! Loss, repetition, forgery, floods.

use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddr;

use proptest::prelude::*;

use super::harness::*;
use crate::config::{IkeConfig, ReliableDelete, WorkMode};
use crate::crypto::Mac;
use crate::ike::effect::{Acquire, Datagram, Effect};
use crate::ike::failure::{FailureReason, IkeError};
use crate::ike::v1::vendor_id;
use crate::io::Event;
use crate::rng::{Label, Streams};
use crate::sad::BundleSpec;
use crate::spd::{Offer, Pfs};
use crate::time::Duration;
use crate::wire::ikev1::{Delete, Notification, NotifyType, ProtocolId};
use crate::wire::isakmp::{ExchangeType, Flags, Header, Message, Payload, split};

fn rich() -> Setup {
    let offers = vec![Offer { ah: Some(Mac::HmacMd5_96), ..Setup::default().offers[0] }];
    Setup { offers, pfs: Pfs::SameGroup, ..Setup::default() }
}

/// Runs a negotiation datagram by datagram; `probe` sees the network before each is delivered.
fn step_by_step(setup: &Setup, mut probe: impl FnMut(&Net, &Datagram)) -> Net {
    let mut net = Net::same(setup);
    net.acquire(0);
    while let Some(datagram) = net.take() {
        probe(&net, &datagram);
        net.deliver(&datagram);
    }
    net
}

fn receiver(datagram: &Datagram) -> usize {
    usize::from(datagram.peer.ip() == address(1))
}

#[test]
fn no_prefix_of_any_datagram_changes_anything() {
    step_by_step(&rich(), |net, datagram| {
        let mut node = net.nodes[receiver(datagram)].clone();
        let before = node.fingerprint();
        for len in 0..datagram.payload.len() {
            let cut = Datagram { payload: datagram.payload[..len].to_vec(), ..datagram.clone() };
            assert_eq!(node.receive(net.now, &cut), []);
        }
        assert_eq!(node.fingerprint(), before);
    });
}

#[test]
fn no_flipped_bit_in_an_encrypted_message_changes_anything() {
    step_by_step(&rich(), |net, datagram| {
        if !split(&datagram.payload).unwrap().0.flags.is_encrypted() {
            return;
        }
        let mut node = net.nodes[receiver(datagram)].clone();
        let before = node.fingerprint();
        for bit in 0..datagram.payload.len() * 8 {
            // No HASH covers the header: the commit and authentication-only bits cannot be protected.
            if matches!(bit, 153 | 154) {
                continue;
            }
            let mut flipped = datagram.clone();
            flipped.payload[bit / 8] ^= 1 << (bit % 8);
            let sent = node.receive(net.now, &flipped);
            assert_eq!(sent, [], "bit {bit} of {}", split(&datagram.payload).unwrap().0);
            assert_eq!(node.fingerprint(), before, "bit {bit}");
        }
    });
}

#[test]
fn no_flipped_bit_in_a_clear_message_keeps_the_honest_one_out() {
    step_by_step(&Setup::default(), |net, datagram| {
        let header = split(&datagram.payload).unwrap().0;
        // Message 2 chooses the responder's cookie and message 4 its public value; nothing authenticates them yet, so an
        // altered one that is still well-formed is as good as the honest one. Message 1 and 3 have more to lose.
        if header.flags.is_encrypted() || !header.cky_r.is_zero() {
            return;
        }
        let mut net = net.clone();
        for bit in 0..datagram.payload.len() * 8 {
            let mut flipped = datagram.clone();
            flipped.payload[bit / 8] ^= 1 << (bit % 8);
            net.nodes[1].receive(net.now, &flipped);
        }
        net.deliver(datagram);
        net.settle();
        net.assert_same_pairs(1);
    });
}

#[test]
fn a_repeated_message_is_answered_with_the_same_bytes_as_long_as_the_peer_may_repeat_it() {
    let mut net = Net::same(&rich());
    net.acquire(0);
    // Every datagram with what it was answered with.
    let mut history: Vec<(Datagram, Vec<Datagram>)> = vec![];
    while let Some(datagram) = net.take() {
        let before = net.sent.len();
        net.deliver(&datagram);
        history.push((datagram.clone(), net.sent[before..].to_vec()));
        for (datagram, answers) in &history {
            let header = split(&datagram.payload).unwrap().0;
            let again = net.nodes[receiver(datagram)].receive(net.now, datagram);
            // The exchange's own answer comes again; what the message set off besides it does not.
            let own = |d: &&Datagram| {
                let answer = split(&d.payload).unwrap().0;
                answer.exchange_type == header.exchange_type && answer.message_id == header.message_id
            };
            let own: Vec<Datagram> = answers.iter().filter(own).cloned().collect();
            assert_eq!(again, own, "{header}");
        }
    }
    net.run_for(62);
    for (datagram, _) in &history {
        net.nodes[receiver(datagram)].receive(net.now, datagram);
    }
    net.assert_same_pairs(1);
    net.run_for(2);
    // Now forgotten: nothing is answered, and nothing happens.
    for (datagram, _) in history.iter().skip(2) {
        let again = net.nodes[receiver(datagram)].receive(net.now, datagram);
        assert_eq!(again, [], "{}", split(&datagram.payload).unwrap().0);
    }
    net.assert_same_pairs(1);
}

#[test]
fn offloaded_work_changes_no_byte() {
    let inline = step_by_step(&rich(), |_, _| {});
    let offload = step_by_step(&Setup { work: WorkMode::Offload, ..rich() }, |_, _| {});
    assert_eq!(inline.sent, offload.sent);
    assert_eq!(inline.nodes.each_ref().map(|n| &n.inbound), offload.nodes.each_ref().map(|n| &n.inbound));
    inline.assert_same_pairs(1);
}

#[test]
fn messages_wait_while_work_is_out() {
    let mut net = Net::same(&Setup { work: WorkMode::Offload, ..Setup::default() });
    net.acquire(0);
    // Up to message 3, whose work the responder keeps.
    for _ in 0..2 {
        let datagram = net.take().unwrap();
        net.deliver(&datagram);
    }
    let third = net.take().unwrap();
    let mut node = net.nodes[1].clone();
    assert_eq!(node.receive(net.now, &third), []);
    assert_eq!(node.work.len(), 2);
    // Garbage of the same exchange waits, twice at most, and is refused afterwards.
    let header = split(&third.payload).unwrap().0;
    for octet in [1, 2, 3] {
        let garbage =
            Header { flags: Flags::ENCRYPTION, ..header }.encode_with(header.next_payload, &[octet; 32]);
        node.receive(net.now, &Datagram { payload: garbage, ..third.clone() });
    }
    let busy = |e: &Event| matches!(e, Event::IkeIgnored { reason: IkeError::Busy(_), .. });
    assert_eq!(node.count(busy), 1);
    let work = core::mem::take(&mut node.work);
    let results = work.iter().map(|(id, work)| (*id, work.run())).rev();
    let sent: Vec<_> =
        results.flat_map(|(id, r)| node.call(net.now, |ike, cx| ike.work_done(id, r, cx))).collect();
    assert_eq!(sent.len(), 1);
    net.nodes[1] = node;
    net.deliver(&sent[0]);
    net.settle();
    net.assert_same_pairs(1);
}

#[test]
fn forged_notifications_and_deletes_are_not_acted_upon() {
    let mut net = Net::same(&Setup::default());
    net.acquire(0);
    net.settle();
    let header = split(&net.sent[2].payload).unwrap().0;
    let info = |flags, message_id| Header {
        exchange_type: ExchangeType::INFORMATIONAL,
        flags,
        message_id,
        ..header
    };
    let spis: Vec<u32> = net.nodes[0].outbound[0].sas.iter().map(|sa| sa.spi.0).collect();
    let cookies = [header.cky_i.0, header.cky_r.0].concat();
    let payloads = [
        Payload::Delete(Delete::ipsec(ProtocolId::ESP, &spis)),
        Payload::Delete(Delete::isakmp(header.cky_i, header.cky_r)),
        Payload::Notification(Notification::new(ProtocolId::ISAKMP, cookies, NotifyType::INITIAL_CONTACT)),
    ];
    let before = net.nodes[0].ike.clone();
    for payload in payloads {
        let clear = Message { header: info(Flags::NONE, 5), payloads: vec![payload] }.encode();
        let encrypted = info(Flags::ENCRYPTION, 6).encode_with(header.next_payload, &[7; 64]);
        for payload in [clear, encrypted] {
            let forged = Datagram { payload, ..net.sent[1].clone() };
            assert_eq!(net.nodes[0].receive(net.now, &forged), []);
        }
    }
    assert_eq!(alloc::format!("{:?}", net.nodes[0].ike), alloc::format!("{before:?}"));
    assert!(net.nodes[0].deleted().is_empty());
    assert_eq!(net.nodes[0].count(|e| matches!(e, Event::Notified { .. })), 1);
}

#[test]
fn a_replayed_delete_or_quick_mode_does_nothing() {
    let mut net = Net::same(&Setup::default());
    net.acquire(0);
    net.run_for(100);
    let replayed = net.sent.clone();
    let fingerprints = net.nodes.each_ref().map(|n| alloc::format!("{:?}", n.ike));
    for datagram in replayed.iter().filter(|d| split(&d.payload).unwrap().0.flags.is_encrypted()) {
        assert_eq!(net.nodes[receiver(datagram)].receive(net.now, datagram), []);
    }
    assert_eq!(net.nodes.each_ref().map(|n| alloc::format!("{:?}", n.ike)), fingerprints);
}

#[test]
fn a_flood_of_first_messages_is_bounded_and_an_honest_peer_still_gets_through() {
    let mut net = Net::same(&Setup::default());
    net.acquire(0);
    let honest = net.take().unwrap();
    let flood = |net: &mut Net, count: u32, salt: u32| {
        for n in 0..count {
            let mut spoofed = honest.clone();
            spoofed.payload[..4].copy_from_slice(&(n ^ salt).to_be_bytes());
            // Half of it from one network of many addresses, half from a single one.
            let host = if n % 2 == 0 { n.to_be_bytes()[2..4].try_into().unwrap() } else { [9, 9] };
            let [c, d]: [u8; 2] = host;
            spoofed.local = SocketAddr::new([198, 51, c, d].into(), 500);
            net.nodes[1].receive(net.now, &spoofed);
        }
    };
    flood(&mut net, 3_000, 0x5a00_0000);
    assert!(net.nodes[1].ike.half_open_count() <= 256);
    net.deliver(&honest);
    flood(&mut net, 200, 0x3300_0000);
    net.settle();
    net.assert_same_pairs(1);
    assert!(net.nodes[1].ike.half_open_count() <= 256);
    assert_eq!(net.nodes[1].work.len(), 0);
}

#[test]
fn main_modes_that_stop_after_message_3_are_bounded() {
    let mut net = Net::same(&Setup::default());
    for _ in 0..40 {
        // A peer that knows no key and begins anew again and again.
        net.nodes[0] = Net::same(&Setup::default()).nodes[0].clone();
        net.nodes[0].reseed(net.sent.len() as u8);
        net.acquire(0);
        for _ in 0..3 {
            let datagram = net.take().unwrap();
            net.deliver(&datagram);
        }
        while net.take().is_some() {}
    }
    // Message 3 of the first 16 is answered, the limit for one source; the half-open ones wait until they are forgotten.
    let answers = net.sent.iter().filter(|d| d.local == socket(1)).count();
    assert_eq!(answers, 40 + 16);
    net.run_for(64);
    // Both kinds are told when they are given up, but for half-open ones that made room for later ones.
    let failures = net.nodes[1].failures();
    let after = |message| failures.iter().filter(|f| **f == FailureReason::TimedOut(message)).count();
    let messages = ["waiting for main mode message 5", "waiting for main mode message 3"];
    assert_eq!((messages.map(after), failures.len()), ([16, 16], 32));
}

#[test]
fn an_authenticated_message_moves_the_peers_address_and_a_forged_one_does_not() {
    let mut net = Net::same(&Setup::default());
    net.acquire(0);
    net.settle();
    net.acquire(0);
    let moved = Datagram { local: SocketAddr::new(address(0), 4096), ..net.take().unwrap() };
    let mut forged = moved.clone();
    *forged.payload.last_mut().unwrap() ^= 1;
    assert_eq!(net.nodes[1].receive(net.now, &forged), []);
    let answers = net.nodes[1].receive(net.now, &moved);
    assert_eq!(answers[0].peer, moved.local);
}

#[test]
fn a_repetition_is_answered_to_where_it_came_from() {
    let mut net = Net::same(&Setup::default());
    net.acquire(0);
    net.settle();
    net.acquire(0);
    let honest = net.take().unwrap();
    let diverted = Datagram { local: SocketAddr::new(address(0), 4096), ..honest.clone() };
    let astray = net.nodes[1].receive(net.now, &diverted);
    let answers = net.nodes[1].receive(net.now, &honest);
    assert_eq!((astray[0].peer, answers[0].peer), (diverted.local, honest.local));
    assert_eq!(astray[0].payload, answers[0].payload);
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![4 => Just(Fate::Deliver), 1 => Just(Fate::Drop), 1 => Just(Fate::Twice), 1 => Just(Fate::Late)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Faults for a while; once they end, a pair comes up, and both ends agree on every pair that both hold.
    #[test]
    fn a_negotiation_survives_loss_duplication_and_reordering(
        fates in proptest::collection::vec(fate(), 24),
        both in any::<bool>(),
        commit_bit in any::<bool>(),
    ) {
        let ike = IkeConfig { commit_bit, ..IkeConfig::default() };
        let mut net = Net::same(&Setup { ike, ..rich() });
        net.acquire(0);
        if both {
            net.acquire(1);
        }
        let mut fates = fates.into_iter();
        let end = net.now + Duration::from_secs(200);
        net.run(end, &mut |_, _| fates.next().unwrap_or(Fate::Deliver));
        if net.nodes[0].outbound.is_empty() {
            // The schedule ran out under too many losses: the next packet asks again.
            net.acquire(0);
            net.run_for(200);
        }
        for (ours, theirs) in [(0, 1), (1, 0)] {
            let (ours, theirs) = (&net.nodes[ours], &net.nodes[theirs]);
            prop_assert!(!ours.outbound.is_empty());
            for bundle in &ours.outbound {
                prop_assert!(theirs.inbound.iter().any(|inbound| inbound.sas == bundle.sas));
            }
        }
    }

    /// Whatever arrives, nothing panics, and memory stays bounded.
    #[test]
    fn arbitrary_datagrams_do_nothing(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut net = Net::same(&Setup::default());
        net.acquire(0);
        net.settle();
        let datagram = Datagram { payload, ..net.sent[0].clone() };
        net.nodes[1].receive(net.now, &datagram);
    }
}

/// What a node would send on now, newest first, and what it would accept.
#[derive(Default)]
struct Live {
    inbound: Vec<BundleSpec>,
    outbound: Vec<BundleSpec>,
    seen: usize,
}

impl Live {
    fn follow(&mut self, node: &Node) {
        for effect in &node.other[self.seen..] {
            match effect {
                Effect::InstallInbound(bundle) => self.inbound.push(bundle.clone()),
                Effect::InstallOutbound(bundle) => self.outbound.insert(0, bundle.clone()),
                Effect::HandOver { old, .. } => self.outbound.retain(|b| b.pair != *old),
                Effect::DeleteSa { pair, .. } => {
                    self.outbound.retain(|b| b.pair != *pair);
                    self.inbound.retain(|b| b.pair != *pair);
                }
                Effect::PurgePeer { keep, .. } => {
                    self.outbound.retain(|b| keep.contains(&b.pair));
                    self.inbound.retain(|b| keep.contains(&b.pair));
                }
                _ => {}
            }
        }
        self.seen = node.other.len();
    }
}

/// Both ends send a packet each second, rekey now and then, and ask for a pair when they have none.
fn traffic_under_faults(
    mut random: impl FnMut() -> u8,
    ike: IkeConfig,
    faulty_seconds: u64,
    quiet_seconds: u64,
) -> bool {
    let mut net = Net::same(&Setup { offers: rich().offers, ike, ..Setup::default() });
    let mut live = [Live::default(), Live::default()];
    let start = net.now;
    let mut connected = false;
    for second in 1..=faulty_seconds + quiet_seconds {
        let until = start + Duration::from_secs(second);
        let faulty = second <= faulty_seconds;
        net.run(until, &mut |_, _| match random() {
            0..=50 if faulty => Fate::Drop,
            51..=80 if faulty => Fate::Twice,
            81..=110 if faulty => Fate::Late,
            _ => Fate::Deliver,
        });
        connected = true;
        for node in [0, 1] {
            live[0].follow(&net.nodes[0]);
            live[1].follow(&net.nodes[1]);
            let Some(current) = live[node].outbound.first().cloned() else {
                connected = false;
                net.acquire(node);
                continue;
            };
            match live[1 - node].inbound.iter().find(|b| b.sas == current.sas).map(|b| b.pair) {
                Some(pair) => net.call(1 - node, |ike, cx| ike.pair_confirmed(pair, cx)),
                None => connected = false,
            }
            if random() < 4 {
                let acquire = Acquire { replaces: Some(current.pair), ..net.wanted(node) };
                net.call(node, |ike, cx| ike.acquire(acquire, cx));
            }
        }
    }
    connected
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// After the faults end, traffic flows both ways again within two minutes.
    #[test]
    fn no_black_hole_outlives_the_faults(seed in any::<u64>(), microsoft in any::<bool>()) {
        let mut stream = Streams::new([3; 32]).stream(Label::Jitter, seed);
        let random = move || stream.next_u32() as u8;
        let habits = IkeConfig {
            commit_bit: true,
            reliable_delete: ReliableDelete::Repeated,
            ..announcing([vendor_id::microsoft(4)])
        };
        let ike = if microsoft { habits } else { IkeConfig::default() };
        prop_assert!(traffic_under_faults(random, ike, 60, 120));
    }
}
