//! One packet of every kind that the walkers know, written out by hand after the RFCs' pictures.

use ipsec_core::wire::icmp::{IcmpMessage, encode_v4, encode_v6};
use ipsec_core::wire::ipv4::Ipv4Header;
use ipsec_core::wire::ipv6::Ipv6Header;
use ipsec_core::wire::{IpProtocol, udp};
use ipsec_vectors::recorded;

use super::write;

const A: [u8; 4] = [203, 0, 113, 1];
const B: [u8; 4] = [203, 0, 113, 2];

fn v4(protocol: IpProtocol, payload: &[u8]) -> Vec<u8> {
    Ipv4Header::new(A.into(), B.into(), protocol).packet(payload).expect("a short packet")
}

fn v6(next_header: u8, payload: &[u8]) -> Vec<u8> {
    let (src, dst) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
    Ipv6Header::new(src, dst, IpProtocol(next_header)).packet(payload).expect("a short packet")
}

/// Named packets, also the inner datagrams of the ESP and AH samples.
pub(crate) fn packets() -> Vec<(&'static str, Vec<u8>)> {
    let (src, dst) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
    let echo = IcmpMessage::EchoRequest { id: 1, seq: 3 };
    let ping = v4(IpProtocol::ICMP, &encode_v4(echo, b"abcdefghijklmnopqrstuvwabcdefghi"));
    let too_big = encode_v4(IcmpMessage::Other { kind: 3, code: 4, word: 1400 }, &ping[..28]);
    let datagram = udp::datagram((A.into(), 1034), (B.into(), 53), b"question");
    let ping6 = encode_v6(src, dst, echo, b"abcdefgh");
    let tcp = [4, 10, 26, 11, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0x40, 0, 0, 0, 0, 0];
    // Next header, length, then a padding option of four octets.
    let options = |next: u8| vec![next, 0, 1, 4, 0, 0, 0, 0];
    // RFC 2460 4.4: type 0, one segment left, one address.
    let routing = [&[60, 2, 0, 1, 0, 0, 0, 0], &[0xfd; 16][..]].concat();
    let fragment = |next: u8, field: u16| {
        let [a, b] = field.to_be_bytes();
        vec![next, 0, a, b, 0, 0, 0, 9]
    };
    // RFC 791: record route, router alert (RFC 2113), loose source route, end of list.
    let ip_options = [7, 7, 4, 0, 0, 0, 0, 148, 4, 0, 0, 131, 7, 4, 10, 9, 8, 7, 1, 0];
    let mut with_options = Ipv4Header::new(A.into(), B.into(), IpProtocol::UDP);
    with_options.options = &ip_options;
    let mut first = Ipv4Header::new(A.into(), B.into(), IpProtocol::UDP);
    (first.identification, first.more_fragments) = (7, true);
    let mut last = first;
    (last.more_fragments, last.fragment_offset) = (false, 8);
    let esp = [&[0x12, 0x34, 0x56, 0x78, 0, 0, 0, 1], &[0x5a; 40][..]].concat();
    let ah = [&[1, 4, 0, 0, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 1], &[0x5a; 12][..], &ping[20..]].concat();
    vec![
        ("icmp-too-big", v4(IpProtocol::ICMP, &too_big)),
        ("udp", v4(IpProtocol::UDP, &datagram)),
        ("udp-options", with_options.packet(&datagram).expect("a short packet")),
        ("tcp-syn", v4(IpProtocol::TCP, &tcp)),
        ("fragment-first", first.packet(&datagram[..8]).expect("a short packet")),
        ("fragment-last", last.packet(&datagram[8..]).expect("a short packet")),
        ("esp", v4(IpProtocol::ESP, &esp)),
        ("ah", v4(IpProtocol::AH, &ah)),
        ("tunnelled", v4(IpProtocol(4), &ping)),
        ("v6-ping", v6(58, &ping6)),
        ("v6-options", v6(0, &[options(43), routing, options(58), ping6.clone()].concat())),
        ("v6-fragment-first", v6(44, &[fragment(17, 1), datagram[..8].to_vec()].concat())),
        ("v6-fragment-last", v6(44, &[fragment(17, 8), datagram[8..].to_vec()].concat())),
        ("v6-esp", v6(0, &[options(50), esp.clone()].concat())),
        ("v6-ah", v6(51, &ah)),
        ("ping", ping),
    ]
}

/// The packets above, the payloads in them, and one recorded packet of each kind.
pub(crate) fn seeds() {
    for (name, packet) in packets() {
        write("packet", name, &packet);
    }
    write("packet", "payload-udp", &udp::datagram((A.into(), 1034), (B.into(), 53), b"question"));
    write("packet", "payload-icmp", &encode_v4(IcmpMessage::EchoReply { id: 1, seq: 3 }, b"abcd"));
    write("packet", "payload-ah", &[&[1, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1], &[0x5a; 12][..]].concat());
    write("packet", "trailer", &[0x45, 1, 2, 3, 4, 4, 4]);
    // The first ISAKMP message, an ESP-in-UDP packet and a keep-alive or encrypted message after the marker.
    let datagrams = recorded::KB816514.datagrams();
    for (i, d) in datagrams.iter().enumerate().filter(|(i, _)| [0, 4, 12, 16].contains(i)) {
        let payload = udp::datagram(
            (d.source.0.into(), d.source.1),
            (d.destination.0.into(), d.destination.1),
            &d.payload,
        );
        write("packet", &format!("recorded-{i}"), &v4(IpProtocol::UDP, &payload));
    }
}
