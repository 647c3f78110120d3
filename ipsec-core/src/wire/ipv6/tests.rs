use alloc::string::ToString;
use hex_literal::hex;
use proptest::prelude::*;

use super::*;

const SRC: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const DST: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);

fn packet(next_header: IpProtocol, payload: &[u8]) -> Vec<u8> {
    Ipv6Header::new(SRC, DST, next_header).packet(payload).unwrap()
}

/// Hop-by-hop, routing, fragment (first), destination options, AH with 12 octets of ICV, UDP.
const CHAIN: [u8; 64] = hex!(
    "2b00 010400000000"
    "2c00 000000000000"
    "3c00 0001 12345678"
    "3300 010400000000"
    "1104 0000 0000abcd 00000001 aaaaaaaaaaaaaaaaaaaaaaaa"
    "01f401f400080000"
);

#[test]
fn walks_the_chain() {
    let bytes = packet(IpProtocol::HOP_BY_HOP, &CHAIN);
    let view = Ipv6::decode(&bytes).unwrap();
    let walked: Vec<_> = view.extensions().map(Result::unwrap).collect();
    let kinds: Vec<_> = walked.iter().map(|extension| (extension.kind.0, extension.offset)).collect();
    assert_eq!(kinds, [(0, 40), (43, 48), (44, 56), (60, 64), (51, 72)]);
    let fragment = walked[2].fragment().unwrap();
    assert_eq!(
        fragment,
        FragmentHeader { next_header: IpProtocol(60), offset: 0, more: true, identification: 0x1234_5678 }
    );
    assert_eq!(fragment.to_bytes(), walked[2].bytes);

    // To IPsec, AH is what the packet carries; the field that says so is the first of the destination options.
    let upper = view.upper_layer().unwrap();
    assert_eq!((upper.protocol, upper.offset, upper.next_header_at), (IpProtocol::AH, 72, 64));
    assert_eq!((upper.fragment, upper.payload.len()), (Some(fragment), 32));
}

#[test]
fn a_later_fragment_ends_the_walk() {
    // Offset 1480, last: what follows looks like a hop-by-hop header and must not be taken for one.
    let bytes = packet(IpProtocol::FRAGMENT, &hex!("00 00 05c8 0000002a 3b00000000000000"));
    let upper = Ipv6::decode(&bytes).unwrap().upper_layer().unwrap();
    assert_eq!((upper.protocol, upper.offset, upper.payload.len()), (IpProtocol::HOP_BY_HOP, 48, 8));
    assert_eq!(upper.fragment.map(|fragment| (fragment.offset, fragment.more)), Some((1480, false)));
}

#[test]
fn no_next_header_carries_nothing_known() {
    let bytes = packet(IpProtocol::NO_NEXT_HEADER, b"ignored");
    let upper = Ipv6::decode(&bytes).unwrap().upper_layer().unwrap();
    assert_eq!((upper.protocol, upper.next_header_at, upper.offset), (IpProtocol::NO_NEXT_HEADER, 6, 40));
}

#[test]
fn rejects_short() {
    let bytes = packet(IpProtocol::HOP_BY_HOP, &CHAIN);
    for length in 0..bytes.len() {
        assert!(Ipv6::decode(&bytes[..length]).is_err());
        if let Ok(view) = Ipv6::decode_quoted(&bytes[..length]) {
            let complete = view.extensions().all(|extension| extension.is_ok());
            assert_eq!(complete, length >= 96, "{length}");
        }
    }
}

#[test]
fn rejects_bad_length() {
    let mut bytes = packet(IpProtocol::HOP_BY_HOP, &CHAIN);
    bytes[41] = 8;
    let view = Ipv6::decode(&bytes).unwrap();
    assert_eq!(view.upper_layer().unwrap_err().field, "ipv6.extension");
    assert_eq!(view.extensions().count(), 1);
    bytes[5] += 1;
    assert_eq!(Ipv6::decode(&bytes).unwrap_err().field, "ipv6.payload_length");
}

#[test]
fn the_number_of_extensions_is_bounded() {
    let endless = [60, 0, 0, 0, 0, 0, 0, 0].repeat(1000);
    let bytes = packet(IpProtocol::DESTINATION_OPTIONS, &endless);
    let error = Ipv6::decode(&bytes).unwrap().upper_layer().unwrap_err();
    assert_eq!(error.kind, DecodeErrorKind::TooMany { limit: MAX_EXTENSIONS });
}

proptest! {
    #[test]
    fn equals_etherparse(
        traffic_class: u8, flow_label in 0_u32..1 << 20, next: u8, hop_limit: u8, src: [u8; 16], dst: [u8; 16],
        payload in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let ours = Ipv6Header {
            traffic_class, flow_label, next_header: IpProtocol(next), hop_limit, src: src.into(), dst: dst.into(),
        };
        let bytes = ours.packet(&payload).unwrap();
        let theirs = etherparse::Ipv6Header {
            traffic_class, flow_label: flow_label.try_into().unwrap(), payload_length: payload.len() as u16,
            next_header: next.into(), hop_limit, source: src, destination: dst,
        };
        prop_assert_eq!(&bytes[..40], theirs.to_bytes());
        let view = Ipv6::decode(&bytes).unwrap();
        prop_assert_eq!(Ipv6Header::of(&view), ours);
        prop_assert_eq!(view.payload(), payload);
    }

    #[test]
    fn changes_in_place(class: u8, hop_limit: u8, flow_label in 0_u32..1 << 20) {
        let before = Ipv6Header { flow_label, ..Ipv6Header::new(SRC, DST, IpProtocol::UDP) };
        let mut bytes = before.packet(&[1, 2, 3]).unwrap();
        let mut packet = Ipv6Mut::new(&mut bytes).unwrap();
        packet.set_traffic_class(class);
        packet.set_hop_limit(hop_limit);
        packet.set_next_header(IpProtocol::ESP);
        packet.set_src(DST);
        packet.set_dst(SRC);
        packet.set_payload_len(2);
        let after = Ipv6Header {
            traffic_class: class, hop_limit, flow_label, next_header: IpProtocol::ESP, src: DST, dst: SRC,
        };
        prop_assert_eq!(&bytes[..42], after.packet(&[1, 2]).unwrap());
    }

    #[test]
    fn never_panics(first: u8, payload in prop::collection::vec(any::<u8>(), 0..200)) {
        let bytes = packet(IpProtocol(first), &payload);
        let view = Ipv6::decode(&bytes).unwrap();
        let _ = (view.upper_layer(), view.extensions().count(), view.to_string());
        let _ = Ipv6::decode(&payload);
    }
}
