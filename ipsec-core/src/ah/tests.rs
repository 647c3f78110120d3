use super::*;
use crate::ip::{NewHeader, refresh_checksum};
use alloc::vec;
use hex_literal::hex;
use proptest::prelude::*;

fn datagram(v4: bool, payload: &[u8]) -> Packet {
    let (source, destination) = if v4 { ("10.0.0.1", "10.0.0.2") } else { ("fd00::1", "fd00::2") };
    let header = NewHeader {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        protocol: protocol::UDP,
        traffic_class: 0x28,
        ttl: 64,
        dont_fragment: true,
        ident: 77,
    };
    let mut bytes = vec![0; header.len()];
    bytes.extend_from_slice(payload);
    assert!(header.write(&mut bytes));
    Packet::from_slice(5, &bytes)
}

fn ah() -> Ah {
    Ah::new(0x1234, Mac::HmacSha1_96, &[3; 20]).unwrap()
}

#[test]
fn header_lengths() {
    // RFC 4302 section 2.2: 96-bit ICV has payload length 4; 128 bits: 5 over IPv4, and padded to 6 over IPv6.
    for (mac, v4, words) in [
        (Mac::HmacMd5_96, true, 4),
        (Mac::HmacSha1_96, false, 4),
        (Mac::HmacSha256_128, true, 5),
        (Mac::HmacSha256_128, false, 6),
    ] {
        let ah = Ah::new(0x1234, mac, &vec![3; mac.key_len()]).unwrap();
        let mut packet = datagram(v4, b"payload");
        let before = packet.clone();
        ah.seal(&mut packet, 5).unwrap();
        let at = if v4 { 20 } else { 40 };
        assert_eq!(packet.bytes()[at..at + 12], [17, words, 0, 0, 0, 0, 0x12, 0x34, 0, 0, 0, 5]);
        assert_eq!(ah.open(&mut packet).unwrap(), Opened { sequence: 5, next_header: 17 });
        assert_eq!(packet.bytes(), before.bytes());
    }
}

#[test]
fn icv_is_the_formula() {
    // The definition written out: mutable fields zero, AH with a zero ICV, payload.
    let mut packet = datagram(true, b"abcd");
    ah().seal(&mut packet, 1).unwrap();
    let image = hex!(
        "4500 0030 004d 0000 0033 0000 0a000001 0a000002"
        "11 04 0000 00001234 00000001 000000000000000000000000"
        "61626364"
    );
    let expected = MacKey::new(Mac::HmacSha1_96, &[3; 20]).unwrap().compute(&[&image]);
    assert_eq!(packet.bytes()[32..44], *expected);
}

#[test]
fn routers_may_change_mutable_fields() {
    for (v4, changes) in [
        // TOS, DF, TTL; the checksum follows.
        (true, &[(1, 0xff), (6, 0x40), (8, 0x3f)][..]),
        // Class, flow label, hop limit.
        (false, &[(0, 0x0f), (1, 0xff), (2, 0xff), (3, 0xff), (7, 0x3f)][..]),
    ] {
        let mut packet = datagram(v4, b"payload");
        ah().seal(&mut packet, 5).unwrap();
        for (at, bits) in changes {
            packet.bytes_mut()[*at] ^= bits;
        }
        refresh_checksum(packet.bytes_mut());
        ah().open(&mut packet).unwrap();
    }
}

#[test]
fn ipv4_options_by_class() {
    // Record route (mutable), router alert (immutable), loose source route with one hop to go (destination predicted).
    let mut headers = hex!("4e00 0000 0000 0000 0000 0000 0a000001 0a000063" "07 07 04 c0a80101 01" "94 04 0000" "83 07 04 0a000002 00" "00000000" "00000000" "00000000");
    headers[1] = 0xaa;
    immutable(&mut headers).unwrap();
    assert_eq!(headers[1], 0);
    // The destination is the last address of the source route.
    assert_eq!(headers[16..20], [10, 0, 0, 2]);
    assert_eq!(headers[20..28], [0, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(headers[28..32], hex!("94040000"));
    assert_eq!(headers[32..40], [0; 8]);
}

#[test]
fn ipv6_options_and_routes() {
    // Hop-by-hop with one mutable (0x3e) and one immutable (0x1e) option; routing header type 0, one segment left.
    let mut headers = [0u8; 40 + 16 + 24];
    (headers[0], headers[6], headers[7]) = (0x6f, 0, 9);
    headers[39] = 0x63;
    headers[40..56].copy_from_slice(&hex!("2b 01 3e 03 aabbcc 1e 03 ddeeff 01 02 0000"));
    headers[56..64].copy_from_slice(&hex!("33 02 00 01 00000000"));
    headers[79] = 0x02;
    immutable(&mut headers).unwrap();
    assert_eq!(headers[40..56], hex!("2b 01 3e 03 000000 1e 03 ddeeff 01 02 0000"));
    assert_eq!((headers[0], headers[7]), (0x60, 0));
    // Destination and address have changed places, no segment is left.
    assert_eq!((headers[39], headers[79], headers[59]), (2, 0x63, 0));
}

#[test]
fn only_whole_datagrams() {
    let mut packet = datagram(true, b"payload!");
    packet.bytes_mut()[6] = 0x20;
    assert_eq!(ah().seal(&mut packet, 1), Err(SealError::Fragment));
    let mut packet = datagram(true, b"payload!");
    assert_eq!(ah().seal(&mut packet, 1 << 32), Err(SealError::SequenceExhausted));
}

proptest! {
    /// RFC 4302 appendix A: of an IPv4 packet without options, exactly TOS, flags and offset, TTL and checksum may change.
    #[test]
    fn any_other_octet_flipped_is_noticed(payload in prop::collection::vec(any::<u8>(), 0..60), at: usize, bit in 0u8..8) {
        let mut packet = datagram(true, &payload);
        ah().seal(&mut packet, 3).unwrap();
        let at = at % packet.len();
        packet.bytes_mut()[at] ^= 1 << bit;
        // Flags and offset are covered neither; but what looks like a fragment is not opened.
        let fragment = matches!((at, bit), (6, 0..=5) | (7, _));
        let mutable = matches!(at, 1 | 8 | 10 | 11) || at == 6 && !fragment;
        prop_assert_eq!(ah().open(&mut packet).is_ok(), mutable);
    }

    #[test]
    fn arbitrary_packets_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), mut headers in prop::collection::vec(any::<u8>(), 0..120)) {
        let _ = ah().open(&mut Packet::from_slice(0, &bytes));
        let _ = ah().seal(&mut Packet::from_slice(0, &bytes), 1);
        let _ = immutable(&mut headers);
        for first in [0x4f, 0x60] {
            if let Some(b) = headers.first_mut() { *b = first; }
            let _ = immutable(&mut headers);
        }
    }
}
