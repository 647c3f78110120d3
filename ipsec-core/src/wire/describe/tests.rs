use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use hex_literal::hex;
use proptest::prelude::*;

use super::*;
use crate::wire::icmp::{IcmpMessage, encode_v4, encode_v6};
use crate::wire::info::FragmentInfo;
use crate::wire::ipv4::Ipv4Header;
use crate::wire::ipv6::Ipv6Header;
use crate::wire::samples::*;

const PC_A: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 10);
const PC_B: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 10);
const GW_A: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

fn ping() -> Vec<u8> {
    let echo = encode_v4(IcmpMessage::EchoRequest { id: 1, seq: 3 }, &[0x61; 56]);
    Ipv4Header::new(PC_A, PC_B, IpProtocol::ICMP).packet(&echo).unwrap()
}

fn said(packet: &[u8]) -> String {
    describe(packet).to_string()
}

#[test]
fn describes_captured() {
    assert_eq!(
        said(MAIN_MODE_1),
        "203.0.113.1.500 > 203.0.113.2.500: isakmp main mode I cookie e739e922038760b8->0000000000000000 \
         [SA VID VID VID VID VID]"
    );
    assert_eq!(
        said(MAIN_MODE_5),
        "203.0.113.1.4500 > 203.0.113.2.4500: isakmp main mode cookie e739e922038760b8->9dedf56536afa625 E \
         [ID...] len 68"
    );
    assert_eq!(said(ESP_IN_UDP), "203.0.113.1.4500 > 203.0.113.2.4500: ESP spi 0xc1dd109b seq 1 len 108");
}

#[test]
fn describes_pings_and_errors_about_them() {
    assert_eq!(said(&ping()), "10.1.0.10 > 10.2.0.10: ICMP echo request id 1 seq 3 len 64");
    let error = encode_v4(IcmpMessage::TooBig { mtu: 1400 }, &ping()[..28]);
    let error = Ipv4Header::new(GW_A, PC_A, IpProtocol::ICMP).packet(&error).unwrap();
    assert_eq!(
        said(&error),
        "203.0.113.1 > 10.1.0.10: ICMP packet too big mtu 1400 len 36 (10.1.0.10 > 10.2.0.10: ICMP)"
    );
    let here = Ipv6Addr::LOCALHOST;
    let echo = encode_v6(here, here, IcmpMessage::EchoReply { id: 9, seq: 1 }, &[]);
    let echo = Ipv6Header::new(here, here, IpProtocol::ICMPV6).packet(&echo).unwrap();
    assert_eq!(said(&echo), "::1 > ::1: ICMPv6 echo reply id 9 seq 1 len 8");
}

#[test]
fn describes_what_is_inside() {
    let ah = [&hex!("04040000 00001000 00000002 000000000000000000000000")[..], &ping()].concat();
    let tunnel = Ipv4Header::new(GW_A, PC_B, IpProtocol::AH).packet(&ah).unwrap();
    assert_eq!(
        said(&tunnel),
        "203.0.113.1 > 10.2.0.10: AH spi 0x00001000 seq 2 icv 12: \
         (10.1.0.10 > 10.2.0.10: ICMP echo request id 1 seq 3 len 64)"
    );
    let syn = hex!("04d21a0b 00000001 00000000 5002ffff 00000000");
    let syn = Ipv4Header::new(PC_A, PC_B, IpProtocol::TCP).packet(&syn).unwrap();
    assert_eq!(said(&syn), "10.1.0.10.1234 > 10.2.0.10.6667: TCP [S] len 0");
    let keepalive = Ipv4Header::new(PC_A, PC_B, IpProtocol::UDP).packet(&hex!("1194119400090000ff")).unwrap();
    assert_eq!(said(&keepalive), "10.1.0.10.4500 > 10.2.0.10.4500: NAT-keepalive");
}

#[test]
fn describes_fragments_and_nonsense() {
    let header = Ipv4Header {
        identification: 7,
        more_fragments: true,
        fragment_offset: 1480,
        ..Ipv4Header::new(PC_A, PC_B, IpProtocol::UDP)
    };
    let later = header.packet(&[0; 16]).unwrap();
    assert_eq!(said(&later), "10.1.0.10 > 10.2.0.10: UDP fragment id 7 offset 1480+ len 16");
    assert_eq!(said(&[]), "malformed (ip.version at byte 0: needs 1 bytes, only 0 left) len 0");
    assert_eq!(said(&[0x10]), "malformed (ip.version at byte 0: value 1 is not allowed) len 1");
}

#[test]
fn info_gives_what_filters_compare() {
    let info = PacketInfo::of(MAIN_MODE_1).unwrap();
    assert_eq!((info.src_port(), info.dst_port(), info.upper_at, info.len), (Some(500), Some(500), 20, 204));
    assert_eq!(info.to_string(), "203.0.113.1.500 > 203.0.113.2.500: UDP");

    let info = PacketInfo::of(&ping()).unwrap();
    assert_eq!((info.upper, info.dst_port()), (Upper::Icmp { kind: 8, code: 0 }, None));
    assert_eq!(info.src_port(), Some(0x0800));

    // The first fragment shows its ports, the later ones do not (RFC 4301 7).
    let mut header = Ipv4Header::new(PC_A, PC_B, IpProtocol::UDP);
    header.more_fragments = true;
    let first = PacketInfo::of(&header.packet(&hex!("00350036ffff0000")).unwrap()).unwrap();
    assert_eq!((first.upper, first.is_later_fragment()), (Upper::Ports { src: 53, dst: 54 }, false));
    header.fragment_offset = 8;
    let later = PacketInfo::of(&header.packet(&hex!("00350036ffff0000")).unwrap()).unwrap();
    assert_eq!(later.upper, Upper::Opaque);
    assert_eq!(later.fragment, Some(FragmentInfo { identification: 0, offset: 8, more: true }));

    // Quoted in an ICMP error: header and eight octets.
    assert!(PacketInfo::of(&MAIN_MODE_1[..28]).is_err());
    assert_eq!(PacketInfo::of_quoted(&MAIN_MODE_1[..28]).unwrap().dst_port(), Some(500));
    assert_eq!(PacketInfo::of_quoted(&MAIN_MODE_1[..22]).unwrap().upper, Upper::Opaque);
}

#[test]
fn every_prefix_of_every_sample_has_a_description() {
    for packet in PACKETS.into_iter().chain([ping().as_slice()]) {
        for length in 0..packet.len() {
            assert!(said(&packet[..length]).starts_with("malformed"));
            let _ = PacketInfo::of_quoted(&packet[..length]);
            // The same cut, with a length that agrees: the upper layer is what is short.
            if let Some(payload) = packet.get(20..length) {
                let protocol = IpProtocol(packet[9]);
                let _ = said(&Ipv4Header::new(PC_A, PC_B, protocol).packet(payload).unwrap());
            }
        }
    }
}

proptest! {
    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), protocol: u8, v6: bool) {
        let _ = said(&bytes);
        let protocol = IpProtocol(protocol);
        let packet = if v6 {
            Ipv6Header::new(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST, protocol).packet(&bytes).unwrap()
        } else {
            Ipv4Header::new(PC_A, PC_B, protocol).packet(&bytes).unwrap()
        };
        prop_assert!(!said(&packet).is_empty());
    }

    #[test]
    fn mutated_samples_never_panic(
        sample in prop::sample::select(&PACKETS[..]), at: prop::sample::Index, value: u8,
    ) {
        let mut bytes = sample.to_vec();
        let at = at.index(bytes.len());
        bytes[at] = value;
        prop_assert!(!said(&bytes).is_empty());
    }
}
