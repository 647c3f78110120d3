//! RFC 2402 and RFC 4302: the Authentication Header.

use super::node::*;
use ipsec_core::ah::Ah;
use ipsec_core::crypto::{Mac, MacKey};
use ipsec_core::esp::OpenError;
use ipsec_core::sad::IpsecProtocol;
use ipsec_core::{DropReason, Event, Packet};

const KEY: [u8; 20] = [3; 20];

fn ah() -> Ah {
    Ah::new(0x1234, Mac::HmacSha1_96, &KEY).unwrap()
}

fn sealed(packet: &[u8]) -> Vec<u8> {
    let mut packet = Packet::from_slice(1, packet);
    ah().seal(&mut packet, 1).unwrap();
    packet.bytes().to_vec()
}

fn opens(packet: &[u8]) -> bool {
    ah().open(&mut Packet::from_slice(1, packet)).is_ok()
}

fn pair(tunnel: bool) -> (Node, Node) {
    let protocols = [IpsecProtocol::Ah];
    if tunnel { Manual::tunnel(&protocols).pair() } else { Manual::transport(&protocols).pair() }
}

fn between_ends(len: usize) -> Vec<u8> {
    udp(outer(1), outer(2), (4000, 7), len)
}

/// Section 2 field by field, and the ICV by its definition (section 3.3.3.1.1.1).
#[test]
fn every_field_of_a_sent_header() {
    for (tunnel, next) in [(true, 4), (false, UDP)] {
        let (mut a, _) = pair(tunnel);
        for number in 1..=5_u8 {
            let original = if tunnel { request(40) } else { between_ends(40) };
            let packet = a.seal(&original);
            assert_eq!((packet[0], packet[9]), (0x45, AH));
            assert_eq!(packet[12..20], [192, 0, 2, 1, 192, 0, 2, 2]);
            // Next header, length in words less two, RESERVED, SPI, sequence number.
            assert_eq!(packet[20..32], [next, 4, 0, 0, 0, 0, 0x10, 0x01, 0, 0, 0, number]);
            // Nothing between the header and what it protects, which is there in full.
            assert_eq!(packet[44..], original[if tunnel { 0 } else { 20 }..]);
            assert_eq!(packet.len() % 4, 0);
            let mut image = packet.clone();
            for mutable in [1, 6, 7, 8, 10, 11] {
                image[mutable] = 0;
            }
            image[32..44].fill(0);
            let key = MacKey::new(Mac::HmacSha1_96, &Manual::mac_key(Mac::HmacSha1_96, 1)).unwrap();
            assert_eq!(packet[32..44], *key.compute(&[&image]));
        }
    }
}

/// Section 3.3.3: each bit of the packet is covered but those of TOS, flags, offset, TTL and checksum, in both modes.
#[test]
fn each_covered_bit_changed_on_the_way_is_noticed() {
    for tunnel in [true, false] {
        let (mut a, mut b) = pair(tunnel);
        let packet = a.seal(&if tunnel { request(4) } else { between_ends(4) });
        for (at, bit) in (0..packet.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            if matches!(at, 1 | 6 | 7 | 8 | 10 | 11) {
                continue;
            }
            b.events.clear();
            b.inbound(&flipped(&packet, at, 1 << bit));
            let opened = b.events.iter().any(|event| matches!(event, Event::Opened { .. }));
            assert!(!opened, "octet {at} bit {bit}");
        }
        // TOS with ECN-CE left alone, DF, TTL, and then the checksum.
        let mut changed = packet.clone();
        (changed[1], changed[6], changed[8]) = (0xb8, 0x40, 3);
        assert_eq!(b.inbound(&fix(changed)).len(), 1);
    }
}

#[test]
fn malformed_headers_are_dropped() {
    let (mut a, mut b) = pair(true);
    let packet = a.seal(&request(40));
    for len in 20..packet.len() {
        let mut short = packet[..len].to_vec();
        short[2..4].copy_from_slice(&u16::try_from(len).unwrap().to_be_bytes());
        b.refused(&fix(short));
    }
    // Another length than the algorithm's, with the ICV where it belongs.
    for words in [0, 1, 3, 5, 255] {
        let mut longer = packet.clone();
        longer[21] = words;
        b.refused(&longer);
    }
    // SPI 0 and an unknown one.
    for spi in [0_u32, 0x1003] {
        let mut other = packet.clone();
        other[24..28].copy_from_slice(&spi.to_be_bytes());
        assert_eq!(b.refused(&other), DropReason::UnknownSpi(spi));
    }
    // The SA belongs to the address it was made for.
    let mut elsewhere = packet.clone();
    elsewhere[19] = 102;
    assert_eq!(b.refused(&fix(elsewhere)), DropReason::UnknownSpi(0x1001));
    assert_eq!(b.inbound(&packet).len(), 1);
}

/// Section 3.4.3 with the window of 64 packets.
#[test]
fn the_window_of_ah() {
    window(IpsecProtocol::Ah);
}

/// Duplicates, reordering, forgeries and the edges of the window; for ESP as well.
pub(super) fn window(protocol: IpsecProtocol) {
    let (mut a, mut b) = Manual::tunnel(&[protocol]).pair();
    let packets: Vec<_> = (0..120).map(|_| a.seal(&request(8))).collect();
    let number = |n: usize| &packets[n - 1];
    // 100, then 69, which is N - 31; each once.
    for n in [100, 69, 37] {
        assert_eq!(b.inbound(number(n)).len(), 1, "{n}");
        assert!(matches!(b.refused(number(n)), DropReason::Replayed(_)));
    }
    // Left of the window, though never seen.
    assert!(matches!(b.refused(number(36)), DropReason::TooOld(_)));
    // Forged: its number is 1000 higher, its ICV therefore wrong. It moves nothing.
    let sequence_at = if protocol == IpsecProtocol::Ah { 28 } else { 24 };
    let mut forged = number(101).clone();
    forged[sequence_at..sequence_at + 4].copy_from_slice(&1100_u32.to_be_bytes());
    assert!(matches!(b.refused(&forged), DropReason::IntegrityFailed(_)));
    // One bit of the ICV, with a fresh number: dropped, and the number is not spent.
    let icv_at = if protocol == IpsecProtocol::Ah { 32 } else { number(101).len() - 1 };
    assert!(matches!(b.refused(&flipped(number(101), icv_at, 1)), DropReason::IntegrityFailed(_)));
    for n in [101, 38, 120] {
        assert_eq!(b.inbound(number(n)).len(), 1, "{n}");
    }
}

/// Section 3.3.3.2.1: the padding that makes the header a multiple of 8 octets over IPv6 is counted and covered.
#[test]
fn padding_of_the_icv_is_covered() {
    let ah = Ah::new(0x1234, Mac::HmacSha256_128, &[3; 32]).unwrap();
    let original = datagram(header(ip("fd00:1::1"), ip("fd00:2::1"), UDP), &[9; 16]);
    let mut packet = Packet::from_slice(1, &original);
    ah.seal(&mut packet, 1).unwrap();
    // 12 octets, an ICV of 16, padding of 4: eight words.
    assert_eq!((packet.bytes()[41], packet.len()), (8 - 2, original.len() + 32));
    for at in 68..72 {
        let mut changed = packet.clone();
        changed.bytes_mut()[at] ^= 1;
        assert_eq!(ah.open(&mut changed), Err(OpenError::Integrity));
    }
    assert!(ah.open(&mut packet).is_ok());
    assert_eq!(packet.bytes(), original);
}

/// Section 3.3.3.1.2.1: of the IPv6 header, class, flow label and hop limit may change, nothing else.
#[test]
fn ipv6_base_header() {
    let packet = sealed(&datagram(header(ip("fd00:1::1"), ip("fd00:2::1"), UDP), &[9; 16]));
    for (at, bit) in (0..40).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mutable = matches!(at, 1..=3 | 7) || at == 0 && bit < 4;
        assert_eq!(opens(&flipped(&packet, at, 1 << bit)), mutable, "octet {at} bit {bit}");
    }
}

/// An IPv4 datagram with one option, padded with end-of-list octets.
fn with_option(option: &[u8]) -> Vec<u8> {
    let mut bytes = udp(outer(1), outer(2), (4000, 7), 8);
    let padded = option.len().next_multiple_of(4);
    bytes.splice(20..20, option.iter().copied().chain(std::iter::repeat(0)).take(padded));
    bytes[0] = 0x40 | (5 + padded as u8 / 4);
    let len = u16::try_from(bytes.len()).unwrap();
    bytes[2..4].copy_from_slice(&len.to_be_bytes());
    fix(bytes)
}

/// Appendix A1: the options that count, and those that are zeroed as a unit.
#[test]
fn ipv4_options_of_the_appendix() {
    // Security, extended security, commercial security, router alert, multi-destination.
    for kind in [130, 133, 134, 148, 149] {
        let packet = sealed(&with_option(&[kind, 8, 1, 2, 3, 4, 5, 6]));
        assert!(opens(&packet), "{kind}");
        for at in 22..28 {
            assert!(!opens(&flipped(&packet, at, 1)), "{kind} at {at}");
        }
    }
    // No-operation and end of list are covered: one is not taken for the other.
    let packet = sealed(&with_option(&[1, 1, 1, 0]));
    assert!(opens(&packet));
    assert!(!opens(&flipped(&packet, 23, 1)));
    // Record route, timestamp, traceroute, an experimental one, stream identifier.
    for kind in [7, 68, 82, 30, 136] {
        let packet = sealed(&with_option(&[kind, 8, 4, 0, 0, 0, 0, 0]));
        for at in 22..28 {
            assert!(opens(&flipped(&packet, at, 1)), "{kind} at {at}");
        }
    }
    // A source route that has come to its end: what it holds by then is zeroed too.
    for kind in [131, 137] {
        let packet = sealed(&with_option(&[kind, 7, 8, 10, 0, 0, 9]));
        assert!(opens(&packet) && opens(&flipped(&packet, 26, 1)), "{kind}");
    }
}

/// Section 3.3.3.1.2.2: the data of an option with the "may change" bit is zeroed, its type and length count.
#[test]
fn ipv6_options() {
    for (kind, mutable) in [(0x3e, true), (0x1e, false)] {
        let mut bytes = datagram(header(ip("fd00:1::1"), ip("fd00:2::1"), 0), &[]);
        bytes.extend([UDP, 0, kind, 2, 0xaa, 0xbb, 1, 0]);
        bytes.extend([0, 1, 0, 2, 0, 8, 0, 0]);
        bytes[5] = 16;
        let packet = sealed(&bytes);
        // The AH follows the hop-by-hop header.
        assert_eq!((packet[40], packet[48]), (AH, UDP));
        assert!(opens(&packet));
        for at in [44, 45] {
            assert_eq!(opens(&flipped(&packet, at, 1)), mutable);
        }
        // Type (keeping the bit) and length.
        assert!(!opens(&flipped(&packet, 42, 1)) && !opens(&flipped(&packet, 43, 1)));
    }
}

/// Appendix A2: the ICV is that of the routing header on arrival.
#[test]
fn a_routing_header_counts_as_it_arrives() {
    let (first, last) = (ip("2001:db8::77"), ip("fd00:2::1"));
    let mut bytes = datagram(header(ip("fd00:1::1"), first, 43), &[]);
    bytes.extend([UDP, 2, 0, 1, 0, 0, 0, 0]);
    let octets = |address: std::net::IpAddr| match address {
        std::net::IpAddr::V6(address) => address.octets(),
        std::net::IpAddr::V4(_) => unreachable!(),
    };
    bytes.extend(octets(last));
    bytes.extend([0, 1, 0, 2, 0, 8, 0, 0]);
    bytes[5] = 32;
    let mut packet = sealed(&bytes);
    // What the router in between does: swaps the addresses, and one segment less is left.
    packet[24..40].copy_from_slice(&octets(last));
    packet[48..64].copy_from_slice(&octets(first));
    packet[43] = 0;
    assert!(opens(&packet));
    packet[50] ^= 1;
    assert!(!opens(&packet));
}

/// Appendix A2: a fragment header that says "first and last" does not count, on either side.
#[test]
fn an_atomic_fragment_header_does_not_count() {
    let plain = datagram(header(ip("fd00:1::1"), ip("fd00:2::1"), UDP), &[9; 16]);
    let atomic = |packet: &[u8]| {
        let mut bytes = packet.to_vec();
        bytes.splice(40..40, [bytes[6], 0, 0, 0, 0, 0, 0, 5]);
        (bytes[5], bytes[6]) = (bytes[5] + 8, 44);
        bytes
    };
    // A router in front of the receiver has made a fragment of the sealed packet.
    assert!(opens(&atomic(&sealed(&plain))));
    // The stack hands one down to be sealed: the ICV is that of the packet without it.
    let icv = |packet: &[u8]| packet[packet.len() - 16 - 12..packet.len() - 16].to_vec();
    assert_eq!(icv(&sealed(&atomic(&plain))), icv(&sealed(&plain)));
}

/// Section 3.3.4 and 3.4.1: sealed, then cut; joined, then opened; and no part of a series is ever opened.
#[test]
fn fragmentation_is_below() {
    below(IpsecProtocol::Ah);
}

/// For ESP as well.
pub(super) fn below(protocol: IpsecProtocol) {
    let (mut a, mut b) = Manual::tunnel(&[protocol]).pair();
    let original = request(1460);
    let fragments = a.outbound(&original);
    assert_eq!(fragments.len(), 2);
    // Fragments of one IPsec packet: the header is in the first only.
    let number = [AH, ESP][usize::from(protocol == IpsecProtocol::Esp)];
    assert!(fragments.iter().all(|f| f[9] == number));
    assert_ne!(fragments[0][20..28], fragments[1][20..28]);
    assert!(b.inbound(&fragments[1]).is_empty());
    assert_eq!(b.inbound(&fragments[0]), std::slice::from_ref(&original));
    // Incomplete series, in time and afterwards.
    let again = a.outbound(&original);
    for fragment in &again {
        let mut whole_looking = fragment.clone();
        whole_looking[4] ^= 0x80;
        assert!(b.inbound(&fix(whole_looking.clone())).is_empty());
        b.wait(120);
    }
    assert!(b.delivered.is_empty());
}
