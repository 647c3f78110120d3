//! Expected octets and checksums are etherparse's.

use super::*;
use crate::ip::NewHeader;
use alloc::vec::Vec;
use etherparse::PacketBuilder;
use hex_literal::hex;
use proptest::prelude::*;

const A: [u8; 4] = [192, 168, 1, 10];
const NAT: [u8; 4] = [198, 51, 100, 7];
const B: [u8; 4] = [203, 0, 113, 2];

/// An IPv4 datagram with options, or without.
fn datagram(options: usize, protocol: u8, payload: &[u8]) -> Packet {
    let mut header = etherparse::Ipv4Header::new(payload.len() as u16, 64, protocol.into(), A, B).unwrap();
    header.options = [1; 40][..options].try_into().unwrap();
    header.set_payload_len(payload.len()).unwrap();
    header.header_checksum = header.calc_header_checksum();
    let mut bytes = Vec::new();
    header.write(&mut bytes).unwrap();
    bytes.extend_from_slice(payload);
    Packet::from_slice(1, &bytes)
}

#[test]
fn three_kinds_of_payload() {
    // RFC 3948 section 2: what has neither marker nor SPI is none of the three.
    assert_eq!(classify(&hex!("ff")), Some(Content::Keepalive));
    assert_eq!(classify(&hex!("00000000 0102")), Some(Content::Ike(&[1, 2])));
    assert_eq!(classify(&hex!("00000000")), Some(Content::Ike(&[])));
    assert_eq!(classify(&hex!("00000001 0102")), Some(Content::Esp(&hex!("00000001 0102"))));
    for neither in [&[][..], &[0], &[0xfe], &[0xff, 0xff], &[0; 3]] {
        assert_eq!(classify(neither), None);
    }
}

proptest! {
    #[test]
    fn the_header_goes_behind_the_ip_header_and_comes_off(
        words in 0_usize..=10, ports: (u16, u16), esp in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let plain = datagram(words * 4, 50, &esp);
        let mut packet = plain.clone();
        encapsulate(&mut packet, ports).unwrap();
        // RFC 3948 section 2.1: an ordinary UDP header without a checksum.
        let length = (8 + esp.len()) as u16;
        let udp = etherparse::UdpHeader { source_port: ports.0, destination_port: ports.1, length, checksum: 0 };
        let expected = datagram(words * 4, 17, &[&udp.to_bytes()[..], &esp].concat());
        prop_assert_eq!(packet.bytes(), expected.bytes());
        prop_assert_eq!(decapsulate(&mut packet), Some(ports));
        prop_assert_eq!(packet.bytes(), plain.bytes());
    }

    #[test]
    fn decapsulation_never_panics(bytes: Vec<u8>) {
        let _ = decapsulate(&mut Packet::from_slice(1, &bytes));
        repair_checksum(&mut Packet::from_slice(1, &bytes), Some((A.into(), B.into())));
        repair_checksum(&mut Packet::from_slice(1, &bytes), None);
    }
}

#[test]
fn what_cannot_be_encapsulated_is_refused() {
    // 65,535 octets are the most an IPv4 datagram has (RFC 791 section 3.1).
    let mut long = datagram(0, 50, &[0; 65_515 - 8]);
    assert!(encapsulate(&mut long.clone(), (4500, 4500)).is_some());
    long.push_back(1);
    assert!(crate::ip::refresh_length(long.bytes_mut()));
    assert_eq!(encapsulate(&mut long, (4500, 4500)), None);
    let mut six = Packet::from_slice(1, &[0; 60]);
    let header = NewHeader {
        source: [0; 16].into(),
        destination: [1; 16].into(),
        protocol: 50,
        traffic_class: 0,
        ttl: 9,
        dont_fragment: false,
        ident: 0,
    };
    assert!(header.write(six.bytes_mut()));
    assert_eq!(encapsulate(&mut six, (4500, 4500)), None);
}

#[test]
fn udp_that_lies_about_its_length_is_not_decapsulated() {
    for length in [0_u16, 7, 13, 0xffff] {
        let mut udp = hex!("11941194 000c0000 12345678");
        udp[4..6].copy_from_slice(&length.to_be_bytes());
        let mut packet = datagram(0, 17, &udp);
        let before = packet.clone();
        assert_eq!(decapsulate(&mut packet), None);
        assert_eq!(packet, before);
    }
}

/// The transport mode packet as its sender made it, and as it has to be with the addresses after the NAT.
fn segments(source: [u8; 4], destination: [u8; 4], payload: &[u8]) -> [Vec<u8>; 3] {
    let ip = || PacketBuilder::ipv4(source, destination, 64);
    let (mut tcp, mut udp, mut icmp) = (Vec::new(), Vec::new(), Vec::new());
    ip().tcp(1025, 80, 7, 512).write(&mut tcp, payload).unwrap();
    ip().udp(1025, 53).write(&mut udp, payload).unwrap();
    ip().icmpv4_echo_request(1, 2).write(&mut icmp, payload).unwrap();
    [tcp, udp, icmp]
}

/// What a NAT has made of the addresses: inside ESP it can do no more.
fn readdressed(bytes: &[u8], source: [u8; 4], destination: [u8; 4]) -> Packet {
    let mut packet = Packet::from_slice(1, bytes);
    write(packet.bytes_mut(), 12, &source);
    write(packet.bytes_mut(), 16, &destination);
    crate::ip::refresh_checksum(packet.bytes_mut());
    packet
}

proptest! {
    #[test]
    fn checksums_fit_the_addresses_on_the_packet(
        from: ([u8; 4], [u8; 4]), to: ([u8; 4], [u8; 4]), payload in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let original = (from.0.into(), from.1.into());
        let expected = segments(to.0, to.1, &payload);
        for (before, after) in segments(from.0, from.1, &payload).iter().zip(&expected) {
            for known in [Some(original), None] {
                let mut packet = readdressed(before, to.0, to.1);
                repair_checksum(&mut packet, known);
                prop_assert_eq!(packet.bytes(), &after[..]);
            }
        }
    }
}

#[test]
fn every_checksum_is_repaired() {
    // One word runs through all values, so every checksum occurs, before and after: among them UDP's zero, sent as all ones.
    let mut seen = [0; 2];
    for word in 0..=u16::MAX {
        let payload = word.to_be_bytes();
        for (before, after) in segments(A, B, &payload).iter().zip(&segments(NAT, B, &payload)).take(2) {
            let mut packet = readdressed(before, NAT, B);
            repair_checksum(&mut packet, Some((A.into(), B.into())));
            assert_eq!(packet.bytes(), &after[..], "{word:#x}");
        }
        let [_, udp, _] = segments(A, B, &payload);
        let [_, other, _] = segments(NAT, B, &payload);
        for (seen, bytes) in seen.iter_mut().zip([udp, other]) {
            *seen += u32::from(bytes[26..28] == [0xff; 2]);
        }
    }
    assert_eq!(seen, [1, 1], "a computed zero, once before and once after");
}

#[test]
fn a_udp_checksum_of_zero_stays() {
    // RFC 768: none was computed, and none is needed.
    let [_, mut udp, _] = segments(A, B, b"question");
    udp[26..28].fill(0);
    for known in [Some((A.into(), B.into())), None] {
        let mut packet = readdressed(&udp, NAT, B);
        repair_checksum(&mut packet, known);
        assert_eq!(packet.bytes()[26..28], [0, 0]);
    }
}

#[test]
fn what_was_wrong_before_stays_wrong() {
    // The end-to-end check of the segment is not lost (RFC 3948 section 3.1.2, first choice).
    let [mut tcp, ..] = segments(A, B, b"question");
    *tcp.last_mut().unwrap() ^= 1;
    let mut packet = readdressed(&tcp, NAT, B);
    repair_checksum(&mut packet, Some((A.into(), B.into())));
    assert_ne!(upper_checksum(NAT.into(), B.into(), 6, &packet.bytes()[20..]), 0);
}

#[test]
fn of_fragments_the_first_is_repaired() {
    let [tcp, ..] = segments(A, B, &[7; 64]);
    let [expected, ..] = segments(NAT, B, &[7; 64]);
    let mut first = readdressed(&tcp, NAT, B);
    write(first.bytes_mut(), 6, &[0x20, 0]);
    let mut again = first.clone();
    repair_checksum(&mut first, Some((A.into(), B.into())));
    assert_eq!(first.bytes()[20..], expected[20..]);
    // It cannot be computed from a part.
    repair_checksum(&mut again, None);
    assert_eq!(again.bytes()[20..], tcp[20..]);
    let mut later = readdressed(&tcp, NAT, B);
    write(later.bytes_mut(), 6, &[0, 3]);
    repair_checksum(&mut later, Some((A.into(), B.into())));
    assert_eq!(later.bytes()[20..], tcp[20..]);
}

#[test]
fn segments_too_short_for_a_checksum_are_left_alone() {
    for (protocol, len) in [(6, 19), (17, 7), (6, 0)] {
        let mut packet = datagram(0, protocol, &[0x55; 20][..len]);
        let before = packet.clone();
        repair_checksum(&mut packet, Some((NAT.into(), B.into())));
        repair_checksum(&mut packet, None);
        assert_eq!(packet, before);
    }
}
