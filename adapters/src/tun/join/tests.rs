//! Packets are built by etherparse, and cut again by the function of tun-rs that cuts what the kernel hands over: what went
//! in must come out.

use etherparse::{IpHeaders, NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use tun_rs::{VirtioNetHdr, gso_split};

use super::*;

const V4: ([u8; 4], [u8; 4]) = ([10, 1, 0, 10], [10, 2, 0, 10]);

/// A TCP segment of `len` octets from `sequence` on, with timestamps as Linux sends them.
fn tcp(sequence: u32, len: usize, flags: u8, ident: u16, dont_fragment: bool) -> Vec<u8> {
    let mut header = etherparse::Ipv4Header::new(0, 64, etherparse::IpNumber::TCP, V4.0, V4.1).unwrap();
    (header.identification, header.dont_fragment) = (ident, dont_fragment);
    let builder = PacketBuilder::ip(IpHeaders::Ipv4(header, Default::default()));
    let mut builder = builder.tcp(40_000, 5201, sequence, 1000).ack(77);
    if flags & PSH != 0 {
        builder = builder.psh();
    }
    let stamps = etherparse::TcpOptionElement::Timestamp(1, 2);
    let nop = etherparse::TcpOptionElement::Noop;
    let builder = builder.options(&[nop.clone(), nop, stamps]).unwrap();
    let mut packet = Vec::new();
    builder.write(&mut packet, &octets(sequence, len)).unwrap();
    packet
}

fn tcp_v6(sequence: u32, len: usize) -> Vec<u8> {
    let builder = PacketBuilder::ipv6([1; 16], [2; 16], 64).tcp(40_000, 5201, sequence, 1000).ack(77);
    let mut packet = Vec::new();
    builder.write(&mut packet, &octets(sequence, len)).unwrap();
    packet
}

fn udp(port: u16, len: usize, ident: u16) -> Vec<u8> {
    let mut header = etherparse::Ipv4Header::new(0, 64, etherparse::IpNumber::UDP, V4.0, V4.1).unwrap();
    (header.identification, header.dont_fragment) = (ident, false);
    let builder = PacketBuilder::ip(IpHeaders::Ipv4(header, Default::default())).udp(port, 5201);
    let mut packet = Vec::new();
    builder.write(&mut packet, &octets(ident.into(), len)).unwrap();
    packet
}

fn octets(seed: u32, len: usize) -> Vec<u8> {
    (0..len as u32).map(|i| (i * 7).wrapping_add(seed) as u8).collect()
}

/// What leaves, each with its virtio header.
fn join(packets: &[Vec<u8>]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (mut pool, mut joiner) = (PacketPool::default(), Joiner::new(true));
    let mut left = Vec::new();
    let mut out = |pieces: Pieces<'_, '_>| {
        let behind: Vec<u8> = pieces[1..].iter().flat_map(|piece| piece.iter().copied()).collect();
        left.push((pieces[0].to_vec(), behind));
    };
    for packet in packets {
        joiner.push(Packet::from_slice(0, packet), &mut pool, &mut out);
    }
    joiner.flush(&mut pool, &mut out);
    left
}

/// Takes apart what was joined.
fn cut(left: &[(Vec<u8>, Vec<u8>)]) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    for (header, whole) in left {
        let header = VirtioNetHdr::decode(header).unwrap();
        if header.gso_type == 0 {
            packets.push(whole.clone());
            continue;
        }
        let (mut out, mut sizes) = (vec![vec![0; 2000]; MOST], [0; MOST]);
        let v6 = whole[0] >> 4 == 6;
        let count = gso_split(&mut whole.clone(), header, &mut out, &mut sizes, 0, v6).unwrap();
        packets.extend(out.into_iter().zip(sizes).take(count).map(|(packet, size)| packet[..size].to_vec()));
    }
    packets
}

#[test]
fn segments_of_a_stream_become_one() {
    let packets: Vec<Vec<u8>> = (0..3).map(|n| tcp(9 + n * 1300, 1300, 0, 5, true)).collect();
    let left = join(&packets);
    assert_eq!(left.len(), 1);
    let (header, whole) = &left[0];
    // virtio 1.2 section 5.1.6: flags, gso_type, hdr_len, gso_size, csum_start, csum_offset.
    let numbers: Vec<u16> = header[2..].chunks(2).map(|c| u16::from_ne_bytes([c[0], c[1]])).collect();
    assert_eq!((header[0], header[1], &numbers[..]), (1, 1, &[52, 1300, 20, 16][..]));
    let sliced = SlicedPacket::from_ip(whole).unwrap();
    let Some(NetSlice::Ipv4(ip)) = sliced.net else { panic!("IPv4") };
    assert_eq!(usize::from(ip.header().total_len()), 52 + 3900);
    assert_eq!(ip.header().header_checksum(), ip.header().to_header().calc_header_checksum());
    let Some(TransportSlice::Tcp(segment)) = sliced.transport else { panic!("TCP") };
    assert_eq!(segment.payload(), [octets(9, 1300), octets(1309, 1300), octets(2609, 1300)].concat());
    // Section 5.1.6.2: the field holds the sum of the pseudo-header, here 10.1.0.10, 10.2.0.10, 6 and the length.
    let sum = 0x0a01u32 + 0x000a + 0x0a02 + 0x000a + 6 + 32 + 3900;
    assert_eq!(u32::from(segment.checksum()), sum);
}

#[test]
fn what_was_joined_comes_apart_as_it_was() {
    let full = |n: u32| tcp(n * 1300, 1300, 0, n as u16, true);
    let streams: Vec<(&str, Vec<Vec<u8>>, usize)> = vec![
        ("a short one ends it", vec![tcp(0, 1300, 0, 7, false), tcp(1300, 9, 0, 8, false)], 1),
        ("the last pushes", vec![tcp(0, 1300, 0, 7, false), tcp(1300, 1300, PSH, 8, false)], 1),
        ("numbers wrap", vec![tcp(u32::MAX - 99, 100, 0, 65_535, false), tcp(0, 100, 0, 0, false)], 1),
        ("IPv6", vec![tcp_v6(0, 1200), tcp_v6(1200, 1200), tcp_v6(2400, 7)], 1),
        ("UDP", vec![udp(1, 1200, 3), udp(1, 1200, 4), udp(1, 1200, 5)], 1),
        ("UDP, a short one ends it", vec![udp(1, 1200, 3), udp(1, 30, 4), udp(1, 30, 5)], 2),
        (
            "no more than the kernel takes",
            (0..100).map(|n| tcp(n * 100, 100, 0, n as u16, false)).collect(),
            2,
        ),
        ("no more than a datagram holds", (0..60).map(full).collect(), 2),
        ("nothing behind a push", vec![tcp(0, 100, PSH, 0, true), tcp(100, 100, 0, 0, true)], 2),
        ("nothing longer", vec![tcp(0, 100, 0, 0, true), tcp(100, 101, 0, 0, true)], 2),
        ("no gap", vec![tcp(0, 100, 0, 0, true), tcp(101, 100, 0, 0, true)], 2),
        ("not backwards", vec![tcp(100, 100, 0, 0, true), tcp(0, 100, 0, 0, true)], 2),
        ("DF clear, another number", vec![tcp(0, 100, 0, 7, false), tcp(100, 100, 0, 9, false)], 2),
        ("other flags of IP", vec![tcp(0, 100, 0, 7, false), tcp(100, 100, 0, 8, true)], 2),
        ("acknowledgments alone", vec![tcp(0, 0, 0, 0, true), tcp(0, 0, 0, 0, true)], 2),
        ("other ports", vec![udp(1, 100, 3), udp(2, 100, 4)], 2),
    ];
    for (name, packets, leave) in streams {
        let left = join(&packets);
        assert_eq!(left.len(), leave, "{name}");
        assert!(cut(&left) == packets, "{name}");
    }
}

#[test]
fn each_octet_that_differs_keeps_packets_apart() {
    let (first, second) = (tcp(0, 100, 0, 0, true), tcp(100, 100, 0, 0, true));
    // Checksums are wrong then.
    for at in 0..second.len() {
        let mut other = second.clone();
        other[at] ^= 0x40;
        let mut left: Vec<_> =
            join(&[first.clone(), other.clone()]).into_iter().map(|(_, packet)| packet).collect();
        left.sort_by_key(|packet| *packet == other);
        assert!(left == [first.clone(), other], "octet {at}");
    }
    // With a checksum that is right again: window, acknowledgment, options.
    for at in [28, 31, 34, 35, 44, 51] {
        let mut other = second.clone();
        other[at] ^= 1;
        let old = u16::from_be_bytes([other[36], other[37]]);
        let delta = if at % 2 == 0 { 0x100u32 } else { 1 };
        let added = second[at] & 1 == 0;
        let sum = u32::from(!old) + if added { delta } else { 0xffff - delta };
        let sum = (sum & 0xffff) + (sum >> 16);
        other[36..38].copy_from_slice(&(!(sum as u16)).to_be_bytes());
        let right = pseudo(&other, 6, other.len() - 20).bytes(&other[20..]).finish() == 0;
        assert!(right, "octet {at}");
        assert_eq!(join(&[first.clone(), other]).len(), 2, "octet {at}");
    }
}

#[test]
fn flows_wait_side_by_side_and_keep_their_order() {
    let mut packets = Vec::new();
    for n in 0..4u32 {
        packets.push(tcp(n * 100, 100, 0, n as u16, true));
        packets.extend((1..=3).map(|port| udp(port, 50 + usize::from(port), n as u16)));
    }
    let left = join(&packets);
    assert_eq!(left.len(), 4);
    let mut apart = cut(&left);
    let (mut sorted, key) = (packets.clone(), |p: &Vec<u8>| (p[9], p[20..22].to_vec()));
    sorted.sort_by_key(key);
    apart.sort_by_key(key);
    assert!(apart == sorted);
    // What cannot be joined overtakes nothing of its flow, and a fragment nothing at all.
    let mut fragment = udp(1, 64, 9);
    fragment[6] = 0x20;
    let packets = [
        udp(1, 100, 0),
        udp(1, 100, 1),
        tcp(0, 100, 0, 0, true),
        tcp(100, 0, 0, 0, true),
        fragment,
        udp(1, 100, 2),
    ];
    let left = join(&packets);
    let mut apart = cut(&left);
    let acknowledgment = apart.iter().position(|p| *p == packets[3]).unwrap();
    assert!(acknowledgment > apart.iter().position(|p| *p == packets[2]).unwrap());
    assert!(apart.split_off(4) == packets[4..]);
}

#[test]
fn anything_may_come() {
    for len in 0..64 {
        for first in [0x45, 0x4f, 0x60, 0x00, 0xff] {
            let mut packet = vec![first; len];
            packet.iter_mut().skip(9).step_by(3).for_each(|octet| *octet = 6);
            assert_eq!(join(&[packet.clone()]), [(vec![0; HEADER_LEN], packet)]);
        }
    }
}
