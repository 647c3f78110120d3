//! Microsoft's fragmentation (MS-IKEE section 3.3): both ways, over bad paths, and under the eyes of a forger.

use alloc::vec;
use alloc::vec::Vec;

use super::harness::*;
use crate::config::WorkMode;
use crate::crypto::{Cipher, Mac};
use crate::ike::effect::Datagram;
use crate::ike::v1::vendor_id::FRAGMENTATION;
use crate::spd::{Lifetime, Offer, Pfs};
use crate::time::{Duration, Instant};
use crate::wire::isakmp::{ExchangeType, Flags, Lie, PayloadType, split};

/// The path carries IPv4 datagrams of so many octets.
const MTU: usize = 576;

/// Both ends announce fragmentation, and the initiator's first quick-mode message takes three fragments.
fn setup() -> Setup {
    let of = |cipher, seconds| {
        let lifetime = Lifetime { seconds: Some(seconds), kilobytes: None };
        Offer { lifetime, ..esp(cipher, Mac::HmacMd5_96) }
    };
    let offers = (0..13).flat_map(|n| [of(Cipher::Des, 1_000 + n), of(Cipher::TripleDes, 1_000 + n)]);
    Setup { offers: offers.collect(), ike: announcing([FRAGMENTATION.to_vec()]), ..Setup::default() }
}

/// The initiator's message 5 takes three fragments: a payload of the private range stands beside its identity.
fn long_main_mode() -> Setup {
    let mut setup = Setup { ike: announcing([FRAGMENTATION.to_vec()]), ..Setup::default() };
    let beside = Lie::Append { payload_type: PayloadType(200), body: vec![7; 1_200] };
    setup.ike.lies = vec![Lie::None, Lie::None, beside];
    setup
}

fn too_big(datagram: &Datagram) -> bool {
    20 + 8 + datagram.payload.len() > MTU
}

fn is_fragment(datagram: &Datagram) -> bool {
    split(&datagram.payload).unwrap().0.next_payload == PayloadType::FRAGMENT
}

/// ID, number, whether it is the last, and data of a fragment, read by hand.
fn fields(datagram: &Datagram) -> (u16, u8, bool, &[u8]) {
    let body = &datagram.payload[28..];
    assert_eq!((body[0], body[1], usize::from(u16::from_be_bytes([body[2], body[3]]))), (0, 0, body.len()));
    assert!(body[7] <= 1);
    (u16::from_be_bytes([body[4], body[5]]), body[6], body[7] == 1, &body[8..])
}

/// A negotiation over a path that loses everything too big; `fault` decides about the rest.
fn over_small_path(setup: &Setup, seconds: u64, mut fault: impl FnMut(&Datagram) -> Fate) -> Net {
    // Only the initiator has anything long to say.
    let answering = Setup { ike: announcing([FRAGMENTATION.to_vec()]), ..setup.clone() };
    let mut net = Net::new([setup, &answering]);
    net.acquire(0);
    let until = net.now + Duration::from_secs(seconds);
    net.run(until, &mut |_, datagram| if too_big(datagram) { Fate::Drop } else { fault(datagram) });
    net
}

#[test]
fn a_long_message_leaves_in_fragments_after_the_first_two_gaps() {
    for (setup, exchange) in
        [(setup(), ExchangeType::QUICK_MODE), (long_main_mode(), ExchangeType::MAIN_MODE)]
    {
        let begin = Instant::from_secs(1);
        let mut net = over_small_path(&setup, 2, |_| Fate::Deliver);
        // Whole at once and after one second, lost both times.
        let whole: Vec<Datagram> = net.sent.iter().filter(|d| too_big(d)).cloned().collect();
        assert_eq!(whole.len(), 2);
        assert!(!net.sent.iter().any(is_fragment));
        net.run(begin + Duration::from_secs(3), &mut |_, d| {
            if too_big(d) { Fate::Drop } else { Fate::Deliver }
        });
        net.assert_same_pairs(1);
        let fragments: Vec<&Datagram> = net.sent.iter().filter(|d| is_fragment(d)).collect();
        let header = split(&whole[0].payload).unwrap().0;
        assert_eq!((header.exchange_type, fragments.len()), (exchange, 3));
        let mut data = vec![];
        for (place, fragment) in (1..).zip(&fragments) {
            let (outer, _) = split(&fragment.payload).unwrap();
            let same = (outer.cky_i, outer.cky_r, outer.exchange_type, outer.message_id);
            assert_eq!(same, (header.cky_i, header.cky_r, header.exchange_type, header.message_id));
            assert_eq!(outer.flags, Flags::NONE);
            let (id, number, last, part) = fields(fragment);
            assert_eq!((id, number, last), (1, place, place == 3));
            assert_eq!(!last, 20 + 8 + fragment.payload.len() == MTU);
            data.extend_from_slice(part);
        }
        assert_eq!(data, whole[0].payload);
        assert_eq!(net.nodes[1].ike.sizes().fragments, 0);
    }
}

#[test]
fn only_with_peers_that_announced_it() {
    let plain = Setup { ike: Default::default(), ..setup() };
    for setups in [[&setup(), &plain], [&plain, &setup()]] {
        let mut net = Net::new(setups);
        net.acquire(0);
        let until = net.now + Duration::from_secs(100);
        net.run(until, &mut |_, d| if too_big(d) { Fate::Drop } else { Fate::Deliver });
        assert!(!net.sent.iter().any(is_fragment));
        assert_eq!(net.nodes[1].inbound.len(), 0);
    }
}

#[test]
fn who_gets_fragments_sends_fragments_at_once() {
    // Both ends have much to say, and the responder begins the second quick mode.
    let mut net = Net::same(&setup());
    net.acquire(0);
    let lossy = &mut |_: usize, d: &Datagram| if too_big(d) { Fate::Drop } else { Fate::Deliver };
    let until = net.now + Duration::from_secs(10);
    net.run(until, lossy);
    net.assert_same_pairs(1);
    let before = net.sent.len();
    net.acquire(1);
    net.settle_with(lossy);
    net.assert_same_pairs(2);
    let first: Vec<&Datagram> = net.sent[before..].iter().filter(|d| d.local == socket(1)).collect();
    assert_eq!(first.iter().filter(|d| is_fragment(d)).map(|d| fields(d).0).collect::<Vec<_>>(), [1; 3]);
    assert!(!first.iter().any(|d| too_big(d)));
}

#[test]
fn lost_repeated_and_reordered_fragments_do_no_harm() {
    for setup in [setup(), long_main_mode()] {
        for place in 1..=3 {
            for fate in [Fate::Drop, Fate::Twice, Fate::Late] {
                let mut seen = 0;
                let net = over_small_path(&setup, 20, |datagram| {
                    seen += usize::from(is_fragment(datagram));
                    if is_fragment(datagram) && seen == place { fate } else { Fate::Deliver }
                });
                net.assert_same_pairs(1);
                // A lost one costs a repetition, with an ID of its own.
                let mut ids: Vec<u16> =
                    net.sent.iter().filter(|d| is_fragment(d)).map(|d| fields(d).0).collect();
                ids.dedup();
                assert_eq!(ids, if fate == Fate::Drop { vec![1, 2] } else { vec![1] });
            }
        }
    }
}

#[test]
fn a_fragmented_message_is_answered_again_when_its_answer_was_lost() {
    // The responder of a quick mode repeats its answer by itself; that of main mode waits to be asked.
    for (setup, fragments) in [(setup(), 3), (long_main_mode(), 6)] {
        let mut lost = 0;
        let net = over_small_path(&setup, 20, |datagram| {
            // The first answer after the fragments.
            let answer = datagram.local == socket(1) && lost == 1;
            lost += usize::from(lost == 1 && answer);
            lost = lost.max(usize::from(is_fragment(datagram)));
            if answer { Fate::Drop } else { Fate::Deliver }
        });
        assert_eq!(lost, 2);
        net.assert_same_pairs(1);
        assert_eq!(net.sent.iter().filter(|d| is_fragment(d)).count(), fragments);
    }
}

/// What a forger who has seen the cookies makes of a true fragment: the same place, other data.
fn forgeries(truth: &Datagram) -> Vec<Datagram> {
    let edited = |edit: fn(&mut Vec<u8>)| {
        let mut forged = truth.clone();
        edit(&mut forged.payload);
        let len = forged.payload.len();
        forged.payload[24..28].copy_from_slice(&(len as u32).to_be_bytes());
        forged.payload[30..32].copy_from_slice(&(len as u16 - 28).to_be_bytes());
        forged
    };
    vec![
        // The last octets altered: length and header of the whole message stay plausible.
        edited(|payload| *payload.last_mut().unwrap() ^= 1),
        edited(|payload| payload.truncate(60)),
        // A contradiction about which is the last one.
        edited(|payload| payload[35] ^= 1),
        edited(|payload| payload[34] = payload[34].wrapping_add(1)),
        edited(|payload| (payload[34], payload[35]) = (9, 1)),
    ]
}

// In main mode the last fragment is spared: HASH_I covers only the identity, so what stands beside it, and with it the IV of
// message 6, can be altered in fragments or without them.

#[test]
fn a_forged_fragment_keeps_no_true_one_out() {
    for (setup, spared) in [(setup(), 0), (long_main_mode(), 1)] {
        // Which of the forgeries of each fragment, and whether they come before it or after it.
        for forgery in 0..5 {
            for after in [false, true] {
                let mut net = over_small_path(&setup, 2, |_| Fate::Deliver);
                let until = net.now + Duration::from_secs(1);
                net.run(until, &mut |_, d| {
                    if is_fragment(d) || too_big(d) { Fate::Drop } else { Fate::Deliver }
                });
                let truth: Vec<Datagram> = net.sent.iter().filter(|d| is_fragment(d)).cloned().collect();
                assert_eq!(truth.len(), 3);
                let altered = truth.iter().take(3 - spared);
                let forged: Vec<Datagram> = altered.map(|d| forgeries(d)[forgery].clone()).collect();
                // All forged ones around all true ones, and one by one.
                for (datagram, false_one) in truth.iter().zip(&forged) {
                    let order = if after { [datagram, false_one] } else { [false_one, datagram] };
                    let mut with_all = net.clone();
                    if !after {
                        forged.iter().for_each(|d| with_all.deliver(d));
                    }
                    for other in &truth {
                        match other == datagram {
                            true => order.iter().for_each(|d| with_all.deliver(d)),
                            false => with_all.deliver(other),
                        }
                    }
                    with_all.settle();
                    with_all.assert_same_pairs(1);
                }
            }
        }
    }
}

#[test]
fn a_flood_of_forged_fragments_is_bounded_and_the_next_repetition_gets_through() {
    for (setup, spared) in [(setup(), 0), (long_main_mode(), 1)] {
        let mut net = over_small_path(&setup, 2, |_| Fate::Deliver);
        let until = net.now + Duration::from_secs(1);
        net.run(until, &mut |_, d| if is_fragment(d) || too_big(d) { Fate::Drop } else { Fate::Deliver });
        let truth: Vec<Datagram> = net.sent.iter().filter(|d| is_fragment(d)).cloned().collect();
        for n in 0..5_000_u32 {
            let mut forged = truth[n as usize % (3 - spared)].clone();
            // Every ID and number there is, and more candidates than are kept.
            forged.payload[32..34].copy_from_slice(&((n / 40) as u16).to_be_bytes());
            forged.payload[34] = (n % 40 % 255) as u8 + 1;
            let end = forged.payload.len() - 4;
            forged.payload[end..].copy_from_slice(&n.to_be_bytes());
            net.deliver(&forged);
            assert!(net.nodes[1].ike.sizes().fragments <= 192);
        }
        net.run_for(10);
        net.assert_same_pairs(1);
    }
}

#[test]
fn fragments_are_kept_for_established_company_only() {
    // Before there is an SA: the initiator has heard nothing, the responder has answered message 1.
    let mut net = over_small_path(&setup(), 5, |_| Fate::Deliver);
    net.assert_same_pairs(1);
    let fragment = net.sent.iter().find(|d| is_fragment(d)).unwrap().clone();
    let first = net.sent[0].clone();
    let mut fresh = Net::same(&setup());
    fresh.acquire(0);
    let mut early = fragment.clone();
    for cookies in [[first.payload[..8].to_vec(), vec![0; 8]].concat(), first.payload[..16].to_vec()] {
        early.payload[..16].copy_from_slice(&cookies);
        fresh.nodes[0]
            .receive(fresh.now, &Datagram { local: early.peer, peer: early.local, ..early.clone() });
        fresh.nodes[1].receive(fresh.now, &early);
    }
    let begun = fresh.take().unwrap();
    fresh.deliver(&begun);
    let cky_r = fresh.sent[1].payload[8..16].to_vec();
    early.payload[8..16].copy_from_slice(&cky_r);
    fresh.nodes[1].receive(fresh.now, &early);
    assert_eq!(fresh.nodes.each_ref().map(|n| n.ike.sizes().fragments), [0, 0]);
    // Afterwards not from another address; and not for ever.
    let strange = Datagram { local: "192.0.2.77:500".parse().unwrap(), ..fragment.clone() };
    net.nodes[1].receive(net.now, &strange);
    assert_eq!(net.nodes[1].ike.sizes().fragments, 0);
    net.nodes[1].receive(net.now, &fragment);
    net.run_for(69);
    let mut other = fragment.clone();
    other.payload[33] ^= 0x40;
    net.nodes[1].receive(net.now, &other);
    assert_eq!(net.nodes[1].ike.sizes().fragments, 2);
    net.run_for(1);
    other.payload[33] ^= 0x20;
    net.nodes[1].receive(net.now, &other);
    assert_eq!(net.nodes[1].ike.sizes().fragments, 2);
}

#[test]
fn fragments_wait_for_work() {
    let setup = Setup { work: WorkMode::Offload, pfs: Pfs::SameGroup, ..setup() };
    over_small_path(&setup, 20, |_| Fate::Deliver).assert_same_pairs(1);
}
