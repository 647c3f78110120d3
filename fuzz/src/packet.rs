//! IP packets: every header the datapath walks, read, described in words, and written again.

use std::net::Ipv6Addr;

use ipsec_core::wire::ah::Ah;
use ipsec_core::wire::esp::{EspHeader, EspTrailer};
use ipsec_core::wire::icmp::{self, Icmp};
use ipsec_core::wire::ipv4::{self, Ipv4, Ipv4Header};
use ipsec_core::wire::ipv6::{Ipv6, Ipv6Header};
use ipsec_core::wire::udp::{self, Udp};
use ipsec_core::wire::{IpProtocol, PacketInfo, Reader, Writer, describe};

use crate::alter::normalised;

/// `data` is a packet, and also the payload of one.
pub fn body(data: &[u8]) {
    let words = describe(data).to_string();
    assert!(words.len() < 4096 && !words.contains('\n'), "a description is one line: {words}");
    if let Ok(packet) = Ipv4::decode(data) {
        ipv4(&packet, data);
    }
    if let Ok(packet) = Ipv6::decode(data) {
        ipv6(&packet, data);
    }
    quoted(data);
    udp(data);
    icmp(data);
    ipsec(data);
}

fn ipv4(packet: &Ipv4<'_>, data: &[u8]) {
    let _ = (packet.to_string(), packet.checksum_ok());
    let mut end = 0;
    for option in ipv4::options(packet.options()).map_while(Result::ok) {
        assert!(option.offset >= end, "options follow each other");
        end = option.offset + option.bytes.len();
        assert!(end <= packet.options().len());
    }
    let again = Ipv4Header::of(packet).packet(packet.payload()).expect("what was read can be written");
    let mut received = normalised(&data[..packet.total_len()]);
    // The bit that RFC 791 reserves is not kept.
    received[6] &= 0x7f;
    assert_eq!(normalised(&again), received);
    assert!(Ipv4::decode(&again).is_ok_and(|p| p.checksum_ok()));
    let info = PacketInfo::of(data).expect("a decoded packet has its facts");
    let _ = info.to_string();
    assert_eq!(&data[info.upper_at..info.len], packet.payload());
}

fn ipv6(packet: &Ipv6<'_>, data: &[u8]) {
    let _ = packet.to_string();
    let again = Ipv6Header::of(packet).packet(packet.payload()).expect("what was read can be written");
    assert_eq!(again, data[..again.len()]);
    let mut end = 40;
    for extension in packet.extensions().map_while(Result::ok) {
        assert_eq!(extension.offset, end, "extension headers are neighbours");
        end += extension.bytes.len();
        if let Some(fragment) = extension.fragment() {
            let bytes = fragment.to_bytes();
            // Octet 1 and two bits of octet 3 are reserved.
            assert_eq!(
                (bytes[0], bytes[2], &bytes[4..]),
                (extension.bytes[0], extension.bytes[2], &extension.bytes[4..])
            );
        }
    }
    let upper = packet.upper_layer();
    assert_eq!(upper.is_ok(), PacketInfo::of(data).is_ok());
    if let Ok(upper) = upper {
        assert_eq!(data[upper.next_header_at], upper.protocol.0);
        assert_eq!(&data[upper.offset..again.len()], upper.payload);
    }
}

/// What an ICMP error quotes may be cut short anywhere.
fn quoted(data: &[u8]) {
    if let Ok(info) = PacketInfo::of_quoted(data) {
        let _ = (info.to_string(), info.src_port(), info.dst_port());
    }
}

fn udp(data: &[u8]) {
    let Ok(read) = Udp::decode(data) else { return };
    let (src, dst) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
    let written = udp::datagram((src, read.src_port), (dst, read.dst_port), read.payload);
    let again = Udp::decode(&written).expect("what was written can be read");
    assert!(again.checksum_ok(src, dst) && again.checksum != 0);
    assert_eq!((again.src_port, again.dst_port, again.payload), (read.src_port, read.dst_port, read.payload));
}

fn icmp(data: &[u8]) {
    let (src, dst) = (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), Ipv6Addr::LOCALHOST);
    if let Ok(read) = Icmp::decode_v4(data) {
        let _ = read.to_string();
        let written = icmp::encode_v4(read.message, read.payload);
        let again = Icmp::decode_v4(&written).expect("what was written can be read");
        assert!(again.checksum_ok(src.into(), dst.into()));
        assert_eq!((again.message, again.payload), (read.message, read.payload));
    }
    if let Ok(read) = Icmp::decode_v6(data) {
        let _ = read.to_string();
        let written = icmp::encode_v6(src, dst, read.message, read.payload);
        let again = Icmp::decode_v6(&written).expect("what was written can be read");
        assert!(again.checksum_ok(src.into(), dst.into()));
        assert_eq!((again.message, again.payload), (read.message, read.payload));
    }
}

fn ipsec(data: &[u8]) {
    if let Ok(header) = EspHeader::decode(&mut Reader::new(data)) {
        assert_eq!(header.to_bytes(), data[..8]);
    }
    if let Ok((payload, trailer)) = EspTrailer::decode(data) {
        assert_eq!(payload.len() + trailer.len(), data.len());
        let mut written = vec![0; trailer.len()];
        trailer.write(&mut written);
        assert_eq!(written, data[payload.len()..]);
    }
    if let Ok(ah) = Ah::decode(data) {
        let _ = ah.to_string();
        let mut w = Writer::new();
        ah.encode(&mut w);
        assert_eq!(w.as_bytes(), data, "a decoded AH is its bytes");
    }
    let _ = IpProtocol(data.first().copied().unwrap_or_default()).to_string();
}
