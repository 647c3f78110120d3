//! Denial-of-service protection (MS-IKEE section 3.9).

use alloc::vec;
use alloc::vec::Vec;

use super::harness::*;
use crate::config::{DosProtection, IkeConfig};
use crate::crypto::{HashAlg, hash};
use crate::ike::effect::Datagram;
use crate::ike::failure::FailureReason;
use crate::io::Event;
use crate::rng::{Label, Streams};
use crate::time::Instant;
use crate::wire::isakmp::{ExchangeType, Header, decode_chain, split};

fn protected(dos_protection: DosProtection) -> Setup {
    let ike = IkeConfig { dos_protection: Some(dos_protection), ..IkeConfig::default() };
    Setup { ike, ..Setup::default() }
}

fn answering() -> Setup {
    Setup { ike: IkeConfig { answers_dos_cookies: true, ..IkeConfig::default() }, ..Setup::default() }
}

fn header(datagram: &Datagram) -> Header {
    split(&datagram.payload).unwrap().0
}

/// Message 1 of another initiator at this address.
fn first_message(like: &Datagram, number: u8, host: u8) -> Datagram {
    let mut datagram = like.clone();
    datagram.payload[..8].copy_from_slice(&[number; 8]);
    datagram.local = core::net::SocketAddr::new([203, 0, 113, host].into(), 500);
    datagram
}

/// The same with a responder cookie.
fn with_cookie(first: &Datagram, cookie: [u8; 8]) -> Datagram {
    let mut datagram = first.clone();
    datagram.payload[8..16].copy_from_slice(&cookie);
    datagram
}

fn cookie_in(datagram: &Datagram) -> [u8; 8] {
    let (header, body) = split(&datagram.payload).unwrap();
    assert_eq!(header.exchange_type, ExchangeType::INFORMATIONAL);
    assert!(header.message_id != 0 && !header.flags.is_encrypted());
    let (chain, _) = decode_chain(header.next_payload, body).unwrap();
    let notification = chain.notifications().next().unwrap();
    // MS-IKEE section 2.2.6: NOTIFY_DOS_COOKIE, DOI 1.
    assert_eq!((notification.notify_type.0, notification.doi.0), (0x9c44, 1));
    notification.data.as_slice().try_into().unwrap()
}

fn modes(node: &Node) -> Vec<bool> {
    let mode = |event: &Event| match event {
        Event::DosProtection { active } => Some(*active),
        _ => None,
    };
    node.events.iter().filter_map(mode).collect()
}

fn first_of(setups: [&Setup; 2]) -> (Net, Datagram) {
    let mut net = Net::new(setups);
    net.acquire(0);
    let first = net.take().unwrap();
    (net, first)
}

#[test]
fn a_cookie_is_asked_for_before_anything_is_kept() {
    let (mut net, first) = first_of([&answering(), &protected(DosProtection::AT_ONCE)]);
    net.deliver(&first);
    let asked = net.take().unwrap();
    let cookie = cookie_in(&asked);
    assert_eq!((net.nodes[1].ike.half_open_count(), modes(&net.nodes[1])), (0, vec![true]));
    net.deliver(&asked);
    let third = net.take().unwrap();
    assert_eq!(third, with_cookie(&first, cookie));
    net.deliver(&third);
    assert_eq!((header(net.sent.last().unwrap()).cky_r.0, net.nodes[1].ike.half_open_count()), (cookie, 1));
    // Its repetition is answered as any other.
    let before = net.sent.len();
    net.deliver(&third);
    assert_eq!(net.sent[before - 1], net.sent[before]);
    net.settle();
    net.assert_same_pairs(1);
    assert_eq!(header(net.sent.last().unwrap()).cky_r.0, cookie);
}

/// MS-IKEE appendix A <27>: SHA1(cookieKey | iCookie | peerAddr | localAddr | curTime), its first 8 octets.
#[test]
fn the_cookie_is_the_documented_one() {
    let (mut net, first) = first_of([&answering(), &protected(DosProtection::AT_ONCE)]);
    net.now = Instant::from_secs(1_000);
    net.deliver(&first);
    let mut key = [0; 50];
    Streams::new([2; 32]).fill(Label::DosCookie, 0, &mut key);
    let address = |host: u8| [&[1, 0, 2, 0, 1, 0xf4, 192, 0, 2, host][..], &[0; 26]].concat();
    let icookie = &first.payload[..8];
    // (1000 + 150) / 150 * 150
    let time = 1_050_u32.to_be_bytes();
    let expected = hash(HashAlg::Sha1, &[&key, icookie, &address(1), &address(2), &time]);
    assert_eq!(cookie_in(&net.take().unwrap()), expected[..8]);
}

#[test]
fn a_cookie_counts_for_its_initiator_its_addresses_and_two_time_slices() {
    let (mut net, like) = first_of([&answering(), &protected(DosProtection::AT_ONCE)]);
    let first = first_message(&like, 7, 7);
    let asked = net.nodes[1].receive(Instant::from_secs(149), &first);
    let good = with_cookie(&first, cookie_in(&asked[0]));
    let other_port = Datagram { local: core::net::SocketAddr::new(good.local.ip(), 501), ..good.clone() };
    let other_cookie = with_cookie(&first_message(&like, 8, 7), cookie_in(&asked[0]));
    let flipped = with_cookie(&good, cookie_in(&asked[0]).map(|octet| octet ^ 1));
    let cases = [
        (149, &good, true),
        (299, &good, true),
        (300, &good, false),
        (149, &other_port, false),
        (149, &other_cookie, false),
        (149, &flipped, false),
    ];
    for (second, datagram, accepted) in cases {
        let mut node = net.nodes[1].clone();
        let sent = node.receive(Instant::from_secs(second), datagram);
        assert_eq!((node.ike.half_open_count(), sent.len()), (usize::from(accepted), usize::from(accepted)));
    }
}

#[test]
fn a_peer_that_knows_no_cookies_is_kept_out_and_costs_nothing() {
    let mut net = Net::new([&Setup::default(), &protected(DosProtection::AT_ONCE)]);
    net.acquire(0);
    net.run_for(100);
    assert!(matches!(net.nodes[0].failures()[..], [FailureReason::TimedOut(_)]));
    let sizes = net.nodes[1].ike.sizes();
    assert_eq!((sizes.half_open, sizes.isakmp_sas, sizes.timers), (0, 0, 0));
}

#[test]
fn the_mode_begins_above_a_number_and_ends_below_another() {
    let protection = DosProtection { above: Some(5), below: 3, per_source: 35 };
    let (mut net, like) = first_of([&answering(), &protected(protection)]);
    let now = net.now;
    let mut held = vec![];
    for host in 1..=20 {
        net.nodes[1].receive(now, &first_message(&like, host, host));
        held.push(net.nodes[1].ike.half_open_count());
    }
    assert_eq!(held[..8], [1, 2, 3, 4, 5, 6, 6, 6]);
    assert_eq!((held[19], modes(&net.nodes[1])), (6, vec![true]));
    // The honest peer gets through meanwhile.
    net.deliver(&like);
    net.settle();
    net.assert_same_pairs(1);
    assert_eq!(modes(&net.nodes[1]), [true]);
    // Once the others are forgotten, it is as before.
    let later = now + crate::time::Duration::from_secs(100);
    let sent = net.nodes[1].receive(later, &first_message(&like, 30, 30));
    assert_eq!(
        (header(&sent[0]).exchange_type, modes(&net.nodes[1])),
        (ExchangeType::MAIN_MODE, vec![true, false])
    );
}

/// It ends when those are given up that made it begin, whether or not anybody comes then.
#[test]
fn the_mode_ends_while_all_is_quiet() {
    let protection = DosProtection { above: Some(5), below: 3, per_source: 35 };
    let (mut net, like) = first_of([&answering(), &protected(protection)]);
    for host in 1..=20 {
        net.nodes[1].receive(net.now, &first_message(&like, host, host));
    }
    assert_eq!(modes(&net.nodes[1]), [true]);
    while let Some(next) = net.nodes[1].ike.poll_timeout() {
        net.now = next;
        net.call(1, |ike, cx| ike.handle_timeout(cx));
    }
    assert_eq!((modes(&net.nodes[1]), net.nodes[1].failures().len()), (vec![true, false], 6));
}

/// MS-IKEE appendix A <29>.
#[test]
fn a_source_has_a_share() {
    let protection = DosProtection { above: Some(100), below: 50, per_source: 3 };
    let (mut net, like) = first_of([&answering(), &protected(protection)]);
    let now = net.now;
    let mut from = |number, host| net.nodes[1].receive(now, &first_message(&like, number, host)).len();
    assert_eq!([1, 2, 3, 4, 5, 6].map(|number| from(number, 1)), [1, 1, 1, 1, 0, 0]);
    assert_eq!([7, 8].map(|number| from(number, 2)), [1, 1]);
}

#[test]
fn a_forged_cookie_stops_no_negotiation() {
    let (mut net, first) = first_of([&answering(), &Setup::default()]);
    // Somebody else's responder asks for a cookie in the name of ours.
    let mut other = Net::new([&answering(), &protected(DosProtection::AT_ONCE)]);
    let asked = other.nodes[1].receive(net.now, &first).remove(0);
    for _ in 0..100 {
        net.deliver(&asked);
    }
    // Each is answered once, a bounded number of times.
    assert_eq!(net.sent.len(), 1 + 16);
    net.settle();
    net.run_for(1);
    net.assert_same_pairs(1);
    // Who does not answer cookies ignores them.
    let (mut net, _) = first_of([&Setup::default(), &Setup::default()]);
    net.deliver(&asked);
    assert_eq!(net.sent.len(), 1);
}
