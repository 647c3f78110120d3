//! Who can reach whom, for each behaviour; checksums against another implementation.

use std::net::{Ipv4Addr, SocketAddrV4};

use proptest::prelude::*;

use super::*;
use crate::ip::{Header, IpView, datagram, header_intact};

const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const SECOND: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 3);
const PEER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
const STRANGER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 8);

const BEHAVIOURS: [Behaviour; 3] =
    [Behaviour::EndpointIndependent, Behaviour::AddressDependent, Behaviour::AddressAndPortDependent];

fn end(address: Ipv4Addr, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(address, port)
}

fn at(seconds: u64) -> Instant {
    Instant::from_secs(seconds)
}

/// The checksum of etherparse, with the pseudo-header where there is one.
fn checksum(source: Ipv4Addr, destination: Ipv4Addr, number: u8, segment: &[u8]) -> u16 {
    let mut sum = etherparse::checksum::Sum16BitWords::new();
    let sum = match number {
        protocol::ICMP => sum,
        _ => sum
            .add_4bytes(source.octets())
            .add_4bytes(destination.octets())
            .add_2bytes([0, number])
            .add_2bytes((segment.len() as u16).to_be_bytes()),
    };
    sum.add_slice(segment).ones_complement().to_be()
}

fn whole(source: Ipv4Addr, destination: Ipv4Addr, number: u8, mut segment: Vec<u8>) -> Vec<u8> {
    let field = match number {
        protocol::UDP => Some(6),
        protocol::TCP => Some(16),
        protocol::ICMP => Some(2),
        _ => None,
    };
    if let Some(field) = field {
        let mut sum = checksum(source, destination, number, &segment);
        if number == protocol::UDP && sum == 0 {
            sum = 0xffff;
        }
        segment[field..field + 2].copy_from_slice(&sum.to_be_bytes());
    }
    let header = Header {
        source: source.into(),
        destination: destination.into(),
        protocol: number,
        ttl: 64,
        ident: 9,
        dont_fragment: false,
    };
    datagram(header, &segment)
}

fn udp(source: SocketAddrV4, destination: SocketAddrV4, data: &[u8]) -> Vec<u8> {
    let mut segment = Vec::new();
    segment.extend(source.port().to_be_bytes());
    segment.extend(destination.port().to_be_bytes());
    segment.extend((8 + data.len() as u16).to_be_bytes());
    segment.extend([0, 0]);
    segment.extend(data);
    whole(*source.ip(), *destination.ip(), protocol::UDP, segment)
}

fn tcp(source: SocketAddrV4, destination: SocketAddrV4, flags: u8) -> Vec<u8> {
    let mut segment = Vec::new();
    segment.extend(source.port().to_be_bytes());
    segment.extend(destination.port().to_be_bytes());
    segment.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, flags, 1, 0, 0, 0, 0, 0]);
    whole(*source.ip(), *destination.ip(), protocol::TCP, segment)
}

fn echo(kind: u8, source: Ipv4Addr, destination: Ipv4Addr, id: u16) -> Vec<u8> {
    let mut segment = vec![kind, 0, 0, 0];
    segment.extend(id.to_be_bytes());
    segment.extend([0, 1, 7, 7, 7]);
    whole(source, destination, protocol::ICMP, segment)
}

/// An ICMP error of `source` that quotes the header and `octets` more.
fn error(source: Ipv4Addr, destination: Ipv4Addr, about: &[u8], octets: usize) -> Vec<u8> {
    let mut segment = vec![3, 3, 0, 0, 0, 0, 0, 0];
    segment.extend(&about[..(20 + octets).min(about.len())]);
    whole(source, destination, protocol::ICMP, segment)
}

fn ends(bytes: &[u8]) -> (SocketAddrV4, SocketAddrV4) {
    let flow = rewrite::flow(bytes).unwrap();
    (flow.source, flow.destination)
}

/// Header and transport checksums as another implementation computes them.
fn assert_intact(bytes: &[u8]) {
    assert!(header_intact(bytes));
    let (header, payload) = etherparse::Ipv4Header::from_slice(bytes).unwrap();
    assert_eq!(header.header_checksum, header.calc_header_checksum());
    let sum = checksum(header.source.into(), header.destination.into(), header.protocol.0, payload);
    assert!(sum == 0 || header.protocol.0 == protocol::ESP, "transport checksum");
}

fn nat(mapping: Behaviour, filtering: Behaviour) -> Nat {
    Nat::new(NatConfig { mapping, filtering, ..NatConfig::new(InterfaceId(1), vec![OUTSIDE, SECOND]) })
}

fn plain() -> Nat {
    nat(Behaviour::EndpointIndependent, Behaviour::EndpointIndependent)
}

impl Nat {
    fn sends(&mut self, from: SocketAddrV4, to: SocketAddrV4, now: Instant) -> SocketAddrV4 {
        let mut packet = udp(from, to, b"out");
        self.outbound(&mut packet, now).unwrap();
        assert_intact(&packet);
        ends(&packet).0
    }

    fn gets(&mut self, from: SocketAddrV4, to: SocketAddrV4, now: Instant) -> Result<SocketAddrV4, NatDrop> {
        let mut packet = udp(from, to, b"in");
        self.inbound(&mut packet, now)?;
        assert_intact(&packet);
        Ok(ends(&packet).1)
    }
}

#[test]
fn mapping_behaviour_says_when_the_external_port_stays() {
    let here = end(HOST, 500);
    // RFC 4787 section 4.1: to another port of one address, and to another address.
    for (mapping, same_port, same_address) in
        [(BEHAVIOURS[0], true, true), (BEHAVIOURS[1], true, false), (BEHAVIOURS[2], false, false)]
    {
        let mut nat = nat(mapping, Behaviour::EndpointIndependent);
        let first = nat.sends(here, end(PEER, 500), at(0));
        assert_eq!(first, end(OUTSIDE, 32_768));
        assert_eq!(nat.sends(here, end(PEER, 500), at(1)), first, "{mapping:?}");
        assert_eq!(nat.sends(here, end(PEER, 4500), at(1)) == first, same_port, "{mapping:?}");
        assert_eq!(nat.sends(here, end(STRANGER, 500), at(1)) == first, same_address, "{mapping:?}");
        assert_ne!(nat.sends(end(OTHER, 500), end(PEER, 500), at(1)), first, "no port is shared");
    }
}

#[test]
fn filtering_behaviour_says_who_may_come_in() {
    let here = end(HOST, 500);
    // RFC 4787 section 5: from another port of the peer, and from a stranger.
    for (filtering, other_port, stranger) in [
        (BEHAVIOURS[0], Ok(here), Ok(here)),
        (BEHAVIOURS[1], Ok(here), Err(NatDrop::Filtered)),
        (BEHAVIOURS[2], Err(NatDrop::Filtered), Err(NatDrop::Filtered)),
    ] {
        for mapping in BEHAVIOURS {
            let mut nat = nat(mapping, filtering);
            assert_eq!(nat.gets(end(PEER, 500), end(OUTSIDE, 32_768), at(0)), Err(NatDrop::NoMapping));
            let outside = nat.sends(here, end(PEER, 500), at(0));
            assert_eq!(nat.gets(end(PEER, 500), outside, at(1)), Ok(here));
            assert_eq!(nat.gets(end(PEER, 4500), outside, at(1)), other_port, "{filtering:?}");
            assert_eq!(nat.gets(end(STRANGER, 500), outside, at(1)), stranger, "{filtering:?}");
            assert_eq!(nat.gets(end(PEER, 500), end(SECOND, 32_768), at(1)), Err(NatDrop::NoMapping));
        }
    }
}

#[test]
fn udp_mappings_end_two_minutes_after_the_last_packet_out() {
    for (inbound_refresh, answer) in [(false, Err(NatDrop::NoMapping)), (true, Ok(end(HOST, 500)))] {
        let mut nat = plain();
        nat.config.inbound_refresh = inbound_refresh;
        let outside = nat.sends(end(HOST, 500), end(PEER, 500), at(0));
        nat.sends(end(HOST, 500), end(PEER, 500), at(100));
        assert_eq!(nat.gets(end(PEER, 500), outside, at(219)), Ok(end(HOST, 500)));
        assert_eq!(nat.gets(end(PEER, 500), outside, at(220)), answer, "inbound refresh {inbound_refresh}");
        assert_eq!(nat.gets(end(PEER, 500), outside, at(400)), Err(NatDrop::NoMapping));
        let later = nat.sends(end(HOST, 500), end(PEER, 500), at(400));
        assert_eq!(later.port(), 32_769, "the counter goes on");
    }
}

#[test]
fn each_outside_end_has_its_own_time() {
    let mut nat = nat(Behaviour::EndpointIndependent, Behaviour::AddressAndPortDependent);
    let outside = nat.sends(end(HOST, 500), end(PEER, 500), at(0));
    nat.sends(end(HOST, 500), end(STRANGER, 500), at(100));
    assert_eq!(nat.gets(end(STRANGER, 500), outside, at(150)), Ok(end(HOST, 500)));
    assert_eq!(nat.gets(end(PEER, 500), outside, at(150)), Err(NatDrop::Filtered));
}

#[test]
fn preservation_keeps_a_free_port() {
    let mut nat = plain();
    nat.config.port_preservation = true;
    assert_eq!(nat.sends(end(HOST, 500), end(PEER, 500), at(0)).port(), 500);
    assert_eq!(nat.sends(end(OTHER, 500), end(PEER, 500), at(0)).port(), 32_768);
    assert_eq!(nat.sends(end(OTHER, 4500), end(PEER, 4500), at(0)).port(), 4500);
    // The port is free again once its mapping has ended.
    assert_eq!(nat.sends(end(OTHER, 500), end(PEER, 500), at(119)).port(), 32_768);
    let third = Ipv4Addr::new(10, 0, 0, 4);
    assert_eq!(nat.sends(end(third, 500), end(PEER, 500), at(130)).port(), 500);
}

#[test]
fn hairpinning_translates_both_ends() {
    let mut nat = nat(Behaviour::EndpointIndependent, Behaviour::AddressDependent);
    let of_other = nat.sends(end(OTHER, 500), end(OUTSIDE, 1), at(0));
    let mut packet = udp(end(HOST, 500), of_other, b"round");
    nat.hairpin(&mut packet, at(1)).unwrap();
    assert_intact(&packet);
    // RFC 4787 REQ-9 a: the source is the external end, not the inside one.
    assert_eq!(ends(&packet), (end(OUTSIDE, 32_769), end(OTHER, 500)));
    nat.config.hairpinning = false;
    let mut packet = udp(end(HOST, 500), of_other, b"round");
    assert_eq!(nat.hairpin(&mut packet, at(1)), Err(NatDrop::NoHairpinning));
}

#[test]
fn a_rebinding_moves_ports_and_filters_stay() {
    let mut nat = nat(Behaviour::EndpointIndependent, Behaviour::AddressAndPortDependent);
    nat.config.port_preservation = true;
    let before = nat.sends(end(HOST, 500), end(PEER, 500), at(0));
    assert_eq!(nat.rebind(false, at(1)), 1);
    assert_eq!(nat.gets(end(PEER, 500), before, at(1)), Err(NatDrop::NoMapping));
    assert_eq!(nat.gets(end(PEER, 500), end(OUTSIDE, 32_768), at(1)), Ok(end(HOST, 500)));
    assert_eq!(nat.gets(end(STRANGER, 500), end(OUTSIDE, 32_768), at(1)), Err(NatDrop::Filtered));
    nat.rebind(true, at(2));
    assert_eq!(nat.sends(end(HOST, 500), end(PEER, 500), at(3)), end(SECOND, 32_769));
    assert_eq!(nat.gets(end(PEER, 500), end(OUTSIDE, 32_769), at(3)), Err(NatDrop::NoMapping));
}

#[test]
fn a_reboot_forgets_all_but_what_is_static() {
    let mut nat = plain();
    nat.config.ports = vec![StaticPort { protocol: protocol::UDP, port: 4500, inside: end(OTHER, 4500) }];
    let before = nat.sends(end(HOST, 500), end(PEER, 500), at(0));
    nat.reboot();
    assert_eq!(nat.mappings(at(1)).count(), 0);
    assert_eq!(nat.gets(end(PEER, 500), before, at(1)), Err(NatDrop::NoMapping));
    assert_eq!(nat.gets(end(STRANGER, 9), end(OUTSIDE, 4500), at(1)), Ok(end(OTHER, 4500)));
    assert_ne!(nat.sends(end(HOST, 500), end(PEER, 500), at(1)), before);
}

#[test]
fn static_maps_let_everybody_in_and_keep_their_port() {
    let mut nat = nat(Behaviour::AddressAndPortDependent, Behaviour::AddressAndPortDependent);
    nat.config.port_preservation = true;
    nat.config.ports = vec![StaticPort { protocol: protocol::UDP, port: 500, inside: end(HOST, 500) }];
    let whole = Ipv4Addr::new(203, 0, 113, 9);
    nat.config.hosts = vec![StaticAddress { outside: whole, inside: OTHER }];
    assert_eq!(nat.gets(end(STRANGER, 77), end(OUTSIDE, 500), at(0)), Ok(end(HOST, 500)));
    assert_eq!(nat.sends(end(HOST, 500), end(STRANGER, 77), at(0)), end(OUTSIDE, 500));
    assert_eq!(nat.gets(end(STRANGER, 77), end(whole, 81), at(0)), Ok(end(OTHER, 81)));
    assert_eq!(nat.sends(end(OTHER, 81), end(STRANGER, 77), at(0)), end(whole, 81));
    // A dynamic mapping never gets a static port.
    assert_eq!(nat.sends(end(Ipv4Addr::new(10, 0, 0, 9), 500), end(PEER, 500), at(0)).port(), 32_768);
    // Over TCP the same port is not mapped; the whole address is, for every protocol.
    let mut packet = tcp(end(PEER, 1), end(OUTSIDE, 500), 2);
    assert_eq!(nat.inbound(&mut packet, at(0)), Err(NatDrop::NoMapping));
    let mut packet = echo(8, PEER, whole, 5);
    nat.inbound(&mut packet, at(0)).unwrap();
    assert_intact(&packet);
    assert_eq!(*ends(&packet).1.ip(), OTHER);
    let mut packet = echo(0, OTHER, PEER, 5);
    nat.outbound(&mut packet, at(0)).unwrap();
    assert_eq!(ends(&packet), (end(whole, 5), end(PEER, 5)));
}

#[test]
fn echo_identifiers_are_translated() {
    for filtering in BEHAVIOURS {
        let mut nat = nat(filtering, filtering);
        let mut asked = echo(8, HOST, PEER, 512);
        nat.outbound(&mut asked, at(0)).unwrap();
        assert_intact(&asked);
        assert_eq!(ends(&asked), (end(OUTSIDE, 32_768), end(PEER, 32_768)));
        let mut answer = echo(0, PEER, OUTSIDE, 32_768);
        nat.inbound(&mut answer, at(1)).unwrap();
        assert_eq!(answer, echo(0, PEER, HOST, 512));
        // A request from outside is nobody's, although it has the identifier of a mapping.
        assert_eq!(nat.inbound(&mut echo(8, PEER, OUTSIDE, 32_768), at(1)), Err(NatDrop::NoMapping));
        assert_eq!(nat.inbound(&mut echo(0, PEER, OUTSIDE, 32_768), at(60)), Err(NatDrop::NoMapping));
    }
}

#[test]
fn tcp_connections_live_long_while_open() {
    const SYN: u8 = 2;
    const ACK: u8 = 16;
    const FIN: u8 = 17;
    let mut nat = plain();
    let (here, there) = (end(HOST, 1025), end(PEER, 80));
    let outside = end(OUTSIDE, 32_768);
    nat.outbound(&mut tcp(here, there, SYN), at(0)).unwrap();
    assert_eq!(nat.inbound(&mut tcp(there, outside, SYN | ACK), at(240)), Err(NatDrop::NoMapping));
    nat.outbound(&mut tcp(here, there, SYN), at(300)).unwrap();
    let outside = end(OUTSIDE, 32_769);
    let mut answer = tcp(there, outside, SYN | ACK);
    nat.inbound(&mut answer, at(301)).unwrap();
    assert_eq!(answer, tcp(there, here, SYN | ACK));
    nat.outbound(&mut tcp(here, there, ACK), at(302)).unwrap();
    nat.inbound(&mut tcp(there, outside, ACK), at(302 + 7_439)).unwrap();
    nat.outbound(&mut tcp(here, there, FIN), at(7_800)).unwrap();
    assert_eq!(nat.inbound(&mut tcp(there, outside, ACK), at(8_040)), Err(NatDrop::NoMapping));
}

#[test]
fn icmp_errors_are_translated_inside_too() {
    for (octets, packet) in [
        (8, udp(end(HOST, 500), end(PEER, 500), b"question")),
        (16, udp(end(HOST, 500), end(PEER, 500), b"question")),
        (8, tcp(end(HOST, 500), end(PEER, 500), 2)),
        (20, tcp(end(HOST, 500), end(PEER, 500), 2)),
        (8, echo(8, HOST, PEER, 77)),
    ] {
        for behaviour in BEHAVIOURS {
            let mut nat = nat(behaviour, behaviour);
            let mut sent = packet.clone();
            nat.outbound(&mut sent, at(0)).unwrap();
            // A router far away complains: what inside gets is what it would have got without translation.
            let mut complaint = error(STRANGER, OUTSIDE, &sent, octets);
            nat.inbound(&mut complaint, at(1)).unwrap();
            assert_eq!(complaint, error(STRANGER, HOST, &packet, octets));
            // About a packet nobody sent, or damaged on the way, it is dropped (RFC 5508 REQ-3 and 4).
            let foreign = udp(end(OUTSIDE, 40_000), end(PEER, 500), b"question");
            let mut complaint = error(STRANGER, OUTSIDE, &foreign, octets);
            assert_eq!(nat.inbound(&mut complaint, at(1)), Err(NatDrop::UnknownQuote));
            let mut complaint = error(STRANGER, OUTSIDE, &sent, octets);
            complaint[30] ^= 1;
            assert_eq!(nat.inbound(&mut complaint, at(1)), Err(NatDrop::Checksum));
        }
    }
}

#[test]
fn an_inside_hosts_error_quotes_what_the_peer_sent() {
    for behaviour in BEHAVIOURS {
        let mut nat = nat(behaviour, behaviour);
        let outside = nat.sends(end(HOST, 500), end(PEER, 500), at(0));
        let answer = udp(end(PEER, 500), outside, b"unwanted");
        let mut got = answer.clone();
        nat.inbound(&mut got, at(1)).unwrap();
        let mut complaint = error(HOST, PEER, &got, 8);
        nat.outbound(&mut complaint, at(2)).unwrap();
        assert_eq!(complaint, error(OUTSIDE, PEER, &answer, 8));
    }
}

#[test]
fn without_pass_through_protocols_50_and_51_are_dropped() {
    let mut nat = plain();
    for number in [protocol::ESP, protocol::AH, 47] {
        let mut out = whole(HOST, PEER, number, vec![7; 24]);
        assert_eq!(nat.outbound(&mut out, at(0)), Err(NatDrop::UnknownProtocol(number)));
        let mut back = whole(PEER, OUTSIDE, number, vec![7; 24]);
        assert_eq!(nat.inbound(&mut back, at(0)), Err(NatDrop::UnknownProtocol(number)));
    }
}

#[test]
fn pass_through_has_one_inside_host_for_each_peer() {
    let mut nat = plain();
    nat.config.ipsec = IpsecSupport::PassThrough;
    for number in [protocol::ESP, protocol::AH] {
        let from_peer = || whole(PEER, OUTSIDE, number, vec![7; 24]);
        assert_eq!(nat.inbound(&mut from_peer(), at(0)), Err(NatDrop::NoMapping));
        let mut out = whole(HOST, PEER, number, vec![7; 24]);
        nat.outbound(&mut out, at(0)).unwrap();
        assert_eq!(out, whole(OUTSIDE, PEER, number, vec![7; 24]));
        let mut back = from_peer();
        nat.inbound(&mut back, at(1)).unwrap();
        assert_eq!(back, whole(PEER, HOST, number, vec![7; 24]));
        let mut second = whole(OTHER, PEER, number, vec![7; 24]);
        assert_eq!(nat.outbound(&mut second, at(1)), Err(NatDrop::PeerTaken));
        let mut elsewhere = whole(OTHER, STRANGER, number, vec![7; 24]);
        nat.outbound(&mut elsewhere, at(1)).unwrap();
        assert_eq!(nat.inbound(&mut from_peer(), at(120)), Err(NatDrop::NoMapping));
    }
}

#[test]
fn pass_through_tells_ike_apart_by_cookies() {
    let mut nat = plain();
    nat.config.ipsec = IpsecSupport::PassThrough;
    let message = |cookie: u8| [&[cookie; 8][..], &[0; 20]].concat();
    for (host, cookie) in [(HOST, 1), (OTHER, 2)] {
        let mut out = udp(end(host, 500), end(PEER, 500), &message(cookie));
        nat.outbound(&mut out, at(0)).unwrap();
        assert_eq!(out, udp(end(OUTSIDE, 500), end(PEER, 500), &message(cookie)), "the port stays 500");
    }
    for (host, cookie) in [(HOST, 1), (OTHER, 2)] {
        let mut back = udp(end(PEER, 500), end(OUTSIDE, 500), &message(cookie));
        nat.inbound(&mut back, at(1)).unwrap();
        assert_eq!(*ends(&back).1.ip(), host);
    }
    // RFC 3715 section 2.3 n: what the peer begins has another cookie.
    let mut back = udp(end(PEER, 500), end(OUTSIDE, 500), &message(3));
    assert_eq!(nat.inbound(&mut back, at(1)), Err(NatDrop::NoMapping));
    // ESP in UDP is like any other UDP.
    assert_eq!(nat.sends(end(HOST, 4500), end(PEER, 4500), at(0)).port(), 32_768);
}

#[test]
fn the_table_is_bounded() {
    let mut nat = plain();
    nat.config.max_mappings = 2;
    let mut nat = Nat::new(nat.config);
    for port in [1, 2] {
        nat.sends(end(HOST, port), end(PEER, 500), at(0));
    }
    let mut third = udp(end(HOST, 3), end(PEER, 500), b"out");
    assert_eq!(nat.outbound(&mut third, at(1)), Err(NatDrop::TableFull));
    // A mapping that has ended makes room.
    assert_eq!(nat.sends(end(HOST, 3), end(PEER, 500), at(120)).port(), 32_770);
    assert_eq!(nat.mappings(at(120)).count(), 1);
}

#[test]
fn a_checksum_that_is_wrong_or_absent_stays_so() {
    let mut nat = plain();
    let mut none = udp(end(HOST, 500), end(PEER, 500), b"data");
    none[26..28].fill(0);
    nat.outbound(&mut none, at(0)).unwrap();
    assert_eq!(none[26..28], [0, 0]);
    let mut wrong = udp(end(HOST, 500), end(PEER, 500), b"data");
    wrong[29] ^= 4;
    nat.outbound(&mut wrong, at(0)).unwrap();
    let view = IpView::parse(&wrong).unwrap();
    assert_ne!(checksum(OUTSIDE, PEER, protocol::UDP, view.payload), 0);
}

proptest! {
    #[test]
    fn an_answer_comes_back_to_who_asked(
        mapping in 0usize..3, filtering in 0usize..3, preserve: bool,
        host in 1u8..250, port in 1u16.., peer: [u8; 2], remote in 1u16..,
        data in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut nat = nat(BEHAVIOURS[mapping], BEHAVIOURS[filtering]);
        nat.config.port_preservation = preserve;
        let here = end(Ipv4Addr::new(10, 0, 0, host), port);
        let there = end(Ipv4Addr::new(198, 51, peer[0], peer[1]), remote);
        let mut packet = udp(here, there, &data);
        nat.outbound(&mut packet, at(0)).unwrap();
        assert_intact(&packet);
        let (outside, to) = ends(&packet);
        prop_assert_eq!(to, there);
        prop_assert_eq!(*outside.ip(), OUTSIDE);
        prop_assert!(!preserve || outside.port() == port);
        let mut answer = udp(there, outside, &data);
        nat.inbound(&mut answer, at(1)).unwrap();
        prop_assert_eq!(answer, udp(there, here, &data));
    }

    #[test]
    fn no_octets_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..96), inward: bool) {
        let mut nat = plain();
        nat.config.ipsec = IpsecSupport::PassThrough;
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = 0x45;
        }
        let _ = if inward { nat.inbound(&mut bytes, at(0)) } else { nat.outbound(&mut bytes, at(0)).map(|_| ()) };
    }
}
