//! Strangers: floods of first messages, garbage, and everything one can say without a key. Honest negotiations complete,
//! memory stays bounded, and nothing that is established is disturbed.

mod aggressive;
mod dead_peer;
mod fragments;
mod nat;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipsec_core::config::{DosProtection, Limits};
use ipsec_core::spd::Offer;
use ipsec_core::wire::ikev1::{Delete, Notification, NotifyType, ProtocolId};
use ipsec_core::wire::isakmp::{Cookie, ExchangeType, Flags, Header as Isakmp, Message, Payload};
use ipsec_core::{Event, Instant};
use ipsec_sim::adversary::Injection;
use ipsec_sim::capture::Capture;
use ipsec_sim::ip::{self, Header, IpView, protocol};
use ipsec_sim::packet_filter::PacketFilter;
use ipsec_sim::topology::parse_prefix;
use ipsec_sim::{Faults, LinkId, Ping};

use super::{Events, Held, held, seconds, to_ha};
use crate::gateways::{A, B, Gateways, des_md5, gateways, to_hb};

const FLOOD: u32 = 100_000;

/// Numbers without a pattern (xorshift).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        let len = self.next() % most;
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// The gateways without packet filters, with a way to everybody; the second one negotiates with anybody who has the key.
fn open_to_all(seed: u64) -> (Gateways, LinkId) {
    open_for(seed, des_md5_for(28_800))
}

fn des_md5_for(lifetime: u32) -> Offer {
    Offer { lifetime: seconds(lifetime), ..des_md5() }
}

/// The same, with this offer.
fn open_for(seed: u64, offer: Offer) -> (Gateways, LinkId) {
    let mut gateways = gateways(seed, offer, Faults::NONE, Instant::NEVER);
    for node in gateways.ends() {
        let node = gateways.builder.node_mut(node).unwrap();
        let outside = &mut node.interfaces[1];
        (outside.input, outside.output) = (PacketFilter::default(), PacketFilter::default());
        *node = node.clone().route("0.0.0.0/0", "203.0.113.254", 1);
    }
    let gwb = gateways.builder.node_mut(gateways.gwb).unwrap();
    let link = gwb.interfaces[1].link;
    let pad = Arc::make_mut(&mut gwb.ipsec.as_mut().unwrap().policy.pad);
    pad.entries[0].peer = vec![parse_prefix("0.0.0.0/0").unwrap().into()];
    (gateways, link)
}

/// Lets the gateways ask for cookies before they remember first messages, and answer such questions.
fn guard(gateways: &mut Gateways, protection: Option<DosProtection>) {
    for node in gateways.ends() {
        let ike = &mut gateways.builder.node_mut(node).unwrap().ipsec.as_mut().unwrap().ike;
        (ike.dos_protection, ike.answers_dos_cookies) = (protection, true);
    }
}

/// A UDP datagram to the second gateway.
fn udp(source: IpAddr, ports: (u16, u16), data: &[u8]) -> Vec<u8> {
    udp_between(source, B.parse().unwrap(), ports, data)
}

/// A UDP datagram without a UDP checksum (RFC 768 allows it over IPv4).
fn udp_between(source: IpAddr, destination: IpAddr, ports: (u16, u16), data: &[u8]) -> Vec<u8> {
    let len = (8 + data.len()) as u16;
    let fields = [ports.0, ports.1, len, 0];
    let segment: Vec<u8> =
        fields.into_iter().flat_map(u16::to_be_bytes).chain(data.iter().copied()).collect();
    let protocol = protocol::UDP;
    ip::datagram(Header { source, destination, protocol, ttl: 60, ident: 9, dont_fragment: false }, &segment)
}

fn to_b(source: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let destination = B.parse().unwrap();
    ip::datagram(Header { source, destination, protocol, ttl: 60, ident: 9, dont_fragment: false }, payload)
}

/// The IKE messages of an honest run of these gateways, and what was reported.
fn honest_run(seed: u64) -> (Vec<Vec<u8>>, Vec<Vec<u8>>, Events) {
    let (mut gateways, link) = open_to_all(seed);
    gateways.ping(to_hb());
    let mut network = gateways.builder.build().unwrap();
    let mut sinks = (Capture::new(network.names()), Events::default());
    network.run_until(Instant::from_secs(15), &mut sinks);
    let outside: Vec<_> = sinks.0.packets().iter().filter(|p| p.link == link).collect();
    let ike = outside.iter().filter_map(|p| Some(IpView::parse(&p.bytes)?.isakmp()?.to_vec())).collect();
    let esp = outside.iter().map(|p| p.bytes.clone()).filter(|b| b[9] == protocol::ESP).collect();
    (ike, esp, sinks.1)
}

fn stranger(n: u32) -> IpAddr {
    // RFC 2544: 198.18.0.0/15 has 131,072 addresses.
    IpAddr::V4(Ipv4Addr::from_bits(0xc612_0000 + n))
}

#[test]
fn a_hundred_thousand_first_messages_keep_no_honest_peer_out() {
    let (most, started) = flood(None);
    assert!(started >= FLOOD as usize, "{started} were answered");
    let limits = Limits::default();
    assert_eq!(most.ike.half_open, limits.half_open);
    assert!(most.ike.isakmp_sas <= 2 && most.pairs <= 2 && most.ike.replies <= 16, "{most:?}");
    println!("first messages from spoofed sources: {FLOOD} cases, {most:?}");
}

#[test]
fn who_is_asked_for_a_cookie_and_does_not_hear_it_costs_nothing() {
    let (most, started) = flood(Some(DosProtection::AT_ONCE));
    // Only the honest ones begin, whose cookie came back (MS-IKEE section 3.9).
    assert!(started <= 2 && most.ike.half_open <= 2, "{started} {most:?}");
    assert!(most.ike.isakmp_sas <= 2 && most.pairs <= 2 && most.ike.replies <= 16, "{most:?}");
    println!("first messages from spoofed sources, cookies asked for: {FLOOD} cases, {most:?}");
}

/// The most that is held under a flood of first messages while two honest main modes complete, and how many first messages
/// were taken.
fn flood(protection: Option<DosProtection>) -> (Held, usize) {
    let (ike, ..) = honest_run(1);
    let (mut gateways, link) = open_to_all(2);
    guard(&mut gateways, protection);
    let mut next_hop = |at: u64, bytes| {
        let next_hop = B.parse().unwrap();
        gateways.builder.inject(Injection { at: Instant::from_millis(at), link, next_hop, bytes });
    };
    for n in 0..FLOOD {
        let mut message = ike[0].clone();
        message[..8].copy_from_slice(&(u64::from(n) + 1).to_be_bytes());
        // One in a hundred pretends to be the honest peer.
        let source = if n % 100 == 50 { A.parse().unwrap() } else { stranger(n) };
        next_hop(u64::from(n), udp(source, (500, 500), &message));
    }
    let early = gateways.ping_at(50, gateways.ha, to_hb());
    let other_way = gateways.ping_at(60, gateways.hb, to_ha());
    let gwb = gateways.gwb;
    let mut network = gateways.builder.build().unwrap();
    let mut events = Events::default();
    let mut most = Held::default();
    for second in 1..=110 {
        network.run_until(Instant::from_secs(second), &mut events);
        most = most.max(held(network.ipsec(gwb).unwrap()));
        if second == 49 {
            assert_eq!(most.ike.isakmp_sas, 0, "a first message costs no ISAKMP SA");
        }
    }
    assert_eq!(network.finish(&mut ()), []);
    let started = events.count(|e| matches!(e, Event::MainModeStarted { initiator: false, .. }));
    for id in [early, other_way] {
        assert_eq!(network.ping(id).unwrap().received, 4, "{:?}", network.ping(id).unwrap().lines);
    }
    (most, started)
}

/// Everything a stranger can say about the SAs of an honest run, as if it came from the first gateway or from elsewhere.
fn hostile(ike: &[Vec<u8>], esp: &[Vec<u8>], noise: &mut Noise) -> Vec<Vec<u8>> {
    let cookie = |at: usize| Cookie(ike[2][at..at + 8].try_into().unwrap());
    let (cky_i, cky_r) = (cookie(0), cookie(8));
    let spis: Vec<u32> = esp.iter().map(|p| u32::from_be_bytes(p[20..24].try_into().unwrap())).collect();
    let cookies = [cky_i.0, cky_r.0].concat();
    let notification =
        |kind| Payload::Notification(Notification::new(ProtocolId::ISAKMP, cookies.clone(), kind));
    let bodies = [
        Payload::Delete(Delete::isakmp(cky_i, cky_r)),
        Payload::Delete(Delete::ipsec(ProtocolId::ESP, &spis)),
        Payload::Delete(Delete::ipsec(ProtocolId::AH, &spis)),
        notification(NotifyType::INITIAL_CONTACT),
        notification(NotifyType::NO_PROPOSAL_CHOSEN),
        notification(NotifyType::INVALID_COOKIE),
    ];
    let mut datagrams = Vec::new();
    let exchanges = [ExchangeType::INFORMATIONAL, ExchangeType::QUICK_MODE, ExchangeType::MAIN_MODE];
    for n in 0..1_000u32 {
        let source = if n % 2 == 0 { A.parse().unwrap() } else { stranger(n) };
        let mut say = |ports, data: &[u8]| datagrams.push(udp(source, ports, data));
        for body in &bodies {
            let exchange = exchanges[n as usize % 3];
            let flags = if n % 5 < 3 { Flags::NONE } else { Flags::ENCRYPTION };
            let header = Isakmp::new(cky_i, cky_r, exchange, flags, n / 7 * 7919);
            let mut message = Message { header, payloads: vec![body.clone()] }.encode();
            if flags.is_encrypted() {
                // As long as cipher blocks are, which is where an honest one would end.
                let len = (message.len() - 28).div_ceil(8) * 8 + 28;
                message.resize(len, 0);
                message[24..28].copy_from_slice(&(len as u32).to_be_bytes());
            }
            say((500, 500), &message);
        }
        // Old messages of the honest run, whole and damaged.
        let mut old = ike[n as usize % ike.len()].clone();
        say((500, 500), &old);
        let at = noise.next() as usize % old.len();
        old[at] ^= 1 << (n % 8);
        say((500, 500), &old);
        for _ in 0..3 {
            say((500, 500), &noise.bytes(200));
            say((4500, 4500), &noise.bytes(200));
        }
        for (number, spi) in
            [(protocol::ESP, noise.next() as u32), (protocol::ESP, spis[0]), (protocol::AH, spis[0])]
        {
            let mut payload = spi.to_be_bytes().to_vec();
            payload.extend(noise.bytes(200));
            datagrams.push(to_b(source, number, &payload));
        }
    }
    datagrams
}

#[test]
fn without_a_key_nothing_that_is_said_disturbs_what_is_established() {
    let (ike, esp, _) = honest_run(3);
    let datagrams = hostile(&ike, &esp, &mut Noise(0x9e37_79b9_7f4a_7c15));
    let cases = datagrams.len();
    // The same seed: the same cookies and SPIs.
    let (mut gateways, link) = open_to_all(3);
    gateways.ping(to_hb());
    for (n, bytes) in datagrams.into_iter().enumerate() {
        let (at, next_hop) = (Instant::from_millis(20_000 + 2 * n as u64), B.parse().unwrap());
        gateways.builder.inject(Injection { at, link, next_hop, bytes });
    }
    let during = gateways.ping_at(18, gateways.ha, to_hb().count(30));
    let back: Ping = to_ha().count(30);
    let back = gateways.ping_at(18, gateways.hb, back);
    let (gwb, ends) = (gateways.gwb, gateways.ends());
    let mut network = gateways.builder.build().unwrap();
    let mut events = Events::default();
    network.run_until(Instant::from_secs(19), &mut events);
    let before = held(network.ipsec(gwb).unwrap());
    let mut most = Held::default();
    for second in 20..=100 {
        network.run_until(Instant::from_secs(second), &mut events);
        most = most.max(held(network.ipsec(gwb).unwrap()));
    }
    assert_eq!(network.finish(&mut ()), []);
    for id in [during, back] {
        assert_eq!(network.ping(id).unwrap().received, 30, "{:?}", network.ping(id).unwrap().lines);
    }
    assert_eq!(events.count(|e| matches!(e, Event::MainModeEstablished(_))), 2);
    assert_eq!(events.count(|e| matches!(e, Event::QuickModeEstablished(_))), 2);
    let gone = |e: &Event| matches!(e, Event::PairDeleted { .. } | Event::IsakmpSaDeleted { .. });
    assert_eq!(events.count(gone), 0, "{}", events.tail());
    assert_eq!((most.pairs, most.ike.isakmp_sas, most.ike.pairs), (1, 1, 1), "{before:?} {most:?}");
    assert!(most.ike.half_open <= Limits::default().half_open && most.ike.message_ids <= 256, "{most:?}");
    for end in ends {
        assert_eq!(network.ipsec(end).unwrap().status().pairs().count(), 1);
    }
    println!("said without a key: {cases} cases");
}

#[test]
fn the_limits_are_configuration() {
    let (ike, ..) = honest_run(1);
    for half_open in [1, 8, 64] {
        let (mut gateways, link) = open_to_all(2);
        let ipsec = gateways.builder.node_mut(gateways.gwb).unwrap().ipsec.as_mut().unwrap();
        ipsec.limits.half_open = half_open;
        for n in 0..1_000 {
            let mut message = ike[0].clone();
            message[..8].copy_from_slice(&u64::from(n + 1).to_be_bytes());
            let bytes = udp(stranger(n), (500, 500), &message);
            let (at, next_hop) = (Instant::from_millis(u64::from(n)), B.parse().unwrap());
            gateways.builder.inject(Injection { at, link, next_hop, bytes });
        }
        let id = gateways.ping_at(30, gateways.ha, to_hb());
        let gwb = gateways.gwb;
        let mut network = gateways.builder.build().unwrap();
        network.run_until(Instant::from_secs(20), &mut ());
        assert_eq!(held(network.ipsec(gwb).unwrap()).ike.half_open, half_open);
        network.run_until(Instant::from_secs(60), &mut ());
        assert_eq!(network.ping(id).unwrap().received, 4);
    }
    println!("limits of half-open main modes: 3 cases of 1,000");
}
