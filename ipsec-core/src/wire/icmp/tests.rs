use alloc::string::ToString;
use core::net::Ipv4Addr;
use hex_literal::hex;
use proptest::prelude::*;

use super::*;
use crate::wire::DecodeErrorKind;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Echo request, id 1, sequence 3, data "abcd": 0800 + 0001 + 0003 + 6162 + 6364 = ccca, complement 3335.
const ECHO: [u8; 12] = hex!("0800 3335 0001 0003 61626364");

#[test]
fn decodes_an_echo() {
    let icmp = Icmp::decode_v4(&ECHO).unwrap();
    assert_eq!(icmp.message, IcmpMessage::EchoRequest { id: 1, seq: 3 });
    assert_eq!((icmp.payload, icmp.quoted()), (b"abcd".as_slice(), None));
    assert!(icmp.checksum_ok(HERE, HERE));
    assert_eq!(icmp.to_string(), "ICMP echo request id 1 seq 3 len 12");
    assert_eq!(encode_v4(icmp.message, b"abcd"), ECHO);
}

#[test]
fn fragmentation_needed_tells_the_mtu() {
    // RFC 1191 section 4: type 3, code 4, the low half of the second word is the next-hop MTU.
    let quoted = hex!("45000000");
    let bytes = encode_v4(IcmpMessage::TooBig { mtu: 1400 }, &quoted);
    assert_eq!(bytes[..2], [3, 4]);
    assert_eq!(bytes[4..8], hex!("0000 0578"));
    let icmp = Icmp::decode_v4(&bytes).unwrap();
    assert_eq!((icmp.message, icmp.quoted()), (IcmpMessage::TooBig { mtu: 1400 }, Some(quoted.as_slice())));
}

#[test]
fn errors_are_told_apart_from_questions() {
    let is_error = |kind: u8| Icmp::decode_v4(&[kind, 0, 0, 0, 0, 0, 0, 0]).unwrap().is_error();
    // RFC 1122 3.2.2: the error messages are these.
    assert_eq!((0..=255).filter(|kind| is_error(*kind)).collect::<Vec<_>>(), [3, 4, 5, 11, 12]);
    assert!(Icmp::decode_v6(&[127, 0, 0, 0, 0, 0, 0, 0]).unwrap().is_error());
    assert!(!Icmp::decode_v6(&[128, 0, 0, 0, 0, 0, 0, 0]).unwrap().is_error());
}

#[test]
fn rejects_short() {
    for length in 0..HEADER_LEN {
        assert!(matches!(
            Icmp::decode_v4(&ECHO[..length]).unwrap_err().kind,
            DecodeErrorKind::Truncated { .. }
        ));
        assert!(Icmp::decode_v6(&ECHO[..length]).is_err());
    }
}

#[test]
fn keeps_unknown() {
    let message = IcmpMessage::Other { kind: 200, code: 9, word: 0xdead_beef };
    let bytes = encode_v4(message, b"x");
    assert_eq!(Icmp::decode_v4(&bytes).unwrap().message, message);
    let bytes = encode_v6(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST, message, b"x");
    assert_eq!(Icmp::decode_v6(&bytes).unwrap().message, message);
}

proptest! {
    #[test]
    fn equals_etherparse(id: u16, seq: u16, payload in prop::collection::vec(any::<u8>(), 0..100)) {
        let header = etherparse::IcmpEchoHeader { id, seq };
        let theirs = etherparse::Icmpv4Header::with_checksum(etherparse::Icmpv4Type::EchoReply(header), &payload);
        let ours = encode_v4(IcmpMessage::EchoReply { id, seq }, &payload);
        prop_assert_eq!(&ours[..8], theirs.to_bytes().to_vec());
        prop_assert!(Icmp::decode_v4(&ours).unwrap().checksum_ok(HERE, HERE));
    }

    #[test]
    fn equals_etherparse_in_ipv6(
        src: [u8; 16], dst: [u8; 16], mtu: u32, payload in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let kind = etherparse::Icmpv6Type::PacketTooBig { mtu };
        let theirs = etherparse::Icmpv6Header::with_checksum(kind, src, dst, &payload).unwrap();
        let ours = encode_v6(src.into(), dst.into(), IcmpMessage::TooBig { mtu }, &payload);
        prop_assert_eq!(&ours[..8], theirs.to_bytes().to_vec());
        let icmp = Icmp::decode_v6(&ours).unwrap();
        prop_assert!(icmp.checksum_ok(src.into(), dst.into()));
        prop_assert_eq!(icmp.message, IcmpMessage::TooBig { mtu });
    }

    #[test]
    fn never_panics(bytes: Vec<u8>) {
        let _ = Icmp::decode_v4(&bytes).map(|icmp| icmp.to_string());
        let _ = Icmp::decode_v6(&bytes).map(|icmp| icmp.to_string());
    }
}
